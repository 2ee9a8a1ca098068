//! Places of strangers' calls, of which one source has only some: whoever begins calls and does not
//! go on keeps nobody out but itself.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::attempts::Source;

/// How many places each source has taken.
#[derive(Clone, Debug)]
pub struct Places {
    each_max: usize,
    taken: Arc<Mutex<HashMap<Source, usize>>>,
}

/// A place, until it is dropped.
#[derive(Debug)]
pub struct Place {
    places: Places,
    source: Source,
}

impl Places {
    /// So many for each source.
    pub fn of_each(each_max: usize) -> Self {
        Self {
            each_max,
            taken: Arc::default(),
        }
    }

    /// Takes a place, if the source has one left.
    pub fn take(&self, address: Option<IpAddr>) -> Option<Place> {
        let source = Source::of(address);
        let mut taken = self.taken();
        let count = taken.entry(source).or_insert(0);
        if *count >= self.each_max {
            return None;
        }
        *count += 1;
        Some(Place {
            places: self.clone(),
            source,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Source, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(count) = taken.get_mut(&self.source) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_source_that_has_taken_its_places_keeps_none_of_another() {
        let places = Places::of_each(2);
        let (one, other) = ("10.0.0.1".parse().ok(), "10.0.0.2".parse().ok());
        let held = [places.take(one), places.take(one)];
        assert!(held.iter().all(Option::is_some));
        assert!(places.take(one).is_none());
        assert!(places.take(other).is_some());
        drop(held);
        assert!(places.take(one).is_some());
        assert!(places.taken().is_empty());
    }
}
