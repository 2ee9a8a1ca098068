//! Prepares the next segment while the present one fills, and deletes those no longer needed.

use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::dispose::Disposal;
use crate::format::Stamped;
use crate::limits::PREPARE_REST;
use crate::{Fault, files, work_ended};

use super::segment::Segment;

/// How long to wait for space before trying again.
const SPACE_RETRY: Duration = Duration::from_secs(1);

/// The meeting point of the flush thread and the thread that prepares segments.
#[derive(Debug)]
pub(crate) struct Prepare {
    dir: PathBuf,
    stamped: Stamped,
    segment_bytes: u64,
    state: Mutex<State>,
    changed: Condvar,
    /// Ends the rests of who prepares; `changed` would also end its wait for space.
    hurry: Condvar,
    disposal: Disposal,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    ready: Option<Segment>,
    fault: Option<Fault>,
    /// The disk had no room: for the next segment, or for what the flush thread writes.
    starved: Option<Fault>,
    unneeded: Vec<Arc<Segment>>,
    /// The flush thread waits for the next segment.
    is_wanted: bool,
    /// The log is being closed: nobody waits for space any more.
    closing: bool,
    stopping: bool,
}

impl Prepare {
    pub(crate) fn new(dir: PathBuf, stamped: Stamped, segment_bytes: u64, next: u64) -> Prepare {
        let state = Mutex::new(State {
            next,
            ..State::default()
        });
        Prepare {
            dir,
            stamped,
            segment_bytes,
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

    /// Does `write`, which names a file durably, again for as long as the disk is full; gives up
    /// when the log is closed.
    pub(crate) fn name<T>(&self, write: impl Fn() -> Result<T, Fault>) -> Result<T, Fault> {
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

    /// Hands over segments to delete; their absence need not be durable.
    pub(crate) fn discard(&self, segments: Vec<Arc<Segment>>) {
        self.state().unneeded.extend(segments);
        self.changed.notify_all();
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
    pub(crate) fn run(&self) {
        let mut state = self.state();
        while !state.stopping && state.fault.is_none() {
            let unneeded = std::mem::take(&mut state.unneeded);
            let next = state.ready.is_none().then_some(state.next);
            if unneeded.is_empty() && next.is_none() {
                state = self
                    .changed
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let is_starved = state.starved.is_some();
            drop(state);
            self.delete(unneeded, is_starved);
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
                    let waited = self.changed.wait_timeout(state, SPACE_RETRY);
                    state = waited.unwrap_or_else(PoisonError::into_inner).0;
                }
                Some(Err(fault)) => state.fault = Some(fault),
            }
            self.changed.notify_all();
        }
    }

    fn delete(&self, segments: Vec<Arc<Segment>>, is_starved: bool) {
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

    use super::*;

    #[test]
    fn nothing_is_named_any_more_once_a_segment_could_not_be() {
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let prepare = Prepare::new(PathBuf::new(), stamped, 0, 1);
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
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let prepare = Arc::new(Prepare::new(PathBuf::new(), stamped, 0, 1));
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
}
