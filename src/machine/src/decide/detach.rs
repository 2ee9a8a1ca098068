//! Making a secret of its own of a copy (R24): of all its versions, sealed anew, at once. Those
//! that are too long together for one entry are kept before, where no read sees them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{DetachSecret, NewVersion, StageDetach};
use crate::decide::draft::Draft;
use crate::decide::hide::{forget_resealed, hide_versions};
use crate::decide::{bounded, key, roomy, secret, unmoved, version, writable};
use crate::ids::{Ordinal, Uid};
use crate::limits::{RESEALED_COPIES_MAX, SEAL_BYTES_MAX, SECRETS_MAX, VALUE_BYTES_MAX};
use crate::names::VersionId;
use crate::position::FeedId;
use crate::rejection::{Field, Rejection};
use crate::row::{Detached, Resealed, RowKey};
use crate::secret::{Secret, StoredVersion, Version, VersionDescription};
use crate::state::{RowRef, State};

/// Keeps versions of a copy that will be detached, or forgets all that are kept.
pub(super) fn stage(draft: &mut Draft<'_>, stage: &StageDetach) -> Result<Outcome, Rejection> {
    let (state, uid) = (draft.state, stage.uid);
    if stage.versions.is_empty() {
        forget_resealed(draft, state, uid);
        return Ok(Outcome::None);
    }
    let (_, copy, _) = detachable(state, &uid, &stage.new_uid)?;
    if state.is_incomplete(&uid) {
        return Err(Rejection::VersionsMissing);
    }
    admitted(state, &uid)?;
    let mut ordinals = BTreeSet::new();
    for new in &stage.versions {
        let version = copy.version(&new.id).ok_or(Rejection::VersionsMissing)?;
        sound(state, new)?;
        if !ordinals.insert(version.ordinal) {
            return Err(Rejection::VersionsMissing);
        }
        let row = Resealed {
            new_uid: stage.new_uid,
            staged: draft.stamp,
            version: new.clone(),
        };
        draft.put(RowKey::Resealed(uid, version.ordinal), &row);
    }
    // What is put in its place need not be deleted.
    let replaced = state.resealed(&uid);
    let others = replaced
        .filter(|(ordinal, kept)| kept.new_uid != stage.new_uid && !ordinals.contains(ordinal));
    others.for_each(|(ordinal, _)| draft.delete(RowKey::Resealed(uid, ordinal)));
    Ok(Outcome::None)
}

/// Rejects one copy more than may be kept of.
fn admitted(state: &State, uid: &Uid) -> Result<(), Rejection> {
    let copies: BTreeSet<&Uid> = state.all_resealed().map(|(uid, _)| uid).collect();
    match copies.contains(uid) || copies.len() < RESEALED_COPIES_MAX {
        true => Ok(()),
        false => Err(Rejection::DetachLimit),
    }
}

/// Finds a copy that may become a secret of its own with a uid, its feed, and this region's.
fn detachable(
    state: &State,
    uid: &Uid,
    new_uid: &Uid,
) -> Result<(FeedId, Arc<Secret>, FeedId), Rejection> {
    if state.detached(uid).is_some() && state.secret(uid).is_none() {
        // Somebody else came first.
        return Err(Rejection::VersionsMissing);
    }
    let (feed, copy) = secret::held(state, uid)?;
    let own = state.region().ok_or(Rejection::NotFounded)?;
    if state.is_primary(&feed) || copy.replica(own).is_none() {
        return Err(Rejection::NotAReplica);
    }
    if copy.is_scheduled() {
        return Err(Rejection::SecretScheduled);
    }
    // Another secret has the name here: as one of this region's own it would come before that.
    if state.late_since(&copy.uid).is_some() {
        return Err(Rejection::NameTaken(copy.name.clone()));
    }
    let home = FeedId::Home(own.clone());
    writable(state, &home)?;
    secret::spare(state, &home, new_uid)?;
    roomy(state, &home)?;
    Ok((feed, copy, home))
}

/// Rejects a version that is too long, or whose key is none of this region.
fn sound(state: &State, new: &NewVersion) -> Result<(), Rejection> {
    let bytes = new.sealed.ciphertext.len();
    let max = VALUE_BYTES_MAX.saturating_add(SEAL_BYTES_MAX);
    bounded(Field::Value, bytes, max)?;
    version::wrapped(state, &new.wrap)
}

