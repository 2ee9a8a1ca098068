//! I3: a region shows a beginning of each feed's history as its primary wrote it, and never goes
//! back: every place it was ever at is part of the history it has.

use std::collections::BTreeMap;

use machine::{Cursor, FeedId};

use crate::chronicle::Chronicle;
use crate::region;
use crate::violation::{Violation, violation};

pub const NAME: &str = "I3 a region shows a beginning of each feed and never goes back";

#[derive(Default)]
pub struct Ways {
    /// By region and feed: the newest index of its log that was seen, and the place there.
    newest: BTreeMap<(u64, FeedId), (u64, Cursor)>,
    /// Pairs of places, the earlier first, of which the history between is not yet known.
    open: Vec<(u64, FeedId, Cursor, Cursor)>,
}

impl Ways {
    /// Takes where a node of a region stands in a feed at an index of the region's log. A node may
    /// be behind the others of its region.
    pub fn see(&mut self, region: u64, index: u64, feed: &FeedId, at: &Cursor) {
        let key = (region, feed.clone());
        let (newest, known) = self
            .newest
            .entry(key)
            .or_insert_with(|| (index, at.clone()));
        let (early, late) = match index >= *newest {
            true => (known.clone(), at.clone()),
            false => (at.clone(), known.clone()),
        };
        *newest = index.max(*newest);
        known.clone_from(&late);
        if early != late {
            self.open.push((region, feed.clone(), early, late));
        }
    }

    /// Checks what can be checked by now.
    pub fn check(&mut self, chronicle: &Chronicle) -> Result<(), Violation> {
        let mut left = Vec::new();
        for (region, feed, early, late) in std::mem::take(&mut self.open) {
            match chronicle.is_beginning(&feed, &early, &late) {
                Some(true) => {}
                Some(false) => return Err(back(region, &feed, &early, &late)),
                None => left.push((region, feed, early, late)),
            }
        }
        self.open = left;
        Ok(())
    }

    /// Checks at the end, when every node was seen, that all of it was written by a primary.
    pub fn check_all(&mut self, chronicle: &Chronicle) -> Result<(), Violation> {
        self.check(chronicle)?;
        if let Some((region, feed, early, late)) = self.open.first() {
            return Err(back(*region, feed, early, late));
        }
        let mut unproven = chronicle.unproven();
        match unproven.next() {
            None => Ok(()),
            Some((feed, link)) => {
                let how = format!("feed {feed}: its primary never had {:?}", link.header);
                Err(violation(NAME, how))
            }
        }
    }
}

fn back(region: u64, feed: &FeedId, early: &Cursor, late: &Cursor) -> Violation {
    let region = region::name(region);
    let how = format!("{region} was at {early:?} of feed {feed}, which is no part of {late:?}");
    violation(NAME, how)
}
