//! Long work beside the calls takes part of its time only, so that it takes no processor from them.

use std::time::Duration;

use tokio::time::Instant;

use crate::limits::{PACE_PAUSE_MAX, PACE_STINT};

/// Whether and when the writing of a snapshot, or a renewal, rests. A thread of low priority would
/// not do: apply would wait for the locks that it holds while it gets no turn.
pub(crate) struct Pace {
    /// `None` where it is done in place: nobody gets a turn meanwhile.
    begun: Option<Instant>,
}

impl Pace {
    pub(crate) fn new(in_place: bool) -> Pace {
        Pace {
            begun: (!in_place).then(Instant::now),
        }
    }

    /// How long to rest now, if it is time to.
    pub(crate) fn pause(&self) -> Option<Duration> {
        pause(self.begun?.elapsed())
    }

    /// Rests so long, and begins to work again. To be called where no lock is held.
    pub(crate) fn rest(&mut self, pause: Duration) {
        if !pause.is_zero() {
            std::thread::sleep(pause);
        }
        self.begun = Some(Instant::now());
    }
}

/// As long as the work before it, up to a limit: what took longer had to wait itself, for the disk
/// or a lock.
fn pause(worked: Duration) -> Option<Duration> {
    (worked >= PACE_STINT).then(|| worked.min(PACE_PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_rests_as_long_as_it_lasted_but_not_for_what_it_waited() {
        let just_less = PACE_STINT - Duration::from_nanos(1);
        assert_eq!(pause(just_less), None);
        assert_eq!(pause(PACE_STINT), Some(PACE_STINT));
        assert_eq!(pause(PACE_PAUSE_MAX * 50), Some(PACE_PAUSE_MAX));
    }

    #[test]
    fn work_in_place_does_not_rest() {
        assert_eq!(Pace::new(true).pause(), None);
    }
}
