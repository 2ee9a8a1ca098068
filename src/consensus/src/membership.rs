//! Who is in the region: found, add, promote, remove.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use machine::NodeId;
use openraft::errors::{ChangeMembershipError, ClientWriteError, InitializeError, RaftError};
use openraft::{ChangeMembers, Instant as _};
use tokio::time::Instant;
use wire::raft::v1;

use crate::barrier::wait_ms;
use crate::codec;
use crate::core;
use crate::error::Unavailable;
use crate::lease::Reason;
use crate::limits::{PROMOTE_LAG_ENTRIES_MAX, RETRY_PAUSE, VOTER_SILENCE_MAX};
use crate::links::{Lane, Links};
use crate::peer_set::PeerSet;
use crate::rounds::Rounds;
use crate::space::Space;
use crate::types::{Member, Membership, Metrics, Raft, TypeConfig};

/// Why a change of membership was not made.
#[derive(Debug, Clone, thiserror::Error)]
pub enum MembershipError {
    /// The region has no such node.
    #[error("node {} is not in the region", node.0)]
    UnknownNode {
        /// The node.
        node: NodeId,
    },
    /// The node id is taken by a node at other addresses.
    #[error("node {} is already in the region, at other addresses", node.0)]
    AddressDiffers {
        /// The node.
        node: NodeId,
    },
    /// The node would slow every write down: wait until it has caught up.
    #[error("node {} is {lag_entries} entries behind, promote it when it has caught up", node.0)]
    NotCaughtUp {
        /// The node.
        node: NodeId,
        /// How far behind it is.
        lag_entries: u64,
    },
    /// The node has not answered the leader lately: a vote would make it one of those a majority
    /// is counted of, and the region could be lost with it.
    #[error("node {} does not answer, promote it when it runs", node.0)]
    NotHeard {
        /// The node.
        node: NodeId,
    },
    /// The voters that remain and answer would be fewer than a quorum: start or replace the
    /// silent ones first.
    #[error("only {live} of the {needed} voters needed without node {} answer", node.0)]
    BelowQuorum {
        /// The node.
        node: NodeId,
        /// Voters that would remain and answer.
        live: usize,
        /// How many are needed.
        needed: usize,
    },
    /// The node would answer no write before it has applied what it has: choose another, or wait.
    #[error("node {} has much to apply yet, and would not lead", node.0)]
    Lags {
        /// The node.
        node: NodeId,
    },
    /// Another change of membership is under way: try again.
    #[error("another change of membership is under way")]
    InProgress,
    /// Only a voter can lead.
    #[error("node {} does not vote", node.0)]
    NotAVoter {
        /// The node.
        node: NodeId,
    },
    /// The leader was not reached, or did not finish in time. Ask for the status before a retry.
    #[error("the change was not confirmed")]
    Unavailable(#[from] Unavailable),
}

/// A change of membership, made by the leader.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    AddLearner(u64, Member),
    Promote(u64),
    Remove(u64),
    /// To the one named, or else to the one that is best suited.
    TransferTo(Option<u64>),
}

#[derive(Clone)]
pub(crate) struct Members {
    pub(crate) raft: Raft,
    links: Arc<Links>,
    pub(crate) rounds: Arc<Rounds>,
    pub(crate) space: Arc<Space>,
    /// The peers that have much to apply, by their last answers.
    pub(crate) lagging: Arc<PeerSet>,
    pub(crate) node: u64,
}

impl Members {
    pub(crate) fn new(rounds: Arc<Rounds>, space: Arc<Space>, lagging: Arc<PeerSet>) -> Members {
        Members {
            space,
            lagging,
            raft: rounds.raft.clone(),
            links: Arc::clone(&rounds.links),
            node: rounds.node,
            rounds,
        }
    }

