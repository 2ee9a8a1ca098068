//! Attempts with tokens, counted by where they come from: trying tokens must tell nothing.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::{JOIN_ATTEMPTS_MAX, JOIN_ATTEMPTS_WINDOW, JOIN_SOURCES_MAX};

/// Attempts by source.
#[derive(Default)]
pub(super) struct Attempts {
    by_source: Mutex<HashMap<Option<IpAddr>, (Instant, u32)>>,
}

impl Attempts {
    pub(super) fn may_try(&self, source: Option<IpAddr>) -> bool {
        let mut by_source = self
            .by_source
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if by_source.len() >= JOIN_SOURCES_MAX {
            by_source.retain(|_, (began, _)| began.elapsed() < JOIN_ATTEMPTS_WINDOW);
        }
        if by_source.len() >= JOIN_SOURCES_MAX && !by_source.contains_key(&source) {
            return false;
        }
        let (began, count) = by_source
            .entry(source)
            .or_insert_with(|| (Instant::now(), 0));
        if began.elapsed() >= JOIN_ATTEMPTS_WINDOW {
            (*began, *count) = (Instant::now(), 0);
        }
        *count = count.saturating_add(1);
        *count <= JOIN_ATTEMPTS_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::{Attempts, JOIN_ATTEMPTS_MAX};

    #[test]
    fn one_source_is_held_back_and_another_is_not() {
        let attempts = Attempts::default();
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        assert!((0..JOIN_ATTEMPTS_MAX).all(|_| attempts.may_try(one)));
        assert!(!attempts.may_try(one));
        assert!(attempts.may_try(other));
    }
}
