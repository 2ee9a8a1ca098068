//! Attempts with tokens, counted by where they come from: trying tokens must tell nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::{ATTEMPTS_SOURCES_MAX, ATTEMPTS_WINDOW};

/// Attempts by source.
pub struct Attempts {
    /// How many a source has in one window.
    max: u32,
    by_source: Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>,
}

impl Attempts {
    /// So many attempts of each source, in the time of
    /// [`ATTEMPTS_WINDOW`](crate::limits::ATTEMPTS_WINDOW).
    #[must_use]
    pub fn of_each(max: u32) -> Self {
        Self {
            max,
            by_source: Mutex::default(),
        }
    }

    /// Whether a source may try once more; that counts as an attempt.
    pub fn may_try(&self, source: Option<IpAddr>) -> bool {
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if by_source.len() >= ATTEMPTS_SOURCES_MAX {
            by_source.retain(|_, (began, _)| began.elapsed() < ATTEMPTS_WINDOW);
        }
        if by_source.len() >= ATTEMPTS_SOURCES_MAX && !by_source.contains_key(&source) {
            return false;
        }
        let (began, count) = by_source
            .entry(source)
            .or_insert_with(|| (Instant::now(), 0));
        if began.elapsed() >= ATTEMPTS_WINDOW {
            (*began, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count <= self.max
    }
}

#[cfg(test)]
mod tests {
    use super::Attempts;

    #[test]
    fn one_source_is_held_back_and_another_is_not() {
        let attempts = Attempts::of_each(3);
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        assert!((0..3).all(|_| attempts.may_try(one)));
        assert!(!attempts.may_try(one));
        assert!(attempts.may_try(other));
    }
}
