//! What each row of identities must be by itself: its form and its bounds. Commands and what other
//! regions send are held to the same.

use std::collections::BTreeSet;

use crate::decide::{bounded, tag};
use crate::entity::{Document, EntityName, Quota};
use crate::identity::{
    Account, Credential, Identity, InlinePolicy, Nature, Policy, Proof, Provider, Revocation,
    Revoked,
};
use crate::ids::{Stamp, Uid};
use crate::limits::{
    ACCOUNT_NAME_CHARS_MAX, ATTACHED_POLICIES_MAX, AUDIENCE_CHARS_MAX, AUDIENCES_MAX,
    BOUND_URI_CHARS_MAX, DESCRIPTION_CHARS_MAX, GROUPS_OF_USER_MAX, IDENTITY_CHARS_MAX,
    IDENTITY_NAME_CHARS_MAX, INLINE_POLICIES_MAX, INLINE_POLICY_CHARS_MAX, KEY_SET_BYTES_MAX,
    POLICY_CHARS_MAX, PROVIDER_AUTHORITY_BYTES_MAX, REASON_CHARS_MAX, REGIONS_MAX,
    RESOURCE_POLICY_CHARS_MAX, ROOT_SEALED_BYTES_MAX, SESSION_ID_CHARS_MAX, SESSION_SECONDS_MAX,
    SESSION_SECONDS_MIN, STAMP_MS_MAX, TRUST_POLICY_CHARS_MAX,
};
use crate::names::RegionName;
use crate::rejection::{Field, Rejection};
use crate::secret::SealedValue;
use crate::session::SessionKey;

/// Rejects more of something than there may be.
pub(super) fn within(quota: Quota, count: usize, max: usize) -> Result<(), Rejection> {
    match count > max {
        true => Err(Rejection::LimitExceeded(quota, max as u64)),
        false => Ok(()),
    }
}

fn valid(field: Field, is_valid: bool) -> Result<(), Rejection> {
    match is_valid {
        true => Ok(()),
        false => Err(Rejection::FieldInvalid(field)),
    }
}

pub(super) fn account(account: &Account) -> Result<(), Rejection> {
    let name = &account.name;
    let is_plain = name.bytes().all(|b| (0x20..0x7f).contains(&b));
    bounded(Field::AccountName, name.len(), ACCOUNT_NAME_CHARS_MAX)?;
    valid(Field::AccountName, is_plain)
}

pub(super) fn identity(identity: &Identity) -> Result<(), Rejection> {
    let name = identity.name.as_str().len();
    bounded(Field::EntityName, name, IDENTITY_NAME_CHARS_MAX)?;
    tag::checked(&identity.tags)?;
    let attached = &identity.attached;
    within(
        Quota::AttachedPolicies,
        attached.len(),
        ATTACHED_POLICIES_MAX,
    )?;
    valid(Field::AttachedPolicies, are_distinct(attached))?;
    inline(&identity.inline)?;
    regions(&identity.regions)?;
    stamps(&[identity.created, identity.changed, identity.revoked_before])?;
    match &identity.nature {
        Nature::User { groups } => {
            within(Quota::GroupsOfUser, groups.len(), GROUPS_OF_USER_MAX)?;
            valid(Field::Groups, are_distinct(groups))
        }
        // A group never acts: it has policies, and nothing that says who may act where.
        Nature::Group => {
            valid(Field::Tags, identity.tags.is_empty())?;
            valid(Field::Boundary, identity.boundary.is_none())?;
            valid(Field::Regions, identity.regions.is_empty())?;
            valid(Field::Enabled, identity.enabled)
        }
        Nature::Role {
            trust,
            session_seconds_max,
        } => {
            within(
                Quota::TrustPolicySize,
                trust.chars(),
                TRUST_POLICY_CHARS_MAX,
            )?;
            valid(Field::TrustPolicy, !trust.as_str().is_empty())?;
            let range = SESSION_SECONDS_MIN..=SESSION_SECONDS_MAX;
            valid(Field::SessionLength, range.contains(session_seconds_max))
        }
    }
}

fn inline(policies: &[InlinePolicy]) -> Result<(), Rejection> {
    within(Quota::InlinePolicies, policies.len(), INLINE_POLICIES_MAX)?;
    let chars = policies.iter().map(|policy| policy.document.chars());
    within(
        Quota::InlinePolicySize,
        chars.sum(),
        INLINE_POLICY_CHARS_MAX,
    )?;
    let is_empty = |policy: &InlinePolicy| policy.document.as_str().is_empty();
    valid(Field::PolicyDocument, !policies.iter().any(is_empty))?;
    let lower = |name: &EntityName| name.as_str().to_ascii_lowercase();
    let names: BTreeSet<String> = policies.iter().map(|policy| lower(&policy.name)).collect();
    valid(Field::InlinePolicies, names.len() == policies.len())
}