    /// Makes this node the only voter of a new region. Does nothing when it already is in one.
    pub(crate) async fn initialize(&self, member: Member) -> Result<(), MembershipError> {
        let members = BTreeMap::from([(self.node, member)]);
        match self.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(InitializeError::NotInMembers(_))) => {
                Err(self.unknown(self.node))
            }
            Err(RaftError::Fatal(_)) => Err(Unavailable::Stopped.into()),
        }
    }

    /// Makes the change here when this node leads, or asks the leader to.
    pub(crate) async fn change(
        &self,
        change: Change,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let mut tries = 0;
        let first = core::leader(&self.raft);
        loop {
            let leader = core::leader(&self.raft);
            let is_done = tries > 0 && leader.is_some() && leader != first;
            if is_done && matches!(change, Change::TransferTo(None)) {
                return Ok(());
            }
            let tried = match core::whom_to_ask(&self.raft, self.node, tries) {
                Some(node) if node == self.node => self.lead(&change, deadline).await,
                Some(node) => self.forward(node, &change, deadline).await,
                None => Err(Unavailable::NoLeader { leader: None }.into()),
            };
            match tried {
                Err(
                    MembershipError::InProgress
                    | MembershipError::Unavailable(Unavailable::NoLeader { .. }),
                ) if Instant::now() + RETRY_PAUSE < deadline => {
                    tries += 1;
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
                result => return result,
            }
        }
    }

    /// Makes the change, as leader.
    pub(crate) async fn lead(
        &self,
        change: &Change,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let leader = core::leader(&self.raft);
        if leader != Some(self.node) {
            let leader = leader.map(NodeId);
            return Err(Unavailable::NoLeader { leader }.into());
        }
        let made = async {
            match change {
                Change::AddLearner(node, member) => self.add_learner(*node, member).await,
                Change::Promote(node) => self.promote(*node).await,
                Change::Remove(node) => self.remove(*node, deadline).await,
                Change::TransferTo(Some(node)) => self.transfer(*node, deadline).await,
                Change::TransferTo(None) => self.transfer_to_best(deadline).await,
            }
        };
        match tokio::time::timeout_at(deadline, made).await {
            Ok(result) => result,
            Err(_late) => Err(Unavailable::OutcomeUnknown.into()),
        }
    }

    async fn add_learner(&self, node: u64, member: &Member) -> Result<(), MembershipError> {
        match self.membership().get_node(&node) {
            Some(known) if known == member => return Ok(()),
            Some(_) => return Err(MembershipError::AddressDiffers { node: NodeId(node) }),
            None => {}
        }
        let (raft, member) = (self.raft.clone(), member.clone());
        let closed = self.rounds.lease.hold(Reason::Membership);
        let adding = tokio::spawn(async move {
            let added = raft.add_learner(node, member, false).await;
            drop(closed);
            added
        });
        let added = adding.await.map_err(|_panicked| Unavailable::Stopped)?;
        added.map(drop).map_err(|error| change_failed(node, error))
    }

    async fn promote(&self, node: u64) -> Result<(), MembershipError> {
        let membership = self.membership();
        if membership.get_node(&node).is_none() {
            return Err(self.unknown(node));
        }
        // A joint membership is a change half made: the second half is what is asked for.
        let is_joint = membership.get_joint_config().len() > 1;
        if !is_joint && membership.voter_ids().any(|voter| voter == node) {
            return Ok(());
        }
        if !self.has_answered(node) {
            return Err(MembershipError::NotHeard { node: NodeId(node) });
        }
        let lag_entries = self.lag(node);
        if lag_entries > PROMOTE_LAG_ENTRIES_MAX {
            return Err(MembershipError::NotCaughtUp {
                node: NodeId(node),
                lag_entries,
            });
        }
        self.set(node, ChangeMembers::AddVoterIds(BTreeSet::from([node])))
            .await
    }

    async fn remove(&self, node: u64, deadline: Instant) -> Result<(), MembershipError> {
        let membership = self.membership();
        if membership.get_node(&node).is_none() {
            return Err(self.unknown(node));
        }
        if !membership.voter_ids().any(|voter| voter == node) {
            let learner = ChangeMembers::RemoveNodes(BTreeSet::from([node]));
            return self.set(node, learner).await;
        }
        self.hear_quorum_without(node, &membership).await?;
        if node == self.node {
            let heir = self.heir().await.ok_or(self.below_quorum(node, 0, 1))?;
            self.transfer(heir, deadline).await?;
            // The new leader removes this node.
            let leader = NodeId(heir);
            return Err(Unavailable::NoLeader {
                leader: Some(leader),
            }
            .into());
        }
        self.set(node, ChangeMembers::RemoveVoters(BTreeSet::from([node])))
            .await
    }

    /// Gives voters time to be heard: after an election or a change nobody has been, yet.
    async fn hear_quorum_without(
        &self,
        node: u64,
        membership: &Membership,
    ) -> Result<(), MembershipError> {
        let until = Instant::now() + VOTER_SILENCE_MAX;
        loop {
            match self.check_quorum_without(node, membership) {
                Err(_) if Instant::now() < until => tokio::time::sleep(RETRY_PAUSE).await,
                checked => return checked,
            }
        }
    }

    /// The voters that remain must be enough for the new membership and, while it is joint, for
    /// the old one: otherwise the change would never end.
    fn check_quorum_without(
        &self,
        node: u64,
        membership: &Membership,
    ) -> Result<(), MembershipError> {
        let voters: BTreeSet<u64> = membership.voter_ids().collect();
        let live = self.live_voters();
        let remain = live.iter().filter(|voter| **voter != node).count();
        let new_majority = (voters.len() - 1) / 2 + 1;
        if voters.len() == 1 || remain < new_majority {
            return Err(self.below_quorum(node, remain, new_majority));
        }
        let old_majority = voters.len() / 2 + 1;
        if live.len() < old_majority {
            return Err(self.below_quorum(node, live.len(), old_majority));
        }
        Ok(())
    }

    /// The voters that have answered this leader lately, and itself.
    pub(crate) fn live_voters(&self) -> BTreeSet<u64> {
        core::metrics(&self.raft, |metrics| {
            let answered =
                |voter| answer_age(metrics, voter).is_some_and(|age| age < VOTER_SILENCE_MAX);
            let live = |voter: &u64| *voter == self.node || answered(*voter);
            let voters = metrics.membership_config.membership().voter_ids();
            voters.filter(live).collect()
        })
    }

    /// Whether `node` runs and follows this leader: it holds an entry of its log and has answered
    /// lately. A node that never ran lacks nothing while the log is short, but must not vote.
    pub(crate) fn has_answered(&self, node: u64) -> bool {
        core::metrics(&self.raft, |metrics| {
            matched_index(metrics, node).is_some()
                && answer_age(metrics, node).is_some_and(|age| age < VOTER_SILENCE_MAX)
        })
    }

    /// Entries of this leader's log that `node` is not known to have.
    pub(crate) fn lag(&self, node: u64) -> u64 {
        core::metrics(&self.raft, |metrics| {
            let matched = matched_index(metrics, node).map_or(0, |index| index + 1);
            let last = metrics.last_log_index.map_or(0, |index| index + 1);
            last.saturating_sub(matched)
        })
    }

    async fn set(
        &self,
        node: u64,
        change: ChangeMembers<u64, Member>,
    ) -> Result<(), MembershipError> {
        let raft = self.raft.clone();
        let closed = self.rounds.lease.hold(Reason::Membership);
        // A caller that gives up between the two steps must not leave the membership joint, nor
        // open the lease under it.
        let changing = tokio::spawn(async move {
            let changed = raft.change_membership(change, false).await;
            drop(closed);
            changed
        });
        let changed = changing.await.map_err(|_panicked| Unavailable::Stopped)?;
        changed
            .map(drop)
            .map_err(|error| change_failed(node, error))
    }

    async fn forward(
        &self,
        leader: u64,
        change: &Change,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let no_leader = || Unavailable::NoLeader {
            leader: Some(NodeId(leader)),
        };
        let address = self
            .links
            .address(&self.raft, leader)
            .ok_or_else(no_leader)?;
        let mut client = self
            .links
            .client(leader, &address, Lane::Forward)
            .map_err(|_refused| no_leader())?;
        let request = v1::ChangeMembershipRequest {
            origin: Some(self.links.origin()),
            change: Some(change.to_message()),
            wait_ms: wait_ms(deadline),
        };
        let changed = tokio::time::timeout_at(deadline, client.change_membership(request)).await;
        match changed {
            Ok(Ok(answer)) => match answer.into_inner().refusal {
                None => Ok(()),
                Some(refusal) => Err(from_refusal(refusal)),
            },
            Ok(Err(status)) if status.code() == tonic::Code::Aborted => {
                Err(Unavailable::OutcomeUnknown.into())
            }
            // Each change is idempotent: a try that may have worked is made again.
            Ok(Err(_)) => Err(no_leader().into()),
            Err(_late) => Err(Unavailable::OutcomeUnknown.into()),
        }
    }

    pub(crate) fn membership(&self) -> Membership {
        core::metrics(&self.raft, |metrics| {
            metrics.membership_config.membership().clone()
        })
    }

    fn unknown(&self, node: u64) -> MembershipError {
        MembershipError::UnknownNode { node: NodeId(node) }
    }

    pub(crate) fn below_quorum(&self, node: u64, live: usize, needed: usize) -> MembershipError {
        MembershipError::BelowQuorum {
            node: NodeId(node),
            live,
            needed,
        }
    }
}

