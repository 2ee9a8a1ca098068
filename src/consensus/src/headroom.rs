//! How far apply may be ahead of the rows, judged by how fast they were written.

use tokio::time::Instant;

use crate::limits::{BACKLOG_BATCH_MAX, BACKLOG_ROOM_BYTES};

/// How far apply may be ahead of the rows.
#[derive(Clone, Copy)]
pub(crate) struct Headroom {
    pub(crate) writing: Option<Writing>,
    /// What is written in about [`BACKLOG_BATCH_MAX`], judged by the last batch: with more, the
    /// next batch would be too old before it is written, and reads would wait for it.
    pub(crate) room_bytes: usize,
    /// How fast the last batch was written; infinitely before there was one.
    pub(crate) bytes_per_second: f64,
    /// The rows wait for disk space.
    pub(crate) is_starved: bool,
    /// Deleted values that the rows keep for readers.
    pub(crate) deferred: usize,
}

/// What was taken and is being written.
#[derive(Clone, Copy)]
pub(crate) struct Writing {
    pub(crate) oldest: Instant,
    pub(crate) begun: Instant,
    pub(crate) bytes: usize,
}

impl Default for Headroom {
    fn default() -> Self {
        Headroom {
            writing: None,
            room_bytes: BACKLOG_ROOM_BYTES,
            bytes_per_second: f64::INFINITY,
            is_starved: false,
            deferred: 0,
        }
    }
}

impl Headroom {
    pub(crate) fn has_written(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let took = writing.begun.elapsed().as_secs_f64();
        self.bytes_per_second = writing.bytes as f64 / took;
        let aim = BACKLOG_BATCH_MAX.as_secs_f64();
        self.room_bytes = if took > aim {
            // What one entry changes may be more than there is room for, and was.
            ((writing.bytes as f64 * aim / took) as usize).min(BACKLOG_ROOM_BYTES)
        } else {
            // From nothing too, where every batch was too large.
            (self.room_bytes.max(writing.bytes) * 2).min(BACKLOG_ROOM_BYTES)
        };
    }
}
