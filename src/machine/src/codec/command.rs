//! Commands.

use std::sync::Arc;

use crate::codec::entry::{seen, seen_rows};
use crate::codec::feed::feed;
use crate::codec::follow::region;
use crate::codec::secret::{labels, wrap};
use crate::codec::{
    DecodeError, cluster, copied, hash, identity_commands, key_id, parsed, required, uid,
};
use crate::command::{
    AdmitNode, Checkpoint, Command, CreateSecret, DeleteSecret, ForgetStaged, Found,
    IssueJoinToken, NewVersion, PurgeSecret, PutSecretValue, RecordAccess, RemoveNode,
    RestoreSecret, RewrapSecret, SetMachineVersion, TagResource, TrimFeed, UnlinkRegion,
    UntagResource, UpdateRegion, UpdateSecret, UpdateSecretVersionStage,
};
use crate::decide::MACHINE_VERSION;
use crate::ids::{MachineVersion, NodeId, Revision, Stamp};
use crate::names::{AccountId, ArnSuffix, Label, RegionName, SecretName, VersionId};
use crate::secret::{Tag, Wrap};
use crate::storage;
use crate::storage::entry::Command as Wire;

impl From<&Command> for Wire {
    fn from(command: &Command) -> Wire {
        match command {
            Command::Found(found) => Wire::Found(found.into()),
            Command::CreateSecret(create) => Wire::CreateSecret(create.into()),
            Command::PutSecretValue(put) => Wire::PutSecretValue(put.into()),
            Command::UpdateSecret(update) => Wire::UpdateSecret(update.into()),
            Command::UpdateSecretVersionStage(update) => {
                Wire::UpdateSecretVersionStage(update.into())
            }
            Command::DeleteSecret(delete) => Wire::DeleteSecret(delete.into()),
            Command::RestoreSecret(restore) => Wire::RestoreSecret(storage::RestoreSecret {
                uid: copied(&restore.uid.0),
                seen: seen_rows(&restore.seen),
            }),
            Command::PurgeSecret(purge) => Wire::PurgeSecret(storage::PurgeSecret {
                uid: copied(&purge.uid.0),
                deletion_date_ms: purge.deletion_date.0,
            }),
            Command::TagResource(tag) => Wire::TagResource(tag.into()),
            Command::UntagResource(untag) => Wire::UntagResource(untag.into()),
            Command::RecordAccess(record) => Wire::RecordAccess(record.into()),
            Command::IssueJoinToken(issue) => Wire::IssueJoinToken(issue.into()),
            Command::AdmitNode(admit) => Wire::AdmitNode(admit.into()),
            Command::RemoveNode(remove) => Wire::RemoveNode(remove.into()),
            Command::SetMachineVersion(set) => Wire::SetMachineVersion(set.into()),
            Command::Checkpoint(checkpoint) => Wire::Checkpoint(checkpoint.into()),
            Command::TrimFeed(trim) => Wire::TrimFeed(trim.into()),
            Command::ShareSecret(share) => Wire::ShareSecret(share.into()),
            Command::UnshareSecret(unshare) => Wire::UnshareSecret(unshare.into()),
            Command::DetachSecret(detach) => Wire::DetachSecret(detach.into()),
            Command::ReportReplicas(report) => Wire::ReportReplicas(report.into()),
            Command::IssueLinkToken(issue) => Wire::IssueLinkToken(issue.into()),
            Command::LinkRegion(link) => Wire::LinkRegion(link.into()),
            Command::UpdateRegion(update) => Wire::UpdateRegion(update.into()),
            Command::UnlinkRegion(unlink) => Wire::UnlinkRegion(unlink.into()),
            Command::ImportChanges(import) => Wire::ImportChanges(import.into()),
            Command::FillRows(fill) => Wire::FillRows(fill.into()),
            Command::StageRows(stage) => Wire::StageRows(stage.into()),
            Command::ActivateSnapshot(activate) => Wire::ActivateSnapshot(activate.into()),
            Command::MendBucket(mend) => Wire::MendBucket(mend.into()),
            Command::TakeOver(take) => Wire::TakeOver(take.into()),
            Command::FenceFeed(fence) => Wire::FenceFeed(fence.into()),
            Command::ForgetStaged(forget) => Wire::ForgetStaged(forget.into()),
            Command::RewrapSecret(rewrap) => Wire::RewrapSecret(rewrap.into()),
            Command::StageDetach(stage) => Wire::StageDetach(stage.into()),
            Command::CreateAccount(create) => Wire::CreateAccount(create.into()),
            Command::CreateIdentity(create) => Wire::CreateIdentity(create.into()),
            Command::UpdateIdentity(update) => Wire::UpdateIdentity(update.into()),
            Command::DeleteIdentity(delete) => Wire::DeleteIdentity(delete.into()),
            Command::CreatePolicy(create) => Wire::CreatePolicy(create.into()),
            Command::UpdatePolicy(update) => Wire::UpdatePolicy(update.into()),
            Command::DeletePolicy(delete) => Wire::DeletePolicy(delete.into()),
            Command::CreateCredential(create) => Wire::CreateCredential(create.into()),
            Command::UpdateCredential(update) => Wire::UpdateCredential(update.into()),
            Command::DeleteCredential(delete) => Wire::DeleteCredential(delete.into()),
            Command::RewrapRoot(rewrap) => Wire::RewrapRoot(rewrap.into()),
            Command::CreateProvider(create) => Wire::CreateProvider(create.into()),
            Command::UpdateProvider(update) => Wire::UpdateProvider(update.into()),
            Command::DeleteProvider(delete) => Wire::DeleteProvider(delete.into()),
            Command::Revoke(revoke) => Wire::Revoke(revoke.into()),
            Command::ForgetRevocations(_) => Wire::ForgetRevocations(storage::ForgetRevocations {}),
            Command::PutResourcePolicy(put) => Wire::PutResourcePolicy(put.into()),
            Command::DeleteResourcePolicy(delete) => Wire::DeleteResourcePolicy(delete.into()),
            Command::RotateSessionKey(rotate) => Wire::RotateSessionKey(rotate.into()),
            Command::KeepSigningKey(keep) => Wire::KeepSigningKey(keep.into()),
            Command::PutIssuer(put) => Wire::PutIssuer(put.into()),
            Command::RetireIssuers(retire) => Wire::RetireIssuers(retire.into()),
        }
    }
}

