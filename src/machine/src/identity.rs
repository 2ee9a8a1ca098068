//! Identities as the root feed has them, and what belongs to them: policies, credentials, providers
//! and revocations. Documents and keys are text here that nobody reads.

use std::fmt;
use std::sync::Arc;

use crate::entity::{AccessKeyId, Document, EntityKind, EntityName, EntityPath, IssuerUrl};
use crate::ids::{Hash, Stamp, Uid};
use crate::names::{AccountId, RegionName};
use crate::secret::{SealedValue, Tag};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// What it is called, at most 50 characters; empty of the one a cluster begins with.
    pub name: String,
}

/// A user, a group or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Its identity, which its name never is.
    pub uid: Uid,
    /// The account that has it.
    pub account: AccountId,
    /// Where it is kept.
    pub path: EntityPath,
    /// Its name, unique for its account and kind without regard to case; at most 64 characters.
    pub name: EntityName,
    /// What it is.
    pub nature: Nature,
    /// When it was created.
    pub created: Stamp,
    /// When it last changed.
    pub changed: Stamp,
    /// Its tags, in the order they were added; none of a group.
    pub tags: Vec<Tag>,
    /// The managed policies that are attached, in the order they were; at most 20.
    pub attached: Vec<Uid>,
    /// Its inline policies, in the order they were first put; at most 20, and 10,240 characters.
    pub inline: Vec<InlinePolicy>,
    /// The managed policy that bounds what others allow it; none of a group.
    pub boundary: Option<Uid>,
    /// The regions in which it may act, known or not; empty means all.
    pub regions: Vec<RegionName>,
    /// Whether it may act at all.
    pub enabled: bool,
    /// Sessions that were issued earlier are void; 0 for none.
    pub revoked_before: Stamp,
}

/// What an identity is, with what only such a one has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Nature {
    /// A user.
    User {
        /// The groups it is in, in the order it joined them; at most 10.
        groups: Vec<Uid>,
    },
    /// A group of users.
    Group,
    /// A role that others assume.
    Role {
        /// Who may assume it; at most 4,096 characters.
        trust: Document,
        /// The longest session, in seconds: 900 to 43,200.
        session_seconds_max: u32,
    },
}

/// A policy that belongs to one identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InlinePolicy {
    /// Its name, unique in its identity without regard to case.
    pub name: EntityName,
    /// The document.
    pub document: Document,
}

/// A managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its identity.
    pub uid: Uid,
    /// The account that has it.
    pub account: AccountId,
    /// Where it is kept.
    pub path: EntityPath,
    /// Its name, unique in its account without regard to case.
    pub name: EntityName,
    /// The document; at most 16,384 characters.
    pub document: Document,
    /// What it is for; empty for none.
    pub description: String,
    /// When it was created.
    pub created: Stamp,
    /// When it last changed.
    pub changed: Stamp,
}

/// One way to prove to be a user or role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Its identity.
    pub uid: Uid,
    /// Whose it is.
    pub identity: Uid,
    /// What is presented.
    pub proof: Proof,
    /// Whether it is taken.
    pub active: bool,
    /// The regions in which it is taken, known or not; empty means all.
    pub regions: Vec<RegionName>,
    /// When it was created.
    pub created: Stamp,
    /// When it last changed.
    pub changed: Stamp,
}

/// What is presented to prove an identity. No two credentials of a cluster have the same.
#[derive(Clone, PartialEq, Eq)]
pub enum Proof {
    /// A signature with an access key.
    AccessKey {
        /// The key's id.
        id: AccessKeyId,
        /// Its secret. What wraps the key of that is a row of each region.
        sealed: Arc<SealedValue>,
    },
    /// A certificate with exactly this common name of its subject: 1 to 512 characters.
    Subject(String),
    /// A certificate with exactly this URI among its alternative names: at most 2,048 characters.
    Uri(String),
    /// A certificate with a URI that begins like this one up to its last slash. It ends in `/*`.
    UriPrefix(String),
}

/// An OpenID Connect provider whose tokens an account takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Its identity.
    pub uid: Uid,
    /// The account that trusts it.
    pub account: AccountId,
    /// Its URL, unique in its account.
    pub issuer: IssuerUrl,
    /// The audiences of tokens that are taken: 1 to 100, each of 1 to 255 characters.
    pub audiences: Vec<String>,
    /// Its keys as a JWK set, at most 64 KiB; empty for keys that are fetched.
    pub keys: Document,
    /// Its keys as they were fetched last, at most 64 KiB; empty before that, and of pinned ones.
    pub fetched: Document,
    /// The certificates that its server chains to, PEM, at most 32 KiB; empty for those that the
    /// system knows.
    pub authority: Document,
    /// When it was created.
    pub created: Stamp,
    /// When it last changed.
    pub changed: Stamp,
}

