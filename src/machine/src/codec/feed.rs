//! Epochs, positions, cursors and headers.

use crate::change::{Header, Op};
use crate::codec::{DecodeError, copied, hash, parsed, required, uid};
use crate::command::Cursor;
use crate::ids::{Ordinal, Revision, Stamp};
use crate::names::RegionName;
use crate::position::{Epoch, FeedId, Position};
use crate::storage;

impl From<&Epoch> for storage::Epoch {
    fn from(epoch: &Epoch) -> storage::Epoch {
        storage::Epoch {
            number: epoch.number,
            region: epoch.region.to_string(),
        }
    }
}

impl TryFrom<storage::Epoch> for Epoch {
    type Error = DecodeError;

    fn try_from(epoch: storage::Epoch) -> Result<Epoch, DecodeError> {
        let region = parsed("region", RegionName::new(&epoch.region))?;
        Ok(Epoch {
            number: epoch.number,
            region,
        })
    }
}

impl From<&Position> for storage::Position {
    fn from(position: &Position) -> storage::Position {
        storage::Position {
            feed: position.feed.to_string(),
            epoch: Some((&position.epoch).into()),
            revision: position.revision.0,
        }
    }
}

impl TryFrom<storage::Position> for Position {
    type Error = DecodeError;

    fn try_from(position: storage::Position) -> Result<Position, DecodeError> {
        Ok(Position {
            feed: feed(&position.feed)?,
            epoch: required("epoch", position.epoch)?.try_into()?,
            revision: Revision(position.revision),
        })
    }
}

impl From<&Cursor> for storage::Cursor {
    fn from(cursor: &Cursor) -> storage::Cursor {
        storage::Cursor {
            epoch: cursor.epoch.as_ref().map(Into::into),
            revision: cursor.revision.0,
            chain: copied(&cursor.chain.0),
        }
    }
}

impl TryFrom<storage::Cursor> for Cursor {
    type Error = DecodeError;

    fn try_from(cursor: storage::Cursor) -> Result<Cursor, DecodeError> {
        Ok(Cursor {
            epoch: cursor.epoch.map(TryInto::try_into).transpose()?,
            revision: Revision(cursor.revision),
            chain: hash("chain", &cursor.chain)?,
        })
    }
}

impl From<&Header> for storage::Header {
    fn from(header: &Header) -> storage::Header {
        let op = match header.op {
            Op::Put => storage::Op::Put,
            Op::Delete => storage::Op::Delete,
        };
        storage::Header {
            feed: header.feed.to_string(),
            epoch: Some((&header.epoch).into()),
            revision: header.revision.0,
            uid: header.uid.0.to_vec().into(),
            kind: header.kind.into(),
            ordinal: header.ordinal.0,
            op: op.into(),
            stamp_ms: header.stamp.0,
            members: header.members.iter().map(RegionName::to_string).collect(),
            commitment: header.commitment.0.to_vec().into(),
        }
    }
}

impl TryFrom<storage::Header> for Header {
    type Error = DecodeError;

    fn try_from(header: storage::Header) -> Result<Header, DecodeError> {
        let op = match header.op() {
            storage::Op::Put => Op::Put,
            storage::Op::Delete => Op::Delete,
            storage::Op::Unspecified => return Err(DecodeError::Field("op")),
        };
        let members = header
            .members
            .iter()
            .map(|name| parsed("member", RegionName::new(name)));
        Ok(Header {
            feed: feed(&header.feed)?,
            members: members.collect::<Result<_, _>>()?,
            revision: Revision(header.revision),
            uid: uid(&header.uid)?,
            kind: u8::try_from(header.kind).map_err(|_| DecodeError::Field("kind"))?,
            ordinal: Ordinal(header.ordinal),
            op,
            stamp: Stamp(header.stamp_ms),
            commitment: hash("commitment", &header.commitment)?,
            epoch: required("epoch", header.epoch)?.try_into()?,
        })
    }
}

pub(super) fn feed(text: &str) -> Result<FeedId, DecodeError> {
    parsed("feed", text.parse())
}
