//! The state: every row in persistent maps, so that a clone is O(1), and what is derived from them.
//! Rows change only by [`State::evolve`]; everything derived follows from the rows alone.

mod entities;
mod evolve;
mod feed;
mod followed;
mod identities;
mod load;
mod names;
mod parts;
mod query;
mod regions;
mod rows;
mod slot;
#[cfg(test)]
mod tests;
mod value;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::command::{KmsKey, Node};
use crate::hash::BucketSums;
use crate::ids::{Hash, KeyId, NodeId, Ordinal, Stamp, Uid};
use crate::names::AccountId;
use crate::region::{Region, ReplicaStatus};
use crate::row::{
    Clock, Detached, Fence, Introduction, Issuers, JoinToken, Kept, KeptLabels, LinkToken, Machine,
    Principal, Problem, Resealed, RetiredNode, RowKey, Tombstone, Withheld,
};
use crate::state::entities::Entities;
use crate::state::names::Names;
use crate::state::slot::Slot;

pub use feed::{Feed, NotHeld, Weight};
pub use load::LoadError;
pub use rows::RowRef;

/// Everything a region knows.
#[derive(Clone, Default)]
pub struct State {
    machine: Option<Arc<Kept<Machine>>>,
    clock: Option<Arc<Kept<Clock>>>,
    feeds: OrdMap<Uid, Feed>,
    nodes: OrdMap<NodeId, Arc<Kept<Node>>>,
    retired_nodes: OrdMap<NodeId, Arc<Kept<RetiredNode>>>,
    join_tokens: OrdMap<Hash, Arc<Kept<JoinToken>>>,
    kms_keys: OrdMap<KeyId, Arc<Kept<KmsKey>>>,
    regions: OrdMap<Ordinal, Arc<Kept<Region>>>,
    principals: OrdMap<Ordinal, Arc<Kept<Principal>>>,
    entities: Entities,
    /// The rows of secrets, by uid: metadata, values, wraps and access dates.
    slots: OrdMap<Uid, Arc<Slot>>,
    tombstones: OrdMap<Uid, Arc<Kept<Tombstone>>>,
    link_tokens: OrdMap<Hash, Arc<Kept<LinkToken>>>,
    introduction: Option<Arc<Kept<Introduction>>>,
    issuers: Option<Arc<Kept<Issuers>>>,
    /// Ballots heard of, by the feed's uid.
    fences: OrdMap<Uid, Arc<Kept<Fence>>>,
    /// What regions said of their copies, by the region's number in the directory.
    replicas: OrdMap<(Uid, Ordinal), Arc<Kept<ReplicaStatus>>>,
    problems: OrdMap<Uid, Arc<Kept<Problem>>>,
    detached: OrdMap<Uid, Arc<Kept<Detached>>>,
    /// Versions of copies that are to be detached, sealed anew.
    resealed: OrdMap<(Uid, Ordinal), Arc<Kept<Resealed>>>,
    labels: OrdMap<Uid, Arc<Kept<KeptLabels>>>,
    /// Feed rows of all kinds whose bodies are kept from this region.
    withheld: OrdMap<RowKey, Arc<Kept<Withheld>>>,
    derived: Derived,
}

/// What follows from the rows and is never stored.
#[derive(Clone, Default)]
struct Derived {
    /// Sums over the local rows; those of feed rows are with their feed.
    local_sums: BucketSums,
    names: Names,
    /// Secrets that are here, but for the values of some versions, or all but such values.
    incomplete: OrdSet<Uid>,
    by_creation: OrdSet<(AccountId, Stamp, Uid)>,
    by_deletion: OrdSet<(Stamp, Uid)>,
    /// How many secrets an account has in a feed.
    owned: OrdMap<(Uid, AccountId), usize>,
    secrets: u64,
    versions: u64,
    resident_value_bytes: u64,
    value_bytes: u64,
}

/// How much the state holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Secrets, scheduled ones included.
    pub secrets: u64,
    /// Versions, with their values in memory or not.
    pub versions: u64,
    /// Secrets that wait to be purged.
    pub scheduled: u64,
    /// Tombstones of purged secrets.
    pub tombstones: u64,
    /// Feed rows whose bodies are kept from this region.
    pub withheld: u64,
    /// Secrets of other regions that could not be taken in, or not whole.
    pub problems: u64,
    /// Bytes of all sealed values.
    pub value_bytes: u64,
    /// Bytes of the sealed values in memory.
    pub resident_value_bytes: u64,
    /// Bytes of all journals.
    pub journal_bytes: u64,
}

impl State {
    /// Makes the state before the first entry.
    pub fn new() -> State {
        State::default()
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}
