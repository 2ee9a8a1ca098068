//! Takes changes in. Each change finds what its row was, and keeps the derived parts in step.

use std::sync::Arc;

use imbl::OrdMap;

use crate::change::Change;
use crate::codec::Body;
use crate::ids::{Hash, Ordinal, Revision, Uid};
use crate::row::{Kept, Row, RowKey};
use crate::secret::{SealedValue, Secret};
use crate::state::{Feed, Held, State};

/// What a row adds to the hashes: to its feed's, or to the local one.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    feed: Option<Uid>,
    commitment: Hash,
}

impl State {
    /// Takes a change in. It cannot fail: `decide` has settled everything.
    pub fn evolve(&mut self, change: &Change) {
        let Change {
            key,
            row,
            header: _,
        } = change;
        let is_hashed = !matches!(key, RowKey::Journal(..));
        let before = if is_hashed { self.share(key) } else { None };
        match row {
            Some(row) => self.put(key, row),
            None => self.delete(key),
        }
        let after = if is_hashed { self.share(key) } else { None };
        self.tally(key, before, after);
    }

    fn put(&mut self, key: &RowKey, row: &Row) {
        match (key, row) {
            (RowKey::Machine, Row::Machine(kept)) => self.machine = Some(Arc::clone(kept)),
            (RowKey::Clock, Row::Clock(kept)) => self.clock = Some(Arc::clone(kept)),
            (RowKey::Feed(uid), Row::Feed(kept)) => {
                self.feed_mut(*uid).state = Some(Arc::clone(kept));
            }
            (RowKey::Node(id), Row::Node(kept)) => insert(&mut self.nodes, *id, kept),
            (RowKey::RetiredNode(id), Row::RetiredNode(kept)) => {
                insert(&mut self.retired_nodes, *id, kept);
            }
            (RowKey::JoinToken(digest), Row::JoinToken(kept)) => {
                insert(&mut self.join_tokens, *digest, kept);
            }
            (RowKey::KmsKey(id), Row::KmsKey(kept)) => insert(&mut self.kms_keys, *id, kept),
            (RowKey::Wrap(uid, ordinal), Row::Wrap(kept)) => {
                insert(&mut self.wraps, (*uid, *ordinal), kept);
            }
            (RowKey::Access(uid), Row::Access(kept)) => insert(&mut self.accesses, *uid, kept),
            (RowKey::Epoch(uid, number), Row::Epoch(kept)) => {
                insert(&mut self.feed_mut(*uid).epochs, *number, kept);
            }
            (RowKey::Checkpoint(uid), Row::Checkpoint(kept)) => {
                self.feed_mut(*uid).checkpoint = Some(Arc::clone(kept));
            }
            (RowKey::Account(number), Row::Account(kept)) => {
                insert(&mut self.accounts, *number, kept);
            }
            (RowKey::Region(number), Row::Region(kept)) => {
                insert(&mut self.regions, *number, kept);
            }
            (RowKey::Principal(number), Row::Principal(kept)) => {
                insert(&mut self.principals, *number, kept);
            }
            (RowKey::Secret(uid), Row::Secret(kept)) => self.put_secret(*uid, kept),
            (RowKey::Version(uid, ordinal), Row::Version(kept)) => {
                self.put_version(*uid, *ordinal, kept);
            }
            (RowKey::Tombstone(uid), Row::Tombstone(kept)) => {
                insert(&mut self.tombstones, *uid, kept);
            }
            (RowKey::Journal(uid, revision), Row::Journal(kept)) => {
                insert(&mut self.feed_mut(*uid).journal, *revision, kept);
            }
            // Key and row come from one typed constructor; a mismatch cannot be made.
            _ => debug_assert!(false, "a row under a key of another kind"),
        }
    }

    fn delete(&mut self, key: &RowKey) {
        match key {
            RowKey::Machine => self.machine = None,
            RowKey::Clock => self.clock = None,
            RowKey::Feed(uid) => self.feed_mut(*uid).state = None,
            RowKey::Node(id) => drop(self.nodes.remove(id)),
            RowKey::RetiredNode(id) => drop(self.retired_nodes.remove(id)),
            RowKey::JoinToken(digest) => drop(self.join_tokens.remove(digest)),
            RowKey::KmsKey(id) => drop(self.kms_keys.remove(id)),
            RowKey::Wrap(uid, ordinal) => drop(self.wraps.remove(&(*uid, *ordinal))),
            RowKey::Access(uid) => drop(self.accesses.remove(uid)),
            RowKey::Epoch(uid, number) => drop(self.feed_mut(*uid).epochs.remove(number)),
            RowKey::Checkpoint(uid) => self.feed_mut(*uid).checkpoint = None,
            RowKey::Account(number) => drop(self.accounts.remove(number)),
            RowKey::Region(number) => drop(self.regions.remove(number)),
            RowKey::Principal(number) => drop(self.principals.remove(number)),
            RowKey::Secret(uid) => self.delete_secret(*uid),
            RowKey::Version(uid, ordinal) => self.delete_version(*uid, *ordinal),
            RowKey::Tombstone(uid) => drop(self.tombstones.remove(uid)),
            RowKey::Journal(uid, revision) => {
                drop(self.feed_mut(*uid).journal.remove(revision));
            }
        }
    }

