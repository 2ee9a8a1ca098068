//! Every bound of this crate.

use std::time::Duration;

/// Entries the log adapter keeps in memory behind the newest, so that replication and apply
/// seldom read the disk.
pub const TAIL_ENTRIES_MAX: usize = 4_096;

/// Bytes of entries the log adapter keeps in memory.
pub const TAIL_BYTES_MAX: usize = 16 << 20;

/// Entries of one append.
pub const APPEND_ENTRIES_MAX: u64 = 512;

/// Bytes of entries of one append; a single larger entry still goes alone.
pub const APPEND_BYTES_MAX: usize = 1 << 20;

/// Bytes of one encoded entry.
pub const ENTRY_BYTES_MAX: usize = 4 << 20;

/// Bytes of one message between peers.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// Bytes of one piece of a snapshot on its way to a peer.
pub const SNAPSHOT_CHUNK_BYTES_MAX: usize = 1 << 20;

/// Pieces of a snapshot read ahead of the network.
pub const SNAPSHOT_CHUNKS_AHEAD_MAX: usize = 4;

/// Bytes of rows written behind apply before apply waits (R12).
pub const BACKLOG_BYTES_MAX: usize = 32 << 20;

/// Bytes of rows that wait for disk space before apply waits: reads go on until then.
pub const BACKLOG_STARVED_BYTES_MAX: usize = 64 << 20;

/// Age of the oldest unwritten row before apply waits: so much of the log is applied again at a
/// start. A disk or processor that is busy for a few seconds holds no write up.
pub const BACKLOG_AGE_MAX: Duration = Duration::from_secs(12);

/// How long writing a batch may take before less is applied ahead.
pub const BACKLOG_BATCH_MAX: Duration = Duration::from_secs(6);

/// The longest that apply waits before one batch because the backlog is more than an eighth full:
/// many short waits, so that there need be no long one when it is full.
pub const BACKLOG_TOLL_MAX: Duration = Duration::from_millis(50);

/// How long the materialiser gathers rows before it writes a batch.
pub const BACKLOG_LINGER: Duration = Duration::from_secs(1);

/// Bytes of rows that are enough for a batch: nothing more is gathered.
pub const BACKLOG_GATHER_BYTES: usize = 1 << 20;

/// Time between two checkpoints of the rows while they change.
pub const CHECKPOINT_INTERVAL: Duration = Duration::from_secs(1);

/// Entries applied before readers see them, within one batch of openraft's.
pub const APPLY_ENTRIES_MAX: usize = 256;

/// Bytes of rows applied before readers see them; the entry that reaches it is the batch's last.
pub const APPLY_BYTES_MAX: usize = 4 << 20;

/// Bytes of an entry from which on it is applied beside the runtime's worker: more than one with
/// the largest value has.
pub const ENTRY_BYTES_LONG: usize = 128 << 10;

/// Entries whose apply takes longer together are told of.
pub const APPLY_TOLD: Duration = Duration::from_millis(50);

/// Bytes of rows that one entry changes, twice its own: what comes from another region stands in
/// the journal too. A snapshot of a feed that is put in its place, or a secret's many values that
/// go, are one entry of any size, and alone in the backlog above its bound.
pub const ENTRY_ROWS_BYTES_USUAL: usize = 2 * ENTRY_BYTES_MAX;

/// Bytes of rows in the backlog up to which another batch is applied: it then still fits.
pub const BACKLOG_ROOM_BYTES: usize = BACKLOG_BYTES_MAX - APPLY_BYTES_MAX - ENTRY_ROWS_BYTES_USUAL;

/// Deleted values kept in the rows for readers of older states before apply waits for the readers.
pub const DEFERRED_VALUES_MAX: usize = 200_000;

/// Bytes that are left to the log on a disk that is low on space, by what gives space back.
pub const LOG_ROOM_BYTES: u64 = 128 << 20;

/// Deleted values freed with one batch, beside as many as it has rows: a reader that was there for
/// long, such as a snapshot, frees very many at once.
pub const FREED_VALUES_STEP: usize = 1_000;

/// Bytes of sealed values kept in memory by default; the rest are read from the rows.
pub const VALUE_MEMORY_BYTES_DEFAULT: u64 = 256 << 20;

/// Values in memory looked at, for each that comes in, whether they are still there.
pub const RESIDENTS_SEEN_PER_VALUE: usize = 4;

/// Entries between two snapshots by default.
pub const SNAPSHOT_ENTRIES_DEFAULT: u64 = 20_000;

/// Bytes of a snapshot up to which the number of entries alone says when to write the next one; a
/// larger one waits for as many bytes of entries too, and for the node's turn.
pub const SNAPSHOT_SMALL_BYTES: u64 = 16 << 20;

/// Bytes an entry is taken to have, where they were not counted: before the start of the node.
pub const ENTRY_BYTES_USUAL: u64 = 1 << 10;

/// Snapshot files kept: the log does not reach back to an older one.
pub const SNAPSHOTS_KEPT: usize = 1;

/// Entries kept behind a snapshot for peers that are a little behind.
pub const LOG_KEPT_ENTRIES: u64 = 2_000;

/// Rows of one answer to a peer that has lost its copies.
pub const FETCH_ROWS_MAX: usize = 16;

/// Fetches of lost rows in flight on one node; more wait.
pub const FETCHES_MAX: usize = 8;

/// Longest wait for the peers' copies of a row.
pub const FETCH_TIMEOUT: Duration = Duration::from_secs(2);

