//! The write-ahead log: segment files, one flush thread, one thread that prepares segments.
//!
//! What must always hold:
//!
//! - nothing is called durable before its bytes and the names of the files they lie in are synced;
//! - group n + 1 is written only after group n was synced (`frame.rs` builds on it);
//! - a segment is deleted only after an anchor that does not need it is durable;
//! - an open either finds everything acknowledged or refuses, and says where.
//!
//! The crate `raft-log` was considered. Its log refuses to open after a power cut that kept a later
//! page of an unsynced write and lost an earlier one, cuts acknowledged records when a damaged
//! length points past the end, and its files carry no version and no owner.

mod anchor;
mod error;
mod flush;
mod frame;
mod prepare;
mod queue;
mod recover;
mod segment;
mod tail;

use std::fmt::{self, Debug, Formatter};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};

use crate::format::Stamped;
use crate::limits::{GROUP_BYTES_MAX, LOG_CACHE_BYTES_DEFAULT, VOTE_BYTES_MAX};
use crate::log::{check_sizes, within};
use crate::{Bounds, Cipher, Done, Fault, Log, Mark, Place, Record};

use self::flush::{Flusher, Shared};
use self::prepare::Prepare;
use self::queue::Job;
use self::segment::SEGMENT_HEADER_BYTES;

pub use self::error::LogError;
pub use self::recover::Torn;

/// How the log uses disk and memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalOptions {
    /// The size of a prepared segment in bytes, its header of 4,096 included; a group that is
    /// larger makes its segment grow.
    pub segment_bytes: u64,
    /// How many bytes of records are kept in memory for readers.
    pub cache_bytes: usize,
}

impl Default for WalOptions {
    fn default() -> WalOptions {
        WalOptions {
            segment_bytes: 32 * 1024 * 1024,
            cache_bytes: LOG_CACHE_BYTES_DEFAULT,
        }
    }
}

/// How much a log holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogHeld {
    /// The size of its segments, the prepared one included.
    pub disk_bytes: u64,
    /// Entries, in memory or not.
    pub entries: u64,
    /// Bytes of the entries in memory.
    pub cached_bytes: u64,
    /// Bytes that wait for the flush thread.
    pub queued_bytes: u64,
}

/// The Raft log on disk.
pub struct Wal {
    shared: Arc<Shared>,
    prepare: Arc<Prepare>,
    cipher: Arc<dyn Cipher>,
    torn: Option<Torn>,
    flusher: Option<JoinHandle<()>>,
    preparer: Option<JoinHandle<()>>,
    segment_bytes: u64,
    dir: PathBuf,
}

impl Wal {
    /// Opens the log in `dir`, or starts one if the directory is missing or empty.
    ///
    /// A torn end is cut off and reported by [`Wal::torn`]; anything that would lose an
    /// acknowledged record is an error.
    pub fn open(
        dir: &Path,
        stamped: &Stamped,
        cipher: Arc<dyn Cipher>,
        options: WalOptions,
    ) -> Result<Wal, LogError> {
        let least = SEGMENT_HEADER_BYTES * 2;
        if options.segment_bytes < least {
            return Err(LogError::Options {
                option: "segment_bytes",
                least,
            });
        }
        let found = recover::recover(dir, stamped, options.segment_bytes)?;
        anchor::reserve(dir)?;
        if let Some(torn) = &found.torn {
            let (segment, offset) = (torn.segment.display(), torn.offset);
            tracing::warn!(%segment, offset, "cut off the torn end of the log");
        }
        let next = found.active.number + 1;
        let prepare = Prepare::new(
            dir.to_path_buf(),
            stamped.clone(),
            options.segment_bytes,
            next,
            found.anchor,
        );
        let mut wal = Wal {
            shared: Arc::new(Shared::new(found.tail)),
            prepare: Arc::new(prepare),
            cipher: Arc::clone(&cipher),
            torn: found.torn,
            flusher: None,
            preparer: None,
            segment_bytes: options.segment_bytes,
            dir: dir.to_path_buf(),
        };
        let flusher = Flusher {
            shared: Arc::clone(&wal.shared),
            prepare: Arc::clone(&wal.prepare),
            cipher,
            options,
            active: found.active,
            offset: found.offset,
            group: found.group,
        };
        let (prepare, shared) = (Arc::clone(&wal.prepare), Arc::clone(&wal.shared));
        wal.preparer = Some(spawn("log-prepare", dir, move || prepare.run(&shared))?);
        wal.flusher = Some(spawn("log-flush", dir, || flusher.run())?);
        Ok(wal)
    }

    /// The end that was cut off when the log was opened, if a crash had left one.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// How much the log holds.
    pub fn held(&self) -> LogHeld {
        let tail = self.shared.tail();
        let segments = tail.segments_held();
        let (entries, cached_bytes) = (tail.entries() as u64, tail.cached_bytes() as u64);
        drop(tail);
        let spare = u64::from(self.prepare.is_ready()) * self.segment_bytes;
        let sizes = segments.iter().map(|segment| segment.size_bytes());
        LogHeld {
            disk_bytes: spare + sizes.sum::<u64>(),
            entries,
            cached_bytes,
            queued_bytes: self.shared.queue.bytes() as u64,
        }
    }

