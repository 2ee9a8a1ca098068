//! Forgets revocations of what is over by itself.

use machine::{Command, FeedId, ForgetRevocations};

use super::{Tasks, may_write};

impl Tasks {
    /// Looks at the pace of the purge; only the leader proposes, and `decide` judges by stamp.
    pub(super) async fn forget_revoked(self) {
        loop {
            tokio::time::sleep(self.purge_interval).await;
            while self.leads() && self.is_any_over() {
                let command = Command::ForgetRevocations(ForgetRevocations);
                if let Err(error) = self.act("revoked", command, "ForgetRevocations", "").await {
                    self.failed("revoked", &error);
                    break;
                }
            }
        }
    }

    /// Whether the revocation that is over first is over now.
    fn is_any_over(&self) -> bool {
        let view = self.consensus.local_view();
        let first = view.revocations().next();
        let is_over = first.is_some_and(|first| first.until <= self.clock.now());
        is_over && may_write(&view, &FeedId::Root)
    }
}
