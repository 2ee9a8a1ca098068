//! Accounts, and the users, groups and roles that they have.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{
    CreateAccount, CreateIdentity, DeleteIdentity, IdentityChange, UpdateIdentity,
};
use crate::decide::draft::Draft;
use crate::decide::{bounded, form, roomy, tag, unmoved, writable};
use crate::entity::{EntityKind, EntityName, Quota, Reference};
use crate::identity::{Account, Entity, Identity, InlinePolicy, Nature};
use crate::ids::{Ordinal, Stamp, Uid};
use crate::limits::{ACCOUNTS_MAX, GROUPS_MAX, ROLES_MAX, TAGS_MAX, USERS_MAX};
use crate::names::AccountId;
use crate::position::FeedId;
use crate::rejection::{Field, NameShown, Rejection};
use crate::row::{Kept, RowKey};
use crate::secret::Tag;
use crate::state::State;

/// Rejects what this region may not write to the root feed.
pub(super) fn rooted(state: &State) -> Result<(), Rejection> {
    writable(state, &FeedId::Root)
}

pub(super) fn create_account(
    draft: &mut Draft<'_>,
    create: &CreateAccount,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    rooted(state)?;
    let account = Account {
        id: create.id.clone(),
        name: create.name.clone(),
    };
    form::account(&account)?;
    if account.name.is_empty() {
        return Err(Rejection::FieldInvalid(Field::AccountName));
    }
    if let Some(number) = state.account_number(&create.id) {
        let mut accounts = state.accounts();
        let held = accounts.find(|(held, _)| *held == number);
        return match held.is_some_and(|(_, held)| **held == account) {
            true => Ok(Outcome::None),
            false => Err(taken(EntityKind::Account, create.id.as_str())),
        };
    }
    roomy(state, &FeedId::Root)?;
    let (count, last) = (state.accounts().count(), state.accounts().last());
    full(Quota::Accounts, count, ACCOUNTS_MAX)?;
    let last = last.map(|(Ordinal(number), _)| number).unwrap_or_default();
    let number = Ordinal(last.saturating_add(1));
    draft.feed_put(&FeedId::Root, RowKey::Account(number), account);
    Ok(Outcome::None)
}

/// Says that a name, or what is presented, is another's.
pub(super) fn taken(kind: EntityKind, name: &str) -> Rejection {
    Rejection::EntityAlreadyExists(kind, NameShown(name.to_owned()))
}

/// Rejects one more where there are as many as there may be.
pub(super) fn full(quota: Quota, count: usize, max: usize) -> Result<(), Rejection> {
    form::within(quota, count.saturating_add(1), max)
}

/// Rejects a uid that is in use, or that the root feed does not give out.
pub(super) fn spare(state: &State, uid: &Uid) -> Result<(), Rejection> {
    match form::is_of_root(uid) && !state.has_entity(uid) {
        true => Ok(()),
        false => Err(Rejection::UidTaken(*uid)),
    }
}

pub(super) fn known(state: &State, account: &AccountId) -> Result<(), Rejection> {
    match state.has_account(account) {
        true => Ok(()),
        false => Err(Rejection::AccountUnknown(account.clone())),
    }
}

/// The stamp of a change: whoever led the feed before may have had a clock that was ahead of ours.
pub(super) fn changed(draft: &Draft<'_>, before: Stamp) -> Stamp {
    draft.stamp.max(before.plus_ms(1))
}

pub(super) fn create(draft: &mut Draft<'_>, create: &CreateIdentity) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    rooted(state)?;
    known(state, &create.account)?;
    let identity = Identity {
        uid: create.uid,
        account: create.account.clone(),
        path: create.path.clone(),
        name: create.name.clone(),
        nature: create.nature.clone(),
        created: draft.stamp,
        changed: draft.stamp,
        tags: create.tags.clone(),
        attached: Vec::new(),
        inline: Vec::new(),
        boundary: create.boundary,
        regions: create.regions.clone(),
        enabled: true,
        revoked_before: Stamp(0),
    };
    let kind = identity.kind();
    if let Some(held) = state.identity_named(&create.account, kind, &create.name) {
        // The same proposal may be committed twice: it answers twice alike. The uid tells.
        return match held.uid == create.uid {
            true => Ok(Outcome::Entity(Entity::Identity(Arc::clone(held)))),
            false => Err(taken(kind, create.name.as_str())),
        };
    }
    spare(state, &create.uid)?;
    roomy(state, &FeedId::Root)?;
    let (quota, max) = match kind {
        EntityKind::Group => (Quota::Groups, GROUPS_MAX),
        EntityKind::Role => (Quota::Roles, ROLES_MAX),
        _ => (Quota::Users, USERS_MAX),
    };
    full(quota, state.entities_owned(&create.account, kind), max)?;
    if let Some(policy) = &identity.boundary {
        policy_of(state, &identity, policy)?;
    }
    for group in identity.groups() {
        group_of(state, &identity, group)?;
    }
    stored(draft, identity)
}

