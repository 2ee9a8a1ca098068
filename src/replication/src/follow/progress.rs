//! How following goes, for operators and metrics. Kept over the changes of leadership, so that what
//! counts up never goes back.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::{FeedId, NodeId, RegionName};

use crate::follow::closed::Closed;
use crate::follow::failed::Failed;
use crate::follow::route::End;
use crate::follow::trouble::Trouble;
use crate::limits::FEEDS_MAX;

/// What this node has followed. Only the node that leads follows: of the others it says what was.
#[derive(Debug, Default)]
pub struct Progress {
    regions: Mutex<BTreeMap<RegionName, RegionProgress>>,
}

/// How a region is followed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegionProgress {
    /// The node a stream is open to; none while there is no stream.
    pub node: Option<NodeId>,
    /// Bytes received since this node started.
    pub received_bytes: u64,
    /// Bytes of changes that came and are not imported yet.
    pub queued_bytes: u64,
    /// Changes imported since this node started.
    pub imported_changes: u64,
    /// Streams and answers given up since this node started because of what nodes sent on them.
    pub faults: u64,
    /// Why the last stream ended that was not opened anew at once; empty before.
    pub last_end: String,
    /// Feeds that are not followed for a while, and why.
    pub troubles: BTreeMap<FeedId, Trouble>,
}

impl Progress {
    /// Gives all regions that were followed from here.
    pub fn all(&self) -> Vec<(RegionName, RegionProgress)> {
        let regions = self.lock();
        let all = regions.iter();
        all.map(|(region, told)| (region.clone(), told.clone()))
            .collect()
    }

    pub(crate) fn opened(&self, region: &RegionName, node: NodeId) {
        self.with(region, |told| told.node = Some(node));
    }

    /// Takes that a stream ended, and why.
    pub(crate) fn closed(&self, region: &RegionName, end: End, why: &Closed) {
        self.with(region, |told| {
            (told.node, told.queued_bytes) = (None, 0);
            if end != End::Renewed {
                told.last_end = why.to_string();
            }
            told.faults += u64::from(end == End::Faulty);
        });
    }

    /// Takes that something else than a stream came to nothing, and why.
    pub(crate) fn failed(&self, region: &RegionName, why: &Failed) {
        self.with(region, |told| told.faults += u64::from(why.is_fault()));
    }

    pub(crate) fn received(&self, region: &RegionName, bytes: usize) {
        self.with(region, |told| told.received_bytes += bytes as u64);
    }

    pub(crate) fn queued(&self, region: &RegionName, bytes: usize) {
        self.with(region, |told| told.queued_bytes = bytes as u64);
    }

    pub(crate) fn imported(&self, region: &RegionName, changes: usize) {
        self.with(region, |told| told.imported_changes += changes as u64);
    }

    pub(crate) fn troubles(&self, region: &RegionName, troubles: BTreeMap<FeedId, Trouble>) {
        self.with(region, |told| told.troubles = troubles);
    }

    /// Takes that this node follows nobody any more.
    pub(crate) fn ended(&self) {
        for told in self.lock().values_mut() {
            (told.node, told.queued_bytes) = (None, 0);
            told.troubles.clear();
        }
    }

    /// Forgets regions that are linked no more.
    pub(crate) fn keep(&self, is_linked: impl Fn(&RegionName) -> bool) {
        self.lock().retain(|region, _| is_linked(region));
    }

    fn with(&self, region: &RegionName, change: impl FnOnce(&mut RegionProgress)) {
        let mut regions = self.lock();
        if regions.len() < FEEDS_MAX || regions.contains_key(region) {
            change(regions.entry(region.clone()).or_default());
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RegionName, RegionProgress>> {
        self.regions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::follow::session::StreamFault;

    #[test]
    fn what_counts_up_outlives_the_streams() {
        let progress = Progress::default();
        let region = RegionName::new("eu-north-1").unwrap();
        progress.opened(&region, NodeId(1));
        progress.received(&region, 100);
        progress.queued(&region, 50);
        progress.imported(&region, 2);
        let fault = Closed::from(StreamFault::KeyUnfit);
        progress.closed(&region, fault.end(), &fault);
        progress.closed(&region, End::Renewed, &Closed::Renewed);
        progress.failed(&region, &Failed::KeyUnfit);
        progress.ended();
        let (_, told) = progress.all().remove(0);
        assert_eq!((told.node, told.queued_bytes, told.faults), (None, 0, 2));
        assert_eq!((told.received_bytes, told.imported_changes), (100, 2));
        assert_eq!(told.last_end, fault.to_string());
        progress.keep(|_| false);
        assert!(progress.all().is_empty());
    }
}
