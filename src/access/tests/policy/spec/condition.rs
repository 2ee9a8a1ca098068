//! The Condition element.

use std::cmp::Ordering;

use super::pattern::{self, Scene};
use super::values::{self, Decimal};
use crate::case::Given;

/// How the values of a multivalued key are taken together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantifier {
    /// `ForAllValues:`.
    All,
    /// `ForAnyValue:`.
    Any,
}

/// One operator on one key.
#[derive(Clone, Debug)]
pub struct Condition {
    pub quantifier: Option<Quantifier>,
    /// Without quantifier and suffix.
    pub operator: String,
    /// Whether `IfExists` followed.
    pub if_exists: bool,
    pub key: String,
    pub values: Vec<String>,
}

/// Every operator, in the order of the page, and after those that are negated what they negate.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
pub const OPERATORS: &[(&str, Option<&str>)] = &[
    ("StringEquals", None),
    ("StringNotEquals", Some("StringEquals")),
    ("StringEqualsIgnoreCase", None),
    ("StringNotEqualsIgnoreCase", Some("StringEqualsIgnoreCase")),
    ("StringLike", None),
    ("StringNotLike", Some("StringLike")),
    ("NumericEquals", None),
    ("NumericNotEquals", Some("NumericEquals")),
    ("NumericLessThan", None),
    ("NumericLessThanEquals", None),
    ("NumericGreaterThan", None),
    ("NumericGreaterThanEquals", None),
    ("DateEquals", None),
    ("DateNotEquals", Some("DateEquals")),
    ("DateLessThan", None),
    ("DateLessThanEquals", None),
    ("DateGreaterThan", None),
    ("DateGreaterThanEquals", None),
    ("Bool", None),
    ("BinaryEquals", None),
    ("IpAddress", None),
    ("NotIpAddress", Some("IpAddress")),
    ("ArnEquals", None),
    ("ArnLike", None),
    ("ArnNotEquals", Some("ArnEquals")),
    ("ArnNotLike", Some("ArnLike")),
    ("Null", None),
];

/// Whether a condition holds.
pub fn holds(condition: &Condition, scene: &Scene<'_>) -> bool {
    let given: Vec<&String> = match scene.value(&condition.key) {
        Some(Given::One(value)) => vec![value],
        Some(Given::Many(values)) => values.iter().collect(),
        None => Vec::new(),
    };
    // A set without members is like a missing key: both are "a null data set".
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_examples-multi-valued-context-keys.html
    let present = !given.is_empty();
    if condition.operator == "Null" {
        return null(condition, present);
    }
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_IfExists
    if !present && condition.if_exists {
        return true;
    }
    let (operator, negated) = match OPERATORS
        .iter()
        .find(|(name, _)| *name == condition.operator)
    {
        Some((_, Some(negates))) => (*negates, true),
        _ => (condition.operator.as_str(), false),
    };
    // Several values of a policy are alternatives; of a negated operator none may match.
    // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-logic-multiple-context-keys-or-values.html
    let matched = |value: &&String| {
        let mut wanted = condition.values.iter();
        wanted.any(|wanted| compare(operator, value, wanted, scene)) != negated
    };
    match condition.quantifier {
        // True for a missing key.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
        Some(Quantifier::All) => given.iter().all(matched),
        // False for a missing key, of a negated operator too.
        Some(Quantifier::Any) => given.iter().any(matched),
        // "The values do not match and the condition is false"; if negated, it is true.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
        None if !present => negated,
        // A set must have a quantifier: the pages do not say what comes without, and no case does.
        None if negated => given.iter().all(matched),
        None => given.iter().any(matched),
    }
}

/// "true (the key doesn't exist — it is null) or false (the key exists and its value is not null)";
/// with a quantifier it is always true, or always false.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html#Conditions_Null
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/access-analyzer-reference-policy-checks.html#access-analyzer-reference-policy-checks-suggestion-null-with-qualifier
fn null(condition: &Condition, present: bool) -> bool {
    match condition.quantifier {
        Some(Quantifier::All) => true,
        Some(Quantifier::Any) => false,
        None => {
            let mut wanted = condition.values.iter();
            wanted.any(|wanted| (wanted == "true") != present)
        }
    }
}

/// Whether a value of the request matches one of the policy.
fn compare(operator: &str, value: &str, wanted: &str, scene: &Scene<'_>) -> bool {
    let characters: Vec<char> = value.chars().collect();
    match operator {
        "StringEquals" => pattern::pieces(wanted, false, scene)
            .is_some_and(|pieces| pattern::matches(&pieces, &characters)),
        "StringEqualsIgnoreCase" => pattern::pieces(wanted, false, scene)
            .is_some_and(|pieces| pattern::matches(&lowered(&pieces), &lower(&characters))),
        "StringLike" => pattern::pieces(wanted, true, scene)
            .is_some_and(|pieces| pattern::matches(&pieces, &characters)),
        // "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => {
            pattern::pieces(wanted, true, scene).is_some_and(|pieces| pattern::arn(&pieces, value))
        }
        "Bool" => value == wanted,
        "BinaryEquals" => match (values::bytes(value), values::bytes(wanted)) {
            (Some(value), Some(wanted)) => value == wanted,
            _ => false,
        },
        "IpAddress" => values::range(wanted).is_some_and(|range| values::is_within(value, &range)),
        _ => ordered(operator, value, wanted),
    }
}

fn ordered(operator: &str, value: &str, wanted: &str) -> bool {
    let (relation, ordering) = if let Some(relation) = operator.strip_prefix("Numeric") {
        let numbers = Decimal::read(value).zip(Decimal::read(wanted));
        (
            relation,
            numbers.map(|(value, wanted)| value.compare(&wanted)),
        )
    } else {
        let relation = operator.strip_prefix("Date").unwrap_or(operator);
        let moments = values::moment(value).zip(values::moment(wanted));
        (relation, moments.map(|(value, wanted)| value.cmp(&wanted)))
    };
    let Some(ordering) = ordering else {
        return false;
    };
    match relation {
        "Equals" => ordering == Ordering::Equal,
        "LessThan" => ordering == Ordering::Less,
        "LessThanEquals" => ordering != Ordering::Greater,
        "GreaterThan" => ordering == Ordering::Greater,
        "GreaterThanEquals" => ordering != Ordering::Less,
        _ => false,
    }
}

fn lower(text: &[char]) -> Vec<char> {
    text.iter().flat_map(|each| each.to_lowercase()).collect()
}

fn lowered(pieces: &[pattern::Piece]) -> Vec<pattern::Piece> {
    let mut lowered = Vec::new();
    for piece in pieces {
        match piece {
            pattern::Piece::Char(each) => {
                lowered.extend(each.to_lowercase().map(pattern::Piece::Char));
            }
            other => lowered.push(*other),
        }
    }
    lowered
}
