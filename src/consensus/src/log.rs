//! Gives openraft the log of the store.
//!
//! Invariants kept here: an append is acknowledged by the flush thread, after its sync; a vote is
//! durable before `save_vote` returns; nothing is purged above the [`Floor`], that is, above what
//! both a verified snapshot and a checkpoint of the rows hold.

use std::collections::VecDeque;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::{LogState, OptionalSend};
use prost::Message;
use store::{Mark, Record};
use tokio::task::JoinHandle;

use crate::codec;
use crate::fault::{Fault, Faults};
use crate::limits::{APPEND_BYTES_MAX, TAIL_BYTES_MAX, TAIL_ENTRIES_MAX};
use crate::types::{LogEntry, LogId, Proposed, TypeConfig, Vote};
use crate::upkeep::{Upkeep, Work};
use crate::work;

/// The highest index the log may be purged to. It only rises.
#[derive(Debug)]
pub(crate) struct Floor {
    snapshot: AtomicU64,
    rows: AtomicU64,
}

impl Floor {
    /// Nothing may be purged until both sides have risen.
    pub(crate) fn new() -> Floor {
        Floor {
            snapshot: AtomicU64::new(0),
            rows: AtomicU64::new(0),
        }
    }

    /// A verified, fsynced snapshot file holds everything up to `index`.
    pub(crate) fn raise_snapshot(&self, index: u64) {
        self.snapshot.fetch_max(index, Ordering::AcqRel);
    }

    /// A checkpoint of the rows holds everything up to `index`.
    pub(crate) fn raise_rows(&self, index: u64) {
        self.rows.fetch_max(index, Ordering::AcqRel);
    }

    pub(crate) fn index(&self) -> u64 {
        let rows = self.rows.load(Ordering::Acquire);
        self.snapshot.load(Ordering::Acquire).min(rows)
    }
}

type PurgeResult = Result<(), store::Fault>;

/// The log of one node, as openraft sees it. Clones share everything.
#[derive(Clone)]
pub(crate) struct LogStore {
    log: Arc<dyn store::Log>,
    tail: Arc<Mutex<Tail>>,
    /// What the log is being purged to, beside the core.
    purged: Arc<Mutex<Option<LogId>>>,
    /// The last purge that was begun beside the core.
    purging: Arc<Mutex<Option<JoinHandle<()>>>>,
    vote: Arc<Mutex<Option<Vote>>>,
    floor: Arc<Floor>,
    upkeep: Arc<Upkeep>,
    faults: Faults,
}

impl LogStore {
    /// Reads the vote; fails when the store does, or when the vote is no vote.
    pub(crate) fn open(
        log: Arc<dyn store::Log>,
        floor: Arc<Floor>,
        upkeep: Arc<Upkeep>,
        faults: Faults,
    ) -> Result<LogStore, io::Error> {
        let vote = match log.vote().map_err(io::Error::other)? {
            Some(bytes) => {
                let ballot = codec::decode("vote", &bytes).map_err(io::Error::other)?;
                Some(codec::from_vote(ballot))
            }
            None => None,
        };
        Ok(LogStore {
            log,
            tail: Arc::default(),
            purged: Arc::default(),
            purging: Arc::default(),
            vote: Arc::new(Mutex::new(vote)),
            floor,
            upkeep,
            faults,
        })
    }

    /// Bytes of the entries kept in memory.
    pub(crate) fn tail_bytes(&self) -> usize {
        lock(&self.tail).bytes
    }

    /// Bytes of the entries behind `after` up to `last`, as far as they are kept in memory.
    pub(crate) fn bytes_between(&self, after: u64, last: u64) -> usize {
        lock(&self.tail).bytes_between(after, last)
    }

    /// Whether this node has ever taken part in an election or followed a leader.
    pub(crate) fn has_vote(&self) -> bool {
        lock(&self.vote).is_some()
    }

    fn fail(&self, action: &'static str, source: store::Fault) -> io::Error {
        self.faults.raise(Fault::Log { action, source })
    }

