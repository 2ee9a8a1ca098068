//! Gives learners a vote once they have caught up.

use consensus::MembershipError;
use tokio::time::Instant;

use super::Tasks;
use crate::limits::{PROMOTE_INTERVAL, TASK_DEADLINE};

impl Tasks {
    /// Looks while this node leads. A learner still behind, or one that does not run, is left for
    /// the next look.
    pub(super) async fn promote_learners(self) {
        loop {
            tokio::time::sleep(PROMOTE_INTERVAL).await;
            if !self.leads() {
                continue;
            }
            let view = self.consensus.local_view();
            let learners = self.consensus.status().learners.into_iter();
            let admitted: Vec<_> = learners.filter(|node| view.node(*node).is_some()).collect();
            drop(view);
            for node in admitted {
                let deadline = Instant::now() + TASK_DEADLINE;
                match self.consensus.promote(node, deadline).await {
                    Ok(()) => {
                        tracing::info!(%node, "learner became a voter");
                        self.done("task/promote", "PromoteNode", &format!("node/{node}"));
                    }
                    Err(
                        MembershipError::NotCaughtUp { .. }
                        | MembershipError::NotHeard { .. }
                        | MembershipError::InProgress,
                    ) => {}
                    Err(error) => self.failed("promote", &error),
                }
            }
        }
    }
}
