//! The types openraft is given, and short names for those it gives back.

use std::fmt;

use bytes::Bytes;
use machine::{Outcome, Position, Rejection};
use openraft::type_config::alias;

openraft::declare_raft_types!(
    /// Binds openraft to Strongroom's entries, answers and nodes.
    ///
    /// The leader id is openraft's default, (term, node): a term may have several leaders, which
    /// is why every check of leadership compares both.
    pub TypeConfig:
        D = Proposed,
        R = Reply,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = openraft::impls::TokioRuntime,
);

pub(crate) type Raft = openraft::Raft<TypeConfig, crate::apply::Machine>;
pub(crate) type LogId = alias::LogIdOf<TypeConfig>;
pub(crate) type LeaderId = alias::LeaderIdOf<TypeConfig>;
pub(crate) type Vote = alias::VoteOf<TypeConfig>;
pub(crate) type LogEntry = alias::EntryOf<TypeConfig>;
pub(crate) type Membership = openraft::Membership<u64, Member>;
pub(crate) type StoredMembership = alias::StoredMembershipOf<TypeConfig>;
pub(crate) type Metrics = openraft::RaftMetrics<TypeConfig>;
pub(crate) type SnapshotMeta = alias::SnapshotMetaOf<TypeConfig>;

/// An encoded `machine::Entry`, as it stands in the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Proposed(pub Bytes);

impl fmt::Debug for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proposed({} bytes, redacted)", self.0.len())
    }
}

impl fmt::Display for Proposed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// What applying an entry answered. Blank and membership entries answer nothing.
#[derive(Debug)]
pub struct Reply(pub Option<Answered>);

/// The machine's answer to one entry.
#[derive(Debug, Clone)]
pub struct Answered {
    /// What the machine decided; every node decides the same.
    pub answer: Result<Outcome, Rejection>,
    /// The positions of the changes it made.
    pub positions: Vec<Position>,
}

/// Where a node listens, as recorded in the Raft membership.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Member {
    /// Host and port of the peer listener.
    pub peer_address: String,
    /// Host and port of the API listener.
    pub api_address: String,
}
