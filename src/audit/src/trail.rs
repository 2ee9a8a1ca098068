//! The trail: what a node records with.
//!
//! What must always hold:
//!
//! - a record is written before `record` returns, or it returns a fault and nothing was written;
//! - `settle` tells of success only what is durable, as the options ask for it;
//! - a file is deleted only after a header that does without it is durable;
//! - after a failure nothing is recorded any more.

use std::collections::VecDeque;
use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::sync_channel;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use crate::books::{self, Active, Books};
use crate::cipher::{Cipher, Sealing};
use crate::disk::Disk;
use crate::fault::Fault;
use crate::file;
use crate::header::Break;
use crate::limits::{PLAIN_BYTES_USUAL, RETIRED_MAX, WAITING_MAX};
use crate::lock::lock;
use crate::options::{Options, Syncing};
use crate::record::Record;
use crate::recover::{Kept, OpenError, Recovered, Torn, create_dir, recover};
use crate::room::{Room, Watcher};
use crate::state::{Shared, Spare, State};
use crate::{Owner, Time};

/// Told once whether a record is kept; runs on the thread that syncs, and must not block.
pub type Done = Box<dyn FnOnce(Result<(), Fault>) + Send>;

/// A record that was written: its sequence number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// How much a trail holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Held {
    /// Files with records, without the one set aside.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// The sequence number of the last record.
    pub records: u64,
    /// Records that are not durable yet.
    pub unsynced: u64,
    /// Answers that wait for that.
    pub waiting: u64,
    /// How often the trail has synced since it was opened.
    pub syncs: u64,
    /// How long that took, all together.
    pub sync_time: Duration,
}

/// An open audit trail. One process has it open; others are refused meanwhile.
pub struct Trail {
    shared: Arc<Shared>,
    torn: Option<Torn>,
    broken: Option<Break>,
    threads: Vec<JoinHandle<()>>,
    /// Held until the threads have ended.
    _lock: File,
}

impl Trail {
    /// Opens the trail in `dir`, or starts one; `now` is the time of a file that begins.
    ///
    /// A torn end is cut off and told by [`Trail::torn`]. Damage is told by [`Trail::broken`] and
    /// in the header of a new file; it is never a reason not to open. A file of a later release, or
    /// of another node, is.
    pub fn open(
        dir: &Path,
        owner: Owner,
        options: Options,
        cipher: Arc<dyn Cipher>,
        disk: Arc<dyn Disk>,
        watcher: Arc<dyn Watcher>,
        now: Time,
    ) -> Result<Trail, OpenError> {
        options.check()?;
        create_dir(dir)?;
        let lock = lock(dir)?;
        let sealing = Sealing::new(cipher, &owner);
        let found = recover(dir, &owner, &sealing, &*disk)?;
        let (torn, broken) = (found.torn.clone(), found.broken);
        let broken = broken.filter(|_| found.is_newly_broken);
        if let Some(broken) = &broken {
            let (file, offset, why) = (broken.file, broken.offset, broken.why.name());
            tracing::error!(file, offset, why, "the audit trail is broken");
        }
        let condemned = condemned(dir, found.start)?;
        let state = begin(dir, &owner, &options, &*disk, found, now)?;
        let state = State { condemned, ..state };
        let shared = Shared::new(
            dir.to_path_buf(),
            owner,
            options,
            sealing,
            disk,
            watcher,
            state,
        );
        let mut trail = Trail {
            shared: Arc::new(shared),
            torn,
            broken,
            threads: Vec::new(),
            _lock: lock,
        };
        trail.spawn("audit-prepare", Shared::run_prepare)?;
        trail.spawn("audit-sync", Shared::run_sync)?;
        Ok(trail)
    }

    /// Writes a record. When this returns a fault, the call that it is about must not be answered
    /// otherwise than with a failure.
    ///
    /// Ordinarily it takes one `write(2)` and no wait. It waits for the disk when a file is full
    /// and the next one is not set aside yet, or as many full ones as may be are not synced yet.
    pub fn record(&self, record: &Record<'_>) -> Result<Ticket, Fault> {
        let mut plain = String::with_capacity(PLAIN_BYTES_USUAL);
        record.put(&mut plain, &self.shared.owner);
        self.shared.append(&plain, record.time).map(Ticket)
    }

    /// Tells `done` when the call that a record is about may be answered: at once with
    /// [`Syncing::Interval`], when the record is durable with [`Syncing::Each`].
    pub fn settle(&self, ticket: Ticket, done: Done) {
        let mut state = self.shared.state();
        let is_kept = match self.shared.options.syncing {
            Syncing::Interval(_) => true,
            Syncing::Each => state.synced >= ticket.0,
        };
        let result = match state.check() {
            Ok(()) if is_kept => Ok(()),
            Ok(()) if state.waiting.len() < WAITING_MAX => {
                state.waiting.push((ticket.0, done));
                return;
            }
            Ok(()) => Err(Fault::Busy),
            Err(fault) => Err(fault),
        };
        drop(state);
        done(result);
    }

