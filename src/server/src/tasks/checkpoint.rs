//! Writes a checkpoint into each feed that is led here and has changed since its last one (R4).

use machine::{Checkpoint, Command, FeedId};

use super::{Tasks, may_write};
use crate::limits::CHECKPOINT_INTERVAL;

impl Tasks {
    /// Looks while this node leads.
    pub(super) async fn checkpoint_feeds(self) {
        loop {
            tokio::time::sleep(CHECKPOINT_INTERVAL).await;
            if !self.leads() {
                continue;
            }
            for feed in self.changed_feeds() {
                let command = Command::Checkpoint(Checkpoint { feed });
                if let Err(error) = self.propose("checkpoint", command).await {
                    self.failed("checkpoint", &error);
                }
            }
        }
    }

    fn changed_feeds(&self) -> Vec<FeedId> {
        let view = self.consensus.local_view();
        let changed = view.feeds().filter_map(|feed| {
            let state = feed.state()?;
            if !may_write(&view, &state.feed) {
                return None;
            }
            // The checkpoint is a change itself: it stands one revision behind its own.
            let covered = feed
                .checkpoint()
                .map_or(0, |last| last.revision.0.saturating_add(1));
            (state.revision.0 > covered).then(|| state.feed.clone())
        });
        changed.collect()
    }
}
