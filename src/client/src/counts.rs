//! How often calls were sent, and how many more may be sent to a second node on suspicion.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::limits::{DOUBLED_AT_ONCE_MAX, DOUBLED_PERCENT_MAX};

/// What one doubled call costs, in hundredths: each call that is answered brings as many of them
/// as there may be doubled calls in a hundred.
const DOUBLED: u32 = 100;

/// What calls took so far. The sum is how often anything was sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallCounts {
    /// Calls, each sent once at least.
    pub calls: u64,
    /// How often one was sent again, because it had failed.
    pub repeated: u64,
    /// How often one was sent to another node as well, because the first was silent.
    pub doubled: u64,
}

/// Counted by all clones of a client.
pub(crate) struct Counts {
    calls: AtomicU64,
    repeated: AtomicU64,
    doubled: AtomicU64,
    spare: AtomicU32,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            calls: AtomicU64::default(),
            repeated: AtomicU64::default(),
            doubled: AtomicU64::default(),
            spare: AtomicU32::new(DOUBLED_AT_ONCE_MAX * DOUBLED),
        }
    }
}

impl Counts {
    /// Counts an attempt of a call that had so many before.
    pub(crate) fn sent(&self, attempts_before: u32, is_doubled: bool) {
        let count = match attempts_before {
            0 => &self.calls,
            _ if is_doubled => &self.doubled,
            _ => &self.repeated,
        };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes note of a call that was answered.
    pub(crate) fn answered(&self) {
        let most = DOUBLED_AT_ONCE_MAX * DOUBLED;
        let order = Ordering::Relaxed;
        let _ = self.spare.try_update(order, order, |spare| {
            (spare < most).then(|| (spare + DOUBLED_PERCENT_MAX).min(most))
        });
    }

    /// Whether one more call may be sent to a second node while the first is silent.
    pub(crate) fn may_double(&self) -> bool {
        let order = Ordering::Relaxed;
        let taken = self
            .spare
            .try_update(order, order, |spare| spare.checked_sub(DOUBLED));
        taken.is_ok()
    }

    pub(crate) fn read(&self) -> CallCounts {
        CallCounts {
            calls: self.calls.load(Ordering::Relaxed),
            repeated: self.repeated.load(Ordering::Relaxed),
            doubled: self.doubled.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_host_may_double_a_hundred_calls_and_a_slow_region_one_in_ten() {
        let counts = Counts::default();
        let doubled = (0..1_000).filter(|_| counts.may_double()).count();
        assert_eq!(doubled, 100);
        let doubled = (0..1_000).filter(|_| {
            counts.answered();
            counts.may_double()
        });
        assert_eq!(doubled.count(), 100);
    }

    #[test]
    fn a_call_that_fails_is_repeated_and_one_that_hangs_is_doubled() {
        let counts = Counts::default();
        for (attempts_before, is_doubled) in
            [(0, false), (1, true), (2, true), (0, false), (1, false)]
        {
            counts.sent(attempts_before, is_doubled);
        }
        let CallCounts {
            calls,
            repeated,
            doubled,
        } = counts.read();
        assert_eq!((calls, repeated, doubled), (2, 1, 2));
    }
}
