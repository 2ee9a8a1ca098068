//! What may be asked of the machine. Plain types: `decide` checks what they say.

mod feed;
mod identity;
mod issuer;
mod region;
mod seen;

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use crate::ids::{ClusterId, Hash, KeyId, MachineVersion, NodeId, Revision, Stamp, Uid};
use crate::names::{AccountId, ArnSuffix, Label, RegionName, SecretName, VersionId};
use crate::position::FeedId;
use crate::row::{Introduction, RowKey};
use crate::secret::{Replica, SealedValue, Tag, ValueKind, Wrap};

pub use identity::{
    CreateAccount, CreateCredential, CreateIdentity, CreatePolicy, CreateProvider,
    CredentialChange, DeleteCredential, DeleteIdentity, DeletePolicy, DeleteProvider,
    DeleteResourcePolicy, ForgetRevocations, IdentityChange, KeepSigningKey, PutResourcePolicy,
    Revoke, RewrapRoot, RotateSessionKey, UpdateCredential, UpdateIdentity, UpdatePolicy,
    UpdateProvider,
};
pub use issuer::{PutIssuer, RetireIssuers};
pub use region::{
    ActivateSnapshot, Cursor, DetachSecret, FenceFeed, FillRows, ForgetStaged, ImportChanges,
    ImportedChange, IssueLinkToken, LinkRegion, MendBucket, ReplicaReport, ReportReplicas,
    RewrapSecret, SentBody, ShareSecret, StageDetach, StageRows, StagedRow, TakeOver, UnlinkRegion,
    UnshareSecret, UpdateRegion,
};

/// A request to change the state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Founds the region: the first entry ever.
    Found(Found),
    /// Creates a secret.
    CreateSecret(CreateSecret),
    /// Adds a version.
    PutSecretValue(PutSecretValue),
    /// Changes description or key, or adds a current version.
    UpdateSecret(UpdateSecret),
    /// Moves or removes a label.
    UpdateSecretVersionStage(UpdateSecretVersionStage),
    /// Schedules a deletion, or purges.
    DeleteSecret(DeleteSecret),
    /// Calls off a scheduled deletion.
    RestoreSecret(RestoreSecret),
    /// Purges a secret whose recovery window has ended.
    PurgeSecret(PurgeSecret),
    /// Adds or overwrites tags.
    TagResource(TagResource),
    /// Removes tags.
    UntagResource(UntagResource),
    /// Records that versions were read on a day.
    RecordAccess(RecordAccess),
    /// Makes a one-time join token known.
    IssueJoinToken(IssueJoinToken),
    /// Admits a node that presented a join token.
    AdmitNode(AdmitNode),
    /// Removes a node and its pin.
    RemoveNode(RemoveNode),
    /// Turns on the rules of a machine version.
    SetMachineVersion(SetMachineVersion),
    /// Writes a feed's checkpoint.
    Checkpoint(Checkpoint),
    /// Drops the oldest journal rows of a feed.
    TrimFeed(TrimFeed),
    /// Adds regions to those that hold a copy of a secret.
    ShareSecret(ShareSecret),
    /// Takes regions out of those that hold a copy of a secret.
    UnshareSecret(UnshareSecret),
    /// Makes a secret of its own of a copy.
    DetachSecret(DetachSecret),
    /// Takes in what a region says of its copies.
    ReportReplicas(ReportReplicas),
    /// Makes a one-time token for a region known.
    IssueLinkToken(IssueLinkToken),
    /// Puts a region that presented a token into the directory.
    LinkRegion(LinkRegion),
    /// Changes what the directory says of a region.
    UpdateRegion(UpdateRegion),
    /// Takes a region out of the directory.
    UnlinkRegion(UnlinkRegion),
    /// Takes in changes of another region's feed.
    ImportChanges(ImportChanges),
    /// Takes in rows of which only the commitments were known.
    FillRows(FillRows),
    /// Keeps a part of a feed's snapshot.
    StageRows(StageRows),
    /// Puts a snapshot in the place of the feed.
    ActivateSnapshot(ActivateSnapshot),
    /// Puts the rows of one bucket right.
    MendBucket(MendBucket),
    /// Makes this region primary of another one's feeds.
    TakeOver(TakeOver),
    /// Takes note of a higher ballot.
    FenceFeed(FenceFeed),
    /// Forgets what is kept of a feed's snapshot.
    ForgetStaged(ForgetStaged),
    /// Puts wraps in the place of those there are.
    RewrapSecret(RewrapSecret),
    /// Keeps versions of a copy, sealed anew.
    StageDetach(StageDetach),
    /// Adds an account.
    CreateAccount(CreateAccount),
    /// Creates a user, a group or a role.
    CreateIdentity(CreateIdentity),
    /// Changes one thing about an identity.
    UpdateIdentity(UpdateIdentity),
    /// Deletes an identity.
    DeleteIdentity(DeleteIdentity),
    /// Creates a managed policy.
    CreatePolicy(CreatePolicy),
    /// Changes a managed policy.
    UpdatePolicy(UpdatePolicy),
    /// Deletes a managed policy.
    DeletePolicy(DeletePolicy),
    /// Adds a way to prove an identity.
    CreateCredential(CreateCredential),
    /// Changes one thing about a credential.
    UpdateCredential(UpdateCredential),
    /// Deletes a credential.
    DeleteCredential(DeleteCredential),
    /// Puts a wrap in the place of the one there is of what a row of the root feed seals.
    RewrapRoot(RewrapRoot),
    /// Trusts an OpenID Connect provider.
    CreateProvider(CreateProvider),
    /// Changes what is known of a provider.
    UpdateProvider(UpdateProvider),
    /// Trusts a provider no more.
    DeleteProvider(DeleteProvider),
    /// Voids a session, or a certificate's key.
    Revoke(Revoke),
    /// Forgets revocations that are over.
    ForgetRevocations(ForgetRevocations),
    /// Gives a secret a resource policy.
    PutResourcePolicy(PutResourcePolicy),
    /// Takes a secret's resource policy away.
    DeleteResourcePolicy(DeleteResourcePolicy),
    /// Adds a session key.
    RotateSessionKey(RotateSessionKey),
    /// Keeps the key by which this region signs sessions.
    KeepSigningKey(KeepSigningKey),
    /// Makes an issuer of nodes' certificates the one that signs.
    PutIssuer(PutIssuer),
    /// Trusts those before no more.
    RetireIssuers(RetireIssuers),
}