/// The last entry that `node` is known to hold, if this node leads.
pub(crate) fn matched_index(metrics: &Metrics, node: u64) -> Option<u64> {
    let matched = metrics.replication.as_ref()?.get(&node)?;
    matched.as_ref().map(|id| id.index)
}

/// The time since this node, if it leads, asked what `node` last answered.
pub(crate) fn answer_age(metrics: &Metrics, node: u64) -> Option<Duration> {
    let asked = metrics.heartbeat.as_ref()?.get(&node)?;
    asked.as_ref().map(|at| at.elapsed())
}

impl Change {
    pub(crate) fn to_message(&self) -> v1::change_membership_request::Change {
        match self {
            Change::AddLearner(node, member) => {
                v1::change_membership_request::Change::AddLearner(codec::member(*node, member))
            }
            Change::Promote(node) => v1::change_membership_request::Change::Promote(*node),
            Change::Remove(node) => v1::change_membership_request::Change::Remove(*node),
            Change::TransferTo(node) => {
                v1::change_membership_request::Change::TransferTo(node.unwrap_or_default())
            }
        }
    }

    pub(crate) fn from_message(message: v1::change_membership_request::Change) -> Change {
        match message {
            v1::change_membership_request::Change::AddLearner(member) => {
                Change::AddLearner(member.node, codec::from_member(member))
            }
            v1::change_membership_request::Change::Promote(node) => Change::Promote(node),
            v1::change_membership_request::Change::Remove(node) => Change::Remove(node),
            v1::change_membership_request::Change::TransferTo(node) => {
                Change::TransferTo((node != 0).then_some(node))
            }
        }
    }
}

