//! The changes of one decision as they are made: feed changes get the next revision, a header, a
//! link of the chain and a journal row.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::change::{Change, Header, Op};
use crate::codec::Body;
use crate::command;
use crate::decide::REGIONS;
use crate::hash::{blind, chain};
use crate::ids::{Hash, LogIndex, Revision, Stamp, Uid};
use crate::limits::{JOURNAL_BYTES_MAX, JOURNAL_ROWS_MAX, TRIM_ROWS_MAX};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId};
use crate::row::{BeginEpoch, Clock, FeedState, JournalRow, Kept, Row, RowKey};
use crate::secret::Secret;
use crate::state::State;
use crate::storage;

/// A decision in the making.
pub(super) struct Draft<'a> {
    /// The state the decision is made on.
    pub(super) state: &'a State,
    /// The stamp of the entry, strictly after the last one.
    pub(super) stamp: Stamp,
    index: LogIndex,
    seed: &'a [u8; 32],
    blinds: u32,
    cursors: Vec<Cursor>,
    changes: Vec<Change>,
}

/// A change as another region made it.
pub(super) struct Received {
    /// The row.
    pub(super) key: RowKey,
    /// The header.
    pub(super) header: Arc<Header>,
    /// Its exact bytes.
    pub(super) bytes: Bytes,
}