impl TryFrom<Wire> for Command {
    type Error = DecodeError;

    fn try_from(command: Wire) -> Result<Command, DecodeError> {
        Ok(match command {
            Wire::Found(found) => Command::Found(found.try_into()?),
            Wire::CreateSecret(create) => Command::CreateSecret(create.try_into()?),
            Wire::PutSecretValue(put) => Command::PutSecretValue(put.try_into()?),
            Wire::UpdateSecret(update) => Command::UpdateSecret(update.try_into()?),
            Wire::UpdateSecretVersionStage(update) => {
                Command::UpdateSecretVersionStage(update.try_into()?)
            }
            Wire::DeleteSecret(delete) => Command::DeleteSecret(DeleteSecret {
                uid: uid(&delete.uid)?,
                window_days: delete.window_days,
                seen: seen(delete.seen)?,
            }),
            Wire::RestoreSecret(restore) => Command::RestoreSecret(RestoreSecret {
                uid: uid(&restore.uid)?,
                seen: seen(restore.seen)?,
            }),
            Wire::PurgeSecret(purge) => Command::PurgeSecret(PurgeSecret {
                uid: uid(&purge.uid)?,
                deletion_date: Stamp(purge.deletion_date_ms),
            }),
            Wire::TagResource(tag) => Command::TagResource(TagResource {
                uid: uid(&tag.uid)?,
                tags: tag.tags.into_iter().map(Tag::from).collect(),
                seen: seen(tag.seen)?,
            }),
            Wire::UntagResource(untag) => Command::UntagResource(UntagResource {
                uid: uid(&untag.uid)?,
                keys: untag.keys,
                seen: seen(untag.seen)?,
            }),
            Wire::RecordAccess(record) => Command::RecordAccess(record.try_into()?),
            Wire::IssueJoinToken(issue) => Command::IssueJoinToken(IssueJoinToken {
                digest: hash("digest", &issue.digest)?,
                expires: Stamp(issue.expires_ms),
            }),
            Wire::AdmitNode(admit) => Command::AdmitNode(AdmitNode {
                token_digest: hash("token digest", &admit.token_digest)?,
                node: required("node", admit.node)?.with_id(NodeId(admit.node_id))?,
            }),
            Wire::RemoveNode(remove) => Command::RemoveNode(RemoveNode {
                node: NodeId(remove.node_id),
            }),
            Wire::SetMachineVersion(set) => Command::SetMachineVersion(SetMachineVersion {
                version: machine_version(set.version)?,
            }),
            Wire::Checkpoint(checkpoint) => Command::Checkpoint(Checkpoint {
                feed: feed(&checkpoint.feed)?,
            }),
            Wire::TrimFeed(trim) => Command::TrimFeed(TrimFeed {
                feed: feed(&trim.feed)?,
                upto: Revision(trim.upto),
            }),
            other => return between_regions(other),
        })
    }
}

