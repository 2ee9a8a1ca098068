//! What came to nothing this time, and may go better the next time.

use std::fmt::Display;

/// Why, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Lost(String);

impl Lost {
    /// Takes an error for its words.
    #[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub(crate) fn of(reason: impl Display) -> Lost {
        Lost(reason.to_string())
    }
}
