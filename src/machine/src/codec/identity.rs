//! Identities and what belongs to them, as rows, commands and answers carry them.

use std::sync::Arc;

use crate::codec::session::sealed;
use crate::codec::{DecodeError, copied, hash, parsed, required, uid};
use crate::entity::{AccessKeyId, Document, EntityName, EntityPath, IssuerUrl};
use crate::identity::{
    Account, Credential, Entity, Identity, InlinePolicy, Nature, Policy, Proof, Provider,
    Revocation, Revoked,
};
use crate::ids::{Stamp, Uid};
use crate::names::{AccountId, RegionName};
use crate::secret::Tag;
use crate::storage;
use crate::storage::credential::Proof as WireProof;
use crate::storage::entity_outcome::Entity as WireEntity;
use crate::storage::revocation::What;

impl From<&Account> for storage::Account {
    fn from(account: &Account) -> storage::Account {
        storage::Account {
            id: account.id.to_string(),
            name: account.name.clone(),
        }
    }
}

impl TryFrom<storage::Account> for Account {
    type Error = DecodeError;

    fn try_from(account: storage::Account) -> Result<Account, DecodeError> {
        Ok(Account {
            id: self::account(&account.id)?,
            name: account.name,
        })
    }
}

impl From<&Nature> for storage::Identity {
    /// What only such an identity has; all else is left out.
    fn from(nature: &Nature) -> storage::Identity {
        let mut identity = storage::Identity::default();
        let kind = match nature {
            Nature::User { groups } => {
                identity.groups = uids_of(groups);
                storage::IdentityKind::User
            }
            Nature::Group => storage::IdentityKind::Group,
            Nature::Role {
                trust,
                session_seconds_max,
            } => {
                identity.trust = trust.as_str().to_owned();
                identity.session_seconds_max = *session_seconds_max;
                storage::IdentityKind::Role
            }
        };
        identity.set_kind(kind);
        identity
    }
}

impl From<&Identity> for storage::Identity {
    fn from(identity: &Identity) -> storage::Identity {
        storage::Identity {
            account: identity.account.to_string(),
            path: identity.path.to_string(),
            name: identity.name.to_string(),
            created_ms: identity.created.0,
            changed_ms: identity.changed.0,
            tags: identity.tags.iter().map(Into::into).collect(),
            attached: uids_of(&identity.attached),
            inline: identity.inline.iter().map(Into::into).collect(),
            boundary: identity.boundary.map(|policy| copied(&policy.0)),
            regions: names_of(&identity.regions),
            disabled: !identity.enabled,
            revoked_before_ms: identity.revoked_before.0,
            ..(&identity.nature).into()
        }
    }
}

impl storage::Identity {
    fn nature(&self) -> Result<Nature, DecodeError> {
        let is_role = !self.trust.is_empty() || self.session_seconds_max > 0;
        let is_user = !self.groups.is_empty();
        match self.kind() {
            storage::IdentityKind::User if !is_role => Ok(Nature::User {
                groups: uids(&self.groups)?,
            }),
            storage::IdentityKind::Group if !is_role && !is_user => Ok(Nature::Group),
            storage::IdentityKind::Role if !is_user => Ok(Nature::Role {
                trust: Document::new(&self.trust),
                session_seconds_max: self.session_seconds_max,
            }),
            _ => Err(DecodeError::Field("identity kind")),
        }
    }

    pub(super) fn with_uid(self, uid: Uid) -> Result<Identity, DecodeError> {
        let nature = self.nature()?;
        let inline = self.inline.into_iter().map(TryInto::try_into);
        Ok(Identity {
            uid,
            account: account(&self.account)?,
            path: parsed("path", EntityPath::new(&self.path))?,
            name: parsed("name", EntityName::new(&self.name))?,
            nature,
            created: Stamp(self.created_ms),
            changed: Stamp(self.changed_ms),
            tags: self.tags.into_iter().map(Tag::from).collect(),
            attached: uids(&self.attached)?,
            inline: inline.collect::<Result<_, _>>()?,
            boundary: self.boundary.as_deref().map(self::uid).transpose()?,
            regions: names(&self.regions)?,
            enabled: !self.disabled,
            revoked_before: Stamp(self.revoked_before_ms),
        })
    }
}

