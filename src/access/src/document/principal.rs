//! The principals that a statement names.

use crate::arn;
use crate::document::Flaw;
use crate::document::json::{Json, Path};
use crate::document::list;
use crate::document::{PolicyError, PolicyKind, wrong_type};
use crate::principal::Principal;

/// `Principal` or `NotPrincipal` of a statement.
#[derive(Debug)]
pub(crate) struct Principals {
    /// It was `NotPrincipal`.
    pub(crate) negated: bool,
    pub(crate) named: Vec<Named>,
}

/// Whom one entry names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    Everyone,
    /// An account, by its id.
    Account(String),
    User(String),
    Role(String),
    /// The session of a role or of a federated user.
    Session(String),
    /// A user or role by its unique id, which is what is left of one that was removed.
    Id(String),
    Service(String),
    Federated(String),
}

/// How directly a policy of a resource names a caller, which says what else limits the grant. The
/// most direct one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Grant {
    /// It names the account: whose policies then have to allow as well.
    Account,
    /// It names the role, whose boundary and session policies limit the grant.
    Role,
    /// It names the very caller, or everyone: nothing limits it but a deny.
    Caller,
}

impl Principals {
    /// Parses what names principals. In a trust policy everyone is `{"AWS": "*"}` only, and nowhere
    /// else do federated principals stand.
    pub(crate) fn parse(
        json: &Json,
        negated: bool,
        kind: PolicyKind,
        path: &Path<'_>,
    ) -> Result<Principals, PolicyError> {
        let trusts = kind == PolicyKind::Trust;
        let entries = match json {
            Json::Text(text) if text == "*" && !trusts => {
                let named = vec![Named::Everyone];
                return Ok(Principals { negated, named });
            }
            Json::Text(_) => return Err(path.error(Flaw::Principal)),
            Json::Map(entries) if !entries.is_empty() => entries,
            Json::Map(_) => return Err(path.error(Flaw::Empty)),
            other => return Err(wrong_type(path, "* or an object", other)),
        };
        let mut named = Vec::new();
        for (name, json) in entries {
            let path = path.key(name);
            let parse = match name.as_str() {
                "AWS" => aws,
                "Service" => service,
                "Federated" if trusts => federated,
                _ => return Err(path.error(Flaw::PrincipalKind)),
            };
            for (at, text) in list::of_texts(json, &path)?.iter().enumerate() {
                let found = parse(text);
                named.push(found.ok_or_else(|| list::at(json, &path, at, Flaw::Principal))?);
            }
        }
        Ok(Principals { negated, named })
    }

    /// How directly the caller is named; none if it is not.
    pub(crate) fn grant(&self, caller: &Principal) -> Option<Grant> {
        self.named.iter().filter_map(|one| one.grant(caller)).max()
    }

    /// Whether `NotPrincipal` leaves the caller out: it has to name all that the caller is, its
    /// account, then its role, then itself.
    pub(crate) fn exempts(&self, caller: &Principal) -> bool {
        let names = |grant| {
            self.named
                .iter()
                .any(|one| one.grant(caller) == Some(grant))
        };
        let names_account = names(Grant::Account);
        match caller {
            _ if self.named.contains(&Named::Everyone) => true,
            Principal::Root { .. } => names_account,
            Principal::User { .. } => names_account && names(Grant::Caller),
            Principal::Session { .. } => {
                names_account && names(Grant::Role) && names(Grant::Caller)
            }
            Principal::Service { .. } | Principal::Federated { .. } => names(Grant::Caller),
            Principal::Anonymous => false,
        }
    }
}

impl Named {
    fn grant(&self, caller: &Principal) -> Option<Grant> {
        let (found, grant) = match (self, caller) {
            (Named::Everyone, _) => (true, Grant::Caller),
            (Named::Account(ours), caller) => {
                (caller.account() == Some(ours.as_str()), Grant::Account)
            }
            (Named::User(ours), Principal::User { arn, .. }) => (ours == arn, Grant::Caller),
            (Named::Role(ours), Principal::Session { role, .. }) => (ours == role, Grant::Role),
            (Named::Session(ours), Principal::Session { arn, .. }) => (ours == arn, Grant::Caller),
            (Named::Id(ours), Principal::User { id, .. }) => (ours == id, Grant::Caller),
            (Named::Id(ours), Principal::Session { id, .. }) => {
                let role = id.split_once(':').map(|(role, _)| role);
                (role == Some(ours.as_str()), Grant::Role)
            }
            (Named::Service(ours), Principal::Service { name }) => (ours == name, Grant::Caller),
            (Named::Federated(ours), Principal::Federated { provider, .. }) => {
                (ours == provider, Grant::Caller)
            }
            _ => (false, Grant::Account),
        };
        found.then_some(grant)
    }
}

fn aws(text: &str) -> Option<Named> {
    if text == "*" {
        return Some(Named::Everyone);
    }
    if arn::is_account(text) {
        return Some(Named::Account(text.to_owned()));
    }
    if is_id(text) {
        return Some(Named::Id(text.to_owned()));
    }
    let arn = arn::Parts::split(text)?;
    let is_ours = arn.region.is_empty() && arn::is_account(arn.account);
    let (kind, name) = arn.resource.split_once('/').unwrap_or((arn.resource, ""));
    let is_path = !name.is_empty() && name.split('/').all(is_name);
    let owned = text.to_owned();
    match (arn.service, kind) {
        _ if !is_ours => None,
        ("iam", "root") => (arn.resource == "root").then(|| Named::Account(arn.account.to_owned())),
        ("iam", "user") => is_path.then_some(Named::User(owned)),
        ("iam", "role") => is_path.then_some(Named::Role(owned)),
        ("sts", "assumed-role") => {
            (is_path && name.split('/').count() == 2).then_some(Named::Session(owned))
        }
        ("sts", "federated-user") => is_path.then_some(Named::Session(owned)),
        _ => None,
    }
}

fn service(text: &str) -> Option<Named> {
    let is_char = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    let is_service = text.contains('.') && text.chars().all(is_char);
    is_service.then(|| Named::Service(text.to_owned()))
}

fn federated(text: &str) -> Option<Named> {
    let is_char = |c: char| c.is_ascii_graphic() && !"*?".contains(c);
    let is_provider = !text.is_empty() && text.chars().all(is_char);
    is_provider.then(|| Named::Federated(text.to_owned()))
}

/// A unique id: four letters that say of what, and more of them, all large.
fn is_id(text: &str) -> bool {
    let is_kind = ["AIDA", "AROA"].iter().any(|kind| text.starts_with(kind));
    let is_char = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
    is_kind && text.len() >= 16 && text.bytes().all(is_char)
}

/// What the names of users, roles and sessions and the parts of their paths are made of.
fn is_name(text: &str) -> bool {
    let is_char = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    !text.is_empty() && text.chars().all(is_char)
}
