//! First reads of the day, waiting to be recorded (R16).
//!
//! A read whose day the state already shows costs nothing here. Any other waits in a set until its
//! batch is committed, so that one version makes at most one write a day from this node.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use machine::{Ordinal, State, Uid, Version, VersionId};
use tokio::sync::Notify;

use crate::limits::{ACCESSES_BATCH_MAX, ACCESSES_WAITING_MAX};

/// The reads of the day that the state does not show yet.
#[derive(Default)]
pub struct Accesses {
    waiting: Mutex<Waiting>,
    arrived: Notify,
}

#[derive(Default)]
struct Waiting {
    day: u32,
    touched: HashSet<(Uid, VersionId)>,
}

/// The day a version was last read, as the state has it.
pub fn recorded_day(state: &State, uid: &Uid, version: Ordinal) -> Option<u32> {
    let access = state.access(uid)?;
    access
        .versions
        .iter()
        .find(|(ordinal, _)| *ordinal == version)
        .map(|(_, day)| *day)
}

/// One batch for one entry.
#[derive(Debug, PartialEq, Eq)]
pub struct Batch {
    /// Days since 1970.
    pub day: u32,
    /// What was read.
    pub touched: Vec<(Uid, VersionId)>,
}

impl Accesses {
    /// Notes that a version was read on this day.
    pub fn touch(&self, state: &State, uid: &Uid, version: &Version, day: u32) {
        if recorded_day(state, uid, version.ordinal).is_some_and(|recorded| recorded >= day) {
            return;
        }
        let mut waiting = self.lock();
        if waiting.day != day {
            waiting.touched.clear();
            waiting.day = day;
        }
        let is_new = waiting.touched.len() < ACCESSES_WAITING_MAX
            && waiting.touched.insert((*uid, version.id.clone()));
        drop(waiting);
        if is_new {
            self.arrived.notify_one();
        }
    }

    /// How many reads wait.
    pub fn waiting(&self) -> usize {
        self.lock().touched.len()
    }

    /// The day a version was read that the state may not show yet.
    pub fn waiting_day(&self, uid: &Uid, version: &VersionId) -> Option<u32> {
        let waiting = self.lock();
        waiting
            .touched
            .contains(&(*uid, version.clone()))
            .then_some(waiting.day)
    }

    /// Waits until a read has been noted.
    pub async fn arrived(&self) {
        self.arrived.notified().await;
    }

    /// The next batch, which stays in the set until it is `done`; none when nothing waits.
    pub fn batch(&self) -> Option<Batch> {
        let waiting = self.lock();
        let touched: Vec<_> = waiting
            .touched
            .iter()
            .take(ACCESSES_BATCH_MAX)
            .cloned()
            .collect();
        (!touched.is_empty()).then_some(Batch {
            day: waiting.day,
            touched,
        })
    }

    /// Forgets a batch that is committed.
    pub fn done(&self, batch: &Batch) {
        let mut waiting = self.lock();
        if waiting.day == batch.day {
            for touched in &batch.touched {
                waiting.touched.remove(touched);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