    /// Whether a whole prepared segment is ready; for a moment after each change of segment it is
    /// not.
    pub fn has_spare_segment(&self) -> bool {
        self.prepare.is_ready()
    }

    /// Whether the disk had no room when the log last asked for some: it goes on in the segment it
    /// has; when that is full, appends wait until there is space again.
    pub fn lacks_space(&self) -> bool {
        self.prepare.is_starved()
    }

    fn check(&self) -> Result<(), Fault> {
        self.shared
            .fault
            .get()
            .map_or(Ok(()), |fault| Err(fault.clone()))
    }

    /// Queues a job and waits until it is durable.
    fn wait(&self, make: impl FnOnce(Done) -> Job) -> Result<(), Fault> {
        let (answer, answered) = sync_channel(1);
        let done: Done = Box::new(move |result| {
            // The caller waits below; it cannot be gone.
            let _ = answer.send(result);
        });
        self.shared.queue.push(|| make(done));
        answered.recv().unwrap_or(Err(Fault::Closed))
    }
}

impl Log for Wal {
    fn vote(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.check()?;
        Ok(self.shared.tail().vote.clone())
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), Fault> {
        self.check()?;
        within("a vote", vote.len(), VOTE_BYTES_MAX)?;
        self.wait(|done| Job::SaveVote(vote.to_vec(), done))
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        let checked = self.check().and_then(|()| check_sizes(&records));
        let records: Vec<Arc<Record>> = records.into_iter().map(Arc::new).collect();
        self.shared.queue.push(|| {
            match checked.and_then(|()| self.shared.tail().append(&records)) {
                Ok(()) => Job::Append(records, done),
                Err(fault) => Job::Refuse(fault, done),
            }
        });
    }

    fn has_room(&self) -> bool {
        self.shared.queue.has_room()
    }

    fn wait_for_room(&self) {
        self.shared.queue.wait_for_room();
    }

    fn give_up_waiting(&self) {
        self.prepare.close();
    }

    fn truncate_after(&self, last: Option<u64>) -> Result<(), Fault> {
        self.check()?;
        // Even a truncation that drops nothing answers after the appends before it.
        let end = self.shared.tail().bounds().last.map(|end| end.index);
        let last = last.min(end);
        let mark = last.map_or(Ok(None), |last| self.shared.tail().mark_at(last))?;
        self.wait(|done| {
            self.shared.tail().truncate(mark);
            Job::TruncateAfter(last, done)
        })
    }

    fn purge(&self, upto: Mark) -> Result<(), Fault> {
        self.check()?;
        self.wait(|done| Job::Purge(upto, done))
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<Record>, Fault> {
        self.check()?;
        let found = self.shared.tail().find(range);
        let load = |found: tail::Found| found.load(&*self.cipher).map(Arc::unwrap_or_clone);
        found.into_iter().map(load).collect()
    }

    fn bounds(&self) -> Result<Bounds, Fault> {
        self.check()?;
        Ok(self.shared.tail().bounds())
    }

    fn save_committed(&self, committed: Option<Mark>) -> Result<(), Fault> {
        self.check()?;
        self.shared.tail().committed = committed;
        Ok(())
    }

    fn committed(&self) -> Result<Option<Mark>, Fault> {
        self.check()?;
        let tail = self.shared.tail();
        let last = tail.bounds().last.map(|last| last.index);
        Ok(tail
            .committed
            .clone()
            .filter(|committed| Some(committed.index) <= last))
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        // The flush thread may still need a segment for what is queued.
        self.give_up_waiting();
        self.shared.queue.close();
        let flushed = self.flusher.take().map_or(Ok(()), JoinHandle::join);
        self.prepare.stop();
        let prepared = self.preparer.take().map_or(Ok(()), JoinHandle::join);
        if flushed.and(prepared).is_err() {
            tracing::error!(dir = %self.dir.display(), "a thread of the log panicked");
        }
    }
}

impl Debug for Wal {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

impl WalOptions {
    /// How much is put into one group; small segments get small groups.
    fn group_bytes(&self) -> usize {
        let half = usize::try_from(self.segment_bytes / 2).unwrap_or(usize::MAX);
        half.min(GROUP_BYTES_MAX)
    }
}

fn spawn(
    name: &str,
    dir: &Path,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, Fault> {
    let thread = Builder::new().name(name.into()).spawn(run);
    thread.map_err(|error| Fault::io("start a thread for", dir, error))
}

/// The place a record's body is sealed for.
fn place(key: &[u8]) -> Place<'_> {
    Place { table: "log", key }
}

/// Splits the payload of an appended record into its mark and its sealed body.
fn split_payload(payload: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = payload.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*len)).ok()?)
}
