//! Rows about regions: which of them others are told, and what this one knows of them.

use crate::command::{Cursor, NewVersion};
use crate::ids::{Hash, Ordinal, Stamp, Uid};
use crate::names::{Label, RegionName};
use crate::position::{Epoch, FeedId};
use crate::region::{Region, Scope};

/// A feed row whose body is kept from this region: its commitment is in every hash, and nothing
/// opens or names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Withheld;

/// The regions a new one was told of; used until it has the root feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Introduction {
    /// The regions.
    pub regions: Vec<Region>,
    /// Whether others have this region's home feed already: it follows it then.
    pub home_exists: bool,
}

/// A one-time token for a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkToken {
    /// When it stops working.
    pub expires: Stamp,
    /// The region it is for.
    pub region: RegionName,
    /// What the region will receive.
    pub scope: Scope,
    /// Whether it was used.
    pub used: bool,
}

/// The highest ballot heard of for a feed that was this region's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The feed.
    pub feed: FeedId,
    /// The ballot.
    pub epoch: Epoch,
}

/// Why a secret of another region is not kept, or not whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The reason.
    pub kind: ProblemKind,
    /// The reason in words; it may name the secret.
    pub message: String,
    /// Since when.
    pub since: Stamp,
}

/// Where labels of a copy stood before they moved on to versions whose values are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLabels {
    /// The labels.
    pub labels: Vec<KeptLabel>,
}

/// A label that moved on to a version whose value is not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLabel {
    /// The label.
    pub label: Label,
    /// The last version that had it and whose value is here.
    pub ordinal: Ordinal,
}

/// A reason not to keep a row that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// Another secret has the name here.
    NameTaken,
    /// The KMS key does not wrap here.
    Key,
    /// The bytes are no such row, or not what was committed to.
    Malformed,
}

/// A copy that became a secret of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Detached {
    /// The new secret.
    pub new_uid: Uid,
    /// When.
    pub detached: Stamp,
}

/// A version of a copy, sealed anew, that is kept until it is detached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resealed {
    /// The identity that the new secret will have.
    pub new_uid: Uid,
    /// When it was kept.
    pub staged: Stamp,
    /// The version.
    pub version: NewVersion,
}

/// How much of a feed's snapshot is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Staging {
    /// The feed.
    pub feed: FeedId,
    /// Where it stands in the snapshot.
    pub at: Cursor,
    /// Rows kept.
    pub rows: u64,
    /// Their size in bytes.
    pub bytes: u64,
}

impl Staging {
    /// Says whether a part of it was forgotten: it is none of any snapshot any more.
    pub fn is_broken(&self) -> bool {
        self.at.chain == Hash::ZERO
    }
}
