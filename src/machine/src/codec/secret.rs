//! Secrets, versions, values and wraps.

use std::sync::Arc;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};

use crate::codec::{DecodeError, array, copied, key_id, parsed, required};
use crate::entity::Document;
use crate::ids::{Ordinal, Stamp, Uid};
use crate::names::{AccountId, ArnSuffix, Label, RegionName, SecretName, VersionId};
use crate::secret::{
    Deletion, SealedValue, Secret, StoredVersion, Tag, ValueKind, Version, VersionDescription, Wrap,
};
use crate::storage;

/// The number of [`storage::Secret`]'s versions.
const VERSIONS_FIELD: u32 = 12;
/// The number of its resource policy.
const POLICY_FIELD: u32 = 15;
/// The numbers of [`storage::VersionEntry`]'s id and labels.
const ID_FIELD: u32 = 1;
const LABELS_FIELD: u32 = 5;

impl From<&Secret> for storage::Secret {
    fn from(secret: &Secret) -> storage::Secret {
        storage::Secret {
            versions: secret
                .versions
                .iter()
                .map(storage::VersionEntry::from)
                .collect(),
            next_ordinal: secret.next_ordinal.0,
            replicas: secret.replicas.iter().map(Into::into).collect(),
            resource_policy: secret
                .policy
                .as_ref()
                .map(|policy| policy.as_str().to_owned()),
            ..without_versions(secret)
        }
    }
}

impl Secret {
    /// Appends the bytes of the message. A secret that was often put has a hundred versions: to
    /// make their messages first, at each put, takes longer than to write their bytes.
    pub(super) fn encode_parts(&self, out: &mut Vec<u8>) {
        without_versions(self).encode_raw(out);
        for version in &self.versions {
            encode_version(version, out);
        }
        let rest = storage::Secret {
            next_ordinal: self.next_ordinal.0,
            replicas: self.replicas.iter().map(Into::into).collect(),
            ..Default::default()
        };
        rest.encode_raw(out);
        if let Some(policy) = &self.policy {
            encode_text(POLICY_FIELD, policy.as_str(), out);
        }
    }
}

/// The message up to the versions.
fn without_versions(secret: &Secret) -> storage::Secret {
    storage::Secret {
        account: secret.account.to_string(),
        region: secret.region.to_string(),
        name: secret.name.to_string(),
        arn_suffix: secret.arn_suffix.to_string(),
        description: secret.description.clone(),
        kms_key: secret.kms_key.map(|key| copied(&key.0)),
        tags: secret.tags.iter().map(storage::Tag::from).collect(),
        tagged: secret.tagged,
        created_ms: secret.created.0,
        changed_ms: secret.changed.0,
        deletion: secret.deletion.map(|deletion| storage::Deletion {
            requested_ms: deletion.requested.0,
            due_ms: deletion.due.0,
        }),
        ..Default::default()
    }
}

fn encode_version(version: &Version, out: &mut Vec<u8>) {
    let numbers = storage::VersionEntry {
        ordinal: version.ordinal.0,
        kind: storage::ValueKind::from(version.kind).into(),
        created_ms: version.created.0,
        ..Default::default()
    };
    let labels = version.labels.iter().map(Label::as_str);
    let texts = labels.clone().map(text_bytes).sum::<usize>() + text_bytes(version.id.as_str());
    encode_key(VERSIONS_FIELD, WireType::LengthDelimited, out);
    encode_varint((numbers.encoded_len() + texts) as u64, out);
    encode_text(ID_FIELD, version.id.as_str(), out);
    numbers.encode_raw(out);
    labels.for_each(|label| encode_text(LABELS_FIELD, label, out));
}

