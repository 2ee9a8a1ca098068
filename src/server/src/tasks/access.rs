//! Records first reads of the day in batches (R16).

use machine::{Command, RecordAccess};

use super::Tasks;
use crate::limits::TASK_PAUSE;

impl Tasks {
    /// Waits for a read, lets others join it, and proposes them together. On any node.
    pub(super) async fn record_accesses(self) {
        loop {
            self.accesses.arrived().await;
            tokio::time::sleep(self.access_record_interval).await;
            while let Some(batch) = self.accesses.batch() {
                let touched = batch.touched.clone();
                let command = Command::RecordAccess(RecordAccess {
                    day: batch.day,
                    touched,
                });
                match self.propose("access", command).await {
                    Ok(_) => {
                        self.metrics.accesses.inc_by(batch.touched.len() as u64);
                        self.accesses.done(&batch);
                    }
                    Err(error) => {
                        self.failed("access", &error);
                        tokio::time::sleep(TASK_PAUSE).await;
                    }
                }
            }
        }
    }
}
