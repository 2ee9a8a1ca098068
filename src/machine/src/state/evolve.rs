//! Takes changes in. Each change finds what its row was, and keeps the derived parts in step.

use std::sync::Arc;

use imbl::OrdMap;

use crate::change::Change;
use crate::ids::{Hash, Ordinal, Uid};
use crate::row::{Kept, Row, RowKey, Tombstone};
use crate::secret::{Secret, StoredVersion};
use crate::state::slot::{Held, Slot};
use crate::state::{Feed, State};

/// What a row adds to the hashes: to its feed's, or to the local one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    feed: Option<Uid>,
    commitment: Hash,
    /// Its size; of values nothing, which may leave memory.
    bytes: u64,
}

impl State {
    /// Takes a change in. It cannot fail: `decide` has settled everything.
    pub fn evolve(&mut self, change: &Change) {
        // A feed row is here with its body or without, never both.
        let hidden = self.unhide(&change.key);
        let before = match &change.row {
            Some(Row::Withheld(kept)) => {
                let before = self.delete(&change.key);
                self.withheld.insert(change.key, Arc::clone(kept));
                before
            }
            Some(row) => self.put(&change.key, row),
            None => self.delete(&change.key),
        };
        let after = change.row.as_ref().and_then(share);
        self.tally(&change.key, before.or(hidden), after);
        self.note_completeness(&change.key);
    }

    /// Takes away what stands for a feed row without its body; gives what it added to the hashes.
    fn unhide(&mut self, key: &RowKey) -> Option<Share> {
        let is_any = key.is_fed() && !self.withheld.is_empty();
        is_any.then(|| remove(&mut self.withheld, key)).flatten()
    }

    /// Notes whether a part of a secret that is here is missing.
    fn note_completeness(&mut self, key: &RowKey) {
        let (RowKey::Secret(uid) | RowKey::Version(uid, _)) = *key else {
            return;
        };
        let lacks_part = || match self.secret_row(&uid) {
            Some(_) => self.withheld_versions(uid).next().is_some(),
            None => self.is_withheld(&RowKey::Secret(uid)) && self.held_count(uid) > 0,
        };
        if !self.withheld.is_empty() && lacks_part() {
            self.derived.incomplete.insert(uid);
        } else if !self.derived.incomplete.is_empty() {
            self.derived.incomplete.remove(&uid);
        }
    }