    /// As [`Trail::settle`], and waits.
    pub fn wait(&self, ticket: Ticket) -> Result<(), Fault> {
        let (answer, answered) = sync_channel(1);
        let done: Done = Box::new(move |result| {
            // The caller waits below; it cannot be gone.
            let _ = answer.send(result);
        });
        self.settle(ticket, done);
        answered.recv().unwrap_or(Err(Fault::Closed))
    }

    /// Whether there is space to go on.
    pub fn room(&self) -> Room {
        self.shared.state().room()
    }

    /// Whether the next file is set aside; for a moment after each change of file it is not.
    pub fn has_spare_file(&self) -> bool {
        matches!(self.shared.state().spare, Spare::Ready(_))
    }

    /// How much the trail holds.
    pub fn held(&self) -> Held {
        let state = self.shared.state();
        let closed: u64 = state
            .books
            .files
            .iter()
            .filter(|kept| kept.number != state.active.number)
            .map(|kept| kept.bytes)
            .sum();
        Held {
            files: state.books.files.len() as u64,
            bytes: closed + state.active.offset,
            records: state.books.seq,
            unsynced: state.books.seq.saturating_sub(state.synced),
            waiting: state.waiting.len() as u64,
            syncs: state.syncs,
            sync_time: state.sync_time,
        }
    }

    /// The end that was cut off when the trail was opened, if a crash had left one.
    pub fn torn(&self) -> Option<&Torn> {
        self.torn.as_ref()
    }

    /// Where the chain was found broken when the trail was opened. What was noted before is not
    /// told again here, but by [`verify`](crate::verify).
    pub fn broken(&self) -> Option<&Break> {
        self.broken.as_ref()
    }

    fn spawn(&mut self, name: &str, run: fn(&Shared)) -> Result<(), Fault> {
        let shared = Arc::clone(&self.shared);
        let thread = Builder::new().name(name.into()).spawn(move || run(&shared));
        let thread =
            thread.map_err(|error| Fault::sync("start a thread for", &self.shared.dir, error))?;
        self.threads.push(thread);
        Ok(())
    }
}

impl Drop for Trail {
    fn drop(&mut self) {
        self.shared.state().is_closing = true;
        self.shared.wanted.notify_all();
        self.shared.dirty.notify_all();
        let joined = self.threads.drain(..).map(JoinHandle::join);
        if joined.filter(Result::is_err).count() > 0 {
            let dir = self.shared.dir.display();
            tracing::error!(%dir, "a thread of the audit trail panicked");
        }
    }
}

impl Debug for Trail {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail")
            .field("dir", &self.shared.dir)
            .finish_non_exhaustive()
    }
}

/// Files that a header does without, and a crash has left.
fn condemned(dir: &Path, start: u64) -> Result<Vec<u64>, Fault> {
    let listed = file::list(dir).map_err(|error| Fault::io("list", dir, error))?;
    let numbers = listed.into_iter().map(|(number, _)| number);
    Ok(numbers.filter(|number| *number < start).collect())
}

/// Makes what was found durable: a process that was killed may have left it in the page cache only.
fn keep(dir: &Path, disk: &dyn Disk, files: &[Kept]) -> Result<(), Fault> {
    for kept in files.iter().rev().take(RETIRED_MAX + 1) {
        let path = file::path(dir, kept.number);
        let synced = disk.open(&path).and_then(|file| file.sync());
        synced.map_err(|error| Fault::sync("sync", &path, error))?;
    }
    Ok(())
}

/// Goes on with what was found, or begins a file.
fn begin(
    dir: &Path,
    owner: &Owner,
    options: &Options,
    disk: &dyn Disk,
    found: Recovered,
    now: Time,
) -> Result<State, Fault> {
    keep(dir, disk, &found.files)?;
    let next = found.files.last().map_or(1, |kept| kept.number + 1);
    let start = found.start;
    let kept = found.files.into_iter().filter(|kept| kept.number >= start);
    let mut books = Books {
        files: kept.collect::<VecDeque<_>>(),
        start,
        breaks: found.breaks,
        broken: found.broken,
        seq: found.seq,
        hash: found.hash,
    };
    let (active, doomed) = match found.last {
        Some(last) => {
            let path = file::path(dir, last.number);
            let opened = disk.open(&path);
            let opened = opened.map_err(|error| Fault::io("open", &path, error))?;
            if let Err(error) = opened.reserve(options.file_bytes) {
                // The next file will not fit either, and that is told.
                tracing::warn!(%error, file = %path.display(), "could not set space aside");
            }
            let active = Active {
                path,
                file: Arc::from(opened),
                number: last.number,
                offset: last.offset,
                begun: last.begun,
                held: last.held,
            };
            (active, Vec::new())
        }
        None => {
            let prepared = books::prepare(disk, dir, next, options.file_bytes)?;
            books.begin(&prepared, None, now, owner, options)?
        }
    };
    Ok(State {
        synced: books.seq,
        books,
        active,
        spare: Spare::Making,
        dirty_since: found.last.is_none().then(std::time::Instant::now),
        retired: Vec::new(),
        waiting: Vec::new(),
        syncs: 0,
        sync_time: Duration::ZERO,
        doomed,
        condemned: Vec::new(),
        is_full: false,
        is_low: false,
        fault: None,
        is_closing: false,
    })
}
