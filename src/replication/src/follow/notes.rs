//! What is known of a region that is followed, beside the rows: what it says it leads, which of its
//! feeds are in trouble, which are held for a comparison.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::{Epoch, FeedId, RegionName, Revision};

use crate::follow::trouble::Trouble;
use crate::limits::{FEEDS_MAX, TROUBLE_PAUSE};

/// Notes on one region, kept while this node leads.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// The feeds it says it leads.
    told: BTreeSet<FeedId>,
    troubles: BTreeMap<FeedId, Noted>,
    holds: BTreeMap<FeedId, Revision>,
}

#[derive(Debug)]
struct Noted {
    trouble: Trouble,
    /// The feed is asked for again then.
    until: Duration,
}

impl Notes {
    /// Takes the ballots a region sent: of its own it may speak. A feed that it did not lead
    /// before, and does now, is asked for at once.
    pub(crate) fn tell(&mut self, region: &RegionName, claims: &[(FeedId, Epoch)]) {
        let own = claims.iter().filter(|(_, epoch)| epoch.region == *region);
        let told: BTreeSet<FeedId> = own.take(FEEDS_MAX).map(|(feed, _)| feed.clone()).collect();
        for feed in told.difference(&self.told) {
            let noted = self.troubles.get(feed).map(|noted| &noted.trouble);
            if matches!(noted, Some(Trouble::NotPrimary { .. })) {
                self.troubles.remove(feed);
            }
        }
        self.told = told;
    }

    /// Notes that a feed is not asked for before `until`.
    pub(crate) fn trouble(&mut self, feed: &FeedId, trouble: Trouble, until: Duration) {
        if self.troubles.len() < FEEDS_MAX || self.troubles.contains_key(feed) {
            self.troubles.insert(feed.clone(), Noted { trouble, until });
        }
    }

    /// Notes that nothing is wrong with a feed any more.
    pub(crate) fn resolved(&mut self, feed: &FeedId) {
        self.troubles.remove(feed);
    }

    /// Why a feed is not asked for now.
    pub(crate) fn blocked(&self, feed: &FeedId, now: Duration) -> Option<&Trouble> {
        let noted = self.troubles.get(feed).filter(|noted| noted.until > now);
        noted.map(|noted| &noted.trouble)
    }

    /// Forgets troubles that did not come back when their feeds were asked for again.
    pub(crate) fn prune(&mut self, now: Duration) {
        let is_new = |noted: &Noted| noted.until.saturating_add(TROUBLE_PAUSE) > now;
        self.troubles.retain(|_, noted| is_new(noted));
    }

    /// Forgets troubles with feeds that the region is not to be asked for any more; that it does
    /// not lead a feed is a reason not to ask it.
    pub(crate) fn keep(&mut self, is_asked: impl Fn(&FeedId) -> bool) {
        self.troubles.retain(|feed, noted| {
            matches!(noted.trouble, Trouble::NotPrimary { .. }) || is_asked(feed)
        });
    }

    /// Whether a feed needs a snapshot of this region.
    pub(crate) fn is_trimmed(&self, feed: &FeedId) -> bool {
        let noted = self.troubles.get(feed).map(|noted| &noted.trouble);
        matches!(noted, Some(Trouble::Trimmed(_)))
    }

    /// Gives the feeds that need a snapshot.
    pub(crate) fn trimmed(&self) -> Vec<FeedId> {
        let trimmed = self.troubles.iter();
        let trimmed = trimmed.filter(|(_, noted)| matches!(noted.trouble, Trouble::Trimmed(_)));
        trimmed.map(|(feed, _)| feed.clone()).collect()
    }

    /// Gives all troubles, those that are tried again included.
    pub(crate) fn troubles(&self) -> impl Iterator<Item = (&FeedId, &Trouble)> {
        let troubles = self.troubles.iter();
        troubles.map(|(feed, noted)| (feed, &noted.trouble))
    }

    /// Keeps a feed from going beyond a revision.
    pub(crate) fn hold(&mut self, feed: &FeedId, at: Revision) {
        self.holds.insert(feed.clone(), at);
    }

    /// Lets a feed go on.
    pub(crate) fn release(&mut self, feed: &FeedId) {
        self.holds.remove(feed);
    }

    /// The revision beyond which a feed does not go.
    pub(crate) fn held(&self, feed: &FeedId) -> Option<Revision> {
        self.holds.get(feed).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(name: &str) -> RegionName {
        RegionName::new(name).unwrap()
    }

    fn not_primary(feed: &FeedId) -> Trouble {
        Trouble::NotPrimary {
            feed: feed.clone(),
            asked: region("eu-west-1"),
        }
    }

    #[test]
    fn a_feed_is_asked_for_again_when_its_time_has_come() {
        let (mut notes, feed) = (Notes::default(), FeedId::Root);
        let until = Duration::from_secs(30);
        notes.trouble(&feed, Trouble::Diverged(feed.clone()), until);
        let blocked = notes.blocked(&feed, Duration::from_secs(29));
        assert_eq!(blocked, Some(&Trouble::Diverged(feed.clone())));
        assert_eq!(notes.blocked(&feed, until), None);
        assert_eq!(notes.troubles().count(), 1);
        notes.resolved(&feed);
        assert_eq!(notes.troubles().count(), 0);
    }

    #[test]
    fn a_region_that_leads_a_feed_now_is_asked_at_once() {
        let (mut notes, feed, name) = (Notes::default(), FeedId::Root, region("eu-west-1"));
        let epoch = |number, by: &str| Epoch {
            number,
            region: region(by),
        };
        let now = Duration::ZERO;
        notes.trouble(&feed, not_primary(&feed), Duration::MAX);
        notes.tell(&name, &[(feed.clone(), epoch(1, "eu-north-1"))]);
        assert!(notes.blocked(&feed, now).is_some());
        notes.tell(&name, &[(feed.clone(), epoch(2, "eu-west-1"))]);
        assert!(notes.blocked(&feed, now).is_none());
        // Saying it again and again helps nothing.
        notes.trouble(&feed, not_primary(&feed), Duration::MAX);
        notes.tell(&name, &[(feed.clone(), epoch(3, "eu-west-1"))]);
        assert!(notes.blocked(&feed, now).is_some());
    }
}
