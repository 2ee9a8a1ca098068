//! Purges secrets whose recovery window has passed.

use machine::{Command, Outcome, PurgeSecret};

use super::{Tasks, may_write};
use crate::limits::PURGES_MAX;

impl Tasks {
    /// Looks at the configured pace; only the leader proposes, and `decide` judges by stamp.
    pub(super) async fn purge(self) {
        loop {
            tokio::time::sleep(self.purge_interval).await;
            while self.leads() && self.purge_batch().await == PURGES_MAX {}
        }
    }

    /// Gives how many secrets are gone by it: fewer than a batch when there are no more, when a
    /// proposal failed, or when one changed nothing.
    async fn purge_batch(&self) -> usize {
        let mut purged = 0;
        for (command, arn) in self.due() {
            let command = Command::PurgeSecret(command);
            match self.act("purge", command, "PurgeSecret", &arn).await {
                // Another outcome changed nothing: the secret was restored or purged meanwhile.
                Ok(Outcome::Secret { .. }) => {
                    self.metrics.purged.inc();
                    purged += 1;
                }
                Ok(_) => {}
                Err(error) => {
                    self.failed("purge", &error);
                    break;
                }
            }
        }
        purged
    }

    /// What is due, with its ARN.
    fn due(&self) -> Vec<(PurgeSecret, String)> {
        let view = self.consensus.local_view();
        let is_writable = |uid| {
            let feed = view.feed_of_secret(uid);
            feed.is_some_and(|feed| may_write(&view, feed))
        };
        let due = view.due(self.clock.now());
        let due = due
            .filter(|secret| is_writable(&secret.uid))
            .take(PURGES_MAX);
        due.filter_map(|secret| {
            let purge = PurgeSecret {
                uid: secret.uid,
                deletion_date: secret.deletion?.due,
            };
            Some((purge, view.arn_of(secret, view.region()?).to_string()))
        })
        .collect()
    }
}
