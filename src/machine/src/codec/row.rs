//! Bodies of rows. A feed row is stored in a frame with what binds it; a local row as it is.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};

use crate::change::Header;
use crate::codec::feed::feed;
use crate::codec::{DecodeError, array, copied, hash, parsed, required};
use crate::hash::{commitment, local_commitment};
use crate::ids::{Hash, Revision, Stamp};
use crate::names::RegionName;
use crate::position::FeedId;
use crate::row::{
    BeginEpoch, FeedCheckpoint, JournalRow, Kept, Origin, Principal, Row, RowKey, Tombstone,
    Withheld,
};
use crate::secret::{SealedValue, Secret, StoredVersion};
use crate::storage;

/// The number of [`storage::FeedRow`]'s body.
const BODY_FIELD: u32 = 1;
/// About what the frame of a feed row adds to its body.
const FRAME_BYTES: usize = 128;

/// The content of one kind of row.
pub trait Body: Clone {
    /// The message of storage/v1.
    type Message: Message;
    /// Gives the content as a message.
    fn message(&self) -> Self::Message;
    /// Decodes the content; what the key says is not repeated in the bytes.
    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Self, DecodeError>;
    /// Names the kind.
    fn into_row(kept: Arc<Kept<Self>>) -> Row;
    /// Appends the message's bytes; for what has many parts, without making the message.
    fn encode_to(&self, out: &mut Vec<u8>) {
        let message = self.message();
        out.reserve(message.encoded_len());
        message.encode_raw(out);
    }
    /// Lets go of buffers other than its own bytes, which share the row's memory.
    fn settled(self, _bytes: &Bytes) -> Self {
        self
    }
}

/// Frames a feed row. Returns the bytes to store, the body as a slice of them, and the commitment.
pub(crate) fn feed_row<T: Body>(
    body: &T,
    feed: &FeedId,
    revision: Revision,
    blind: &Hash,
) -> (Bytes, Bytes, Hash) {
    // Fields may be written one after the other: the body first, as it was encoded.
    let mut encoded = Vec::new();
    body.encode_to(&mut encoded);
    let length = encoded.len();
    let mut stored = Vec::with_capacity(length.saturating_add(FRAME_BYTES));
    encode_key(BODY_FIELD, WireType::LengthDelimited, &mut stored);
    encode_varint(length as u64, &mut stored);
    let start = stored.len();
    stored.extend_from_slice(&encoded);
    let commitment = commitment(blind, &encoded);
    let frame = storage::FeedRow {
        body: Bytes::new(),
        feed: feed.to_string(),
        revision: revision.0,
        blind: copied(&blind.0),
        commitment: copied(&commitment.0),
        withheld: false,
    };
    frame.encode_raw(&mut stored);
    let stored = Bytes::from(stored);
    let body = stored.slice(start..start.saturating_add(length));
    (stored, body, commitment)
}

impl<T: Body> Kept<T> {
    pub(crate) fn decode_local(key: &RowKey, stored: Bytes) -> Result<Arc<Kept<T>>, DecodeError> {
        let body = Arc::new(T::from_bytes(key, &stored)?);
        let commitment = local_commitment(&stored);
        Ok(Arc::new(Kept {
            body,
            stored,
            commitment,
            origin: None,
        }))
    }

    pub(crate) fn decode_unhashed(
        key: &RowKey,
        stored: Bytes,
    ) -> Result<Arc<Kept<T>>, DecodeError> {
        let body = Arc::new(T::from_bytes(key, &stored)?);
        Ok(Arc::new(Kept {
            body,
            stored,
            commitment: Hash::ZERO,
            origin: None,
        }))
    }

    pub(crate) fn decode_fed(
        key: &RowKey,
        stored: Bytes,
        frame: storage::FeedRow,
    ) -> Result<Arc<Kept<T>>, DecodeError> {
        let blind = hash("blind", &frame.blind)?;
        let promised = hash("commitment", &frame.commitment)?;
        if commitment(&blind, &frame.body) != promised {
            return Err(DecodeError::Commitment(key.kind()));
        }
        let body = Arc::new(T::from_bytes(key, &frame.body)?);
        let (feed, revision) = (feed(&frame.feed)?, Revision(frame.revision));
        let feed_uid = feed.uid();
        let origin = Some(Origin {
            feed,
            feed_uid,
            revision,
            bytes: frame.body,
        });
        Ok(Arc::new(Kept {
            body,
            stored,
            commitment: promised,
            origin,
        }))
    }
}

impl Kept<Withheld> {
    /// Makes what stands for a row whose body is kept from this region.
    pub(crate) fn hidden(feed: &FeedId, revision: Revision, commitment: Hash) -> Kept<Withheld> {
        let frame = storage::FeedRow {
            feed: feed.to_string(),
            revision: revision.0,
            commitment: copied(&commitment.0),
            withheld: true,
            ..Default::default()
        };
        Kept {
            body: Arc::new(Withheld),
            stored: frame.encode_to_vec().into(),
            commitment,
            origin: Some(Origin {
                feed: feed.clone(),
                feed_uid: feed.uid(),
                revision,
                bytes: Bytes::new(),
            }),
        }
    }

