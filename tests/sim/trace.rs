//! What happened, as one hash: the same seed must give the same.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Clones are the same trace.
#[derive(Clone)]
pub struct Trace(Arc<Mutex<Noted>>);

struct Noted {
    hash: DefaultHasher,
    events: u64,
    printed: bool,
}

impl Trace {
    /// `printed` shows every event on standard error.
    pub fn new(printed: bool) -> Trace {
        Trace(Arc::new(Mutex::new(Noted {
            // Its keys are fixed, unlike those of a `RandomState`.
            hash: DefaultHasher::new(),
            events: 0,
            printed,
        })))
    }

    pub fn note(&self, now: Duration, event: fmt::Arguments<'_>) {
        let mut noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let event = event.to_string();
        if noted.printed {
            eprintln!("{:>10.3} {event}", now.as_secs_f64());
        }
        now.hash(&mut noted.hash);
        event.hash(&mut noted.hash);
        noted.events += 1;
    }

    /// The hash of all events, and how many there were.
    pub fn digest(&self) -> (u64, u64) {
        let noted = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        (noted.hash.finish(), noted.events)
    }
}
