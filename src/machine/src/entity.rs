//! Words of identities and of what belongs to them, and the names of their kinds and quotas.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::limits::{
    ACCESS_KEY_ID_CHARS, ENTITY_NAME_CHARS_MAX, ENTITY_PATH_CHARS_MAX, ISSUER_CHARS_MAX,
};
use crate::names::NameError;

/// A name of an identity or a policy: 1 to 128 of `[A-Za-z0-9_+=,.@-]`. Identities take at most 64.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityName(Arc<str>);

/// Where an identity or a policy is kept: `/`, or up to 512 printable characters that begin and end
/// with a slash.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityPath(Arc<str>);

/// The public half of an access key: `AKIA` and 16 upper-case letters or digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccessKeyId(Arc<str>);

/// The URL of a token's issuer: `https`, or `http` on loopback; at most 255 characters without
/// query, fragment and user.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IssuerUrl(Arc<str>);

/// A policy or a key set as it was given. Nothing here reads it.
#[derive(Clone, PartialEq, Eq)]
pub struct Document(Arc<str>);

/// A kind of what an account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EntityKind {
    /// A user.
    User,
    /// A group of users.
    Group,
    /// A role.
    Role,
    /// A policy, managed or inline.
    Policy,
    /// An access key, or what binds a certificate.
    Credential,
    /// An OpenID Connect provider.
    Provider,
    /// An account itself.
    Account,
}

/// What stands in the way of a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reference {
    /// The identity has credentials.
    Credentials,
    /// Managed policies are attached to the identity.
    AttachedPolicies,
    /// The identity has inline policies.
    InlinePolicies,
    /// The user is in groups.
    Groups,
    /// The group has members.
    Members,
    /// Identities have the policy attached, or for their boundary.
    Identities,
}

/// What there may be only so many of, or what may be only so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Accounts of a cluster.
    Accounts,
    /// Users of an account.
    Users,
    /// Groups of an account.
    Groups,
    /// Roles of an account.
    Roles,
    /// Managed policies of an account.
    Policies,
    /// Providers of an account.
    Providers,
    /// Managed policies of an identity.
    AttachedPolicies,
    /// Inline policies of an identity.
    InlinePolicies,
    /// Characters of an identity's inline policies together.
    InlinePolicySize,
    /// Characters of a managed policy.
    PolicySize,
    /// Characters of a trust policy.
    TrustPolicySize,
    /// Groups of a user.
    GroupsOfUser,
    /// Access keys of a user.
    AccessKeys,
    /// Certificate bindings of an identity.
    Bindings,
    /// Audiences of a provider.
    Audiences,
    /// Revocations.
    Revocations,
}

impl EntityName {
    /// Parses a name.
    pub fn new(text: &str) -> Result<EntityName, NameError> {
        let is_allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b);
        if text.is_empty() || text.len() > ENTITY_NAME_CHARS_MAX || !text.bytes().all(is_allowed) {
            return Err(NameError::Entity);
        }
        Ok(EntityName(text.into()))
    }

    /// Shows the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Says whether two names are one: case does not count.
    pub fn is_same(&self, other: &EntityName) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl EntityPath {
    /// Parses a path.
    pub fn new(text: &str) -> Result<EntityPath, NameError> {
        let is_closed = text.starts_with('/') && text.ends_with('/');
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
        if text.len() > ENTITY_PATH_CHARS_MAX || !is_closed || !is_plain {
            return Err(NameError::Path);
        }
        Ok(EntityPath(text.into()))
    }

    /// Gives the path of what has none.
    pub fn root() -> EntityPath {
        EntityPath("/".into())
    }

    /// Shows the path.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccessKeyId {
    /// Parses an access key's id.
    pub fn new(text: &str) -> Result<AccessKeyId, NameError> {
        let is_allowed = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
        let is_long = text.len() == ACCESS_KEY_ID_CHARS;
        if !is_long || !text.starts_with("AKIA") || !text.bytes().all(is_allowed) {
            return Err(NameError::AccessKey);
        }
        Ok(AccessKeyId(text.into()))
    }

    /// Shows the id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl IssuerUrl {
    /// Parses an issuer's URL.
    pub fn new(text: &str) -> Result<IssuerUrl, NameError> {
        let is_plain = text
            .bytes()
            .all(|b| b.is_ascii_graphic() && !b"?#@\\".contains(&b));
        let is_safe = match text.split_once("://") {
            Some(("https", rest)) => !host(rest).is_empty(),
            Some(("http", rest)) => is_loopback(host(rest)),
            _ => false,
        };
        match is_plain && is_safe && text.len() <= ISSUER_CHARS_MAX {
            true => Ok(IssuerUrl(text.into())),
            false => Err(NameError::Issuer),
        }
    }

    /// Shows the URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The host of what follows a scheme, in brackets if it is written so.
fn host(rest: &str) -> &str {
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.split_once(']') {
        Some((address, _)) => address.strip_prefix('[').unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<std::net::IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

impl Document {
    /// Takes text as it is.
    pub fn new(text: &str) -> Document {
        Document(text.into())
    }

    /// Shows the text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Counts its characters.
    pub fn chars(&self) -> usize {
        self.0.chars().count()
    }
}

impl EntityKind {
    /// Names it.
    pub fn as_str(self) -> &'static str {
        match self {
            EntityKind::User => "user",
            EntityKind::Group => "group",
            EntityKind::Role => "role",
            EntityKind::Policy => "policy",
            EntityKind::Credential => "credential",
            EntityKind::Provider => "provider",
            EntityKind::Account => "account",
        }
    }
}

impl Reference {
    /// Says what has to be done first.
    pub fn as_str(self) -> &'static str {
        match self {
            Reference::Credentials => "must delete access keys and certificate bindings first",
            Reference::AttachedPolicies => "must detach all policies first",
            Reference::InlinePolicies => "must delete policies first",
            Reference::Groups => "must remove user from groups first",
            Reference::Members => "must remove users from group first",
            Reference::Identities => "must detach the policy from all entities first",
        }
    }
}

impl Quota {
    /// Gives the name AWS has for it, or ours.
    pub fn as_str(self) -> &'static str {
        match self {
            Quota::Accounts => "Accounts",
            Quota::Users => "UsersPerAccount",
            Quota::Groups => "GroupsPerAccount",
            Quota::Roles => "RolesPerAccount",
            Quota::Policies => "PoliciesPerAccount",
            Quota::Providers => "OpenIdConnectProvidersPerAccount",
            Quota::AttachedPolicies => "AttachedPoliciesPerEntity",
            Quota::InlinePolicies => "InlinePoliciesPerEntity",
            Quota::InlinePolicySize => "InlinePolicySize",
            Quota::PolicySize => "PolicySize",
            Quota::TrustPolicySize => "ACLSizePerRole",
            Quota::GroupsOfUser => "GroupsPerUser",
            Quota::AccessKeys => "AccessKeysPerUser",
            Quota::Bindings => "CertificateBindingsPerEntity",
            Quota::Audiences => "ClientIdsPerOpenIdConnectProvider",
            Quota::Revocations => "Revocations",
        }
    }
}

