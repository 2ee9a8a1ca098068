//! Sessions and certificates' keys that are void before they end.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::Revoke;
use crate::decide::draft::Draft;
use crate::decide::identity::{full, rooted, spare};
use crate::decide::{form, unmoved};
use crate::entity::Quota;
use crate::identity::{Entity, Revocation};
use crate::limits::REVOCATIONS_MAX;
use crate::position::FeedId;
use crate::rejection::Rejection;
use crate::row::{Kept, RowKey};

pub(super) fn revoke(draft: &mut Draft<'_>, revoke: &Revoke) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &revoke.seen)?;
    rooted(state)?;
    let known = state.revocation_of(&revoke.what);
    let revocation = Revocation {
        uid: known.map_or(revoke.uid, |known| known.uid),
        what: revoke.what.clone(),
        reason: revoke.reason.clone(),
        revoked: known.map_or(draft.stamp, |known| known.revoked),
        until: revoke.until,
    };
    form::revocation(&revocation)?;
    match known {
        Some(known) if known.until >= revoke.until => {
            return Ok(Outcome::Entity(Entity::Revocation(Arc::clone(known))));
        }
        // What it would void is over.
        None if revoke.until <= draft.stamp => return Ok(Outcome::None),
        Some(_) => {}
        None => {
            spare(state, &revoke.uid)?;
            full(
                Quota::Revocations,
                state.revocation_count(),
                REVOCATIONS_MAX,
            )?;
        }
    }
    // There are only so many: also a full feed takes them.
    let key = RowKey::Revocation(revocation.uid);
    let kept = draft.feed_put(&FeedId::Root, key, revocation);
    let kept: Arc<Kept<Revocation>> = kept.ok_or(Rejection::FeedNotFound(FeedId::Root))?;
    Ok(Outcome::Entity(Entity::Revocation(Arc::clone(kept.body()))))
}

/// Judged by stamp: a second proposer's copy finds nothing that is over (R10).
pub(super) fn forget(draft: &mut Draft<'_>) -> Result<Outcome, Rejection> {
    rooted(draft.state)?;
    for uid in draft.state.revocations_over(draft.stamp) {
        draft.feed_delete(&FeedId::Root, RowKey::Revocation(uid));
    }
    Ok(Outcome::None)
}
