//! What a node says of itself to operators, health checks and metrics.

use std::time::Duration;

use machine::{LogIndex, NodeId};
use openraft::{Instant as _, ServerState};

use crate::types::{LogId, Member, Metrics};

/// A node's own view of its region. It may be out of date: reads and writes never rely on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// This node.
    pub node: NodeId,
    /// Who leads, as far as this node knows.
    pub leader: Option<NodeId>,
    /// The term.
    pub term: u64,
    /// What this node is.
    pub role: Role,
    /// The last entry in this node's log.
    pub last_log: Option<LogIndex>,
    /// The last entry known to be committed.
    pub committed: Option<LogIndex>,
    /// The last entry applied here.
    pub applied: Option<LogIndex>,
    /// The last entry the newest snapshot file holds.
    pub snapshot: Option<LogIndex>,
    /// The last entry purged from the log.
    pub purged: Option<LogIndex>,
    /// The voters, of both halves while the membership is joint.
    pub voters: Vec<NodeId>,
    /// The learners.
    pub learners: Vec<NodeId>,
    /// Where each member listens.
    pub members: Vec<(NodeId, Member)>,
    /// On the leader: the time since a quorum last answered. Health and routing go by this, not by
    /// `role`, which still says leader on an isolated one.
    pub last_quorum_ack_age: Option<Duration>,
    /// The distance of this node's clock from the median of its peers'.
    pub clock_distance: Duration,
}

/// What a node is in its region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It leads, as far as it knows.
    Leader,
    /// It votes.
    Follower,
    /// It asks for votes.
    Candidate,
    /// It learns.
    Learner,
    /// Its core has stopped.
    Stopped,
}

impl Status {
    pub(crate) fn new(metrics: &Metrics, clock_distance: Duration) -> Status {
        let index = |id: &Option<LogId>| id.map(|id| LogIndex(id.index));
        let membership = metrics.membership_config.membership();
        Status {
            node: NodeId(metrics.id),
            leader: metrics.current_leader.map(NodeId),
            term: metrics.current_term,
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                ServerState::Shutdown => Role::Stopped,
            },
            last_log: metrics.last_log_index.map(LogIndex),
            committed: index(&metrics.cluster_committed.max(metrics.local_committed)),
            applied: index(&metrics.last_applied),
            snapshot: index(&metrics.snapshot),
            purged: index(&metrics.purged),
            voters: membership.voter_ids().map(NodeId).collect(),
            learners: membership.learner_ids().map(NodeId).collect(),
            members: membership
                .nodes()
                .map(|(node, member)| (NodeId(*node), member.clone()))
                .collect(),
            last_quorum_ack_age: metrics.last_quorum_acked.map(|at| at.elapsed()),
            clock_distance,
        }
    }
}
