//! What this client has seen, so that a read of a node's local state shows it at least that.
//!
//! Tokens are opaque: two that came from calls at the same time cannot be compared. Then reads
//! are linearizable until one answer covers both.

use std::sync::{Mutex, PoisonError};

/// What was seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Seen {
    /// Nothing yet.
    #[default]
    Nothing,
    /// One position covers everything.
    One(String),
    /// No single position is known to.
    Several,
}

/// What this client has seen; shared by its clones.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    state: Mutex<(u64, Seen)>,
}

/// What had been seen when a call began.
#[derive(Debug)]
pub(crate) struct Before {
    number: u64,
    seen: Seen,
}

impl Positions {
    /// Notes where a call begins.
    pub(crate) fn before(&self) -> Before {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Before {
            number: state.0,
            seen: state.1.clone(),
        }
    }

    /// Takes the position of the answer to a call that covered what was seen before it.
    pub(crate) fn saw(&self, before: &Before, token: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let covers_all = state.0 == before.number || state.1 == Seen::Nothing;
        let same = matches!(&state.1, Seen::One(seen) if seen == token);
        let seen = match covers_all || same {
            true => Seen::One(token.to_owned()),
            false => Seen::Several,
        };
        *state = (state.0.wrapping_add(1), seen);
    }

    /// Adds a position that somebody else has seen.
    pub(crate) fn add(&self, token: &str) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = match &state.1 {
            Seen::Nothing => Seen::One(token.to_owned()),
            Seen::One(seen) if seen == token => return,
            Seen::One(_) | Seen::Several => Seen::Several,
        };
        *state = (state.0.wrapping_add(1), seen);
    }

    /// The one position that covers everything seen, if there is one.
    pub(crate) fn one(&self) -> Option<String> {
        self.before().one().map(str::to_owned)
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = (state.0.wrapping_add(1), Seen::Nothing);
    }
}

impl Before {
    pub(crate) fn one(&self) -> Option<&str> {
        match &self.seen {
            Seen::One(token) => Some(token),
            Seen::Nothing | Seen::Several => None,
        }
    }

    /// Whether only a linearizable read is sure to cover it.
    pub(crate) fn is_several(&self) -> bool {
        self.seen == Seen::Several
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_one_after_another_leave_the_last_position() {
        let positions = Positions::default();
        for token in ["a", "b", "c"] {
            positions.saw(&positions.before(), token);
        }
        assert_eq!(positions.one().as_deref(), Some("c"));
    }

    #[test]
    fn calls_at_the_same_time_ask_for_a_linearizable_read_that_covers_both() {
        let positions = Positions::default();
        positions.saw(&positions.before(), "a");
        let (one, other) = (positions.before(), positions.before());
        positions.saw(&one, "b");
        positions.saw(&other, "c");
        assert!(positions.before().is_several());
        positions.saw(&positions.before(), "d");
        assert_eq!(positions.one().as_deref(), Some("d"));
    }

    #[test]
    fn a_position_from_elsewhere_counts_until_it_is_forgotten() {
        let positions = Positions::default();
        positions.add("x");
        assert_eq!(positions.one().as_deref(), Some("x"));
        positions.add("y");
        assert!(positions.before().is_several());
        positions.forget();
        assert_eq!(positions.before().seen, Seen::Nothing);
    }
}
