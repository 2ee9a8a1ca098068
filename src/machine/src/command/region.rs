//! Commands about regions: sharing secrets with them, following their feeds, taking these over.
//! Machine version 3 and later take them.

use bytes::Bytes;

use crate::command::{NewVersion, Seen};
use crate::hash::Bucket;
use crate::ids::{Hash, KeyId, Revision, Stamp, Uid};
use crate::names::{RegionName, VersionId};
use crate::position::{Epoch, FeedId};
use crate::region::{Region, ReplicaState, Scope};
use crate::row::{Row, RowKey};
use crate::secret::{Replica, Wrap};

/// Adds regions to those that hold a copy of a secret, or changes their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareSecret {
    /// The secret.
    pub uid: Uid,
    /// The regions, each at most once.
    pub replicas: Vec<Replica>,
    /// What the decision used.
    pub seen: Seen,
}

/// Takes regions out of those that hold a copy of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnshareSecret {
    /// The secret.
    pub uid: Uid,
    /// The regions; those without a copy are passed over.
    pub regions: Vec<RegionName>,
    /// What the decision used.
    pub seen: Seen,
}

/// Makes a secret of its own of a copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DetachSecret {
    /// The copy.
    pub uid: Uid,
    /// The new secret's identity, random.
    pub new_uid: Uid,
    /// The versions the copy has, sealed anew, but for those that are kept so already.
    pub versions: Vec<NewVersion>,
    /// The KMS key of the new secret; none means the default key.
    pub kms_key: Option<KeyId>,
    /// What the decision used.
    pub seen: Seen,
}

/// Keeps versions of a copy, sealed anew, until it is detached: all may be too long for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageDetach {
    /// The copy.
    pub uid: Uid,
    /// The identity that the new secret will have; what is kept for another one is forgotten.
    pub new_uid: Uid,
    /// The versions; without any all that is kept is forgotten.
    pub versions: Vec<NewVersion>,
}

/// Takes in what a region says of its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportReplicas {
    /// The region.
    pub region: RegionName,
    /// What it says.
    pub replicas: Vec<ReplicaReport>,
}

/// What a region says of one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplicaReport {
    /// The secret.
    pub uid: Uid,
    /// How far the copy is.
    pub state: ReplicaState,
    /// Why it failed; empty unless it did.
    pub message: String,
    /// The day it was last read, since the Unix epoch; 0 for never.
    pub access_day: u32,
}

/// Makes a one-time token known with which one region may be linked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssueLinkToken {
    /// SHA-256 of the token.
    pub digest: Hash,
    /// When it stops working.
    pub expires: Stamp,
    /// The region it is for.
    pub region: RegionName,
    /// What the region will receive.
    pub scope: Scope,
}

/// Puts a region that presented a link token into the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkRegion {
    /// SHA-256 of the token.
    pub token_digest: Hash,
    /// The region. Its scope is the token's.
    pub region: Region,
}

/// Changes what the directory says of a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpdateRegion {
    /// The region; a founder's scope keeps the one there is, and without authorities and nodes
    /// those there are stay.
    pub region: Region,
}

/// Takes a region out of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnlinkRegion {
    /// The region.
    pub region: RegionName,
}

/// Where a feed stands at one change: what the next one has to follow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// The epoch; none before the first change.
    pub epoch: Option<Epoch>,
    /// The revision; 0 before the first change.
    pub revision: Revision,
    /// The chain hash.
    pub chain: Hash,
}

/// Takes in changes of a feed that another region is primary of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportChanges {
    /// The feed.
    pub feed: FeedId,
    /// Where the feed has to stand.
    pub after: Cursor,
    /// The changes that follow.
    pub changes: Vec<ImportedChange>,
}

/// One change as another region sent it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportedChange {
    /// The exact bytes of the header.
    pub header: Bytes,
    /// The row, if it is put and was sent.
    pub body: Option<SentBody>,
}

/// A row's body as another region sent it.
#[derive(Clone, PartialEq, Eq)]
pub struct SentBody {
    /// What hides it behind the commitment.
    pub blind: Hash,
    /// Its exact bytes.
    pub bytes: Bytes,
    /// The value's key, wrapped for this region; of a row only that seals something.
    pub wrap: Option<Wrap>,
    /// Why it cannot be taken; empty if it can. Only the proposer knows a key that does not wrap.
    pub problem: String,
}

/// Takes in rows of which only the commitments were known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FillRows {
    /// The feed.
    pub feed: FeedId,
    /// The rows.
    pub rows: Vec<(RowKey, SentBody)>,
}

/// Keeps a part of a feed's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StageRows {
    /// The feed.
    pub feed: FeedId,
    /// Where it stands in the snapshot.
    pub at: Cursor,
    /// How many rows came before; 0 begins anew.
    pub first: u64,
    /// The rows, in the order of their keys.
    pub rows: Vec<StagedRow>,
}

/// A row of a feed's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StagedRow {
    /// Its key.
    pub key: RowKey,
    /// The row, withheld where the region may not have the body.
    pub row: Row,
    /// The value's key, wrapped for this region; of a row only that seals something and has its
    /// body.
    pub wrap: Option<Wrap>,
    /// Why it cannot be taken; empty if it can.
    pub problem: String,
}

/// Forgets what is kept of a feed's snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetStaged {
    /// The feed.
    pub feed: FeedId,
}

/// Puts wraps in the place of those there are of a secret that is here, led from here or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RewrapSecret {
    /// The secret.
    pub uid: Uid,
    /// The wraps, by version.
    pub wraps: Vec<(VersionId, Wrap)>,
}

/// Puts a snapshot that was kept in the place of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActivateSnapshot {
    /// The feed.
    pub feed: FeedId,
    /// Where it stands in the snapshot.
    pub at: Cursor,
    /// The feed hash there.
    pub feed_hash: Hash,
    /// How many rows were kept.
    pub rows: u64,
}

/// Puts the rows of one bucket of a feed hash right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MendBucket {
    /// The feed.
    pub feed: FeedId,
    /// Where the primary read the rows, and where the feed has to stand.
    pub at: Cursor,
    /// The bucket.
    pub bucket: Bucket,
    /// All its rows, in the order of their keys. Values are fetched after it, whether they come
    /// with it or not.
    pub rows: Vec<StagedRow>,
}

/// Makes this region primary of the feeds of another one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakeOver {
    /// The region that is lost.
    pub region: RegionName,
    /// The highest ballots heard of, at most one for each feed.
    pub heard: Vec<(FeedId, Epoch)>,
}

/// Takes note that another region is primary of a feed by a higher ballot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FenceFeed {
    /// The feed.
    pub feed: FeedId,
    /// The ballot.
    pub epoch: Epoch,
}

impl std::fmt::Debug for SentBody {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SentBody({} bytes)", self.bytes.len())
    }
}
