//! Bodies of rows. A feed row is stored in a frame with what binds it; a local row as it is.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message;

use crate::change::Header;
use crate::codec::feed::feed;
use crate::codec::{DecodeError, array, cluster, copied, hash, key_id, parsed, required};
use crate::command::{KeyState, KeyVersion, KmsKey, Node};
use crate::hash::{commitment, local_commitment};
use crate::ids::{Hash, LogIndex, MachineVersion, NodeId, Ordinal, Revision, Stamp};
use crate::names::{AccountId, RegionName};
use crate::position::FeedId;
use crate::row::{
    Access, BeginEpoch, Clock, FeedCheckpoint, FeedState, JoinToken, JournalRow, Kept, Machine,
    Origin, Principal, RetiredNode, Row, RowKey, Tombstone,
};
use crate::secret::{SealedValue, Secret, Wrap};
use crate::storage;

/// The content of one kind of row.
pub trait Body: Clone {
    /// Encodes the content.
    fn to_bytes(&self) -> Vec<u8>;
    /// Decodes the content; what the key says is not repeated in the bytes.
    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Self, DecodeError>;
    /// Names the kind.
    fn into_row(kept: Arc<Kept<Self>>) -> Row;
    /// Lets go of buffers other than its own bytes, which share the row's memory.
    fn settled(&self, _bytes: &Bytes) -> Self {
        self.clone()
    }
}

