//! Every bound of this crate, in one place.

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

/// How many bytes may wait for the flush thread; appends beyond it block.
pub(crate) const QUEUE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// How many bytes of records one write and one sync of the log take together.
pub(crate) const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