/// What is void though it has not ended.
#[derive(Clone, PartialEq, Eq)]
pub struct Revocation {
    /// Its identity.
    pub uid: Uid,
    /// What is void.
    pub what: Revoked,
    /// Why, in at most 256 characters.
    pub reason: String,
    /// When it was made void.
    pub revoked: Stamp,
    /// When it may be forgotten, because what it voids is over then.
    pub until: Stamp,
}

/// Names what is void.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Revoked {
    /// The session of this id: 1 to 128 printable characters.
    Session(String),
    /// The key of certificates: SHA-256 of its SubjectPublicKeyInfo in DER.
    PublicKey(Hash),
}

/// Any of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entity {
    /// A user, a group or a role.
    Identity(Arc<Identity>),
    /// A managed policy.
    Policy(Arc<Policy>),
    /// A credential.
    Credential(Arc<Credential>),
    /// A provider.
    Provider(Arc<Provider>),
    /// A revocation.
    Revocation(Arc<Revocation>),
}

impl Identity {
    /// Says which kind it is: a user, a group or a role.
    pub fn kind(&self) -> EntityKind {
        match self.nature {
            Nature::User { .. } => EntityKind::User,
            Nature::Group => EntityKind::Group,
            Nature::Role { .. } => EntityKind::Role,
        }
    }

    /// Gives the groups it is in; only a user is in any.
    pub fn groups(&self) -> &[Uid] {
        match &self.nature {
            Nature::User { groups } => groups,
            Nature::Group | Nature::Role { .. } => &[],
        }
    }

    /// Finds an inline policy by its name.
    pub fn inline_policy(&self, name: &EntityName) -> Option<&InlinePolicy> {
        self.inline.iter().find(|held| held.name.is_same(name))
    }

    /// Gives all that it refers to: groups, attached policies and its boundary.
    pub(crate) fn refers_to(&self) -> impl Iterator<Item = Uid> {
        let policies = self.attached.iter().chain(&self.boundary);
        self.groups().iter().chain(policies).copied()
    }
}

impl Provider {
    /// Says whether its keys are pinned, and not fetched.
    pub fn is_pinned(&self) -> bool {
        !self.keys.as_str().is_empty()
    }

    /// Gives its keys as a JWK set, pinned or fetched; empty if none were fetched yet.
    pub fn key_set(&self) -> &Document {
        match self.is_pinned() {
            true => &self.keys,
            false => &self.fetched,
        }
    }
}

impl Proof {
    /// Gives the sealed secret of an access key.
    pub fn sealed(&self) -> Option<&Arc<SealedValue>> {
        match self {
            Proof::AccessKey { sealed, .. } => Some(sealed),
            Proof::Subject(_) | Proof::Uri(_) | Proof::UriPrefix(_) => None,
        }
    }

    /// Says whether it is an access key.
    pub fn is_access_key(&self) -> bool {
        self.sealed().is_some()
    }

    /// Shows what is presented: an id, a name or a URI.
    pub fn as_str(&self) -> &str {
        match self {
            Proof::AccessKey { id, .. } => id.as_str(),
            Proof::Subject(text) | Proof::Uri(text) | Proof::UriPrefix(text) => text,
        }
    }
}

impl Entity {
    /// Gives its uid.
    pub fn uid(&self) -> Uid {
        match self {
            Entity::Identity(identity) => identity.uid,
            Entity::Policy(policy) => policy.uid,
            Entity::Credential(credential) => credential.uid,
            Entity::Provider(provider) => provider.uid,
            Entity::Revocation(revocation) => revocation.uid,
        }
    }
}

impl fmt::Debug for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Proof::AccessKey { .. } => "AccessKey(redacted)",
            Proof::Subject(_) => "Subject(redacted)",
            Proof::Uri(_) => "Uri(redacted)",
            Proof::UriPrefix(_) => "UriPrefix(redacted)",
        })
    }
}

impl fmt::Debug for Revocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Revocation")
            .field("uid", &self.uid)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
