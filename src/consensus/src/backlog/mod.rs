//! The rows that apply has changed and the materialiser has not yet written.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use machine::{Row, RowKey};
use store::RowScan;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::headroom::{Headroom, Writing};
use crate::limits::{
    BACKLOG_AGE_MAX, BACKLOG_GATHER_BYTES, BACKLOG_STARVED_BYTES_MAX, BACKLOG_TOLL_MAX,
    CHECKPOINT_INTERVAL, DEFERRED_VALUES_MAX, REPAIRS_WAITING_MAX,
};
use crate::status::Held;
use crate::view::{EraWatch, Root};

/// What shall become of the row of a key.
pub(crate) enum RowChange {
    /// Shares its bytes with the state: most rows change again before they are written.
    Put(Vec<u8>, Bytes),
    /// The row stands for a value that is kept from this region: where readers still want a value
    /// under that key, it waits for them.
    PutHidden(Vec<u8>, Bytes),
    Delete(Vec<u8>),
    /// Readers of the era before may still want the row.
    DeleteValue(Vec<u8>),
}

/// What a row is to be next.
#[derive(Debug)]
pub(crate) enum Next {
    Row(Bytes),
    /// As [`RowChange::PutHidden`] says.
    Hidden(Bytes),
    Gone,
}

impl Next {
    fn bytes(&self) -> usize {
        match self {
            Next::Row(row) | Next::Hidden(row) => row.len(),
            Next::Gone => 0,
        }
    }
}

impl RowChange {
    /// What it counts for in the backlog.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            RowChange::Put(key, row) | RowChange::PutHidden(key, row) => key.len() + row.len(),
            RowChange::Delete(key) | RowChange::DeleteValue(key) => key.len(),
        }
    }
}

/// What apply and the materialiser share. Bounded by `BACKLOG_BYTES_MAX` and [`BACKLOG_AGE_MAX`]:
/// apply waits in [`Backlog::room`] until its next batch is within them. Rows that wait for disk
/// space do not hold apply up: it goes on, and reads with it, up to [`BACKLOG_STARVED_BYTES_MAX`].
pub(crate) struct Backlog {
    pending: Mutex<Pending>,
    filled: Condvar,
    /// End the time in which rows are gathered: of a thread, and of a task.
    urgent: Condvar,
    urged: Notify,
    drained: Notify,
    /// The index whose rows were written, and the one that is durable there.
    written: watch::Sender<u64>,
    durable: watch::Sender<u64>,
    /// The index of the last snapshot that took the place of all rows.
    installed: AtomicU64,
    /// The index of the last batch that wrote a value over another one that readers may want.
    overwritten: AtomicU64,
}

#[derive(Default)]
pub(crate) struct Pending {
    /// The last state of each row.
    pub(crate) rows: BTreeMap<Vec<u8>, Next>,
    /// Value rows to delete once the era of the root before them is over.
    pub(crate) deferred: Vec<(EraWatch, Vec<Vec<u8>>)>,
    deferred_values: usize,
    /// The root these rows lead to.
    pub(crate) root: Option<Arc<Root>>,
    /// Older roots, dropped by the materialiser: that can take milliseconds.
    pub(crate) past: Vec<Arc<Root>>,
    /// Good copies of rows that were found bad, with what the state must have there.
    pub(crate) repairs: BTreeMap<RowKey, Row>,
    /// A whole new state, which replaces every row.
    pub(crate) install: Option<Install>,
    pub(crate) checkpoint_wanted: bool,
    pub(crate) stop: bool,
    bytes: usize,
    /// Of the last batch that was pushed.
    last_bytes: usize,
    since: Option<Instant>,
    headroom: Headroom,
}

/// Opens the rows of a snapshot; again if the first try met a full disk.
pub(crate) type RowSource = Box<dyn Fn() -> Result<RowScan<'static>, store::Fault> + Send>;

/// A state that came by snapshot. `done` is told when its rows are durable.
pub(crate) struct Install {
    pub(crate) root: Arc<Root>,
    pub(crate) rows: RowSource,
    pub(crate) done: tokio::sync::oneshot::Sender<()>,
}

