//! Prepares the next segment while the present one fills, purges, and deletes what is no longer
//! needed. All that gives files names meets here: segments, and the anchor, which the flush thread
//! replaces for a vote.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dispose::Disposal;
use crate::format::Stamped;
use crate::limits::PREPARE_REST;
use crate::{Done, Fault, Mark, files, work_ended};

use super::anchor::Anchor;
use super::flush::Shared;
use super::segment::Segment;

/// How long to wait for space before trying again.
const SPACE_RETRY: Duration = Duration::from_secs(1);

/// The meeting point of the flush thread and the thread that prepares segments.
pub(crate) struct Prepare {
    dir: PathBuf,
    stamped: Stamped,
    segment_bytes: u64,
    /// Held while it is replaced.
    anchor: Mutex<Anchor>,
    state: Mutex<State>,
    changed: Condvar,
    /// Ends the rests of who prepares; `changed` would also end its wait for space.
    hurry: Condvar,
    disposal: Disposal,
}

/// What is to be purged, and the oldest segment that is needed then.
#[derive(Debug, Clone)]
pub(crate) struct Purge {
    pub(crate) upto: Mark,
    pub(crate) oldest: u64,
}

#[derive(Default)]
struct State {
    next: u64,
    ready: Option<Segment>,
    fault: Option<Fault>,
    /// The disk had no room: for the next segment, or for what the flush thread writes.
    starved: Option<Fault>,
    purges: Vec<(Purge, Done)>,
    /// The thread has ended: nobody purges later any more.
    is_over: bool,
    /// The flush thread waits for the next segment.
    is_wanted: bool,
    /// The log is being closed: nobody waits for space any more.
    closing: bool,
    stopping: bool,
}

impl Prepare {
    pub(crate) fn new(
        dir: PathBuf,
        stamped: Stamped,
        segment_bytes: u64,
        next: u64,
        anchor: Anchor,
    ) -> Prepare {
        let state = Mutex::new(State {
            next,
            ..State::default()
        });
        Prepare {
            dir,
            stamped,
            segment_bytes,
            anchor: Mutex::new(anchor),
            state,
            changed: Condvar::new(),
            hurry: Condvar::new(),
            disposal: Disposal::default(),
        }
    }

