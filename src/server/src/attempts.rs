//! Attempts with tokens, counted by where they come from: trying tokens must tell nothing.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::limits::{ATTEMPTS_SOURCES_MAX, ATTEMPTS_WINDOW};

/// Attempts by source.
pub struct Attempts {
    /// How many a source has in one window.
    max: u32,
    by_source: Mutex<HashMap<Source, (Instant, u32)>>,
}

/// Whose attempts are counted together.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Source {
    /// Of no known address.
    None,
    /// One address.
    V4(Ipv4Addr),
    /// The network of an address: one machine may have all addresses of such a one.
    V6([u16; 4]),
    /// All that come while no more can be told apart: they share what one source has.
    Others,
}

impl Source {
    /// Whose attempts those from an address are.
    #[must_use]
    pub fn of(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Source::None,
            Some(IpAddr::V4(address)) => Source::V4(address),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                Source::V6([a, b, c, d])
            }
        }
    }
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
        let mut source = Source::of(source);
        if by_source.len() >= ATTEMPTS_SOURCES_MAX && !by_source.contains_key(&source) {
            source = Source::Others;
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
    use std::net::Ipv4Addr;

    use super::Attempts;
    use crate::limits::ATTEMPTS_SOURCES_MAX;

    #[test]
    fn one_source_is_held_back_and_another_is_not() {
        let attempts = Attempts::of_each(3);
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        assert!((0..3).all(|_| attempts.may_try(one)));
        assert!(!attempts.may_try(one));
        assert!(attempts.may_try(other));
    }

    #[test]
    fn addresses_of_one_network_are_one_source() {
        let attempts = Attempts::of_each(1);
        assert!(attempts.may_try("2001:db8::1".parse().ok()));
        assert!(!attempts.may_try("2001:db8::2".parse().ok()));
        assert!(attempts.may_try("2001:db8:0:1::1".parse().ok()));
        assert!(attempts.may_try("10.0.0.1".parse().ok()));
        assert!(!attempts.may_try("::ffff:10.0.0.1".parse().ok()));
    }

    #[test]
    fn who_comes_when_no_more_can_be_told_apart_may_still_try() {
        let attempts = Attempts::of_each(2);
        let sources = u32::try_from(ATTEMPTS_SOURCES_MAX).unwrap();
        assert!((0..sources).all(|number| attempts.may_try(Some(Ipv4Addr::from(number).into()))));
        let another = |number: u32| attempts.may_try(Some(Ipv4Addr::from(sources + number).into()));
        assert!(another(0) && another(1));
        assert!(!another(2));
    }
}
