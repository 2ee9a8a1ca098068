//! Bodies of local rows.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::feed::feed;
use crate::codec::row::slice_before;
use crate::codec::{Body, DecodeError, cluster, copied, hash, key_id, parsed, required};
use crate::command::{KeyState, KeyVersion, KmsKey, Node};
use crate::ids::{KeyId, LogIndex, MachineVersion, NodeId, Ordinal, Revision, Stamp};
use crate::names::{AccountId, RegionName};
use crate::row::{Access, Clock, FeedState, JoinToken, Kept, Machine, RetiredNode, Row, RowKey};
use crate::secret::Wrap;
use crate::storage;

impl Body for Machine {
    type Message = storage::MachineRow;

    fn message(&self) -> storage::MachineRow {
        storage::MachineRow {
            cluster: copied(&self.cluster.0),
            region: self.region.to_string(),
            account: self.account.to_string(),
            default_key: copied(&self.default_key.0),
            machine_version: self.version.0,
        }
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
    type Message = storage::ClockRow;

    fn message(&self) -> storage::ClockRow {
        storage::ClockRow {
            stamp_ms: self.stamp.0,
            index: self.index.0,
        }
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
    type Message = storage::FeedStateRow;

    fn message(&self) -> storage::FeedStateRow {
        storage::FeedStateRow {
            feed: self.feed.to_string(),
            epoch: Some((&self.epoch).into()),
            revision: self.revision.0,
            chain: copied(&self.chain.0),
            journal_first: self.journal_first.0,
            journal_bytes: self.journal_bytes,
        }
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
    type Message = storage::NodeRow;

    fn message(&self) -> storage::NodeRow {
        storage::NodeRow::from(self)
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
    type Message = storage::RetiredNodeRow;

    fn message(&self) -> storage::RetiredNodeRow {
        storage::RetiredNodeRow {
            retired_ms: self.retired.0,
        }
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
    type Message = storage::JoinTokenRow;

    fn message(&self) -> storage::JoinTokenRow {
        let used_by = self.used_by.map(|node| node.0);
        storage::JoinTokenRow {
            expires_ms: self.expires.0,
            used_by,
        }
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
    pub(super) fn with_id(self, id: KeyId) -> Result<KmsKey, DecodeError> {
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
    type Message = storage::KmsKeyRow;

    fn message(&self) -> storage::KmsKeyRow {
        storage::KmsKeyRow::from(self)
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
    type Message = storage::WrapRow;

    fn message(&self) -> storage::WrapRow {
        storage::WrapRow::from(self)
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Wrap, DecodeError> {
        storage::WrapRow::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<Wrap>>) -> Row {
        Row::Wrap(kept)
    }

    fn settled(self, bytes: &Bytes) -> Wrap {
        Wrap {
            wrapped_dek: slice_before(bytes, self.wrapped_dek.len(), 0),
            ..self
        }
    }
}

impl Body for Access {
    type Message = storage::AccessRow;

    fn message(&self) -> storage::AccessRow {
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
