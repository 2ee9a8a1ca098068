//! What proves an identity.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{CreateCredential, CredentialChange, DeleteCredential, UpdateCredential};
use crate::decide::draft::Draft;
use crate::decide::identity::{changed, full, rooted, spare, taken};
use crate::decide::{form, roomy, root_wrap, unmoved, version};
use crate::entity::{EntityKind, Quota};
use crate::identity::{Credential, Entity, Nature, Proof};
use crate::ids::Uid;
use crate::limits::{ACCESS_KEYS_MAX, BINDINGS_MAX};
use crate::position::FeedId;
use crate::rejection::{Field, Rejection};
use crate::row::{Kept, RowKey};
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
            draft.put(RowKey::RootWrap(create.uid), wrap);
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
    root_wrap::forget(draft, state, credential.uid);
    Ok(Outcome::Entity(Entity::Credential(credential)))
}
