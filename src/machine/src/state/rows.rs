//! All rows in the order of their keys, for snapshots.

use std::sync::Arc;

use crate::ids::{Hash, Revision, Uid};
use crate::row::{Row, RowKey};
use crate::state::State;
use crate::state::slot::Held;

/// A row, or where to find it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RowRef {
    /// The row.
    Here(Row),
    /// A value that left memory: the store has the row under its key.
    Evicted,
}

impl State {
    /// Finds a row by its key.
    pub fn row(&self, key: &RowKey) -> Option<RowRef> {
        self.full_row(key).or_else(|| {
            let kept = self.withheld.get(key)?;
            Some(RowRef::Here(Row::Withheld(Arc::clone(kept))))
        })
    }

    /// Finds a row that is here with its body.
    fn full_row(&self, key: &RowKey) -> Option<RowRef> {
        let row = match key {
            RowKey::Version(uid, n) => {
                return self.slots.get(uid)?.held(*n).map(|held| value(held));
            }
            RowKey::Machine => Row::Machine(Arc::clone(self.machine.as_ref()?)),
            RowKey::Clock => Row::Clock(Arc::clone(self.clock.as_ref()?)),
            RowKey::Feed(uid) => Row::Feed(Arc::clone(self.feeds.get(uid)?.state.as_ref()?)),
            RowKey::Node(id) => Row::Node(Arc::clone(self.nodes.get(id)?)),
            RowKey::RetiredNode(id) => Row::RetiredNode(Arc::clone(self.retired_nodes.get(id)?)),
            RowKey::JoinToken(id) => Row::JoinToken(Arc::clone(self.join_tokens.get(id)?)),
            RowKey::KmsKey(id) => Row::KmsKey(Arc::clone(self.kms_keys.get(id)?)),
            RowKey::Wrap(uid, n) => Row::Wrap(Arc::clone(self.slots.get(uid)?.wrap(*n)?)),
            RowKey::Access(uid) => Row::Access(Arc::clone(self.slots.get(uid)?.access.as_ref()?)),
            RowKey::Epoch(uid, n) => Row::Epoch(Arc::clone(self.feeds.get(uid)?.epochs.get(n)?)),
            RowKey::Checkpoint(uid) => {
                Row::Checkpoint(Arc::clone(self.feeds.get(uid)?.checkpoint.as_ref()?))
            }
            RowKey::Account(n) => Row::Account(Arc::clone(self.accounts.get(n)?)),
            RowKey::Region(n) => Row::Region(Arc::clone(self.regions.get(n)?)),
            RowKey::Principal(n) => Row::Principal(Arc::clone(self.principals.get(n)?)),
            RowKey::Secret(uid) => Row::Secret(Arc::clone(self.secret_row(uid)?)),
            RowKey::Tombstone(uid) => Row::Tombstone(Arc::clone(self.tombstones.get(uid)?)),
            RowKey::Journal(uid, n) => {
                Row::Journal(Arc::clone(self.feeds.get(uid)?.journal.get(n)?))
            }
            RowKey::LinkToken(id) => Row::LinkToken(Arc::clone(self.link_tokens.get(id)?)),
            RowKey::Introduction => Row::Introduction(Arc::clone(self.introduction.as_ref()?)),
            RowKey::Fence(uid) => Row::Fence(Arc::clone(self.fences.get(uid)?)),
            RowKey::Replica(uid, n) => Row::Replica(Arc::clone(self.replicas.get(&(*uid, *n))?)),
            RowKey::Problem(uid) => Row::Problem(Arc::clone(self.problems.get(uid)?)),
            RowKey::Detached(uid) => Row::Detached(Arc::clone(self.detached.get(uid)?)),
            RowKey::Staging(uid) => {
                Row::Staging(Arc::clone(self.feeds.get(uid)?.staging.as_ref()?))
            }
            RowKey::Staged(uid, n) => Row::Staged(Arc::clone(self.feeds.get(uid)?.staged.get(n)?)),
        };
        Some(RowRef::Here(row))
    }

    /// Says whether a row, read from a store or sent by a peer, is the one this state has under
    /// `key`. A value that left memory is known by its commitment.
    pub fn has_row(&self, key: &RowKey, row: &Row) -> bool {
        if let (RowKey::Version(uid, n), Row::Version(kept)) = (key, row) {
            // What stands for a value that is kept from this region is no value.
            let held = self.slots.get(uid).and_then(|slot| slot.held(*n));
            return held.is_some_and(|held| held.is_of(kept));
        }
        self.row(key) == Some(RowRef::Here(row.clone()))
    }

