//! The state of a region that follows, without a node: what is sent must be what it takes.

use bytes::Bytes;
use machine::{
    Command, Cursor, Entry, FeedId, Framed, ImportChanges, ImportedChange, Introduction, LogIndex,
    Outcome, Rejection, Row, RowKey, Scope, SentBody, StagedRow, Stamp, State, Wrap,
};
use wire::replication::v1;

use super::name;
use super::region::{KEY, MARK, audit, entry, found};

/// A region's state, and its log's end.
pub struct Copy {
    pub state: State,
    index: u64,
}

impl Copy {
    /// A region that was told of the one it follows.
    pub fn new(region: &str, scope: Scope, primary: &str) -> Copy {
        let introduction = Introduction {
            regions: vec![entry(primary, Scope::Founder), entry(region, scope)],
            home_exists: false,
        };
        let mut copy = Copy {
            state: State::new(),
            index: 0,
        };
        let found = Command::Found(found(region, Some(introduction)));
        copy.apply(found).expect("founded");
        copy
    }

    pub fn apply(&mut self, command: Command) -> Result<Outcome, Rejection> {
        self.index += 1;
        let entry = Entry {
            stamp: Stamp(1_000 + self.index),
            audit: audit(),
            seed: [u8::try_from(self.index % 251).expect("small"); 32],
            command,
        };
        machine::apply(&mut self.state, LogIndex(self.index), &entry).answer
    }

    pub fn cursor(&self, feed: &FeedId) -> Cursor {
        match self.state.feed(feed) {
            Some(feed) => feed.cursor(),
            None => start(),
        }
    }

    /// Takes in what a stream sent.
    pub fn import(&mut self, changes: v1::Changes) -> Result<Outcome, Rejection> {
        let feed: FeedId = changes.feed.parse().expect("a feed");
        let imported = changes.changes.into_iter().map(|change| ImportedChange {
            header: change.header,
            body: change.body.map(sent),
        });
        let import = ImportChanges {
            after: self.cursor(&feed),
            changes: imported.collect(),
            feed,
        };
        self.apply(Command::ImportChanges(import))
    }

    /// Names all regions this one knows.
    pub fn knows(&self, region: &str) -> bool {
        self.state.linked(&name(region)).is_some()
    }
}

/// Where a feed begins.
pub fn start() -> Cursor {
    Cursor {
        epoch: None,
        revision: machine::Revision(0),
        chain: machine::Hash::ZERO,
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
