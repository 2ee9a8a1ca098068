//! Adding versions, and pruning the oldest nobody labels.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{NewVersion, PutSecretValue, UpdateSecret};
use crate::decide::draft::Draft;
use crate::decide::{DESCRIBED_VERSIONS, bounded, key, label, roomy, secret, unmoved};
use crate::ids::{Ordinal, Uid};
use crate::limits::{
    LABELS_MAX, ORDINAL_MAX, SEAL_BYTES_MAX, UNLABELLED_VERSIONS_MAX, VALUE_BYTES_MAX,
    WRAPPED_KEY_BYTES_MAX,
};
use crate::names::{Label, VersionId};
use crate::position::FeedId;
use crate::rejection::{ArnShown, Field, Rejection};
use crate::row::{Access, RowKey};
use crate::secret::{Secret, StoredVersion, Version, VersionDescription, Wrap};
use crate::state::State;

pub(super) fn put(draft: &mut Draft<'_>, put: &PutSecretValue) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &put.seen)?;
    let (feed, before) = secret::live(draft.state, &put.uid)?;
    roomy(draft.state, &feed)?;
    let mut secret = before.with_room();
    add(draft, &feed, &mut secret, &put.new, &put.labels)?;
    prune(draft, &feed, &mut secret, put.young_protection_ms)?;
    secret.changed = draft.stamp;
    secret::stored(draft, &feed, secret, Some(put.new.id.clone()))
}

pub(super) fn update(draft: &mut Draft<'_>, update: &UpdateSecret) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &update.seen)?;
    let (feed, before) = secret::live(draft.state, &update.uid)?;
    roomy(draft.state, &feed)?;
    rewrap(draft, &before, &update.rewrapped)?;
    let touches = update.description.is_some() || update.kms_key.is_some() || update.new.is_some();
    if !touches {
        // New wraps alone are rows of the region: the secret is what it was (R1).
        return Ok(Outcome::Secret {
            secret: before,
            version: None,
            unchanged: true,
        });
    }
    let mut secret = before.with_room();
    if let Some(description) = &update.description {
        secret::described(description)?;
        secret.description.clone_from(description);
    }
    if let Some(kms_key) = &update.kms_key {
        key::usable(draft.state, kms_key.as_ref())?;
        secret.kms_key = *kms_key;
    }
    if let Some(new) = &update.new {
        add(draft, &feed, &mut secret, new, &[])?;
        prune(draft, &feed, &mut secret, update.young_protection_ms)?;
    }
    secret.changed = draft.stamp;
    secret::stored(
        draft,
        &feed,
        secret,
        update.new.as_ref().map(|new| new.id.clone()),
    )
}

/// Adds a version with its value and its wrapped key, and attaches labels: those asked for, else
/// AWSCURRENT; the first version gets AWSCURRENT in any case (I6).
pub(super) fn add(
    draft: &mut Draft<'_>,
    feed: &FeedId,
    secret: &mut Secret,
    new: &NewVersion,
    labels: &[Label],
) -> Result<(), Rejection> {
    if secret.version(&new.id).is_some() {
        return Err(exists(secret, &new.id));
    }
    let ciphertext = new.sealed.ciphertext.len();
    bounded(
        Field::Value,
        ciphertext,
        VALUE_BYTES_MAX.saturating_add(SEAL_BYTES_MAX),
    )?;
    bounded(Field::VersionStages, labels.len(), LABELS_MAX)?;
    wrapped(draft.state, &new.wrap)?;
    let ordinal = spare(draft, feed, secret);
    // Another region, whose secret it was, may have come close to the end of all numbers.
    if ordinal.0 >= ORDINAL_MAX {
        return Err(Rejection::VersionLimit);
    }
    secret.next_ordinal = Ordinal(ordinal.0.saturating_add(1));
    secret.versions.push(Version {
        id: new.id.clone(),
        ordinal,
        kind: new.kind,
        created: draft.stamp,
        labels: Vec::new(),
    });
    // AWSCURRENT comes last, so that AWSPREVIOUS ends where AWSCURRENT was, whatever was asked for.
    let (current, others): (Vec<&Label>, Vec<&Label>) =
        labels.iter().partition(|label| label.is_current());
    for label in others {
        label::attach(secret, label, ordinal);
    }
    if labels.is_empty() || !current.is_empty() || secret.current().is_none() {
        label::attach(secret, &Label::current(), ordinal);
    }
    label::counted(secret)?;
    let describes = draft.state.machine_version() >= Some(DESCRIBED_VERSIONS);
    let description = describes.then(|| VersionDescription {
        id: new.id.clone(),
        kind: new.kind,
        created: draft.stamp,
    });
    let row = StoredVersion {
        sealed: Arc::clone(&new.sealed),
        description,
    };
    let holders = draft.holders(feed, secret);
    draft.feed_put_for(feed, holders, RowKey::Version(secret.uid, ordinal), row);
    draft.put(RowKey::Wrap(secret.uid, ordinal), &new.wrap);
    Ok(())
}

