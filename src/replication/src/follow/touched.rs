//! Secrets that something was done to, for whoever looks at them. A list that grew too long stands
//! for all secrets.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use machine::{RegionName, Uid};
use tokio::sync::Notify;

use crate::limits::TOUCHED_MAX;

/// The list of one reader.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    list: Mutex<List>,
    wake: Notify,
}

/// What was touched since the reader last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) uids: BTreeSet<Uid>,
    /// Those among them that were shared with this region anew: whoever shared them has forgotten
    /// what it was told.
    pub(crate) anew: BTreeSet<Uid>,
    /// Whether there were too many to list: any secret may have been.
    pub(crate) is_all: bool,
    /// Regions to which a stream was begun: they may know nothing of what they were told before.
    pub(crate) begun: BTreeSet<RegionName>,
}

impl Touched {
    /// Takes that something was done to secrets.
    pub(crate) fn add(&self, uids: impl IntoIterator<Item = Uid>) {
        self.with(|list| list.uids.extend(uids));
    }

    /// Takes that secrets were shared with this region anew, or otherwise than before.
    pub(crate) fn shared(&self, uids: &[Uid]) {
        self.with(|list| {
            list.uids.extend(uids);
            list.anew.extend(uids);
        });
    }

    /// Takes that something may have been done to any secret.
    pub(crate) fn all(&self) {
        self.with(|list| list.is_all = true);
    }

    /// Takes that a stream to a region was begun.
    pub(crate) fn begun(&self, region: &RegionName) {
        self.with(|list| {
            list.begun.insert(region.clone());
        });
    }

    /// Takes the list; empty if nothing was touched.
    pub(crate) fn take(&self) -> List {
        std::mem::take(&mut *self.list.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until something is touched.
    pub(crate) async fn wait(&self) {
        self.wake.notified().await;
    }

    fn with(&self, change: impl FnOnce(&mut List)) {
        let mut list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut list);
        list.is_all |= list.uids.len() > TOUCHED_MAX;
        if list.is_all {
            list.uids.clear();
            list.anew.clear();
        }
        drop(list);
        self.wake.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uid(n: u64) -> Uid {
        let mut uid = [0; 16];
        uid[8..].copy_from_slice(&n.to_be_bytes());
        Uid(uid)
    }

    #[test]
    fn what_was_touched_is_listed_once() {
        let touched = Touched::default();
        touched.add([uid(1)]);
        touched.shared(&[uid(1), uid(2)]);
        let list = touched.take();
        assert_eq!((list.uids.len(), list.anew.len()), (2, 2));
        assert_eq!(touched.take(), List::default());
    }

    #[test]
    fn a_list_that_grows_too_long_stands_for_all() {
        let touched = Touched::default();
        touched.add((0..=TOUCHED_MAX as u64).map(uid));
        touched.shared(&[uid(1)]);
        let list = touched.take();
        assert!(list.is_all && list.uids.is_empty() && list.anew.is_empty());
        assert_eq!(touched.take(), List::default());
    }
}
