//! Names that no action or key has, and operators that do not suit their key.

use super::Check;
use crate::actions::{ACTIONS, Action};
use crate::condition::{Condition, Family, Operator, Quantifier};
use crate::context::Context;
use crate::document::Statement;
use crate::keys::{Key, KeyKind};
use crate::pattern::Pattern;

/// The service whose actions and keys the catalogues list in full.
const OURS: &str = "secretsmanager:";
/// The prefix of the keys that every service has.
const GLOBAL: &str = "aws:";

pub(super) fn check(statement: &Statement, note: &mut impl FnMut(Check, String)) {
    let context = Context::new();
    let matches =
        |pattern: &Pattern, action: &Action| pattern.matches(action.name, &context) == Some(true);
    let patterns = &statement.actions.patterns;
    for pattern in patterns
        .iter()
        .filter(|pattern| is_of(OURS, pattern.as_str()))
    {
        if !ACTIONS.iter().any(|action| matches(pattern, action)) {
            let text = pattern.as_str();
            let message = format!("no action is called {text}: correct its spelling");
            note(Check::UnknownAction, message);
        }
    }
    let meant = ACTIONS
        .iter()
        .filter(|action| patterns.iter().any(|pattern| matches(pattern, action)));
    let actions: Vec<&Action> = meant.collect();
    for condition in &statement.conditions {
        let name = &condition.key;
        match Key::find(name) {
            Some(key) => {
                check_operator(condition, key, note);
                let has_key = |action: &&Action| action.keys().any(|one| one == key.name);
                let is_ours = is_of(OURS, name) && !statement.actions.negated;
                if is_ours && !actions.is_empty() && !actions.iter().any(has_key) {
                    let message = format!("no action of the statement has {name}: remove it");
                    note(Check::UnusedKey, message);
                }
            }
            None if is_of(OURS, name) || is_of(GLOBAL, name) => {
                let message = format!("no condition key is called {name}: correct its spelling");
                note(Check::UnknownKey, message);
            }
            // Keys of other services, and of identity providers, are not listed.
            None => {}
        }
    }
}

fn check_operator(condition: &Condition, key: &Key, note: &mut impl FnMut(Check, String)) {
    let (
        name,
        Operator {
            family, quantifier, ..
        },
    ) = (key.name, condition.operator);
    if !suits(family, key.kind) {
        let wanted = wanted(key.kind);
        let message = format!("{name} is compared by {wanted}: choose one of these");
        note(Check::OperatorType, message);
    }
    if family == Family::Null {
        return;
    }
    match (key.is_many, quantifier) {
        (true, Quantifier::None) => {
            let message = format!("{name} is a set: put ForAnyValue: or ForAllValues: before it");
            note(Check::SetOperator, message);
        }
        (false, Quantifier::All) => {
            let message = format!(
                "{name} is no set, and ForAllValues: holds where it is absent: leave it out"
            );
            note(Check::SetOperator, message);
        }
        _ => {}
    }
}

fn suits(family: Family, kind: KeyKind) -> bool {
    match family {
        Family::Null => true,
        Family::Text(_) => matches!(kind, KeyKind::Text | KeyKind::Arn),
        Family::Arn => kind == KeyKind::Arn,
        Family::Number(_) => matches!(kind, KeyKind::Number | KeyKind::Epoch),
        Family::Date(_) => matches!(kind, KeyKind::Date | KeyKind::Epoch),
        Family::Bool => kind == KeyKind::Bool,
        Family::Ip => kind == KeyKind::Ip,
        Family::Binary => false,
    }
}

fn wanted(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Text => "String operators",
        KeyKind::Arn => "Arn and String operators",
        KeyKind::Number => "Numeric operators",
        KeyKind::Date => "Date operators",
        KeyKind::Epoch => "Date and Numeric operators",
        KeyKind::Bool => "Bool",
        KeyKind::Ip => "IpAddress and NotIpAddress",
    }
}

/// Whether a name begins with a prefix, in any case.
fn is_of(prefix: &str, name: &str) -> bool {
    let front = name.split_at_checked(prefix.len());
    front.is_some_and(|(front, _)| front.eq_ignore_ascii_case(prefix))
}
