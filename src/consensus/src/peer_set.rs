//! Peers of which something is true, by what they last said of themselves.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Debug, Default)]
pub(crate) struct PeerSet {
    peers: Mutex<BTreeSet<u64>>,
}

impl PeerSet {
    /// Takes what a peer says of itself.
    pub(crate) fn hear(&self, peer: u64, is_true: bool) {
        let mut peers = self.peers();
        if is_true {
            peers.insert(peer);
        } else {
            peers.remove(&peer);
        }
    }

    pub(crate) fn has(&self, peer: u64) -> bool {
        self.peers().contains(&peer)
    }

    fn peers(&self) -> MutexGuard<'_, BTreeSet<u64>> {
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