/// Commands about regions.
fn between_regions(command: Wire) -> Result<Command, DecodeError> {
    Ok(match command {
        Wire::ShareSecret(share) => Command::ShareSecret(share.try_into()?),
        Wire::UnshareSecret(unshare) => Command::UnshareSecret(unshare.try_into()?),
        Wire::DetachSecret(detach) => Command::DetachSecret(detach.try_into()?),
        Wire::ReportReplicas(report) => Command::ReportReplicas(report.try_into()?),
        Wire::IssueLinkToken(issue) => Command::IssueLinkToken(issue.try_into()?),
        Wire::LinkRegion(link) => Command::LinkRegion(link.try_into()?),
        Wire::UpdateRegion(update) => Command::UpdateRegion(UpdateRegion {
            region: required("region", update.region)?.try_into()?,
        }),
        Wire::UnlinkRegion(unlink) => Command::UnlinkRegion(UnlinkRegion {
            region: region(&unlink.region)?,
        }),
        Wire::ImportChanges(import) => Command::ImportChanges(import.try_into()?),
        Wire::FillRows(fill) => Command::FillRows(fill.try_into()?),
        Wire::StageRows(stage) => Command::StageRows(stage.try_into()?),
        Wire::ActivateSnapshot(activate) => Command::ActivateSnapshot(activate.try_into()?),
        Wire::MendBucket(mend) => Command::MendBucket(mend.try_into()?),
        Wire::TakeOver(take) => Command::TakeOver(take.try_into()?),
        Wire::FenceFeed(fence) => Command::FenceFeed(fence.try_into()?),
        Wire::ForgetStaged(forget) => Command::ForgetStaged(ForgetStaged {
            feed: feed(&forget.feed)?,
        }),
        Wire::RewrapSecret(rewrap) => Command::RewrapSecret(rewrap.try_into()?),
        Wire::StageDetach(stage) => Command::StageDetach(stage.try_into()?),
        other => return identity_commands::command(other),
    })
}

/// Rejecting a version only this build does not know would set nodes apart: they must stop (R13).
fn machine_version(wanted: u32) -> Result<MachineVersion, DecodeError> {
    let MachineVersion(known) = MACHINE_VERSION;
    if wanted > known {
        return Err(DecodeError::FutureVersion { wanted, known });
    }
    Ok(MachineVersion(wanted))
}

impl From<&Found> for storage::Found {
    fn from(found: &Found) -> storage::Found {
        storage::Found {
            cluster: copied(&found.cluster.0),
            region: found.region.to_string(),
            account: found.account.to_string(),
            administrator: found.administrator.clone(),
            default_key: Some((&found.default_key).into()),
            default_key_id: copied(&found.default_key.id.0),
            node: Some((&found.node).into()),
            node_id: found.node.id.0,
            machine_version: found.machine_version.0,
            introduction: found.introduction.as_ref().map(Into::into),
        }
    }
}

impl TryFrom<storage::Found> for Found {
    type Error = DecodeError;

    fn try_from(found: storage::Found) -> Result<Found, DecodeError> {
        let id = key_id(&found.default_key_id)?;
        Ok(Found {
            cluster: cluster(&found.cluster)?,
            region: parsed("region", RegionName::new(&found.region))?,
            account: parsed("account", AccountId::new(&found.account))?,
            administrator: found.administrator,
            default_key: required("default key", found.default_key)?.with_id(id)?,
            node: required("node", found.node)?.with_id(NodeId(found.node_id))?,
            machine_version: machine_version(found.machine_version)?,
            introduction: found.introduction.map(TryInto::try_into).transpose()?,
        })
    }
}

impl From<&NewVersion> for storage::NewVersion {
    fn from(new: &NewVersion) -> storage::NewVersion {
        storage::NewVersion {
            id: new.id.to_string(),
            kind: storage::ValueKind::from(new.kind).into(),
            sealed: Some(new.sealed.as_ref().into()),
            wrap: Some((&new.wrap).into()),
        }
    }
}