/// Makes a secret of its own of a copy, with the same name and labels, in this region's home feed.
/// What comes for the copy from then on is kept by its commitment only.
pub(super) fn detach(draft: &mut Draft<'_>, detach: &DetachSecret) -> Result<Outcome, Rejection> {
    let state = draft.state;
    unmoved(state, &detach.seen)?;
    if let Some(done) = state.detached(&detach.uid)
        && done.new_uid == detach.new_uid
        && let Some(secret) = state.secret(&detach.new_uid)
    {
        return Ok(Outcome::Secret {
            secret: Arc::clone(secret),
            version: None,
            unchanged: true,
        });
    }
    let (feed, copy, home) = detachable(state, &detach.uid, &detach.new_uid)?;
    let own = state.region().ok_or(Rejection::NotFounded)?;
    if state.secrets_owned(&home, &copy.account) >= SECRETS_MAX {
        return Err(Rejection::SecretLimit);
    }
    key::usable(state, detach.kms_key.as_ref())?;
    let versions = renumbered(state, &copy, detach)?;
    leave(draft, &feed, copy.uid, detach.new_uid);
    let secret = Secret {
        uid: detach.new_uid,
        region: own.clone(),
        kms_key: detach.kms_key,
        changed: draft.stamp,
        next_ordinal: Ordinal(versions.len() as u64 + 1),
        versions: versions
            .iter()
            .map(|(version, _)| version.clone())
            .collect(),
        replicas: Vec::new(),
        ..Secret::clone(&copy)
    };
    let holders = draft.holders(&home, &secret);
    for (version, new) in versions {
        let row = StoredVersion {
            sealed: Arc::clone(&new.sealed),
            description: Some(VersionDescription {
                id: version.id.clone(),
                kind: version.kind,
                created: version.created,
            }),
        };
        let at = RowKey::Version(secret.uid, version.ordinal);
        draft.feed_put_for(&home, Arc::clone(&holders), at, row);
        draft.put(RowKey::Wrap(secret.uid, version.ordinal), &new.wrap);
    }
    secret::stored(draft, &home, secret, None)
}

/// Keeps of a copy that it is another secret now, and its commitments.
fn leave(draft: &mut Draft<'_>, feed: &FeedId, copy: Uid, new_uid: Uid) {
    let state = draft.state;
    hide_versions(draft, state, feed, copy);
    if let Some(RowRef::Here(row)) = state.row(&RowKey::Secret(copy)) {
        draft.replace(RowKey::Secret(copy), row.without_body());
    }
    if state.problem(&copy).is_some() {
        draft.delete(RowKey::Problem(copy));
    }
    if !state.kept_labels(&copy).is_empty() {
        draft.delete(RowKey::KeptLabels(copy));
    }
    let detached = Detached {
        new_uid,
        detached: draft.stamp,
    };
    draft.put(RowKey::Detached(copy), &detached);
}

/// Gives the versions of a copy their numbers in the new secret, each with its value sealed anew,
/// which comes with the entry or is kept already: every one must be there.
fn renumbered<'a>(
    state: &'a State,
    copy: &Secret,
    detach: &'a DetachSecret,
) -> Result<Vec<(Version, &'a NewVersion)>, Rejection> {
    let is_of_copy = |new: &NewVersion| copy.version(&new.id).is_some();
    if state.is_incomplete(&copy.uid) || !detach.versions.iter().all(is_of_copy) {
        return Err(Rejection::VersionsMissing);
    }
    let kept = state.resealed(&copy.uid).map(|(_, kept)| kept);
    let kept = kept.filter(|kept| kept.new_uid == detach.new_uid);
    let kept = kept.map(|kept| &kept.version);
    let sealed = kept.chain(&detach.versions).map(|new| (&new.id, new));
    let sealed: BTreeMap<&VersionId, &NewVersion> = sealed.collect();
    let mut versions = Vec::with_capacity(copy.versions.len());
    for (ordinal, version) in (1..).map(Ordinal).zip(&copy.versions) {
        let new = sealed.get(&version.id).copied();
        let new = new.ok_or(Rejection::VersionsMissing)?;
        sound(state, new)?;
        let version = Version {
            ordinal,
            ..version.clone()
        };
        versions.push((version, new));
    }
    Ok(versions)
}