fn encode_text(field: u32, text: &str, out: &mut Vec<u8>) {
    encode_key(field, WireType::LengthDelimited, out);
    encode_varint(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// What [`encode_text`] appends: fields up to 15 have a key of one byte.
fn text_bytes(text: &str) -> usize {
    1 + encoded_len_varint(text.len() as u64) + text.len()
}

impl storage::Secret {
    pub(super) fn with_uid(self, uid: Uid) -> Result<Secret, DecodeError> {
        let versions = self.versions.into_iter().map(Version::try_from);
        let replicas = self.replicas.into_iter().map(TryInto::try_into);
        Ok(Secret {
            uid,
            account: parsed("account", AccountId::new(&self.account))?,
            region: parsed("region", RegionName::new(&self.region))?,
            name: parsed("name", SecretName::new(&self.name))?,
            arn_suffix: parsed("arn suffix", ArnSuffix::new(&self.arn_suffix))?,
            description: self.description,
            kms_key: self.kms_key.map(|key| key_id(&key)).transpose()?,
            tags: self.tags.into_iter().map(Tag::from).collect(),
            tagged: self.tagged,
            created: Stamp(self.created_ms),
            changed: Stamp(self.changed_ms),
            deletion: self.deletion.map(|deletion| Deletion {
                requested: Stamp(deletion.requested_ms),
                due: Stamp(deletion.due_ms),
            }),
            versions: versions.collect::<Result<_, _>>()?,
            next_ordinal: Ordinal(self.next_ordinal),
            replicas: replicas.collect::<Result<_, _>>()?,
            policy: self.resource_policy.as_deref().map(Document::new),
        })
    }
}

impl From<&Tag> for storage::Tag {
    fn from(tag: &Tag) -> storage::Tag {
        storage::Tag {
            key: tag.key.clone(),
            value: tag.value.clone(),
        }
    }
}

impl From<storage::Tag> for Tag {
    fn from(tag: storage::Tag) -> Tag {
        Tag {
            key: tag.key,
            value: tag.value,
        }
    }
}

impl From<&Version> for storage::VersionEntry {
    fn from(version: &Version) -> storage::VersionEntry {
        storage::VersionEntry {
            id: version.id.to_string(),
            ordinal: version.ordinal.0,
            kind: storage::ValueKind::from(version.kind).into(),
            created_ms: version.created.0,
            labels: version.labels.iter().map(Label::to_string).collect(),
        }
    }
}

impl TryFrom<storage::VersionEntry> for Version {
    type Error = DecodeError;

    fn try_from(version: storage::VersionEntry) -> Result<Version, DecodeError> {
        Ok(Version {
            id: parsed("version id", VersionId::new(&version.id))?,
            ordinal: Ordinal(version.ordinal),
            kind: version.kind().try_into()?,
            created: Stamp(version.created_ms),
            labels: labels(&version.labels)?,
        })
    }
}

impl From<ValueKind> for storage::ValueKind {
    fn from(kind: ValueKind) -> storage::ValueKind {
        match kind {
            ValueKind::String => storage::ValueKind::String,
            ValueKind::Binary => storage::ValueKind::Binary,
        }
    }
}

impl TryFrom<storage::ValueKind> for ValueKind {
    type Error = DecodeError;

    fn try_from(kind: storage::ValueKind) -> Result<ValueKind, DecodeError> {
        match kind {
            storage::ValueKind::String => Ok(ValueKind::String),
            storage::ValueKind::Binary => Ok(ValueKind::Binary),
            storage::ValueKind::Unspecified => Err(DecodeError::Field("value kind")),
        }
    }
}

impl From<&SealedValue> for storage::Version {
    fn from(value: &SealedValue) -> storage::Version {
        storage::Version {
            nonce: copied(&value.nonce),
            ciphertext: value.ciphertext.clone(),
            description: None,
        }
    }
}

impl TryFrom<storage::Version> for SealedValue {
    type Error = DecodeError;

    fn try_from(value: storage::Version) -> Result<SealedValue, DecodeError> {
        let nonce = array("nonce", &value.nonce)?;
        Ok(SealedValue {
            nonce,
            ciphertext: value.ciphertext,
        })
    }
}

impl From<&StoredVersion> for storage::Version {
    fn from(version: &StoredVersion) -> storage::Version {
        storage::Version {
            description: version.description.as_ref().map(Into::into),
            ..version.sealed.as_ref().into()
        }
    }
}

impl TryFrom<storage::Version> for StoredVersion {
    type Error = DecodeError;

    fn try_from(mut version: storage::Version) -> Result<StoredVersion, DecodeError> {
        let description = version.description.take();
        Ok(StoredVersion {
            sealed: Arc::new(version.try_into()?),
            description: description.map(TryInto::try_into).transpose()?,
        })
    }
}

impl StoredVersion {
    /// How many bytes of the message follow the ciphertext.
    pub(super) fn bytes_after_ciphertext(&self) -> usize {
        let rest = storage::Version {
            description: self.description.as_ref().map(Into::into),
            ..Default::default()
        };
        rest.encoded_len()
    }
}

impl From<&VersionDescription> for storage::VersionDescription {
    fn from(description: &VersionDescription) -> storage::VersionDescription {
        storage::VersionDescription {
            id: description.id.to_string(),
            kind: storage::ValueKind::from(description.kind).into(),
            created_ms: description.created.0,
        }
    }
}

impl TryFrom<storage::VersionDescription> for VersionDescription {
    type Error = DecodeError;

    fn try_from(
        description: storage::VersionDescription,
    ) -> Result<VersionDescription, DecodeError> {
        Ok(VersionDescription {
            id: parsed("version id", VersionId::new(&description.id))?,
            kind: description.kind().try_into()?,
            created: Stamp(description.created_ms),
        })
    }
}

impl From<&Wrap> for storage::WrapRow {
    fn from(wrap: &Wrap) -> storage::WrapRow {
        storage::WrapRow {
            key_id: copied(&wrap.key_id.0),
            key_version: wrap.key_version,
            wrapped_dek: wrap.wrapped_dek.clone(),
        }
    }
}

impl TryFrom<storage::WrapRow> for Wrap {
    type Error = DecodeError;

    fn try_from(wrap: storage::WrapRow) -> Result<Wrap, DecodeError> {
        Ok(Wrap {
            key_id: key_id(&wrap.key_id)?,
            key_version: wrap.key_version,
            wrapped_dek: wrap.wrapped_dek,
        })
    }
}

pub(super) fn labels(texts: &[String]) -> Result<Vec<Label>, DecodeError> {
    texts
        .iter()
        .map(|text| parsed("label", Label::new(text)))
        .collect()
}

pub(super) fn wrap(wrap: Option<storage::WrapRow>) -> Result<Wrap, DecodeError> {
    required("wrap", wrap)?.try_into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Replica;

    fn secret(versions: u64) -> Secret {
        let version = |number: u64| Version {
            id: VersionId::new(&format!("{number:040}")).unwrap(),
            ordinal: Ordinal(number),
            kind: [ValueKind::String, ValueKind::Binary][(number % 2) as usize],
            created: Stamp(number * 1_000_000_007),
            labels: (0..number % 4)
                .map(|label| Label::new(&"x".repeat(label as usize * 80 + 1)).unwrap())
                .collect(),
        };
        Secret {
            uid: Uid([1; 16]),
            account: AccountId::new("000000000001").unwrap(),
            region: RegionName::new("eu-north-1").unwrap(),
            name: SecretName::new("a/name").unwrap(),
            arn_suffix: ArnSuffix::new("AbC123").unwrap(),
            description: "what it is for".to_owned(),
            kms_key: None,
            tags: vec![Tag {
                key: "team".to_owned(),
                value: String::new(),
            }],
            tagged: true,
            created: Stamp(1),
            changed: Stamp(2),
            deletion: Some(Deletion {
                requested: Stamp(3),
                due: Stamp(4),
            }),
            versions: (0..versions).map(version).collect(),
            next_ordinal: Ordinal(versions),
            replicas: vec![Replica {
                region: RegionName::new("eu-west-1").unwrap(),
                kms_key: Some("alias/there".to_owned()),
                force: true,
            }],
            policy: Some(Document::new("{}")),
        }
    }

    #[test]
    fn a_secret_encoded_in_parts_has_the_bytes_of_its_message() {
        for versions in [0, 1, 5, 130] {
            let secret = secret(versions);
            let mut parts = Vec::new();
            secret.encode_parts(&mut parts);
            assert_eq!(parts, storage::Secret::from(&secret).encode_to_vec());
        }
    }
}