impl TryFrom<storage::NewVersion> for NewVersion {
    type Error = DecodeError;

    fn try_from(new: storage::NewVersion) -> Result<NewVersion, DecodeError> {
        Ok(NewVersion {
            id: parsed("version id", VersionId::new(&new.id))?,
            kind: new.kind().try_into()?,
            sealed: Arc::new(required("sealed", new.sealed)?.try_into()?),
            wrap: wrap(new.wrap)?,
        })
    }
}

impl From<&CreateSecret> for storage::CreateSecret {
    fn from(create: &CreateSecret) -> storage::CreateSecret {
        storage::CreateSecret {
            uid: copied(&create.uid.0),
            account: create.account.to_string(),
            name: create.name.to_string(),
            arn_suffix: create.arn_suffix.to_string(),
            description: create.description.clone(),
            kms_key: create.kms_key.map(|key| copied(&key.0)),
            tags: create.tags.iter().map(Into::into).collect(),
            new: create.new.as_ref().map(Into::into),
            region: create.region.as_ref().map(RegionName::to_string),
            replicas: create.replicas.iter().map(Into::into).collect(),
            seen: seen_rows(&create.seen),
        }
    }
}

impl TryFrom<storage::CreateSecret> for CreateSecret {
    type Error = DecodeError;

    fn try_from(create: storage::CreateSecret) -> Result<CreateSecret, DecodeError> {
        let replicas = create.replicas.into_iter().map(TryInto::try_into);
        Ok(CreateSecret {
            uid: uid(&create.uid)?,
            account: parsed("account", AccountId::new(&create.account))?,
            name: parsed("name", SecretName::new(&create.name))?,
            arn_suffix: parsed("arn suffix", ArnSuffix::new(&create.arn_suffix))?,
            description: create.description,
            kms_key: create.kms_key.map(|key| key_id(&key)).transpose()?,
            tags: create.tags.into_iter().map(Tag::from).collect(),
            new: create.new.map(TryInto::try_into).transpose()?,
            region: create.region.as_deref().map(region).transpose()?,
            replicas: replicas.collect::<Result<_, _>>()?,
            seen: seen(create.seen)?,
        })
    }
}

impl From<&PutSecretValue> for storage::PutSecretValue {
    fn from(put: &PutSecretValue) -> storage::PutSecretValue {
        storage::PutSecretValue {
            uid: copied(&put.uid.0),
            new: Some((&put.new).into()),
            labels: put.labels.iter().map(Label::to_string).collect(),
            young_protection_ms: put.young_protection_ms,
            seen: seen_rows(&put.seen),
        }
    }
}

impl TryFrom<storage::PutSecretValue> for PutSecretValue {
    type Error = DecodeError;

    fn try_from(put: storage::PutSecretValue) -> Result<PutSecretValue, DecodeError> {
        Ok(PutSecretValue {
            uid: uid(&put.uid)?,
            new: required("new", put.new)?.try_into()?,
            labels: labels(&put.labels)?,
            young_protection_ms: put.young_protection_ms,
            seen: seen(put.seen)?,
        })
    }
}

fn rewrapped(wraps: &[(VersionId, Wrap)]) -> Vec<storage::Rewrapped> {
    let wraps = wraps.iter().map(|(version, wrap)| storage::Rewrapped {
        version_id: version.to_string(),
        wrap: Some(wrap.into()),
    });
    wraps.collect()
}

fn wraps(rewrapped: Vec<storage::Rewrapped>) -> Result<Vec<(VersionId, Wrap)>, DecodeError> {
    let wraps = rewrapped.into_iter().map(|rewrapped| {
        let version = parsed("version id", VersionId::new(&rewrapped.version_id))?;
        Ok((version, wrap(rewrapped.wrap)?))
    });
    wraps.collect()
}

impl From<&RewrapSecret> for storage::RewrapSecret {
    fn from(rewrap: &RewrapSecret) -> storage::RewrapSecret {
        storage::RewrapSecret {
            uid: copied(&rewrap.uid.0),
            wraps: rewrapped(&rewrap.wraps),
        }
    }
}

impl TryFrom<storage::RewrapSecret> for RewrapSecret {
    type Error = DecodeError;

    fn try_from(rewrap: storage::RewrapSecret) -> Result<RewrapSecret, DecodeError> {
        Ok(RewrapSecret {
            uid: uid(&rewrap.uid)?,
            wraps: wraps(rewrap.wraps)?,
        })
    }
}

