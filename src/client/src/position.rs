//! What this client has seen, so that a read of a node's local state shows it at least that.
//!
//! Tokens are opaque: two that came from calls at the same time cannot be compared. Then reads
//! are linearizable until one answer covers both.
//!
//! What was seen in another region is behind no barrier of this one: every read is asked for it,
//! the linearizable ones too, until one has covered it.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::limits::POSITIONS_ELSEWHERE_MAX;

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
    state: Mutex<State>,
}

#[derive(Clone, Debug, Default)]
struct State {
    /// Grows with every change.
    number: u64,
    seen: Seen,
    elsewhere: Vec<Elsewhere>,
}

/// A position that no read has covered yet.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Elsewhere {
    /// When it was noted.
    number: u64,
    /// The region it comes from; none if somebody handed it over.
    region: Option<String>,
    token: String,
}

/// What had been seen when a call began.
#[derive(Debug)]
pub(crate) struct Before(State);

/// How a read is sent so that it covers what was seen.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The local state of the node will do.
    pub(crate) eventual: bool,
    /// What it must hold. One is asked for at a time: the last answer covers all.
    pub(crate) tokens: Vec<String>,
}

impl Positions {
    /// Notes where a call begins.
    pub(crate) fn before(&self) -> Before {
        Before(self.lock().clone())
    }

    /// Takes the position of the answer to a call that covered what was seen before it.
    pub(crate) fn saw(&self, before: &Before, token: &str) {
        let mut state = self.lock();
        let covers_all = state.number == before.0.number || state.seen == Seen::Nothing;
        let same = matches!(&state.seen, Seen::One(seen) if seen == token);
        state.seen = match covers_all || same {
            true => Seen::One(token.to_owned()),
            false => Seen::Several,
        };
        state.number = state.number.wrapping_add(1);
    }

    /// Takes the position of the answer to a read, which covered what had been seen elsewhere too.
    pub(crate) fn read(&self, before: &Before, token: &str) {
        self.saw(before, token);
        let is_covered = |position: &Elsewhere| before.0.elsewhere.contains(position);
        self.lock()
            .elsewhere
            .retain(|position| !is_covered(position));
    }

    /// Takes the position of a write that was made in another region. It covers what came from
    /// there before the write began.
    pub(crate) fn saw_elsewhere(&self, region: &str, before: &Before, token: &str) {
        let begun = before.0.number;
        let mut state = self.lock();
        state.elsewhere.retain(|position| {
            position.region.as_deref() != Some(region) || position.number > begun
        });
        state.note(Some(region.to_owned()), token);
    }

    /// Adds a position that somebody else has seen.
    pub(crate) fn add(&self, token: &str) {
        let mut state = self.lock();
        let is_known = |position: &Elsewhere| position.token == token;
        if !state.elsewhere.iter().any(is_known) {
            state.note(None, token);
        }
    }

    /// The one position that covers everything seen, if there is one.
    pub(crate) fn one(&self) -> Option<String> {
        let State {
            seen, elsewhere, ..
        } = &*self.lock();
        match (seen, elsewhere.as_slice()) {
            (Seen::One(token), []) => Some(token.clone()),
            (Seen::Nothing, [position]) => Some(position.token.clone()),
            (Seen::One(token), [position]) if *token == position.token => Some(token.clone()),
            _ => None,
        }
    }

