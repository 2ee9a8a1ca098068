//! Every reason to refuse an entry. A rejection is a decision all nodes make alike; it displays
//! the text AWS answers where AWS has one.

use std::fmt;

use thiserror::Error;

use crate::entity::{EntityKind, Quota, Reference};
use crate::ids::{Hash, KeyId, MachineVersion, NodeId, Revision, Stamp, Uid};
use crate::limits::{
    AUTHORITIES_MAX, JOIN_TOKENS_MAX, LABELS_MAX, LINK_TOKENS_MAX, NODES_MAX,
    RECOVERY_WINDOW_DAYS_MAX, RECOVERY_WINDOW_DAYS_MIN, REGIONS_MAX, SECRETS_MAX, TAGS_MAX,
    UNLABELLED_VERSIONS_MAX,
};
use crate::names::{AccountId, Label, RegionName, SecretName, VersionId};
use crate::position::{Epoch, FeedId};

pub use crate::field::Field;

/// An ARN as it is shown to a caller. It ends with a secret's name, so its debug form is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct ArnShown(pub String);

impl fmt::Debug for ArnShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ArnShown(redacted)")
    }
}

impl fmt::Display for ArnShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A name as it is shown to a caller. Its debug form is redacted.
#[derive(Clone, PartialEq, Eq)]
pub struct NameShown(pub String);

impl fmt::Debug for NameShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("NameShown(redacted)")
    }
}

