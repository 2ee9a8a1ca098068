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

/// Bytes of one message of a snapshot, unless one row alone is larger.
pub const SNAPSHOT_BYTES_MAX: usize = 512 << 10;

/// Rows that may be asked for by their keys at once.
pub const FETCH_ROWS_MAX: usize = 1_000;

/// Bytes of bodies in the rows of one bucket; the bodies of the rest are fetched by their keys.
/// With the rows themselves they fit into one message, and into one entry.
pub const BUCKET_BYTES_MAX: usize = 2 << 20;

/// Rows of one bucket that are sent.
pub const BUCKET_ROWS_MAX: usize = machine::limits::BUCKET_ROWS_MAX;

/// Buckets that may be asked for on one stream: each is a walk over all rows.
pub const BUCKETS_ASKED_MAX: usize = 64;

/// Reports of copies in one message.
pub const REPORTS_MAX: usize = machine::limits::IMPORTED_MAX;

/// Streams one region has from a node at a time.
pub const STREAMS_MAX: usize = 8;

/// Comparisons that a node makes for one region at a time: each walks over all rows, many times.
pub const COMPARISONS_MAX: usize = 2;

/// Calls other than streams that a node works on for one region at a time.
pub const CALLS_MAX: usize = 8;

/// Bytes that a node proposes for one region at once, and those it does a second after that: what a
/// region says of itself goes into this one's log.
pub const PROPOSED_BYTES_BURST: u64 = 8 << 20;

/// See [`PROPOSED_BYTES_BURST`].
pub const PROPOSED_BYTES_PER_SECOND: u64 = 1 << 20;

/// What a proposal counts for beside the bytes that were said.
pub const PROPOSAL_BYTES_USUAL: u64 = 16 << 10;

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

// Following.

/// Bytes that a queued change takes beside its header and its body, about.
pub const CHANGE_BYTES_USUAL: usize = 512;

/// Bytes of changes that are queued for one stream; nothing is read while there are more.
pub const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Changes of one import.
pub const IMPORT_CHANGES_MAX: usize = machine::limits::IMPORTED_MAX;

/// Bytes of one import, or of rows that are filled in at once, unless one alone is larger.
pub const IMPORT_BYTES_MAX: usize = 1 << 20;

/// Changes behind an import that are looked through for the secrets of its versions.
pub const LOOK_AHEAD_CHANGES: usize = 16;

/// First pause before a proposal of which nothing was written is made again; it doubles.
pub const SETTLE_PAUSE_MIN: Duration = Duration::from_millis(20);

/// Longest such pause.
pub const SETTLE_PAUSE_MAX: Duration = Duration::from_secs(1);

/// Streams of one region, one after the other, that are ended because no data key opens under
/// theirs. The next one goes on, and each value has a problem of its own.
pub const DOUBTS_MAX: u32 = 3;

/// Characters of a node's refusal that are kept.
pub const REFUSAL_CHARS_MAX: usize = 256;

/// Time between two looks at whether this node leads, and at what is to be followed.
pub const PLAN_INTERVAL: Duration = Duration::from_millis(50);

/// Time between two looks of a stream at its clock.
pub const STREAM_TICK: Duration = Duration::from_millis(25);

/// Longest wait until a stream opens.
pub const STREAM_OPEN_TIMEOUT: Duration = Duration::from_secs(3);

/// Silence after which a stream is ended.
pub const STREAM_SILENCE_MAX: Duration = Duration::from_millis(1_500);

/// Time after which a stream is opened anew, for a new key.
pub const STREAM_AGE_MAX: Duration = Duration::from_secs(60 * 60);

/// Time for which a stream's node may know no leader with a quorum.
pub const LEADERLESS_MAX: Duration = Duration::from_secs(1);

/// Time for which another node must have led before a stream goes there.
pub const HOP_PATIENCE: Duration = Duration::from_millis(500);

/// First pause before a region is dialled again; it doubles.
pub const BACKOFF_MIN: Duration = Duration::from_millis(50);

/// Longest such pause.
pub const BACKOFF_MAX: Duration = Duration::from_secs(2);

/// Shortest pause after a node said what it should not.
pub const FAULT_PAUSE_MIN: Duration = Duration::from_secs(5);

/// Time for which a stream must have lasted to count as a good one.
pub const STREAM_PROVEN_AFTER: Duration = Duration::from_secs(5);

