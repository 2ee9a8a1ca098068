//! Copies of a secret in other regions (R23).

use std::sync::Arc;

use crate::answer::Outcome;
use crate::command::{ReplicaReport, ReportReplicas, RewrapSecret, ShareSecret, UnshareSecret};
use crate::decide::draft::Draft;
use crate::decide::{REGIONS, bounded, roomy, secret, unmoved, version};
use crate::limits::{IMPORTED_MAX, KEY_NAME_CHARS_MAX, MESSAGE_CHARS_MAX, REGIONS_MAX};
use crate::names::{RegionName, VersionId};
use crate::position::FeedId;
use crate::region::{ReplicaState, ReplicaStatus};
use crate::rejection::{Field, Rejection};
use crate::row::RowKey;
use crate::secret::{Replica, Secret};
use crate::state::State;

pub(super) fn share(draft: &mut Draft<'_>, share: &ShareSecret) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &share.seen)?;
    let (feed, before) = secret::live(draft.state, &share.uid)?;
    roomy(draft.state, &feed)?;
    let mut after = Secret::clone(&before);
    add_replicas(draft, &feed, &mut after, &share.replicas)?;
    changed(draft, &feed, &before, after)
}

/// Adds regions to a secret, or changes their keys. Their copies are then on the way.
pub(super) fn add_replicas(
    draft: &mut Draft<'_>,
    feed: &FeedId,
    secret: &mut Secret,
    replicas: &[Replica],
) -> Result<(), Rejection> {
    if replicas.is_empty() {
        return Ok(());
    }
    if draft.state.machine_version() < Some(REGIONS) {
        return Err(Rejection::MachineVersionNeeded(REGIONS));
    }
    bounded(Field::Replicas, replicas.len(), REGIONS_MAX)?;
    for (at, replica) in replicas.iter().enumerate() {
        let region = &replica.region;
        let number = draft.state.region_number(region);
        let is_linked = draft.state.linked(region).is_some();
        let is_repeated = replicas
            .iter()
            .take(at)
            .any(|other| other.region == *region);
        let is_primary = draft.state.primary_of(feed) == Some(region);
        let Some(number) = number.filter(|_| is_linked && !is_repeated && !is_primary) else {
            return Err(Rejection::ReplicaRegionInvalid(region.clone()));
        };
        let words = replica.kms_key.as_deref().unwrap_or_default();
        bounded(Field::KeyAlias, words.chars().count(), KEY_NAME_CHARS_MAX)?;
        let mut known = secret.replicas.iter_mut();
        if let Some(known) = known.find(|known| known.region == *region) {
            // What the region said of its copy holds until it says other things.
            known.clone_from(replica);
            continue;
        }
        secret.replicas.push(replica.clone());
        let status = ReplicaStatus {
            state: ReplicaState::InProgress,
            message: String::new(),
            access_day: 0,
        };
        draft.put(RowKey::Replica(secret.uid, number), &status);
    }
    bounded(Field::Replicas, secret.replicas.len(), REGIONS_MAX)
}

pub(super) fn unshare(
    draft: &mut Draft<'_>,
    unshare: &UnshareSecret,
) -> Result<Outcome, Rejection> {
    unmoved(draft.state, &unshare.seen)?;
    bounded(Field::Replicas, unshare.regions.len(), REGIONS_MAX)?;
    let (feed, before) = secret::live(draft.state, &unshare.uid)?;
    let after = without(draft, &before, &unshare.regions);
    changed(draft, &feed, &before, after)
}

/// Takes regions out of a secret, and forgets what they said of their copies.
fn without(draft: &mut Draft<'_>, before: &Secret, regions: &[RegionName]) -> Secret {
    let mut after = before.clone();
    after
        .replicas
        .retain(|replica| !regions.contains(&replica.region));
    for region in regions {
        let number = draft.state.region_number(region);
        let is_known = draft.state.replica_status(&before.uid, region).is_some();
        if let Some(number) = number.filter(|_| is_known) {
            draft.delete(RowKey::Replica(before.uid, number));
        }
    }
    after
}

fn changed(
    draft: &mut Draft<'_>,
    feed: &FeedId,
    before: &Arc<Secret>,
    mut after: Secret,
) -> Result<Outcome, Rejection> {
    if after == **before {
        return Ok(Outcome::Secret {
            secret: Arc::clone(before),
            version: None,
            unchanged: true,
        });
    }
    after.changed = draft.stamp;
    secret::stored(draft, feed, after, None)
}

/// Gives the other linked regions a secret is shared with: what took over was one of them before.
pub(super) fn remaining(state: &State, secret: &Secret) -> Vec<RegionName> {
    let regions = secret.replicas.iter().map(|replica| &replica.region);
    regions
        .filter(|region| state.linked(region).is_some() && state.region() != Some(region))
        .cloned()
        .collect()
}

/// Takes in what a region says of its copies; of a secret that is not shared with it, or not led
/// from here, it says nothing that counts.
pub(super) fn report(draft: &mut Draft<'_>, report: &ReportReplicas) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, report.replicas.len(), IMPORTED_MAX)?;
    let region = &report.region;
    let unknown = || Rejection::RegionUnknown(region.clone());
    draft.state.linked(region).ok_or_else(unknown)?;
    let number = draft.state.region_number(region).ok_or_else(unknown)?;
    let mut told: Vec<&ReplicaReport> = report.replicas.iter().collect();
    // Of two reports of one copy the last one counts.
    told.reverse();
    told.sort_by_key(|replica| replica.uid);
    told.dedup_by_key(|replica| replica.uid);
    for replica in told {
        bounded(
            Field::Message,
            replica.message.chars().count(),
            MESSAGE_CHARS_MAX,
        )?;
        let Ok((feed, secret)) = secret::any(draft.state, &replica.uid) else {
            continue;
        };
        if secret.replica(region).is_none() {
            continue;
        }
        if replica.state == ReplicaState::Detached {
            let mut after = without(draft, &secret, std::slice::from_ref(region));
            after.changed = draft.stamp;
            secret::stored(draft, &feed, after, None)?;
            continue;
        }
        let status = ReplicaStatus {
            state: replica.state,
            message: replica.message.clone(),
            access_day: replica.access_day,
        };
        if draft.state.replica_status(&replica.uid, region) != Some(&status) {
            draft.put(RowKey::Replica(replica.uid, number), &status);
        }
    }
    Ok(Outcome::None)
}

/// Puts wraps of a secret's versions in the place of those there are: rows of this region only,
/// so that it may do so with a copy. A value that is not here has none.
pub(super) fn rewrap(draft: &mut Draft<'_>, rewrap: &RewrapSecret) -> Result<Outcome, Rejection> {
    let (_, secret) = secret::held(draft.state, &rewrap.uid)?;
    let is_here = |id: &VersionId| {
        let version = secret.version(id);
        version.is_none_or(|version| draft.state.has_value(&secret.uid, version.ordinal))
    };
    let wraps = rewrap.wraps.iter().filter(|(id, _)| is_here(id));
    let wraps: Vec<_> = wraps.cloned().collect();
    version::rewrap(draft, &secret, &wraps)?;
    Ok(Outcome::None)
}