/// Repaired rows that wait to be written; more are found bad again later.
pub const REPAIRS_WAITING_MAX: usize = 1_024;

/// Values that one row names at most while they are kept for readers, with what is to stand in
/// their place.
pub const DEFERRED_GROUP_MAX: usize = 16_384;

/// Rows checked in one step of a scrub.
pub const SCRUB_ROWS: usize = 64;

/// What the rows may take on disk before they are renewed, in hundredths of their live size (R12).
/// Meanwhile the old rows and the new ones are there.
pub const RENEW_PERCENT: u128 = 170;

/// Dead bytes that rows must have more than when they were new before they are renewed.
pub const RENEW_DEAD_BYTES_MIN: u64 = 8 << 20;

/// What the rows may take on disk, in hundredths of their live size, while a renewal waits for the
/// node's turn (R12).
pub const RENEW_URGENT_PERCENT: u128 = 210;

/// What the rows may take on disk, in hundredths of their live size, before a renewal rests no
/// more: what is written while it goes on takes its space twice.
pub const RENEW_HASTE_PERCENT: u128 = 250;

/// How long work that is due waits for each turn before the node's own, while little is written.
pub const TURN_PATIENCE: Duration = Duration::from_secs(120);

/// How much more than the last snapshot's size may be logged while the next one waits for the
/// node's turn.
pub const SNAPSHOT_WAIT_FACTOR: u64 = 2;

/// How long the writing of a snapshot, or a renewal, works before it rests for as long: it takes
/// about half of one processor from calls and apply.
pub const PACE_STINT: Duration = Duration::from_millis(5);

/// The longest rest, as what took longer was waiting itself.
pub const PACE_PAUSE_MAX: Duration = Duration::from_millis(20);

/// Pause after a renewal that failed, or was given up.
pub const RENEW_RETRY_PAUSE: Duration = Duration::from_secs(30);

/// Proposals in flight on one node.
pub const PROPOSALS_MAX: usize = 4_096;

/// Reads waiting for one barrier.
pub const READS_WAITING_MAX: usize = 16_384;

/// Longest wait for one round of confirmations, or one answer of the leader to a barrier.
pub const BARRIER_ROUND_TIMEOUT: Duration = Duration::from_millis(500);

/// Ballots, or ages, of feeds in one message: as many as there can be feeds.
pub const CLAIMS_MAX: usize = machine::limits::REGIONS_MAX + 1;

/// Longest promise not to vote that a leader may ask for (R8). A node that starts with a stored
/// vote keeps out of elections for as long: it may have made one.
pub const LEASE_MAX: Duration = Duration::from_millis(400);

/// Longest wait for peers to take back their promises before leadership is handed over.
pub const RELEASE_TIMEOUT: Duration = Duration::from_millis(100);

/// Longest a peer is waited for on behalf of one of its callers.
pub const FORWARD_WAIT_MAX: Duration = Duration::from_secs(60);

/// Longest wait for what a leader that was replaced may still answer to a forwarded proposal.
pub const LATE_ANSWER_MAX: Duration = Duration::from_millis(200);

/// Pause before a barrier or a proposal is tried again.
pub const RETRY_PAUSE: Duration = Duration::from_millis(10);

/// Entries a learner may be behind when it is promoted.
pub const PROMOTE_LAG_ENTRIES_MAX: u64 = 256;

/// Age of a voter's last answer up to which it counts as live.
pub const VOTER_SILENCE_MAX: Duration = Duration::from_secs(1);

/// Time a leadership transfer may take.
pub const TRANSFER_TIMEOUT: Duration = Duration::from_secs(2);

/// Time after which an heir that does not lead is told again: longer than an election.
pub const TRANSFER_AGAIN: Duration = Duration::from_millis(600);

/// Time between two looks at the peers' clocks.
pub const CLOCK_WATCH_INTERVAL: Duration = Duration::from_secs(1);

/// Distance from the median of the peers' clocks at which a leader hands over (R10).
pub const CLOCK_HAND_OVER: Duration = Duration::from_secs(1);

/// Distance from the median of the peers' clocks at which a leader refuses to stamp (R10).
pub const CLOCK_REFUSE: Duration = Duration::from_secs(5);

/// Age at which a reading of a peer's clock is forgotten.
pub const CLOCK_READING_AGE_MAX: Duration = Duration::from_secs(10);

/// Time between two looks at whether this node lacks disk space and leads.
pub const SPACE_WATCH_INTERVAL: Duration = Duration::from_millis(250);

/// Committed entries a node may have to apply yet and still stand for election: it applies some
/// thousands a second.
pub const LAG_ENTRIES_MAX: u64 = 1_000;

/// Bytes of committed entries a node may have to apply yet and still stand for election: those that
/// bring changes of other regions are large, and there need not be many.
pub const LAG_BYTES_MAX: usize = 8 << 20;

/// Pause between two looks at how much there is to apply: shorter than an election time-out.
pub const LAG_WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// Time after which a node that lacks disk space and still leads hands over again.
pub const SPACE_HAND_OVER_INTERVAL: Duration = Duration::from_secs(5);

/// The first and the longest pause before rows or a snapshot that met a full disk are tried again.
pub const SPACE_RETRY_PAUSES: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(30));

/// Bounds of the pause before an append to a dead peer fails: openraft would call again at once.
pub const DEAD_PEER_PAUSE: (Duration, Duration) =
    (Duration::from_millis(20), Duration::from_millis(100));
