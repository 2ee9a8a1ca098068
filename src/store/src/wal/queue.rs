//! The bounded queue in front of the flush thread.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::limits::QUEUE_BYTES_MAX;
use crate::{Done, Fault, Mark, Record};

/// Work for the flush thread; each is answered once, and all but purges in order.
pub(crate) enum Job {
    Append(Vec<Arc<Record>>, Done),
    TruncateAfter(Option<u64>, Done),
    SaveVote(Vec<u8>, Done),
    Purge(Mark, Done),
    /// A call refused before it was queued, answered in its turn.
    Refuse(Fault, Done),
}

/// Holds jobs until the flush thread takes them.
#[derive(Default)]
pub(crate) struct Queue {
    state: Mutex<State>,
    filled: Condvar,
    drained: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    /// Queues what `make` answers; `make` runs under the lock, so jobs queue in the order in which
    /// it changed the log's index. Blocks while the queue is full.
    pub(crate) fn push(&self, make: impl FnOnce() -> Job) {
        let mut state = self.wait(self.state());
        let job = make();
        if state.closed {
            drop(state);
            return job.answer(Err(Fault::Closed));
        }
        state.bytes += job.bytes();
        state.jobs.push_back(job);
        self.filled.notify_one();
    }

    /// Whether a push would not block.
    pub(crate) fn has_room(&self) -> bool {
        self.state().has_room()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.state().bytes
    }

    /// Blocks until a push would not.
    pub(crate) fn wait_for_room(&self) {
        drop(self.wait(self.state()));
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>) -> MutexGuard<'a, State> {
        self.drained
            .wait_while(state, |state| !state.has_room())
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes jobs of up to `bytes_max` bytes, at least one; `None` once closed and empty.
    pub(crate) fn take(&self, bytes_max: usize) -> Option<Vec<Job>> {
        let mut state = self.state();
        while state.jobs.is_empty() {
            if state.closed {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let mut taken = Vec::new();
        let mut bytes = 0;
        while let Some(job) = state.jobs.pop_front() {
            bytes += job.bytes();
            if bytes > bytes_max && !taken.is_empty() {
                bytes -= job.bytes();
                state.jobs.push_front(job);
                break;
            }
            taken.push(job);
        }
        state.bytes = state.bytes.saturating_sub(bytes);
        self.drained.notify_all();
        Some(taken)
    }

    /// Refuses new jobs; those queued are still done.
    pub(crate) fn close(&self) {
        self.state().closed = true;
        self.filled.notify_all();
        self.drained.notify_all();
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn has_room(&self) -> bool {
        self.bytes <= QUEUE_BYTES_MAX || self.closed
    }
}

impl Job {
    /// Ends the job without doing it.
    pub(crate) fn answer(self, result: Result<(), Fault>) {
        match self {
            Job::Refuse(fault, done) => done(Err(fault)),
            Job::Append(_, done)
            | Job::TruncateAfter(_, done)
            | Job::SaveVote(_, done)
            | Job::Purge(_, done) => done(result),
        }
    }

    /// Every job counts as at least a little, so that empty ones are bounded too.
    fn bytes(&self) -> usize {
        const LEAST: usize = 128;
        match self {
            Job::Append(records, _) => {
                LEAST
                    + records
                        .iter()
                        .map(|record| record.body.len() + LEAST)
                        .sum::<usize>()
            }
            _ => LEAST,
        }
    }
}
