//! Every bound of this crate, in one place.

use std::time::Duration;

/// The largest body of one log record, in bytes before sealing.
pub const RECORD_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The largest mark (an encoded log id) of one record, in bytes.
pub const MARK_BYTES_MAX: usize = 256;

/// The largest encoded vote, in bytes.
pub const VOTE_BYTES_MAX: usize = 1024;

/// The longest row key, in bytes.
pub const KEY_BYTES_MAX: usize = 1024;

/// The largest row, in bytes before sealing.
pub const ROW_BYTES_MAX: usize = 8 * 1024 * 1024;

/// How many bytes of records the log keeps in memory for readers, unless told otherwise.
pub(crate) const LOG_CACHE_BYTES_DEFAULT: usize = 64 * 1024 * 1024;

/// How many bytes may wait for the flush thread; appends beyond it block.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes of records one write and one sync of the log take together.
pub(crate) const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest snapshot id, in bytes.
pub const SNAPSHOT_ID_BYTES_MAX: usize = 128;

/// How many bytes of rows a snapshot block collects before it is written.
pub(crate) const SNAPSHOT_BLOCK_BYTES: usize = 256 * 1024;

/// The largest content of a snapshot block: one that was almost full when the largest row came.
pub(crate) const SNAPSHOT_BLOCK_BYTES_MAX: usize =
    SNAPSHOT_BLOCK_BYTES + ROW_BYTES_MAX + KEY_BYTES_MAX + 8;

/// The largest sealed block: compression and sealing may add a little.
pub(crate) const SEALED_BLOCK_BYTES_MAX: usize = SNAPSHOT_BLOCK_BYTES_MAX + 64 * 1024;

/// How much of a file is read to find its header.
pub(crate) const FORMAT_HEADER_BYTES_MAX: usize = 4096;

/// The largest value given to sled.
pub(crate) const PIECE_BYTES_MAX: usize = 4096;

/// The largest row that is put into a pack: a pack is written anew with each row that joins it.
pub(crate) const PACKED_ROW_BYTES_MAX: usize = 8 * 1024;

/// How many bytes of rows go into one sled batch while rows are replaced.
pub(crate) const REPLACE_BATCH_BYTES: usize = 1024 * 1024;

/// How many rows, or packs, are copied in one step while rows are renewed. A batch may wait for
/// one, and a step for a batch: on a node that catches up, where batch follows batch, a renewal
/// with small steps takes as many batches.
pub(crate) const RENEW_STEP_ROWS: usize = 8_192;

/// How many bytes of rows are copied in one such step, and one row more.
pub(crate) const RENEW_STEP_BYTES: usize = 4 * 1024 * 1024;

/// How many bad rows a renewal has written again; with more it ends, and goes on from there later.
pub(crate) const RENEW_BAD_ROWS_MAX: usize = 1_024;

/// How long a renewal that has copied everything waits for those.
pub(crate) const RENEW_REPAIR_WAIT: Duration = Duration::from_secs(15);

/// How many bytes of rows that are written anew, or of a snapshot, are written between two syncs,
/// so that none takes long.
pub(crate) const BULK_SYNC_BYTES: usize = 4 * 1024 * 1024;

/// A sync of the log that takes longer is told.
pub(crate) const SYNC_TOLD: Duration = Duration::from_millis(50);

/// What is written of a segment of the log, which is all zeros at first, between two syncs.
pub(crate) const PREPARE_STEP_BYTES: u64 = 4 * 1024 * 1024;

/// Rest between two such steps, unless somebody waits for the segment.
pub(crate) const PREPARE_REST: Duration = Duration::from_millis(30);

/// How much of a removed file is freed at once: it may be discarded on the disk as one. More of
/// a file that would otherwise take more than [`DISPOSAL_STEPS_MAX`].
pub(crate) const DISPOSAL_STEP_BYTES: u64 = 1024 * 1024;

/// In how many steps a removed file is gone, however large it is: 10 s of rests.
pub(crate) const DISPOSAL_STEPS_MAX: u64 = 250;

/// Rest between two such steps while there is one such file; half of it while there are two.
pub(crate) const DISPOSAL_REST: Duration = Duration::from_millis(40);

/// How many removed files each of log, rows and snapshots may keep for that; more are freed as a
/// whole.
pub(crate) const DISPOSAL_FILES_MAX: usize = 64;

/// How often opening the rows may end the process before they are set aside unopened.
pub(crate) const OPEN_ATTEMPTS_MAX: usize = 2;

/// How many damaged row directories are kept for a later look.
pub(crate) const QUARANTINES_MAX: usize = 2;

/// Highest index, group or segment number that is read: what counts on from it never overflows.
pub(crate) const COUNTER_MAX: u64 = u64::MAX / 2;
