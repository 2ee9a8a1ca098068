//! What an answer says of the state it was made from: where that is, and how old it may be.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tonic::metadata::MetadataMap;

pub(crate) const POSITION: &str = "strongroom-position";
const AGE_MS: &str = "strongroom-age-ms";
const STALENESS_MS: &str = "strongroom-staleness-ms";

/// The state that an answer shows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shown {
    /// Where it is: opaque, and good in every region. Another client that is given it with
    /// [`Client::at_least`](crate::Client::at_least) sees at least this state.
    pub position: Option<String>,
    /// How much older it may be than that of the primary region; none if the region that answered
    /// is the primary of what it showed.
    pub staleness: Option<Behind>,
    /// How much older it may be than that of the region that answered; none if it is not.
    pub age: Option<Behind>,
}

/// How far a state may be behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// At most so far, to the millisecond.
    AtMost(Duration),
    /// Nobody knows: nothing was ever heard from where it comes from.
    Unknown,
}

/// What the last answer to a client said of the state it shows. Clones of that client write to the
/// same one.
#[derive(Clone, Debug, Default)]
pub struct LastShown(Arc<Mutex<Option<Shown>>>);

impl LastShown {
    /// What the last answer said; none before the first.
    pub fn shown(&self) -> Option<Shown> {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn set(&self, shown: Shown) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
    }
}

impl Shown {
    pub(crate) fn of(metadata: &MetadataMap) -> Self {
        let text = |key| metadata.get(key).and_then(|value| value.to_str().ok());
        Self {
            position: text(POSITION).map(str::to_owned),
            staleness: text(STALENESS_MS).map(Behind::parse),
            age: text(AGE_MS).map(Behind::parse),
        }
    }
}

impl Behind {
    fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(milliseconds) => Self::AtMost(Duration::from_millis(milliseconds)),
            Err(_) => Self::Unknown,
        }
    }
}

impl std::fmt::Display for Behind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::AtMost(time) => write!(f, "at most {} ms", time.as_millis()),
            Self::Unknown => f.write_str("unknown"),
        }
    }
}
