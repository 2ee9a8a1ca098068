//! What a region that lies would send: any header and any body, with the commitments and chains
//! that belong to them.

use bytes::Bytes;
use prost::Message as _;
use sha2::{Digest as _, Sha256};
use strongroom_machine::{
    Cursor, Epoch, FeedId, Framed, Hash, ImportChanges, ImportedChange, Revision, Row, RowKey,
    SentBody, Wrap,
};

#[allow(missing_docs, clippy::all)]
pub mod storage {
    include!(concat!(env!("OUT_DIR"), "/strongroom.storage.v1.rs"));
}

/// A history in the making.
#[derive(Clone, Debug)]
pub struct Forger {
    pub feed: FeedId,
    pub at: Cursor,
    pub members: Vec<String>,
    after: Cursor,
    changes: Vec<ImportedChange>,
}

pub const BLIND: Hash = Hash([3; 32]);

impl Forger {
    /// Goes on from a place in a feed.
    pub fn new(feed: &FeedId, at: &Cursor) -> Forger {
        Forger {
            feed: feed.clone(),
            at: at.clone(),
            members: Vec::new(),
            after: at.clone(),
            changes: Vec::new(),
        }
    }

    /// Gives the header of the next change, to be spoilt.
    pub fn header(&self, key: &RowKey, body: Option<&[u8]>) -> storage::Header {
        let op = match body {
            Some(_) => storage::Op::Put,
            None => storage::Op::Delete,
        };
        let commitment = body.map_or(Hash::ZERO, |body| commitment(&BLIND, body));
        storage::Header {
            feed: self.feed.to_string(),
            epoch: self.at.epoch.as_ref().map(epoch),
            revision: self.at.revision.0 + 1,
            uid: Bytes::copy_from_slice(&key.uid().0),
            kind: key.kind().into(),
            ordinal: key.ordinal().0,
            op: op.into(),
            stamp_ms: 1,
            members: self.members.clone(),
            commitment: Bytes::copy_from_slice(&commitment.0),
        }
    }

    /// Adds a change as it is given.
    pub fn push(&mut self, header: &storage::Header, body: Option<SentBody>) {
        let header = Bytes::from(header.encode_to_vec());
        self.at.revision = Revision(self.at.revision.0 + 1);
        self.at.chain = chain(&self.at.chain, &header);
        self.changes.push(ImportedChange { header, body });
    }

    /// Puts a row.
    pub fn put(&mut self, key: &RowKey, body: &[u8], wrap: Option<Wrap>) {
        let header = self.header(key, Some(body));
        self.push(&header, Some(sent(body, wrap)));
    }

    /// Puts a row and keeps its body.
    pub fn put_hidden(&mut self, key: &RowKey, body: &[u8]) {
        let header = self.header(key, Some(body));
        self.push(&header, None);
    }

    pub fn delete(&mut self, key: &RowKey) {
        let header = self.header(key, None);
        self.push(&header, None);
    }

    /// Begins an epoch.
    pub fn begin(&mut self, begun: &Epoch) {
        let body = storage::BeginEpoch {
            epoch: Some(epoch(begun)),
            primary: begun.region.to_string(),
            previous: self.at.epoch.as_ref().map(epoch),
            last_revision: self.at.revision.0,
            chain: Bytes::copy_from_slice(&self.at.chain.0),
        };
        self.at.epoch = Some(begun.clone());
        let key = RowKey::Epoch(self.feed.uid(), strongroom_machine::Ordinal(begun.number));
        self.put(&key, &body.encode_to_vec(), None);
    }

    /// Gives what was made so far as one command, and goes on from there.
    pub fn command(&mut self) -> ImportChanges {
        let after = std::mem::replace(&mut self.after, self.at.clone());
        ImportChanges {
            feed: self.feed.clone(),
            after,
            changes: std::mem::take(&mut self.changes),
        }
    }
}

pub fn sent(body: &[u8], wrap: Option<Wrap>) -> SentBody {
    SentBody {
        blind: BLIND,
        bytes: Bytes::copy_from_slice(body),
        wrap,
        problem: String::new(),
    }
}

/// Makes a feed row of any body.
pub fn row(key: &RowKey, feed: &FeedId, revision: Revision, body: &[u8]) -> Option<Row> {
    let framed = Framed {
        blind: BLIND,
        bytes: Bytes::copy_from_slice(body),
    };
    let commitment = commitment(&BLIND, body);
    Row::received(key, feed, revision, commitment, Some(&framed)).ok()
}

fn epoch(epoch: &Epoch) -> storage::Epoch {
    storage::Epoch {
        number: epoch.number,
        region: epoch.region.to_string(),
    }
}

pub fn commitment(blind: &Hash, body: &[u8]) -> Hash {
    digest("strongroom/1/commitment", &[&blind.0, body])
}

pub fn chain(before: &Hash, header: &[u8]) -> Hash {
    digest("strongroom/1/chain", &[&before.0, header])
}

/// Hashes as the machine does.
pub fn digest(domain: &str, parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([domain.len() as u8]);
    hasher.update(domain);
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}
