//! The ages of followed feeds, for the consensus: it is opened before what follows them.

use std::sync::OnceLock;
use std::time::Duration;

use consensus::Ages;
use machine::FeedId;
use replication::Replication;

/// Says nothing until it is told whom to ask.
#[derive(Default)]
pub struct LateAges(OnceLock<Replication>);

impl LateAges {
    /// Takes whom to ask; only the first one counts.
    pub fn ask(&self, replication: Replication) {
        // There is one in a node.
        let _ = self.0.set(replication);
    }
}

impl Ages for LateAges {
    fn ages(&self) -> Vec<(FeedId, Duration)> {
        let replication = self.0.get();
        replication.map_or_else(Vec::new, |replication| replication.staleness().snapshot())
    }
}

impl std::fmt::Debug for LateAges {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("LateAges")
    }
}
