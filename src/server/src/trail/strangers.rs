//! How many refusals of callers that nobody vouches for are recorded one by one.
//!
//! Anybody who can connect makes such calls, as fast as they like, and each record takes space that
//! is kept for a year: a flood would press the records of callers out. So there is a bound on their
//! rate; what is above it is counted, and the next one that is recorded says how many there were.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::{STRANGER_RECORDS_BURST, STRANGER_RECORDS_INTERVAL};

/// Counts such refusals.
#[derive(Debug, Default)]
pub struct Strangers(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Since when a whole burst is to be had again, at the latest.
    full: Option<Instant>,
    /// Refusals that were not recorded since the last one that was.
    left_out: u64,
}

impl Strangers {
    /// Whether one more is recorded, and how many were not since the last that was.
    pub fn take(&self, now: Instant) -> Option<u64> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = state.full.unwrap_or(now).max(now) + STRANGER_RECORDS_INTERVAL;
        if full > now + STRANGER_RECORDS_INTERVAL * STRANGER_RECORDS_BURST {
            state.left_out = state.left_out.saturating_add(1);
            return None;
        }
        state.full = Some(full);
        Some(std::mem::take(&mut state.left_out))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::Strangers;
    use crate::limits::{STRANGER_RECORDS_BURST, STRANGER_RECORDS_INTERVAL};

    #[test]
    fn a_flood_is_recorded_at_a_steady_rate_and_counted() {
        let (strangers, began) = (Strangers::default(), Instant::now());
        let burst = u64::from(STRANGER_RECORDS_BURST);
        for _ in 0..burst {
            assert_eq!(strangers.take(began), Some(0));
        }
        assert_eq!(strangers.take(began), None);
        assert_eq!(strangers.take(began), None);
        let later = began + STRANGER_RECORDS_INTERVAL;
        assert_eq!(strangers.take(later), Some(2));
        assert_eq!(strangers.take(later), None);
        let much_later = later + STRANGER_RECORDS_INTERVAL * (2 * STRANGER_RECORDS_BURST);
        assert_eq!(strangers.take(much_later), Some(1));
        let taken = (0..2 * burst).filter(|_| strangers.take(much_later).is_some());
        assert_eq!(taken.count() as u64, burst - 1);
    }
}
