//! How long the work takes that a node does on its store beside its calls: a pause of the calls is
//! compared with it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A kind of work on the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// The rows are made durable as they are.
    Checkpoint,
    /// A snapshot file is written, synced and read back.
    Snapshot,
    /// The beginning of the log is let go.
    Purge,
    /// The rows are built anew beside the present ones, and swapped in.
    Renewal,
    /// A peer's snapshot takes the place of state and rows.
    Install,
    /// Apply waits until the rows have taken what is before it (R12).
    Wait,
}

impl Work {
    /// Every kind.
    pub const ALL: [Work; 6] = [
        Work::Checkpoint,
        Work::Snapshot,
        Work::Purge,
        Work::Renewal,
        Work::Install,
        Work::Wait,
    ];

    /// Its name in metrics and log lines.
    pub fn name(self) -> &'static str {
        match self {
            Work::Checkpoint => "checkpoint",
            Work::Snapshot => "snapshot",
            Work::Purge => "purge",
            Work::Renewal => "renewal",
            Work::Install => "install",
            Work::Wait => "wait",
        }
    }
}

/// What one kind of work has come to since the node started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// How often it was done, or tried.
    pub count: u64,
    /// The time of all together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// Counts and times all kinds of work.
#[derive(Debug)]
pub(crate) struct Upkeep {
    kinds: [Timer; Work::ALL.len()],
    rewriting: Arc<Semaphore>,
}

impl Default for Upkeep {
    fn default() -> Upkeep {
        Upkeep {
            kinds: Default::default(),
            rewriting: Arc::new(Semaphore::new(1)),
        }
    }
}

/// The right to write all rows anew, as a snapshot and a renewal do: one after the other they take
/// less of the disk at once, of its space and of its time.
#[derive(Debug)]
pub(crate) struct Rewriting {
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct Timer {
    count: AtomicU64,
    total_us: AtomicU64,
    longest_us: AtomicU64,
}

/// Work under way; it is over when this is dropped.
pub(crate) struct Stint<'a> {
    timer: &'a Timer,
    work: Work,
    begun: Instant,
}

impl Upkeep {
    /// Begins to time some work.
    pub(crate) fn begin(&self, work: Work) -> Stint<'_> {
        Stint {
            timer: self.timer(work),
            work,
            begun: Instant::now(),
        }
    }

    /// Waits for the right to write all rows anew.
    pub(crate) async fn rewriting(&self) -> Option<Rewriting> {
        let permit = Arc::clone(&self.rewriting).acquire_owned().await;
        permit.ok().map(|_permit| Rewriting { _permit })
    }

    /// Takes the right to write all rows anew, unless somebody has it or waits for it.
    pub(crate) fn try_rewriting(&self) -> Option<Rewriting> {
        let permit = Arc::clone(&self.rewriting).try_acquire_owned();
        permit.ok().map(|_permit| Rewriting { _permit })
    }

    pub(crate) fn spent(&self, work: Work) -> Spent {
        let timer = self.timer(work);
        let read = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Spent {
            count: read(&timer.count),
            total: Duration::from_micros(read(&timer.total_us)),
            longest: Duration::from_micros(read(&timer.longest_us)),
        }
    }

    fn timer(&self, work: Work) -> &Timer {
        let [checkpoint, snapshot, purge, renewal, install, wait] = &self.kinds;
        match work {
            Work::Checkpoint => checkpoint,
            Work::Snapshot => snapshot,
            Work::Purge => purge,
            Work::Renewal => renewal,
            Work::Install => install,
            Work::Wait => wait,
        }
    }
}

impl Drop for Stint<'_> {
    fn drop(&mut self) {
        let took_us = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.timer.count.fetch_add(1, Ordering::Relaxed);
        self.timer.total_us.fetch_add(took_us, Ordering::Relaxed);
        self.timer.longest_us.fetch_max(took_us, Ordering::Relaxed);
        tracing::debug!(work = self.work.name(), took_us, "work on the store ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_is_counted_and_timed_by_its_kind() {
        let upkeep = Upkeep::default();
        for seconds in [3, 1] {
            let stint = upkeep.begin(Work::Purge);
            tokio::time::advance(Duration::from_secs(seconds)).await;
            drop(stint);
        }
        let spent = Spent {
            count: 2,
            total: Duration::from_secs(4),
            longest: Duration::from_secs(3),
        };
        assert_eq!(upkeep.spent(Work::Purge), spent);
        let others = Work::ALL.into_iter().filter(|work| *work != Work::Purge);
        for work in others {
            assert_eq!(upkeep.spent(work), Spent::default(), "{}", work.name());
        }
    }
}
