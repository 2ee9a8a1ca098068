//! Bodies of the rows about regions.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::feed::feed;
use crate::codec::{Body, DecodeError, array, copied, parsed, required, uid};
use crate::command::StagedRow;
use crate::ids::{NodeId, Ordinal, Stamp};
use crate::names::{Label, RegionName};
use crate::region::{Region, ReplicaState, ReplicaStatus, Scope};
use crate::row::{
    Detached, Fence, Introduction, Kept, KeptLabel, KeptLabels, LinkToken, Problem, ProblemKind,
    Resealed, Row, RowKey, Staging,
};
use crate::secret::Replica;
use crate::session::VerifyingKey;
use crate::storage;

impl From<Scope> for storage::Scope {
    fn from(scope: Scope) -> storage::Scope {
        match scope {
            Scope::Founder => storage::Scope::Unspecified,
            Scope::Selected => storage::Scope::Selected,
            Scope::All => storage::Scope::All,
        }
    }
}

impl From<storage::Scope> for Scope {
    fn from(scope: storage::Scope) -> Scope {
        match scope {
            storage::Scope::Unspecified => Scope::Founder,
            storage::Scope::Selected => Scope::Selected,
            storage::Scope::All => Scope::All,
        }
    }
}

impl From<&Region> for storage::Region {
    fn from(region: &Region) -> storage::Region {
        let nodes = region.nodes.iter().map(|node| storage::RegionNode {
            id: node.id.0,
            node: Some(node.into()),
        });
        storage::Region {
            name: region.name.to_string(),
            scope: storage::Scope::from(region.scope).into(),
            authorities: region.authorities.clone(),
            nodes: nodes.collect(),
            unlinked_ms: region.unlinked.map(|stamp| stamp.0).unwrap_or_default(),
            signing_key: region
                .signing_key
                .map(|key| copied(&key.0))
                .unwrap_or_default(),
        }
    }
}

impl TryFrom<storage::Region> for Region {
    type Error = DecodeError;

    fn try_from(region: storage::Region) -> Result<Region, DecodeError> {
        let scope = storage::Scope::try_from(region.scope);
        let nodes = region.nodes.into_iter().map(|node| {
            let id = NodeId(node.id);
            required("node", node.node)?.with_id(id)
        });
        Ok(Region {
            name: parsed("region", RegionName::new(&region.name))?,
            scope: scope.map_err(|_| DecodeError::Field("scope"))?.into(),
            authorities: region.authorities.iter().map(|der| copied(der)).collect(),
            nodes: nodes.collect::<Result<_, _>>()?,
            unlinked: (region.unlinked_ms != 0).then_some(Stamp(region.unlinked_ms)),
            signing_key: verifying_key(&region.signing_key)?,
        })
    }
}

/// Decodes the key of a region's signatures; nothing for none.
fn verifying_key(bytes: &[u8]) -> Result<Option<VerifyingKey>, DecodeError> {
    let key = (!bytes.is_empty()).then(|| array("signing key", bytes));
    Ok(key.transpose()?.map(VerifyingKey))
}

impl Body for Region {
    type Message = storage::Region;

    fn message(&self) -> storage::Region {
        self.into()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Region, DecodeError> {
        storage::Region::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<Region>>) -> Row {
        Row::Region(kept)
    }
}

impl From<&Introduction> for storage::IntroductionRow {
    fn from(introduction: &Introduction) -> storage::IntroductionRow {
        storage::IntroductionRow {
            regions: introduction.regions.iter().map(Into::into).collect(),
            home_exists: introduction.home_exists,
        }
    }
}

impl TryFrom<storage::IntroductionRow> for Introduction {
    type Error = DecodeError;

    fn try_from(row: storage::IntroductionRow) -> Result<Introduction, DecodeError> {
        let regions = row.regions.into_iter().map(Region::try_from);
        Ok(Introduction {
            regions: regions.collect::<Result<_, _>>()?,
            home_exists: row.home_exists,
        })
    }
}

impl Body for Introduction {
    type Message = storage::IntroductionRow;

    fn message(&self) -> storage::IntroductionRow {
        self.into()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Introduction, DecodeError> {
        storage::IntroductionRow::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<Introduction>>) -> Row {
        Row::Introduction(kept)
    }
}

impl Body for LinkToken {
    type Message = storage::LinkTokenRow;

