//! Watches the free space of the disk that holds the data directory.
//!
//! Below the minimum this node is not ready and does not lead; what is left is for the log, so
//! that it goes on as follower. So it is when the audit trail is short of room, before a call is
//! refused for want of a record (R15). Nothing is refused that is on disk already, and no restart
//! is needed.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use consensus::Consensus;
use store::Wal;

use crate::limits::SPACE_WATCH_INTERVAL;
use crate::trail::Recorder;

/// What is known of the disk's space.
pub struct DiskSpace {
    data: PathBuf,
    /// Free space below which the node is not ready, in bytes.
    free_min: u64,
    log: Arc<Wal>,
    recorder: Arc<Recorder>,
    consensus: Consensus,
    is_lacking: AtomicBool,
}

impl DiskSpace {
    /// Looks for the first time.
    pub fn new(
        data: PathBuf,
        free_min: u64,
        log: Arc<Wal>,
        recorder: Arc<Recorder>,
        consensus: Consensus,
    ) -> Self {
        let space = Self {
            data,
            free_min,
            log,
            recorder,
            consensus,
            is_lacking: AtomicBool::new(false),
        };
        space.look();
        space
    }

    /// Whether the node lacks space, as it was when it was last looked.
    pub fn is_lacking(&self) -> bool {
        self.is_lacking.load(Ordering::Acquire)
    }

    /// The bytes free now, if the file system says so.
    pub fn free_bytes(&self) -> Option<u64> {
        let space = rustix::fs::statvfs(&self.data).ok()?;
        Some(space.f_bavail.saturating_mul(space.f_frsize))
    }

    /// Looks again and again.
    pub async fn follow(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SPACE_WATCH_INTERVAL).await;
            self.look();
        }
    }

    fn look(&self) {
        let free_bytes = self.free_bytes();
        let was_lacking = self.is_lacking();
        let needed = needed_bytes(self.free_min, was_lacking);
        let is_low = free_bytes.is_some_and(|free| free < needed)
            || self.log.lacks_space()
            || self.recorder.lacks_room();
        self.consensus.tell_space_low(is_low);
        let known_bytes = free_bytes.unwrap_or(u64::MAX);
        let spare_bytes = free_bytes.map_or(u64::MAX, |free| free.saturating_sub(needed));
        self.consensus.tell_free_bytes(known_bytes, spare_bytes);
        let is_lacking = is_low || self.consensus.waits_for_space();
        self.is_lacking.store(is_lacking, Ordering::Release);
        let free_min = self.free_min;
        match (was_lacking, is_lacking) {
            (false, true) => tracing::warn!(
                free_bytes,
                free_min,
                "the disk lacks space: not ready, no leadership, no new writes; free some"
            ),
            (true, false) => tracing::info!(free_bytes, "the disk has space again"),
            _ => {}
        }
    }
}

/// What must be free. Once it was not, a little more: a node at the edge would change all the time.
fn needed_bytes(free_min: u64, was_lacking: bool) -> u64 {
    match was_lacking {
        true => free_min.saturating_add(free_min / 16),
        false => free_min,
    }
}
