//! What proves an identity. The key of an access key's secret is wrapped in each region by itself:
//! where it could not be, the access key is known, and cannot be used.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{
    CreateCredential, CredentialChange, DeleteCredential, RewrapCredential, SentBody,
    UpdateCredential,
};
use crate::decide::draft::Draft;
use crate::decide::identity::{changed, full, rooted, spare, taken};
use crate::decide::intake::Intake;
use crate::decide::{form, roomy, unmoved, version};
use crate::entity::{EntityKind, Quota};
use crate::identity::{Credential, Entity, Nature, Proof};
use crate::ids::Uid;
use crate::limits::{ACCESS_KEYS_MAX, BINDINGS_MAX};
use crate::position::FeedId;
use crate::rejection::{Field, Rejection};
use crate::row::{Kept, ProblemKind, RowKey};
use crate::secret::Wrap;
use crate::state::State;

pub(super) fn create(
    draft: &mut Draft<'_>,
    create: &CreateCredential,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    rooted(state)?;
    let credential = Credential {
        uid: create.uid,
        identity: create.identity,
        proof: create.proof.clone(),
        active: true,
        regions: create.regions.clone(),
        created: draft.stamp,
        changed: draft.stamp,
    };
    if let Some(held) = state.credential(&create.uid)
        && held.proof == create.proof
        && held.identity == create.identity
    {
        return Ok(Outcome::Entity(Entity::Credential(Arc::clone(held))));
    }
    form::credential(&credential)?;
    free(state, &create.proof)?;
    spare(state, &create.uid)?;
    roomy(state, &FeedId::Root)?;
    owned(state, &credential)?;
    match (&create.wrap, create.proof.is_access_key()) {
        (Some(wrap), true) => {
            version::wrapped(state, wrap)?;
            draft.put(RowKey::CredentialWrap(create.uid), wrap);
        }
        (None, false) => {}
        _ => return Err(Rejection::FieldInvalid(Field::WrappedKey)),
    }
    stored(draft, credential)
}

fn stored(draft: &mut Draft<'_>, credential: Credential) -> Result<Outcome, Rejection> {
    form::credential(&credential)?;
    let key = RowKey::Credential(credential.uid);
    let kept = draft.feed_put(&FeedId::Root, key, credential);
    let kept: Arc<Kept<Credential>> = kept.ok_or(Rejection::FeedNotFound(FeedId::Root))?;
    Ok(Outcome::Entity(Entity::Credential(Arc::clone(kept.body()))))
}

/// Rejects what another credential presents, or the administrator, who is nobody else.
fn free(state: &State, proof: &Proof) -> Result<(), Rejection> {
    let is_administrator = match proof {
        Proof::Subject(name) => state.administrator() == Some(name),
        Proof::AccessKey { .. } | Proof::Uri(_) | Proof::UriPrefix(_) => false,
    };
    match is_administrator || state.credential_like(proof).is_some() {
        true => Err(taken(EntityKind::Credential, proof.as_str())),
        false => Ok(()),
    }
}

/// Rejects a credential of no identity, of one that cannot have it, or one too many.
fn owned(state: &State, credential: &Credential) -> Result<(), Rejection> {
    let is_key = credential.proof.is_access_key();
    let owner = state.identity(&credential.identity);
    let owner = owner.filter(|owner| match owner.nature {
        Nature::User { .. } => true,
        Nature::Role { .. } => !is_key,
        Nature::Group => false,
    });
    if owner.is_none() {
        return Err(Rejection::NoSuchEntity(EntityKind::User));
    }
    let held = state.credentials_of(&credential.identity);
    let alike = held.filter(|held| held.proof.is_access_key() == is_key);
    match is_key {
        true => full(Quota::AccessKeys, alike.count(), ACCESS_KEYS_MAX),
        false => full(Quota::Bindings, alike.count(), BINDINGS_MAX),
    }
}

