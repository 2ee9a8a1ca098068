//! How far the regions are that follow this one, as they told this node. In memory: whoever leads
//! anew learns it again within one acknowledgement.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::{Cursor, FeedId, RegionName};
use tokio::time::Instant;

use crate::serve::Sent;

/// The regions that follow, by name. At most as many as the directory has.
#[derive(Debug, Default)]
pub struct Followers {
    regions: Mutex<BTreeMap<RegionName, Follower>>,
}

/// One region that follows.
#[derive(Debug, Clone, Default)]
pub struct Follower {
    /// The streams it has from this node.
    pub streams: usize,
    /// When it last said anything.
    pub last_heard: Option<Instant>,
    /// Where its quorum has the feeds that this node streams to it.
    pub feeds: BTreeMap<FeedId, Acknowledged>,
    /// What it was sent since this node started.
    pub sent: Sent,
}

/// A place of a feed that a region has for certain, by its own word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The place.
    pub cursor: Cursor,
    /// When it was said.
    pub at: Instant,
}

impl Followers {
    /// Gives all regions that were heard here.
    pub fn all(&self) -> Vec<(RegionName, Follower)> {
        let regions = self.lock();
        let all = regions.iter();
        all.map(|(region, follower)| (region.clone(), follower.clone()))
            .collect()
    }

    /// Finds a region.
    pub fn of(&self, region: &RegionName) -> Option<Follower> {
        self.lock().get(region).cloned()
    }

    /// Takes note of a stream that was opened.
    pub(crate) fn opened(&self, region: &RegionName) {
        self.with(region, |follower| follower.streams += 1);
    }

    /// Takes note of one that ended.
    pub(crate) fn closed(&self, region: &RegionName) {
        self.with(region, |follower| {
            follower.streams = follower.streams.saturating_sub(1);
        });
    }

    /// Takes note of what a region says that it has. Only of feeds that it is served: the caller
    /// sees to that, and that the places are of this region's history.
    pub(crate) fn acknowledge(&self, region: &RegionName, feeds: Vec<(FeedId, Cursor)>) {
        let at = Instant::now();
        self.with(region, |follower| {
            follower.last_heard = Some(at);
            for (feed, cursor) in feeds {
                follower.feeds.insert(feed, Acknowledged { cursor, at });
            }
        });
    }

    /// Counts what a region was sent.
    pub(crate) fn sent(&self, region: &RegionName, more: Sent) {
        self.with(region, |follower| follower.sent.add(more));
    }

    /// Forgets regions that are linked no more.
    pub(crate) fn keep(&self, is_linked: impl Fn(&RegionName) -> bool) {
        self.lock().retain(|region, _| is_linked(region));
    }

    fn with(&self, region: &RegionName, change: impl FnOnce(&mut Follower)) {
        change(self.lock().entry(region.clone()).or_default());
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RegionName, Follower>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
