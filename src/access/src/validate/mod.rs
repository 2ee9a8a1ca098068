//! What is questionable about a policy that can be parsed: ValidateResourcePolicy names all of it,
//! and PutResourcePolicy refuses broad access if it is asked to.

mod public;
mod words;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::context::Context;
use crate::document::{Named, Policy, PolicyKind, Statement};
use crate::limits::FINDINGS_MAX;
use crate::pattern::Pattern;

/// One thing that is questionable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was looked for.
    pub check: Check,
    /// The statement, from 0.
    pub statement: usize,
    /// What is wrong with it, and what to do: one sentence.
    pub message: String,
}

/// What validation looks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Check {
    /// A statement allows everyone.
    PublicAccess,
    /// A statement keeps everyone from replacing the policy.
    LockOut,
    /// No action has this name.
    UnknownAction,
    /// No condition key has this name.
    UnknownKey,
    /// No action of the statement has this condition key.
    UnusedKey,
    /// The operator compares something else than what the key holds.
    OperatorType,
    /// A set operator is missing, or in the wrong place.
    SetOperator,
}

impl Check {
    /// What ValidateResourcePolicy calls the check.
    pub fn name(self) -> &'static str {
        match self {
            Check::PublicAccess => "PUBLIC_ACCESS_CHECK",
            Check::LockOut => "REFLEXIVE_PRINCIPAL_CHECK",
            Check::UnknownAction => "UNKNOWN_ACTION_CHECK",
            Check::UnknownKey => "UNKNOWN_CONDITION_KEY_CHECK",
            Check::UnusedKey => "UNUSED_CONDITION_KEY_CHECK",
            Check::OperatorType => "OPERATOR_TYPE_CHECK",
            Check::SetOperator => "SET_OPERATOR_CHECK",
        }
    }

    /// Whether a policy with such a finding fails validation. The others are warnings: the policy
    /// does what it says, and that may not be what is meant.
    pub fn is_failure(self) -> bool {
        matches!(self, Check::PublicAccess | Check::LockOut)
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement[{}]: {}", self.statement, self.message)
    }
}

/// Names what is questionable, failures first, [`FINDINGS_MAX`] at most. Only resource policies are
/// looked at for broad access and lock-out.
pub fn validate(policy: &Policy) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (at, statement) in policy.statements().iter().enumerate() {
        let mut note = |check, message: String| {
            findings.push(Finding {
                check,
                statement: at,
                message,
            });
        };
        if policy.kind() == PolicyKind::Resource {
            if public::is_public(statement) {
                note(Check::PublicAccess, PUBLIC.to_owned());
            }
            if locks_out(statement) {
                note(Check::LockOut, LOCKS_OUT.to_owned());
            }
        }
        words::check(statement, &mut note);
    }
    findings.sort_by_key(|finding| finding.check);
    findings.truncate(FINDINGS_MAX);
    findings
}

/// Whether a resource policy gives broad access: it allows everyone, under no condition that only
/// callers known by a fixed value meet. These are an account, an organization or a part of it, the
/// ARN or id of a caller or source, a private listener, or a narrow range of addresses.
pub fn is_public(policy: &Policy) -> bool {
    policy.statements().iter().any(public::is_public)
}

const PUBLIC: &str = "everyone is allowed: name principals, or add a condition such as \
                      StringEquals on aws:PrincipalAccount with a value that has no wildcards";
const LOCKS_OUT: &str = "nobody could replace or remove this policy any more: leave \
                         secretsmanager:PutResourcePolicy and DeleteResourcePolicy out, or name \
                         whom it denies them";

/// Whether a statement denies everyone to put another policy in the place of this one, or to
/// remove it.
fn locks_out(statement: &Statement) -> bool {
    let denies = |action: &str| {
        let context = Context::new();
        let matches = |one: &Pattern| one.matches(action, &context);
        statement.actions.cover(false, matches)
    };
    let edits = [
        "secretsmanager:PutResourcePolicy",
        "secretsmanager:DeleteResourcePolicy",
    ];
    let is_certain = !statement.allows && statement.conditions.is_empty();
    is_certain && names_everyone(statement) && edits.into_iter().any(denies)
}

fn names_everyone(statement: &Statement) -> bool {
    let principals = statement.principals.as_ref();
    principals.is_some_and(|ours| !ours.negated && ours.named.contains(&Named::Everyone))
}