impl From<&InlinePolicy> for storage::InlinePolicy {
    fn from(policy: &InlinePolicy) -> storage::InlinePolicy {
        storage::InlinePolicy {
            name: policy.name.to_string(),
            document: policy.document.as_str().to_owned(),
        }
    }
}

impl TryFrom<storage::InlinePolicy> for InlinePolicy {
    type Error = DecodeError;

    fn try_from(policy: storage::InlinePolicy) -> Result<InlinePolicy, DecodeError> {
        Ok(InlinePolicy {
            name: parsed("name", EntityName::new(&policy.name))?,
            document: Document::new(&policy.document),
        })
    }
}

impl From<&Policy> for storage::ManagedPolicy {
    fn from(policy: &Policy) -> storage::ManagedPolicy {
        storage::ManagedPolicy {
            account: policy.account.to_string(),
            path: policy.path.to_string(),
            name: policy.name.to_string(),
            document: policy.document.as_str().to_owned(),
            description: policy.description.clone(),
            created_ms: policy.created.0,
            changed_ms: policy.changed.0,
        }
    }
}

impl storage::ManagedPolicy {
    pub(super) fn with_uid(self, uid: Uid) -> Result<Policy, DecodeError> {
        Ok(Policy {
            uid,
            account: account(&self.account)?,
            path: parsed("path", EntityPath::new(&self.path))?,
            name: parsed("name", EntityName::new(&self.name))?,
            document: Document::new(&self.document),
            description: self.description,
            created: Stamp(self.created_ms),
            changed: Stamp(self.changed_ms),
        })
    }
}

impl From<&Proof> for WireProof {
    fn from(proof: &Proof) -> WireProof {
        match proof {
            Proof::AccessKey { id, sealed } => WireProof::AccessKey(storage::AccessKey {
                id: id.to_string(),
                sealed: Some(sealed.as_ref().into()),
            }),
            Proof::Subject(name) => WireProof::Subject(name.clone()),
            Proof::Uri(uri) => WireProof::Uri(uri.clone()),
            Proof::UriPrefix(prefix) => WireProof::UriPrefix(prefix.clone()),
        }
    }
}

impl TryFrom<WireProof> for Proof {
    type Error = DecodeError;

    fn try_from(proof: WireProof) -> Result<Proof, DecodeError> {
        Ok(match proof {
            WireProof::AccessKey(key) => Proof::AccessKey {
                id: parsed("access key", AccessKeyId::new(&key.id))?,
                sealed: sealed(key.sealed)?,
            },
            WireProof::Subject(name) => Proof::Subject(name),
            WireProof::Uri(uri) => Proof::Uri(uri),
            WireProof::UriPrefix(prefix) => Proof::UriPrefix(prefix),
        })
    }
}

impl From<&Credential> for storage::Credential {
    fn from(credential: &Credential) -> storage::Credential {
        storage::Credential {
            identity: copied(&credential.identity.0),
            proof: Some((&credential.proof).into()),
            inactive: !credential.active,
            regions: names_of(&credential.regions),
            created_ms: credential.created.0,
            changed_ms: credential.changed.0,
        }
    }
}

impl storage::Credential {
    pub(super) fn with_uid(self, uid: Uid) -> Result<Credential, DecodeError> {
        Ok(Credential {
            uid,
            identity: self::uid(&self.identity)?,
            proof: required("proof", self.proof)?.try_into()?,
            active: !self.inactive,
            regions: names(&self.regions)?,
            created: Stamp(self.created_ms),
            changed: Stamp(self.changed_ms),
        })
    }
}

impl From<&Provider> for storage::Provider {
    fn from(provider: &Provider) -> storage::Provider {
        storage::Provider {
            account: provider.account.to_string(),
            issuer: provider.issuer.to_string(),
            audiences: provider.audiences.clone(),
            keys: provider.keys.as_str().to_owned(),
            created_ms: provider.created.0,
            changed_ms: provider.changed.0,
            fetched: provider.fetched.as_str().to_owned(),
            authority: provider.authority.as_str().to_owned(),
        }
    }
}