    /// Gives all rows, sorted by key.
    pub fn rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let hidden = self.withheld.iter();
        let hidden = hidden.map(|(key, k)| here((*key, Row::Withheld(Arc::clone(k)))));
        self.local_rows()
            .chain(self.region_rows())
            .chain(merged(self.feed_rows(), hidden))
            .chain(self.journal_rows())
    }

    /// Gives the local rows about regions, whose kinds come after those of the other local rows.
    fn region_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let tokens = self.link_tokens.iter();
        let tokens = tokens.map(|(id, k)| (RowKey::LinkToken(*id), Row::LinkToken(Arc::clone(k))));
        let introduction = self
            .introduction
            .iter()
            .map(|k| (RowKey::Introduction, Row::Introduction(Arc::clone(k))));
        let fences = self.fences.iter();
        let fences = fences.map(|(uid, k)| (RowKey::Fence(*uid), Row::Fence(Arc::clone(k))));
        let replicas = self.replicas.iter();
        let replicas =
            replicas.map(|((uid, n), k)| (RowKey::Replica(*uid, *n), Row::Replica(Arc::clone(k))));
        let problems = self.problems.iter();
        let problems =
            problems.map(|(uid, k)| (RowKey::Problem(*uid), Row::Problem(Arc::clone(k))));
        let detached = self.detached.iter();
        let detached =
            detached.map(|(uid, k)| (RowKey::Detached(*uid), Row::Detached(Arc::clone(k))));
        let staging = self.feeds.iter().filter_map(|(uid, feed)| {
            let staging = Arc::clone(feed.staging.as_ref()?);
            Some((RowKey::Staging(*uid), Row::Staging(staging)))
        });
        let staged = self.feeds.iter().flat_map(|(uid, feed)| {
            let staged = feed.staged.iter();
            staged.map(|(n, k)| (RowKey::Staged(*uid, *n), Row::Staged(Arc::clone(k))))
        });
        let rows = tokens.chain(introduction).chain(fences).chain(replicas);
        let rows = rows.chain(problems).chain(detached);
        rows.chain(staging).chain(staged).map(here)
    }

    fn local_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let machine = self
            .machine
            .iter()
            .map(|k| (RowKey::Machine, Row::Machine(Arc::clone(k))));
        let clock = self
            .clock
            .iter()
            .map(|k| (RowKey::Clock, Row::Clock(Arc::clone(k))));
        let feeds = self.feeds.iter().filter_map(|(uid, feed)| {
            Some((
                RowKey::Feed(*uid),
                Row::Feed(Arc::clone(feed.state.as_ref()?)),
            ))
        });
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|(id, k)| (RowKey::Node(*id), Row::Node(Arc::clone(k))));
        let retired = self.retired_nodes.iter();
        let retired =
            retired.map(|(id, k)| (RowKey::RetiredNode(*id), Row::RetiredNode(Arc::clone(k))));
        let tokens = self.join_tokens.iter();
        let tokens = tokens.map(|(id, k)| (RowKey::JoinToken(*id), Row::JoinToken(Arc::clone(k))));
        let keys = self.kms_keys.iter();
        let keys = keys.map(|(id, k)| (RowKey::KmsKey(*id), Row::KmsKey(Arc::clone(k))));
        let wraps = self.slots.iter().flat_map(|(uid, slot)| {
            let wraps = slot.all_wraps();
            wraps.map(|(n, k)| (RowKey::Wrap(*uid, n), Row::Wrap(Arc::clone(k))))
        });
        let accesses = self.slots.iter().filter_map(|(uid, slot)| {
            let access = Arc::clone(slot.access.as_ref()?);
            Some((RowKey::Access(*uid), Row::Access(access)))
        });
        let rows = machine
            .chain(clock)
            .chain(feeds)
            .chain(nodes)
            .chain(retired)
            .chain(tokens);
        rows.chain(keys).chain(wraps).chain(accesses).map(here)
    }

    fn feed_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let epochs = self.feeds.iter().flat_map(|(uid, feed)| {
            let epochs = feed.epochs.iter();
            epochs.map(|(n, k)| (RowKey::Epoch(*uid, *n), Row::Epoch(Arc::clone(k))))
        });
        let checkpoints = self.feeds.iter().filter_map(|(uid, feed)| {
            let checkpoint = Arc::clone(feed.checkpoint.as_ref()?);
            Some((RowKey::Checkpoint(*uid), Row::Checkpoint(checkpoint)))
        });
        let accounts = self.accounts.iter();
        let accounts = accounts.map(|(n, k)| (RowKey::Account(*n), Row::Account(Arc::clone(k))));
        let regions = self.regions.iter();
        let regions = regions.map(|(n, k)| (RowKey::Region(*n), Row::Region(Arc::clone(k))));
        let principals = self.principals.iter();
        let principals =
            principals.map(|(n, k)| (RowKey::Principal(*n), Row::Principal(Arc::clone(k))));
        let secrets = self.slots.iter().filter_map(|(uid, slot)| {
            let secret = Arc::clone(slot.secret_row()?);
            Some((RowKey::Secret(*uid), Row::Secret(secret)))
        });
        let versions = self.slots.iter().flat_map(|(uid, slot)| {
            let all = slot.all_held();
            all.map(|(n, held)| (RowKey::Version(*uid, n), value(held)))
        });
        let tombstones = self.tombstones.iter();
        let tombstones =
            tombstones.map(|(uid, k)| (RowKey::Tombstone(*uid), Row::Tombstone(Arc::clone(k))));
        let rows = epochs
            .chain(checkpoints)
            .chain(accounts)
            .chain(regions)
            .chain(principals);
        rows.chain(secrets)
            .map(here)
            .chain(versions)
            .chain(tombstones.map(here))
    }

    /// Finds what stands for a feed row in the hashes, with its body here or not.
    pub fn commitment_of(&self, key: &RowKey) -> Option<Hash> {
        if let RowKey::Version(uid, n) = key
            && let Some(held) = self.slots.get(uid).and_then(|slot| slot.held(*n))
        {
            return Some(held.commitment);
        }
        match self.row(key)? {
            RowRef::Here(row) => Some(row.commitment()),
            RowRef::Evicted => None,
        }
    }

    /// Finds the revision and the commitment of a secret's row.
    pub(crate) fn secret_commitment(&self, uid: &Uid) -> Option<(Revision, Hash)> {
        let kept = self.secret_row(uid)?;
        Some((kept.origin.as_ref()?.revision, kept.commitment))
    }

    /// Gives the rows of all feeds with the uid of the feed they belong to; none in place of a
    /// value that left memory.
    pub(super) fn fed_rows(&self) -> impl Iterator<Item = (RowKey, Option<Row>, Option<Uid>)> + '_ {
        let hidden = self.withheld.iter();
        let hidden = hidden.map(|(key, k)| here((*key, Row::Withheld(Arc::clone(k)))));
        merged(self.feed_rows(), hidden).map(|(key, row)| match row {
            RowRef::Here(row) => {
                let owner = row.origin().map(|origin| origin.feed_uid);
                (key, Some(row), owner)
            }
            RowRef::Evicted => (key, None, self.owner_of(&key)),
        })
    }

    fn owner_of(&self, key: &RowKey) -> Option<Uid> {
        let RowKey::Version(uid, n) = key else {
            return None;
        };
        self.slots.get(uid)?.held(*n)?.feed
    }

    fn journal_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        self.feeds.iter().flat_map(|(uid, feed)| {
            let journal = feed.journal.iter();
            journal.map(|(n, k)| here((RowKey::Journal(*uid, *n), Row::Journal(Arc::clone(k)))))
        })
    }
}

/// Joins two sequences that are sorted by key.
fn merged<'a>(
    left: impl Iterator<Item = (RowKey, RowRef)> + 'a,
    right: impl Iterator<Item = (RowKey, RowRef)> + 'a,
) -> impl Iterator<Item = (RowKey, RowRef)> + 'a {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    std::iter::from_fn(move || match (left.peek(), right.peek()) {
        (Some((a, _)), Some((b, _))) if b < a => right.next(),
        (None, _) => right.next(),
        _ => left.next(),
    })
}

fn here((key, row): (RowKey, Row)) -> (RowKey, RowRef) {
    (key, RowRef::Here(row))
}

fn value(held: &Held) -> RowRef {
    let row = held.row.as_ref();
    row.map_or(RowRef::Evicted, |kept| {
        RowRef::Here(Row::Version(Arc::clone(kept)))
    })
}