pub(super) fn policy(policy: &Policy) -> Result<(), Rejection> {
    let description = policy.description.chars().count();
    bounded(Field::Description, description, DESCRIPTION_CHARS_MAX)?;
    within(Quota::PolicySize, policy.document.chars(), POLICY_CHARS_MAX)?;
    valid(Field::PolicyDocument, !policy.document.as_str().is_empty())?;
    stamps(&[policy.created, policy.changed])
}

pub(super) fn credential(credential: &Credential) -> Result<(), Rejection> {
    regions(&credential.regions)?;
    stamps(&[credential.created, credential.changed])?;
    match &credential.proof {
        Proof::AccessKey { sealed, .. } => self::sealed(sealed),
        Proof::Subject(name) => {
            bounded(Field::Proof, name.chars().count(), IDENTITY_CHARS_MAX)?;
            let is_plain = !name.is_empty() && !name.chars().any(char::is_control);
            valid(Field::Proof, is_plain)
        }
        Proof::Uri(text) => uri(text, false),
        Proof::UriPrefix(text) => match text.strip_suffix('*') {
            Some(prefix) => uri(prefix, true),
            None => Err(Rejection::FieldInvalid(Field::Proof)),
        },
    }
}

/// A scheme, a host and maybe a path, without a star. What begins others ends with the slash after
/// a host, or a later one: a part of a host would be anybody's.
fn uri(text: &str, begins_others: bool) -> Result<(), Rejection> {
    bounded(Field::Proof, text.len(), BOUND_URI_CHARS_MAX)?;
    let is_plain = text.bytes().all(|b| b.is_ascii_graphic() && b != b'*');
    let (scheme, rest) = text.split_once("://").unwrap_or_default();
    let is_scheme = scheme
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b));
    let host = rest.split('/').next().unwrap_or_default();
    let is_whole = is_scheme && !scheme.is_empty() && !host.is_empty();
    valid(
        Field::Proof,
        is_plain && is_whole && (!begins_others || rest.ends_with('/')),
    )
}

pub(super) fn provider(provider: &Provider) -> Result<(), Rejection> {
    let audiences = &provider.audiences;
    within(Quota::Audiences, audiences.len(), AUDIENCES_MAX)?;
    let is_one = |text: &String| (1..=AUDIENCE_CHARS_MAX).contains(&text.chars().count());
    let are_all = !audiences.is_empty() && audiences.iter().all(is_one);
    valid(Field::Audiences, are_all && are_distinct(audiences))?;
    for keys in [&provider.keys, &provider.fetched] {
        bounded(Field::KeySet, keys.as_str().len(), KEY_SET_BYTES_MAX)?;
    }
    bounded(
        Field::ProviderAuthority,
        provider.authority.as_str().len(),
        PROVIDER_AUTHORITY_BYTES_MAX,
    )?;
    stamps(&[provider.created, provider.changed])
}

pub(super) fn revocation(revocation: &Revocation) -> Result<(), Rejection> {
    bounded(
        Field::Reason,
        revocation.reason.chars().count(),
        REASON_CHARS_MAX,
    )?;
    stamps(&[revocation.revoked, revocation.until])?;
    match &revocation.what {
        Revoked::PublicKey(_) => Ok(()),
        Revoked::Session(id) => {
            bounded(Field::Session, id.len(), SESSION_ID_CHARS_MAX)?;
            let is_plain = id.bytes().all(|b| b.is_ascii_graphic());
            valid(Field::Session, !id.is_empty() && is_plain)
        }
    }
}

pub(super) fn session_key(key: &SessionKey) -> Result<(), Rejection> {
    sealed(&key.sealed)?;
    stamps(&[key.created])
}

/// A secret of a few bytes, sealed.
pub(super) fn sealed(sealed: &SealedValue) -> Result<(), Rejection> {
    let bytes = sealed.ciphertext.len();
    bounded(Field::Value, bytes, ROOT_SEALED_BYTES_MAX)
}

pub(super) fn resource_policy(document: &Document) -> Result<(), Rejection> {
    let chars = document.chars();
    bounded(Field::ResourcePolicy, chars, RESOURCE_POLICY_CHARS_MAX)?;
    valid(Field::ResourcePolicy, chars > 0)
}

/// Regions need not be known: a policy may be there before its region is.
fn regions(regions: &[RegionName]) -> Result<(), Rejection> {
    let is_short = regions.len() <= REGIONS_MAX;
    valid(Field::Regions, is_short && are_distinct(regions))
}

fn stamps(stamps: &[Stamp]) -> Result<(), Rejection> {
    match stamps.iter().all(|stamp| stamp.0 <= STAMP_MS_MAX) {
        true => Ok(()),
        false => Err(Rejection::StampOutOfRange),
    }
}

fn are_distinct<T: Ord>(words: &[T]) -> bool {
    words.iter().collect::<BTreeSet<_>>().len() == words.len()
}

/// Says whether a uid is one that the root feed gives out.
pub(super) fn is_of_root(uid: &Uid) -> bool {
    crate::position::FeedId::Root.gives(uid)
}