/// Time for which a node that was lost is passed over if there are others.
pub const LOST_NODE_PAUSE: Duration = Duration::from_secs(1);

/// Time for which a node that said what it should not is passed over if there are others.
pub const FAULTY_NODE_PAUSE: Duration = Duration::from_secs(30);

/// Time for which no stream is given up for a node that leads, and that was lost.
pub const AVOIDED_NODE_PAUSE: Duration = Duration::from_secs(60);

/// Messages that wait to be sent on one stream.
pub const OUTBOX_MAX: usize = 8;

/// Time between two acknowledgements.
pub const ACKNOWLEDGE_INTERVAL: Duration = Duration::from_millis(100);

/// Time between two acknowledgements while feeds move.
pub const ACKNOWLEDGE_GAP: Duration = Duration::from_millis(50);

/// Numbered questions of one stream that may be without an answer; older ones are given up.
pub const QUESTIONS_MAX: usize = 64;

/// Answers about one feed that wait until it has been imported so far.
pub const ANSWERS_MAX: usize = 64;

/// Time for which a feed in trouble is not asked for.
pub const TROUBLE_PAUSE: Duration = Duration::from_secs(30);

/// Times that a body is refused which is not what its header commits to, before the row is taken in
/// without it.
pub const BAD_BODY_REFUSALS: u32 = 3;

/// Time for which no such body is refused then.
pub const BAD_BODY_TRUCE: Duration = Duration::from_secs(10 * 60);

/// Longest wait for the next message of an answer.
pub const MESSAGE_TIMEOUT: Duration = Duration::from_secs(15);

/// Bytes of values that a snapshot is asked to bring; the rest is fetched after.
pub const SNAPSHOT_VALUE_BYTES: u64 = machine::limits::STAGED_BYTES_MAX / 2;

/// First pause before snapshots are fetched again that could not be had; it doubles.
pub const SNAPSHOT_PAUSE_MIN: Duration = Duration::from_millis(100);

/// Longest such pause.
pub const SNAPSHOT_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Time between two looks for snapshots that nobody fetches.
pub const FORGET_INTERVAL: Duration = Duration::from_secs(5);

/// Time after which a snapshot that does not get on is forgotten.
pub const STAGED_AGE_MAX: Duration = Duration::from_secs(10 * 60);

/// Rows that are asked for by their keys at once.
pub const FILL_ROWS_MAX: usize = 500;

/// Requests for rows of one feed before those of another one have their turn.
pub const FILL_ROUNDS_MAX: usize = 16;

/// Time between two looks for rows that are missing, when nothing came that may lack some.
pub const FILL_INTERVAL: Duration = Duration::from_secs(1);

/// Pause before a feed is looked through again for rows that are missing; it doubles while some
/// cannot be had.
pub const FILL_PAUSE_MIN: Duration = Duration::from_secs(5);

/// Longest such pause.
pub const FILL_PAUSE_MAX: Duration = Duration::from_secs(60);

/// Secrets listed for those who look at what changed; of more all are looked at.
pub const TOUCHED_MAX: usize = 10_000;

/// Copies looked at in one step.
pub const COPIES_STEP: usize = 1_000;

/// Copies of which it is remembered what was reported; others are reported with each walk.
pub const REPORTED_MAX: usize = 1_000_000;

/// Time between two walks over all copies, for the days they were last read.
pub const REPORT_INTERVAL: Duration = Duration::from_secs(60);

/// Time for which reports wait for more of them.
pub const REPORT_LINGER: Duration = Duration::from_millis(200);

/// Pause before copies that could not be reported are reported again.
pub const REPORT_PAUSE: Duration = Duration::from_secs(1);

/// Reasons kept, in words, why a secret is not under the key it should be under.
pub const REASONS_MAX: usize = 10_000;

/// Time between two looks for feeds that differ from their primaries.
pub const MEND_INTERVAL: Duration = Duration::from_secs(5);

/// Longest wait until a feed stands where it is compared. It is held there meanwhile.
pub const MEND_PATIENCE: Duration = Duration::from_secs(10);

/// Time after which a feed that still differs is compared again.
pub const MEND_PAUSE: Duration = Duration::from_secs(30);

/// Time between two looks at what the directory says of this region.
pub const ANNOUNCE_INTERVAL: Duration = Duration::from_secs(1);

/// Time for which a renewed entry may be on its way before it is sent again.
pub const ANNOUNCE_PAUSE: Duration = Duration::from_secs(5);
