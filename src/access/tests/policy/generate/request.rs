//! Requests: who asks for what, with which keys.

use super::words::{
    ACCOUNTS, KEYS, ON_NOTHING, ON_SECRETS, PROVIDERS, REGIONS, ROLES, SECRETS, SERVICES, SESSIONS,
    USERS,
};
use super::{Dice, Report};
use crate::case::{Caller, CallerKind, Case, Given};

/// A request without policies.
pub fn request(dice: &mut Dice, report: &mut Report) -> Case {
    let principal = caller(dice);
    report.count("caller", format!("{:?}", principal.kind));
    let resource_account = ACCOUNTS[0].to_string();
    let is_foreign = !principal.account.is_empty() && principal.account != resource_account;
    report.count("account", if is_foreign { "another" } else { "same" });
    let federated = principal.kind == CallerKind::Federated;
    let (mut action, resource) = if federated || dice.percent(6) {
        let action = match federated {
            true => "sts:AssumeRoleWithWebIdentity",
            false => "sts:AssumeRole",
        };
        (action.to_string(), role(ACCOUNTS[0], ROLES[0]))
    } else if dice.percent(8) {
        (dice.pick(ON_NOTHING).to_string(), "*".to_string())
    } else {
        (dice.pick(ON_SECRETS).to_string(), secret(dice))
    };
    if dice.percent(12) {
        action = action.to_ascii_uppercase();
    }
    Case {
        principal,
        action,
        resource,
        resource_account,
        context: context(dice, report),
        ..Case::default()
    }
}

/// The ARN of a secret of the account that is asked.
pub fn secret(dice: &mut Dice) -> String {
    let (region, name) = (dice.pick(REGIONS), dice.pick(SECRETS));
    format!(
        "arn:aws:secretsmanager:{region}:{}:secret:{name}",
        ACCOUNTS[0]
    )
}

/// The ARN of a role.
pub fn role(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:role/{name}")
}

/// The ARN of a user.
pub fn user(account: &str, name: &str) -> String {
    format!("arn:aws:iam::{account}:user/{name}")
}

/// The ARN of a session; it has the name of the role without its path.
pub fn session(account: &str, role: &str, name: &str) -> String {
    let role = role.rsplit('/').next().unwrap_or(role);
    format!("arn:aws:sts::{account}:assumed-role/{role}/{name}")
}

fn caller(dice: &mut Dice) -> Caller {
    let kind = match dice.below(100) {
        0..36 => CallerKind::User,
        36..70 => CallerKind::Session,
        70..78 => CallerKind::Root,
        78..86 => CallerKind::Service,
        86..91 => CallerKind::Federated,
        _ => CallerKind::Anonymous,
    };
    let account = ACCOUNTS[usize::from(dice.percent(30))].to_string();
    let mut caller = Caller {
        kind,
        ..Caller::default()
    };
    match kind {
        CallerKind::User => {
            caller.arn = user(&account, dice.pick(USERS));
            caller.id = "AIDAEXAMPLE".into();
        }
        CallerKind::Session => {
            let (of, name) = (dice.pick(ROLES), dice.pick(SESSIONS));
            caller.role = role(&account, of);
            caller.arn = session(&account, of, name);
            caller.id = format!("AROAEXAMPLE:{name}");
        }
        CallerKind::Service => caller.name = dice.pick(SERVICES).to_string(),
        CallerKind::Federated => caller.provider = dice.pick(PROVIDERS).to_string(),
        CallerKind::Root | CallerKind::Anonymous => {}
    }
    if ![CallerKind::Service, CallerKind::Anonymous].contains(&kind) {
        caller.account = account;
    }
    caller
}

fn context(dice: &mut Dice, report: &mut Report) -> std::collections::BTreeMap<String, Given> {
    let mut context = std::collections::BTreeMap::new();
    for key in KEYS {
        let values = key.of.given();
        let (given, state) = match dice.below(100) {
            0..35 => (None, "missing"),
            35..50 if key.multi => (Some(Given::Many(Vec::new())), "empty"),
            _ if key.multi => {
                let mut set: Vec<String> = (0..1 + dice.below(3))
                    .map(|_| dice.pick(values).to_string())
                    .collect();
                set.sort();
                set.dedup();
                (Some(Given::Many(set)), "given")
            }
            _ => (Some(Given::One(dice.pick(values).to_string())), "given"),
        };
        let count = if key.multi { "several" } else { "one" };
        report.count("key", format!("{} {count} {state}", key.of.name()));
        if let Some(given) = given {
            context.insert(key.name.to_string(), given);
        }
    }
    context
}
