//! Commands about regions.

use crate::codec::entry::{seen, seen_rows};
use crate::codec::feed::feed;
use crate::codec::region::replica_state;
use crate::codec::{DecodeError, copied, hash, key_id, parsed, required, uid};
use crate::command::{
    ActivateSnapshot, DetachSecret, FenceFeed, FillRows, ForgetStaged, ImportChanges,
    ImportedChange, IssueLinkToken, LinkRegion, MendBucket, ReplicaReport, ReportReplicas,
    SentBody, ShareSecret, StageDetach, StageRows, StagedRow, TakeOver, UnlinkRegion,
    UnshareSecret, UpdateRegion,
};
use crate::hash::Bucket;
use crate::ids::Stamp;
use crate::names::RegionName;
use crate::row::RowKey;
use crate::secret::Wrap;
use crate::storage;

impl From<&UpdateRegion> for storage::UpdateRegion {
    fn from(update: &UpdateRegion) -> storage::UpdateRegion {
        storage::UpdateRegion {
            region: Some((&update.region).into()),
        }
    }
}

impl From<&UnlinkRegion> for storage::UnlinkRegion {
    fn from(unlink: &UnlinkRegion) -> storage::UnlinkRegion {
        storage::UnlinkRegion {
            region: unlink.region.to_string(),
        }
    }
}

impl From<&ForgetStaged> for storage::ForgetStaged {
    fn from(forget: &ForgetStaged) -> storage::ForgetStaged {
        storage::ForgetStaged {
            feed: forget.feed.to_string(),
        }
    }
}

impl From<&ShareSecret> for storage::ShareSecret {
    fn from(share: &ShareSecret) -> storage::ShareSecret {
        storage::ShareSecret {
            uid: copied(&share.uid.0),
            replicas: share.replicas.iter().map(Into::into).collect(),
            seen: seen_rows(&share.seen),
        }
    }
}

impl TryFrom<storage::ShareSecret> for ShareSecret {
    type Error = DecodeError;

    fn try_from(share: storage::ShareSecret) -> Result<ShareSecret, DecodeError> {
        let replicas = share.replicas.into_iter().map(TryInto::try_into);
        Ok(ShareSecret {
            uid: uid(&share.uid)?,
            replicas: replicas.collect::<Result<_, _>>()?,
            seen: seen(share.seen)?,
        })
    }
}

impl From<&UnshareSecret> for storage::UnshareSecret {
    fn from(unshare: &UnshareSecret) -> storage::UnshareSecret {
        storage::UnshareSecret {
            uid: copied(&unshare.uid.0),
            regions: unshare.regions.iter().map(RegionName::to_string).collect(),
            seen: seen_rows(&unshare.seen),
        }
    }
}

impl TryFrom<storage::UnshareSecret> for UnshareSecret {
    type Error = DecodeError;

    fn try_from(unshare: storage::UnshareSecret) -> Result<UnshareSecret, DecodeError> {
        let regions = unshare.regions.iter().map(|name| region(name));
        Ok(UnshareSecret {
            uid: uid(&unshare.uid)?,
            regions: regions.collect::<Result<_, _>>()?,
            seen: seen(unshare.seen)?,
        })
    }
}

impl From<&DetachSecret> for storage::DetachSecret {
    fn from(detach: &DetachSecret) -> storage::DetachSecret {
        storage::DetachSecret {
            uid: copied(&detach.uid.0),
            new_uid: copied(&detach.new_uid.0),
            versions: detach.versions.iter().map(Into::into).collect(),
            kms_key: detach.kms_key.map(|key| copied(&key.0)),
            seen: seen_rows(&detach.seen),
        }
    }
}

impl TryFrom<storage::DetachSecret> for DetachSecret {
    type Error = DecodeError;

    fn try_from(detach: storage::DetachSecret) -> Result<DetachSecret, DecodeError> {
        let versions = detach.versions.into_iter().map(TryInto::try_into);
        Ok(DetachSecret {
            uid: uid(&detach.uid)?,
            new_uid: uid(&detach.new_uid)?,
            versions: versions.collect::<Result<_, _>>()?,
            kms_key: detach.kms_key.map(|key| key_id(&key)).transpose()?,
            seen: seen(detach.seen)?,
        })
    }
}

