//! Confirms that the local state is current, for eventual reads to tell its age.

use tokio::time::Instant;

use super::Tasks;
use crate::limits::CONFIRM_INTERVAL;

impl Tasks {
    /// Asks for a barrier at a steady pace. A failure needs no word: the age says it.
    pub(super) async fn confirm_state(self) {
        loop {
            let began = Instant::now();
            if self.consensus.read(began + CONFIRM_INTERVAL).await.is_ok() {
                self.freshness.confirm(began);
            }
            tokio::time::sleep_until(began + CONFIRM_INTERVAL).await;
        }
    }
}
