//! When a call is sent again: at most four times, after 50 ms, 100 ms, 200 ms, each drawn from
//! half to one and a half of it, never beyond the deadline, and only where it is right. Where it is
//! harmless, another node is asked as well after 500 ms of silence, and again after 1 s, 2 s.

use std::time::Duration;

use crate::{
    error::{Error, Retry},
    limits::{ATTEMPTS_MAX, DOUBT, PAUSE_FIRST, PAUSE_MAX},
};

/// What sending a call twice would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeated {
    /// Nothing more than once: it reads, or its token makes it one write.
    Harmless,
    /// A second change: it is sent again only if surely nothing was done.
    Twice,
}

/// Says how long to wait before the next attempt, or that there is none.
pub(crate) fn pause(
    error: &Error,
    repeated: Repeated,
    attempts: u32,
    chance: u32,
) -> Option<Duration> {
    let allowed = match error.retry() {
        Retry::Safe => true,
        Retry::Unknown => repeated == Repeated::Harmless,
        Retry::No => false,
    };
    (allowed && attempts < ATTEMPTS_MAX).then(|| backoff(attempts, chance))
}

/// The pause after some attempts have failed: doubling, with jitter drawn by `chance`.
pub(crate) fn backoff(attempts: u32, chance: u32) -> Duration {
    let doublings = attempts.saturating_sub(1).min(16);
    let pause = PAUSE_FIRST.saturating_mul(1 << doublings).min(PAUSE_MAX);
    pause.mul_f64(0.5 + f64::from(chance) / f64::from(u32::MAX))
}

/// How long the nodes asked so far may be silent before one more is asked as well: longer each
/// time, so that a region that is slow is not asked four times as often.
pub(crate) fn doubt(attempts: u32) -> Duration {
    DOUBT.saturating_mul(1 << attempts.saturating_sub(1).min(16))
}

/// A number to draw a pause by. Without random numbers the pauses are the same for everybody,
/// which is no reason to fail.
pub(crate) fn chance() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use tonic::Code;

    use super::*;

    fn refused(retry: Retry) -> Error {
        let (reason, message) = ("ServiceUnavailable".to_owned(), String::new());
        Error::Refused {
            reason,
            message,
            code: Code::Unavailable,
            retry,
            metadata: HashMap::new(),
        }
    }

    #[test]
    fn pauses_double_and_are_spread_by_half() {
        let pauses = |chance| [1, 2, 3].map(|attempts| backoff(attempts, chance).as_millis());
        assert_eq!(pauses(0), [25, 50, 100]);
        assert_eq!(pauses(u32::MAX), [75, 150, 300]);
        assert!(backoff(1_000, u32::MAX) <= PAUSE_MAX.mul_f64(1.5));
    }

    #[test]
    fn a_call_is_sent_four_times_at_most() {
        let sent = |attempts| pause(&refused(Retry::Safe), Repeated::Twice, attempts, 0).is_some();
        assert_eq!([1, 2, 3, 4].map(sent), [true, true, true, false]);
    }

    #[test]
    fn what_may_have_been_done_is_repeated_only_where_that_is_harmless() {
        let again = |retry, repeated| pause(&refused(retry), repeated, 1, 0).is_some();
        assert!(again(Retry::Safe, Repeated::Harmless) && again(Retry::Safe, Repeated::Twice));
        assert!(again(Retry::Unknown, Repeated::Harmless));
        assert!(!again(Retry::Unknown, Repeated::Twice));
        assert!(!again(Retry::No, Repeated::Harmless) && !again(Retry::No, Repeated::Twice));
    }
}