fn found(state: &State, uid: &Uid) -> Result<Arc<Credential>, Rejection> {
    let found = state.credential(uid).cloned();
    found.ok_or(Rejection::NoSuchEntity(EntityKind::Credential))
}

pub(super) fn update(
    draft: &mut Draft<'_>,
    update: &UpdateCredential,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &update.seen)?;
    rooted(state)?;
    let before = found(state, &update.uid)?;
    let mut after = Credential::clone(&before);
    match &update.change {
        CredentialChange::Active(active) => after.active = *active,
        CredentialChange::Regions(regions) => after.regions.clone_from(regions),
    }
    if after == *before {
        return Ok(Outcome::Entity(Entity::Credential(before)));
    }
    // No check of room: who must not get in any more is kept out of a full feed too.
    after.changed = changed(draft, before.changed);
    stored(draft, after)
}

pub(super) fn delete(
    draft: &mut Draft<'_>,
    delete: &DeleteCredential,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &delete.seen)?;
    rooted(state)?;
    let credential = found(state, &delete.uid)?;
    draft.feed_delete(&FeedId::Root, RowKey::Credential(credential.uid));
    if state.credential_wrap(&credential.uid).is_some() {
        draft.delete(RowKey::CredentialWrap(credential.uid));
    }
    // A region that leads now may have lacked the key when it followed.
    if state.problem(&credential.uid).is_some() {
        draft.delete(RowKey::Problem(credential.uid));
    }
    Ok(Outcome::Entity(Entity::Credential(credential)))
}

/// Puts the wrap of an access key's secret: a row of this region only, whoever leads the feed.
pub(super) fn rewrap(
    draft: &mut Draft<'_>,
    rewrap: &RewrapCredential,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    let credential = found(state, &rewrap.uid)?;
    if !credential.proof.is_access_key() {
        return Err(Rejection::FieldInvalid(Field::WrappedKey));
    }
    version::wrapped(state, &rewrap.wrap)?;
    draft.put(RowKey::CredentialWrap(rewrap.uid), &rewrap.wrap);
    if state.problem(&rewrap.uid).is_some() {
        draft.delete(RowKey::Problem(rewrap.uid));
    }
    Ok(Outcome::None)
}

impl Intake<'_, '_> {
    /// Keeps the wrapped key of a credential that is about to be put. A secret that is the same has
    /// its key already, under whatever KMS key this region has it by now.
    pub(super) fn keep_credential_key(
        &mut self,
        credential: &Credential,
        wrap: Option<&Wrap>,
        words: &str,
    ) {
        let uid = credential.uid;
        let held = self.scratch.credential(&uid);
        let is_same = held.is_some_and(|held| held.proof.sealed() == credential.proof.sealed());
        let has_wrap = self.scratch.credential_wrap(&uid).is_some();
        if is_same && has_wrap {
            return;
        }
        let is_usable = |wrap: &&Wrap| version::wrapped(&self.scratch, wrap).is_ok();
        let wrap = wrap.filter(|_| words.is_empty()).filter(is_usable);
        match (credential.proof.is_access_key(), wrap) {
            (true, Some(wrap)) => {
                self.draft.put(RowKey::CredentialWrap(uid), wrap);
                self.clear_problem(uid);
            }
            (is_key, _) => {
                if has_wrap {
                    self.draft.delete(RowKey::CredentialWrap(uid));
                }
                match is_key {
                    true => self.note_problem(uid, ProblemKind::Key, words),
                    false => self.clear_problem(uid),
                }
            }
        }
        self.sync();
    }

    /// Takes in the wrapped key of a credential that is here without it.
    pub(super) fn fill_credential_key(&mut self, uid: &Uid, body: &SentBody) {
        let held = self.scratch.credential(uid).cloned();
        if self.feed == FeedId::Root
            && let Some(held) = held
        {
            self.keep_credential_key(&held, body.wrap.as_ref(), &body.problem);
        }
    }
}