fn change_failed(
    node: u64,
    error: RaftError<TypeConfig, ClientWriteError<TypeConfig>>,
) -> MembershipError {
    let error = match error {
        RaftError::APIError(error) => error,
        RaftError::Fatal(_) => return Unavailable::Stopped.into(),
    };
    match error {
        ClientWriteError::ForwardToLeader(forward) => Unavailable::NoLeader {
            leader: forward.leader_id.map(NodeId),
        }
        .into(),
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::LearnerNotFound(_)) => {
            MembershipError::UnknownNode { node: NodeId(node) }
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::NodeMetadataChanged(_)) => {
            MembershipError::AddressDiffers { node: NodeId(node) }
        }
        ClientWriteError::ChangeMembershipError(ChangeMembershipError::EmptyMembership(_)) => {
            MembershipError::BelowQuorum {
                node: NodeId(node),
                live: 0,
                needed: 1,
            }
        }
        ClientWriteError::ChangeMembershipError(_) => MembershipError::InProgress,
        ClientWriteError::LogEntryDiscarded(_) | ClientWriteError::PreconditionFailed(_) => {
            Unavailable::OutcomeUnknown.into()
        }
    }
}

/// What the peer protocol says of an error; `None` for those it carries as a status.
pub(crate) fn to_refusal(error: &MembershipError) -> Option<v1::MembershipRefusal> {
    use v1::MembershipRefusalReason as Reason;
    let mut refusal = v1::MembershipRefusal::default();
    let (reason, node) = match error {
        MembershipError::UnknownNode { node } => (Reason::UnknownNode, node.0),
        MembershipError::AddressDiffers { node } => (Reason::AddressDiffers, node.0),
        MembershipError::NotCaughtUp { node, lag_entries } => {
            refusal.lag = *lag_entries;
            (Reason::NotCaughtUp, node.0)
        }
        MembershipError::BelowQuorum { node, live, needed } => {
            refusal.live = *live as u64;
            refusal.needed = *needed as u64;
            (Reason::BelowQuorum, node.0)
        }
        MembershipError::InProgress => (Reason::InProgress, 0),
        MembershipError::NotAVoter { node } => (Reason::NotAVoter, node.0),
        MembershipError::NotHeard { node } => (Reason::NotHeard, node.0),
        MembershipError::Lags { node } => (Reason::Lags, node.0),
        MembershipError::Unavailable(_) => return None,
    };
    refusal.reason = reason.into();
    refusal.node = node;
    Some(refusal)
}

pub(crate) fn from_refusal(refusal: v1::MembershipRefusal) -> MembershipError {
    use v1::MembershipRefusalReason as Reason;
    let node = NodeId(refusal.node);
    match refusal.reason() {
        Reason::UnknownNode => MembershipError::UnknownNode { node },
        Reason::AddressDiffers => MembershipError::AddressDiffers { node },
        Reason::NotCaughtUp => MembershipError::NotCaughtUp {
            node,
            lag_entries: refusal.lag,
        },
        Reason::BelowQuorum => MembershipError::BelowQuorum {
            node,
            live: usize::try_from(refusal.live).unwrap_or(usize::MAX),
            needed: usize::try_from(refusal.needed).unwrap_or(usize::MAX),
        },
        Reason::NotAVoter => MembershipError::NotAVoter { node },
        Reason::NotHeard => MembershipError::NotHeard { node },
        Reason::Lags => MembershipError::Lags { node },
        Reason::InProgress | Reason::Unspecified => MembershipError::InProgress,
    }
}
