//! Letting go of what this region keeps of a row of another one's feed.

use crate::decide::draft::Draft;
use crate::decide::intake::Intake;
use crate::decide::root_wrap;
use crate::ids::Uid;
use crate::position::FeedId;
use crate::row::{Row, RowKey};
use crate::state::State;

impl Intake<'_, '_> {
    /// Drops the bodies of a secret's rows, and what is only of use with them.
    pub(super) fn hide_secret(&mut self, uid: Uid) {
        self.hide_name(uid);
        self.doubt_labels(uid);
        hide_versions(self.draft, &self.scratch, &self.feed, uid);
        self.sync();
    }

    /// Lets the name of a secret go whose row is to be known by its commitment only.
    pub(super) fn hide_name(&mut self, uid: Uid) {
        free_name(self.draft, &self.scratch, uid);
        self.sync();
    }

    /// Deletes a row that the feed's primary has not, and what this region keeps beside it.
    pub(super) fn drop_row(&mut self, key: RowKey) {
        self.forget_beside(&key);
        self.draft.replace(key, None);
        self.sync();
        self.settle(&key);
    }

    /// Deletes what this region keeps beside a row of a feed.
    pub(super) fn forget_beside(&mut self, key: &RowKey) {
        match *key {
            RowKey::Version(uid, ordinal) => {
                let beside = [RowKey::Wrap(uid, ordinal), RowKey::Resealed(uid, ordinal)];
                let held = beside.iter().filter(|key| self.scratch.row(key).is_some());
                held.for_each(|key| self.draft.delete(*key));
            }
            RowKey::Secret(uid) => {
                if self.scratch.access(&uid).is_some() {
                    self.draft.delete(RowKey::Access(uid));
                }
                if self.scratch.detached(&uid).is_some() {
                    self.draft.delete(RowKey::Detached(uid));
                }
                let statuses: Vec<RowKey> = self.scratch.replica_keys(uid).collect();
                statuses.into_iter().for_each(|key| self.draft.delete(key));
                forget_resealed(self.draft, &self.scratch, uid);
                free_name(self.draft, &self.scratch, uid);
                self.clear_problem(uid);
            }
            RowKey::Credential(uid) | RowKey::SessionKey(uid) => {
                root_wrap::forget(self.draft, &self.scratch, uid);
            }
            _ => {}
        }
        self.sync();
    }
}

/// Lets the next secret have a name that another one had, which goes: where every secret is
/// received, several may be of one name.
pub(super) fn free_name(draft: &mut Draft<'_>, state: &State, uid: Uid) {
    let Some(secret) = state.secret(&uid) else {
        return;
    };
    let others = state.namesakes(&secret.account, &secret.name);
    let next = others
        .filter(|other| other.uid != uid)
        .min_by_key(|other| state.rank(other));
    if let Some(next) = next.filter(|next| state.late_since(&next.uid).is_some()) {
        draft.delete(RowKey::Problem(next.uid));
    }
}

/// Drops the bodies of a secret's versions, and what is only of use with them. The secret itself
/// may not be here.
pub(super) fn hide_versions(draft: &mut Draft<'_>, state: &State, feed: &FeedId, uid: Uid) {
    for (ordinal, revision, commitment) in state.held_versions(uid) {
        let row = Row::hidden(feed, revision, commitment);
        draft.replace(RowKey::Version(uid, ordinal), Some(row));
        if state.wrap_row(uid, ordinal).is_some() {
            draft.delete(RowKey::Wrap(uid, ordinal));
        }
    }
    if state.access(&uid).is_some() {
        draft.delete(RowKey::Access(uid));
    }
    forget_resealed(draft, state, uid);
}

/// Forgets the versions of a copy that are kept until it is detached.
pub(super) fn forget_resealed(draft: &mut Draft<'_>, state: &State, uid: Uid) {
    for (ordinal, _) in state.resealed(&uid) {
        draft.delete(RowKey::Resealed(uid, ordinal));
    }
}
