//! How old the local state may be: what an eventual read says beside its answer (R9).
//!
//! The state is at least as new as it was when the last barrier that succeeded began; a task asks
//! for one each second, so the age stays near a second while a quorum answers, and grows when none
//! does.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::time::Instant;

/// The beginning of the last barrier that succeeded on this node.
pub struct Freshness {
    base: Instant,
    /// Microseconds after `base`, plus one; zero before the first.
    confirmed: AtomicU64,
}

impl Default for Freshness {
    fn default() -> Self {
        Self {
            base: Instant::now(),
            confirmed: AtomicU64::new(0),
        }
    }
}

impl Freshness {
    /// Notes that a barrier succeeded which began at this instant.
    pub fn confirm(&self, began: Instant) {
        let since = began.saturating_duration_since(self.base).as_micros();
        let since = u64::try_from(since).unwrap_or(u64::MAX - 1);
        self.confirmed.fetch_max(since + 1, Ordering::Relaxed);
    }

    /// The most the local state can be behind; none when it was never confirmed.
    #[must_use]
    pub fn age(&self, now: Instant) -> Option<Duration> {
        let since = self.confirmed.load(Ordering::Relaxed).checked_sub(1)?;
        let since = Duration::from_micros(since);
        Some(
            now.saturating_duration_since(self.base)
                .saturating_sub(since),
        )
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::Freshness;

    #[test]
    fn the_age_counts_from_the_beginning_of_the_newest_barrier() {
        let freshness = Freshness::default();
        let first = Instant::now();
        assert_eq!(freshness.age(first), None);
        let newest = first + Duration::from_millis(300);
        freshness.confirm(newest);
        freshness.confirm(first);
        let age = |after: Duration| freshness.age(newest + after).unwrap().as_millis();
        assert_eq!(age(Duration::ZERO), 0);
        assert_eq!(age(Duration::from_secs(5)), 5000);
    }
}