/// Founds a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The cluster.
    pub cluster: ClusterId,
    /// The region.
    pub region: RegionName,
    /// The default account.
    pub account: AccountId,
    /// The client name that may do everything.
    pub administrator: String,
    /// The key for secrets that name no other.
    pub default_key: KmsKey,
    /// The first node.
    pub node: Node,
    /// The rules to start with.
    pub machine_version: MachineVersion,
    /// The regions it is linked to; none in the first region of a cluster, which owns the root
    /// feed.
    pub introduction: Option<Introduction>,
}

/// A KMS key: a row of its region only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KmsKey {
    /// Its id.
    pub id: KeyId,
    /// Its alias, with `alias/` in front; empty for none.
    pub alias: String,
    /// Its state.
    pub state: KeyState,
    /// Its versions, oldest first; the last one wraps.
    pub versions: Vec<KeyVersion>,
}

/// What a KMS key may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Everything.
    Enabled,
    /// Nothing.
    Disabled,
    /// Nothing, and it will be dropped.
    PendingDeletion,
}

/// A version of a KMS key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyVersion {
    /// Its number, from 1.
    pub version: u32,
    /// The key, wrapped by the root key.
    pub wrapped: Bytes,
    /// When it was created.
    pub created: Stamp,
}

/// A member node and the key pinned for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its id, never used before.
    pub id: NodeId,
    /// Where peers reach it, `host:port`.
    pub peer_address: String,
    /// Where clients reach it, `host:port`.
    pub api_address: String,
    /// SHA-256 of its SubjectPublicKeyInfo in DER.
    pub public_key: Hash,
}

/// The rows a decision outside the machine was based on. If one has changed since, the command is
/// rejected and the caller decides again (R9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Seen(pub Vec<SeenRow>);

/// A row a decision used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenRow {
    /// The row's key.
    pub key: RowKey,
    /// As what the decision saw it.
    pub seen: SeenAs,
}

/// As what a row was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SeenAs {
    /// As this revision wrote it last.
    Revision(Revision),
    /// A secret: with these grounds for decisions, see [`crate::Secret::grounds`]. Writes of values
    /// do not move them, so that those who write to one secret do not hinder each other. Machine
    /// version 4 and later take it.
    Grounds(Hash),
}

/// A version to be added, already sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// The ClientRequestToken, which becomes its id.
    pub id: VersionId,
    /// How the value was given.
    pub kind: ValueKind,
    /// The sealed value.
    pub sealed: Arc<SealedValue>,
    /// Its key, wrapped.
    pub wrap: Wrap,
}