/// Checks and puts an identity, and answers with it.
fn stored(draft: &mut Draft<'_>, identity: Identity) -> Result<Outcome, Rejection> {
    form::identity(&identity)?;
    let key = RowKey::Identity(identity.uid);
    let kept = draft.feed_put(&FeedId::Root, key, identity);
    let kept: Arc<Kept<Identity>> = kept.ok_or(Rejection::FeedNotFound(FeedId::Root))?;
    Ok(Outcome::Entity(Entity::Identity(Arc::clone(kept.body()))))
}

/// Rejects a policy that is not there, or of another account.
fn policy_of(state: &State, identity: &Identity, policy: &Uid) -> Result<(), Rejection> {
    match state.policy(policy) {
        Some(policy) if policy.account == identity.account => Ok(()),
        _ => Err(Rejection::NoSuchEntity(EntityKind::Policy)),
    }
}

/// Rejects a group that is not there, or of another account.
fn group_of(state: &State, identity: &Identity, group: &Uid) -> Result<(), Rejection> {
    match state.identity(group) {
        Some(group) if group.account == identity.account && group.nature == Nature::Group => Ok(()),
        _ => Err(Rejection::NoSuchEntity(EntityKind::Group)),
    }
}

/// Finds an identity. What kind of one is meant nobody says: it is called a user.
fn found(state: &State, uid: &Uid) -> Result<Arc<Identity>, Rejection> {
    let found = state.identity(uid).cloned();
    found.ok_or(Rejection::NoSuchEntity(EntityKind::User))
}

pub(super) fn update(draft: &mut Draft<'_>, update: &UpdateIdentity) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &update.seen)?;
    rooted(state)?;
    let before = found(state, &update.uid)?;
    let mut after = Identity::clone(&before);
    change(draft, &mut after, &update.change)?;
    if after == *before {
        return Ok(Outcome::Entity(Entity::Identity(before)));
    }
    if adds(&update.change) {
        roomy(state, &FeedId::Root)?;
    }
    after.changed = changed(draft, before.changed);
    stored(draft, after)
}

/// Whether a change may need room. What takes something away is always taken.
fn adds(change: &IdentityChange) -> bool {
    match change {
        IdentityChange::Trust(_)
        | IdentityChange::Boundary(_)
        | IdentityChange::Regions(_)
        | IdentityChange::Tag(_)
        | IdentityChange::SessionSecondsMax(_)
        | IdentityChange::Attach(_)
        | IdentityChange::PutInline(_)
        | IdentityChange::Join(_) => true,
        IdentityChange::Untag(_)
        | IdentityChange::Enabled(_)
        | IdentityChange::Detach(_)
        | IdentityChange::DeleteInline(_)
        | IdentityChange::Leave(_)
        | IdentityChange::RevokeSessions => false,
    }
}

