//! Asks openraft's core, and says who leads.

use openraft::RaftState;
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::error::Unavailable;
use crate::types::{LeaderId, LogId, Membership, Metrics, Raft, TypeConfig};

/// What the core knew at one moment. It comes through the core's own queue, never from a metrics
/// watch, which lags behind it (R8).
#[derive(Debug, Clone)]
pub(crate) struct CoreState {
    /// The leadership the core votes for.
    pub(crate) leader_id: LeaderId,
    /// Whether a quorum granted it.
    pub(crate) granted: bool,
    /// The highest index known to be committed, and the leadership that wrote it.
    pub(crate) committed: Option<(LeaderId, u64)>,
    /// The effective membership.
    pub(crate) membership: Membership,
    /// The entry that set it.
    pub(crate) membership_id: Option<LogId>,
}

impl CoreState {
    /// Whether `node` led at that moment, as far as its own core knew.
    pub(crate) fn leads(&self, node: u64) -> bool {
        self.granted && self.leader_id.node_id == node
    }
}

/// Asks the core for its state, within the deadline.
pub(crate) async fn ask(raft: &Raft, deadline: Instant) -> Result<CoreState, Unavailable> {
    look(raft, deadline, core_state).await
}

/// Asks the core for whom it votes, within the deadline.
pub(crate) async fn ask_vote(raft: &Raft, deadline: Instant) -> Result<LeaderId, Unavailable> {
    look(raft, deadline, |state| state.vote_ref().leader_id).await
}

/// Has the core look at its state. Not with `with_raft_state`, which logs an error wherever the
/// answer comes too late for whoever asked.
async fn look<T: Send + 'static>(
    raft: &Raft,
    deadline: Instant,
    look: impl FnOnce(&RaftState<TypeConfig>) -> T + Send + 'static,
) -> Result<T, Unavailable> {
    let (tell, told) = oneshot::channel();
    let asked = async {
        let request = raft.external_request(|state| drop(tell.send(look(state))));
        request.await.map_err(|_stopped| Unavailable::Stopped)?;
        told.await.map_err(|_stopped| Unavailable::Stopped)
    };
    let asked = tokio::time::timeout_at(deadline, asked).await;
    asked.map_err(|_late| Unavailable::NoQuorum)?
}

fn core_state(state: &RaftState<TypeConfig>) -> CoreState {
    let vote = state.vote_ref();
    let effective = state.membership_state.effective();
    let committed = state.cluster_committed().max(state.local_committed());
    CoreState {
        leader_id: vote.leader_id,
        granted: vote.committed,
        committed: committed.map(|id| (id.leader_id, id.index)),
        membership: effective.membership().clone(),
        membership_id: *effective.log_id(),
    }
}

/// Who leads, for routing only: it may be out of date.
pub(crate) fn leader(raft: &Raft) -> Option<u64> {
    metrics(raft, |metrics| metrics.current_leader)
}

/// Whom to ask at the `tries`-th try: who is said to lead, and by turns the other members, of whom
/// one may know better. A node that was taken out of the membership hears of no new leader.
pub(crate) fn whom_to_ask(raft: &Raft, own: u64, tries: usize) -> Option<u64> {
    metrics(raft, |metrics| {
        let leader = metrics.current_leader;
        if tries.is_multiple_of(2) || leader == Some(own) {
            return leader;
        }
        let members = metrics.membership_config.membership().nodes();
        let others = members.map(|(node, _)| *node).filter(|node| *node != own);
        let others: Vec<u64> = others.collect();
        others.get((tries / 2).checked_rem(others.len())?).copied()
    })
}

/// Looks at the core's metrics, which may be out of date.
pub(crate) fn metrics<T>(raft: &Raft, look: impl FnOnce(&Metrics) -> T) -> T {
    look(&raft.metrics().borrow_watched())
}

/// Waits until the core's metrics are as `wanted`; an error when the core is gone.
pub(crate) async fn until(
    raft: &Raft,
    wanted: impl Fn(&Metrics) -> bool,
) -> Result<(), Unavailable> {
    let mut receiver = raft.metrics();
    loop {
        if wanted(&receiver.borrow_watched()) {
            return Ok(());
        }
        let changed = receiver.changed().await;
        changed.map_err(|_closed| Unavailable::Stopped)?;
    }
}

/// Waits until another than `leader` is heard to lead, or the core is gone. Whom this node took for
/// the leader before is not heard: `leader` may be the next one, and its word still on the way.
pub(crate) async fn until_other_leads(raft: &Raft, leader: u64) {
    let before = self::leader(raft);
    // These do not change with every entry: each forwarded write waits here.
    let mut receiver = raft.server_metrics();
    loop {
        let now = receiver.borrow_watched().current_leader;
        let is_other = now.is_some() && now != Some(leader) && now != before;
        if is_other || receiver.changed().await.is_err() {
            return;
        }
    }
}