/// Where a feed will stand.
struct Cursor {
    uid: Uid,
    state: FeedState,
    members: Arc<[RegionName]>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        state: &'a State,
        index: LogIndex,
        stamp: Stamp,
        seed: &'a [u8; 32],
    ) -> Draft<'a> {
        let (cursors, changes) = (Vec::new(), Vec::new());
        Draft {
            state,
            stamp,
            index,
            seed,
            blinds: 0,
            cursors,
            changes,
        }
    }

    /// Puts a local row.
    pub(super) fn put<T: Body>(&mut self, key: RowKey, body: &T) {
        let row = Some(T::into_row(Arc::new(Kept::local(body))));
        self.changes.push(Change {
            key,
            row,
            header: None,
        });
    }

    /// Deletes a local row.
    pub(super) fn delete(&mut self, key: RowKey) {
        self.changes.push(Change {
            key,
            row: None,
            header: None,
        });
    }

    /// Opens a feed that has no change yet.
    pub(super) fn begin(&mut self, state: FeedState) {
        let members = self.everyone(&state);
        self.cursors.push(Cursor {
            uid: state.feed.uid(),
            state,
            members,
        });
    }

    /// Gives the regions that receive the rows of a feed that hold no secret.
    fn everyone(&self, state: &FeedState) -> Arc<[RegionName]> {
        let primary = &state.epoch.region;
        let linked = self.state.regions().map(|region| &region.name);
        let others = linked.filter(|name| *name != primary);
        let is_alone = self.state.machine_version() < Some(REGIONS);
        let others = others.filter(|_| !is_alone);
        std::iter::once(primary).chain(others).cloned().collect()
    }

    /// Gives the changes made so far.
    pub(super) fn changes(&self) -> &[Change] {
        &self.changes
    }

    /// Gives the regions that hold a secret with its body. Before machine version 3 there was one.
    pub(super) fn holders(&self, feed: &FeedId, secret: &Secret) -> Arc<[RegionName]> {
        if self.state.machine_version() < Some(REGIONS) {
            return self.state.region().cloned().into_iter().collect();
        }
        self.state.holders(feed, secret).into()
    }

    /// Puts a feed row that every region receives. Gives the row as it will be kept; none if there
    /// is no such feed.
    pub(super) fn feed_put<T: Body>(
        &mut self,
        feed: &FeedId,
        key: RowKey,
        body: T,
    ) -> Option<Arc<Kept<T>>> {
        let everyone = Arc::clone(&self.cursor(feed)?.members);
        self.feed_put_for(feed, everyone, key, body)
    }

    /// Puts a feed row whose body only the members receive.
    pub(super) fn feed_put_for<T: Body>(
        &mut self,
        feed: &FeedId,
        members: Arc<[RegionName]>,
        key: RowKey,
        body: T,
    ) -> Option<Arc<Kept<T>>> {
        let blind = self.next_blind();
        let stamp = self.stamp;
        let cursor = self.cursor(feed)?;
        let kept = Arc::new(Kept::fed(
            body,
            feed,
            cursor.uid,
            cursor.next_revision(),
            &blind,
        ));
        let bytes = kept.origin.as_ref().map(|origin| origin.bytes.clone());
        let bytes = if key.is_immutable() { None } else { bytes };
        let header = cursor.header(&key, Op::Put, stamp, members, kept.commitment);
        let (header, journal) = cursor.advance(header, Some(blind), bytes);
        let row = Some(T::into_row(Arc::clone(&kept)));
        self.changes.extend([
            Change {
                key,
                row,
                header: Some(header),
            },
            journal,
        ]);
        Some(kept)
    }

    /// Deletes a feed row.
    pub(super) fn feed_delete(&mut self, feed: &FeedId, key: RowKey) {
        let stamp = self.stamp;
        let Some(cursor) = self.cursor(feed) else {
            return;
        };
        let members = Arc::clone(&cursor.members);
        let header = cursor.header(&key, Op::Delete, stamp, members, Hash::ZERO);
        let (header, journal) = cursor.advance(header, None, None);
        self.changes.extend([
            Change {
                key,
                row: None,
                header: Some(header),
            },
            journal,
        ]);
    }

    /// Takes in a change as another region made it: the row as it is to be kept here, none if it
    /// is deleted, and what the journal is to say of it.
    pub(super) fn take_in(
        &mut self,
        received: Received,
        row: Option<Row>,
        blind: Option<Hash>,
        body: Option<Bytes>,
    ) {
        let Received { key, header, bytes } = received;
        let feed = header.feed.clone();
        let Some(cursor) = self.cursor(&feed) else {
            return;
        };
        let journal = cursor.received(Arc::clone(&header), bytes, blind, body);
        let header = Some(header);
        self.changes.extend([Change { key, row, header }, journal]);
    }

    /// Puts or deletes a feed row here that its feed has not changed: its body came, or went.
    pub(super) fn replace(&mut self, key: RowKey, row: Option<Row>) {
        let header = None;
        self.changes.push(Change { key, row, header });
    }

    /// Puts a feed where a snapshot of it stands, without a journal.
    pub(super) fn stand_at(&mut self, feed: &FeedId, at: &command::Cursor, epoch: &Epoch) {
        let next = Revision(at.revision.0.saturating_add(1));
        let state = FeedState {
            feed: feed.clone(),
            epoch: epoch.clone(),
            revision: at.revision,
            chain: at.chain,
            journal_first: next,
            journal_bytes: 0,
        };
        let uid = feed.uid();
        self.cursors.retain(|cursor| cursor.uid != uid);
        self.begin(state);
    }

    /// Begins an epoch of a feed that stands, with this region as its primary.
    pub(super) fn begin_epoch(&mut self, feed: &FeedId, epoch: &Epoch) -> Option<BeginEpoch> {
        let cursor = self.cursor(feed)?;
        let previous = std::mem::replace(&mut cursor.state.epoch, epoch.clone());
        Some(BeginEpoch {
            epoch: epoch.clone(),
            primary: epoch.region.clone(),
            previous: Some(previous),
            last_revision: cursor.state.revision,
            chain: cursor.state.chain,
        })
    }

    /// Drops journal rows of a feed up to a revision, at most [`TRIM_ROWS_MAX`].
    pub(super) fn trim(&mut self, feed: &FeedId, upto: Revision) {
        let state = self.state;
        let Some(cursor) = self.cursor(feed) else {
            return;
        };
        let dropped = cursor.trim(state, |cursor| cursor.state.journal_first <= upto);
        self.changes.extend(dropped);
    }

    /// Closes the decision: feeds stand where their last change left them, the clock too.
    pub(super) fn finish(mut self) -> Vec<Change> {
        if self.changes.is_empty() {
            return self.changes;
        }
        for mut cursor in std::mem::take(&mut self.cursors) {
            let dropped = cursor.trim(self.state, Cursor::is_over_cap);
            self.changes.extend(dropped);
            self.put(RowKey::Feed(cursor.uid), &cursor.state);
        }
        let clock = Clock {
            stamp: self.stamp,
            index: self.index,
        };
        self.put(RowKey::Clock, &clock);
        self.changes
    }

    fn next_blind(&mut self) -> Hash {
        let blind = blind(self.seed, self.blinds);
        self.blinds = self.blinds.saturating_add(1);
        blind
    }

    fn cursor(&mut self, feed: &FeedId) -> Option<&mut Cursor> {
        let known = self
            .cursors
            .iter()
            .position(|cursor| cursor.state.feed == *feed);
        let at = match known {
            Some(at) => at,
            None => {
                let uid = feed.uid();
                let state = self.state.feed_of(&uid)?.state()?.clone();
                self.begin(state);
                self.cursors.len().saturating_sub(1)
            }
        };
        self.cursors.get_mut(at)
    }
}

