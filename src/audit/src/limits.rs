//! Every bound of this crate, in one place.

use std::time::Duration;

/// The longest caller: an ARN, or the identity of a certificate; in bytes, as all texts here.
pub const CALLER_BYTES_MAX: usize = 1024;

/// The longest id of a session.
pub const SESSION_BYTES_MAX: usize = 128;

/// The longest name of a listener.
pub const LISTENER_BYTES_MAX: usize = 64;

/// The longest name of a method.
pub const METHOD_BYTES_MAX: usize = 64;

/// The longest resource. The longest ARN of a secret has some 600; callers can ask for longer ones.
pub const RESOURCE_BYTES_MAX: usize = 1024;

/// The longest id of a version.
pub const VERSION_BYTES_MAX: usize = 128;

/// The longest stage of a version.
pub const STAGE_BYTES_MAX: usize = 256;

/// The longest name of an error.
pub const ERROR_BYTES_MAX: usize = 64;

/// The longest deciding statement.
pub const STATEMENT_BYTES_MAX: usize = 512;

/// The longest name of a feed.
pub const FEED_BYTES_MAX: usize = 192;

/// The longest name of a region.
pub const REGION_BYTES_MAX: usize = 128;

/// What is set aside at first for a record as a JSON object; an ordinary one has some 600 bytes.
pub(crate) const PLAIN_BYTES_USUAL: usize = 1024;

/// How many bytes sealing may add to a record: the id of the key, a nonce and a tag fit well.
pub const SEAL_BYTES_MAX: usize = 128;

/// The longest line, its newline included: a record with all texts at their bounds and every byte
/// escaped, sealed, in Base64.
pub const LINE_BYTES_MAX: usize = 33 * 1024;

/// How long recorded bytes may stay unsynced in the mode `interval`, not counting the sync itself.
pub const SYNC_INTERVAL_MAX: Duration = Duration::from_millis(100);

/// A sync that takes longer is told.
pub(crate) const SYNC_TOLD: Duration = Duration::from_millis(50);

/// How many answers may wait for a sync; more are refused.
pub const WAITING_MAX: usize = 65_536;

/// The smallest audit file, in bytes: a header and a record of the longest fit well.
pub const FILE_BYTES_MIN: u64 = 64 * 1024;

/// The largest audit file, in bytes.
pub const FILE_BYTES_MAX: u64 = 4 << 30;

/// How many audit files at least fit into what is kept.
pub const FILES_KEPT_MIN: u64 = 4;

/// How many files that are too old are deleted when another one begins; too many bytes delete more.
pub(crate) const AGED_AT_ONCE_MAX: usize = 2;

/// How many full files may wait for their last sync; records then wait too.
pub(crate) const RETIRED_MAX: usize = 8;

/// How many of a directory's audit files are looked at; with more it is refused.
pub const FILES_MAX: usize = 1_000_000;

/// How often free space is looked at, and a file that could not be prepared is tried again.
pub(crate) const SPACE_CHECK: Duration = Duration::from_secs(1);

/// How much of a file is read at once; longer than the longest line.
pub(crate) const BLOCK_BYTES: usize = 256 * 1024;

/// How many records one page of a search holds.
pub const PAGE_RECORDS_MAX: usize = 1000;

/// How many bytes of lines one page of a search holds, and one line more.
pub const PAGE_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How many bytes are read for one page, and one block more; what was not found there is on the
/// next one.
pub const PAGE_READ_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Highest sequence and file number that is read: what counts on from it never overflows.
pub(crate) const COUNTER_MAX: u64 = u64::MAX / 2;

/// Longest wait for whoever has the trail open to end.
pub const LOCK_PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);
/// Pause between two looks whether it has.
pub const LOCK_PAUSE: std::time::Duration = std::time::Duration::from_millis(10);
