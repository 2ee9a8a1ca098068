//! Commands about identities, and about the resource policies of secrets. Machine version 4 and
//! later take them; but for what is said beside them, the primary of the root feed alone.

use std::sync::Arc;

use crate::command::Seen;
use crate::entity::{Document, EntityName, EntityPath, IssuerUrl};
use crate::identity::{InlinePolicy, Nature, Proof, Revoked};
use crate::ids::{Stamp, Uid};
use crate::names::{AccountId, RegionName};
use crate::secret::{SealedValue, Tag, Wrap};
use crate::session::SigningKey;

/// Adds an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateAccount {
    /// Its id, free in the cluster.
    pub id: AccountId,
    /// What it is called: 1 to 50 printable ASCII characters.
    pub name: String,
    /// What the decision used.
    pub seen: Seen,
}

/// Creates a user, a group or a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateIdentity {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// The account that will have it.
    pub account: AccountId,
    /// Where it is kept.
    pub path: EntityPath,
    /// Its name, free for its account and kind.
    pub name: EntityName,
    /// What it is.
    pub nature: Nature,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its permissions boundary.
    pub boundary: Option<Uid>,
    /// The regions in which it may act; empty means all.
    pub regions: Vec<RegionName>,
    /// What the decision used.
    pub seen: Seen,
}

/// Changes one thing about an identity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateIdentity {
    /// The identity.
    pub uid: Uid,
    /// What to change.
    pub change: IdentityChange,
    /// What the decision used.
    pub seen: Seen,
}

/// One thing that may change about an identity. What is so already is accepted and changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IdentityChange {
    /// Sets who may assume a role.
    Trust(Document),
    /// Sets or takes away the permissions boundary.
    Boundary(Option<Uid>),
    /// Sets the regions in which it may act; empty means all.
    Regions(Vec<RegionName>),
    /// Adds or overwrites tags.
    Tag(Vec<Tag>),
    /// Removes tags by their keys; unknown ones are ignored.
    Untag(Vec<String>),
    /// Says whether it may act at all.
    Enabled(bool),
    /// Sets the longest session of a role, in seconds.
    SessionSecondsMax(u32),
    /// Attaches a managed policy of its account.
    Attach(Uid),
    /// Detaches a managed policy.
    Detach(Uid),
    /// Puts an inline policy, in the place of the one of that name if there is one.
    PutInline(InlinePolicy),
    /// Deletes an inline policy.
    DeleteInline(EntityName),
    /// Makes a user a member of a group of its account.
    Join(Uid),
    /// Takes a user out of a group; one that is in it not is left as it is.
    Leave(Uid),
    /// Voids all sessions that were issued before now.
    RevokeSessions,
}

/// Deletes an identity that nothing refers to and that has nothing attached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteIdentity {
    /// The identity.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

/// Creates a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreatePolicy {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// The account that will have it.
    pub account: AccountId,
    /// Where it is kept.
    pub path: EntityPath,
    /// Its name, free in its account.
    pub name: EntityName,
    /// The document.
    pub document: Document,
    /// What it is for; empty for none.
    pub description: String,
    /// What the decision used.
    pub seen: Seen,
}

/// Changes a managed policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdatePolicy {
    /// The policy.
    pub uid: Uid,
    /// The new document; none keeps it.
    pub document: Option<Document>,
    /// The new description; none keeps it.
    pub description: Option<String>,
    /// What the decision used.
    pub seen: Seen,
}

/// Deletes a managed policy that no identity has attached or for its boundary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeletePolicy {
    /// The policy.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

/// Adds a way to prove to be a user or role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateCredential {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// Whose it is: a user, or unless it is an access key a role.
    pub identity: Uid,
    /// What is presented, which no other credential has.
    pub proof: Proof,
    /// The regions in which it is taken; empty means all.
    pub regions: Vec<RegionName>,
    /// The key of an access key's secret, wrapped; none of anything else.
    pub wrap: Option<Wrap>,
    /// What the decision used.
    pub seen: Seen,
}

/// Changes one thing about a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateCredential {
    /// The credential.
    pub uid: Uid,
    /// What to change.
    pub change: CredentialChange,
    /// What the decision used.
    pub seen: Seen,
}

/// One thing that may change about a credential. What is so already is accepted and changes
/// nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialChange {
    /// Says whether it is taken.
    Active(bool),
    /// Sets the regions in which it is taken; empty means all.
    Regions(Vec<RegionName>),
}

/// Deletes a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteCredential {
    /// The credential.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

/// Puts a wrap in the place of the one there is of what a row of the root feed seals: an access
/// key's secret, or a session key. Every region takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrapRoot {
    /// The credential, or the session key.
    pub uid: Uid,
    /// The wrap.
    pub wrap: Wrap,
}

/// Adds a session key, and forgets all but the one before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RotateSessionKey {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// The key, sealed.
    pub sealed: Arc<SealedValue>,
    /// What wraps the key of that here.
    pub wrap: Wrap,
    /// How old the newest one has to be, in milliseconds.
    pub age_min_ms: u64,
}

/// Keeps the key by which this region signs sessions, if it has none, or the same one under
/// another wrap. Every region takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeepSigningKey {
    /// The key. Its stamp is that of the entry.
    pub key: SigningKey,
}

/// Trusts an OpenID Connect provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateProvider {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// The account that will trust it.
    pub account: AccountId,
    /// Its URL, free in its account.
    pub issuer: IssuerUrl,
    /// The audiences of tokens that are taken.
    pub audiences: Vec<String>,
    /// Its keys as a JWK set; empty for keys that are fetched.
    pub keys: Document,
    /// The certificates that its server chains to, PEM; empty for those that the system knows.
    pub authority: Document,
    /// What the decision used.
    pub seen: Seen,
}

/// Changes what is known of a provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateProvider {
    /// The provider.
    pub uid: Uid,
    /// The new audiences; empty keeps them.
    pub audiences: Vec<String>,
    /// The new keys, empty for keys that are fetched; none keeps them.
    pub keys: Option<Document>,
    /// The new keys as they were fetched; none keeps them. Of a provider whose keys are pinned they
    /// are left out.
    pub fetched: Option<Document>,
    /// The new authority; none keeps it.
    pub authority: Option<Document>,
    /// What the decision used.
    pub seen: Seen,
}

/// Trusts a provider no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteProvider {
    /// The provider.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

/// Voids one session, or a certificate's key. What is void already stays so until the later end.
#[derive(Clone, PartialEq, Eq)]
pub struct Revoke {
    /// Its identity, random, as the root feed gives it out.
    pub uid: Uid,
    /// What is void.
    pub what: Revoked,
    /// Why.
    pub reason: String,
    /// When it may be forgotten; if that is past, nothing is left to be void.
    pub until: Stamp,
    /// What the decision used.
    pub seen: Seen,
}

/// Forgets the oldest revocations that are over, so many in one entry: see
/// [`crate::limits::FORGOTTEN_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForgetRevocations;

/// Gives a secret a resource policy. The primary of the secret's feed takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutResourcePolicy {
    /// The secret.
    pub uid: Uid,
    /// The policy: 1 to 20,480 characters.
    pub document: Document,
    /// What the decision used.
    pub seen: Seen,
}

/// Takes a secret's resource policy away. The primary of the secret's feed takes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteResourcePolicy {
    /// The secret.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

impl std::fmt::Debug for Revoke {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Revoke")
            .field("uid", &self.uid)
            .field("until", &self.until)
            .finish_non_exhaustive()
    }
}