    /// Puts a row; gives what the row before added to the hashes.
    fn put(&mut self, key: &RowKey, row: &Row) -> Option<Share> {
        match (key, row) {
            (RowKey::Machine, Row::Machine(kept)) => replace(&mut self.machine, kept),
            (RowKey::Clock, Row::Clock(kept)) => replace(&mut self.clock, kept),
            (RowKey::Feed(uid), Row::Feed(kept)) => replace(&mut self.feed_mut(*uid).state, kept),
            (RowKey::Node(id), Row::Node(kept)) => insert(&mut self.nodes, *id, kept),
            (RowKey::RetiredNode(id), Row::RetiredNode(kept)) => {
                insert(&mut self.retired_nodes, *id, kept)
            }
            (RowKey::JoinToken(digest), Row::JoinToken(kept)) => {
                insert(&mut self.join_tokens, *digest, kept)
            }
            (RowKey::KmsKey(id), Row::KmsKey(kept)) => insert(&mut self.kms_keys, *id, kept),
            (RowKey::Wrap(uid, ordinal), Row::Wrap(kept)) => {
                let wrap = Some(Arc::clone(kept));
                let before = self.with_slot(*uid, |slot| slot.set_wrap(*ordinal, wrap));
                before.as_ref().map(of)
            }
            (RowKey::Access(uid), Row::Access(kept)) => {
                self.with_slot(*uid, |slot| replace(&mut slot.access, kept))
            }
            (RowKey::Epoch(uid, number), Row::Epoch(kept)) => {
                insert(&mut self.feed_mut(*uid).epochs, *number, kept)
            }
            (RowKey::Checkpoint(uid), Row::Checkpoint(kept)) => {
                replace(&mut self.feed_mut(*uid).checkpoint, kept)
            }
            (RowKey::Region(number), Row::Region(kept)) => insert(&mut self.regions, *number, kept),
            (RowKey::Principal(number), Row::Principal(kept)) => {
                insert(&mut self.principals, *number, kept)
            }
            (RowKey::Secret(uid), Row::Secret(kept)) => self.put_secret(*uid, kept),
            (RowKey::Version(uid, ordinal), Row::Version(kept)) => {
                self.put_version(*uid, *ordinal, kept)
            }
            (RowKey::Tombstone(uid), Row::Tombstone(kept)) => self.put_tombstone(*uid, kept),
            (RowKey::Journal(uid, revision), Row::Journal(kept)) => {
                let journal = &mut self.feed_mut(*uid).journal;
                journal.insert(*revision, Arc::clone(kept));
                None
            }
            (RowKey::LinkToken(digest), Row::LinkToken(kept)) => {
                insert(&mut self.link_tokens, *digest, kept)
            }
            (RowKey::Introduction, Row::Introduction(kept)) => {
                replace(&mut self.introduction, kept)
            }
            (RowKey::Fence(uid), Row::Fence(kept)) => insert(&mut self.fences, *uid, kept),
            (RowKey::Replica(uid, number), Row::Replica(kept)) => {
                insert(&mut self.replicas, (*uid, *number), kept)
            }
            (RowKey::Problem(uid), Row::Problem(kept)) => insert(&mut self.problems, *uid, kept),
            (RowKey::Detached(uid), Row::Detached(kept)) => insert(&mut self.detached, *uid, kept),
            (RowKey::Staging(uid), Row::Staging(kept)) => {
                replace(&mut self.feed_mut(*uid).staging, kept)
            }
            (RowKey::Staged(uid, number), Row::Staged(kept)) => {
                insert(&mut self.feed_mut(*uid).staged, *number, kept)
            }
            (RowKey::Resealed(uid, number), Row::Resealed(kept)) => {
                insert(&mut self.resealed, (*uid, *number), kept)
            }
            (RowKey::KeptLabels(uid), Row::KeptLabels(kept)) => {
                insert(&mut self.labels, *uid, kept)
            }
            (RowKey::Issuers, Row::Issuers(kept)) => replace(&mut self.issuers, kept),
            (key, row) => self.entities.put(key, row),
        }
    }

