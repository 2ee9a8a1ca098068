//! What was heard of the primaries that are followed here: the positions they announced, and when.
//! It outlives the streams, because a promotion reports it after they broke (R27).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use machine::{Cursor, FeedId, RegionName};
use tokio::time::Instant;

use crate::limits::FEEDS_MAX;

/// The last positions of primaries, by feed, and when each region was last heard.
#[derive(Debug, Default)]
pub struct Heard {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    feeds: BTreeMap<FeedId, Announced>,
    regions: BTreeMap<RegionName, Instant>,
}

/// A position as its primary announced it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Announced {
    /// The primary.
    pub by: RegionName,
    /// The position.
    pub cursor: Cursor,
    /// When it was said.
    pub at: Instant,
    /// An instant before which the primary had acknowledged nothing that is not in the position:
    /// when the last question was sent that it answered. None if it never answered one.
    pub complete: Option<Instant>,
}

impl Heard {
    /// Finds the last position that was announced of a feed.
    pub fn announced(&self, feed: &FeedId) -> Option<Announced> {
        self.lock().feeds.get(feed).cloned()
    }

    /// Gives the last positions of all feeds.
    pub fn all(&self) -> Vec<(FeedId, Announced)> {
        let inner = self.lock();
        let all = inner.feeds.iter();
        all.map(|(feed, announced)| (feed.clone(), announced.clone()))
            .collect()
    }

    /// Finds when a region last sent changes or a sign of life.
    pub fn last_heard(&self, region: &RegionName) -> Option<Instant> {
        self.lock().regions.get(region).copied()
    }

    /// Takes note of changes or a sign of life of a linked region.
    pub(crate) fn hear(&self, region: &RegionName) {
        let mut inner = self.lock();
        let is_known = inner.regions.contains_key(region);
        if is_known || inner.regions.len() < FEEDS_MAX {
            inner.regions.insert(region.clone(), Instant::now());
        }
    }

    /// Takes note of where a linked region says that a feed stands which it leads. A position of an
    /// epoch that is not its own is no announcement; an older one than it announced before came
    /// late. `age` is the time since the question was sent that is answered by this, if one is.
    pub(crate) fn announce(
        &self,
        region: &RegionName,
        feed: &FeedId,
        cursor: &Cursor,
        age: Option<Duration>,
    ) {
        let is_own = cursor.epoch.as_ref().map(|epoch| &epoch.region) == Some(region);
        let mut inner = self.lock();
        let is_newer = match inner.feeds.get(feed) {
            Some(known) if known.by == *region => place(&known.cursor) <= place(cursor),
            Some(_) => true,
            None => inner.feeds.len() < FEEDS_MAX,
        };
        if is_own && is_newer {
            let at = Instant::now();
            let known = inner.feeds.get(feed).filter(|known| known.by == *region);
            let before = known.and_then(|known| known.complete);
            let complete = age.and_then(|age| at.checked_sub(age));
            let announced = Announced {
                by: region.clone(),
                cursor: cursor.clone(),
                at,
                complete: before.max(complete),
            };
            inner.feeds.insert(feed.clone(), announced);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Orders the positions of one primary.
fn place(cursor: &Cursor) -> (Option<u64>, u64) {
    let number = cursor.epoch.as_ref().map(|epoch| epoch.number);
    (number, cursor.revision.0)
}

#[cfg(test)]
mod tests {
    use machine::{Epoch, Hash, Revision};

    use super::*;

    fn region(name: &str) -> RegionName {
        RegionName::new(name).unwrap()
    }

    fn at(number: u64, by: &str, revision: u64) -> Cursor {
        Cursor {
            epoch: Some(Epoch {
                number,
                region: region(by),
            }),
            revision: Revision(revision),
            chain: Hash::ZERO,
        }
    }

    #[test]
    fn a_late_announcement_moves_nothing_back() {
        let heard = Heard::default();
        let (primary, feed) = (region("eu-north-1"), FeedId::Root);
        heard.announce(&primary, &feed, &at(1, "eu-north-1", 9), None);
        heard.announce(&primary, &feed, &at(1, "eu-north-1", 8), None);
        assert_eq!(heard.announced(&feed).unwrap().cursor.revision.0, 9);
    }

    #[test]
    fn a_region_announces_its_own_epochs_only() {
        let heard = Heard::default();
        let feed = FeedId::Root;
        heard.announce(&region("eu-west-1"), &feed, &at(1, "eu-north-1", 9), None);
        assert_eq!(heard.announced(&FeedId::Root), None);
    }

    #[test]
    fn the_next_primary_is_heard_whatever_the_one_before_said() {
        let heard = Heard::default();
        let feed = FeedId::Root;
        let age = Some(Duration::ZERO);
        heard.announce(&region("eu-north-1"), &feed, &at(900, "eu-north-1", 9), age);
        heard.announce(&region("eu-west-1"), &feed, &at(2, "eu-west-1", 3), None);
        let announced = heard.announced(&feed).unwrap();
        assert_eq!(announced.by, region("eu-west-1"));
        assert_eq!(
            announced.complete, None,
            "what the one before answered is no answer of it"
        );
    }

    #[test]
    fn a_position_is_complete_as_of_the_last_question_that_was_answered() {
        let heard = Heard::default();
        let (primary, feed) = (region("eu-north-1"), FeedId::Root);
        let complete = |revision, age| {
            heard.announce(&primary, &feed, &at(1, "eu-north-1", revision), age);
            heard.announced(&feed).unwrap().complete
        };
        assert_eq!(complete(1, None), None);
        let began = Instant::now();
        let first = complete(2, Some(Duration::ZERO));
        assert!(first >= Some(began));
        assert_eq!(complete(3, None), first, "no question is answered");
        assert_eq!(
            complete(4, Some(Duration::from_secs(1))),
            first,
            "an older one came late"
        );
        assert_eq!(
            complete(3, Some(Duration::ZERO)),
            first,
            "an older position came late"
        );
    }
}
