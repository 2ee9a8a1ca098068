//! What rejections about identities say. Their codes never change.

use crate::codec::DecodeError;
use crate::entity::{EntityKind, Quota, Reference};
use crate::rejection::{NameShown, Rejection};
use crate::storage;

/// Fills in what such a rejection says.
pub(super) fn fill(rejection: &Rejection, wire: &mut storage::Rejection) {
    match rejection {
        Rejection::EntityAlreadyExists(kind, name) => {
            wire.other = kind_code(*kind);
            wire.text.clone_from(&name.0);
        }
        Rejection::NoSuchEntity(kind) => wire.other = kind_code(*kind),
        Rejection::DeleteConflict(reference) => wire.other = reference_code(*reference),
        Rejection::LimitExceeded(quota, bound) => {
            (wire.other, wire.number) = (quota_code(*quota), *bound);
        }
        _ => {}
    }
}

/// Reads one of these rejections.
pub(super) fn rejection(code: u32, wire: &storage::Rejection) -> Result<Rejection, DecodeError> {
    Ok(match code {
        76 => Rejection::EntityAlreadyExists(kind(wire.other)?, NameShown(wire.text.clone())),
        77 => Rejection::NoSuchEntity(kind(wire.other)?),
        78 => Rejection::DeleteConflict(reference(wire.other)?),
        79 => Rejection::LimitExceeded(quota(wire.other)?, wire.number),
        _ => return Err(DecodeError::Field("rejection code")),
    })
}

fn kind_code(kind: EntityKind) -> u64 {
    match kind {
        EntityKind::User => 1,
        EntityKind::Group => 2,
        EntityKind::Role => 3,
        EntityKind::Policy => 4,
        EntityKind::Credential => 5,
        EntityKind::Provider => 6,
        EntityKind::Account => 7,
    }
}

fn kind(code: u64) -> Result<EntityKind, DecodeError> {
    let all = [
        EntityKind::User,
        EntityKind::Group,
        EntityKind::Role,
        EntityKind::Policy,
        EntityKind::Credential,
        EntityKind::Provider,
        EntityKind::Account,
    ];
    let found = all.into_iter().find(|kind| kind_code(*kind) == code);
    found.ok_or(DecodeError::Field("entity kind"))
}

fn reference_code(reference: Reference) -> u64 {
    match reference {
        Reference::Credentials => 1,
        Reference::AttachedPolicies => 2,
        Reference::InlinePolicies => 3,
        Reference::Groups => 4,
        Reference::Members => 5,
        Reference::Identities => 6,
    }
}

fn reference(code: u64) -> Result<Reference, DecodeError> {
    let all = [
        Reference::Credentials,
        Reference::AttachedPolicies,
        Reference::InlinePolicies,
        Reference::Groups,
        Reference::Members,
        Reference::Identities,
    ];
    let found = all.into_iter().find(|known| reference_code(*known) == code);
    found.ok_or(DecodeError::Field("reference"))
}

fn quota_code(quota: Quota) -> u64 {
    match quota {
        Quota::Accounts => 1,
        Quota::Users => 2,
        Quota::Groups => 3,
        Quota::Roles => 4,
        Quota::Policies => 5,
        Quota::Providers => 6,
        Quota::AttachedPolicies => 7,
        Quota::InlinePolicies => 8,
        Quota::InlinePolicySize => 9,
        Quota::PolicySize => 10,
        Quota::TrustPolicySize => 11,
        Quota::GroupsOfUser => 12,
        Quota::AccessKeys => 13,
        Quota::Bindings => 14,
        Quota::Audiences => 15,
        Quota::Revocations => 16,
    }
}

fn quota(code: u64) -> Result<Quota, DecodeError> {
    let all = [
        Quota::Accounts,
        Quota::Users,
        Quota::Groups,
        Quota::Roles,
        Quota::Policies,
        Quota::Providers,
        Quota::AttachedPolicies,
        Quota::InlinePolicies,
        Quota::InlinePolicySize,
        Quota::PolicySize,
        Quota::TrustPolicySize,
        Quota::GroupsOfUser,
        Quota::AccessKeys,
        Quota::Bindings,
        Quota::Audiences,
        Quota::Revocations,
    ];
    let found = all.into_iter().find(|quota| quota_code(*quota) == code);
    found.ok_or(DecodeError::Field("quota"))
}
