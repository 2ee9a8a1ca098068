//! DescribeSecret, and the entry of a secret that ListSecrets shares.

use std::collections::BTreeMap;

use consensus::View;
use machine::{Label, RegionName, Secret, Version};
use prost_types::Timestamp;
use wire::secrets::v1::{
    DescribeSecretRequest, DescribeSecretResponse, SecretListEntry, Tag, VersionStages,
};

use super::ask::{Answer, Ask};
use super::{About, Basis, Secrets, parse, regions};
use crate::accesses::{Accesses, recorded_day};
use crate::authz::Asked;
use crate::clock;
use crate::errors::Refusal;
use crate::times::timestamp;

impl Secrets {
    pub(super) async fn describe(
        &self,
        ask: Ask<DescribeSecretRequest>,
    ) -> Result<Answer<DescribeSecretResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let about = About::Secrets(std::slice::from_ref(&id));
        let view = self.view(&call, &reading, about).await?;
        let secret = view.find(&Asked::of("secretsmanager:DescribeSecret"), &id)?;
        let entry = entry(&view, &self.accesses, secret);
        let message = DescribeSecretResponse {
            arn: entry.arn,
            name: entry.name,
            description: entry.description,
            kms_key_id: entry.kms_key_id,
            last_changed_date: entry.last_changed_date,
            last_accessed_date: entry.last_accessed_date,
            deleted_date: entry.deleted_date,
            tags: entry.tags,
            version_ids_to_stages: entry.secret_versions_to_stages,
            created_date: entry.created_date,
            primary_region: entry.primary_region,
            replication_status: regions::replication(&view, secret),
            ..DescribeSecretResponse::default()
        };
        view.answer(message)
    }
}

/// What a list shows of a secret.
pub(super) fn entry(view: &Basis, accesses: &Accesses, secret: &Secret) -> SecretListEntry {
    let description = Some(&secret.description).filter(|text| !text.is_empty());
    let tags = secret.tags.iter();
    SecretListEntry {
        arn: view.arn(secret),
        name: secret.name.to_string(),
        description: description.cloned(),
        kms_key_id: regions::shown_key(view, secret),
        last_changed_date: Some(timestamp(secret.changed)),
        last_accessed_date: last_accessed(view, accesses, secret).map(midnight),
        deleted_date: secret
            .deletion
            .map(|deletion| timestamp(deletion.requested)),
        tags: tags
            .map(|tag| Tag {
                key: tag.key.clone(),
                value: tag.value.clone(),
            })
            .collect(),
        secret_versions_to_stages: stages(secret),
        created_date: Some(timestamp(secret.created)),
        primary_region: regions::primary(view, secret).map(RegionName::to_string),
        ..SecretListEntry::default()
    }
}

/// The labelled versions of a secret with their labels.
pub(super) fn stages(secret: &Secret) -> BTreeMap<String, VersionStages> {
    let labelled = secret
        .versions
        .iter()
        .filter(|version| !version.labels.is_empty());
    labelled
        .map(|version| {
            let stages = version.labels.iter().map(Label::to_string).collect();
            (version.id.to_string(), VersionStages { stages })
        })
        .collect()
}

/// The day a secret was last read, as the state and this node know.
pub(super) fn last_accessed(view: &View, accesses: &Accesses, secret: &Secret) -> Option<u32> {
    let recorded = view.access(&secret.uid).map(|access| access.day);
    let ids = secret.versions.iter().map(|version| &version.id);
    let waiting = ids
        .filter_map(|id| accesses.waiting_day(&secret.uid, id))
        .max();
    recorded.max(waiting)
}

/// The day a version was last read, as the state and this node know.
pub(super) fn version_accessed(
    view: &View,
    accesses: &Accesses,
    secret: &Secret,
    version: &Version,
) -> Option<u32> {
    let recorded = recorded_day(view, &secret.uid, version.ordinal);
    recorded.max(accesses.waiting_day(&secret.uid, &version.id))
}

/// Midnight UTC at the beginning of a day, as a timestamp.
pub(super) fn midnight(day: u32) -> Timestamp {
    timestamp(clock::midnight(day))
}