    fn message(&self) -> storage::LinkTokenRow {
        storage::LinkTokenRow {
            expires_ms: self.expires.0,
            region: self.region.to_string(),
            scope: storage::Scope::from(self.scope).into(),
            used: self.used,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<LinkToken, DecodeError> {
        let row = storage::LinkTokenRow::decode(bytes.clone())?;
        let scope = storage::Scope::try_from(row.scope);
        Ok(LinkToken {
            expires: Stamp(row.expires_ms),
            region: parsed("region", RegionName::new(&row.region))?,
            scope: scope.map_err(|_| DecodeError::Field("scope"))?.into(),
            used: row.used,
        })
    }

    fn into_row(kept: Arc<Kept<LinkToken>>) -> Row {
        Row::LinkToken(kept)
    }
}

impl Body for Fence {
    type Message = storage::FenceRow;

    fn message(&self) -> storage::FenceRow {
        storage::FenceRow {
            feed: self.feed.to_string(),
            epoch: Some((&self.epoch).into()),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Fence, DecodeError> {
        let row = storage::FenceRow::decode(bytes.clone())?;
        Ok(Fence {
            feed: feed(&row.feed)?,
            epoch: required("epoch", row.epoch)?.try_into()?,
        })
    }

    fn into_row(kept: Arc<Kept<Fence>>) -> Row {
        Row::Fence(kept)
    }
}

impl From<ReplicaState> for storage::ReplicaState {
    fn from(state: ReplicaState) -> storage::ReplicaState {
        match state {
            ReplicaState::InProgress => storage::ReplicaState::InProgress,
            ReplicaState::InSync => storage::ReplicaState::InSync,
            ReplicaState::Failed => storage::ReplicaState::Failed,
            ReplicaState::Detached => storage::ReplicaState::Detached,
        }
    }
}

/// Decodes how far a copy is.
pub(super) fn replica_state(state: i32) -> Result<ReplicaState, DecodeError> {
    match storage::ReplicaState::try_from(state) {
        Ok(storage::ReplicaState::InProgress) => Ok(ReplicaState::InProgress),
        Ok(storage::ReplicaState::InSync) => Ok(ReplicaState::InSync),
        Ok(storage::ReplicaState::Failed) => Ok(ReplicaState::Failed),
        Ok(storage::ReplicaState::Detached) => Ok(ReplicaState::Detached),
        Ok(storage::ReplicaState::Unspecified) | Err(_) => Err(DecodeError::Field("state")),
    }
}

impl Body for ReplicaStatus {
    type Message = storage::ReplicaRow;

    fn message(&self) -> storage::ReplicaRow {
        storage::ReplicaRow {
            state: storage::ReplicaState::from(self.state).into(),
            message: self.message.clone(),
            access_day: self.access_day,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<ReplicaStatus, DecodeError> {
        let row = storage::ReplicaRow::decode(bytes.clone())?;
        Ok(ReplicaStatus {
            state: replica_state(row.state)?,
            message: row.message,
            access_day: row.access_day,
        })
    }

    fn into_row(kept: Arc<Kept<ReplicaStatus>>) -> Row {
        Row::Replica(kept)
    }
}

impl Body for Problem {
    type Message = storage::ProblemRow;

    fn message(&self) -> storage::ProblemRow {
        let kind = match self.kind {
            ProblemKind::NameTaken => storage::ProblemKind::NameTaken,
            ProblemKind::Key => storage::ProblemKind::Key,
            ProblemKind::Malformed => storage::ProblemKind::Malformed,
        };
        storage::ProblemRow {
            kind: kind.into(),
            message: self.message.clone(),
            since_ms: self.since.0,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Problem, DecodeError> {
        let row = storage::ProblemRow::decode(bytes.clone())?;
        let kind = match row.kind() {
            storage::ProblemKind::NameTaken => ProblemKind::NameTaken,
            storage::ProblemKind::Key => ProblemKind::Key,
            storage::ProblemKind::Malformed => ProblemKind::Malformed,
            storage::ProblemKind::Unspecified => return Err(DecodeError::Field("kind")),
        };
        Ok(Problem {
            kind,
            message: row.message,
            since: Stamp(row.since_ms),
        })
    }

    fn into_row(kept: Arc<Kept<Problem>>) -> Row {
        Row::Problem(kept)
    }
}

impl Body for KeptLabels {
    type Message = storage::KeptLabelsRow;

    fn message(&self) -> storage::KeptLabelsRow {
        let labels = self.labels.iter().map(|kept| storage::KeptLabel {
            label: kept.label.to_string(),
            ordinal: kept.ordinal.0,
        });
        storage::KeptLabelsRow {
            labels: labels.collect(),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<KeptLabels, DecodeError> {
        let row = storage::KeptLabelsRow::decode(bytes.clone())?;
        let labels = row.labels.into_iter().map(|kept| {
            Ok(KeptLabel {
                label: parsed("label", Label::new(&kept.label))?,
                ordinal: Ordinal(kept.ordinal),
            })
        });
        let labels: Result<Vec<KeptLabel>, DecodeError> = labels.collect();
        Ok(KeptLabels { labels: labels? })
    }

    fn into_row(kept: Arc<Kept<KeptLabels>>) -> Row {
        Row::KeptLabels(kept)
    }
}

impl Body for Detached {
    type Message = storage::DetachedRow;

    fn message(&self) -> storage::DetachedRow {
        storage::DetachedRow {
            new_uid: copied(&self.new_uid.0),
            detached_ms: self.detached.0,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Detached, DecodeError> {
        let row = storage::DetachedRow::decode(bytes.clone())?;
        Ok(Detached {
            new_uid: uid(&row.new_uid)?,
            detached: Stamp(row.detached_ms),
        })
    }

    fn into_row(kept: Arc<Kept<Detached>>) -> Row {
        Row::Detached(kept)
    }
}

impl Body for Resealed {
    type Message = storage::ResealedRow;

    fn message(&self) -> storage::ResealedRow {
        storage::ResealedRow {
            new_uid: copied(&self.new_uid.0),
            staged_ms: self.staged.0,
            version: Some((&self.version).into()),
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Resealed, DecodeError> {
        let row = storage::ResealedRow::decode(bytes.clone())?;
        Ok(Resealed {
            new_uid: uid(&row.new_uid)?,
            staged: Stamp(row.staged_ms),
            version: required("version", row.version)?.try_into()?,
        })
    }

    fn into_row(kept: Arc<Kept<Resealed>>) -> Row {
        Row::Resealed(kept)
    }
}

impl Body for Staging {
    type Message = storage::StagingRow;

    fn message(&self) -> storage::StagingRow {
        storage::StagingRow {
            feed: self.feed.to_string(),
            at: Some((&self.at).into()),
            rows: self.rows,
            bytes: self.bytes,
        }
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Staging, DecodeError> {
        let row = storage::StagingRow::decode(bytes.clone())?;
        Ok(Staging {
            feed: feed(&row.feed)?,
            at: required("at", row.at)?.try_into()?,
            rows: row.rows,
            bytes: row.bytes,
        })
    }

    fn into_row(kept: Arc<Kept<Staging>>) -> Row {
        Row::Staging(kept)
    }
}

impl From<&StagedRow> for storage::StagedRow {
    fn from(staged: &StagedRow) -> storage::StagedRow {
        storage::StagedRow {
            key: staged.key.encode().into(),
            row: staged.row.stored().clone(),
            wrap: staged.wrap.as_ref().map(Into::into),
            problem: staged.problem.clone(),
        }
    }
}

impl TryFrom<storage::StagedRow> for StagedRow {
    type Error = DecodeError;

    fn try_from(staged: storage::StagedRow) -> Result<StagedRow, DecodeError> {
        let key = RowKey::decode(&staged.key)?;
        // A region could send one of its own rows as another's: only what feeds carry is staged.
        if !key.is_fed() {
            return Err(DecodeError::Field("key"));
        }
        Ok(StagedRow {
            row: Row::decode(&key, &staged.row)?,
            key,
            wrap: staged.wrap.map(TryInto::try_into).transpose()?,
            problem: staged.problem,
        })
    }
}

impl Body for StagedRow {
    type Message = storage::StagedRow;

    fn message(&self) -> storage::StagedRow {
        self.into()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<StagedRow, DecodeError> {
        storage::StagedRow::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<StagedRow>>) -> Row {
        Row::Staged(kept)
    }
}

impl From<&Replica> for storage::Replica {
    fn from(replica: &Replica) -> storage::Replica {
        storage::Replica {
            region: replica.region.to_string(),
            kms_key: replica.kms_key.clone(),
            force: replica.force,
        }
    }
}

impl TryFrom<storage::Replica> for Replica {
    type Error = DecodeError;

    fn try_from(replica: storage::Replica) -> Result<Replica, DecodeError> {
        Ok(Replica {
            region: parsed("region", RegionName::new(&replica.region))?,
            kms_key: replica.kms_key,
            force: replica.force,
        })
    }
}
