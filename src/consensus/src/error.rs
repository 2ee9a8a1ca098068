//! Why a call was not answered.

use machine::{Epoch, FeedId, NodeId};

/// No answer, and through no fault of the caller. [`Unavailable::is_safe_to_retry`] says whether
/// anything can have been written.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Unavailable {
    /// The deadline passed without a leader. Nothing was written.
    #[error("no leader is known: {}", hint(*leader))]
    NoLeader {
        /// Who may lead.
        leader: Option<NodeId>,
    },
    /// A majority of the voters did not confirm the leader in time. Nothing was written.
    #[error("no majority of the voters answered within the deadline")]
    NoQuorum,
    /// The deadline passed while an entry was on its way: it may yet be committed. A retry is
    /// safe only when the command carries its own identity.
    #[error("the outcome is unknown: the entry may yet be committed")]
    OutcomeUnknown,
    /// The leader's clock is too far from its peers' to stamp an entry. Nothing was written.
    #[error("the leader's clock is more than 5 s from the median of its peers'")]
    ClockSkewed,
    /// The leader lacks disk space, and so does every voter that could lead. Nothing was written.
    #[error("the disk of the leader is full, and no other voter that answers has space")]
    NoSpace,
    /// Another region leads the feed by a higher ballot, as was heard; this region's own log does
    /// not say so yet. Nothing was written.
    #[error("feed {feed} was taken over by ballot {epoch}: ask region {}", epoch.region)]
    Fenced {
        /// The feed.
        feed: FeedId,
        /// The ballot, and the region that leads by it.
        epoch: Epoch,
    },
    /// This node did not apply far enough within the deadline.
    #[error("this node is behind and did not catch up within the deadline")]
    Behind,
    /// Too many calls are in flight on this node. Nothing was written.
    #[error("too many calls are in flight on this node")]
    Overloaded,
    /// The node is stopping, or stopped on a fault.
    #[error("this node is stopping")]
    Stopped,
    /// The entry is larger than the log takes. Nothing was written.
    #[error("an entry of {bytes} bytes is above the limit of {limit_bytes}")]
    EntryTooLarge {
        /// Its size.
        bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
}

impl Unavailable {
    /// Whether nothing can have been written, so that the same call may be made again.
    pub fn is_safe_to_retry(&self) -> bool {
        !matches!(
            self,
            Unavailable::OutcomeUnknown | Unavailable::EntryTooLarge { .. }
        )
    }
}

fn hint(leader: Option<NodeId>) -> String {
    match leader {
        Some(leader) => format!("node {} did not answer as one", leader.0),
        None => "an election may be under way, or too few nodes are up".to_owned(),
    }
}
