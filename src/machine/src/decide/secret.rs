//! Creating, deleting, restoring and purging secrets.

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{CreateSecret, DeleteSecret, PurgeSecret, RestoreSecret};
use crate::decide::draft::Draft;
use crate::decide::hide::forget_resealed;
use crate::decide::hide::free_name;
use crate::decide::{
    ACCESS, BOUNDED_REMAINS, REGIONS, bounded, key, roomy, share, tag, unmoved, version, writable,
};
use crate::ids::{Ordinal, Uid};
use crate::limits::{
    DAY_MS, DESCRIPTION_CHARS_MAX, IMPORTED_ROW_BYTES_MAX, RECOVERY_WINDOW_DAYS_MAX,
    RECOVERY_WINDOW_DAYS_MIN, SECRETS_MAX, TOMBSTONES_MAX,
};
use crate::position::FeedId;
use crate::rejection::{ArnShown, Field, Rejection};
use crate::row::{RowKey, Tombstone};
use crate::secret::{Deletion, Secret};
use crate::state::State;

pub(super) fn create(draft: &mut Draft<'_>, create: &CreateSecret) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &create.seen)?;
    let own = state.region().ok_or(Rejection::NotFounded)?;
    let region = create.region.as_ref().unwrap_or(own);
    let feed = FeedId::Home(region.clone());
    writable(state, &feed)?;
    if !state.has_account(&create.account) {
        return Err(Rejection::AccountUnknown(create.account.clone()));
    }
    if let Some(existing) = state.named(&create.account, &create.name) {
        return name_in_use(existing, create);
    }
    spare(state, &feed, &create.uid)?;
    roomy(state, &feed)?;
    if state.secrets_owned(&feed, &create.account) >= SECRETS_MAX {
        return Err(Rejection::SecretLimit);
    }
    described(&create.description)?;
    tag::checked(&create.tags)?;
    key::usable(state, create.kms_key.as_ref())?;
    let mut secret = Secret {
        uid: create.uid,
        account: create.account.clone(),
        region: region.clone(),
        name: create.name.clone(),
        arn_suffix: create.arn_suffix,
        description: create.description.clone(),
        kms_key: create.kms_key,
        tags: create.tags.clone(),
        tagged: !create.tags.is_empty(),
        created: draft.stamp,
        changed: draft.stamp,
        deletion: None,
        versions: Vec::new(),
        next_ordinal: Ordinal(1),
        replicas: Vec::new(),
        policy: None,
    };
    share::add_replicas(draft, &feed, &mut secret, &create.replicas)?;
    if let Some(new) = &create.new {
        version::add(draft, &feed, &mut secret, new, &[])?;
    }
    let version = create.new.as_ref().map(|new| new.id.clone());
    stored(draft, &feed, secret, version)
}

/// Rejects a uid that was used, or that the feed does not give out.
pub(super) fn spare(state: &State, feed: &FeedId, uid: &Uid) -> Result<(), Rejection> {
    let is_given = state.machine_version() < Some(REGIONS) || feed.gives(uid);
    let is_used = state.feed_of_secret(uid).is_some() || state.tombstone(uid).is_some();
    if is_used || !is_given {
        return Err(Rejection::UidTaken(*uid));
    }
    Ok(())
}

/// The same proposal may be committed twice: it answers twice alike. The uid tells.
fn name_in_use(existing: &Arc<Secret>, create: &CreateSecret) -> Result<Outcome, Rejection> {
    let version = create.new.as_ref().map(|new| new.id.clone());
    if existing.is_scheduled() {
        return Err(Rejection::NameScheduled);
    }
    if let Some(id) = &version
        && existing.version(id).is_some()
    {
        return Err(version::exists(existing, id));
    }
    if existing.uid == create.uid {
        let secret = Arc::clone(existing);
        return Ok(Outcome::Secret {
            secret,
            version,
            unchanged: true,
        });
    }
    Err(Rejection::NameTaken(create.name.clone()))
}

