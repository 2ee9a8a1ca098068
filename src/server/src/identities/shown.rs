//! What is in the root feed, as callers see it.

use std::time::Duration;

use machine::{
    Account, Credential, Identity, Nature, Policy, Proof, Provider, RegionName, Revocation,
    Revoked, State, Uid,
};
use wire::access::v1 as api;

use super::arn;
use crate::times::{duration, timestamp};

/// An account.
pub(super) fn account(account: &Account) -> api::Account {
    api::Account {
        account: account.id.to_string(),
        name: account.name.clone(),
    }
}

/// A user, a group or a role with all there is to it.
pub(super) fn principal(state: &State, identity: &Identity) -> api::Principal {
    let trust = match &identity.nature {
        Nature::Role { trust, .. } => trust.as_str().to_owned(),
        Nature::User { .. } | Nature::Group => String::new(),
    };
    let inline = identity.inline.iter().map(|policy| api::InlinePolicy {
        name: policy.name.to_string(),
        document: policy.document.as_str().to_owned(),
    });
    let tags = identity.tags.iter().map(|tag| api::Tag {
        key: tag.key.clone(),
        value: tag.value.clone(),
    });
    let members = match identity.nature {
        Nature::Group => names(state.members(&identity.uid).map(|member| &**member)),
        Nature::User { .. } | Nature::Role { .. } => Vec::new(),
    };
    let groups = identity
        .groups()
        .iter()
        .filter_map(|group| state.identity(group));
    api::Principal {
        tags: tags.collect(),
        attached_policies: policies(state, &identity.attached),
        inline_policies: inline.collect(),
        groups: names(groups.map(|group| &**group)),
        members,
        trust_policy: trust,
        ..principal_in_list(state, identity)
    }
}

/// A user, a group or a role as lists show it.
pub(super) fn principal_in_list(state: &State, identity: &Identity) -> api::Principal {
    let (kind, session_max) = match &identity.nature {
        Nature::User { .. } => (api::PrincipalKind::User, None),
        Nature::Group => (api::PrincipalKind::Group, None),
        Nature::Role {
            session_seconds_max,
            ..
        } => (api::PrincipalKind::Role, Some(*session_seconds_max)),
    };
    let boundary = identity.boundary.and_then(|uid| state.policy(&uid));
    api::Principal {
        kind: kind.into(),
        account: identity.account.to_string(),
        path: identity.path.to_string(),
        name: identity.name.to_string(),
        arn: arn::identity(identity),
        id: identity.uid.to_string(),
        created: Some(timestamp(identity.created)),
        changed: Some(timestamp(identity.changed)),
        permissions_boundary: boundary
            .map(|policy| arn::policy(policy))
            .unwrap_or_default(),
        regions: regions(&identity.regions),
        enabled: identity.enabled,
        session_max: session_max.map(|max| duration(Duration::from_secs(max.into()))),
        ..api::Principal::default()
    }
}

/// A managed policy with its document.
pub(super) fn policy(state: &State, policy: &Policy) -> api::Policy {
    api::Policy {
        description: policy.description.clone(),
        document: policy.document.as_str().to_owned(),
        ..policy_in_list(state, policy)
    }
}

/// A managed policy as lists show it.
pub(super) fn policy_in_list(state: &State, policy: &Policy) -> api::Policy {
    let referrers = state.referrers(&policy.uid).count();
    api::Policy {
        arn: arn::policy(policy),
        name: policy.name.to_string(),
        path: policy.path.to_string(),
        attachment_count: i32::try_from(referrers).unwrap_or(i32::MAX),
        created: Some(timestamp(policy.created)),
        changed: Some(timestamp(policy.changed)),
        ..api::Policy::default()
    }
}

/// A credential, without what is secret about it.
pub(super) fn credential(credential: &Credential) -> api::Credential {
    use api::certificate_binding::Match;
    let (id, matches) = match &credential.proof {
        Proof::AccessKey { id, .. } => (id.to_string(), None),
        Proof::Subject(name) => (
            credential.uid.to_string(),
            Some(Match::Subject(name.clone())),
        ),
        Proof::Uri(uri) | Proof::UriPrefix(uri) => {
            (credential.uid.to_string(), Some(Match::Uri(uri.clone())))
        }
    };
    api::Credential {
        id,
        active: credential.active,
        regions: regions(&credential.regions),
        created: Some(timestamp(credential.created)),
        certificate: matches.map(|matches| api::CertificateBinding {
            r#match: Some(matches),
        }),
    }
}

/// A provider.
pub(super) fn provider(provider: &Provider) -> api::Provider {
    api::Provider {
        audiences: provider.audiences.clone(),
        jwks: provider.keys.as_str().to_owned(),
        fetched_jwks: provider.fetched.as_str().to_owned(),
        authority: provider.authority.as_str().to_owned(),
        ..provider_in_list(provider)
    }
}

/// A provider as lists show it.
pub(super) fn provider_in_list(provider: &Provider) -> api::Provider {
    api::Provider {
        arn: arn::provider(provider),
        issuer: provider.issuer.to_string(),
        created: Some(timestamp(provider.created)),
        keys_kept: provider.is_pinned(),
        ..api::Provider::default()
    }
}

/// A revocation.
pub(super) fn revocation(revocation: &Revocation) -> api::Revocation {
    use api::revoked::What;
    let what = match &revocation.what {
        Revoked::Session(id) => What::Session(id.clone()),
        Revoked::PublicKey(hash) => What::Certificate(hash.to_string()),
    };
    api::Revocation {
        revoked: Some(api::Revoked { what: Some(what) }),
        reason: revocation.reason.clone(),
        since: Some(timestamp(revocation.revoked)),
        until: Some(timestamp(revocation.until)),
    }
}

fn policies(state: &State, uids: &[Uid]) -> Vec<String> {
    let policies = uids.iter().filter_map(|uid| state.policy(uid));
    policies.map(|policy| arn::policy(policy)).collect()
}

fn names<'a>(identities: impl Iterator<Item = &'a Identity>) -> Vec<String> {
    identities
        .map(|identity| identity.name.to_string())
        .collect()
}

fn regions(regions: &[RegionName]) -> Vec<String> {
    regions.iter().map(RegionName::to_string).collect()
}
