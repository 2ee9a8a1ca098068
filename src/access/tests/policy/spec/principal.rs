//! Who a statement speaks of.

use crate::case::{Caller, CallerKind};

/// One principal of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// `*`.
    Everyone,
    /// An account, by its number or as its root's ARN, which "behave the same way".
    /// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-accounts
    Account(String),
    /// A user, a role or a session.
    Arn(String),
    /// A service.
    Service(String),
    /// An identity provider.
    Federated(String),
}

/// The Principal or NotPrincipal of a statement.
#[derive(Clone, Debug)]
pub struct Who {
    pub not: bool,
    pub entries: Vec<Entry>,
}

/// How a statement reaches a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// It names the caller itself, or everybody.
    Direct,
    /// It names the role that the caller's session is of.
    Role,
    /// It names the caller's account.
    Account,
}

/// How the statement reaches the caller, if it does.
pub fn reached(who: &Who, caller: &Caller, has_boundary: bool) -> Option<Grant> {
    if who.not {
        let excepted = excepted(&who.entries, caller, has_boundary);
        return (!excepted).then_some(Grant::Direct);
    }
    let grants: Vec<Grant> = who
        .entries
        .iter()
        .filter_map(|entry| grant(entry, caller))
        .collect();
    [Grant::Direct, Grant::Role, Grant::Account]
        .into_iter()
        .find(|grant| grants.contains(grant))
}

/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#Principal_specifying
fn grant(entry: &Entry, caller: &Caller) -> Option<Grant> {
    let account = [CallerKind::User, CallerKind::Session].contains(&caller.kind);
    match entry {
        Entry::Everyone => Some(Grant::Direct),
        Entry::Account(number) if *number == caller.account && account => Some(Grant::Account),
        Entry::Account(number) if *number == caller.account => {
            (caller.kind == CallerKind::Root).then_some(Grant::Direct)
        }
        Entry::Arn(arn) if account && *arn == caller.arn => Some(Grant::Direct),
        Entry::Arn(arn) if caller.kind == CallerKind::Session && *arn == caller.role => {
            Some(Grant::Role)
        }
        Entry::Service(name) if caller.kind == CallerKind::Service && *name == caller.name => {
            Some(Grant::Direct)
        }
        Entry::Federated(provider)
            if caller.kind == CallerKind::Federated && *provider == caller.provider =>
        {
            Some(Grant::Direct)
        }
        _ => None,
    }
}

/// Whether NotPrincipal spares a caller. It spares whom it names, but only with the account, and
/// for a session also with the role: without them AWS "might" deny, and so we do. The account alone
/// spares none of its users. "The NotPrincipal element with a Deny effect will always deny any IAM
/// principal that has a permissions boundary policy attached."
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
fn excepted(entries: &[Entry], caller: &Caller, has_boundary: bool) -> bool {
    let names = |entry: Entry| entries.contains(&entry);
    let account = || names(Entry::Account(caller.account.clone()));
    let arn = || names(Entry::Arn(caller.arn.clone()));
    if names(Entry::Everyone) {
        return !has_boundary;
    }
    match caller.kind {
        CallerKind::Root => account(),
        CallerKind::User => !has_boundary && arn() && account(),
        CallerKind::Session => {
            !has_boundary && arn() && names(Entry::Arn(caller.role.clone())) && account()
        }
        CallerKind::Service => names(Entry::Service(caller.name.clone())),
        CallerKind::Federated => names(Entry::Federated(caller.provider.clone())),
        CallerKind::Anonymous => false,
    }
}
