//! Channels to the other nodes, with the keys that membership pins.

use consensus::{Peer, PeerError, Peers};
use wire::{Channel, Dialer, Expected};

/// Dials peers over mutual TLS.
pub struct TlsPeers(pub Dialer);

impl Peers for TlsPeers {
    fn channel(&self, peer: &Peer) -> Result<Channel, PeerError> {
        let expected = match peer.public_key {
            Some(key) => Expected::Peer {
                node: peer.node.0,
                public_key: key.0,
            },
            None => Expected::Region,
        };
        self.0
            .channel(&peer.address, expected)
            .map_err(|_| PeerError::Address {
                node: peer.node,
                address: peer.address.clone(),
            })
    }
}