impl Pending {
    fn set(&mut self, key: Vec<u8>, row: Next) {
        self.bytes += key.len() + row.bytes();
        if let Some(before) = self.rows.insert(key, row) {
            self.bytes = self.bytes.saturating_sub(before.bytes());
        }
    }

    /// Deleted values that are kept for readers, or will be once what is pending is taken.
    fn kept_values(&self) -> usize {
        self.headroom.deferred + self.deferred_values
    }

    fn has_room(&self) -> bool {
        if self.kept_values() > DEFERRED_VALUES_MAX {
            return false;
        }
        if self.headroom.is_starved {
            return self.bytes <= BACKLOG_STARVED_BYTES_MAX;
        }
        let (oldest, writing_bytes) = match self.headroom.writing {
            Some(writing) => (Some(writing.oldest), writing.bytes),
            None => (self.since, 0),
        };
        let old = oldest.is_some_and(|since| since.elapsed() > BACKLOG_AGE_MAX);
        !old && self.bytes + writing_bytes <= self.headroom.room_bytes
    }

    /// How long apply waits before its next batch, if it is like the last one. In a backlog that
    /// is a quarter full, as long as writing the batch takes: it gets no fuller. There is room left
    /// for batches that suddenly take longer.
    fn toll(&self) -> Duration {
        let headroom = &self.headroom;
        if headroom.is_starved || headroom.room_bytes == 0 {
            return Duration::ZERO;
        }
        let fill = self.unwritten_bytes() as f64 / headroom.room_bytes as f64;
        let seconds = self.last_bytes as f64 / headroom.bytes_per_second * (fill - 0.125) * 8.0;
        let toll = Duration::try_from_secs_f64(seconds).unwrap_or_default();
        toll.min(BACKLOG_TOLL_MAX)
    }

    fn unwritten_bytes(&self) -> usize {
        self.bytes + self.headroom.writing.map_or(0, |writing| writing.bytes)
    }

    fn is_idle(&self) -> bool {
        let has_nothing = self.root.is_none() && self.past.is_empty() && self.repairs.is_empty();
        has_nothing && !self.is_asked_for()
    }

    fn is_asked_for(&self) -> bool {
        self.checkpoint_wanted || self.stop || self.install.is_some()
    }

    /// Whether more rows may gather: not where there are many, or apply waits for room, or
    /// something is asked for. Rows that wait for disk space wait for nothing else.
    fn may_gather(&self) -> bool {
        if self.headroom.is_starved {
            return !self.stop;
        }
        let is_much = self.bytes >= BACKLOG_GATHER_BYTES;
        !is_much && !self.is_short_of_room() && !self.is_asked_for()
    }

    fn is_short_of_room(&self) -> bool {
        !self.has_room() || !self.toll().is_zero()
    }
}