    /// Takes the next segment, waiting until it is ready; on a full disk, until there is space.
    pub(crate) fn take(&self) -> Result<Segment, Fault> {
        let mut state = self.state();
        loop {
            if let Some(segment) = state.ready.take() {
                state.is_wanted = false;
                self.changed.notify_all();
                return Ok(segment);
            }
            match (&state.fault, &state.starved) {
                (Some(fault), _) => return Err(fault.clone()),
                (None, Some(full)) if state.closing => return Err(full.clone()),
                (None, _) if state.stopping => return Err(Fault::Closed),
                (None, _) => {}
            }
            state.is_wanted = true;
            self.hurry.notify_one();
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// The commit mark that the anchor has.
    pub(crate) fn committed(&self) -> Option<Mark> {
        self.anchor().committed.clone()
    }

    /// Keeps a vote; durable on return.
    pub(crate) fn save_vote(&self, shared: &Shared, vote: Vec<u8>) -> Result<(), Fault> {
        let mut anchor = self.sound_anchor(shared)?;
        anchor.vote = Some(vote);
        self.replace(shared, &mut anchor)
    }

    /// Purges, and has deleted what is no longer needed; durable on return.
    pub(crate) fn purge(&self, shared: &Shared, purge: Purge) -> Result<(), Fault> {
        let Purge { upto, oldest } = purge;
        // Two purges may be under way: the further one stays, whichever is written first.
        let mut anchor = self.sound_anchor(shared)?;
        let is_done = |purged: &Mark| purged.index >= upto.index;
        if anchor.purged.as_ref().is_some_and(is_done) {
            return Ok(());
        }
        anchor.purged = Some(upto.clone());
        anchor.oldest = oldest;
        self.replace(shared, &mut anchor)?;
        drop(anchor);
        let mut tail = shared.tail();
        tail.purge(upto);
        let unneeded = tail.remove_segments(oldest);
        drop(tail);
        self.delete(unneeded);
        Ok(())
    }

    /// Holds the anchor, as it is on disk. After a failure nobody knows that.
    fn sound_anchor(&self, shared: &Shared) -> Result<MutexGuard<'_, Anchor>, Fault> {
        let anchor = self.anchor();
        let fault = shared.fault.get().cloned();
        fault.map_or(Ok(anchor), Err)
    }

    /// Writes the anchor that is held.
    fn replace(&self, shared: &Shared, anchor: &mut Anchor) -> Result<(), Fault> {
        anchor.committed.clone_from(&shared.tail().committed);
        // Each time a new file, which has no name before it is whole and durable.
        let written = self.name(|| anchor.write(&self.dir, &self.stamped));
        written.inspect_err(|fault| {
            tracing::debug!(%fault, "the log stopped");
            shared.fault.get_or_init(|| fault.clone());
        })
    }

    /// As `purge`, by the other thread; tells when it is durable.
    pub(crate) fn purge_later(&self, purge: Purge, done: Done) {
        let mut state = self.state();
        if state.is_over {
            let fault = state.fault.clone().unwrap_or(Fault::Closed);
            drop(state);
            return done(Err(fault));
        }
        state.purges.push((purge, done));
        drop(state);
        self.changed.notify_all();
    }

    /// Does `write`, which names a file durably, again for as long as the disk is full; gives up
    /// when the log is closed.
    fn name<T>(&self, write: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        self.retry(|| self.disposal.naming(&write))
    }

    /// Does `write` again for as long as the disk is full; gives up when the log is closed.
    pub(crate) fn retry<T>(&self, write: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
        let mut is_full = false;
        loop {
            let result = write();
            let mut state = self.state();
            let Err(full @ Fault::NoSpace { .. }) = result else {
                if is_full {
                    state.feed();
                }
                return result;
            };
            is_full = true;
            state.starve(&full);
            if state.closing {
                return Err(full);
            }
            drop(self.changed.wait_timeout(state, SPACE_RETRY));
        }
    }

    /// Whether a full segment is ready, so that appends go on even if the disk is full now.
    pub(crate) fn is_ready(&self) -> bool {
        self.state().ready.is_some()
    }

    /// Whether the disk was full when it was last written to, or no more segment can be made.
    pub(crate) fn is_starved(&self) -> bool {
        let state = self.state();
        state.starved.is_some() || state.ready.is_none() && state.fault.is_some()
    }

    /// From now on a full disk is an answer, not something to wait for.
    pub(crate) fn close(&self) {
        self.state().closing = true;
        self.changed.notify_all();
    }

    pub(crate) fn stop(&self) {
        self.state().stopping = true;
        self.changed.notify_all();
        self.hurry.notify_one();
    }

    /// Works until stopped or failed; the body of the thread.
    pub(crate) fn run(&self, shared: &Shared) {
        let mut state = self.state();
        while !state.stopping && state.fault.is_none() {
            let purges = std::mem::take(&mut state.purges);
            let next = state.ready.is_none().then_some(state.next);
            if purges.is_empty() && next.is_none() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            drop(state);
            for (purge, done) in purges {
                done(self.purge(shared, purge));
            }
            let begun = Instant::now();
            let rest = || self.rest();
            let created = next.map(|number| {
                let (dir, bytes) = (&self.dir, self.segment_bytes);
                let nameless = Segment::prepare(dir, number, &self.stamped, bytes, rest)?;
                self.disposal.naming(|| nameless.name())
            });
            if created.is_some() {
                work_ended("segment", begun);
            }
            state = self.state();
            match created {
                None => {}
                Some(Ok(segment)) => {
                    state.next += 1;
                    state.ready = Some(segment);
                    state.feed();
                }
                Some(Err(full @ Fault::NoSpace { .. })) => {
                    state.starve(&full);
                    // What came meanwhile has told so already, and may give space back.
                    if state.purges.is_empty() {
                        let waited = self.changed.wait_timeout(state, SPACE_RETRY);
                        state = waited.unwrap_or_else(PoisonError::into_inner).0;
                    }
                }
                Some(Err(fault)) => state.fault = Some(fault),
            }
            self.changed.notify_all();
        }
        state.is_over = true;
        let (left, fault) = (std::mem::take(&mut state.purges), state.fault.clone());
        drop(state);
        for (_, done) in left {
            done(Err(fault.clone().unwrap_or(Fault::Closed)));
        }
    }

    /// Their absence need not be durable.
    fn delete(&self, segments: Vec<Arc<Segment>>) {
        let is_starved = self.state().starved.is_some();
        for segment in segments {
            let (path, users) = (segment.path.clone(), Arc::downgrade(&segment));
            drop(segment);
            let deleted = match is_starved {
                true => files::remove(&path),
                false => self.disposal.remove(&path, &users),
            };
            if let Err(fault) = deleted {
                // It is deleted when the log is next opened.
                tracing::warn!(%fault, "could not delete a purged log segment");
            }
        }
    }

    /// Leaves the disk to others for a while, unless somebody waits.
    fn rest(&self) {
        let may_rest = |state: &mut State| !state.is_wanted && !state.stopping;
        drop(
            self.hurry
                .wait_timeout_while(self.state(), PREPARE_REST, may_rest),
        );
    }

    fn anchor(&self) -> MutexGuard<'_, Anchor> {
        self.anchor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn starve(&mut self, full: &Fault) {
        if self.starved.replace(full.clone()).is_none() {
            tracing::warn!(fault = %full, "the log lacks space, appends wait for it");
        }
    }

    fn feed(&mut self) {
        if self.starved.take().is_some() {
            tracing::info!("the log has space again");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;
    use std::path::Path;
    use std::sync::mpsc::{RecvTimeoutError, channel};

    use tempfile::tempdir;

    use super::*;
    use crate::cipher::tests::Plain;
    use crate::wal::queue::Job;
    use crate::{Log, Record, Wal, WalOptions};

    fn stamped() -> Stamped {
        Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        }
    }

    fn prepare() -> Prepare {
        let anchor = Anchor {
            vote: None,
            purged: None,
            committed: None,
            oldest: 1,
        };
        Prepare::new(PathBuf::new(), stamped(), 0, 1, anchor)
    }

    #[test]
    fn nothing_is_named_any_more_once_a_segment_could_not_be() {
        let prepare = prepare();
        assert_eq!(prepare.name(|| Ok(7)).unwrap(), 7);
        let fault = Fault::sync(
            "sync the directory",
            Path::new("log"),
            ErrorKind::Other.into(),
        );
        assert!(prepare.disposal.naming(|| Err::<(), _>(fault)).is_err());
        assert!(prepare.name(|| Ok(7)).is_err());
    }

    #[test]
    fn who_waits_for_a_segment_waits_for_no_rest() {
        let prepare = Arc::new(prepare());
        prepare.state().is_wanted = true;
        let (resting, rested) = (Arc::clone(&prepare), channel());
        std::thread::spawn(move || {
            // Rested, these would take five minutes.
            (0..10_000).for_each(|_| resting.rest());
            drop(rested.0);
        });
        let ended = rested.1.recv_timeout(Duration::from_secs(60));
        assert_eq!(ended, Err::<(), _>(RecvTimeoutError::Disconnected));
    }

    #[test]
    fn a_purge_under_way_holds_no_append_up() {
        let temp = tempdir().unwrap();
        let wal = Wal::open(
            temp.path(),
            &stamped(),
            Arc::new(Plain),
            WalOptions::default(),
        );
        let wal = wal.unwrap();
        let append = |index: u64| {
            let record = Record {
                index,
                mark: vec![1],
                body: vec![2],
            };
            let (told, done) = channel();
            wal.append(
                vec![record],
                Box::new(move |result| drop(told.send(result))),
            );
            done.recv_timeout(Duration::from_secs(60)).unwrap().unwrap();
        };
        (1..=3).for_each(append);
        // As if it were being replaced.
        let anchor = wal.prepare.anchor();
        let (told, purged) = channel();
        let upto = Mark {
            index: 2,
            id: vec![1],
        };
        let done: Done = Box::new(move |result| drop(told.send(result)));
        wal.shared.queue.push(|| Job::Purge(upto.clone(), done));
        append(4);
        assert_eq!(wal.bounds().unwrap().purged, None);
        drop(anchor);
        purged
            .recv_timeout(Duration::from_secs(60))
            .unwrap()
            .unwrap();
        assert_eq!(wal.bounds().unwrap().purged, Some(upto));
    }

    #[test]
    fn a_purge_never_sets_back_a_further_one_at_the_same_time() {
        const THREADS: u64 = 8;
        let mark = |index| Mark { index, id: vec![1] };
        let temp = tempdir().unwrap();
        let prepare = Prepare {
            dir: temp.path().to_path_buf(),
            ..prepare()
        };
        let shared = Shared::default();
        for last in (1..=20).map(|round| round * THREADS) {
            let all = std::sync::Barrier::new(usize::try_from(THREADS).unwrap());
            let purge = |index: u64| {
                let (upto, oldest) = (mark(index), index);
                all.wait();
                prepare.purge(&shared, Purge { upto, oldest }).unwrap();
            };
            std::thread::scope(|scope| {
                for index in last - THREADS + 1..=last {
                    let purge = &purge;
                    scope.spawn(move || purge(index));
                }
            });
            let anchor = Anchor::read(temp.path(), &stamped()).unwrap().unwrap();
            assert_eq!((anchor.purged, anchor.oldest), (Some(mark(last)), last));
        }
    }
}
