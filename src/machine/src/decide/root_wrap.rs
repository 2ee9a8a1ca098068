//! The keys of what rows of the root feed seal: access keys' secrets, and session keys. Each region
//! wraps them by itself; where that could not be, the row is known, and what it seals cannot be
//! used.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{RewrapRoot, SentBody};
use crate::decide::draft::Draft;
use crate::decide::intake::Intake;
use crate::decide::version;
use crate::entity::EntityKind;
use crate::ids::Uid;
use crate::position::FeedId;
use crate::rejection::{Field, Rejection};
use crate::row::{ProblemKind, RowKey};
use crate::secret::{SealedValue, Wrap};
use crate::state::State;

/// Puts the wrap of one: a row of this region only, whoever leads the feed.
pub(super) fn rewrap(draft: &mut Draft<'_>, rewrap: &RewrapRoot) -> Result<Outcome, Rejection> {
    let (state, uid) = (draft.state, rewrap.uid);
    let keys = [RowKey::Credential(uid), RowKey::SessionKey(uid)];
    if !keys.iter().any(|key| state.sealed_in(key).is_some()) {
        return match state.credential(&uid) {
            None => Err(Rejection::NoSuchEntity(EntityKind::Credential)),
            Some(_) => Err(Rejection::FieldInvalid(Field::WrappedKey)),
        };
    }
    version::wrapped(state, &rewrap.wrap)?;
    draft.put(RowKey::RootWrap(uid), &rewrap.wrap);
    if state.problem(&uid).is_some() {
        draft.delete(RowKey::Problem(uid));
    }
    Ok(Outcome::None)
}

/// Deletes what is kept beside a row that is deleted here.
pub(super) fn forget(draft: &mut Draft<'_>, state: &State, uid: Uid) {
    if state.root_wrap(&uid).is_some() {
        draft.delete(RowKey::RootWrap(uid));
    }
    // A region that leads now may have lacked the key when it followed.
    if state.problem(&uid).is_some() {
        draft.delete(RowKey::Problem(uid));
    }
}

impl Intake<'_, '_> {
    /// Keeps the wrapped key of what a row seals that is about to be put. What is the same has its
    /// key already, under whatever KMS key this region has it by now.
    pub(super) fn keep_root_key(
        &mut self,
        key: &RowKey,
        sealed: Option<&Arc<SealedValue>>,
        wrap: Option<&Wrap>,
        words: &str,
    ) {
        let uid = key.uid();
        let has_wrap = self.scratch.root_wrap(&uid).is_some();
        if has_wrap && sealed.is_some() && self.scratch.sealed_in(key) == sealed {
            return;
        }
        let is_usable = |wrap: &&Wrap| version::wrapped(&self.scratch, wrap).is_ok();
        let wrap = wrap.filter(|_| words.is_empty()).filter(is_usable);
        match (sealed, wrap) {
            (Some(_), Some(wrap)) => {
                self.draft.put(RowKey::RootWrap(uid), wrap);
                self.clear_problem(uid);
            }
            (sealed, _) => {
                if has_wrap {
                    self.draft.delete(RowKey::RootWrap(uid));
                }
                match sealed {
                    Some(_) => self.note_problem(uid, ProblemKind::Key, words),
                    None => self.clear_problem(uid),
                }
            }
        }
        self.sync();
    }

    /// Takes in the wrapped key of what a row seals that is here without it.
    pub(super) fn fill_root_key(&mut self, key: &RowKey, body: &SentBody) {
        let sealed = self.scratch.sealed_in(key).cloned();
        if self.feed == FeedId::Root && sealed.is_some() {
            self.keep_root_key(key, sealed.as_ref(), body.wrap.as_ref(), &body.problem);
        }
    }
}
