//! What the recording calls and the two threads share.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex, MutexGuard};

use crate::books::{self, Active, Books, Prepared};
use crate::cipher::{self, Sealing};
use crate::disk::{Disk, DiskFile};
use crate::fault::Fault;
use crate::header::Before;
use crate::limits::RETIRED_MAX;
use crate::options::Options;
use crate::room::{Room, Watcher};
use crate::trail::Done;
use crate::{Owner, Time};

/// An open trail, without its threads.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    pub(crate) owner: Owner,
    pub(crate) options: Options,
    pub(crate) sealing: Sealing,
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) watcher: Arc<dyn Watcher>,
    state: Mutex<State>,
    /// Wakes the thread that syncs.
    pub(crate) dirty: Condvar,
    /// Wakes the thread that prepares.
    pub(crate) wanted: Condvar,
    /// Wakes who waits for the next file.
    pub(crate) prepared: Condvar,
    /// Held while the watcher is told, so that it hears everything in order.
    told: Mutex<Told>,
}

/// What the watcher knows.
struct Told {
    room: Room,
    has_failed: bool,
}

/// What is under the lock.
pub(crate) struct State {
    pub(crate) books: Books,
    pub(crate) active: Active,
    pub(crate) spare: Spare,
    /// The last record that is durable.
    pub(crate) synced: u64,
    /// When the first byte was written that is not synced.
    pub(crate) dirty_since: Option<Instant>,
    /// Full files that are not synced.
    pub(crate) retired: Vec<(PathBuf, Arc<dyn DiskFile>)>,
    /// Who waits for a record to be durable.
    pub(crate) waiting: Vec<(u64, Done)>,
    /// How often a file was synced.
    pub(crate) syncs: u64,
    /// How long that took.
    pub(crate) sync_time: Duration,
    /// Files to delete once a header is durable that does without them.
    pub(crate) doomed: Vec<u64>,
    /// Files to delete.
    pub(crate) condemned: Vec<u64>,
    /// The last record did not fit.
    pub(crate) is_full: bool,
    /// The file system has less free space than it should.
    pub(crate) is_low: bool,
    /// The first failure; there is no second one.
    pub(crate) fault: Option<Fault>,
    pub(crate) is_closing: bool,
}

/// The next file.
pub(crate) enum Spare {
    Ready(Prepared),
    /// It is being prepared.
    Making,
    /// It could not be.
    Missing,
}

