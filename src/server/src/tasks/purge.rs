//! Purges secrets whose recovery window has passed.

use machine::{Command, PurgeSecret};

use super::Tasks;
use crate::limits::PURGES_MAX;

impl Tasks {
    /// Looks at the configured pace; only the leader proposes, and `decide` judges by stamp.
    pub(super) async fn purge(self) {
        loop {
            tokio::time::sleep(self.purge_interval).await;
            if !self.leads() {
                continue;
            }
            let due = self.due();
            for command in due {
                match self.propose("purge", Command::PurgeSecret(command)).await {
                    Ok(_) => self.metrics.purged.inc(),
                    Err(error) => {
                        self.failed("purge", &error);
                        break;
                    }
                }
            }
        }
    }

    fn due(&self) -> Vec<PurgeSecret> {
        let view = self.consensus.local_view();
        let due = view.due(self.clock.now()).take(PURGES_MAX);
        due.filter_map(|secret| {
            let deletion_date = secret.deletion?.due;
            Some(PurgeSecret {
                uid: secret.uid,
                deletion_date,
            })
        })
        .collect()
    }
}