pub(super) fn delete(draft: &mut Draft<'_>, delete: &DeleteSecret) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &delete.seen)?;
    let (feed, secret) = any(draft.state, &delete.uid)?;
    let remaining = share::remaining(draft.state, &secret);
    if !remaining.is_empty() {
        return Err(Rejection::ReplicasRemain {
            arn: ArnShown(secret.arn().to_string()),
            regions: remaining,
        });
    }
    let Some(days) = delete.window_days else {
        let due = draft.stamp;
        let deletion = Some(Deletion {
            requested: draft.stamp,
            due,
        });
        let last = Secret {
            deletion,
            changed: draft.stamp,
            ..Secret::clone(&secret)
        };
        erase(draft, &feed, &secret);
        return Ok(Outcome::Secret {
            secret: Arc::new(last),
            version: None,
            unchanged: false,
        });
    };
    if !(RECOVERY_WINDOW_DAYS_MIN..=RECOVERY_WINDOW_DAYS_MAX).contains(&days) {
        return Err(Rejection::WindowInvalid);
    }
    if secret.is_scheduled() {
        return Err(Rejection::SecretScheduled);
    }
    let due = draft.stamp.plus_ms(u64::from(days).saturating_mul(DAY_MS));
    let deletion = Some(Deletion {
        requested: draft.stamp,
        due,
    });
    let secret = Secret {
        deletion,
        changed: draft.stamp,
        ..Secret::clone(&secret)
    };
    stored(draft, &feed, secret, None)
}

pub(super) fn restore(
    draft: &mut Draft<'_>,
    restore: &RestoreSecret,
) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &restore.seen)?;
    let (feed, secret) = any(draft.state, &restore.uid)?;
    if !secret.is_scheduled() {
        return Ok(Outcome::Secret {
            secret,
            version: None,
            unchanged: true,
        });
    }
    let secret = Secret {
        deletion: None,
        changed: draft.stamp,
        ..Secret::clone(&secret)
    };
    stored(draft, &feed, secret, None)
}

/// Judged by stamp and by the deletion the proposer saw: a second proposer's copy is a no-op (R10).
pub(super) fn purge(draft: &mut Draft<'_>, purge: &PurgeSecret) -> Result<Outcome, Rejection> {
    let Ok((feed, secret)) = any(draft.state, &purge.uid) else {
        return Ok(Outcome::None);
    };
    let due = secret.deletion.map(|deletion| deletion.due);
    if due == Some(purge.deletion_date) && purge.deletion_date <= draft.stamp {
        erase(draft, &feed, &secret);
        return Ok(Outcome::Secret {
            secret,
            version: None,
            unchanged: false,
        });
    }
    Ok(Outcome::None)
}

/// Finds a secret that this region may write to, scheduled for deletion or not, and the feed it
/// belongs to.
pub(super) fn any(state: &State, uid: &Uid) -> Result<(FeedId, Arc<Secret>), Rejection> {
    let (feed, secret) = held(state, uid)?;
    writable(state, &feed)?;
    Ok((feed, secret))
}

/// Finds a secret that is here, and the feed it belongs to.
pub(super) fn held(state: &State, uid: &Uid) -> Result<(FeedId, Arc<Secret>), Rejection> {
    let Some(kept) = state.secret_row(uid) else {
        if state.feed_of_secret(uid).is_some() {
            return Err(Rejection::SecretWithheld(*uid));
        }
        let purged = state.tombstone(uid).is_some();
        let rejection = if purged {
            Rejection::SecretPurged
        } else {
            Rejection::SecretNotFound
        };
        return Err(rejection);
    };
    let origin = kept.origin.as_ref().ok_or(Rejection::SecretNotFound)?;
    let secret = state.secret(uid).ok_or(Rejection::SecretNotFound)?;
    Ok((origin.feed.clone(), Arc::clone(secret)))
}

/// Finds a secret that may be changed.
pub(super) fn live(state: &State, uid: &Uid) -> Result<(FeedId, Arc<Secret>), Rejection> {
    let (feed, secret) = any(state, uid)?;
    if secret.is_scheduled() {
        return Err(Rejection::SecretScheduled);
    }
    Ok((feed, secret))
}

