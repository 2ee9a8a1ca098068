//! Why a feed is not followed for a while: what its primary sends is not, or not any more, a
//! continuation of what is here. Other feeds go on meanwhile.

use machine::{FeedId, Flaw, RegionName, Rejection, Revision};
use thiserror::Error;

use crate::codec::Malformed;

/// What is wrong with a feed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Trouble {
    /// What came is not the feed.
    #[error("what came of feed {feed} is wrong at revision {at}: {}", flaw.as_str())]
    Broken {
        /// The feed.
        feed: FeedId,
        /// The revision that was to come.
        at: Revision,
        /// What is wrong.
        flaw: Flaw,
    },
    /// A message about the feed cannot be read.
    #[error("a message about feed {feed} cannot be read: {source}")]
    Unreadable {
        /// The feed.
        feed: FeedId,
        /// What is wrong with it.
        source: Malformed,
    },
    /// The rules refuse what came.
    #[error("the rules of this region refuse what came of feed {feed}: {source}")]
    Refused {
        /// The feed.
        feed: FeedId,
        /// The reason.
        source: Box<Rejection>,
    },
    /// What came makes an entry that the log does not take.
    #[error("what came of feed {0} is larger than the log takes")]
    TooLarge(FeedId),
    /// The region that was asked is not the feed's primary.
    #[error("region {asked} is not primary of feed {feed}")]
    NotPrimary {
        /// The feed.
        feed: FeedId,
        /// The region that was asked.
        asked: RegionName,
    },
    /// The changes that are missing here are not kept any more: a snapshot is fetched.
    #[error("feed {0} is so far behind that a snapshot is fetched")]
    Trimmed(FeedId),
    /// This region has changes that the primary never had.
    #[error(
        "feed {0} holds changes here that its primary has not: this region's history has to be \
         set aside, which needs a return"
    )]
    Diverged(FeedId),
    /// The primary has not what this region has.
    #[error("the primary of feed {0} has less than this region: it was restored from older state")]
    Behind(FeedId),
}

impl Trouble {
    pub(crate) fn unreadable(feed: &FeedId, source: Malformed) -> Trouble {
        let feed = feed.clone();
        Trouble::Unreadable { feed, source }
    }

    /// Whether it is part of ordinary work, of which nobody needs to be told.
    pub fn is_expected(&self) -> bool {
        matches!(self, Trouble::Trimmed(_) | Trouble::NotPrimary { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trouble_says_what_is_wrong_and_where() {
        let trouble = Trouble::Broken {
            feed: FeedId::Root,
            at: Revision(7),
            flaw: Flaw::Gap,
        };
        let text = trouble.to_string();
        assert!(text.contains("root") && text.contains('7'), "{text}");
        assert!(text.contains(Flaw::Gap.as_str()), "{text}");
    }
}
