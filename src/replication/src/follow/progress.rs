//! How following goes, for operators and metrics. Kept over the changes of leadership, so that what
//! counts up never goes back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::{FeedId, NodeId, RegionName};
use tokio::time::Instant;

use crate::follow::trouble::Trouble;
use crate::limits::{FEEDS_MAX, RATE_WINDOW};

/// What this node has followed. Only the node that leads follows: of the others it says what was.
#[derive(Debug, Default)]
pub struct Progress {
    regions: Mutex<BTreeMap<RegionName, Region>>,
}

/// How a region is followed.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RegionProgress {
    /// The node a stream is open to; none while there is no stream.
    pub node: Option<NodeId>,
    /// Bytes received since this node started.
    pub received_bytes: u64,
    /// Changes received since this node started.
    pub received_changes: u64,
    /// Changes imported since this node started.
    pub imported_changes: u64,
    /// Changes imported per second, over the last seconds.
    pub changes_per_second: f64,
    /// Streams opened since this node started.
    pub streams: u64,
    /// Why the last stream ended that was not opened anew at once; empty before.
    pub last_end: String,
    /// Feeds that are not followed for a while, and why.
    pub troubles: BTreeMap<FeedId, Trouble>,
    /// Feeds of which a snapshot is fetched, with the rows that are kept of it.
    pub snapshots: BTreeMap<FeedId, u64>,
}

#[derive(Debug, Default)]
struct Region {
    told: RegionProgress,
    rate: Rate,
}

/// Counts over a sliding window of two halves.
#[derive(Debug, Default)]
struct Rate {
    began: Option<Instant>,
    before: u64,
    now: u64,
}

impl Progress {
    /// Gives all regions that were followed from here.
    pub fn all(&self) -> Vec<(RegionName, RegionProgress)> {
        let now = Instant::now();
        let mut regions = self.lock();
        let all = regions.iter_mut().map(|(region, known)| {
            let told = RegionProgress {
                changes_per_second: known.rate.per_second(now),
                ..known.told.clone()
            };
            (region.clone(), told)
        });
        all.collect()
    }

    pub(crate) fn opened(&self, region: &RegionName, node: NodeId) {
        self.with(region, |known| {
            known.told.node = Some(node);
            known.told.streams = known.told.streams.saturating_add(1);
        });
    }

    /// Takes that a stream ended, and why; without a reason if it is opened anew at once.
    pub(crate) fn closed(&self, region: &RegionName, why: Option<String>) {
        self.with(region, |known| {
            known.told.node = None;
            if let Some(why) = why {
                known.told.last_end = why;
            }
        });
    }

    pub(crate) fn received(&self, region: &RegionName, bytes: usize, changes: usize) {
        self.with(region, |known| {
            let told = &mut known.told;
            told.received_bytes = told.received_bytes.saturating_add(bytes as u64);
            told.received_changes = told.received_changes.saturating_add(changes as u64);
        });
    }

    pub(crate) fn imported(&self, region: &RegionName, changes: usize) {
        let now = Instant::now();
        self.with(region, |known| {
            let imported = &mut known.told.imported_changes;
            *imported = imported.saturating_add(changes as u64);
            known.rate.add(changes as u64, now);
        });
    }

    pub(crate) fn troubles(&self, region: &RegionName, troubles: BTreeMap<FeedId, Trouble>) {
        self.with(region, |known| known.told.troubles = troubles);
    }

    /// Takes how many rows of a snapshot are kept; none when it is over.
    pub(crate) fn snapshot(&self, region: &RegionName, feed: &FeedId, rows: Option<u64>) {
        self.with(region, |known| {
            let snapshots = &mut known.told.snapshots;
            match rows {
                Some(rows) => snapshots.insert(feed.clone(), rows),
                None => snapshots.remove(feed),
            };
        });
    }

    /// Takes that this node follows nobody any more.
    pub(crate) fn ended(&self) {
        for known in self.lock().values_mut() {
            known.told.node = None;
            known.told.troubles.clear();
            known.told.snapshots.clear();
        }
    }

    /// Forgets regions that are linked no more.
    pub(crate) fn keep(&self, is_linked: impl Fn(&RegionName) -> bool) {
        self.lock().retain(|region, _| is_linked(region));
    }

    fn with(&self, region: &RegionName, change: impl FnOnce(&mut Region)) {
        let mut regions = self.lock();
        if regions.len() < FEEDS_MAX || regions.contains_key(region) {
            change(regions.entry(region.clone()).or_default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RegionName, Region>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    fn add(&mut self, count: u64, now: Instant) {
        self.turn(now);
        self.now = self.now.saturating_add(count);
    }

    fn per_second(&mut self, now: Instant) -> f64 {
        self.turn(now);
        let Some(began) = self.began else {
            return 0.0;
        };
        let spent = now.saturating_duration_since(began) + RATE_WINDOW;
        self.before.saturating_add(self.now) as f64 / spent.as_secs_f64()
    }

    /// Lets a half go that is over.
    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        let age = now.saturating_duration_since(began);
        if age < RATE_WINDOW {
            return;
        }
        self.before = match age < RATE_WINDOW * 2 {
            true => self.now,
            false => 0,
        };
        self.now = 0;
        let halves = age.as_nanos() / RATE_WINDOW.as_nanos().max(1);
        let over = RATE_WINDOW.saturating_mul(u32::try_from(halves).unwrap_or(u32::MAX));
        self.began = Some(began + over);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn region() -> RegionName {
        RegionName::new("eu-north-1").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn the_rate_is_that_of_the_last_seconds() {
        let progress = Progress::default();
        let rate = || progress.all().first().unwrap().1.changes_per_second;
        for _ in 0..20 {
            progress.imported(&region(), 100);
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((80.0..=120.0).contains(&rate()), "{}", rate());
        tokio::time::advance(RATE_WINDOW * 3).await;
        assert!(rate() < 1.0, "{}", rate());
    }

    #[test]
    fn what_counts_up_outlives_the_streams() {
        let progress = Progress::default();
        progress.opened(&region(), NodeId(1));
        progress.received(&region(), 100, 2);
        progress.imported(&region(), 2);
        progress.closed(&region(), Some("it went silent".to_owned()));
        progress.closed(&region(), None);
        progress.ended();
        let (_, told) = progress.all().remove(0);
        assert_eq!((told.node, told.streams), (None, 1));
        assert_eq!((told.received_bytes, told.received_changes), (100, 2));
        assert_eq!(
            (told.imported_changes, told.last_end.as_str()),
            (2, "it went silent")
        );
        progress.keep(|_| false);
        assert!(progress.all().is_empty());
    }
}
