//! Managed policies, and the resource policies of secrets. What a policy says is read elsewhere.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{
    CreatePolicy, DeletePolicy, DeleteResourcePolicy, PutResourcePolicy, UpdatePolicy,
};
use crate::decide::draft::Draft;
use crate::decide::identity::{changed, full, known, rooted, spare, taken};
use crate::decide::{form, roomy, secret, unmoved};
use crate::entity::{Document, EntityKind, Quota, Reference};
use crate::identity::{Entity, Policy};
use crate::ids::Uid;
use crate::limits::POLICIES_MAX;
use crate::position::FeedId;
use crate::rejection::Rejection;
use crate::row::{Kept, RowKey};
use crate::secret::Secret;
use crate::state::State;

pub(super) fn create(draft: &mut Draft<'_>, create: &CreatePolicy) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    rooted(state)?;
    known(state, &create.account)?;
    if let Some(held) = state.policy_named(&create.account, &create.name) {
        return match held.uid == create.uid {
            true => Ok(Outcome::Entity(Entity::Policy(Arc::clone(held)))),
            false => Err(taken(EntityKind::Policy, create.name.as_str())),
        };
    }
    spare(state, &create.uid)?;
    roomy(state, &FeedId::Root)?;
    let owned = state.entities_owned(&create.account, EntityKind::Policy);
    full(Quota::Policies, owned, POLICIES_MAX)?;
    let policy = Policy {
        uid: create.uid,
        account: create.account.clone(),
        path: create.path.clone(),
        name: create.name.clone(),
        document: create.document.clone(),
        description: create.description.clone(),
        created: draft.stamp,
        changed: draft.stamp,
    };
    stored(draft, policy)
}

fn stored(draft: &mut Draft<'_>, policy: Policy) -> Result<Outcome, Rejection> {
    form::policy(&policy)?;
    let kept = draft.feed_put(&FeedId::Root, RowKey::Policy(policy.uid), policy);
    let kept: Arc<Kept<Policy>> = kept.ok_or(Rejection::FeedNotFound(FeedId::Root))?;
    Ok(Outcome::Entity(Entity::Policy(Arc::clone(kept.body()))))
}

fn found(state: &State, uid: &Uid) -> Result<Arc<Policy>, Rejection> {
    let found = state.policy(uid).cloned();
    found.ok_or(Rejection::NoSuchEntity(EntityKind::Policy))
}

pub(super) fn update(draft: &mut Draft<'_>, update: &UpdatePolicy) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &update.seen)?;
    rooted(state)?;
    let before = found(state, &update.uid)?;
    let mut after = Policy::clone(&before);
    if let Some(document) = &update.document {
        after.document.clone_from(document);
    }
    if let Some(description) = &update.description {
        after.description.clone_from(description);
    }
    if after == *before {
        return Ok(Outcome::Entity(Entity::Policy(before)));
    }
    roomy(state, &FeedId::Root)?;
    after.changed = changed(draft, before.changed);
    stored(draft, after)
}

pub(super) fn delete(draft: &mut Draft<'_>, delete: &DeletePolicy) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &delete.seen)?;
    rooted(state)?;
    let policy = found(state, &delete.uid)?;
    if state.referrers(&policy.uid).next().is_some() {
        return Err(Rejection::DeleteConflict(Reference::Identities));
    }
    draft.feed_delete(&FeedId::Root, RowKey::Policy(policy.uid));
    Ok(Outcome::Entity(Entity::Policy(policy)))
}

pub(super) fn put_resource(
    draft: &mut Draft<'_>,
    put: &PutResourcePolicy,
) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &put.seen)?;
    form::resource_policy(&put.document)?;
    set_resource(draft, &put.uid, Some(put.document.clone()))
}

pub(super) fn delete_resource(
    draft: &mut Draft<'_>,
    delete: &DeleteResourcePolicy,
) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &delete.seen)?;
    set_resource(draft, &delete.uid, None)
}

fn set_resource(
    draft: &mut Draft<'_>,
    uid: &Uid,
    policy: Option<Document>,
) -> Result<Outcome, Rejection> {
    let (feed, before) = secret::live(draft.state, uid)?;
    if before.policy == policy {
        return Ok(Outcome::Secret {
            secret: before,
            version: None,
            unchanged: true,
        });
    }
    // What takes a policy away makes room.
    if policy.is_some() {
        roomy(draft.state, &feed)?;
    }
    let after = Secret {
        policy,
        changed: draft.stamp,
        ..Secret::clone(&before)
    };
    secret::stored(draft, &feed, after, None)
}