    /// Deletes a row; gives what it added to the hashes.
    fn delete(&mut self, key: &RowKey) -> Option<Share> {
        match key {
            RowKey::Machine => self.machine.take().map(|kept| of(&kept)),
            RowKey::Clock => self.clock.take().map(|kept| of(&kept)),
            RowKey::Feed(uid) => self.feed_mut(*uid).state.take().map(|kept| of(&kept)),
            RowKey::Node(id) => remove(&mut self.nodes, id),
            RowKey::RetiredNode(id) => remove(&mut self.retired_nodes, id),
            RowKey::JoinToken(digest) => remove(&mut self.join_tokens, digest),
            RowKey::KmsKey(id) => remove(&mut self.kms_keys, id),
            RowKey::Wrap(uid, ordinal) => {
                let before = self.with_slot(*uid, |slot| slot.set_wrap(*ordinal, None));
                before.as_ref().map(of)
            }
            RowKey::Access(uid) => self
                .with_slot(*uid, |slot| slot.access.take())
                .as_ref()
                .map(of),
            RowKey::Epoch(uid, number) => remove(&mut self.feed_mut(*uid).epochs, number),
            RowKey::Checkpoint(uid) => self.feed_mut(*uid).checkpoint.take().map(|kept| of(&kept)),
            RowKey::Region(number) => remove(&mut self.regions, number),
            RowKey::Principal(number) => remove(&mut self.principals, number),
            RowKey::Secret(uid) => self.delete_secret(*uid),
            RowKey::Version(uid, ordinal) => self.delete_version(*uid, *ordinal),
            RowKey::Tombstone(uid) => self.delete_tombstone(*uid),
            RowKey::Journal(uid, revision) => {
                self.feed_mut(*uid).journal.remove(revision);
                None
            }
            RowKey::LinkToken(digest) => remove(&mut self.link_tokens, digest),
            RowKey::Introduction => self.introduction.take().map(|kept| of(&kept)),
            RowKey::Fence(uid) => remove(&mut self.fences, uid),
            RowKey::Replica(uid, number) => remove(&mut self.replicas, &(*uid, *number)),
            RowKey::Problem(uid) => remove(&mut self.problems, uid),
            RowKey::Detached(uid) => remove(&mut self.detached, uid),
            RowKey::Staging(uid) => self.feed_mut(*uid).staging.take().map(|kept| of(&kept)),
            RowKey::Staged(uid, number) => remove(&mut self.feed_mut(*uid).staged, number),
            RowKey::Resealed(uid, number) => remove(&mut self.resealed, &(*uid, *number)),
            RowKey::KeptLabels(uid) => remove(&mut self.labels, uid),
            RowKey::Issuers => self.issuers.take().map(|kept| of(&kept)),
            RowKey::Account(_)
            | RowKey::Identity(_)
            | RowKey::Policy(_)
            | RowKey::Credential(_)
            | RowKey::Provider(_)
            | RowKey::Revocation(_)
            | RowKey::SessionKey(_)
            | RowKey::RootWrap(_)
            | RowKey::SigningKey => self.entities.delete(key),
        }
    }

    fn put_secret(&mut self, uid: Uid, kept: &Arc<Kept<Secret>>) -> Option<Share> {
        let secret = Some(Arc::clone(kept));
        let replaced = self.with_slot(uid, |slot| slot.set_secret(secret));
        if !replaced
            .as_ref()
            .is_some_and(|before| is_listed_alike(before, kept))
        {
            if let Some(before) = &replaced {
                self.unlist(uid, before);
            }
            self.list(uid, kept);
        }
        let due = |kept: &Arc<Kept<Secret>>| kept.body.deletion.map(|deletion| (deletion.due, uid));
        let (was, is) = (replaced.as_ref().and_then(due), due(kept));
        if was != is {
            let derived = &mut self.derived;
            was.map(|was| derived.by_deletion.remove(&was));
            is.map(|is| derived.by_deletion.insert(is));
        }
        replaced.as_ref().map(of)
    }

    fn delete_secret(&mut self, uid: Uid) -> Option<Share> {
        let kept = self.with_slot(uid, |slot| slot.set_secret(None))?;
        self.unlist(uid, &kept);
        if let Some(deletion) = kept.body.deletion {
            self.derived.by_deletion.remove(&(deletion.due, uid));
        }
        Some(of(&kept))
    }

    /// Makes a secret known by its name, its age and its owner.
    fn list(&mut self, uid: Uid, kept: &Kept<Secret>) {
        let (secret, derived) = (&kept.body, &mut self.derived);
        let (account, name) = (secret.account.clone(), secret.name.clone());
        derived.secrets = derived.secrets.saturating_add(1);
        derived.names.insert(account.clone(), name, uid);
        let by_creation = (account.clone(), secret.created, uid);
        derived.by_creation.insert(by_creation);
        let owned = derived.owned.entry((feed_of(kept), account)).or_default();
        *owned = owned.saturating_add(1);
    }

