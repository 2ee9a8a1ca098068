//! All rows in the order of their keys, for snapshots.

use std::sync::Arc;

use imbl::OrdMap;

use crate::ids::{Hash, Uid};
use crate::row::{Kept, Row, RowKey};
use crate::state::slot::Held;
use crate::state::{Feed, State};

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
            RowKey::Resealed(uid, n) => Row::Resealed(Arc::clone(self.resealed.get(&(*uid, *n))?)),
            RowKey::KeptLabels(uid) => Row::KeptLabels(Arc::clone(self.labels.get(uid)?)),
            RowKey::Issuers => Row::Issuers(Arc::clone(self.issuers.as_ref()?)),
            RowKey::Account(_)
            | RowKey::Identity(_)
            | RowKey::Policy(_)
            | RowKey::Credential(_)
            | RowKey::Provider(_)
            | RowKey::Revocation(_)
            | RowKey::SessionKey(_)
            | RowKey::RootWrap(_)
            | RowKey::SigningKey => self.entity_row(key)?,
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
        self.local_rows()
            .chain(self.region_rows())
            .chain(merged(self.feed_rows(), self.hidden_rows()))
            .chain(self.journal_rows())
    }

    /// Gives the local rows about regions, whose kinds come after those of the other local rows.
    fn region_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let replica = |(uid, number)| RowKey::Replica(uid, number);
        let resealed = |(uid, number)| RowKey::Resealed(uid, number);
        let staged = self.feeds.iter().flat_map(|(uid, feed)| {
            let key = move |number| RowKey::Staged(*uid, number);
            keyed(&feed.staged, key, Row::Staged)
        });
        keyed(&self.link_tokens, RowKey::LinkToken, Row::LinkToken)
            .chain(one(
                RowKey::Introduction,
                &self.introduction,
                Row::Introduction,
            ))
            .chain(keyed(&self.fences, RowKey::Fence, Row::Fence))
            .chain(keyed(&self.replicas, replica, Row::Replica))
            .chain(keyed(&self.problems, RowKey::Problem, Row::Problem))
            .chain(keyed(&self.detached, RowKey::Detached, Row::Detached))
            .chain(self.of_feeds(RowKey::Staging, |feed| &feed.staging, Row::Staging))
            .chain(staged)
            .chain(keyed(&self.resealed, resealed, Row::Resealed))
            .chain(keyed(&self.labels, RowKey::KeptLabels, Row::KeptLabels))
            .chain(keyed(&self.entities.wraps, RowKey::RootWrap, Row::Wrap))
            .chain(one(
                RowKey::SigningKey,
                &self.entities.signing_key,
                Row::SigningKey,
            ))
            .chain(one(RowKey::Issuers, &self.issuers, Row::Issuers))
    }

    fn local_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let wraps = self.slots.iter().flat_map(|(uid, slot)| {
            let wraps = slot.all_wraps();
            wraps.map(|(n, kept)| here(RowKey::Wrap(*uid, n), Row::Wrap(Arc::clone(kept))))
        });
        let accesses = self.slots.iter();
        let accesses =
            accesses.flat_map(|(uid, slot)| one(RowKey::Access(*uid), &slot.access, Row::Access));
        one(RowKey::Machine, &self.machine, Row::Machine)
            .chain(one(RowKey::Clock, &self.clock, Row::Clock))
            .chain(self.of_feeds(RowKey::Feed, |feed| &feed.state, Row::Feed))
            .chain(keyed(&self.nodes, RowKey::Node, Row::Node))
            .chain(keyed(
                &self.retired_nodes,
                RowKey::RetiredNode,
                Row::RetiredNode,
            ))
            .chain(keyed(&self.join_tokens, RowKey::JoinToken, Row::JoinToken))
            .chain(keyed(&self.kms_keys, RowKey::KmsKey, Row::KmsKey))
            .chain(wraps)
            .chain(accesses)
    }

    fn feed_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let epochs = self.feeds.iter().flat_map(|(uid, feed)| {
            let key = move |number| RowKey::Epoch(*uid, number);
            keyed(&feed.epochs, key, Row::Epoch)
        });
        let secrets = self.slots.iter().filter_map(|(uid, slot)| {
            let kept = slot.secret_row()?;
            Some(here(RowKey::Secret(*uid), Row::Secret(Arc::clone(kept))))
        });
        let versions = self.slots.iter().flat_map(|(uid, slot)| {
            let all = slot.all_held();
            all.map(|(n, held)| (RowKey::Version(*uid, n), value(held)))
        });
        epochs
            .chain(self.of_feeds(RowKey::Checkpoint, |feed| &feed.checkpoint, Row::Checkpoint))
            .chain(keyed(
                &self.entities.accounts,
                RowKey::Account,
                Row::Account,
            ))
            .chain(keyed(&self.regions, RowKey::Region, Row::Region))
            .chain(keyed(&self.principals, RowKey::Principal, Row::Principal))
            .chain(self.identity_rows())
            .chain(secrets)
            .chain(versions)
            .chain(keyed(&self.tombstones, RowKey::Tombstone, Row::Tombstone))
            .chain(keyed(
                &self.entities.providers,
                RowKey::Provider,
                Row::Provider,
            ))
            .chain(keyed(
                &self.entities.revocations,
                RowKey::Revocation,
                Row::Revocation,
            ))
            .chain(keyed(
                &self.entities.session_keys,
                RowKey::SessionKey,
                Row::SessionKey,
            ))
    }

    /// Gives the rows of identities whose kinds come before those of secrets.
    fn identity_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        let entities = &self.entities;
        keyed(&entities.identities, RowKey::Identity, Row::Identity)
            .chain(keyed(&entities.policies, RowKey::Policy, Row::Policy))
            .chain(keyed(
                &entities.credentials,
                RowKey::Credential,
                Row::Credential,
            ))
    }

    /// Finds a row of identities that is here with its body.
    fn entity_row(&self, key: &RowKey) -> Option<Row> {
        let entities = &self.entities;
        Some(match key {
            RowKey::Account(n) => Row::Account(Arc::clone(entities.accounts.get(n)?)),
            RowKey::Identity(uid) => Row::Identity(Arc::clone(entities.identities.get(uid)?)),
            RowKey::Policy(uid) => Row::Policy(Arc::clone(entities.policies.get(uid)?)),
            RowKey::Credential(uid) => Row::Credential(Arc::clone(entities.credentials.get(uid)?)),
            RowKey::Provider(uid) => Row::Provider(Arc::clone(entities.providers.get(uid)?)),
            RowKey::Revocation(uid) => Row::Revocation(Arc::clone(entities.revocations.get(uid)?)),
            RowKey::SessionKey(uid) => Row::SessionKey(Arc::clone(entities.session_keys.get(uid)?)),
            RowKey::RootWrap(uid) => Row::Wrap(Arc::clone(entities.wraps.get(uid)?)),
            RowKey::SigningKey => Row::SigningKey(Arc::clone(entities.signing_key.as_ref()?)),
            _ => return None,
        })
    }

    /// Gives a row of each feed, where there is one.
    fn of_feeds<'a, T: 'a>(
        &'a self,
        key: fn(Uid) -> RowKey,
        kept: fn(&Feed) -> &Option<Arc<Kept<T>>>,
        row: fn(Arc<Kept<T>>) -> Row,
    ) -> impl Iterator<Item = (RowKey, RowRef)> + 'a {
        let feeds = self.feeds.iter();
        feeds.flat_map(move |(uid, feed)| one(key(*uid), kept(feed), row))
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

    /// Gives the rows of all feeds with the uid of the feed they belong to; none in place of a
    /// value that left memory.
    pub(super) fn fed_rows(&self) -> impl Iterator<Item = (RowKey, Option<Row>, Option<Uid>)> + '_ {
        merged(self.feed_rows(), self.hidden_rows()).map(|(key, row)| match row {
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

    fn hidden_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        keyed(&self.withheld, |key| key, Row::Withheld)
    }

    fn journal_rows(&self) -> impl Iterator<Item = (RowKey, RowRef)> + '_ {
        self.feeds.iter().flat_map(|(uid, feed)| {
            let key = move |revision| RowKey::Journal(*uid, revision);
            keyed(&feed.journal, key, Row::Journal)
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

/// Gives the rows of a map.
fn keyed<'a, K: Ord + Copy, T>(
    rows: &'a OrdMap<K, Arc<Kept<T>>>,
    key: impl Fn(K) -> RowKey + 'a,
    row: fn(Arc<Kept<T>>) -> Row,
) -> impl Iterator<Item = (RowKey, RowRef)> + 'a {
    rows.iter()
        .map(move |(id, kept)| here(key(*id), row(Arc::clone(kept))))
}

/// Gives a row of which there is one at most.
fn one<T>(
    key: RowKey,
    kept: &Option<Arc<Kept<T>>>,
    row: fn(Arc<Kept<T>>) -> Row,
) -> impl Iterator<Item = (RowKey, RowRef)> {
    let kept = kept.clone().into_iter();
    kept.map(move |kept| here(key, row(kept)))
}

fn here(key: RowKey, row: Row) -> (RowKey, RowRef) {
    (key, RowRef::Here(row))
}

fn value(held: &Held) -> RowRef {
    let row = held.row.as_ref();
    row.map_or(RowRef::Evicted, |kept| {
        RowRef::Here(Row::Version(Arc::clone(kept)))
    })
}
