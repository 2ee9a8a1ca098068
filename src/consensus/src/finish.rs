//! Finishes a change of membership that a lost leader left half made.
//!
//! A change of voters is two entries: the joint membership, then the new one alone. While the
//! membership is joint, every commit needs a majority of both halves. The leadership that wrote the
//! first entry also writes the second (`membership.rs`); when it is lost between the two, the next
//! one does.

use std::collections::BTreeSet;
use std::sync::Arc;

use openraft::{ChangeMembers, Precondition, ServerState};

use crate::core;
use crate::lease::Reason;
use crate::limits::RETRY_PAUSE;
use crate::rounds::Rounds;
use crate::types::{LogId, Metrics};

/// Works until the core stops.
pub(crate) async fn finish_changes(rounds: Arc<Rounds>) {
    let raft = rounds.raft.clone();
    let is_left = |metrics: &Metrics| half_made(metrics).is_some();
    while core::until(&raft, is_left).await.is_ok() {
        let Some(joint) = core::metrics(&raft, half_made) else {
            continue;
        };
        // Adds nobody: what remains to be done is the second entry.
        let rest = ChangeMembers::AddVoterIds(BTreeSet::new());
        let unchanged = Precondition::LastMembershipLogId {
            last_membership_log_id: Some(joint),
        };
        let _closed = rounds.lease.hold(Reason::Membership);
        match raft.change_membership_if(rest, false, [unchanged]).await {
            Ok(_) => tracing::info!("finished a change of membership of an earlier leader"),
            // The joint entry is not committed yet, or leadership has moved on.
            Err(error) => tracing::debug!(%error, "a change of membership stays half made"),
        }
        tokio::time::sleep(RETRY_PAUSE).await;
    }
}

/// The entry of a joint membership that another leadership than this node's wrote.
fn half_made(metrics: &Metrics) -> Option<LogId> {
    let effective = &metrics.membership_config;
    let written = (*effective.log_id())?;
    let is_joint = effective.membership().get_joint_config().len() > 1;
    let leads = metrics.state == ServerState::Leader;
    let is_own = written.leader_id == metrics.vote.leader_id;
    (is_joint && leads && !is_own).then_some(written)
}