impl storage::Provider {
    pub(super) fn with_uid(self, uid: Uid) -> Result<Provider, DecodeError> {
        Ok(Provider {
            uid,
            account: account(&self.account)?,
            issuer: parsed("issuer", IssuerUrl::new(&self.issuer))?,
            audiences: self.audiences,
            keys: Document::new(&self.keys),
            fetched: Document::new(&self.fetched),
            authority: Document::new(&self.authority),
            created: Stamp(self.created_ms),
            changed: Stamp(self.changed_ms),
        })
    }
}

impl From<&Revoked> for What {
    fn from(what: &Revoked) -> What {
        match what {
            Revoked::Session(id) => What::Session(id.clone()),
            Revoked::PublicKey(key) => What::PublicKey(copied(&key.0)),
        }
    }
}

impl From<&Revocation> for storage::Revocation {
    fn from(revocation: &Revocation) -> storage::Revocation {
        storage::Revocation {
            what: Some((&revocation.what).into()),
            reason: revocation.reason.clone(),
            revoked_ms: revocation.revoked.0,
            until_ms: revocation.until.0,
        }
    }
}

impl storage::Revocation {
    pub(super) fn with_uid(self, uid: Uid) -> Result<Revocation, DecodeError> {
        let what = match required("what", self.what)? {
            What::Session(id) => Revoked::Session(id),
            What::PublicKey(key) => Revoked::PublicKey(hash("public key", &key)?),
        };
        Ok(Revocation {
            uid,
            what,
            reason: self.reason,
            revoked: Stamp(self.revoked_ms),
            until: Stamp(self.until_ms),
        })
    }
}

impl From<&Entity> for storage::EntityOutcome {
    fn from(entity: &Entity) -> storage::EntityOutcome {
        let uid = copied(&entity.uid().0);
        let entity = Some(match entity {
            Entity::Identity(identity) => WireEntity::Identity(identity.as_ref().into()),
            Entity::Policy(policy) => WireEntity::Policy(policy.as_ref().into()),
            Entity::Credential(credential) => WireEntity::Credential(credential.as_ref().into()),
            Entity::Provider(provider) => WireEntity::Provider(provider.as_ref().into()),
            Entity::Revocation(revocation) => WireEntity::Revocation(revocation.as_ref().into()),
        });
        storage::EntityOutcome { uid, entity }
    }
}

impl TryFrom<storage::EntityOutcome> for Entity {
    type Error = DecodeError;

    fn try_from(outcome: storage::EntityOutcome) -> Result<Entity, DecodeError> {
        let uid = uid(&outcome.uid)?;
        Ok(match required("entity", outcome.entity)? {
            WireEntity::Identity(identity) => Entity::Identity(Arc::new(identity.with_uid(uid)?)),
            WireEntity::Policy(policy) => Entity::Policy(Arc::new(policy.with_uid(uid)?)),
            WireEntity::Credential(credential) => {
                Entity::Credential(Arc::new(credential.with_uid(uid)?))
            }
            WireEntity::Provider(provider) => Entity::Provider(Arc::new(provider.with_uid(uid)?)),
            WireEntity::Revocation(revocation) => {
                Entity::Revocation(Arc::new(revocation.with_uid(uid)?))
            }
        })
    }
}

pub(super) fn account(text: &str) -> Result<AccountId, DecodeError> {
    parsed("account", AccountId::new(text))
}

fn uids_of(uids: &[Uid]) -> Vec<bytes::Bytes> {
    uids.iter().map(|uid| copied(&uid.0)).collect()
}

fn uids(wire: &[bytes::Bytes]) -> Result<Vec<Uid>, DecodeError> {
    wire.iter().map(|bytes| uid(bytes)).collect()
}

pub(super) fn names_of(regions: &[RegionName]) -> Vec<String> {
    regions.iter().map(RegionName::to_string).collect()
}

pub(super) fn names(wire: &[String]) -> Result<Vec<RegionName>, DecodeError> {
    let names = wire.iter();
    names
        .map(|name| parsed("region", RegionName::new(name)))
        .collect()
}
