//! What a request's region means: whose ARNs are shown, whose feed is written, what is found by a
//! name (R21), and what is said of copies.

use std::sync::Arc;

use machine::{
    AccountId, FeedId, KeyId, RegionName, Replica, ReplicaState, Secret, SecretId, State,
};
use wire::secrets::v1::{ReplicationState, ReplicationStatus};

use super::describe::midnight;
use crate::errors::Refusal;
use crate::keys;

/// The region a request belongs to: the one it names, else this one.
pub(super) fn of_request(state: &State, named: Option<&RegionName>) -> Result<RegionName, Refusal> {
    let own = state.region().ok_or_else(Refusal::not_founded)?;
    match named {
        None => Ok(own.clone()),
        Some(named) if state.knows_region(named) => Ok(named.clone()),
        Some(named) => Err(Refusal::parameter(format!(
            "Region {named} is not one of this cluster."
        ))),
    }
}

/// Whether secrets of a region can be created here; else where.
pub(super) fn can_create(state: &State, region: &RegionName) -> Result<(), Refusal> {
    let home = FeedId::Home(region.clone());
    match state.primary_of(&home) {
        Some(primary) if state.region() == Some(primary) => Ok(()),
        Some(primary) => Err(Refusal::parameter(format!(
            "Secrets of region {region} are created in region {primary}, which leads it."
        ))
        .with_primary(primary)
        .with_addresses(state)),
        None => Err(Refusal::parameter(format!(
            "Nothing is known here of the secrets of region {region}."
        ))
        .with_primary(region)
        .with_addresses(state)),
    }
}

/// Finds the secret a caller of an account means. A name is one of the request's region before it
/// is another's.
pub(super) fn find<'a>(
    state: &'a State,
    region: &RegionName,
    account: &AccountId,
    id: &SecretId,
) -> Result<&'a Arc<Secret>, Refusal> {
    let is_foreign = state.region() != Some(region);
    let of_region = match id {
        SecretId::Name(name) if is_foreign => {
            let mut namesakes = state.namesakes(account, name);
            namesakes.find(|secret| secret.region == *region)
        }
        SecretId::Name(_) | SecretId::Arn(_) => None,
    };
    let found = of_region.or_else(|| state.resolve(account, id));
    found.ok_or_else(Refusal::no_secret)
}

/// The key that new versions of a secret are sealed under here. Of a secret that came from another
/// region it is the one that this region was given it with, because keys are each region's own.
///
/// # Errors
/// As `keys::resolve`, for a key that the region was given it with.
pub(super) fn sealing_key(state: &State, secret: &Secret) -> Result<Option<KeyId>, Refusal> {
    let own = state.region().ok_or_else(Refusal::not_founded)?;
    match secret.replica(own) {
        Some(replica) => keys::resolve(state, replica.kms_key.as_deref()),
        None => Ok(secret.kms_key.filter(|key| state.kms_key(key).is_some())),
    }
}

/// The key of a secret as this region shows it; none for the default key.
pub(super) fn shown_key(state: &State, secret: &Secret) -> Option<String> {
    let replica = state.region().and_then(|own| secret.replica(own));
    match replica {
        Some(replica) => replica.kms_key.clone(),
        None => {
            let known = secret.kms_key.filter(|key| state.kms_key(key).is_some());
            known.as_ref().map(KeyId::to_string)
        }
    }
}

/// The region that leads a secret which is in more than one; none of one that is in this one only.
pub(super) fn primary<'a>(state: &'a State, secret: &Secret) -> Option<&'a RegionName> {
    let primary = state.primary_of(state.feed_of_secret(&secret.uid)?)?;
    let is_copy = state.region() != Some(primary);
    let has_copies = copies(primary, secret).next().is_some();
    (is_copy || has_copies).then_some(primary)
}

/// How far each copy is, as its region last said; nothing where the secret itself is one.
pub(super) fn replication(state: &State, secret: &Secret) -> Vec<ReplicationStatus> {
    match primary(state, secret) {
        Some(primary) if state.region() == Some(primary) => {
            let copies = copies(primary, secret);
            copies.map(|copy| status(state, secret, copy)).collect()
        }
        Some(_) | None => Vec::new(),
    }
}

/// The regions a secret was shared with, but for the one that leads it.
fn copies<'a>(primary: &'a RegionName, secret: &'a Secret) -> impl Iterator<Item = &'a Replica> {
    let copies = secret.replicas.iter();
    copies.filter(move |copy| copy.region != *primary)
}

fn status(state: &State, secret: &Secret, copy: &Replica) -> ReplicationStatus {
    let region = &copy.region;
    let told = state.replica_status(&secret.uid, region);
    let (status, message) = match told {
        _ if state.linked(region).is_none() => {
            let unlinked = Some("region unlinked".to_owned());
            (ReplicationState::Failed, unlinked)
        }
        None => (ReplicationState::InProgress, None),
        Some(told) => {
            let message = Some(&told.message).filter(|message| !message.is_empty());
            (shown(told.state), message.cloned())
        }
    };
    let day = told.map_or(0, |told| told.access_day);
    ReplicationStatus {
        region: region.to_string(),
        kms_key_id: copy.kms_key.clone(),
        status: status.into(),
        status_message: message,
        last_accessed_date: (day > 0).then(|| midnight(day)),
    }
}

fn shown(state: ReplicaState) -> ReplicationState {
    match state {
        ReplicaState::InProgress => ReplicationState::InProgress,
        ReplicaState::InSync => ReplicationState::InSync,
        ReplicaState::Failed => ReplicationState::Failed,
        ReplicaState::Detached => ReplicationState::Detached,
    }
}