/// Frames a feed row. Returns the bytes to store and the body as a slice of them.
pub(crate) fn feed_row(
    feed: &FeedId,
    revision: Revision,
    blind: &Hash,
    commitment: &Hash,
    body: Vec<u8>,
) -> (Bytes, Bytes) {
    let length = body.len();
    let frame = storage::FeedRow {
        feed: feed.to_string(),
        revision: revision.0,
        blind: copied(&blind.0),
        commitment: copied(&commitment.0),
        body: body.into(),
    };
    let stored = Bytes::from(frame.encode_to_vec());
    let body = tail(&stored, length);
    (stored, body)
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

    pub(crate) fn decode_fed(key: &RowKey, stored: Bytes) -> Result<Arc<Kept<T>>, DecodeError> {
        let frame = storage::FeedRow::decode(stored.clone())?;
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

/// Gives the last bytes as a slice that shares memory.
fn tail(bytes: &Bytes, length: usize) -> Bytes {
    bytes.slice(bytes.len().saturating_sub(length)..)
}

impl Body for Machine {
    fn to_bytes(&self) -> Vec<u8> {
        let row = storage::MachineRow {
            cluster: copied(&self.cluster.0),
            region: self.region.to_string(),
            account: self.account.to_string(),
            default_key: copied(&self.default_key.0),
            machine_version: self.version.0,
        };
        row.encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Machine, DecodeError> {
        let row = storage::MachineRow::decode(bytes.clone())?;
        Ok(Machine {
            cluster: cluster(&row.cluster)?,
            region: parsed("region", RegionName::new(&row.region))?,
            account: parsed("account", AccountId::new(&row.account))?,
            default_key: key_id(&row.default_key)?,
            version: MachineVersion(row.machine_version),
        })
    }

    fn into_row(kept: Arc<Kept<Machine>>) -> Row {
        Row::Machine(kept)
    }
}

impl Body for Clock {
    fn to_bytes(&self) -> Vec<u8> {
        storage::ClockRow {
            stamp_ms: self.stamp.0,
            index: self.index.0,
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Clock, DecodeError> {
        let row = storage::ClockRow::decode(bytes.clone())?;
        Ok(Clock {
            stamp: Stamp(row.stamp_ms),
            index: LogIndex(row.index),
        })
    }

    fn into_row(kept: Arc<Kept<Clock>>) -> Row {
        Row::Clock(kept)
    }
}

impl Body for FeedState {
    fn to_bytes(&self) -> Vec<u8> {
        let row = storage::FeedStateRow {
            feed: self.feed.to_string(),
            epoch: Some((&self.epoch).into()),
            revision: self.revision.0,
            chain: copied(&self.chain.0),
            journal_first: self.journal_first.0,
            journal_bytes: self.journal_bytes,
        };
        row.encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<FeedState, DecodeError> {
        let row = storage::FeedStateRow::decode(bytes.clone())?;
        Ok(FeedState {
            feed: feed(&row.feed)?,
            epoch: required("epoch", row.epoch)?.try_into()?,
            revision: Revision(row.revision),
            chain: hash("chain", &row.chain)?,
            journal_first: Revision(row.journal_first),
            journal_bytes: row.journal_bytes,
        })
    }

    fn into_row(kept: Arc<Kept<FeedState>>) -> Row {
        Row::Feed(kept)
    }
}

impl From<&Node> for storage::NodeRow {
    fn from(node: &Node) -> storage::NodeRow {
        storage::NodeRow {
            peer_address: node.peer_address.clone(),
            api_address: node.api_address.clone(),
            public_key: copied(&node.public_key.0),
        }
    }
}

impl storage::NodeRow {
    pub(super) fn with_id(self, id: NodeId) -> Result<Node, DecodeError> {
        let public_key = hash("public key", &self.public_key)?;
        let (peer_address, api_address) = (self.peer_address, self.api_address);
        Ok(Node {
            id,
            peer_address,
            api_address,
            public_key,
        })
    }
}

impl Body for Node {
    fn to_bytes(&self) -> Vec<u8> {
        storage::NodeRow::from(self).encode_to_vec()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Node, DecodeError> {
        let RowKey::Node(id) = *key else {
            return Err(DecodeError::Field("node id"));
        };
        storage::NodeRow::decode(bytes.clone())?.with_id(id)
    }

    fn into_row(kept: Arc<Kept<Node>>) -> Row {
        Row::Node(kept)
    }
}

impl Body for RetiredNode {
    fn to_bytes(&self) -> Vec<u8> {
        storage::RetiredNodeRow {
            retired_ms: self.retired.0,
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<RetiredNode, DecodeError> {
        let row = storage::RetiredNodeRow::decode(bytes.clone())?;
        Ok(RetiredNode {
            retired: Stamp(row.retired_ms),
        })
    }

    fn into_row(kept: Arc<Kept<RetiredNode>>) -> Row {
        Row::RetiredNode(kept)
    }
}

impl Body for JoinToken {
    fn to_bytes(&self) -> Vec<u8> {
        let used_by = self.used_by.map(|node| node.0);
        storage::JoinTokenRow {
            expires_ms: self.expires.0,
            used_by,
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<JoinToken, DecodeError> {
        let row = storage::JoinTokenRow::decode(bytes.clone())?;
        Ok(JoinToken {
            expires: Stamp(row.expires_ms),
            used_by: row.used_by.map(NodeId),
        })
    }

    fn into_row(kept: Arc<Kept<JoinToken>>) -> Row {
        Row::JoinToken(kept)
    }
}

impl From<&KmsKey> for storage::KmsKeyRow {
    fn from(key: &KmsKey) -> storage::KmsKeyRow {
        let state = match key.state {
            KeyState::Enabled => storage::KeyState::Enabled,
            KeyState::Disabled => storage::KeyState::Disabled,
            KeyState::PendingDeletion => storage::KeyState::PendingDeletion,
        };
        let versions = key.versions.iter().map(|version| storage::KeyVersion {
            version: version.version,
            wrapped: version.wrapped.clone(),
            created_ms: version.created.0,
        });
        let versions = versions.collect();
        storage::KmsKeyRow {
            alias: key.alias.clone(),
            state: state.into(),
            versions,
        }
    }
}

impl storage::KmsKeyRow {
    pub(super) fn with_id(self, id: crate::ids::KeyId) -> Result<KmsKey, DecodeError> {
        let state = match self.state() {
            storage::KeyState::Enabled => KeyState::Enabled,
            storage::KeyState::Disabled => KeyState::Disabled,
            storage::KeyState::PendingDeletion => KeyState::PendingDeletion,
            storage::KeyState::Unspecified => return Err(DecodeError::Field("key state")),
        };
        let versions = self.versions.into_iter().map(|version| KeyVersion {
            version: version.version,
            wrapped: copied(&version.wrapped),
            created: Stamp(version.created_ms),
        });
        Ok(KmsKey {
            id,
            alias: self.alias,
            state,
            versions: versions.collect(),
        })
    }
}

impl Body for KmsKey {
    fn to_bytes(&self) -> Vec<u8> {
        storage::KmsKeyRow::from(self).encode_to_vec()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<KmsKey, DecodeError> {
        let RowKey::KmsKey(id) = *key else {
            return Err(DecodeError::Field("key id"));
        };
        storage::KmsKeyRow::decode(bytes.clone())?.with_id(id)
    }

    fn into_row(kept: Arc<Kept<KmsKey>>) -> Row {
        Row::KmsKey(kept)
    }
}

impl Body for Wrap {
    fn to_bytes(&self) -> Vec<u8> {
        storage::WrapRow::from(self).encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Wrap, DecodeError> {
        storage::WrapRow::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<Wrap>>) -> Row {
        Row::Wrap(kept)
    }

    fn settled(&self, bytes: &Bytes) -> Wrap {
        Wrap {
            wrapped_dek: tail(bytes, self.wrapped_dek.len()),
            ..self.clone()
        }
    }
}

impl Body for Access {
    fn to_bytes(&self) -> Vec<u8> {
        let versions = self.versions.iter();
        let versions = versions
            .map(|(ordinal, day)| storage::VersionAccess {
                ordinal: ordinal.0,
                day: *day,
            })
            .collect();
        storage::AccessRow {
            day: self.day,
            versions,
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Access, DecodeError> {
        let row = storage::AccessRow::decode(bytes.clone())?;
        let versions = row
            .versions
            .iter()
            .map(|version| (Ordinal(version.ordinal), version.day));
        Ok(Access {
            day: row.day,
            versions: versions.collect(),
        })
    }

    fn into_row(kept: Arc<Kept<Access>>) -> Row {
        Row::Access(kept)
    }
}

impl Body for BeginEpoch {
    fn to_bytes(&self) -> Vec<u8> {
        let row = storage::BeginEpoch {
            epoch: Some((&self.epoch).into()),
            primary: self.primary.to_string(),
            previous: self.previous.as_ref().map(Into::into),
            last_revision: self.last_revision.0,
            chain: copied(&self.chain.0),
        };
        row.encode_to_vec()
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
    fn to_bytes(&self) -> Vec<u8> {
        let row = storage::FeedCheckpoint {
            revision: self.revision.0,
            chain: copied(&self.chain.0),
            feed_hash: copied(&self.feed_hash.0),
        };
        row.encode_to_vec()
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

impl Body for AccountId {
    fn to_bytes(&self) -> Vec<u8> {
        storage::Account {
            id: self.to_string(),
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<AccountId, DecodeError> {
        parsed(
            "account",
            AccountId::new(&storage::Account::decode(bytes.clone())?.id),
        )
    }

    fn into_row(kept: Arc<Kept<AccountId>>) -> Row {
        Row::Account(kept)
    }
}

impl Body for RegionName {
    fn to_bytes(&self) -> Vec<u8> {
        storage::Region {
            name: self.to_string(),
        }
        .encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<RegionName, DecodeError> {
        parsed(
            "region",
            RegionName::new(&storage::Region::decode(bytes.clone())?.name),
        )
    }

    fn into_row(kept: Arc<Kept<RegionName>>) -> Row {
        Row::Region(kept)
    }
}

impl Body for Principal {
    fn to_bytes(&self) -> Vec<u8> {
        let (client, administrator) = (self.client.clone(), self.administrator);
        storage::Principal {
            client,
            administrator,
        }
        .encode_to_vec()
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
    fn to_bytes(&self) -> Vec<u8> {
        storage::Secret::from(self).encode_to_vec()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Secret, DecodeError> {
        storage::Secret::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Secret>>) -> Row {
        Row::Secret(kept)
    }
}

impl Body for SealedValue {
    fn to_bytes(&self) -> Vec<u8> {
        storage::Version::from(self).encode_to_vec()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<SealedValue, DecodeError> {
        storage::Version::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<SealedValue>>) -> Row {
        Row::Version(kept)
    }

    fn settled(&self, bytes: &Bytes) -> SealedValue {
        SealedValue {
            nonce: self.nonce,
            ciphertext: tail(bytes, self.ciphertext.len()),
        }
    }
}

impl Body for Tombstone {
    fn to_bytes(&self) -> Vec<u8> {
        storage::Tombstone {
            purged_ms: self.purged.0,
        }
        .encode_to_vec()
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
    fn to_bytes(&self) -> Vec<u8> {
        let row = storage::JournalRow {
            header: self.header_bytes.clone(),
            blind: self.blind.map(|blind| copied(&blind.0)).unwrap_or_default(),
            chain: copied(&self.chain.0),
            body: self.body.clone(),
        };
        row.encode_to_vec()
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
