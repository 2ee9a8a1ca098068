//! What was sent, as a region takes it.

use bytes::Bytes;
use machine::{
    Command, FeedId, Framed, ImportChanges, ImportedChange, Outcome, Rejection, Row, RowKey,
    SentBody, StagedRow, Wrap,
};
use wire::replication::v1;

use super::kit::{KEY, Kingdom};
use super::region::MARK;

pub use super::kit::start;

impl Kingdom {
    /// Takes in what a stream sent.
    pub fn import(&mut self, changes: v1::Changes) -> Result<Outcome, Rejection> {
        let feed: FeedId = changes.feed.parse().expect("a feed");
        let imported = changes.changes.into_iter().map(|change| ImportedChange {
            header: change.header,
            body: change.body.map(sent),
        });
        let import = ImportChanges {
            after: self.stands(&feed),
            changes: imported.collect(),
            feed,
        };
        self.apply(Command::ImportChanges(import))
    }
}

/// A body as it is proposed: the key taken out of its mark, as [`super::region::MarkedKeys`] does.
pub fn sent(body: v1::RowBody) -> SentBody {
    let wrap = body.wrapped_dek.strip_prefix(MARK).map(|dek| Wrap {
        key_id: KEY,
        key_version: 1,
        wrapped_dek: Bytes::copy_from_slice(dek),
    });
    SentBody {
        blind: hash(&body.blind),
        bytes: body.bytes,
        wrap,
        problem: String::new(),
    }
}

/// A row of a snapshot as it is proposed; it must be what was committed to.
pub fn staged(feed: &FeedId, row: v1::Row) -> StagedRow {
    let key = RowKey::decode(&row.key).expect("a key");
    let body = row.body.map(sent);
    let framed = body.as_ref().map(|body| Framed {
        blind: body.blind,
        bytes: body.bytes.clone(),
    });
    let revision = machine::Revision(row.revision);
    let made = Row::received(&key, feed, revision, hash(&row.commitment), framed.as_ref());
    StagedRow {
        key,
        row: made.expect("a row"),
        wrap: body.and_then(|body| body.wrap),
        problem: String::new(),
    }
}

pub fn hash(bytes: &[u8]) -> machine::Hash {
    machine::Hash(bytes.try_into().expect("32 bytes"))
}
