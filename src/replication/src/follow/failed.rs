//! Why what was asked of another region, or made of its answers, came to nothing.

use std::fmt::Display;
use std::future::Future;
use std::time::Duration;

use machine::FeedId;
use thiserror::Error;
use tokio::time::timeout;
use tonic::{Code, Status};

use crate::codec::Malformed;
use crate::follow::trouble::Trouble;
use crate::limits::{MESSAGE_TIMEOUT, REFUSAL_CHARS_MAX};

/// Why a try came to nothing.
#[derive(Debug, Error)]
pub(crate) enum Failed {
    /// It may go better the next time: why not this time.
    #[error("{0}")]
    Lost(String),
    /// The node refused.
    #[error("the node refused: {code:?}: {words}")]
    Refused {
        /// The code.
        code: Code,
        /// Its words.
        words: String,
    },
    /// The two ends have not the same key.
    #[error("no data key that came opens under the key that was agreed upon")]
    KeyUnfit,
    /// The feed, or what is kept of its snapshot, is not where it has to be.
    #[error("the feed moved on meanwhile")]
    Moved,
    /// The region is not to be asked for it any more.
    #[error("the region is not asked for it any more")]
    Gone,
    /// Asking again soon is of no use.
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

impl Failed {
    /// Takes an error for its words.
    #[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
    pub(crate) fn lost(reason: impl Display) -> Failed {
        Failed::Lost(reason.to_string())
    }

    /// Whether the node sent what it should not.
    pub(crate) fn is_fault(&self) -> bool {
        let is_unreadable = |trouble: &Trouble| matches!(trouble, Trouble::Unreadable { .. });
        match self {
            Failed::KeyUnfit => true,
            Failed::Trouble(trouble) => is_unreadable(trouble),
            _ => false,
        }
    }

    /// Takes what is wrong with a message about `feed`.
    pub(crate) fn unreadable(feed: &FeedId) -> impl Fn(Malformed) -> Failed {
        move |source| Trouble::unreadable(feed, source).into()
    }
}

impl From<Status> for Failed {
    fn from(status: Status) -> Failed {
        Failed::Refused {
            code: status.code(),
            words: status.message().chars().take(REFUSAL_CHARS_MAX).collect(),
        }
    }
}

/// Waits for an answer, or for the next message of one, no longer than [`MESSAGE_TIMEOUT`].
pub(crate) async fn in_time<T>(
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failed> {
    within(MESSAGE_TIMEOUT, answer).await
}

/// Waits for an answer no longer than that.
pub(crate) async fn within<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, Status>>,
) -> Result<T, Failed> {
    match timeout(limit, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_late) => Err(Failed::lost("the node did not answer in time")),
    }
}
