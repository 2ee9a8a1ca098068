//! Channels to the peers: opened once, shared, and cut when a node is removed (R17).

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use machine::{Hash, NodeId};
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::raft::v1;
use wire::raft::v1::raft_service_client::RaftServiceClient;

use crate::core;
use crate::limits::MESSAGE_BYTES_MAX;
use crate::types::Raft;
use crate::view::{Published, Root};

/// A client of a peer's Raft service.
pub(crate) type Client = RaftServiceClient<Channel>;

/// Opens channels to peers. The server implements it over TLS, tests over pipes.
pub trait Peers: Send + Sync + 'static {
    /// Answers a channel that connects when first used, connects again by itself, and talks only
    /// to a node that proves to be `peer`.
    fn channel(&self, peer: &Peer) -> Result<Channel, PeerError>;
}

/// Whom a channel must reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The node id its certificate must name.
    pub node: NodeId,
    /// Host and port of its peer listener.
    pub address: String,
    /// The pinned key, SHA-256 of its SPKI; `None` while this node has not yet learnt it.
    pub public_key: Option<Hash>,
}

/// Why there is no channel to a peer.
#[derive(Debug, Clone, thiserror::Error)]
pub enum PeerError {
    /// The address is no host and port.
    #[error("the address of node {node} is not usable: {address}")]
    Address {
        /// The node.
        node: NodeId,
        /// What its address was.
        address: String,
    },
    /// The node was removed from the region.
    #[error("node {node} was removed")]
    Removed {
        /// The node.
        node: NodeId,
    },
}

/// Connections of different purpose do not wait for each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Lane {
    Raft,
    Bulk,
    Forward,
}

/// What a member says to a node that was removed. It is how that node learns of it: nobody sends it
/// the entries that say so any more. Releases before say the same.
pub(crate) const REMOVED: &str = "the node was removed";

pub(crate) struct Links {
    origin: v1::Origin,
    peers: Arc<dyn Peers>,
    published: Arc<Published>,
    open: Mutex<HashMap<(u64, Lane), (Peer, Channel)>>,
    is_removed: AtomicBool,
}

impl Links {
    pub(crate) fn new(
        origin: v1::Origin,
        peers: Arc<dyn Peers>,
        published: Arc<Published>,
    ) -> Links {
        Links {
            origin,
            peers,
            published,
            open: Mutex::default(),
            is_removed: AtomicBool::new(false),
        }
    }

    /// Notes a refusal by a member that says that this node was removed, which is for good.
    pub(crate) fn heed(&self, refusal: &Status) {
        let is_said = refusal.code() == Code::PermissionDenied && refusal.message() == REMOVED;
        if is_said && !self.is_removed.swap(true, Ordering::Relaxed) {
            let node = self.origin.node;
            tracing::warn!(
                node,
                "this node was removed from its region, it can be ended"
            );
        }
    }

    /// Whether a member has said that this node was removed.
    pub(crate) fn is_removed(&self) -> bool {
        self.is_removed.load(Ordering::Relaxed)
    }

    pub(crate) fn origin(&self) -> v1::Origin {
        self.origin.clone()
    }

    /// Answers a client of `node`, which the membership says is at `address`. The committed state
    /// is asked each time: a removed node has no channel from the moment its removal is applied.
    pub(crate) fn client(&self, node: u64, address: &str, lane: Lane) -> Result<Client, PeerError> {
        let peer = self.peer(node, address)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let channel = match open.get(&(node, lane)) {
            Some((known, channel)) if *known == peer => channel.clone(),
            _ => {
                let channel = self.peers.channel(&peer)?;
                open.insert((node, lane), (peer, channel.clone()));
                channel
            }
        };
        Ok(RaftServiceClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX))
    }

    /// Where the membership says `node` listens.
    pub(crate) fn address(&self, raft: &Raft, node: u64) -> Option<String> {
        core::metrics(raft, |metrics| {
            let member = metrics.membership_config.get_node(&node)?;
            Some(member.peer_address.clone())
        })
    }

    fn peer(&self, node: u64, address: &str) -> Result<Peer, PeerError> {
        let id = NodeId(node);
        let view = self.published.view();
        match standing(view.root(), id) {
            Standing::Pinned(public_key) => Ok(Peer {
                node: id,
                address: address.to_owned(),
                public_key: Some(public_key),
            }),
            Standing::Unknown => Ok(Peer {
                node: id,
                address: address.to_owned(),
                public_key: None,
            }),
            Standing::Removed => {
                let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                open.retain(|(known, _), _| *known != node);
                Err(PeerError::Removed { node: id })
            }
        }
    }
}

/// What the applied state says of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Pinned(Hash),
    /// Unknown: it may have been admitted by entries this node has yet to receive, perhaps from
    /// that very node. Its certificate still names it.
    Unknown,
    /// It was removed; its id is never used again.
    Removed,
}

pub(crate) fn standing(root: &Root, node: NodeId) -> Standing {
    match root.state.node(node) {
        Some(known) => Standing::Pinned(known.public_key),
        None if root.state.is_retired(node) => Standing::Removed,
        None => Standing::Unknown,
    }
}
