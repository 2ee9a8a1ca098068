//! OpenID Connect providers whose tokens an account takes.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{CreateProvider, DeleteProvider, UpdateProvider};
use crate::decide::draft::Draft;
use crate::decide::identity::{changed, full, known, rooted, spare, taken};
use crate::decide::{form, roomy, unmoved};
use crate::entity::{Document, EntityKind, Quota};
use crate::identity::{Entity, Provider};
use crate::ids::Uid;
use crate::limits::PROVIDERS_MAX;
use crate::position::FeedId;
use crate::rejection::Rejection;
use crate::row::{Kept, RowKey};
use crate::state::State;

pub(super) fn create(draft: &mut Draft<'_>, create: &CreateProvider) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    rooted(state)?;
    known(state, &create.account)?;
    if let Some(held) = state.provider_of(&create.account, &create.issuer) {
        return match held.uid == create.uid {
            true => Ok(Outcome::Entity(Entity::Provider(Arc::clone(held)))),
            false => Err(taken(EntityKind::Provider, create.issuer.as_str())),
        };
    }
    spare(state, &create.uid)?;
    roomy(state, &FeedId::Root)?;
    let owned = state.entities_owned(&create.account, EntityKind::Provider);
    full(Quota::Providers, owned, PROVIDERS_MAX)?;
    let provider = Provider {
        uid: create.uid,
        account: create.account.clone(),
        issuer: create.issuer.clone(),
        audiences: create.audiences.clone(),
        keys: create.keys.clone(),
        fetched: Document::new(""),
        authority: create.authority.clone(),
        created: draft.stamp,
        changed: draft.stamp,
    };
    stored(draft, provider)
}

fn stored(draft: &mut Draft<'_>, provider: Provider) -> Result<Outcome, Rejection> {
    form::provider(&provider)?;
    let kept = draft.feed_put(&FeedId::Root, RowKey::Provider(provider.uid), provider);
    let kept: Arc<Kept<Provider>> = kept.ok_or(Rejection::FeedNotFound(FeedId::Root))?;
    Ok(Outcome::Entity(Entity::Provider(Arc::clone(kept.body()))))
}

fn found(state: &State, uid: &Uid) -> Result<Arc<Provider>, Rejection> {
    let found = state.provider(uid).cloned();
    found.ok_or(Rejection::NoSuchEntity(EntityKind::Provider))
}

pub(super) fn update(draft: &mut Draft<'_>, update: &UpdateProvider) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &update.seen)?;
    rooted(state)?;
    let before = found(state, &update.uid)?;
    let mut after = Provider::clone(&before);
    if !update.audiences.is_empty() {
        after.audiences.clone_from(&update.audiences);
    }
    if let Some(keys) = &update.keys {
        after.keys.clone_from(keys);
    }
    if let Some(fetched) = &update.fetched {
        after.fetched.clone_from(fetched);
    }
    if let Some(authority) = &update.authority
        && *authority != after.authority
    {
        after.authority.clone_from(authority);
        // Those came from whom the former authority vouched for.
        after.fetched = Document::new("");
    }
    if after.is_pinned() {
        after.fetched = Document::new("");
    }
    if after == *before {
        return Ok(Outcome::Entity(Entity::Provider(before)));
    }
    roomy(state, &FeedId::Root)?;
    after.changed = changed(draft, before.changed);
    stored(draft, after)
}

pub(super) fn delete(draft: &mut Draft<'_>, delete: &DeleteProvider) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &delete.seen)?;
    rooted(state)?;
    let provider = found(state, &delete.uid)?;
    draft.feed_delete(&FeedId::Root, RowKey::Provider(provider.uid));
    Ok(Outcome::Entity(Entity::Provider(provider)))
}
