//! Keys of sessions: the cluster's, which the primary of the root feed makes, and the one by which
//! this region signs.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{KeepSigningKey, RotateSessionKey};
use crate::decide::draft::Draft;
use crate::decide::identity::{rooted, spare};
use crate::decide::{form, root_wrap, version};
use crate::ids::{Stamp, Uid};
use crate::limits::SESSION_KEYS_MAX;
use crate::position::FeedId;
use crate::rejection::Rejection;
use crate::row::RowKey;
use crate::session::{SessionKey, SigningKey};

/// Judged by stamp: a second proposer's copy comes too early (R10).
pub(super) fn rotate(
    draft: &mut Draft<'_>,
    rotate: &RotateSessionKey,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    rooted(state)?;
    let held = state.session_key(&rotate.uid);
    if held.is_some_and(|held| held.sealed == rotate.sealed) {
        return Ok(Outcome::None);
    }
    let newest = state.newest_session_key().map(|newest| newest.created);
    if let Some(newest) = newest
        && draft.stamp.since_ms(newest) < rotate.age_min_ms
    {
        return Err(Rejection::SessionKeyYoung(newest));
    }
    spare(state, &rotate.uid)?;
    version::wrapped(state, &rotate.wrap)?;
    // Whoever led before may have had a clock that was ahead of ours.
    let after = newest.map_or(Stamp(0), |newest| newest.plus_ms(1));
    let key = SessionKey {
        uid: rotate.uid,
        sealed: Arc::clone(&rotate.sealed),
        created: draft.stamp.max(after),
    };
    form::session_key(&key)?;
    let mut before: Vec<(Stamp, Uid)> = state
        .session_keys()
        .map(|key| (key.created, key.uid))
        .collect();
    before.sort_unstable();
    // The new one takes a place: there are only so many, and a full feed takes them too.
    let over = before
        .len()
        .saturating_sub(SESSION_KEYS_MAX.saturating_sub(1));
    for (_, uid) in before.into_iter().take(over) {
        draft.feed_delete(&FeedId::Root, RowKey::SessionKey(uid));
        root_wrap::forget(draft, state, uid);
    }
    draft.put(RowKey::RootWrap(key.uid), &rotate.wrap);
    draft.feed_put(&FeedId::Root, RowKey::SessionKey(key.uid), key);
    Ok(Outcome::None)
}

/// Keeps the first there is: what it signed has to hold. The same may come under another wrap.
pub(super) fn keep_signing(
    draft: &mut Draft<'_>,
    keep: &KeepSigningKey,
) -> Result<Outcome, Rejection> {
    let state = draft.state;
    let held = state.signing_key();
    let created = held.map_or(draft.stamp, |held| held.created);
    let key = SigningKey {
        created,
        ..keep.key.clone()
    };
    form::sealed(&key.sealed)?;
    version::wrapped(state, &key.wrap)?;
    let is_other = held.is_some_and(|held| held.public_key != key.public_key);
    if !is_other && held.map(Arc::as_ref) != Some(&key) {
        draft.put(RowKey::SigningKey, &key);
    }
    Ok(Outcome::None)
}
