//! The next changes of one feed for one follower.

use consensus::{ValueError, View};
use machine::{Cursor, Epoch, Feed, FeedId, NotServed, Outgoing, Revision};
use wire::replication::v1;

use crate::limits::{BATCH_BYTES_MAX, BATCH_CHANGES_MAX};
use crate::serve::Sent;
use crate::serve::packer::Packer;

/// Changes that go out together.
pub(super) struct Batch {
    pub(super) changes: Vec<v1::Change>,
    /// Where the follower is after them.
    pub(super) cursor: Cursor,
    pub(super) sent: Sent,
}

/// Why there are no next changes.
pub(super) enum NoBatch {
    /// The feed is not served from there.
    NotServed(NotServed),
    /// The view is too old to read values: take a newer one.
    Superseded,
}

/// Makes the next batch; an empty one if there is nothing. May block.
pub(super) fn next(
    view: &View,
    feed: &FeedId,
    after: &Cursor,
    packer: &Packer,
) -> Result<Batch, NoBatch> {
    let outgoing = view.outgoing(feed, after, packer.region());
    let outgoing = outgoing.map_err(NoBatch::NotServed)?;
    let mut batch = Batch {
        changes: Vec::new(),
        cursor: after.clone(),
        sent: Sent::default(),
    };
    for change in outgoing {
        match batch.add(view, packer, change) {
            Ok(()) => {}
            Err(ValueError::Superseded) if batch.changes.is_empty() => {
                return Err(NoBatch::Superseded);
            }
            Err(_superseded) => break,
        }
        let bytes = usize::try_from(batch.sent.bytes).unwrap_or(usize::MAX);
        if batch.changes.len() >= BATCH_CHANGES_MAX || bytes >= BATCH_BYTES_MAX {
            break;
        }
    }
    if let Some(feed) = view.feed(feed).filter(|_| !batch.changes.is_empty()) {
        batch.cursor.epoch = epoch_at(feed, batch.cursor.revision);
    }
    Ok(batch)
}

impl Batch {
    fn add(&mut self, view: &View, packer: &Packer, change: Outgoing) -> Result<(), ValueError> {
        let body = packer.pack(view, &change.key, change.body)?;
        let of_body = body
            .as_ref()
            .map_or(0, |body| body.bytes.len() + body.wrapped_dek.len());
        let bytes = change.header.len() + of_body;
        self.changes.push(v1::Change {
            header: change.header,
            body,
        });
        self.cursor.revision = change.revision;
        self.cursor.chain = change.chain;
        self.sent.add(Sent {
            changes: 1,
            bytes: bytes as u64,
        });
        Ok(())
    }
}

/// Finds the epoch in which a revision was written: an epoch's own first change is its own.
fn epoch_at(feed: &Feed, revision: Revision) -> Option<Epoch> {
    let begun = feed.epochs().filter(|begun| begun.last_revision < revision);
    begun.last().map(|begun| begun.epoch.clone())
}