    async fn blocking<T: Send + 'static>(
        &self,
        action: &'static str,
        work: impl FnOnce(&dyn store::Log) -> Result<T, store::Fault> + Send + 'static,
    ) -> Result<T, io::Error> {
        let log = Arc::clone(&self.log);
        let done = work::run(move || work(log.as_ref())).await;
        match done {
            Ok(result) => result.map_err(|fault| self.fail(action, fault)),
            Err(stopped) => Err(io::Error::other(stopped)),
        }
    }

    /// Waits for what goes on beside the core. Whoever opens the log next must be the only one who
    /// writes to it: a purge replaces the vote too.
    pub(crate) async fn settle(&self) {
        let purging = lock(&self.purging).take();
        if let Some(purging) = purging {
            // It has told its failure, and a panic ends the process.
            let _ = purging.await;
        }
    }

    /// Purges one after the other.
    fn purge_beside(&self, purge: impl FnOnce(&dyn store::Log) -> PurgeResult + Send + 'static) {
        let this = self.clone();
        let mut purging = lock(&self.purging);
        let before = purging.take();
        *purging = Some(tokio::spawn(async move {
            if let Some(before) = before {
                let _ = before.await;
            }
            // Its failure is raised there.
            let _ = this.blocking("purge the log", purge).await;
        }));
    }

    /// Where the log begins and ends, as the core has ordered it.
    fn bounds(&self) -> Result<LogState<TypeConfig>, io::Error> {
        let bounds = self.log.bounds();
        let bounds = bounds.map_err(|fault| self.fail("read the log's bounds", fault))?;
        let purged = bounds.purged.as_ref().map(log_id_of).transpose()?;
        Ok(LogState {
            last_purged_log_id: purged.max(*lock(&self.purged)),
            last_log_id: bounds.last.as_ref().map(log_id_of).transpose()?,
        })
    }

    async fn entries(&self, start: u64, end: u64) -> Result<Vec<LogEntry>, io::Error> {
        let purged = lock(&self.purged).map_or(0, |id| id.index + 1);
        let start = start.max(purged);
        if start >= end {
            return Ok(Vec::new());
        }
        if let Some(entries) = lock(&self.tail).read(start, end) {
            return Ok(entries);
        }
        let records = self
            .blocking("read entries", move |log| log.read(start..end))
            .await?;
        records.iter().map(entry_of).collect()
    }
}

impl RaftLogReader<TypeConfig> for LogStore {
    async fn try_get_log_entries<RB>(&mut self, range: RB) -> Result<Vec<LogEntry>, io::Error>
    where
        RB: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(start, end).await
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(*lock(&self.vote))
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<LogEntry>, io::Error> {
        let mut entries = self.entries(start, end).await?;
        // A purge may overtake a follower's stream. openraft sends whatever comes, and what began
        // later would leave a gap in the follower's log; nothing is sent as a heartbeat.
        if entries
            .first()
            .is_some_and(|entry| entry.log_id.index != start)
        {
            entries.clear();
        }
        let mut bytes = 0;
        let kept = entries
            .iter()
            .take_while(|entry| {
                bytes += entry_bytes(entry);
                bytes <= APPEND_BYTES_MAX
            })
            .count();
        entries.truncate(kept.max(1));
        Ok(entries)
    }
}

impl RaftLogStorage<TypeConfig> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, io::Error> {
        self.bounds()
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let bytes = codec::vote(vote).encode_to_vec();
        self.blocking("save the vote", move |log| log.save_vote(&bytes))
            .await?;
        *lock(&self.vote) = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        let mark = committed.as_ref().map(mark_of);
        self.log
            .save_committed(mark)
            .map_err(|fault| self.fail("note the commit index", fault))
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        let mark = self
            .blocking("read the commit index", |log| log.committed())
            .await?;
        mark.as_ref().map(log_id_of).transpose()
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: IOFlushed<TypeConfig>,
    ) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        // A full queue is waited for where blocking is allowed, never on the runtime's worker.
        if !self.log.has_room() {
            self.blocking("wait for the log", |log| {
                log.wait_for_room();
                Ok(())
            })
            .await?;
        }
        let mut records = Vec::new();
        {
            let mut tail = lock(&self.tail);
            for entry in entries {
                records.push(record_of(&entry));
                tail.push(entry);
            }
        }
        let faults = self.faults.clone();
        self.log.append(
            records,
            Box::new(move |result| {
                callback.io_completed(result.map_err(|source| {
                    faults.raise(Fault::Log {
                        action: "append entries",
                        source,
                    })
                }));
            }),
        );
        lock(&self.tail).shrink();
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        let last = last.map(|id| id.index);
        lock(&self.tail).truncate_after(last);
        self.blocking("truncate the log", move |log| log.truncate_after(last))
            .await
    }

    async fn purge(&mut self, upto: LogId) -> Result<(), io::Error> {
        let floor = self.floor.index();
        let last = self.bounds()?.last_log_id;
        // Beyond the last entry the whole log is superseded by a newer snapshot: all of it goes,
        // or the next entry would leave a gap.
        let covers_all = last.is_none_or(|last| last.index <= upto.index);
        if upto.index > floor && !covers_all {
            tracing::debug!(upto = upto.index, floor, "purge waits for the floor");
            return Ok(());
        }
        lock(&self.tail).purge(upto.index);
        let (upkeep, mark) = (Arc::clone(&self.upkeep), mark_of(&upto));
        let purge = move |log: &dyn store::Log| {
            let _purge = upkeep.begin(Work::Purge);
            log.purge(mark)
        };
        if covers_all || work::is_in_place() {
            return self.blocking("purge the log", purge).await;
        }
        // The core goes on meanwhile. Should it be lost, more of the log is there than is needed.
        *lock(&self.purged) = Some(upto);
        self.purge_beside(purge);
        Ok(())
    }
}

