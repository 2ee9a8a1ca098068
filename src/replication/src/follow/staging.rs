//! A snapshot on its way in, without its I/O: rows in the order of their keys, gathered into
//! entries (R25).

use machine::limits::STAGED_BYTES_MAX;
use machine::{ActivateSnapshot, Cursor, FeedId, Flaw, Hash, Row, RowKey, StageRows, StagedRow};

use crate::follow::trouble::Trouble;
use crate::limits::{STAGE_BYTES_MAX, STAGE_ROWS_MAX};

/// What is kept of one snapshot, and what goes into the next entry.
#[derive(Debug)]
pub(crate) struct Gathered {
    feed: FeedId,
    at: Cursor,
    /// Rows that the log has.
    kept: u64,
    /// Bytes of them and of those that wait.
    bytes: u64,
    last: Option<RowKey>,
    waiting: Vec<StagedRow>,
    waiting_bytes: usize,
}

impl Gathered {
    /// A snapshot of which nothing is kept.
    pub(crate) fn begin(feed: FeedId, at: Cursor) -> Gathered {
        Gathered {
            feed,
            at,
            kept: 0,
            bytes: 0,
            last: None,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// One that goes on after `last`, with so many rows and bytes kept.
    pub(crate) fn resume(
        feed: FeedId,
        at: Cursor,
        last: Option<RowKey>,
        kept: u64,
        bytes: u64,
    ) -> Gathered {
        Gathered {
            last,
            kept,
            bytes,
            ..Gathered::begin(feed, at)
        }
    }

    /// Where the feed stands in the snapshot.
    pub(crate) fn at(&self) -> &Cursor {
        &self.at
    }

    /// The last row there is.
    pub(crate) fn last(&self) -> Option<RowKey> {
        self.last
    }

    /// Rows that the log has.
    pub(crate) fn kept(&self) -> u64 {
        self.kept
    }

    /// Whether an entry is full, or would be with the next row.
    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= STAGE_ROWS_MAX || self.waiting_bytes >= STAGE_BYTES_MAX
    }

    /// Takes the next row. A value for which there is no room is left out: it is fetched by its key
    /// when the snapshot is in place.
    pub(crate) fn add(&mut self, row: StagedRow) -> Result<(), Trouble> {
        let broken = |flaw| Trouble::Broken {
            feed: self.feed.clone(),
            at: self.at.revision,
            flaw,
        };
        if self.last.is_some_and(|last| row.key <= last) {
            return Err(broken(Flaw::Order));
        }
        let row = self.fitting(row).ok_or_else(|| broken(Flaw::Kind))?;
        let bytes = row.row.stored().len();
        self.last = Some(row.key);
        self.bytes = self.bytes.saturating_add(bytes as u64);
        self.waiting_bytes = self.waiting_bytes.saturating_add(bytes);
        self.waiting.push(row);
        Ok(())
    }

    /// Makes the entry that keeps the rows that wait; none if none do. It is to be
    /// [`Gathered::done`] before more are taken.
    pub(crate) fn entry(&self) -> Option<StageRows> {
        (!self.waiting.is_empty()).then(|| StageRows {
            feed: self.feed.clone(),
            at: self.at.clone(),
            first: self.kept,
            rows: self.waiting.clone(),
        })
    }

    /// Takes that the log has the entry.
    pub(crate) fn done(&mut self) {
        self.kept = self.kept.saturating_add(self.waiting.len() as u64);
        self.waiting.clear();
        self.waiting_bytes = 0;
    }

    /// How many rows the log has when it has the entry.
    pub(crate) fn then(&self) -> u64 {
        self.kept.saturating_add(self.waiting.len() as u64)
    }

    /// Makes the entry that puts the snapshot in the feed's place.
    pub(crate) fn activation(&self, feed_hash: Hash) -> ActivateSnapshot {
        ActivateSnapshot {
            feed: self.feed.clone(),
            at: self.at.clone(),
            feed_hash,
            rows: self.kept,
        }
    }

    fn fitting(&self, row: StagedRow) -> Option<StagedRow> {
        let bytes = row.row.stored().len() as u64;
        let has_room = self.bytes.saturating_add(bytes) <= STAGED_BYTES_MAX;
        if has_room || !row.key.is_immutable() || row.row.is_withheld() {
            return Some(row);
        }
        let origin = row.row.origin()?;
        Some(StagedRow {
            key: row.key,
            row: Row::hidden(&origin.feed, origin.revision, row.row.commitment()),
            wrap: None,
            problem: String::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use machine::{Epoch, Ordinal, RegionName, Revision, Uid};

    use super::*;

    fn at() -> Cursor {
        Cursor {
            epoch: Some(Epoch {
                number: 1,
                region: RegionName::new("eu-north-1").unwrap(),
            }),
            revision: Revision(9),
            chain: Hash([3; 32]),
        }
    }

    fn row(n: u64) -> StagedRow {
        StagedRow {
            key: RowKey::Version(Uid([7; 16]), Ordinal(n)),
            row: Row::hidden(&FeedId::Root, Revision(1), Hash([1; 32])),
            wrap: None,
            problem: String::new(),
        }
    }

    #[test]
    fn rows_go_into_entries_that_follow_on_each_other() {
        let mut gathered = Gathered::begin(FeedId::Root, at());
        assert_eq!(gathered.entry(), None);
        for n in 0..STAGE_ROWS_MAX as u64 {
            assert!(!gathered.is_full());
            gathered.add(row(n)).unwrap();
        }
        assert!(gathered.is_full());
        let entry = gathered.entry().unwrap();
        assert_eq!((entry.first, entry.rows.len()), (0, STAGE_ROWS_MAX));
        assert_eq!(gathered.then(), STAGE_ROWS_MAX as u64);
        gathered.done();
        gathered.add(row(STAGE_ROWS_MAX as u64)).unwrap();
        let entry = gathered.entry().unwrap();
        assert_eq!((entry.first, entry.rows.len()), (STAGE_ROWS_MAX as u64, 1));
        gathered.done();
        let activation = gathered.activation(Hash([5; 32]));
        assert_eq!(activation.rows, STAGE_ROWS_MAX as u64 + 1);
    }

    #[test]
    fn a_snapshot_that_goes_on_does_so_after_the_last_key() {
        let last = Some(RowKey::Version(Uid([7; 16]), Ordinal(5)));
        let mut gathered = Gathered::resume(FeedId::Root, at(), last, 6, 600);
        let broken = Trouble::Broken {
            feed: FeedId::Root,
            at: Revision(9),
            flaw: Flaw::Order,
        };
        assert_eq!(gathered.add(row(5)), Err(broken));
        gathered.add(row(6)).unwrap();
        assert_eq!(gathered.entry().unwrap().first, 6);
    }
}
