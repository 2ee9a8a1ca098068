//! What a node says of itself to operators, health checks and metrics.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use machine::{LogIndex, NodeId};
use openraft::metrics::RaftServerMetrics;
use openraft::{Instant as _, ServerState};
use tokio::time::Instant;

use crate::membership::{answer_age, matched_index};
use crate::types::{LogId, Member, Metrics, TypeConfig};

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
    /// Whether a member has said since the start that this node was removed, which is for good.
    pub removed: bool,
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
    /// On the others: the time since a leader of the present term last sent entries or a beat.
    /// They go on naming a leader that is lost for as long as they cannot elect another.
    pub leader_silence: Option<Duration>,
    /// On the leader: how far the others have the log.
    pub progress: Vec<Progress>,
    /// The distance of this node's clock from the median of its peers'.
    pub clock_distance: Duration,
}

/// What a node holds in queues and lists that grow and shrink with its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Writes proposed here and not yet answered.
    pub proposals: u64,
    /// Reads that wait for a barrier.
    pub reads_waiting: u64,
    /// Bytes of rows that are applied and not yet written.
    pub backlog_bytes: u64,
    /// Good copies of bad rows that wait to be written.
    pub repairs_waiting: u64,
    /// Deleted values that the rows keep for readers of older states.
    pub deferred_values: u64,
    /// Values listed as in memory, those that are gone since included.
    pub resident_values: u64,
    /// Bytes of the newest entries, kept for replication and apply.
    pub tail_bytes: u64,
}

/// How far a node has the log, as its leader knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    /// The node.
    pub node: NodeId,
    /// The last entry that the node is known to hold.
    pub matched: Option<LogIndex>,
    /// The time since the leader asked what the node last answered.
    pub answer_age: Option<Duration>,
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

/// Who leads, votes and learns, as far as a node knows. It changes with elections and membership
/// only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seats {
    /// The node that knows it.
    pub node: NodeId,
    /// What it is itself.
    pub role: Role,
    /// The term.
    pub term: u64,
    /// Who leads.
    pub leader: Option<NodeId>,
    /// The voters, of both halves while the membership is joint.
    pub voters: Vec<NodeId>,
    /// The learners.
    pub learners: Vec<NodeId>,
}

impl Seats {
    pub(crate) fn of(metrics: &RaftServerMetrics<TypeConfig>) -> Seats {
        let membership = metrics.membership_config.membership();
        Seats {
            node: NodeId(metrics.id),
            role: Role::of(metrics.state),
            term: metrics.vote.leader_id.term,
            leader: metrics.current_leader.map(NodeId),
            voters: membership.voter_ids().map(NodeId).collect(),
            learners: membership.learner_ids().map(NodeId).collect(),
        }
    }
}

impl Role {
    fn of(state: ServerState) -> Role {
        match state {
            ServerState::Leader => Role::Leader,
            ServerState::Follower => Role::Follower,
            ServerState::Candidate => Role::Candidate,
            ServerState::Learner => Role::Learner,
            ServerState::Shutdown => Role::Stopped,
        }
    }
}

/// When a leader was last heard here.
#[derive(Debug)]
pub(crate) struct LeaderHeard {
    at: Mutex<Option<Instant>>,
    /// Silence after which an election begins.
    silence_max: Duration,
}

impl LeaderHeard {
    pub(crate) fn new(silence_max: Duration) -> LeaderHeard {
        LeaderHeard {
            at: Mutex::default(),
            silence_max,
        }
    }

    pub(crate) fn now(&self) {
        *self.at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether no leader has been heard for so long that another may be about to be elected.
    pub(crate) fn is_silent(&self) -> bool {
        self.silence() > Some(self.silence_max)
    }

    fn silence(&self) -> Option<Duration> {
        let heard = *self.at.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|at| at.elapsed())
    }
}

impl Status {
    pub(crate) fn new(
        metrics: &Metrics,
        removed: bool,
        clock_distance: Duration,
        heard: &LeaderHeard,
    ) -> Status {
        let index = |id: &Option<LogId>| id.map(|id| LogIndex(id.index));
        let membership = metrics.membership_config.membership();
        Status {
            node: NodeId(metrics.id),
            leader: metrics.current_leader.map(NodeId),
            term: metrics.current_term,
            role: Role::of(metrics.state),
            removed,
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
            leader_silence: heard.silence(),
            progress: progress(metrics),
            last_quorum_ack_age: metrics.last_quorum_acked.map(|at| at.elapsed()),
            clock_distance,
        }
    }
}

/// Of every member but the leader; nothing on a node that does not lead.
fn progress(metrics: &Metrics) -> Vec<Progress> {
    let known = metrics.replication.iter().flatten();
    known
        .filter(|(node, _)| **node != metrics.id)
        .map(|(node, _)| Progress {
            node: NodeId(*node),
            matched: matched_index(metrics, *node).map(LogIndex),
            answer_age: answer_age(metrics, *node),
        })
        .collect()
}