impl fmt::Display for NameShown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Why an entry was refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Rejection {
    /// The region is not founded yet.
    #[error("The region is not founded.")]
    NotFounded,
    /// The region was founded before.
    #[error("The region is already founded.")]
    AlreadyFounded,
    /// This build does not know the rules asked for.
    #[error("Machine version {0} is not known.")]
    MachineVersionUnknown(MachineVersion),
    /// Rules are never turned back.
    #[error("Machine version {0} is in force; an older one can't be set.")]
    MachineVersionPassed(MachineVersion),
    /// A stamp lies beyond the end of time.
    #[error("The stamp is out of range.")]
    StampOutOfRange,
    /// A row the decision was based on has changed; decide again.
    #[error("The request was decided on rows that have changed since.")]
    AuthorizationMoved,
    /// A member is longer than its bound.
    #[error(
        "1 validation error detected: Value at '{}' failed to satisfy constraint: Member must \
         have length less than or equal to {max}", field.as_str()
    )]
    TooLong {
        /// The member.
        field: Field,
        /// Its bound.
        max: u64,
    },
    /// There is no such account.
    #[error("Account {0} doesn't exist.")]
    AccountUnknown(AccountId),
    /// The account owns as many secrets as it may.
    #[error("You can't have more than {SECRETS_MAX} secrets in an account.")]
    SecretLimit,
    /// A uid is used once.
    #[error("The uid is in use.")]
    UidTaken(Uid),
    /// The account has a secret of that name.
    #[error("The operation failed because the secret {0} already exists.")]
    NameTaken(SecretName),
    /// The account has a secret of that name, scheduled for deletion.
    #[error(
        "You can't create this secret because a secret with this name is already scheduled for \
         deletion."
    )]
    NameScheduled,
    /// There is no such secret.
    #[error("Secrets Manager can't find the specified secret.")]
    SecretNotFound,
    /// The secret was purged.
    #[error("You can’t perform this operation on the secret because it was deleted.")]
    SecretPurged,
    /// The secret is scheduled for deletion.
    #[error("You can't perform this operation on the secret because it was marked for deletion.")]
    SecretScheduled,
    /// The secret has a version of that id. The caller compares what it holds with the request:
    /// the same is a retry and gets the first answer (R11).
    #[error(
        "You can't use ClientRequestToken {version} because that value is already in use for a \
         version of secret {arn}."
    )]
    VersionExists {
        /// The secret.
        uid: Uid,
        /// The version.
        version: VersionId,
        /// The secret's ARN.
        arn: ArnShown,
    },
    /// The secret has no version of that id.
    #[error("Secrets Manager can't find the specified secret value for VersionId: {0}")]
    VersionNotFound(VersionId),
    /// No version of the secret holds that label.
    #[error("Secrets Manager can't find the specified secret value for staging label: {0}")]
    LabelNotFound(Label),
    /// The version asked for does not hold the label asked for.
    #[error("You provided a VersionStage that is not associated to the provided VersionId.")]
    LabelMismatch,
    /// The secret keeps as many young versions without label as it may.
    #[error(
        "You can't have more than {UNLABELLED_VERSIONS_MAX} versions without staging labels, and \
         the oldest are too young to be removed."
    )]
    VersionLimit,
    /// The secret has as many labels as it may.
    #[error("You can't have more than {LABELS_MAX} staging labels in a secret.")]
    LabelLimit,
    /// A label can't be taken from a version that was not named.
    #[error(
        "The parameter RemoveFromVersionId can't be empty. Staging label {label} is currently \
         attached to version {version}, so you must explicitly reference that version in \
         RemoveFromVersionId."
    )]
    LabelElsewhere {
        /// The label.
        label: Label,
        /// The version that holds it.
        version: VersionId,
    },
    /// A label can't be taken from a version that does not hold it.
    #[error("Staging label {label} is not attached to version {version}.")]
    LabelNotAttached {
        /// The label.
        label: Label,
        /// The version named.
        version: VersionId,
    },
    /// AWSCURRENT moves, but never goes.
    #[error(
        "You can only move staging label AWSCURRENT to a different secret version. It can’t be \
         completely removed."
    )]
    CurrentNotRemovable,
    /// A label move names neither end.
    #[error("You must provide either MoveToVersionId or RemoveFromVersionId.")]
    NothingToMove,
    /// The recovery window is out of range.
    #[error(
        "The RecoveryWindowInDays value must be between {RECOVERY_WINDOW_DAYS_MIN} and \
         {RECOVERY_WINDOW_DAYS_MAX} days (inclusive)."
    )]
    WindowInvalid,
    /// A tag's key or value is too short, too long, or has other characters than it may.
    #[error("The tag key or value isn't valid.")]
    TagInvalid,
    /// A tag's key has the prefix only the service uses.
    #[error("Tag keys that start with aws: are reserved.")]
    TagReserved,
    /// A request names a tag key twice.
    #[error("The request contains duplicate tag keys.")]
    TagDuplicate,
    /// The secret would have too many tags.
    #[error("You can't have more than {TAGS_MAX} tags on a secret.")]
    TagLimit,
    /// There is no such KMS key, or not that version of it.
    #[error("Secrets Manager can't find the specified KMS key.")]
    KeyNotFound(KeyId),
    /// The KMS key may not be used.
    #[error(
        "Secrets Manager can't encrypt the protected secret text using the provided KMS key. \
         Check that the KMS key is available, enabled, and not in an invalid state."
    )]
    KeyUnavailable(KeyId),
    /// A KMS key has no version.
    #[error("The KMS key has no version.")]
    KeyEmpty(KeyId),
    /// There is no such join token.
    #[error("The join token is not known.")]
    JoinTokenUnknown,
    /// The join token has expired.
    #[error("The join token has expired.")]
    JoinTokenExpired(Stamp),
    /// The join token has admitted a node.
    #[error("The join token was already used.")]
    JoinTokenUsed(NodeId),
    /// The join token is known already.
    #[error("The join token was already issued.")]
    JoinTokenExists,
    /// There are too many join tokens.
    #[error("There can't be more than {JOIN_TOKENS_MAX} join tokens.")]
    JoinTokenLimit,
    /// There is no such node.
    #[error("Node {0} is not a member.")]
    NodeNotFound(NodeId),
    /// A node of that id is a member.
    #[error("Node {0} is already a member.")]
    NodeExists(NodeId),
    /// A node of that id was removed; ids are never used again.
    #[error("Node {0} was removed. A node that comes back needs a new id.")]
    NodeRetired(NodeId),
    /// Another node has that public key.
    #[error("Another node has the public key {0}.")]
    NodeKeyTaken(Hash),
    /// The last node can't be removed.
    #[error("The last node can't be removed.")]
    NodeLast(NodeId),
    /// There are too many nodes.
    #[error("There can't be more than {NODES_MAX} nodes.")]
    NodeLimit,
    /// This region has no such feed.
    #[error("Feed {0} is not known.")]
    FeedNotFound(FeedId),
    /// An access day lies in the future.
    #[error("Day {0} lies in the future.")]
    DayAhead(u32),
    /// Another region is primary of the secret's feed.
    #[error(
        "Operation not permitted on a replica secret. Call must be made in primary secret's region."
    )]
    NotPrimary {
        /// The feed.
        feed: FeedId,
        /// Its primary.
        region: RegionName,
    },
    /// Another region took the feed over: this one writes to it no more.
    #[error("Feed {feed} was taken over in epoch {epoch}. Call that region.")]
    Fenced {
        /// The feed.
        feed: FeedId,
        /// The ballot that was heard of.
        epoch: Epoch,
    },
    /// No secret can be shared with that region.
    #[error("Invalid replica region.")]
    ReplicaRegionInvalid(RegionName),
    /// The secret has copies.
    #[error(
        "You can't delete secret {arn} that still has replica regions [{}].",
        listed(regions)
    )]
    ReplicasRemain {
        /// The secret's ARN.
        arn: ArnShown,
        /// The regions that hold a copy.
        regions: Vec<RegionName>,
    },
    /// The secret is no copy of another region's.
    #[error("The secret isn't a replica.")]
    NotAReplica,
    /// Nothing but the commitment of the secret ever came here.
    #[error("The secret is not in this region.")]
    SecretWithheld(Uid),
    /// A detached copy lacks versions that the request does not bring.
    #[error("The replica changed while it was detached. Try again.")]
    VersionsMissing,
    /// As many copies as may be are being detached in steps.
    #[error("Too many replicas are made secrets of their own at once. Try again.")]
    DetachLimit,
    /// The feed stands elsewhere than the request follows on.
    #[error("Feed {feed} stands at revision {now}.")]
    CursorMoved {
        /// The feed.
        feed: FeedId,
        /// Where it stands.
        now: Revision,
    },
    /// What another region sent is not its feed.
    #[error("The stream of feed {feed} is broken at revision {at}: {}.", flaw.as_str())]
    StreamBroken {
        /// The feed.
        feed: FeedId,
        /// The revision at which it is.
        at: Revision,
        /// What is wrong.
        flaw: Flaw,
    },
    /// This region is primary of the feed and takes nothing in.
    #[error("This region is primary of feed {0}.")]
    FeedIsOurs(FeedId),
    /// The rows that are kept are of another snapshot, or not as many.
    #[error("Another snapshot of feed {0} is being received.")]
    SnapshotMoved(FeedId),
    /// The snapshot does not continue what this region has of the feed.
    #[error("The snapshot of feed {0} does not continue what this region has of it.")]
    SnapshotForeign(FeedId),
    /// There is no such link token.
    #[error("The link token is not known.")]
    LinkTokenUnknown,
    /// The link token has expired.
    #[error("The link token has expired.")]
    LinkTokenExpired(Stamp),
    /// The link token has linked a region, or is for another one.
    #[error("The link token was already used, or is for another region.")]
    LinkTokenUsed,
    /// The link token is known already.
    #[error("The link token was already issued.")]
    LinkTokenExists,
    /// There are too many link tokens.
    #[error("There can't be more than {LINK_TOKENS_MAX} link tokens.")]
    LinkTokenLimit,
    /// Another issuer signs than the one that was seen, or none.
    #[error("Another issuer signs by now, or none does: look at `certs status`.")]
    IssuerMoved,
    /// An issuer was retired, or its certificate or sealed key has no possible size.
    #[error("The issuer can't be used: it was retired, or is not of the expected form.")]
    IssuerInvalid,
    /// There are too many issuers that are trusted.
    #[error("There can't be more than {AUTHORITIES_MAX} issuers: retire those replaced.")]
    IssuerLimit,
    /// The directory has no such region.
    #[error("Region {0} is not linked.")]
    RegionUnknown(RegionName),
    /// The directory has the region.
    #[error(
        "Region {0} is already linked. To build it anew, promote another region over it first."
    )]
    RegionExists(RegionName),
    /// The region was taken out of the directory.
    #[error("Region {0} was unlinked. A region that comes back needs a new name.")]
    RegionUnlinked(RegionName),
    /// The directory is full.
    #[error("There can't be more than {REGIONS_MAX} regions.")]
    RegionLimit,
    /// What is said of a region is out of its bounds.
    #[error("What is said of region {0} is incomplete or too much.")]
    RegionInvalid(RegionName),
    /// The region is primary of a feed.
    #[error("Region {region} is primary of feed {feed}. Promote another region over it first.")]
    RegionIsPrimary {
        /// The region.
        region: RegionName,
        /// A feed it is primary of.
        feed: FeedId,
    },
    /// The region is primary of no feed that is held here.
    #[error("Region {0} is primary of no feed that this region could take over.")]
    NothingToTakeOver(RegionName),
    /// A region that receives only some of the secrets cannot lead the feed.
    #[error("Only a region that receives every secret can lead feed {0}.")]
    ScopeNeeded(FeedId),
    /// The feed holds as much as it may.
    #[error("Feed {0} can't hold more than it does.")]
    FeedLimit(FeedId),
    /// Secrets there are could be taken for those of a region of that name.
    #[error("Region {0} can't be linked under that name. Choose another one.")]
    RegionNameUnusable(RegionName),
    /// The rules in force do not know what is asked for.
    #[error("Machine version {0} is needed. Upgrade every node, then run upgrade finalize.")]
    MachineVersionNeeded(MachineVersion),
    /// A member has not the form, or not the value, it must have.
    #[error("1 validation error detected: Value at '{}' is not valid.", .0.as_str())]
    FieldInvalid(Field),
    /// There is another of that name, or that presents the same.
    #[error("{} with name {} already exists.", capital(.0.as_str()), .1)]
    EntityAlreadyExists(EntityKind, NameShown),
    /// There is no such thing.
    #[error("The {} cannot be found.", .0.as_str())]
    NoSuchEntity(EntityKind),
    /// Something is left that refers to it or belongs to it.
    #[error("Cannot delete entity, {}.", .0.as_str())]
    DeleteConflict(Reference),
    /// The newest session key is younger than it has to be for another one.
    #[error("The newest session key was made at {0}, too short a time ago for another one.")]
    SessionKeyYoung(Stamp),
    /// There are as many as there may be, or it is as long as it may be.
    #[error("Cannot exceed quota for {}: {}", .0.as_str(), .1)]
    LimitExceeded(Quota, u64),
}