    fn unlist(&mut self, uid: Uid, kept: &Kept<Secret>) {
        let (secret, derived) = (&kept.body, &mut self.derived);
        let account = &secret.account;
        derived.secrets = derived.secrets.saturating_sub(1);
        derived.names.remove(account, &secret.name, uid);
        let by_creation = (account.clone(), secret.created, uid);
        derived.by_creation.remove(&by_creation);
        let owner = (feed_of(kept), account.clone());
        if let Some(owned) = derived.owned.get_mut(&owner) {
            *owned = owned.saturating_sub(1);
        }
        if derived.owned.get(&owner) == Some(&0) {
            derived.owned.remove(&owner);
        }
    }

    fn put_tombstone(&mut self, uid: Uid, kept: &Arc<Kept<Tombstone>>) -> Option<Share> {
        let before = self.delete_tombstone(uid);
        self.tombstones.insert(uid, Arc::clone(kept));
        let by_purge = (kept.body.purged, uid);
        self.feed_mut(feed_of(kept)).by_purge.insert(by_purge);
        before
    }

    fn delete_tombstone(&mut self, uid: Uid) -> Option<Share> {
        let kept = self.tombstones.remove(&uid)?;
        let by_purge = (kept.body.purged, uid);
        self.feed_mut(feed_of(&kept)).by_purge.remove(&by_purge);
        Some(of(&kept))
    }

    fn put_version(
        &mut self,
        uid: Uid,
        ordinal: Ordinal,
        kept: &Arc<Kept<StoredVersion>>,
    ) -> Option<Share> {
        let stored_bytes = kept.stored.len() as u64;
        let origin = kept.origin.as_ref();
        let held = Held {
            commitment: kept.commitment,
            feed: origin.map(|origin| origin.feed_uid),
            revision: origin.map(|origin| origin.revision).unwrap_or_default(),
            stored_bytes,
            row: Some(Arc::clone(kept)),
        };
        let description = kept.body.description.clone();
        let replaced = self.with_slot(uid, |slot| slot.set_held(ordinal, held, description));
        let replaced = replaced.map(|held| self.let_go(&held));
        let derived = &mut self.derived;
        derived.versions = derived.versions.saturating_add(1);
        derived.value_bytes = derived.value_bytes.saturating_add(stored_bytes);
        derived.resident_value_bytes = derived.resident_value_bytes.saturating_add(stored_bytes);
        replaced
    }

    fn delete_version(&mut self, uid: Uid, ordinal: Ordinal) -> Option<Share> {
        let held = self.with_slot(uid, |slot| slot.take_held(ordinal))?;
        Some(self.let_go(&held))
    }

    /// Takes a version out of the counts; gives what it added to the hashes.
    fn let_go(&mut self, held: &Held) -> Share {
        let bytes = held.stored_bytes;
        let derived = &mut self.derived;
        derived.versions = derived.versions.saturating_sub(1);
        derived.value_bytes = derived.value_bytes.saturating_sub(bytes);
        if held.row.is_some() {
            derived.resident_value_bytes = derived.resident_value_bytes.saturating_sub(bytes);
        }
        Share {
            feed: held.feed,
            commitment: held.commitment,
            bytes: 0,
        }
    }

    /// Changes the rows of one secret; the last row gone, its place goes too.
    pub(super) fn with_slot<T>(&mut self, uid: Uid, step: impl FnOnce(&mut Slot) -> T) -> T {
        let Some(slot) = self.slots.get_mut(&uid) else {
            let mut slot = Slot::default();
            let before = step(&mut slot);
            if !slot.is_empty() {
                self.slots.insert(uid, Arc::new(slot));
            }
            return before;
        };
        let slot = Arc::make_mut(slot);
        let before = step(slot);
        if slot.is_empty() {
            self.slots.remove(&uid);
        }
        before
    }

    fn feed_mut(&mut self, uid: Uid) -> &mut Feed {
        self.feeds.entry(uid).or_default()
    }