    /// Forgets everything.
    pub(crate) fn forget(&self) {
        let mut state = self.lock();
        let number = state.number.wrapping_add(1);
        *state = State {
            number,
            ..State::default()
        };
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn note(&mut self, region: Option<String>, token: &str) {
        self.number = self.number.wrapping_add(1);
        self.elsewhere.push(Elsewhere {
            number: self.number,
            region,
            token: token.to_owned(),
        });
        if self.elsewhere.len() > POSITIONS_ELSEWHERE_MAX {
            self.elsewhere.remove(0);
        }
    }
}

impl Before {
    /// How a read is sent that covers all of this. The local state of a node will do only if one
    /// position says what it must hold: the next one asked may be another node.
    pub(crate) fn reading(&self, is_eventual: bool) -> Reading {
        let State {
            seen, elsewhere, ..
        } = &self.0;
        let mut tokens: Vec<String> = elsewhere
            .iter()
            .map(|position| position.token.clone())
            .collect();
        let mut eventual = is_eventual && *seen != Seen::Several;
        if let (true, Seen::One(token)) = (eventual, seen)
            && !tokens.contains(token)
        {
            tokens.push(token.clone());
        }
        if tokens.len() > 1 && eventual {
            eventual = false;
            tokens.truncate(elsewhere.len());
        }
        Reading { eventual, tokens }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(positions: &Positions, is_eventual: bool) -> (bool, Vec<String>) {
        let Reading { eventual, tokens } = positions.before().reading(is_eventual);
        (eventual, tokens)
    }

    fn owned(tokens: &[&str]) -> Vec<String> {
        tokens.iter().map(|token| (*token).to_owned()).collect()
    }

    #[test]
    fn calls_one_after_another_leave_the_last_position() {
        let positions = Positions::default();
        for token in ["a", "b", "c"] {
            positions.saw(&positions.before(), token);
        }
        assert_eq!(positions.one().as_deref(), Some("c"));
        assert_eq!(tokens(&positions, true), (true, owned(&["c"])));
        assert_eq!(tokens(&positions, false), (false, owned(&[])));
    }

    #[test]
    fn calls_at_the_same_time_ask_for_a_linearizable_read_that_covers_both() {
        let positions = Positions::default();
        positions.saw(&positions.before(), "a");
        let (one, other) = (positions.before(), positions.before());
        positions.saw(&one, "b");
        positions.saw(&other, "c");
        assert_eq!(tokens(&positions, true), (false, owned(&[])));
        positions.saw(&positions.before(), "d");
        assert_eq!(positions.one().as_deref(), Some("d"));
    }

    #[test]
    fn a_position_from_elsewhere_is_asked_for_by_every_read_until_one_has_covered_it() {
        let positions = Positions::default();
        positions.add("x");
        positions.add("x");
        assert_eq!(positions.one().as_deref(), Some("x"));
        assert_eq!(tokens(&positions, true), (true, owned(&["x"])));
        assert_eq!(tokens(&positions, false), (false, owned(&["x"])));
        // A write of this region covers nothing of another.
        positions.saw(&positions.before(), "a");
        assert_eq!(tokens(&positions, false), (false, owned(&["x"])));
        let before = positions.before();
        positions.add("y");
        positions.read(&before, "b");
        assert_eq!(tokens(&positions, false), (false, owned(&["y"])));
    }

    #[test]
    fn of_several_positions_each_is_asked_for_behind_a_barrier() {
        let positions = Positions::default();
        positions.saw(&positions.before(), "a");
        positions.add("x");
        assert_eq!(tokens(&positions, true), (false, owned(&["x"])));
        positions.add("y");
        assert_eq!(tokens(&positions, true), (false, owned(&["x", "y"])));
        assert_eq!(positions.one(), None);
        positions.forget();
        assert_eq!(tokens(&positions, true), (true, owned(&[])));
    }

    #[test]
    fn writes_elsewhere_leave_the_positions_that_do_not_cover_each_other() {
        let positions = Positions::default();
        for token in ["a", "b"] {
            positions.saw_elsewhere("eu-west-1", &positions.before(), token);
        }
        assert_eq!(tokens(&positions, false).1, owned(&["b"]));
        let (one, other) = (positions.before(), positions.before());
        positions.saw_elsewhere("eu-west-1", &one, "c");
        positions.saw_elsewhere("eu-west-1", &other, "d");
        positions.saw_elsewhere("eu-west-3", &positions.before(), "e");
        assert_eq!(tokens(&positions, false).1, owned(&["c", "d", "e"]));
    }

    #[test]
    fn positions_from_elsewhere_are_bounded_and_the_newest_stay() {
        let positions = Positions::default();
        for token in 0..=POSITIONS_ELSEWHERE_MAX {
            positions.add(&token.to_string());
        }
        let (_, tokens) = tokens(&positions, false);
        assert_eq!(tokens.len(), POSITIONS_ELSEWHERE_MAX);
        assert_eq!(tokens.first().map(String::as_str), Some("1"));
    }
}