impl fmt::Debug for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntityName(redacted)")
    }
}

impl fmt::Debug for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EntityPath(redacted)")
    }
}

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Document({} bytes)", self.0.len())
    }
}

impl fmt::Display for EntityName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for EntityPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for AccessKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for IssuerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EntityName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<EntityName, NameError> {
        EntityName::new(text)
    }
}

impl FromStr for EntityPath {
    type Err = NameError;

    fn from_str(text: &str) -> Result<EntityPath, NameError> {
        EntityPath::new(text)
    }
}

impl FromStr for AccessKeyId {
    type Err = NameError;

    fn from_str(text: &str) -> Result<AccessKeyId, NameError> {
        AccessKeyId::new(text)
    }
}

impl FromStr for IssuerUrl {
    type Err = NameError;

    fn from_str(text: &str) -> Result<IssuerUrl, NameError> {
        IssuerUrl::new(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuer_is_https_or_on_loopback() {
        let long = format!("https://{}", "h".repeat(ISSUER_CHARS_MAX));
        for (url, is_one) in [
            ("https://issuer.example/tenant/", true),
            ("https://issuer.example:8443", true),
            ("http://localhost:8080/realm", true),
            ("http://127.0.0.2", true),
            ("http://[::1]:8080", true),
            ("http://issuer.example", false),
            ("http://localhost.example", false),
            ("http://127.0.0.1.example", false),
            ("http://localhost@issuer.example", false),
            ("http://[::2]", false),
            ("https://", false),
            ("https:///path", false),
            ("https://issuer.example?a=b", false),
            ("https://issuer.example/#a", false),
            ("https://issuer example", false),
            ("ftp://localhost", false),
            ("", false),
            (&long, false),
        ] {
            assert_eq!(IssuerUrl::new(url).is_ok(), is_one, "{url}");
        }
    }

    #[test]
    fn a_path_begins_and_ends_with_a_slash() {
        let (most, more) = ("p".repeat(510), "p".repeat(511));
        for (path, is_one) in [
            ("/", true),
            ("/a/b/", true),
            (&format!("/{most}/"), true),
            (&format!("/{more}/"), false),
            ("", false),
            ("a/", false),
            ("/a", false),
            ("/a b/", false),
            ("/é/", false),
        ] {
            assert_eq!(EntityPath::new(path).is_ok(), is_one, "{path}");
        }
    }

    #[test]
    fn an_access_key_is_akia_and_sixteen_more() {
        for (id, is_one) in [
            ("AKIAIOSFODNN7EXAMPLE", true),
            ("AKIAIOSFODNN7EXAMPL", false),
            ("ASIAIOSFODNN7EXAMPLE", false),
            ("AKIAIOSFODNN7eXAMPLE", false),
            ("AKIAIOSFODNN7EXAMPLÉ", false),
        ] {
            assert_eq!(AccessKeyId::new(id).is_ok(), is_one, "{id}");
        }
    }

    #[test]
    fn nothing_shows_a_name_or_a_document_for_debugging() {
        let name = EntityName::new("canary").unwrap();
        let path = EntityPath::new("/canary/").unwrap();
        let shown = format!("{name:?} {path:?} {:?}", Document::new("canary"));
        assert!(!shown.contains("canary"), "{shown}");
        assert!(name.is_same(&EntityName::new("CANARY").unwrap()));
        for wrong in ["", "a b", "é", "a/b", &"n".repeat(129)] {
            assert!(EntityName::new(wrong).is_err(), "{wrong}");
        }
    }
}
