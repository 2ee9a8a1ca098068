//! Bodies that are not what their headers commit to. Something changed one of the two on its way,
//! and nothing of it is taken in, so that the header that is true can still come. If it comes again
//! and again, that is how the primary has it: one bad row does not stop a feed (R22), and the
//! machine keeps it without its body.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use machine::{FeedId, Revision};

use crate::limits::{BAD_BODY_REFUSALS, BAD_BODY_TRUCE};

/// What was refused of each feed.
#[derive(Debug, Default)]
pub(crate) struct Doubts {
    feeds: Mutex<BTreeMap<FeedId, Doubt>>,
}

#[derive(Debug, Default)]
struct Doubt {
    at: Revision,
    refusals: u32,
    /// Until then all is taken in as it comes.
    truce: Duration,
}

impl Doubts {
    /// Says whether a body that came for a revision of a feed, and is not what its header commits
    /// to, is refused; if so, that is counted.
    pub(crate) fn refuse(&self, feed: &FeedId, at: Revision, now: Duration) -> bool {
        let mut feeds = self.feeds.lock().unwrap_or_else(PoisonError::into_inner);
        let doubt = feeds.entry(feed.clone()).or_default();
        if now < doubt.truce {
            return false;
        }
        if doubt.at != at {
            (doubt.at, doubt.refusals) = (at, 0);
        }
        if doubt.refusals == BAD_BODY_REFUSALS {
            doubt.truce = now.saturating_add(BAD_BODY_TRUCE);
            return false;
        }
        doubt.refusals += 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_again_and_again_is_not_refused_for_ever() {
        let (doubts, feed) = (Doubts::default(), FeedId::Root);
        let at = |revision, now| doubts.refuse(&feed, Revision(revision), now);
        let now = Duration::from_secs(1);
        for _ in 0..BAD_BODY_REFUSALS {
            assert!(at(7, now));
        }
        assert!(!at(7, now));
        // Whoever has one such row may have a thousand.
        assert!(!at(8, now));
        let later = now + BAD_BODY_TRUCE;
        assert!(at(9, later));
        // Others are counted by themselves.
        for revision in 10..100 {
            assert!(at(revision, later));
        }
    }
}
