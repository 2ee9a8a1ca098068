//! The changes of one feed on their way in: in order, so many bytes of them, one import at a time.
//!
//! ```text
//! stream ── take ──► queue ── batch ──► proposal ── landed ──► cursor
//! ```
//!
//! Invariants: what is queued follows without a gap on the cursor, or on what is under way; a batch
//! never goes beyond the place at which the feed is held for a comparison.

use std::collections::VecDeque;
use std::sync::Arc;

use machine::{Cursor, FeedId, Revision, RowKey};
use wire::replication::v1;

use crate::follow::incoming::Incoming;
use crate::follow::trouble::Trouble;
use crate::limits::{IMPORT_BYTES_MAX, IMPORT_CHANGES_MAX, LOOK_AHEAD_CHANGES};

/// One feed of one stream.
#[derive(Debug)]
pub(crate) struct Lane {
    feed: FeedId,
    /// Where this region's quorum has the feed, as last seen.
    cursor: Cursor,
    /// The revision the stream has to bring next.
    next: Revision,
    queue: VecDeque<Arc<Incoming>>,
    weight: usize,
    /// Changes at the head of the queue that are proposed.
    under_way: usize,
}

/// What is proposed in one entry.
#[derive(Debug, Clone)]
pub(crate) struct Batch {
    pub(crate) feed: FeedId,
    pub(crate) after: Cursor,
    pub(crate) changes: Vec<Arc<Incoming>>,
    /// Rows of secrets that come soon after: a version comes before the row that names its key.
    pub(crate) ahead: Vec<Arc<Incoming>>,
}

/// What a lane needs after its feed moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Landed {
    /// Nothing: it goes on.
    GoesOn,
    /// The stream does not fit the feed any more: it has to be opened anew.
    Reopen,
}

impl Lane {
    /// A lane whose stream was opened at `cursor`.
    pub(crate) fn new(feed: FeedId, cursor: Cursor) -> Lane {
        Lane {
            feed,
            next: after(cursor.revision),
            cursor,
            queue: VecDeque::new(),
            weight: 0,
            under_way: 0,
        }
    }

    /// Where this region's quorum has the feed, as last seen.
    pub(crate) fn cursor(&self) -> &Cursor {
        &self.cursor
    }

    /// What the queue takes in memory, about.
    pub(crate) fn weight(&self) -> usize {
        self.weight
    }

    /// Whether something is proposed and not answered.
    pub(crate) fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Whether nothing is left to be imported.
    pub(crate) fn is_idle(&self) -> bool {
        self.queue.is_empty()
    }

    /// Queues changes as they come; none of them if one is wrong.
    pub(crate) fn take(&mut self, changes: Vec<v1::Change>) -> Result<(), Trouble> {
        let mut next = self.next;
        let mut read = Vec::with_capacity(changes.len());
        for change in changes {
            read.push(Incoming::read(&self.feed, next, change)?);
            next = after(next);
        }
        self.next = next;
        // The feed may have got on by a proposal of an earlier stream.
        let new = read
            .into_iter()
            .filter(|change| change.header.revision > self.cursor.revision);
        for change in new {
            self.weight = self.weight.saturating_add(change.weight());
            self.queue.push_back(Arc::new(change));
        }
        Ok(())
    }

    /// Gives what is to be proposed now, if anything: up to `hold` where the feed is held.
    pub(crate) fn batch(&mut self, hold: Option<Revision>) -> Option<Batch> {
        if self.is_under_way() {
            return None;
        }
        let (mut changes, mut weight) = (Vec::new(), 0_usize);
        for change in self.queue.iter().take(IMPORT_CHANGES_MAX) {
            let more = weight.saturating_add(change.weight());
            let is_held = hold.is_some_and(|hold| change.header.revision > hold);
            if is_held || (more > IMPORT_BYTES_MAX && !changes.is_empty()) {
                break;
            }
            weight = more;
            changes.push(Arc::clone(change));
        }
        if changes.is_empty() {
            return None;
        }
        self.under_way = changes.len();
        let later = self
            .queue
            .iter()
            .skip(changes.len())
            .take(LOOK_AHEAD_CHANGES);
        let secrets = later.filter(|change| matches!(change.key, RowKey::Secret(_)));
        Some(Batch {
            feed: self.feed.clone(),
            after: self.cursor.clone(),
            ahead: secrets.cloned().collect(),
            changes,
        })
    }

    /// Takes where the feed stands now, after an import of this lane or of anybody else.
    pub(crate) fn landed(&mut self, cursor: Cursor) -> Landed {
        self.under_way = 0;
        let (before, here) = (self.cursor.revision, cursor.revision);
        let epoch = self.epoch_at(&cursor);
        self.cursor = cursor;
        while let Some(change) = self.queue.front()
            && change.header.revision <= here
        {
            self.weight = self.weight.saturating_sub(change.weight());
            self.queue.pop_front();
        }
        let first = self
            .queue
            .front()
            .map_or(self.next, |change| change.header.revision);
        let fits = match self.queue.is_empty() {
            // What comes next may be here already: it is passed over.
            true => first <= after(here),
            false => first == after(here),
        };
        match fits && before <= here && epoch {
            true => Landed::GoesOn,
            false => Landed::Reopen,
        }
    }

    /// Whether the feed is in the epoch that the stream has brought it to.
    fn epoch_at(&self, cursor: &Cursor) -> bool {
        if cursor.revision == self.cursor.revision {
            return *cursor == self.cursor;
        }
        // Revisions in the queue have no gap.
        let first = self.queue.front().map(|change| change.header.revision);
        let place = first.and_then(|first| cursor.revision.0.checked_sub(first.0));
        let place = place.and_then(|place| usize::try_from(place).ok());
        let change = place.and_then(|place| self.queue.get(place));
        match change.or(self.queue.back()) {
            Some(change) => cursor.epoch.as_ref() == Some(&change.header.epoch),
            // Another proposal brought it: fine, as long as nobody took the feed over meanwhile.
            None => cursor.epoch == self.cursor.epoch,
        }
    }
}

fn after(revision: Revision) -> Revision {
    Revision(revision.0.saturating_add(1))
}