impl From<&UpdateSecret> for storage::UpdateSecret {
    fn from(update: &UpdateSecret) -> storage::UpdateSecret {
        let kms_key = update.kms_key.map(|choice| storage::KeyChoice {
            key_id: choice.map(|key| copied(&key.0)),
        });
        storage::UpdateSecret {
            uid: copied(&update.uid.0),
            description: update.description.clone(),
            kms_key,
            rewrapped: rewrapped(&update.rewrapped),
            new: update.new.as_ref().map(Into::into),
            young_protection_ms: update.young_protection_ms,
            seen: seen_rows(&update.seen),
        }
    }
}

impl TryFrom<storage::UpdateSecret> for UpdateSecret {
    type Error = DecodeError;

    fn try_from(update: storage::UpdateSecret) -> Result<UpdateSecret, DecodeError> {
        let choice = |choice: storage::KeyChoice| choice.key_id.map(|key| key_id(&key)).transpose();
        Ok(UpdateSecret {
            uid: uid(&update.uid)?,
            description: update.description,
            kms_key: update.kms_key.map(choice).transpose()?,
            rewrapped: wraps(update.rewrapped)?,
            new: update.new.map(TryInto::try_into).transpose()?,
            young_protection_ms: update.young_protection_ms,
            seen: seen(update.seen)?,
        })
    }
}

impl From<&UpdateSecretVersionStage> for storage::UpdateSecretVersionStage {
    fn from(update: &UpdateSecretVersionStage) -> storage::UpdateSecretVersionStage {
        storage::UpdateSecretVersionStage {
            uid: copied(&update.uid.0),
            label: update.label.to_string(),
            remove_from: update.remove_from.as_ref().map(VersionId::to_string),
            move_to: update.move_to.as_ref().map(VersionId::to_string),
            seen: seen_rows(&update.seen),
        }
    }
}

impl TryFrom<storage::UpdateSecretVersionStage> for UpdateSecretVersionStage {
    type Error = DecodeError;

    fn try_from(
        update: storage::UpdateSecretVersionStage,
    ) -> Result<UpdateSecretVersionStage, DecodeError> {
        let version = |id: Option<String>| {
            id.map(|id| parsed("version id", VersionId::new(&id)))
                .transpose()
        };
        Ok(UpdateSecretVersionStage {
            uid: uid(&update.uid)?,
            label: parsed("label", Label::new(&update.label))?,
            remove_from: version(update.remove_from)?,
            move_to: version(update.move_to)?,
            seen: seen(update.seen)?,
        })
    }
}

impl From<&DeleteSecret> for storage::DeleteSecret {
    fn from(delete: &DeleteSecret) -> storage::DeleteSecret {
        storage::DeleteSecret {
            uid: copied(&delete.uid.0),
            window_days: delete.window_days,
            seen: seen_rows(&delete.seen),
        }
    }
}

impl From<&TagResource> for storage::TagResource {
    fn from(tag: &TagResource) -> storage::TagResource {
        storage::TagResource {
            uid: copied(&tag.uid.0),
            tags: tag.tags.iter().map(Into::into).collect(),
            seen: seen_rows(&tag.seen),
        }
    }
}

impl From<&UntagResource> for storage::UntagResource {
    fn from(untag: &UntagResource) -> storage::UntagResource {
        storage::UntagResource {
            uid: copied(&untag.uid.0),
            keys: untag.keys.clone(),
            seen: seen_rows(&untag.seen),
        }
    }
}

impl From<&RecordAccess> for storage::RecordAccess {
    fn from(record: &RecordAccess) -> storage::RecordAccess {
        let touched = record
            .touched
            .iter()
            .map(|(uid, version)| storage::Touched {
                uid: copied(&uid.0),
                version_id: version.to_string(),
            });
        storage::RecordAccess {
            day: record.day,
            touched: touched.collect(),
        }
    }
}

impl TryFrom<storage::RecordAccess> for RecordAccess {
    type Error = DecodeError;

    fn try_from(record: storage::RecordAccess) -> Result<RecordAccess, DecodeError> {
        let touched = record.touched.into_iter().map(|touched| {
            let version = parsed("version id", VersionId::new(&touched.version_id))?;
            Ok((uid(&touched.uid)?, version))
        });
        Ok(RecordAccess {
            day: record.day,
            touched: touched.collect::<Result<_, DecodeError>>()?,
        })
    }
}
