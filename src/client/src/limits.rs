//! Every bound of this crate.

use std::time::Duration;

/// How many times a call is sent at most.
pub const ATTEMPTS_MAX: u32 = 4;

/// The pause before the second attempt; it doubles before each further one.
pub const PAUSE_FIRST: Duration = Duration::from_millis(50);

/// Silence of a node after which another is asked as well, where that is harmless: longer than an
/// election takes. It doubles before each further one.
pub const DOUBT: Duration = Duration::from_millis(500);

/// What an attempt keeps of its time for the way of the answer, and for making a connection: the
/// node is told of the rest. A tenth of it where that is less.
pub const ANSWER_TIME: Duration = Duration::from_millis(100);

/// Calls in a hundred that are sent to another node as well while every node is slow.
pub const DOUBLED_PERCENT_MAX: u32 = 10;

/// Calls that are sent to another node as well when a host is suddenly lost.
pub const DOUBLED_AT_ONCE_MAX: u32 = 100;

/// The longest pause of a watch that looks for a node.
pub const PAUSE_MAX: Duration = Duration::from_secs(5);

/// What a call gets, all its attempts together, unless the options say otherwise.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// What a call gets at most, whatever the options say.
pub const TIMEOUT_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// Silence after which a watch goes to another node: three heartbeats.
pub const WATCH_SILENCE_MAX: Duration = Duration::from_secs(45);

/// The same of a watch of regions, which says something every second.
pub const REGIONS_WATCH_SILENCE_MAX: Duration = Duration::from_secs(5);

/// The same of a stream of audit records, which says something every five seconds.
pub const AUDIT_SILENCE_MAX: Duration = Duration::from_secs(15);

/// Positions of other regions that no read has covered yet; above it the oldest is dropped.
pub const POSITIONS_ELSEWHERE_MAX: usize = 8;

/// Messages of a watch that wait to be taken.
pub const WATCH_QUEUE_MAX: usize = 16;

/// Size of one reply: a page of a hundred secrets with every member at its limit.
pub const REPLY_BYTES_MAX: usize = 32 * 1024 * 1024;

/// The port of an endpoint that names none.
pub const DEFAULT_PORT: u16 = 7420;