impl Cursor {
    fn next_revision(&self) -> Revision {
        Revision(self.state.revision.0.saturating_add(1))
    }

    fn header(
        &self,
        key: &RowKey,
        op: Op,
        stamp: Stamp,
        members: Arc<[RegionName]>,
        commitment: Hash,
    ) -> Header {
        Header {
            feed: self.state.feed.clone(),
            epoch: self.state.epoch.clone(),
            revision: self.next_revision(),
            uid: key.uid(),
            kind: key.kind(),
            ordinal: key.ordinal(),
            op,
            stamp,
            members,
            commitment,
        }
    }

    fn advance(
        &mut self,
        header: Header,
        blind: Option<Hash>,
        body: Option<Bytes>,
    ) -> (Arc<Header>, Change) {
        let header = Arc::new(header);
        let header_bytes = Bytes::from(storage::Header::from(header.as_ref()).encode_to_vec());
        let journal = self.received(Arc::clone(&header), header_bytes, blind, body);
        (header, journal)
    }

    /// Moves on by one change; gives its journal row.
    fn received(
        &mut self,
        header: Arc<Header>,
        header_bytes: Bytes,
        blind: Option<Hash>,
        body: Option<Bytes>,
    ) -> Change {
        self.state.epoch = header.epoch.clone();
        self.state.revision = header.revision;
        self.state.chain = chain(&self.state.chain, &header_bytes);
        let chain = self.state.chain;
        let key = RowKey::Journal(self.uid, header.revision);
        let row = JournalRow {
            header,
            header_bytes,
            blind,
            chain,
            body,
        };
        let kept = Kept::unhashed(row);
        let bytes = kept.stored.len() as u64;
        self.state.journal_bytes = self.state.journal_bytes.saturating_add(bytes);
        let row = Some(JournalRow::into_row(Arc::new(kept)));
        Change {
            key,
            row,
            header: None,
        }
    }

    fn is_over_cap(&self) -> bool {
        let rows = self
            .next_revision()
            .0
            .saturating_sub(self.state.journal_first.0);
        rows > JOURNAL_ROWS_MAX || self.state.journal_bytes > JOURNAL_BYTES_MAX
    }

    /// Drops the oldest journal rows while asked to. Rows of this very decision stay.
    fn trim(&mut self, state: &State, more: impl Fn(&Cursor) -> bool) -> Vec<Change> {
        let mut dropped = Vec::new();
        let Some(feed) = state.feed_of(&self.uid) else {
            return dropped;
        };
        while more(self) && (dropped.len() as u64) < TRIM_ROWS_MAX {
            let first = self.state.journal_first;
            let Some(bytes) = feed.journal_row_bytes(first) else {
                break;
            };
            self.state.journal_first = Revision(first.0.saturating_add(1));
            self.state.journal_bytes = self.state.journal_bytes.saturating_sub(bytes);
            let key = RowKey::Journal(self.uid, first);
            dropped.push(Change {
                key,
                row: None,
                header: None,
            });
        }
        dropped
    }
}
