//! What a call does, and what follows from it for sending it again.

use std::time::Duration;

use tokio::time::Instant;

use crate::{
    error::{Error, Retry},
    retry::Repeated,
};

/// Time below which an attempt is not cut short for the sake of another.
const ATTEMPT_MIN: Duration = Duration::from_secs(2);

/// What a call does to the state of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads it.
    Reads,
    /// Changes it; sent twice with its token, it changes it once.
    WritesOnce,
    /// Makes a secret: once, as long as that is there. An attempt that comes late, after it was
    /// made by another one and deleted for good, would make it again.
    Creates,
    /// Changes it each time it is sent.
    Writes,
    /// Changes how regions and nodes run, each time it is sent.
    Administers,
    /// Neither; repeating it is harmless.
    Nothing,
}

impl Effect {
    pub(super) fn repeated(self) -> Repeated {
        match self {
            Self::Reads | Self::WritesOnce | Self::Creates | Self::Nothing => Repeated::Harmless,
            Self::Writes | Self::Administers => Repeated::Twice,
        }
    }

    /// Whether two attempts may be under way at a time.
    pub(super) fn may_double(self) -> bool {
        self.repeated() == Repeated::Harmless && self != Self::Creates
    }

    /// Whether its token makes it one change.
    pub(super) fn is_once(self) -> bool {
        matches!(self, Self::WritesOnce | Self::Creates)
    }

    pub(super) fn may_change(self) -> bool {
        self.is_once() || matches!(self, Self::Writes | Self::Administers)
    }

    /// Whether it is about secrets: then it belongs to a region, and its answer has a position.
    pub(super) fn is_of_secrets(self) -> bool {
        !matches!(self, Self::Administers | Self::Nothing)
    }

    /// Whether what an earlier attempt said is the better answer to a call than its last error. No
    /// certain word hides that a change may have been made, unless the last error is no word at
    /// all.
    pub(super) fn is_told_by(self, earlier: &Error, last: &Error) -> bool {
        let unknown = |error: &Error| error.retry() == Retry::Unknown;
        let hides_doubt = self.may_change() && unknown(last) && !unknown(earlier);
        last.is_lost_alert(earlier) || (!hides_doubt && last.tells_less_than(earlier))
    }

    /// What one attempt gets: half of what is left where another may follow, so that a node that
    /// hangs does not use it all up.
    pub(crate) fn attempt_deadline(self, deadline: Instant, is_last: bool) -> Instant {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.repeated() {
            Repeated::Harmless if left > ATTEMPT_MIN && !is_last => deadline - left / 2,
            Repeated::Harmless | Repeated::Twice => deadline,
        }
    }
}