impl From<&StageDetach> for storage::StageDetach {
    fn from(stage: &StageDetach) -> storage::StageDetach {
        storage::StageDetach {
            uid: copied(&stage.uid.0),
            new_uid: copied(&stage.new_uid.0),
            versions: stage.versions.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<storage::StageDetach> for StageDetach {
    type Error = DecodeError;

    fn try_from(stage: storage::StageDetach) -> Result<StageDetach, DecodeError> {
        let versions = stage.versions.into_iter().map(TryInto::try_into);
        Ok(StageDetach {
            uid: uid(&stage.uid)?,
            new_uid: uid(&stage.new_uid)?,
            versions: versions.collect::<Result<_, _>>()?,
        })
    }
}

impl From<&ReportReplicas> for storage::ReportReplicas {
    fn from(report: &ReportReplicas) -> storage::ReportReplicas {
        let replicas = report
            .replicas
            .iter()
            .map(|replica| storage::ReplicaReport {
                uid: copied(&replica.uid.0),
                state: storage::ReplicaState::from(replica.state).into(),
                message: replica.message.clone(),
                access_day: replica.access_day,
            });
        storage::ReportReplicas {
            region: report.region.to_string(),
            replicas: replicas.collect(),
        }
    }
}

impl TryFrom<storage::ReportReplicas> for ReportReplicas {
    type Error = DecodeError;

    fn try_from(report: storage::ReportReplicas) -> Result<ReportReplicas, DecodeError> {
        let replicas = report.replicas.into_iter().map(|replica| {
            Ok(ReplicaReport {
                uid: uid(&replica.uid)?,
                state: replica_state(replica.state)?,
                message: replica.message,
                access_day: replica.access_day,
            })
        });
        Ok(ReportReplicas {
            region: region(&report.region)?,
            replicas: replicas.collect::<Result<_, DecodeError>>()?,
        })
    }
}

impl From<&IssueLinkToken> for storage::IssueLinkToken {
    fn from(issue: &IssueLinkToken) -> storage::IssueLinkToken {
        storage::IssueLinkToken {
            digest: copied(&issue.digest.0),
            expires_ms: issue.expires.0,
            region: issue.region.to_string(),
            scope: storage::Scope::from(issue.scope).into(),
        }
    }
}

impl TryFrom<storage::IssueLinkToken> for IssueLinkToken {
    type Error = DecodeError;

    fn try_from(issue: storage::IssueLinkToken) -> Result<IssueLinkToken, DecodeError> {
        let scope = storage::Scope::try_from(issue.scope);
        Ok(IssueLinkToken {
            digest: hash("digest", &issue.digest)?,
            expires: Stamp(issue.expires_ms),
            region: region(&issue.region)?,
            scope: scope.map_err(|_| DecodeError::Field("scope"))?.into(),
        })
    }
}

impl From<&LinkRegion> for storage::LinkRegion {
    fn from(link: &LinkRegion) -> storage::LinkRegion {
        storage::LinkRegion {
            token_digest: copied(&link.token_digest.0),
            region: Some((&link.region).into()),
        }
    }
}

impl TryFrom<storage::LinkRegion> for LinkRegion {
    type Error = DecodeError;

    fn try_from(link: storage::LinkRegion) -> Result<LinkRegion, DecodeError> {
        Ok(LinkRegion {
            token_digest: hash("token digest", &link.token_digest)?,
            region: required("region", link.region)?.try_into()?,
        })
    }
}

/// Decodes a body with what belongs to it.
fn body(
    blind: &[u8],
    bytes: &[u8],
    wrap: Option<storage::WrapRow>,
    problem: String,
) -> Result<SentBody, DecodeError> {
    Ok(SentBody {
        blind: hash("blind", blind)?,
        bytes: copied(bytes),
        wrap: wrap.map(Wrap::try_from).transpose()?,
        problem,
    })
}

impl From<&ImportChanges> for storage::ImportChanges {
    fn from(import: &ImportChanges) -> storage::ImportChanges {
        storage::ImportChanges {
            feed: import.feed.to_string(),
            after: Some((&import.after).into()),
            changes: import.changes.iter().map(Into::into).collect(),
        }
    }
}

impl From<&ImportedChange> for storage::ImportedChange {
    fn from(change: &ImportedChange) -> storage::ImportedChange {
        let body = change.body.as_ref();
        let blind = body.map(|body| copied(&body.blind.0));
        storage::ImportedChange {
            header: change.header.clone(),
            blind: blind.unwrap_or_default(),
            body: body.map(|body| body.bytes.clone()),
            wrap: body.and_then(|body| body.wrap.as_ref()).map(Into::into),
            problem: body.map(|body| body.problem.clone()).unwrap_or_default(),
        }
    }
}

impl TryFrom<storage::ImportChanges> for ImportChanges {
    type Error = DecodeError;

    fn try_from(import: storage::ImportChanges) -> Result<ImportChanges, DecodeError> {
        let changes = import.changes.into_iter().map(|change| {
            let storage::ImportedChange {
                header,
                blind,
                body: bytes,
                wrap,
                problem,
            } = change;
            let sent = bytes.map(|bytes| body(&blind, &bytes, wrap, problem));
            Ok(ImportedChange {
                header: copied(&header),
                body: sent.transpose()?,
            })
        });
        Ok(ImportChanges {
            feed: feed(&import.feed)?,
            after: required("after", import.after)?.try_into()?,
            changes: changes.collect::<Result<_, DecodeError>>()?,
        })
    }
}

impl From<&FillRows> for storage::FillRows {
    fn from(fill: &FillRows) -> storage::FillRows {
        let rows = fill.rows.iter().map(|(key, body)| storage::FilledRow {
            key: key.encode().into(),
            blind: copied(&body.blind.0),
            body: body.bytes.clone(),
            wrap: body.wrap.as_ref().map(Into::into),
            problem: body.problem.clone(),
        });
        storage::FillRows {
            feed: fill.feed.to_string(),
            rows: rows.collect(),
        }
    }
}

impl TryFrom<storage::FillRows> for FillRows {
    type Error = DecodeError;

    fn try_from(fill: storage::FillRows) -> Result<FillRows, DecodeError> {
        let rows = fill.rows.into_iter().map(|row| {
            let sent = body(&row.blind, &row.body, row.wrap, row.problem)?;
            Ok((RowKey::decode(&row.key)?, sent))
        });
        Ok(FillRows {
            feed: feed(&fill.feed)?,
            rows: rows.collect::<Result<_, DecodeError>>()?,
        })
    }
}

fn staged(rows: Vec<storage::StagedRow>) -> Result<Vec<StagedRow>, DecodeError> {
    rows.into_iter().map(StagedRow::try_from).collect()
}

impl From<&StageRows> for storage::StageRows {
    fn from(stage: &StageRows) -> storage::StageRows {
        storage::StageRows {
            feed: stage.feed.to_string(),
            at: Some((&stage.at).into()),
            first: stage.first,
            rows: stage.rows.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<storage::StageRows> for StageRows {
    type Error = DecodeError;

    fn try_from(stage: storage::StageRows) -> Result<StageRows, DecodeError> {
        Ok(StageRows {
            feed: feed(&stage.feed)?,
            at: required("at", stage.at)?.try_into()?,
            first: stage.first,
            rows: staged(stage.rows)?,
        })
    }
}

impl From<&ActivateSnapshot> for storage::ActivateSnapshot {
    fn from(activate: &ActivateSnapshot) -> storage::ActivateSnapshot {
        storage::ActivateSnapshot {
            feed: activate.feed.to_string(),
            at: Some((&activate.at).into()),
            feed_hash: copied(&activate.feed_hash.0),
            rows: activate.rows,
        }
    }
}

impl TryFrom<storage::ActivateSnapshot> for ActivateSnapshot {
    type Error = DecodeError;

    fn try_from(activate: storage::ActivateSnapshot) -> Result<ActivateSnapshot, DecodeError> {
        Ok(ActivateSnapshot {
            feed: feed(&activate.feed)?,
            at: required("at", activate.at)?.try_into()?,
            feed_hash: hash("feed hash", &activate.feed_hash)?,
            rows: activate.rows,
        })
    }
}

impl From<&MendBucket> for storage::MendBucket {
    fn from(mend: &MendBucket) -> storage::MendBucket {
        storage::MendBucket {
            feed: mend.feed.to_string(),
            at: Some((&mend.at).into()),
            bucket: mend.bucket.number().into(),
            rows: mend.rows.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<storage::MendBucket> for MendBucket {
    type Error = DecodeError;

    fn try_from(mend: storage::MendBucket) -> Result<MendBucket, DecodeError> {
        let bucket = u16::try_from(mend.bucket).ok().and_then(Bucket::new);
        Ok(MendBucket {
            feed: feed(&mend.feed)?,
            at: required("at", mend.at)?.try_into()?,
            bucket: required("bucket", bucket)?,
            rows: staged(mend.rows)?,
        })
    }
}

impl From<&TakeOver> for storage::TakeOver {
    fn from(take: &TakeOver) -> storage::TakeOver {
        let heard = take.heard.iter().map(|(feed, epoch)| storage::Claim {
            feed: feed.to_string(),
            epoch: Some(epoch.into()),
        });
        storage::TakeOver {
            region: take.region.to_string(),
            heard: heard.collect(),
        }
    }
}

impl TryFrom<storage::TakeOver> for TakeOver {
    type Error = DecodeError;

    fn try_from(take: storage::TakeOver) -> Result<TakeOver, DecodeError> {
        let heard = take.heard.into_iter().map(|claim| {
            let epoch = required("epoch", claim.epoch)?.try_into()?;
            Ok((feed(&claim.feed)?, epoch))
        });
        Ok(TakeOver {
            region: region(&take.region)?,
            heard: heard.collect::<Result<_, DecodeError>>()?,
        })
    }
}

impl From<&FenceFeed> for storage::FenceFeed {
    fn from(fence: &FenceFeed) -> storage::FenceFeed {
        storage::FenceFeed {
            feed: fence.feed.to_string(),
            epoch: Some((&fence.epoch).into()),
        }
    }
}

impl TryFrom<storage::FenceFeed> for FenceFeed {
    type Error = DecodeError;

    fn try_from(fence: storage::FenceFeed) -> Result<FenceFeed, DecodeError> {
        Ok(FenceFeed {
            feed: feed(&fence.feed)?,
            epoch: required("epoch", fence.epoch)?.try_into()?,
        })
    }
}

pub(super) fn region(name: &str) -> Result<RegionName, DecodeError> {
    parsed("region", RegionName::new(name))
}
