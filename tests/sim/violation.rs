//! What a simulation must never show.

use std::fmt;

/// What must never be: the invariant that was broken, and how.
#[derive(Debug, Clone)]
pub struct Violation {
    pub invariant: &'static str,
    pub how: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.how)
    }
}

pub fn violation(invariant: &'static str, how: impl Into<String>) -> Violation {
    Violation {
        invariant,
        how: how.into(),
    }
}
