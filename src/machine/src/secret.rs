//! A secret as the machine knows it: metadata, versions and labels, never a value in clear.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::arn::Arn;
use crate::entity::Document;
use crate::ids::{Hash, KeyId, Ordinal, Stamp, Uid};
use crate::names::{AccountId, ArnSuffix, Label, RegionName, SecretName, VersionId};
use crate::rejection::Rejection;

/// A secret's metadata.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its identity.
    pub uid: Uid,
    /// The account that owns it.
    pub account: AccountId,
    /// The region its ARN shows.
    pub region: RegionName,
    /// Its name, unique in its account.
    pub name: SecretName,
    /// What ends its ARN.
    pub arn_suffix: ArnSuffix,
    /// Its description; empty for none.
    pub description: String,
    /// The KMS key for new versions; none means the default key.
    pub kms_key: Option<KeyId>,
    /// Its tags, in the order they were added.
    pub tags: Vec<Tag>,
    /// Whether it was ever tagged.
    pub tagged: bool,
    /// When it was created.
    pub created: Stamp,
    /// When its metadata or labels last changed; strictly greater after each change.
    pub changed: Stamp,
    /// Its scheduled deletion.
    pub deletion: Option<Deletion>,
    /// Its versions, oldest first. In its row those without labels are left out, which their own
    /// rows describe: a row that is written with each put stays small.
    pub versions: Vec<Version>,
    /// The ordinal of the next version.
    pub next_ordinal: Ordinal,
    /// The regions it was shared with, in the order they were added.
    pub replicas: Vec<Replica>,
    /// Its resource policy, of at most 20,480 characters.
    pub policy: Option<Document>,
}

/// A region that a secret was shared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replica {
    /// The region.
    pub region: RegionName,
    /// The key there, as the caller named it; none for the region's default key.
    pub kms_key: Option<String>,
    /// Whether a secret of that name there gives way.
    pub force: bool,
}

/// A tag.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Tag {
    /// Its key, unique in its secret.
    pub key: String,
    /// Its value, maybe empty.
    pub value: String,
}

/// A scheduled deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When it was asked for.
    pub requested: Stamp,
    /// When the secret may be purged.
    pub due: Stamp,
}

/// One version of a secret, without its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// Its id, which is its ClientRequestToken.
    pub id: VersionId,
    /// Its number within the secret.
    pub ordinal: Ordinal,
    /// How its value was given.
    pub kind: ValueKind,
    /// When it was created.
    pub created: Stamp,
    /// Its labels; a version without any is deprecated.
    pub labels: Vec<Label>,
}

/// What never changes about a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDescription {
    /// Its id.
    pub id: VersionId,
    /// How its value was given.
    pub kind: ValueKind,
    /// When it was created.
    pub created: Stamp,
}

/// A version's row; immutable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredVersion {
    /// The value.
    pub sealed: Arc<SealedValue>,
    /// What it is the value of; none in rows made before machine version 2, whose secret says it.
    pub description: Option<VersionDescription>,
}

/// How a caller gave a value, and therefore how it is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueKind {
    /// `SecretString`.
    String,
    /// `SecretBinary`.
    Binary,
}

/// A value's ciphertext; immutable.
#[derive(Clone, PartialEq, Eq)]
pub struct SealedValue {
    /// The nonce.
    pub nonce: [u8; 12],
    /// Ciphertext and authentication tag.
    pub ciphertext: Bytes,
}

/// Where a value is.
#[derive(Debug, Clone)]
pub enum Value {
    /// In memory.
    Here(Arc<SealedValue>),
    /// Only in the store, under the row's key.
    Evicted,
}

/// The wrapped key of one version.
#[derive(Clone, PartialEq, Eq)]
pub struct Wrap {
    /// The KMS key that wraps it.
    pub key_id: KeyId,
    /// That key's version.
    pub key_version: u32,
    /// The wrapped data key.
    pub wrapped_dek: Bytes,
}