/// The newest entries, kept so that replication and apply do not read them back.
#[derive(Default)]
struct Tail {
    entries: VecDeque<LogEntry>,
    bytes: usize,
}

impl Tail {
    fn push(&mut self, entry: LogEntry) {
        let follows = self
            .entries
            .back()
            .is_none_or(|last| last.log_id.index + 1 == entry.log_id.index);
        if !follows {
            self.entries.clear();
            self.bytes = 0;
        }
        self.bytes += entry_bytes(&entry);
        self.entries.push_back(entry);
    }

    fn shrink(&mut self) {
        while self.entries.len() > TAIL_ENTRIES_MAX || self.bytes > TAIL_BYTES_MAX {
            self.pop_front();
        }
    }

    fn pop_front(&mut self) {
        if let Some(entry) = self.entries.pop_front() {
            self.bytes -= entry_bytes(&entry);
        }
    }

    fn truncate_after(&mut self, last: Option<u64>) {
        while let Some(entry) = self.entries.back() {
            if last.is_some_and(|last| entry.log_id.index <= last) {
                break;
            }
            self.bytes -= entry_bytes(entry);
            self.entries.pop_back();
        }
    }

    fn purge(&mut self, upto: u64) {
        while self
            .entries
            .front()
            .is_some_and(|entry| entry.log_id.index <= upto)
        {
            self.pop_front();
        }
    }

    fn bytes_between(&self, after: u64, last: u64) -> usize {
        let first = self.entries.front().map_or(0, |entry| entry.log_id.index);
        let skipped = (after + 1).saturating_sub(first);
        let entries = self.entries.iter();
        let behind = entries.skip(usize::try_from(skipped).unwrap_or(usize::MAX));
        let wanted = behind.take_while(|entry| entry.log_id.index <= last);
        wanted.map(entry_bytes).sum()
    }

    /// Answers only when it holds the whole of `start..end`.
    fn read(&self, start: u64, end: u64) -> Option<Vec<LogEntry>> {
        let first = self.entries.front()?.log_id.index;
        let last = self.entries.back()?.log_id.index;
        if start < first || end > last + 1 {
            return None;
        }
        let from = usize::try_from(start - first).ok()?;
        let count = usize::try_from(end - start).ok()?;
        Some(
            self.entries
                .iter()
                .skip(from)
                .take(count)
                .cloned()
                .collect(),
        )
    }
}

fn entry_bytes(entry: &LogEntry) -> usize {
    let fixed = size_of::<LogEntry>();
    match &entry.payload {
        openraft::EntryPayload::Normal(Proposed(bytes)) => fixed + bytes.len(),
        _ => fixed,
    }
}

fn record_of(entry: &LogEntry) -> Record {
    Record {
        index: entry.log_id.index,
        mark: codec::log_id(&entry.log_id).encode_to_vec(),
        body: codec::entry(entry).encode_to_vec(),
    }
}

fn entry_of(record: &Record) -> Result<LogEntry, io::Error> {
    let message = codec::decode("log entry", &record.body).map_err(io::Error::other)?;
    codec::from_entry(message).map_err(io::Error::other)
}

fn mark_of(id: &LogId) -> Mark {
    Mark {
        index: id.index,
        id: codec::log_id(id).encode_to_vec(),
    }
}

fn log_id_of(mark: &Mark) -> Result<LogId, io::Error> {
    let message = codec::decode("log id", &mark.id).map_err(io::Error::other)?;
    Ok(codec::from_log_id(message))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
