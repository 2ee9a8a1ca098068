//! Broad access, as AWS defines it for the policies of resources.

use super::names_everyone;
use crate::condition::{Condition, Quantifier};
use crate::document::Statement;

/// The keys whose fixed values say who may call; in lower case.
const NARROWING_KEYS: &[&str] = &[
    "aws:principalaccount",
    "aws:principalarn",
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:sourceaccount",
    "aws:sourcearn",
    "aws:sourceip",
    "aws:sourceorgid",
    "aws:sourcevpc",
    "aws:sourcevpce",
    "aws:userid",
    "aws:vpceaccount",
    "aws:vpceorgid",
];

/// Whether a statement allows everyone.
pub(super) fn is_public(statement: &Statement) -> bool {
    let is_narrowed = statement.conditions.iter().any(narrows);
    statement.allows && names_everyone(statement) && !is_narrowed
}

/// Whether only callers known by a fixed value meet a condition. One that holds where its key is
/// absent, or where its values do not match, is met by strangers.
fn narrows(condition: &Condition) -> bool {
    let operator = condition.operator;
    let is_strict = !operator.negated && !operator.if_exists;
    let is_named = NARROWING_KEYS.contains(&condition.key.as_str());
    is_strict && operator.quantifier != Quantifier::All && is_named && condition.is_fixed()
}
