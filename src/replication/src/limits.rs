//! Every bound of this crate.

use std::time::Duration;

use machine::limits::REGIONS_MAX;

/// Feeds a region can hold: the root feed and a home feed for each region.
pub const FEEDS_MAX: usize = REGIONS_MAX + 1;

/// Bytes of one message that answers another region: a row, or a batch and one row more.
pub const MESSAGE_BYTES_MAX: usize = 4 << 20;

/// Bytes of one message that another region asks with: 1,000 keys, or as many reports with a reason
/// each.
pub const REQUEST_BYTES_MAX: usize = 5 << 20;

/// Changes of one message.
pub const BATCH_CHANGES_MAX: usize = 1_000;

/// Bytes of one message of changes or rows, unless one alone is larger. A sign of life waits behind
/// one such message at most, so it is less than an import may have.
pub const BATCH_BYTES_MAX: usize = 128 << 10;

/// Rows of one message of a snapshot.
pub const SNAPSHOT_ROWS_MAX: usize = 500;

/// Rows that may be asked for by their keys at once.
pub const FETCH_ROWS_MAX: usize = 1_000;

/// Bytes of bodies in the rows of one bucket; the bodies of the rest are fetched by their keys.
pub const BUCKET_BYTES_MAX: usize = 3 << 20;

/// Rows of one bucket that are sent.
pub const BUCKET_ROWS_MAX: usize = machine::limits::IMPORTED_MAX;

/// Buckets that may be asked for on one stream: each is a walk over all rows.
pub const BUCKETS_ASKED_MAX: usize = 64;

/// Reports of copies in one message.
pub const REPORTS_MAX: usize = machine::limits::IMPORTED_MAX;

/// Streams one region has from a node at a time.
pub const STREAMS_MAX: usize = 8;

/// Calls other than streams that a node works on for one region at a time.
pub const CALLS_MAX: usize = 8;

/// Time between two signs of life on a stream.
pub const ALIVE_INTERVAL: Duration = Duration::from_millis(100);

/// Longest wait for a quorum to confirm the positions of one numbered sign of life.
pub const CONFIRM_TIMEOUT: Duration = Duration::from_secs(1);

/// Longest wait for a stream's first message, and for each further one where one is due.
pub const OPEN_TIMEOUT: Duration = Duration::from_secs(5);

/// Silence of a follower after which its stream is ended. It speaks every 100 ms.
pub const FOLLOWER_SILENCE_MAX: Duration = Duration::from_secs(10);

/// Longest wait until a reader of rows takes a message.
pub const READER_PATIENCE: Duration = Duration::from_secs(30);

/// Time after which the stream of a snapshot ends, however far it is: it keeps a state alive.
pub const SNAPSHOT_TIME_MAX: Duration = Duration::from_secs(30 * 60);

/// Time after which the stream of rows asked for by their keys ends.
pub const FETCH_TIME_MAX: Duration = Duration::from_secs(2 * 60);

/// Time after which a comparison ends: it keeps a state alive.
pub const COMPARE_TIME_MAX: Duration = Duration::from_secs(60);

/// Silence of the leader, or of a leader's quorum, after which a node names no leader.
pub const QUORUM_SILENCE_MAX: Duration = Duration::from_secs(1);

/// Longest wait for a proposal made on behalf of another region, or by a task.
pub const PROPOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause after a proposal of a task that failed.
pub const PROPOSE_PAUSE: Duration = Duration::from_millis(100);

/// Longest wait for a quorum to confirm what an answer to Ask says is led here: less than whoever
/// promotes waits.
pub const ASK_CONFIRM_TIMEOUT: Duration = Duration::from_millis(200);

/// Longest wait for the answers of all regions before a promotion (R27).
pub const ASK_TIMEOUT: Duration = Duration::from_millis(300);

/// Nodes of one region that are asked at the same time before a promotion.
pub const ASKED_NODES_MAX: usize = machine::limits::REGION_NODES_MAX;

/// Time between two looks at what may be trimmed.
pub const TRIM_INTERVAL: Duration = Duration::from_secs(5);

/// Newest changes that a feed keeps whoever has them: those who watch secrets go on from there.
pub const JOURNAL_KEPT: u64 = 16_384;

/// Entries that trim one feed at one look.
pub const TRIMS_MAX: usize = 16;

/// Changes that must be dispensable before a feed is trimmed: an entry for fewer is not worth it.
pub const TRIM_CHANGES_MIN: u64 = 256;

/// Pause after an acknowledgement was heard before the next one is: a follower sends 20 a second.
pub const ACKNOWLEDGE_PAUSE: Duration = Duration::from_millis(10);

/// Pause before a batch that could not be made is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(20);

/// Time between two looks at ballots when none was heard anew.
pub const FENCE_INTERVAL: Duration = Duration::from_secs(1);
