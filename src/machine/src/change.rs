//! The one currency: what an entry did to the rows. The store writes changes, followers import
//! them, watchers see them.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::DecodeError;
use crate::ids::{Hash, Ordinal, Revision, Stamp, Uid};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId};
use crate::row::{Row, RowKey};
use crate::storage;

/// One row put or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// The row.
    pub key: RowKey,
    /// Its new content; none deletes it.
    pub row: Option<Row>,
    /// The change's place in its feed; none for local and journal rows.
    pub header: Option<Arc<Header>>,
}

/// What every region may know of a change: no name, tag or policy (R3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The feed.
    pub feed: FeedId,
    /// The epoch.
    pub epoch: Epoch,
    /// The change's number.
    pub revision: Revision,
    /// The row's uid: a secret's, or the feed's own.
    pub uid: Uid,
    /// The row's kind: the first byte of its key.
    pub kind: u8,
    /// The row's number within uid and kind.
    pub ordinal: Ordinal,
    /// What happened to the row.
    pub op: Op,
    /// When.
    pub stamp: Stamp,
    /// The regions that get the body.
    pub members: Arc<[RegionName]>,
    /// The commitment to the body; zero when the row is deleted.
    pub commitment: Hash,
}

/// Whether a change puts or deletes its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Op {
    /// The row is written.
    Put,
    /// The row is deleted.
    Delete,
}

impl Header {
    /// Decodes a header as a feed carries it.
    pub fn decode(bytes: Bytes) -> Result<Header, DecodeError> {
        Header::try_from(storage::Header::decode(bytes)?)
    }

    /// Finds the key of the row it is about; none for rows no feed carries.
    pub fn key(&self) -> Option<RowKey> {
        RowKey::of_header(self.kind, self.uid, self.ordinal)
    }
}