    fn put_secret(&mut self, uid: Uid, kept: &Arc<Kept<Secret>>) {
        let before = self.secrets.insert(uid, Arc::clone(kept));
        let before = before.as_ref().map(|before| before.body.as_ref());
        let after = kept.body.as_ref();
        let derived = &mut self.derived;
        if before.is_none() {
            let name = (after.account.clone(), after.name.clone());
            derived.names.insert(name, uid);
            derived
                .by_creation
                .insert((after.account.clone(), after.created, uid));
            let owned = derived.owned.entry(after.account.clone()).or_default();
            *owned = owned.saturating_add(1);
        }
        let due = |secret: &Secret| secret.deletion.map(|deletion| (deletion.due, uid));
        let (was, is) = (before.and_then(due), due(after));
        if was != is {
            was.map(|was| derived.by_deletion.remove(&was));
            is.map(|is| derived.by_deletion.insert(is));
        }
    }

    fn delete_secret(&mut self, uid: Uid) {
        let Some(kept) = self.secrets.remove(&uid) else {
            return;
        };
        let secret = kept.body.as_ref();
        let derived = &mut self.derived;
        derived
            .names
            .remove(&(secret.account.clone(), secret.name.clone()));
        derived
            .by_creation
            .remove(&(secret.account.clone(), secret.created, uid));
        if let Some(deletion) = secret.deletion {
            derived.by_deletion.remove(&(deletion.due, uid));
        }
        if let Some(owned) = derived.owned.get_mut(&secret.account) {
            *owned = owned.saturating_sub(1);
        }
    }

    fn put_version(&mut self, uid: Uid, ordinal: Ordinal, kept: &Arc<Kept<SealedValue>>) {
        self.delete_version(uid, ordinal);
        let stored_bytes = kept.stored.len() as u64;
        let held = Held {
            commitment: kept.commitment,
            feed: kept.origin.as_ref().map(|origin| origin.feed_uid),
            revision: kept
                .origin
                .as_ref()
                .map(|origin| origin.revision)
                .unwrap_or_default(),
            stored_bytes,
            row: Some(Arc::clone(kept)),
        };
        self.versions.insert((uid, ordinal), Arc::new(held));
        let derived = &mut self.derived;
        derived.value_bytes = derived.value_bytes.saturating_add(stored_bytes);
        derived.resident_value_bytes = derived.resident_value_bytes.saturating_add(stored_bytes);
    }

    fn delete_version(&mut self, uid: Uid, ordinal: Ordinal) {
        let Some(held) = self.versions.remove(&(uid, ordinal)) else {
            return;
        };
        let derived = &mut self.derived;
        derived.value_bytes = derived.value_bytes.saturating_sub(held.stored_bytes);
        if held.row.is_some() {
            derived.resident_value_bytes = derived
                .resident_value_bytes
                .saturating_sub(held.stored_bytes);
        }
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

    fn sums_mut(&mut self, feed: Option<Option<Uid>>) -> &mut crate::hash::BucketSums {
        match feed.flatten() {
            Some(uid) => &mut self.feed_mut(uid).sums,
            None => &mut self.derived.local_sums,
        }
    }

    /// Finds what a row adds to the hashes now.
    fn share(&self, key: &RowKey) -> Option<Share> {
        let feed = |uid: &Uid| self.feeds.get(uid);
        match key {
            RowKey::Machine => self.machine.as_ref().map(of),
            RowKey::Clock => self.clock.as_ref().map(of),
            RowKey::Feed(uid) => feed(uid)?.state.as_ref().map(of),
            RowKey::Node(id) => self.nodes.get(id).map(of),
            RowKey::RetiredNode(id) => self.retired_nodes.get(id).map(of),
            RowKey::JoinToken(digest) => self.join_tokens.get(digest).map(of),
            RowKey::KmsKey(id) => self.kms_keys.get(id).map(of),
            RowKey::Wrap(uid, ordinal) => self.wraps.get(&(*uid, *ordinal)).map(of),
            RowKey::Access(uid) => self.accesses.get(uid).map(of),
            RowKey::Epoch(uid, number) => feed(uid)?.epochs.get(number).map(of),
            RowKey::Checkpoint(uid) => feed(uid)?.checkpoint.as_ref().map(of),
            RowKey::Account(number) => self.accounts.get(number).map(of),
            RowKey::Region(number) => self.regions.get(number).map(of),
            RowKey::Principal(number) => self.principals.get(number).map(of),
            RowKey::Secret(uid) => self.secrets.get(uid).map(of),
            RowKey::Version(uid, ordinal) => {
                let held = self.versions.get(&(*uid, *ordinal))?;
                Some(Share {
                    feed: held.feed,
                    commitment: held.commitment,
                })
            }
            RowKey::Tombstone(uid) => self.tombstones.get(uid).map(of),
            RowKey::Journal(_, Revision(_)) => None,
        }
    }
}

fn of<T: Body>(kept: &Arc<Kept<T>>) -> Share {
    let feed = kept.origin.as_ref().map(|origin| origin.feed_uid);
    Share {
        feed,
        commitment: kept.commitment,
    }
}

fn insert<K: Ord + Clone, T>(rows: &mut OrdMap<K, Arc<Kept<T>>>, key: K, kept: &Arc<Kept<T>>) {
    rows.insert(key, Arc::clone(kept));
}
