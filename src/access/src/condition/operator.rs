//! The names of condition operators.

use std::cmp::Ordering;

/// An operator, by its name: `ForAnyValue:StringNotLikeIfExists` has everything a name can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Operator {
    pub(crate) quantifier: Quantifier,
    pub(crate) family: Family,
    /// It holds where nothing matches.
    pub(crate) negated: bool,
    /// It holds where the key is absent.
    pub(crate) if_exists: bool,
}

/// How many values of a key have to pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Quantifier {
    /// One, as the key has one.
    None,
    /// All, of a set that may be empty.
    All,
    /// At least one.
    Any,
}

/// What is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Family {
    Text(TextKind),
    Arn,
    Number(Relation),
    Date(Relation),
    Bool,
    Binary,
    Ip,
    Null,
}

/// How strings compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextKind {
    Equal,
    EqualIgnoringCase,
    Like,
}

/// How the request's value stands to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Relation {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Operator {
    /// Finds an operator by its name, whose case counts.
    pub(crate) fn parse(name: &str) -> Option<Operator> {
        let (quantifier, name) = match name.split_once(':') {
            Some(("ForAllValues", name)) => (Quantifier::All, name),
            Some(("ForAnyValue", name)) => (Quantifier::Any, name),
            Some(_) => return None,
            None => (Quantifier::None, name),
        };
        let (name, if_exists) = match name.strip_suffix("IfExists") {
            Some("Null") => return None,
            Some(name) => (name, true),
            None => (name, false),
        };
        let (family, negated) = family(name)?;
        Some(Operator {
            quantifier,
            family,
            negated,
            if_exists,
        })
    }
}

impl Relation {
    pub(crate) fn holds(self, ordering: Ordering) -> bool {
        match self {
            Relation::Equal => ordering.is_eq(),
            Relation::Less => ordering.is_lt(),
            Relation::LessOrEqual => ordering.is_le(),
            Relation::Greater => ordering.is_gt(),
            Relation::GreaterOrEqual => ordering.is_ge(),
        }
    }
}

/// The family of a bare name, and whether it is negated.
fn family(name: &str) -> Option<(Family, bool)> {
    let found = match name {
        "StringEquals" => (Family::Text(TextKind::Equal), false),
        "StringNotEquals" => (Family::Text(TextKind::Equal), true),
        "StringEqualsIgnoreCase" => (Family::Text(TextKind::EqualIgnoringCase), false),
        "StringNotEqualsIgnoreCase" => (Family::Text(TextKind::EqualIgnoringCase), true),
        "StringLike" => (Family::Text(TextKind::Like), false),
        "StringNotLike" => (Family::Text(TextKind::Like), true),
        "ArnEquals" | "ArnLike" => (Family::Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Family::Arn, true),
        "Bool" => (Family::Bool, false),
        "BinaryEquals" => (Family::Binary, false),
        "IpAddress" => (Family::Ip, false),
        "NotIpAddress" => (Family::Ip, true),
        "Null" => (Family::Null, false),
        _ => return compared(name),
    };
    Some(found)
}

/// The families of what has an order.
fn compared(name: &str) -> Option<(Family, bool)> {
    let (family, name): (fn(Relation) -> Family, _) = match name.strip_prefix("Numeric") {
        Some(name) => (Family::Number, name),
        None => (Family::Date, name.strip_prefix("Date")?),
    };
    let (relation, negated) = match name {
        "Equals" => (Relation::Equal, false),
        "NotEquals" => (Relation::Equal, true),
        "LessThan" => (Relation::Less, false),
        "LessThanEquals" => (Relation::LessOrEqual, false),
        "GreaterThan" => (Relation::Greater, false),
        "GreaterThanEquals" => (Relation::GreaterOrEqual, false),
        _ => return None,
    };
    Some((family(relation), negated))
}