    pub(crate) fn withheld(
        stored: Bytes,
        frame: &storage::FeedRow,
    ) -> Result<Arc<Kept<Withheld>>, DecodeError> {
        if !frame.body.is_empty() || !frame.blind.is_empty() {
            return Err(DecodeError::Field("withheld"));
        }
        let commitment = hash("commitment", &frame.commitment)?;
        let kept = Kept::hidden(&feed(&frame.feed)?, Revision(frame.revision), commitment);
        Ok(Arc::new(Kept { stored, ..kept }))
    }
}

/// Gives so many bytes, before so many last ones, as a slice that shares memory.
pub(super) fn slice_before(bytes: &Bytes, length: usize, after: usize) -> Bytes {
    let end = bytes.len().saturating_sub(after);
    bytes.slice(end.saturating_sub(length)..end)
}

impl Body for BeginEpoch {
    type Message = storage::BeginEpoch;

    fn message(&self) -> storage::BeginEpoch {
        storage::BeginEpoch {
            epoch: Some((&self.epoch).into()),
            primary: self.primary.to_string(),
            previous: self.previous.as_ref().map(Into::into),
            last_revision: self.last_revision.0,
            chain: copied(&self.chain.0),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<BeginEpoch, DecodeError> {
        let row = storage::BeginEpoch::decode(bytes.clone())?;
        Ok(BeginEpoch {
            epoch: required("epoch", row.epoch)?.try_into()?,
            primary: parsed("primary", RegionName::new(&row.primary))?,
            previous: row.previous.map(TryInto::try_into).transpose()?,
            last_revision: Revision(row.last_revision),
            chain: hash("chain", &row.chain)?,
        })
    }

    fn into_row(kept: Arc<Kept<BeginEpoch>>) -> Row {
        Row::Epoch(kept)
    }
}

impl Body for FeedCheckpoint {
    type Message = storage::FeedCheckpoint;

    fn message(&self) -> storage::FeedCheckpoint {
        storage::FeedCheckpoint {
            revision: self.revision.0,
            chain: copied(&self.chain.0),
            feed_hash: copied(&self.feed_hash.0),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<FeedCheckpoint, DecodeError> {
        let row = storage::FeedCheckpoint::decode(bytes.clone())?;
        Ok(FeedCheckpoint {
            revision: Revision(row.revision),
            chain: hash("chain", &row.chain)?,
            feed_hash: hash("feed hash", &row.feed_hash)?,
        })
    }

    fn into_row(kept: Arc<Kept<FeedCheckpoint>>) -> Row {
        Row::Checkpoint(kept)
    }
}

impl Body for Principal {
    type Message = storage::Principal;

    fn message(&self) -> storage::Principal {
        let (client, administrator) = (self.client.clone(), self.administrator);
        storage::Principal {
            client,
            administrator,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Principal, DecodeError> {
        let row = storage::Principal::decode(bytes.clone())?;
        Ok(Principal {
            client: row.client,
            administrator: row.administrator,
        })
    }

    fn into_row(kept: Arc<Kept<Principal>>) -> Row {
        Row::Principal(kept)
    }
}

impl Body for Secret {
    type Message = storage::Secret;

    fn message(&self) -> storage::Secret {
        storage::Secret::from(self)
    }

    fn encode_to(&self, out: &mut Vec<u8>) {
        self.encode_parts(out);
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Secret, DecodeError> {
        storage::Secret::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Secret>>) -> Row {
        Row::Secret(kept)
    }
}

impl Body for StoredVersion {
    type Message = storage::Version;

    fn message(&self) -> storage::Version {
        storage::Version::from(self)
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<StoredVersion, DecodeError> {
        storage::Version::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<StoredVersion>>) -> Row {
        Row::Version(kept)
    }

    fn settled(self, bytes: &Bytes) -> StoredVersion {
        let SealedValue { nonce, ciphertext } = self.sealed.as_ref();
        let after = self.bytes_after_ciphertext();
        let sealed = SealedValue {
            nonce: *nonce,
            ciphertext: slice_before(bytes, ciphertext.len(), after),
        };
        StoredVersion {
            sealed: Arc::new(sealed),
            ..self
        }
    }
}

impl Body for Tombstone {
    type Message = storage::Tombstone;

    fn message(&self) -> storage::Tombstone {
        storage::Tombstone {
            purged_ms: self.purged.0,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Tombstone, DecodeError> {
        let row = storage::Tombstone::decode(bytes.clone())?;
        Ok(Tombstone {
            purged: Stamp(row.purged_ms),
        })
    }

    fn into_row(kept: Arc<Kept<Tombstone>>) -> Row {
        Row::Tombstone(kept)
    }
}

impl Body for JournalRow {
    type Message = storage::JournalRow;

    fn message(&self) -> storage::JournalRow {
        storage::JournalRow {
            header: self.header_bytes.clone(),
            blind: self.blind.map(|blind| copied(&blind.0)).unwrap_or_default(),
            chain: copied(&self.chain.0),
            body: self.body.clone(),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<JournalRow, DecodeError> {
        let row = storage::JournalRow::decode(bytes.clone())?;
        let header = Header::try_from(storage::Header::decode(row.header.clone())?)?;
        let blind = if row.blind.is_empty() {
            None
        } else {
            Some(array("blind", &row.blind)?)
        };
        Ok(JournalRow {
            header: Arc::new(header),
            header_bytes: row.header,
            blind: blind.map(Hash),
            chain: hash("chain", &row.chain)?,
            body: row.body,
        })
    }

    fn into_row(kept: Arc<Kept<JournalRow>>) -> Row {
        Row::Journal(kept)
    }
}
