//! What a node does by itself. Every task is a loop that a failure only delays; whatever two nodes
//! might both do is judged by the machine, so that the second copy changes nothing (R10).

mod access;
mod checkpoint;
mod confirm;
mod issuers;
mod promote;
mod purge;
mod resealed;
mod revoked;
mod seats;
mod session_keys;

use std::sync::Arc;
use std::time::Duration;

use consensus::{Clock, Consensus, Proposal, Role, Unavailable};
use machine::{Audit, Command, FeedId, Outcome, Rejection, RequestId, State};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::accesses::Accesses;
use crate::freshness::Freshness;
use crate::issuers::Issuers;
use crate::limits::TASK_DEADLINE;
use crate::metrics::Metrics;
use crate::trail::{Act, Recorder};
use crate::vault::Vault;

/// What the tasks work with.
#[derive(Clone)]
pub struct Tasks {
    /// The consensus.
    pub consensus: Consensus,
    /// The clock that stamps: what is due by another would not be by `decide`.
    pub clock: Arc<dyn Clock>,
    /// The reads to record.
    pub accesses: Arc<Accesses>,
    /// How old the local state may be.
    pub freshness: Arc<Freshness>,
    /// What keys are sealed with.
    pub vault: Arc<Vault>,
    /// The metrics.
    pub metrics: Metrics,
    /// Records what they do.
    pub recorder: Arc<Recorder>,
    /// Pause between two looks for secrets to purge.
    pub purge_interval: Duration,
    /// Longest wait before reads are recorded.
    pub access_record_interval: Duration,
    /// What is known of issuers of tokens.
    pub issuers: Arc<Issuers>,
    /// Pause between two fetches of an issuer's keys.
    pub issuer_keys_interval: Duration,
    /// Whether keys are fetched without TLS from this machine, too.
    pub plain_issuers: bool,
}

/// Why a task's proposal did nothing.
#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Whether this region writes to a feed, as far as the state knows: another one does it elsewhere,
/// and what is proposed all the same is an entry for nothing.
fn may_write(state: &State, feed: &FeedId) -> bool {
    state.is_primary(feed) && state.fence(feed).is_none()
}

impl Tasks {
    /// Starts them all in a set, with which they end.
    pub fn spawn(&self, tasks: &mut JoinSet<()>) {
        tasks.spawn(self.clone().purge());
        tasks.spawn(self.clone().forget_resealed());
        tasks.spawn(self.clone().forget_revoked());
        tasks.spawn(self.clone().record_accesses());
        tasks.spawn(self.clone().promote_learners());
        tasks.spawn(self.clone().checkpoint_feeds());
        tasks.spawn(self.clone().confirm_state());
        tasks.spawn(self.clone().log_seats());
        tasks.spawn(self.clone().fetch_issuers());
        tasks.spawn(self.clone().make_session_keys());
    }

    fn leads(&self) -> bool {
        self.consensus.status().role == Role::Leader
    }

    /// Proposes what is recorded as an act of this node, about a resource.
    async fn act(
        &self,
        task: &'static str,
        command: Command,
        method: &'static str,
        resource: &str,
    ) -> Result<Outcome, TaskError> {
        let mut request = [0; 16];
        getrandom::fill(&mut request).map_err(|_| Unavailable::Stopped)?;
        let made = self.make(task, command, request).await;
        self.recorder.act(Act {
            caller: &format!("task/{task}"),
            method,
            resource,
            outcome: match &made {
                Ok(_) => audit::Outcome::Allowed,
                Err(TaskError::Unavailable(_)) => audit::Outcome::Failed("Unavailable"),
                Err(TaskError::Rejected(_)) => audit::Outcome::Failed("Rejected"),
            },
            request,
        });
        made
    }

    /// Records something that was done, and is no entry of its own.
    fn done(&self, caller: &str, method: &str, resource: &str) {
        self.recorder.act(Act {
            caller,
            method,
            resource,
            outcome: audit::Outcome::Allowed,
            request: [0; 16],
        });
    }

    /// Proposes what needs no record: it only notes what is recorded otherwise, or can be counted
    /// again.
    async fn propose(&self, task: &'static str, command: Command) -> Result<Outcome, TaskError> {
        let mut request = [0; 16];
        getrandom::fill(&mut request).map_err(|_| Unavailable::Stopped)?;
        self.make(task, command, request).await
    }

    async fn make(
        &self,
        task: &'static str,
        command: Command,
        request: [u8; 16],
    ) -> Result<Outcome, TaskError> {
        let audit = Audit {
            caller: format!("task/{task}"),
            request_id: RequestId(request),
        };
        let deadline = Instant::now() + TASK_DEADLINE;
        let committed = self
            .consensus
            .propose(Proposal {
                command,
                audit,
                deadline,
            })
            .await?;
        Ok(committed.answer?)
    }

    fn failed(&self, task: &'static str, error: &(dyn std::error::Error + 'static)) {
        self.metrics.task_failures.with_label_values(&[task]).inc();
        if let Some(TaskError::Unavailable(Unavailable::NoSpace)) = error.downcast_ref() {
            // It has been said once, and lasts.
            return;
        }
        tracing::warn!(task, %error, "background task failed, it will try again");
    }
}
