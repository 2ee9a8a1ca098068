//! What a node keeps on disk: the Raft log, the state rows and the snapshot files.
//!
//! Two traits are the whole contract: [`Log`] (vote and entries; nothing is acknowledged before it
//! is durable there) and [`Rows`] (the materialised state; losing it costs a rebuild, never an
//! acknowledged write). Each has a twin in memory that answers the same conformance suite. This is
//! the only crate that knows sled, and it knows no cipher: blocks are sealed by a [`Cipher`].

mod bytes;
mod cipher;
mod dispose;
mod fault;
mod files;
mod format;
mod limits;
mod log;
mod memory;
mod rows;
mod sled_rows;
mod snapshot;
mod wal;

use std::time::Instant;

/// Tells of work that may have kept others waiting.
fn work_ended(work: &'static str, begun: Instant) {
    let took_us = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
    tracing::debug!(work, took_us, "work on the store ended");
}

pub use cipher::{Cipher, CipherFault, Place};
pub use fault::{Block, Fault};
pub use format::{FormatError, Stamped};
pub use limits::{
    KEY_BYTES_MAX, MARK_BYTES_MAX, RECORD_BYTES_MAX, ROW_BYTES_MAX, SNAPSHOT_ID_BYTES_MAX,
    VOTE_BYTES_MAX,
};
pub use log::{Bounds, Done, Log, Mark, Record};
pub use memory::{MemoryLog, MemoryRows};
pub use rows::{Attendant, BadRow, Batch, Row, RowScan, Rows, Space};
pub use sled_rows::{Opened, Packing, RowsError, RowsOptions, SledRows};
pub use snapshot::{Receiving, SnapshotDir, SnapshotError, SnapshotFile, SnapshotReader};
pub use wal::{LogError, LogHeld, Torn, Wal, WalOptions};