/// Gives a number that no version of the secret ever had. Versions that came without the rest of
/// their entry, from a primary that is lost, never were any: they go.
fn spare(draft: &mut Draft<'_>, feed: &FeedId, secret: &Secret) -> Ordinal {
    let strays = draft.state.strays(secret.uid, secret.next_ordinal);
    for stray in &strays {
        forget(draft, feed, secret.uid, *stray);
    }
    let last = strays.last().map(|Ordinal(last)| last.saturating_add(1));
    Ordinal(last.unwrap_or_default()).max(secret.next_ordinal)
}

/// Deletes the rows of a version.
pub(super) fn forget(draft: &mut Draft<'_>, feed: &FeedId, uid: Uid, ordinal: Ordinal) {
    draft.feed_delete(feed, RowKey::Version(uid, ordinal));
    draft.delete(RowKey::Wrap(uid, ordinal));
}

/// Says that a version is there already.
pub(super) fn exists(secret: &Secret, id: &VersionId) -> Rejection {
    Rejection::VersionExists {
        uid: secret.uid,
        version: id.clone(),
        arn: ArnShown(secret.arn().to_string()),
    }
}

/// Drops the oldest versions without label above the bound. Young ones are never dropped: a secret
/// that would need that takes no more versions until they are old enough.
fn prune(
    draft: &mut Draft<'_>,
    feed: &FeedId,
    secret: &mut Secret,
    young_protection_ms: u64,
) -> Result<(), Rejection> {
    let unlabelled = secret
        .versions
        .iter()
        .filter(|version| version.labels.is_empty());
    let excess = unlabelled
        .clone()
        .count()
        .saturating_sub(UNLABELLED_VERSIONS_MAX);
    let oldest: Vec<&Version> = unlabelled.take(excess).collect();
    let is_young = |version: &&Version| draft.stamp.since_ms(version.created) < young_protection_ms;
    if oldest.iter().any(is_young) {
        return Err(Rejection::VersionLimit);
    }
    let pruned: BTreeSet<Ordinal> = oldest.iter().map(|version| version.ordinal).collect();
    if pruned.is_empty() {
        return Ok(());
    }
    secret
        .versions
        .retain(|version| !pruned.contains(&version.ordinal));
    pruned
        .iter()
        .for_each(|ordinal| forget(draft, feed, secret.uid, *ordinal));
    let access = draft
        .state
        .access(&secret.uid)
        .map(|access| Access::clone(access));
    if let Some(mut access) = access
        && access
            .versions
            .iter()
            .any(|(ordinal, _)| pruned.contains(ordinal))
    {
        access
            .versions
            .retain(|(ordinal, _)| !pruned.contains(ordinal));
        draft.put(RowKey::Access(secret.uid), &access);
    }
    Ok(())
}

/// Puts the wraps of kept versions under another key.
pub(super) fn rewrap(
    draft: &mut Draft<'_>,
    secret: &Secret,
    rewrapped: &[(VersionId, Wrap)],
) -> Result<(), Rejection> {
    bounded(Field::Versions, rewrapped.len(), secret.versions.len())?;
    for (id, wrap) in rewrapped {
        let version = secret
            .version(id)
            .ok_or_else(|| Rejection::VersionNotFound(id.clone()))?;
        wrapped(draft.state, wrap)?;
        draft.put(RowKey::Wrap(secret.uid, version.ordinal), wrap);
    }
    Ok(())
}

/// Rejects a wrap that is too long, or that no key here opens.
pub(super) fn wrapped(state: &State, wrap: &Wrap) -> Result<(), Rejection> {
    bounded(
        Field::WrappedKey,
        wrap.wrapped_dek.len(),
        WRAPPED_KEY_BYTES_MAX,
    )?;
    let key = key::usable(state, Some(&wrap.key_id))?;
    let is_known = key
        .versions
        .iter()
        .any(|version| version.version == wrap.key_version);
    if is_known {
        Ok(())
    } else {
        Err(Rejection::KeyNotFound(wrap.key_id))
    }
}