fn change(
    draft: &Draft<'_>,
    identity: &mut Identity,
    change: &IdentityChange,
) -> Result<(), Rejection> {
    let state = draft.state;
    match change {
        IdentityChange::Trust(document) => trust(identity)?.clone_from(document),
        IdentityChange::SessionSecondsMax(max) => *session(identity)? = *max,
        IdentityChange::Boundary(policy) => {
            if let Some(policy) = policy {
                policy_of(state, identity, policy)?;
            }
            identity.boundary = *policy;
        }
        IdentityChange::Regions(regions) => identity.regions.clone_from(regions),
        IdentityChange::Tag(tags) => add_tags(identity, tags)?,
        IdentityChange::Untag(keys) => {
            bounded(Field::Tags, keys.len(), TAGS_MAX)?;
            identity.tags.retain(|tag| !keys.contains(&tag.key));
        }
        IdentityChange::Enabled(enabled) => identity.enabled = *enabled,
        IdentityChange::Attach(policy) => {
            policy_of(state, identity, policy)?;
            add(&mut identity.attached, policy);
        }
        IdentityChange::Detach(policy) => {
            if !identity.attached.contains(policy) {
                return Err(Rejection::NoSuchEntity(EntityKind::Policy));
            }
            identity.attached.retain(|held| held != policy);
        }
        IdentityChange::PutInline(policy) => put_inline(identity, policy),
        IdentityChange::DeleteInline(name) => delete_inline(identity, name)?,
        IdentityChange::Join(group) => {
            group_of(state, identity, group)?;
            add(groups(identity)?, group);
        }
        IdentityChange::Leave(group) => groups(identity)?.retain(|held| held != group),
        // A session that was issued in this very millisecond may be one that is to be void.
        IdentityChange::RevokeSessions => identity.revoked_before = draft.stamp.plus_ms(1),
    }
    Ok(())
}

fn add(uids: &mut Vec<Uid>, uid: &Uid) {
    if !uids.contains(uid) {
        uids.push(*uid);
    }
}

fn add_tags(identity: &mut Identity, tags: &[Tag]) -> Result<(), Rejection> {
    tag::checked(tags)?;
    for tag in tags {
        match identity.tags.iter_mut().find(|held| held.key == tag.key) {
            Some(held) => held.value.clone_from(&tag.value),
            None => identity.tags.push(tag.clone()),
        }
    }
    Ok(())
}

fn put_inline(identity: &mut Identity, policy: &InlinePolicy) {
    let mut held = identity.inline.iter_mut();
    match held.find(|held| held.name.is_same(&policy.name)) {
        Some(held) => held.document.clone_from(&policy.document),
        None => identity.inline.push(policy.clone()),
    }
}

fn delete_inline(identity: &mut Identity, name: &EntityName) -> Result<(), Rejection> {
    if identity.inline_policy(name).is_none() {
        return Err(Rejection::NoSuchEntity(EntityKind::Policy));
    }
    identity.inline.retain(|held| !held.name.is_same(name));
    Ok(())
}

fn groups(identity: &mut Identity) -> Result<&mut Vec<Uid>, Rejection> {
    match &mut identity.nature {
        Nature::User { groups } => Ok(groups),
        Nature::Group | Nature::Role { .. } => Err(Rejection::NoSuchEntity(EntityKind::User)),
    }
}

fn trust(identity: &mut Identity) -> Result<&mut crate::entity::Document, Rejection> {
    match &mut identity.nature {
        Nature::Role { trust, .. } => Ok(trust),
        Nature::User { .. } | Nature::Group => Err(Rejection::NoSuchEntity(EntityKind::Role)),
    }
}

fn session(identity: &mut Identity) -> Result<&mut u32, Rejection> {
    match &mut identity.nature {
        Nature::Role {
            session_seconds_max,
            ..
        } => Ok(session_seconds_max),
        Nature::User { .. } | Nature::Group => Err(Rejection::NoSuchEntity(EntityKind::Role)),
    }
}

/// Deletes an identity. A boundary does not stand in the way, as with AWS: it belongs to nobody
/// then.
pub(super) fn delete(draft: &mut Draft<'_>, delete: &DeleteIdentity) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &delete.seen)?;
    rooted(state)?;
    let identity = found(state, &delete.uid)?;
    let conflicts = [
        (
            Reference::Credentials,
            state.credentials_of(&identity.uid).next().is_some(),
        ),
        (
            Reference::Members,
            state.members(&identity.uid).next().is_some(),
        ),
        (Reference::Groups, !identity.groups().is_empty()),
        (Reference::AttachedPolicies, !identity.attached.is_empty()),
        (Reference::InlinePolicies, !identity.inline.is_empty()),
    ];
    if let Some((reference, _)) = conflicts.iter().find(|(_, stands)| *stands) {
        return Err(Rejection::DeleteConflict(*reference));
    }
    draft.feed_delete(&FeedId::Root, RowKey::Identity(identity.uid));
    Ok(Outcome::Entity(Entity::Identity(identity)))
}