/// What is wrong with a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A header or a body cannot be read.
    Malformed,
    /// A change is of another feed.
    OtherFeed,
    /// A revision is left out, repeated or out of order.
    Gap,
    /// An epoch does not follow on the one before.
    Epoch,
    /// A row is of a kind that the feed does not carry.
    Kind,
    /// A body is not what its header commits to.
    Commitment,
    /// A row is another feed's.
    Foreign,
    /// A checkpoint is not about the place it stands at.
    Checkpoint,
    /// Rows are not in the order of their keys.
    Order,
    /// A row that never changes is put a second time.
    Repeated,
}

impl Flaw {
    /// Names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Flaw::Malformed => "a message cannot be read",
            Flaw::OtherFeed => "a change is of another feed",
            Flaw::Gap => "a revision is missing, repeated or out of order",
            Flaw::Epoch => "an epoch does not follow on the one before",
            Flaw::Kind => "a row is of a kind the feed does not carry",
            Flaw::Commitment => "a body is not what its header commits to",
            Flaw::Foreign => "a row belongs to another feed",
            Flaw::Checkpoint => "a checkpoint is not about its own place",
            Flaw::Order => "rows are not in the order of their keys",
            Flaw::Repeated => "a row that never changes is put a second time",
        }
    }
}

/// Begins a sentence with a word.
fn capital(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn listed(regions: &[RegionName]) -> String {
    let names: Vec<&str> = regions.iter().map(RegionName::as_str).collect();
    names.join(", ")
}

impl Rejection {
    /// Names the AWS error.
    #[rustfmt::skip]
    pub fn aws_name(&self) -> &'static str {
        match self {
            Rejection::TooLong { .. } => "ValidationException",
            Rejection::NameTaken(_) | Rejection::VersionExists { .. } => "ResourceExistsException",
            Rejection::SecretNotFound | Rejection::VersionNotFound(_) | Rejection::LabelNotFound(_)
            | Rejection::KeyNotFound(_) | Rejection::NodeNotFound(_) | Rejection::RegionUnknown(_)
            | Rejection::FeedNotFound(_) => "ResourceNotFoundException",
            Rejection::SecretLimit | Rejection::VersionLimit | Rejection::LabelLimit
            | Rejection::JoinTokenLimit | Rejection::LinkTokenLimit | Rejection::RegionLimit
            | Rejection::FeedLimit(_) | Rejection::NodeLimit | Rejection::IssuerLimit
                => "LimitExceededException",
            Rejection::LabelElsewhere { .. } | Rejection::LabelNotAttached { .. }
            | Rejection::CurrentNotRemovable | Rejection::NothingToMove | Rejection::WindowInvalid
            | Rejection::TagInvalid | Rejection::TagReserved | Rejection::TagDuplicate
            | Rejection::TagLimit | Rejection::NotPrimary { .. }
            | Rejection::ReplicaRegionInvalid(_) | Rejection::ReplicasRemain { .. }
            | Rejection::RegionInvalid(_) | Rejection::RegionNameUnusable(_)
                => "InvalidParameterException",
            Rejection::KeyUnavailable(_) => "EncryptionFailure",
            Rejection::JoinTokenUnknown | Rejection::JoinTokenExpired(_)
            | Rejection::JoinTokenUsed(_) | Rejection::LinkTokenUnknown
            | Rejection::LinkTokenExpired(_) | Rejection::LinkTokenUsed => "AccessDeniedException",
            Rejection::NotFounded | Rejection::AlreadyFounded | Rejection::MachineVersionUnknown(_)
            | Rejection::MachineVersionPassed(_) | Rejection::StampOutOfRange
            | Rejection::AuthorizationMoved | Rejection::AccountUnknown(_) | Rejection::UidTaken(_)
            | Rejection::NameScheduled | Rejection::SecretPurged | Rejection::SecretScheduled
            | Rejection::LabelMismatch | Rejection::KeyEmpty(_) | Rejection::JoinTokenExists
            | Rejection::NodeExists(_) | Rejection::NodeRetired(_) | Rejection::NodeKeyTaken(_)
            | Rejection::NodeLast(_) | Rejection::DayAhead(_) | Rejection::Fenced { .. }
            | Rejection::NotAReplica | Rejection::SecretWithheld(_) | Rejection::VersionsMissing
            | Rejection::DetachLimit | Rejection::SessionKeyYoung(_)
            | Rejection::CursorMoved { .. } | Rejection::StreamBroken { .. }
            | Rejection::FeedIsOurs(_) | Rejection::SnapshotMoved(_) | Rejection::SnapshotForeign(_)
            | Rejection::LinkTokenExists | Rejection::RegionExists(_) | Rejection::RegionUnlinked(_)
            | Rejection::RegionIsPrimary { .. } | Rejection::NothingToTakeOver(_)
            | Rejection::ScopeNeeded(_) | Rejection::MachineVersionNeeded(_)
            | Rejection::IssuerMoved | Rejection::IssuerInvalid
                => "InvalidRequestException",
            Rejection::FieldInvalid(_) => "ValidationException",
            Rejection::EntityAlreadyExists(..) => "EntityAlreadyExists",
            Rejection::NoSuchEntity(_) => "NoSuchEntity",
            Rejection::DeleteConflict(_) => "DeleteConflict",
            Rejection::LimitExceeded(..) => "LimitExceeded",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_rejection_shows_a_name_for_debugging() {
        let version = VersionId::new(&"v".repeat(32)).unwrap();
        let arn = "arn:aws:secretsmanager:eu-west-1:000000000000:secret:canary-AbCdEf";
        let taken = Rejection::NameTaken(SecretName::new("canary").unwrap());
        let exists = Rejection::VersionExists {
            uid: Uid([1; 16]),
            version,
            arn: ArnShown(arn.to_owned()),
        };
        let shown = NameShown("canary".to_owned());
        let entity = Rejection::EntityAlreadyExists(EntityKind::User, shown);
        for rejection in [taken, exists, entity] {
            assert!(rejection.to_string().contains("canary"));
            assert!(!format!("{rejection:?}").contains("canary"));
        }
    }
}
