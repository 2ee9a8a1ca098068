//! Ends open connections of callers who have lost their right to them: a revoked certificate, a
//! credential or an identity that is off or gone, a node that was removed.
//!
//! Every call and every stream is judged anyway; a connection that is ended says so to a caller who
//! only listens, and gives its place back.

use std::sync::Arc;

use consensus::{Consensus, View};
use machine::{Feed, FeedId, Node, NodeId, Position, State};
use wire::{Caller, Connections, PeerIdentity};

use crate::authz::{Certificate, Unknown, standing};
use crate::limits::SEVER_PAUSE;
use crate::regions::is_linked;

/// Follows the state of this region.
pub struct Sever {
    /// The state.
    pub consensus: Consensus,
    /// The connections of each listener.
    pub connections: Vec<Connections>,
}

/// What of a state says who may be connected.
#[derive(PartialEq)]
struct Grounds {
    root: Option<Position>,
    nodes: Vec<(NodeId, Arc<Node>)>,
}

impl Sever {
    /// Looks after each change, and a little later: many come together.
    pub async fn follow(self) {
        let mut applied = self.consensus.applied();
        applied.borrow_and_update();
        let mut before = self.consensus.local_view();
        let mut grounds = Grounds::of(&before);
        while applied.changed().await.is_ok() {
            tokio::time::sleep(SEVER_PAUSE).await;
            applied.borrow_and_update();
            let now = self.consensus.local_view();
            let fresh = Grounds::of(&now);
            if fresh != grounds {
                self.sever(&before, &now);
                grounds = fresh;
            }
            before = now;
        }
    }

    fn sever(&self, before: &View, now: &View) {
        for connections in &self.connections {
            let ended = connections.cut(|caller| has_lost(before, now, caller));
            if ended > 0 {
                tracing::info!(
                    ended,
                    "connections ended whose callers have lost their right"
                );
            }
        }
    }
}

impl Grounds {
    fn of(state: &State) -> Self {
        let root = state.feed(&FeedId::Root);
        Self {
            root: root.and_then(Feed::position),
            nodes: state
                .nodes()
                .map(|node| (node.id, Arc::clone(node)))
                .collect(),
        }
    }
}

/// Whether a caller has lost the right to be connected from one state to a later one. One who never
/// had it is refused each call, and may have it in a moment where the state is behind.
fn has_lost(was: &State, is: &State, caller: &Caller) -> bool {
    match caller {
        Caller::Anonymous => false,
        Caller::Client(client) => {
            let shown = Certificate {
                client: client.name.as_str().into(),
                public_key: client.public_key,
            };
            match standing(is, &shown) {
                Ok(()) => false,
                Err(Unknown::NoCredential) => standing(was, &shown).is_ok(),
                // The state says so of this caller, whatever it said before.
                Err(_) => true,
            }
        }
        Caller::Peer(peer) => is_there(was, peer) && !is_there(is, peer),
    }
}

/// Whether a node is a member, or one of a linked region, with its key.
fn is_there(state: &State, peer: &PeerIdentity) -> bool {
    if state
        .region()
        .is_some_and(|own| own.as_str() == peer.region)
    {
        let node = state.node(NodeId(peer.node));
        return node.is_some_and(|node| node.public_key.0 == peer.public_key);
    }
    is_linked(state, peer)
}
