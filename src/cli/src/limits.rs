//! Every bound of this crate.

use std::time::Duration;

/// The largest secret value read from a file, a prompt or standard input: the server's own limit,
/// checked here so that nothing larger is read into memory.
pub const VALUE_BYTES_MAX: usize = 65_536;

/// The largest document read from a file or standard input, a policy or the keys of an issuer: more
/// than any node takes, so that nothing larger is read into memory.
pub const DOCUMENT_BYTES_MAX: u64 = 128 * 1024;

/// The entries of one page of a list of users, policies and the like: the most that a node gives.
pub const PAGE_MAX: u32 = 1_000;

/// The longest answer to a question of the form "yes or no".
pub const ANSWER_BYTES_MAX: u64 = 64;

/// The longest process number read from a lock.
pub const DEV_RECORD_BYTES_MAX: u64 = 32;

/// The size at which the log of a development region begins anew.
pub const LOG_FILE_BYTES_MAX: u64 = 16 << 20;

/// The longest line of a development region's control socket.
pub const CONTROL_LINE_BYTES_MAX: u64 = 16 * 1024;

/// How long a running development region may take to answer.
pub const CONTROL_WAIT_MAX: Duration = Duration::from_secs(30);

/// The longest file of a token, to join or to link.
pub const TOKEN_BYTES_MAX: u64 = 4 * 1024;

/// The longest file of a session: the longest token, with room.
pub const SESSION_FILE_BYTES_MAX: u64 = 8 * 1024;

/// How long the followers of a development region, and then its leader, may take to end before they
/// are cut off.
pub const DEV_SHUTDOWN_MAX: Duration = Duration::from_millis(700);

/// How long a development region may take to become ready before that is an error.
pub const DEV_START_MAX: Duration = Duration::from_secs(30);

/// How long one call inside a development region may take.
pub const DEV_CALL_MAX: Duration = Duration::from_secs(5);