impl Secret {
    /// Hashes what decisions about it look at and what may change: its tags and its policy.
    pub fn grounds(&self) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(b"strongroom grounds v1");
        let mut part = |text: &str| {
            hasher.update(u64::try_from(text.len()).unwrap_or(u64::MAX).to_be_bytes());
            hasher.update(text.as_bytes());
        };
        for tag in &self.tags {
            part(&tag.key);
            part(&tag.value);
        }
        // A mark that no list of tags ends in: they come in pairs.
        part("");
        if let Some(policy) = &self.policy {
            part(policy.as_str());
        }
        Hash(hasher.finalize().into())
    }

    /// Gives the full ARN.
    pub fn arn(&self) -> Arn {
        Arn {
            region: self.region.clone(),
            account: self.account.clone(),
            name: self.name.clone(),
            suffix: self.arn_suffix,
        }
    }

    /// Copies it with room for one more version.
    pub(crate) fn with_room(&self) -> Secret {
        let mut versions = Vec::with_capacity(self.versions.len().saturating_add(1));
        versions.extend_from_slice(&self.versions);
        Secret {
            versions,
            ..self.without_versions()
        }
    }

    /// Copies all but the versions.
    pub(crate) fn without_versions(&self) -> Secret {
        Secret {
            uid: self.uid,
            account: self.account.clone(),
            region: self.region.clone(),
            name: self.name.clone(),
            arn_suffix: self.arn_suffix,
            description: self.description.clone(),
            kms_key: self.kms_key,
            tags: self.tags.clone(),
            tagged: self.tagged,
            created: self.created,
            changed: self.changed,
            deletion: self.deletion,
            versions: Vec::new(),
            next_ordinal: self.next_ordinal,
            replicas: self.replicas.clone(),
            policy: self.policy.clone(),
        }
    }

    /// Gives what a region that the secret was shared with was told.
    pub fn replica(&self, region: &RegionName) -> Option<&Replica> {
        self.replicas
            .iter()
            .find(|replica| replica.region == *region)
    }

    /// Gives the full ARN as it is shown in a region.
    pub fn arn_in(&self, region: &RegionName) -> Arn {
        Arn {
            region: region.clone(),
            ..self.arn()
        }
    }

    /// Finds a version by its id.
    pub fn version(&self, id: &VersionId) -> Option<&Version> {
        self.versions.iter().find(|version| version.id == *id)
    }

    /// Finds the version that holds a label.
    pub fn labelled(&self, label: &str) -> Option<&Version> {
        self.versions.iter().find(|version| version.holds(label))
    }

    /// Finds the current version.
    pub fn current(&self) -> Option<&Version> {
        self.labelled(Label::CURRENT)
    }

    /// Finds the version a read asks for: by id, by label, or by both if they agree; AWSCURRENT if
    /// by neither.
    pub fn select(
        &self,
        id: Option<&VersionId>,
        label: Option<&Label>,
    ) -> Result<&Version, Rejection> {
        let Some(id) = id else {
            let label = label.cloned().unwrap_or_else(Label::current);
            return self
                .labelled(label.as_str())
                .ok_or(Rejection::LabelNotFound(label));
        };
        let version = self
            .version(id)
            .ok_or_else(|| Rejection::VersionNotFound(id.clone()))?;
        match label {
            Some(label) if !version.holds(label.as_str()) => Err(Rejection::LabelMismatch),
            _ => Ok(version),
        }
    }

    /// Says whether the secret waits to be purged.
    pub fn is_scheduled(&self) -> bool {
        self.deletion.is_some()
    }
}

impl Version {
    /// Says whether the version holds a label.
    pub fn holds(&self, label: &str) -> bool {
        self.labels.iter().any(|held| held.as_str() == label)
    }
}

impl VersionDescription {
    /// Gives the version, without labels.
    pub(crate) fn version(&self, ordinal: Ordinal) -> Version {
        Version {
            id: self.id.clone(),
            ordinal,
            kind: self.kind,
            created: self.created,
            labels: Vec::new(),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("uid", &self.uid)
            .field("changed", &self.changed)
            .field("deletion", &self.deletion)
            .field("versions", &self.versions.len())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tag(redacted)")
    }
}

impl fmt::Debug for SealedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealedValue({} bytes)", self.ciphertext.len())
    }
}

impl fmt::Debug for Wrap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wrap")
            .field("key_id", &self.key_id)
            .field("key_version", &self.key_version)
            .finish_non_exhaustive()
    }
}
