//! The contract of the Raft log.

use std::fmt::{self, Debug, Formatter};
use std::ops::Range;

use crate::Fault;
use crate::limits::{MARK_BYTES_MAX, RECORD_BYTES_MAX};

/// Is called once when something is durable, or has failed; runs on a thread of the log's, so it
/// must not block.
pub type Done = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// One entry of the log.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place; consecutive records have consecutive indexes.
    pub index: u64,
    /// The encoded log id; stored in clear, at most [`crate::MARK_BYTES_MAX`] bytes.
    pub mark: Vec<u8>,
    /// The encoded entry; stored sealed, at most [`crate::RECORD_BYTES_MAX`] bytes.
    pub body: Vec<u8>,
}

/// An index of the log with the encoded log id that stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// The index.
    pub index: u64,
    /// The encoded log id; at most [`crate::MARK_BYTES_MAX`] bytes.
    pub id: Vec<u8>,
}

/// Where the log begins and ends.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Bounds {
    /// The last purged record: everything up to it is gone.
    pub purged: Option<Mark>,
    /// The last record, or the purge mark when no record is left.
    pub last: Option<Mark>,
}

/// The Raft log with its vote: what was acknowledged is here, durably, before anything else.
///
/// Calls are serialised by one writer (openraft's core); reads may come from anywhere, and one
/// purge at a time beside the writer. Calls whose answer says durable block until the disk has
/// synced: call them where blocking is allowed.
pub trait Log: Send + Sync {
    /// Answers the last saved vote.
    fn vote(&self) -> Result<Option<Vec<u8>>, Fault>;

    /// Saves the vote; durable on return, and so is every append before it.
    fn save_vote(&self, vote: &[u8]) -> Result<(), Fault>;

    /// Queues records; they are readable on return, and durable when `done` is called with `Ok`.
    ///
    /// Many appends share one write and one sync; `done` is called in the order of the appends.
    /// Blocks only while the bounded queue is full; [`Log::has_room`] tells before. The first
    /// record must follow the last one; an empty log accepts any index above its purge mark.
    fn append(&self, records: Vec<Record>, done: Done);

    /// Whether an append would be queued at once; the writer's own appends take room, and a purge a
    /// little.
    fn has_room(&self) -> bool {
        true
    }

    /// Blocks until there is room for an append, or the log is closed.
    fn wait_for_room(&self) {}

    /// From here on a full disk is answered with [`Fault::NoSpace`], not waited for: the process is
    /// about to end.
    fn give_up_waiting(&self) {}

    /// Drops every record above `last` (all of them for `None`); durable on return.
    fn truncate_after(&self, last: Option<u64>) -> Result<(), Fault>;

    /// Drops every record up to and with `upto`, which may lie beyond the last record; durable on
    /// return. Disk space is given back afterwards, by whole segments.
    fn purge(&self, upto: Mark) -> Result<(), Fault>;

    /// Answers the records of `range` that exist, in order.
    fn read(&self, range: Range<u64>) -> Result<Vec<Record>, Fault>;

    /// Answers where the log begins and ends, records not yet durable included.
    fn bounds(&self) -> Result<Bounds, Fault>;

    /// Notes how far the log is committed; written with the next group, lost without harm.
    fn save_committed(&self, committed: Option<Mark>) -> Result<(), Fault>;

    /// Answers the last noted commit mark that is still within the log.
    fn committed(&self) -> Result<Option<Mark>, Fault>;
}

impl Record {
    /// The mark of this record.
    pub fn to_mark(&self) -> Mark {
        Mark {
            index: self.index,
            id: self.mark.clone(),
        }
    }
}

// The body may hold names and tags in clear.
impl Debug for Record {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("index", &self.index)
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Refuses indexes that would leave a gap after `last`, or among themselves.
pub(crate) fn check_follows(
    last: Option<u64>,
    empty: bool,
    indexes: impl Iterator<Item = u64>,
) -> Result<(), Fault> {
    let mut expected = last.map_or(0, |last| last.saturating_add(1));
    for (at, found) in indexes.enumerate() {
        if empty && at == 0 {
            expected = expected.max(found);
        }
        if found != expected {
            return Err(Fault::OutOfOrder { expected, found });
        }
        expected = expected.saturating_add(1);
    }
    Ok(())
}

/// Refuses records above the limits.
pub(crate) fn check_sizes(records: &[Record]) -> Result<(), Fault> {
    for record in records {
        within("a log record", record.body.len(), RECORD_BYTES_MAX)?;
        within("a log mark", record.mark.len(), MARK_BYTES_MAX)?;
    }
    Ok(())
}

/// Refuses what is larger than its limit.
pub(crate) fn within(what: &'static str, found: usize, limit: usize) -> Result<(), Fault> {
    if found > limit {
        return Err(Fault::TooLarge {
            what,
            found_bytes: found,
            limit_bytes: limit,
        });
    }
    Ok(())
}