    fn tally(&mut self, key: &RowKey, before: Option<Share>, after: Option<Share>) {
        if before == after {
            return;
        }
        let feed = |share: Option<Share>| share.map(|share| share.feed);
        let commitment = |share: Option<Share>| share.map(|share| share.commitment);
        self.weigh(key, before, after);
        let key = key.encode();
        if before.is_some() && after.is_some() && feed(before) != feed(after) {
            // The row moved from one feed to another.
            self.sums_mut(feed(before))
                .replace(&key, commitment(before), None);
            self.sums_mut(feed(after))
                .replace(&key, None, commitment(after));
        } else {
            let feed = feed(after).or(feed(before));
            self.sums_mut(feed)
                .replace(&key, commitment(before), commitment(after));
        }
    }

    /// Counts the rows of feeds, and what they take of memory.
    fn weigh(&mut self, key: &RowKey, before: Option<Share>, after: Option<Share>) {
        let bytes = |share: Share| if key.is_immutable() { 0 } else { share.bytes };
        if let Some((share, uid)) = before.and_then(|share| Some((share, share.feed?))) {
            let weight = &mut self.feed_mut(uid).weight;
            weight.rows = weight.rows.saturating_sub(1);
            weight.bytes = weight.bytes.saturating_sub(bytes(share));
        }
        if let Some((share, uid)) = after.and_then(|share| Some((share, share.feed?))) {
            let weight = &mut self.feed_mut(uid).weight;
            weight.rows = weight.rows.saturating_add(1);
            weight.bytes = weight.bytes.saturating_add(bytes(share));
        }
    }

    fn sums_mut(&mut self, feed: Option<Option<Uid>>) -> &mut crate::hash::BucketSums {
        match feed.flatten() {
            Some(uid) => &mut self.feed_mut(uid).sums,
            None => &mut self.derived.local_sums,
        }
    }
}

/// Finds what a row adds to the hashes.
fn share(row: &Row) -> Option<Share> {
    let is_hashed = !matches!(row, Row::Journal(_));
    is_hashed.then(|| Share {
        feed: row.origin().map(|origin| origin.feed_uid),
        commitment: row.commitment(),
        bytes: row_bytes(row),
    })
}

fn row_bytes(row: &Row) -> u64 {
    match row {
        Row::Version(_) => 0,
        row => row.stored().len() as u64,
    }
}

pub(super) fn of<T>(kept: &Arc<Kept<T>>) -> Share {
    let feed = kept.origin.as_ref().map(|origin| origin.feed_uid);
    Share {
        feed,
        commitment: kept.commitment,
        bytes: kept.stored.len() as u64,
    }
}

/// The feed of a row that always has one.
fn feed_of<T>(kept: &Kept<T>) -> Uid {
    let origin = kept.origin.as_ref();
    origin.map_or(Uid([0; 16]), |origin| origin.feed_uid)
}

/// Whether two rows of a secret make it known alike: a row of another region may say anything.
fn is_listed_alike(before: &Kept<Secret>, after: &Kept<Secret>) -> bool {
    let listed = |kept: &Kept<Secret>| (feed_of(kept), kept.body.created);
    listed(before) == listed(after)
        && before.body.account == after.body.account
        && before.body.name == after.body.name
}

pub(super) fn replace<T>(row: &mut Option<Arc<Kept<T>>>, kept: &Arc<Kept<T>>) -> Option<Share> {
    row.replace(Arc::clone(kept)).map(|before| of(&before))
}

pub(super) fn insert<K: Ord + Clone, T>(
    rows: &mut OrdMap<K, Arc<Kept<T>>>,
    key: K,
    kept: &Arc<Kept<T>>,
) -> Option<Share> {
    rows.insert(key, Arc::clone(kept)).map(|before| of(&before))
}

pub(super) fn remove<K: Ord + Clone, T>(
    rows: &mut OrdMap<K, Arc<Kept<T>>>,
    key: &K,
) -> Option<Share> {
    rows.remove(key).map(|before| of(&before))
}