impl Shared {
    pub(crate) fn new(
        dir: PathBuf,
        owner: Owner,
        options: Options,
        sealing: Sealing,
        disk: Arc<dyn Disk>,
        watcher: Arc<dyn Watcher>,
        state: State,
    ) -> Shared {
        let told = Told {
            room: Room::Enough,
            has_failed: false,
        };
        Shared {
            dir,
            owner,
            options,
            sealing,
            disk,
            watcher,
            state: Mutex::new(state),
            dirty: Condvar::new(),
            wanted: Condvar::new(),
            prepared: Condvar::new(),
            told: Mutex::new(told),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Seals a record and appends its line.
    pub(crate) fn append(&self, plain: &str, time: Time) -> Result<u64, Fault> {
        let mut state = self.state();
        let was_full = state.is_full;
        let mut appended = self.make_room(&mut state, time, cipher::line_bytes_max(plain.len()));
        if appended.is_ok() {
            appended = state.write(&self.sealing, plain, time);
        }
        match &appended {
            Ok(()) => state.is_full = false,
            Err(Fault::NoSpace { .. }) => {
                state.is_full = true;
                self.wanted.notify_one();
            }
            Err(_) => {}
        }
        let appended = appended.map_err(|fault| state.fail(fault));
        if state.dirty_since.is_none() && appended.is_ok() {
            state.dirty_since = Some(Instant::now());
            self.dirty.notify_one();
        }
        let seq = state.books.seq;
        let is_changed = was_full != state.is_full || state.fault.is_some();
        if state.fault.is_some() {
            // It answers who waits, and ends.
            self.dirty.notify_one();
        }
        drop(state);
        if is_changed {
            self.tell();
        }
        appended.map(|()| seq)
    }

    /// Goes on to the next file if it is time to, or if the present one is full.
    fn make_room(
        &self,
        state: &mut MutexGuard<'_, State>,
        time: Time,
        bytes: usize,
    ) -> Result<(), Fault> {
        loop {
            state.check()?;
            let is_filled = state.active.offset + bytes as u64 > self.options.file_bytes;
            if !is_filled && !state.active.is_of_another_day(time) {
                return Ok(());
            }
            let has_room = state.retired.len() < RETIRED_MAX;
            match &state.spare {
                Spare::Ready(_) if has_room => match self.rotate(state, time) {
                    // It is only a day that ended.
                    Err(Fault::NoSpace { .. }) if !is_filled => return Ok(()),
                    rotated => return rotated,
                },
                // The day's end can wait.
                _ if !is_filled => return Ok(()),
                Spare::Missing => {
                    return Err(Fault::NoSpace {
                        path: self.dir.clone(),
                    });
                }
                Spare::Ready(_) | Spare::Making => self.prepared.wait(state),
            }
        }
    }

    /// Begins the next file, which must be ready.
    fn rotate(&self, state: &mut State, time: Time) -> Result<(), Fault> {
        let State {
            books,
            active,
            spare: Spare::Ready(next),
            ..
        } = state
        else {
            return Ok(());
        };
        let (begun, doomed) = books.begin(next, Some(active), time, &self.owner, &self.options)?;
        let full = std::mem::replace(&mut state.active, begun);
        state.retired.push((full.path, full.file));
        state.doomed.extend(doomed);
        state.spare = Spare::Making;
        self.wanted.notify_one();
        Ok(())
    }

    /// Tells the watcher what it does not know yet.
    pub(crate) fn tell(&self) {
        let mut told = self.told.lock();
        let state = self.state();
        let (room, fault) = (state.room(), state.fault.clone());
        drop(state);
        if told.room != room {
            match room {
                Room::Enough => tracing::info!("there is enough room for audit records again"),
                Room::Short => tracing::warn!("room for audit records is short"),
                Room::Full => tracing::error!("there is no room for audit records"),
            }
            told.room = room;
            self.watcher.room_changed(room);
        }
        if let Some(fault) = fault.filter(|fault| !told.has_failed && !is_closed(fault)) {
            told.has_failed = true;
            self.watcher.failed(&fault);
        }
    }
}

impl State {
    /// Refuses everything after a failure.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        self.fault.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn room(&self) -> Room {
        match &self.spare {
            _ if self.is_full => Room::Full,
            Spare::Missing => Room::Short,
            _ if self.is_low => Room::Short,
            Spare::Ready(_) | Spare::Making => Room::Enough,
        }
    }

    /// Keeps the first failure that does not pass.
    pub(crate) fn fail(&mut self, fault: Fault) -> Fault {
        if !fault.may_pass() && self.fault.is_none() {
            self.fault = Some(fault.clone());
        }
        fault
    }

    /// Writes a record into the present file; nothing changes if it does not fit.
    fn write(&mut self, sealing: &Sealing, plain: &str, time: Time) -> Result<(), Fault> {
        let seq = self.books.seq + 1;
        let active = &mut self.active;
        let sealed = sealing.line(plain, active.number, seq, self.books.hash);
        let (line, hash) = sealed.map_err(|fault| Fault::Seal(Arc::new(fault)))?;
        books::write(&*active.file, &active.path, line.as_bytes(), active.offset)?;
        active.offset += line.len() as u64;
        active.held = Some(Before::with(active.held, time));
        (self.books.seq, self.books.hash) = (seq, hash);
        Ok(())
    }
}

impl Active {
    /// Whether `time` is of another day than the file. Calls that end across midnight come in any
    /// order, so only a whole day back counts: a clock that was set right.
    fn is_of_another_day(&self, time: Time) -> bool {
        let (begun, day) = (self.begun.day(), time.day());
        day > begun || day + 1 < begun
    }
}

fn is_closed(fault: &Fault) -> bool {
    matches!(fault, Fault::Closed)
}
