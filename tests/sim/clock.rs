//! The clocks of a simulated host.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use consensus::Clock;
use machine::Stamp;

/// Unix milliseconds at which every simulation begins.
const BEGIN_MS: u64 = 1_900_000_000_000;

/// A wall clock that goes at its host's rate and can be set.
#[derive(Clone, Default)]
pub struct Wall {
    elapsed_us: Arc<AtomicU64>,
    offset_ms: Arc<AtomicI64>,
}

impl Wall {
    /// Sets the clock so far from the time of the simulation; zero sets it right.
    pub fn set(&self, now: Duration, off_ms: i64) {
        let now_ms = BEGIN_MS + u64::try_from(now.as_millis()).expect("a short time");
        let right_ms = now_ms.cast_signed() - self.elapsed_ms().cast_signed();
        self.offset_ms.store(right_ms + off_ms, Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        self.elapsed_us.load(Ordering::Relaxed) / 1_000
    }

    /// Lets time pass, as it passes on this host.
    pub fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).expect("a short time");
        self.elapsed_us.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Wall {
    fn now(&self) -> Stamp {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        Stamp(self.elapsed_ms().saturating_add_signed(offset))
    }

    fn since_boot(&self) -> Duration {
        Duration::from_micros(self.elapsed_us.load(Ordering::Relaxed))
    }
}
