//! How a trail uses the disk.

use std::time::Duration;

use crate::limits::{FILE_BYTES_MAX, FILE_BYTES_MIN, FILES_KEPT_MIN, SYNC_INTERVAL_MAX};
use crate::recover::OpenError;

/// How a trail uses the disk, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The size of a file in bytes; another one begins when it is full, and each day in UTC.
    pub file_bytes: u64,
    /// When records become durable.
    pub syncing: Syncing,
    /// For how long records are kept. Whole files are deleted, the oldest first, when another one
    /// begins, so some stay a day longer.
    pub keep: Duration,
    /// How many bytes all files may take, the one set aside included; older ones are deleted
    /// earlier then.
    pub keep_bytes: u64,
    /// With less free space on the file system than this, in bytes, room is [short](crate::Room).
    pub free_bytes_min: u64,
}

/// When records become durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syncing {
    /// All records of such a time together: when the machine fails, though not when the process
    /// does, the last ones may be lost.
    Interval(Duration),
    /// Before each answer.
    Each,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            file_bytes: 64 << 20,
            syncing: Syncing::Interval(SYNC_INTERVAL_MAX),
            keep: Duration::from_secs(400 * 24 * 60 * 60),
            keep_bytes: 16 << 30,
            free_bytes_min: 256 << 20,
        }
    }
}

impl Options {
    pub(crate) fn check(&self) -> Result<(), OpenError> {
        let refused = |option, bounds| Err(OpenError::Options { option, bounds });
        if !(FILE_BYTES_MIN..=FILE_BYTES_MAX).contains(&self.file_bytes) {
            let bounds = format!("from {FILE_BYTES_MIN} to {FILE_BYTES_MAX}");
            return refused("file_bytes", bounds);
        }
        let least = self.file_bytes * FILES_KEPT_MIN;
        if self.keep_bytes < least {
            return refused(
                "keep_bytes",
                format!("at least {least}, {FILES_KEPT_MIN} files"),
            );
        }
        match self.syncing {
            Syncing::Interval(interval) if interval > SYNC_INTERVAL_MAX => {
                refused("interval", format!("at most {SYNC_INTERVAL_MAX:?}"))
            }
            _ => Ok(()),
        }
    }

    /// How long recorded bytes wait for others before they are synced.
    pub(crate) fn rest(&self) -> Duration {
        match self.syncing {
            Syncing::Interval(interval) => interval,
            Syncing::Each => Duration::ZERO,
        }
    }
}