/// Creates a secret.
#[derive(Clone, PartialEq, Eq)]
pub struct CreateSecret {
    /// The new secret's identity, random.
    pub uid: Uid,
    /// The account that will own it.
    pub account: AccountId,
    /// Its name.
    pub name: SecretName,
    /// Six random characters for its ARN.
    pub arn_suffix: ArnSuffix,
    /// Its description; empty for none.
    pub description: String,
    /// Its key; none means the default key.
    pub kms_key: Option<KeyId>,
    /// Its tags.
    pub tags: Vec<Tag>,
    /// Its first version.
    pub new: Option<NewVersion>,
    /// The region whose home feed it is made in; none means this one's.
    pub region: Option<RegionName>,
    /// The regions it is shared with.
    pub replicas: Vec<Replica>,
    /// What the decision used.
    pub seen: Seen,
}

/// Adds a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PutSecretValue {
    /// The secret.
    pub uid: Uid,
    /// The version.
    pub new: NewVersion,
    /// The labels to attach; empty means AWSCURRENT.
    pub labels: Vec<Label>,
    /// Versions younger than this are never pruned.
    pub young_protection_ms: u64,
    /// What the decision used.
    pub seen: Seen,
}

/// Changes description or key, or adds a current version.
#[derive(Clone, PartialEq, Eq)]
pub struct UpdateSecret {
    /// The secret.
    pub uid: Uid,
    /// The new description; none keeps it.
    pub description: Option<String>,
    /// The new key; the outer none keeps it, the inner one means the default key.
    pub kms_key: Option<Option<KeyId>>,
    /// Wraps of kept versions under the new key.
    pub rewrapped: Vec<(VersionId, Wrap)>,
    /// A new current version.
    pub new: Option<NewVersion>,
    /// Versions younger than this are never pruned.
    pub young_protection_ms: u64,
    /// What the decision used.
    pub seen: Seen,
}

/// Moves or removes one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateSecretVersionStage {
    /// The secret.
    pub uid: Uid,
    /// The label.
    pub label: Label,
    /// The version that holds it.
    pub remove_from: Option<VersionId>,
    /// The version that gets it.
    pub move_to: Option<VersionId>,
    /// What the decision used.
    pub seen: Seen,
}

/// Schedules a deletion, or purges at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteSecret {
    /// The secret.
    pub uid: Uid,
    /// The recovery window in days; none purges at once.
    pub window_days: Option<u32>,
    /// What the decision used.
    pub seen: Seen,
}

/// Calls off a scheduled deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestoreSecret {
    /// The secret.
    pub uid: Uid,
    /// What the decision used.
    pub seen: Seen,
}

/// Purges a secret whose recovery window has ended. Judged by stamp: too early, or not the
/// deletion the proposer saw, and it changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PurgeSecret {
    /// The secret.
    pub uid: Uid,
    /// The end of the window the proposer saw.
    pub deletion_date: Stamp,
}

/// Adds or overwrites tags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagResource {
    /// The secret.
    pub uid: Uid,
    /// The tags.
    pub tags: Vec<Tag>,
    /// What the decision used.
    pub seen: Seen,
}

/// Removes tags.
#[derive(Clone, PartialEq, Eq)]
pub struct UntagResource {
    /// The secret.
    pub uid: Uid,
    /// The keys; unknown ones are ignored.
    pub keys: Vec<String>,
    /// What the decision used.
    pub seen: Seen,
}

/// Records that versions were read on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordAccess {
    /// Days since the Unix epoch, UTC.
    pub day: u32,
    /// What was read; what is gone by now is ignored.
    pub touched: Vec<(Uid, VersionId)>,
}

/// Makes a one-time join token known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueJoinToken {
    /// SHA-256 of the token.
    pub digest: Hash,
    /// When it stops working.
    pub expires: Stamp,
}

/// Admits a node that presented a join token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AdmitNode {
    /// SHA-256 of the token.
    pub token_digest: Hash,
    /// The node.
    pub node: Node,
}

/// Removes a node and its pin; its id is never used again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoveNode {
    /// The node.
    pub node: NodeId,
}

/// Turns on the rules of a machine version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetMachineVersion {
    /// The version.
    pub version: MachineVersion,
}

/// Writes a feed's checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// The feed.
    pub feed: FeedId,
}

/// Drops the oldest journal rows of a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrimFeed {
    /// The feed.
    pub feed: FeedId,
    /// The last revision to drop.
    pub upto: Revision,
}

impl fmt::Debug for KeyVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyVersion")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CreateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSecret")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UpdateSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UpdateSecret")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for UntagResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UntagResource")
            .field("uid", &self.uid)
            .finish_non_exhaustive()
    }
}