/// Puts a secret's metadata and answers with it.
pub(super) fn stored(
    draft: &mut Draft<'_>,
    feed: &FeedId,
    mut secret: Secret,
    version: Option<crate::names::VersionId>,
) -> Result<Outcome, Rejection> {
    // Nodes that do not know the field may still be here, and drop it.
    if draft.state.machine_version() < Some(ACCESS) {
        secret.policy = None;
    }
    // The region that wrote it last may have had a clock that was ahead of ours.
    if let Some(before) = draft.state.secret(&secret.uid) {
        secret.changed = secret.changed.max(before.changed.plus_ms(1));
    }
    let row = as_row(draft.state, &secret);
    let holders = draft.holders(feed, &secret);
    let kept = draft.feed_put_for(feed, holders, RowKey::Secret(secret.uid), row);
    let kept = kept.ok_or_else(|| Rejection::FeedNotFound(feed.clone()))?;
    // Only the keys of many replica regions can be as long as that.
    if draft.state.machine_version() >= Some(REGIONS) {
        bounded(Field::Replicas, kept.stored().len(), IMPORTED_ROW_BYTES_MAX)?;
    }
    Ok(Outcome::Secret {
        secret: Arc::new(secret),
        version,
        unchanged: false,
    })
}

/// Leaves out the versions without labels that their own rows describe.
fn as_row(state: &State, secret: &Secret) -> Secret {
    // Both are in the order of their numbers.
    let mut described = state.described(&secret.uid).peekable();
    let versions = secret.versions.iter().filter(|version| {
        while described.next_if(|(at, _)| *at < version.ordinal).is_some() {}
        let own = described.peek().filter(|(at, _)| *at == version.ordinal);
        // Another region's row may say other things of a version than the version's own.
        !own.is_some_and(|(at, description)| description.version(*at) == **version)
    });
    Secret {
        versions: versions.cloned().collect(),
        ..secret.without_versions()
    }
}

pub(super) fn described(description: &str) -> Result<(), Rejection> {
    bounded(
        Field::Description,
        description.chars().count(),
        DESCRIPTION_CHARS_MAX,
    )
}

/// Deletes everything of a secret and leaves a tombstone: its name is free, its uid is spent.
pub(super) fn erase(draft: &mut Draft<'_>, feed: &FeedId, secret: &Secret) {
    let state = draft.state;
    for version in &secret.versions {
        version::forget(draft, feed, secret.uid, version.ordinal);
    }
    // Of a feed that was taken over there may be others: that never came, or without the secret.
    let is_listed = |ordinal: &Ordinal| {
        let mut listed = secret.versions.iter();
        listed.any(|version| version.ordinal == *ordinal)
    };
    let others = state.strays(secret.uid, Ordinal(0)).into_iter();
    for ordinal in others.filter(|ordinal| !is_listed(ordinal)) {
        version::forget(draft, feed, secret.uid, ordinal);
    }
    for key in state.replica_keys(secret.uid) {
        draft.delete(key);
    }
    forget_resealed(draft, state, secret.uid);
    draft.feed_delete(feed, RowKey::Secret(secret.uid));
    if draft.state.machine_version() >= Some(BOUNDED_REMAINS) {
        // Room for the one to come.
        let max = TOMBSTONES_MAX.saturating_sub(1);
        for uid in state.tombstones_above(feed, max) {
            draft.feed_delete(feed, RowKey::Tombstone(uid));
        }
    }
    draft.feed_put(
        feed,
        RowKey::Tombstone(secret.uid),
        Tombstone {
            purged: draft.stamp,
        },
    );
    if state.access(&secret.uid).is_some() {
        draft.delete(RowKey::Access(secret.uid));
    }
    free_name(draft, state, secret.uid);
    if state.problem(&secret.uid).is_some() {
        draft.delete(RowKey::Problem(secret.uid));
    }
    if !state.kept_labels(&secret.uid).is_empty() {
        draft.delete(RowKey::KeptLabels(secret.uid));
    }
}