impl Backlog {
    /// `index` is what the rows hold durably at the start.
    pub(crate) fn new(index: u64) -> Backlog {
        Backlog {
            pending: Mutex::default(),
            filled: Condvar::new(),
            urgent: Condvar::new(),
            urged: Notify::new(),
            drained: Notify::new(),
            written: watch::Sender::new(index),
            durable: watch::Sender::new(index),
            installed: AtomicU64::new(0),
            overwritten: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds the changes that lead to `root`, in order. `era` is the one that was over with them.
    pub(crate) fn push(
        &self,
        changes: Vec<RowChange>,
        era: EraWatch,
        root: Arc<Root>,
        past: Arc<Root>,
    ) {
        let mut pending = self.lock();
        pending.last_bytes = changes.iter().map(RowChange::bytes).sum();
        let mut values = Vec::new();
        for change in changes {
            match change {
                RowChange::Put(key, row) => pending.set(key, Next::Row(row)),
                RowChange::PutHidden(key, row) => pending.set(key, Next::Hidden(row)),
                RowChange::Delete(key) => pending.set(key, Next::Gone),
                RowChange::DeleteValue(key) => {
                    pending.rows.remove(&key);
                    values.push(key);
                }
            }
        }
        if !values.is_empty() {
            pending.deferred_values += values.len();
            pending.deferred.push((era, values));
        }
        pending.since.get_or_insert_with(Instant::now);
        let passed = pending.root.replace(root);
        pending.past.extend(passed);
        pending.past.push(past);
        let may_gather = pending.may_gather();
        drop(pending);
        self.filled.notify_one();
        if !may_gather {
            self.urge();
        }
    }

    /// Replaces every row by `rows`, which are those of `root`; what was pending is older and is
    /// dropped.
    pub(crate) fn install(
        &self,
        root: Arc<Root>,
        rows: RowSource,
    ) -> tokio::sync::oneshot::Receiver<()> {
        let (done, installed) = tokio::sync::oneshot::channel();
        let mut pending = self.lock();
        pending.rows.clear();
        pending.deferred.clear();
        pending.deferred_values = 0;
        pending.bytes = 0;
        pending.since = None;
        let passed = pending.root.take();
        pending.past.extend(passed);
        pending.install = Some(Install { root, rows, done });
        drop(pending);
        self.ask();
        installed
    }

    /// Takes the good copy of a row that was found bad.
    pub(crate) fn repair(&self, rows: Vec<(RowKey, Row)>) {
        let mut pending = self.lock();
        let room = REPAIRS_WAITING_MAX.saturating_sub(pending.repairs.len());
        let is_some = room > 0 && !rows.is_empty();
        pending.repairs.extend(rows.into_iter().take(room));
        drop(pending);
        if is_some {
            self.filled.notify_one();
        }
    }

    /// Takes a root that nobody is shown any more.
    pub(crate) fn retire(&self, past: Arc<Root>) {
        self.lock().past.push(past);
        self.filled.notify_one();
    }

    /// Frees the states that were passed: while the rows wait for space nobody takes what is
    /// pending.
    pub(crate) fn drop_past(&self) {
        let past = std::mem::take(&mut self.lock().past);
        drop(past);
    }

    /// Whether a batch would have to wait.
    pub(crate) fn is_short_of_room(&self) -> bool {
        let pending = self.lock();
        !pending.stop && pending.is_short_of_room()
    }

    #[cfg(test)]
    pub(crate) fn is_full(&self) -> bool {
        !self.lock().has_room()
    }

    /// Whether readers keep so many deleted values that apply may soon have to wait for them.
    pub(crate) fn keeps_many_values(&self) -> bool {
        self.lock().kept_values() > DEFERRED_VALUES_MAX / 2
    }

    /// Waits until the backlog has room for a batch, and a little before it has none.
    pub(crate) async fn room(&self) {
        let toll = self.lock().toll();
        if !toll.is_zero() {
            tokio::time::sleep(toll).await;
        }
        loop {
            let drained = self.drained.notified();
            {
                let pending = self.lock();
                if pending.stop || pending.has_room() {
                    return;
                }
            }
            drained.await;
        }
    }

    /// Something was asked for: nobody gathers any more.
    fn ask(&self) {
        self.filled.notify_one();
        self.urge();
    }

    fn urge(&self) {
        self.urgent.notify_one();
        self.urged.notify_one();
    }

    /// Lets rows gather for a while: those that change again are written once, and what each batch
    /// costs is paid seldom.
    pub(crate) fn gather(&self, linger: Duration) {
        let may_gather = |pending: &mut Pending| pending.may_gather();
        let waited = self
            .urgent
            .wait_timeout_while(self.lock(), linger, may_gather);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// As [`Backlog::gather`], in a task.
    pub(crate) async fn gather_in_place(&self, linger: Duration) {
        let gathered = async {
            while self.lock().may_gather() {
                self.urged.notified().await;
            }
        };
        // Late is as good.
        let _ = tokio::time::timeout(linger, gathered).await;
    }

    /// Takes everything pending, waiting up to `patience` for something to do.
    pub(crate) fn take(&self, patience: Duration) -> Pending {
        let mut pending = self.lock();
        if pending.is_idle() {
            pending = self
                .filled
                .wait_timeout(pending, patience)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
        let taken = std::mem::take(&mut *pending);
        pending.stop = taken.stop;
        pending.headroom = taken.headroom;
        pending.last_bytes = taken.last_bytes;
        pending.headroom.writing = taken.since.map(|oldest| Writing {
            oldest,
            begun: Instant::now(),
            bytes: taken.bytes,
        });
        taken
    }

    /// What was taken is in the rows, up to `index`.
    pub(crate) fn has_written(&self, index: u64) {
        self.lock().headroom.has_written();
        self.written.send_replace(index);
        self.drained.notify_waiters();
    }

    /// Says how many deleted values the rows keep for readers.
    pub(crate) fn set_deferred(&self, values: usize) {
        self.lock().headroom.deferred = values;
    }

    /// Says whether the rows wait for disk space. What was taken then is in the log only.
    pub(crate) fn set_starved(&self, is_starved: bool) {
        let mut pending = self.lock();
        pending.headroom.is_starved = is_starved;
        pending.headroom.writing = None;
        drop(pending);
        self.drained.notify_waiters();
    }

    /// Bytes of rows that are not yet written.
    #[cfg(test)]
    pub(crate) fn bytes(&self) -> usize {
        self.lock().unwritten_bytes()
    }

    /// What waits here.
    pub(crate) fn held(&self) -> Held {
        let pending = self.lock();
        Held {
            backlog_bytes: pending.unwritten_bytes() as u64,
            repairs_waiting: pending.repairs.len() as u64,
            deferred_values: pending.headroom.deferred as u64,
            ..Held::default()
        }
    }

    pub(crate) fn is_durable(&self, index: u64) {
        self.durable.send_replace(index);
    }

    /// The index up to which the rows hold everything.
    pub(crate) fn written(&self) -> u64 {
        *self.written.borrow()
    }

    /// The index up to which a checkpoint of the rows holds everything.
    #[cfg(test)]
    pub(crate) fn durable(&self) -> u64 {
        *self.durable.borrow()
    }

    /// Waits until the rows hold everything up to `index`.
    pub(crate) async fn written_at(&self, index: u64) {
        let mut written = self.written.subscribe();
        // The sender is this one's own: the channel is not closed.
        let _ = written.wait_for(|written| *written >= index).await;
    }

    /// The rows are about to be those of a snapshot at `index`: what only older states have goes.
    pub(crate) fn begins_install(&self, index: u64) {
        self.installed.fetch_max(index, Ordering::AcqRel);
    }

    /// Whether the rows of a state at `index` may have gone for a snapshot's.
    pub(crate) fn is_replaced(&self, index: u64) -> bool {
        index < self.installed.load(Ordering::Acquire)
    }

    /// The rows are about to have a value, as of `index`, where states before may have another.
    pub(crate) fn overwrites(&self, index: u64) {
        self.overwritten.fetch_max(index, Ordering::AcqRel);
    }

    /// Whether a row that a state at `index` has may have gone for one of a newer state.
    pub(crate) fn is_superseded(&self, index: u64) -> bool {
        self.is_replaced(index) || index < self.overwritten.load(Ordering::Acquire)
    }

    /// Waits until a checkpoint of the rows holds everything up to `index`; `false` when the
    /// materialiser has stopped before.
    pub(crate) async fn durable_at(&self, index: u64) -> bool {
        let mut durable = self.durable.subscribe();
        loop {
            if *durable.borrow_and_update() >= index {
                return true;
            }
            {
                let mut pending = self.lock();
                if pending.stop {
                    return false;
                }
                pending.checkpoint_wanted = true;
            }
            self.ask();
            // A checkpoint may have been under way when it was asked for: ask again.
            let changed = tokio::time::timeout(CHECKPOINT_INTERVAL, durable.changed()).await;
            if matches!(changed, Ok(Err(_))) {
                return false;
            }
        }
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.lock().stop
    }

    pub(crate) fn stop(&self) {
        self.lock().stop = true;
        self.ask();
        self.drained.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
