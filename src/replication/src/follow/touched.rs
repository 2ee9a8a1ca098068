//! Secrets that something was done to: what is to be reported, or wrapped again. Each of its
//! readers takes its own list; one that grew too long stands for all secrets.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use machine::Uid;
use tokio::sync::Notify;

use crate::limits::TOUCHED_MAX;

/// The lists of both readers.
#[derive(Debug, Default)]
pub(crate) struct Touched {
    lists: Mutex<[List; 2]>,
    wake: [Notify; 2],
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Whoever reports copies.
    Report,
    /// Whoever wraps again.
    Rewrap,
}

/// What was touched since a reader last asked.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct List {
    pub(crate) uids: BTreeSet<Uid>,
    /// Those among them that were shared with this region anew: whoever shared them has forgotten
    /// what it was told.
    pub(crate) anew: BTreeSet<Uid>,
    /// Whether there were too many to list: any secret may have been.
    pub(crate) is_all: bool,
}

impl List {
    fn add(&mut self, uid: Uid) {
        if self.is_all {
            return;
        }
        self.uids.insert(uid);
        if self.uids.len() > TOUCHED_MAX {
            self.all();
        }
    }

    fn all(&mut self) {
        self.is_all = true;
        self.uids.clear();
        self.anew.clear();
    }
}

impl Touched {
    /// Takes that something was done to secrets.
    pub(crate) fn add(&self, uids: impl IntoIterator<Item = Uid>) {
        let mut lists = self.lock();
        for uid in uids {
            lists.iter_mut().for_each(|list| list.add(uid));
        }
        drop(lists);
        self.wake.iter().for_each(Notify::notify_one);
    }

    /// Takes that secrets were shared with this region anew, or otherwise than before.
    pub(crate) fn shared(&self, uids: impl IntoIterator<Item = Uid>) {
        let [report, _] = &mut *self.lock();
        for uid in uids {
            report.add(uid);
            if !report.is_all {
                report.anew.insert(uid);
            }
        }
        let [wake, _] = &self.wake;
        wake.notify_one();
    }

    /// Takes that something may have been done to any secret.
    pub(crate) fn all(&self) {
        self.lock().iter_mut().for_each(List::all);
        self.wake.iter().for_each(Notify::notify_one);
    }

    /// Takes that there is something to report of a secret, or of any, and no more.
    pub(crate) fn reportable(&self, uid: Option<Uid>) {
        let [report, _] = &mut *self.lock();
        match uid {
            Some(uid) => report.add(uid),
            None => report.all(),
        }
        let [wake, _] = &self.wake;
        wake.notify_one();
    }

    /// Takes a reader's list; empty if nothing was touched.
    pub(crate) fn take(&self, reader: Reader) -> List {
        let mut lists = self.lock();
        let [report, rewrap] = &mut *lists;
        match reader {
            Reader::Report => std::mem::take(report),
            Reader::Rewrap => std::mem::take(rewrap),
        }
    }

    /// Waits until something is touched.
    pub(crate) async fn wait(&self, reader: Reader) {
        let [report, rewrap] = &self.wake;
        match reader {
            Reader::Report => report.notified().await,
            Reader::Rewrap => rewrap.notified().await,
        }
    }

    fn lock(&self) -> MutexGuard<'_, [List; 2]> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
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
    fn each_reader_has_its_own_list() {
        let touched = Touched::default();
        touched.add([uid(1), uid(2), uid(1)]);
        assert_eq!(touched.take(Reader::Report).uids.len(), 2);
        assert_eq!(touched.take(Reader::Report), List::default());
        assert_eq!(touched.take(Reader::Rewrap).uids.len(), 2);
    }

    #[test]
    fn whoever_reports_knows_what_was_shared_anew() {
        let touched = Touched::default();
        touched.add([uid(1)]);
        touched.shared([uid(2)]);
        let list = touched.take(Reader::Report);
        assert_eq!((list.uids.len(), list.anew), (2, [uid(2)].into()));
        assert_eq!(touched.take(Reader::Rewrap).uids.len(), 1);
        touched.all();
        touched.shared([uid(3)]);
        assert!(touched.take(Reader::Report).anew.is_empty());
    }

    #[test]
    fn a_list_that_grows_too_long_stands_for_all() {
        let touched = Touched::default();
        touched.add((0..=TOUCHED_MAX as u64).map(uid));
        touched.add([uid(1)]);
        let list = touched.take(Reader::Report);
        assert!(list.is_all && list.uids.is_empty());
        assert_eq!(touched.take(Reader::Report), List::default());
    }
}
