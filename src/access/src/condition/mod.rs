//! Conditions: an operator, a key of the request, and the values it is compared with.

mod binary;
mod boolean;
mod date;
mod ip;
mod number;
mod operator;
mod text;

#[cfg(test)]
mod tests;

use crate::context::{Context, Value};
use crate::document::Flaw;
use crate::pattern::Pattern;

use date::Moment;
use ip::Range;
use number::Number;

pub(crate) use operator::{Family, Operator, Quantifier, Relation};

/// One key of one operator of a statement. All of a statement have to hold.
#[derive(Debug)]
pub(crate) struct Condition {
    pub(crate) operator: Operator,
    /// The name of the key, in lower case.
    pub(crate) key: String,
    values: Values,
}

/// What a key is compared with; one that matches is enough.
#[derive(Debug)]
enum Values {
    Text(Vec<Pattern>),
    Arn(Vec<Pattern>),
    Number(Relation, Vec<Number>),
    Date(Relation, Vec<Moment>),
    Bool(Vec<bool>),
    Binary(Vec<Vec<u8>>),
    Ip(Vec<Range>),
    /// Whether the key is to be absent.
    Null(Vec<bool>),
}

impl Condition {
    /// Parses the values of a key. The error says which of them is wrong.
    pub(crate) fn parse(
        operator: Operator,
        key: &str,
        values: &[String],
        variables: bool,
    ) -> Result<Condition, (usize, Flaw)> {
        let values = match operator.family {
            Family::Text(kind) => {
                Values::Text(each(values, |value| text::parse(value, kind, variables))?)
            }
            Family::Arn => Values::Arn(each(values, |value| text::parse_arn(value, variables))?),
            Family::Number(relation) => Values::Number(relation, each(values, Number::parse)?),
            Family::Date(relation) => Values::Date(relation, each(values, Moment::parse)?),
            Family::Bool => Values::Bool(each(values, boolean::parse)?),
            Family::Binary => Values::Binary(each(values, binary::parse)?),
            Family::Ip => Values::Ip(each(values, Range::parse)?),
            Family::Null => Values::Null(each(values, boolean::parse)?),
        };
        let key = key.to_lowercase();
        Ok(Condition {
            operator,
            key,
            values,
        })
    }

    /// Whether the condition holds for a request.
    pub(crate) fn holds(&self, context: &Context) -> bool {
        let found = context.find(&self.key).map_or(&[][..], Value::as_slice);
        let Operator {
            quantifier,
            negated,
            if_exists,
            ..
        } = self.operator;
        if let Values::Null(wanted) = &self.values {
            return match quantifier {
                Quantifier::None => wanted.contains(&found.is_empty()),
                // There is no value that could be null or not: all are, and none is.
                Quantifier::All => true,
                Quantifier::Any => false,
            };
        }
        let passes = |value: &String| self.matches(value, context) != negated;
        match quantifier {
            Quantifier::None if found.is_empty() => negated || if_exists,
            Quantifier::None if negated => found.iter().all(passes),
            Quantifier::None => found.iter().any(passes),
            // To the quantifiers, a single empty string is an empty set.
            Quantifier::All if is_empty(found) => true,
            Quantifier::All => found.iter().all(passes),
            Quantifier::Any if is_empty(found) => if_exists,
            Quantifier::Any => found.iter().any(passes),
        }
    }

    /// Whether every value is one that only a single value of the request matches, or a narrow
    /// range of addresses: then the condition says who may call.
    pub(crate) fn is_fixed(&self) -> bool {
        match &self.values {
            Values::Text(patterns) | Values::Arn(patterns) => {
                patterns.iter().all(Pattern::is_fixed)
            }
            Values::Ip(ranges) => ranges.iter().all(Range::is_narrow),
            Values::Number(..) | Values::Date(..) | Values::Binary(_) => false,
            Values::Bool(_) | Values::Null(_) => false,
        }
    }

    /// Whether a value of the request matches one of ours. One with a variable without a value
    /// matches nothing.
    fn matches(&self, value: &str, context: &Context) -> bool {
        match &self.values {
            Values::Text(ours) => {
                let is_same = |one: &Pattern| one.matches(value, context) == Some(true);
                ours.iter().any(is_same)
            }
            Values::Arn(ours) => {
                let is_same = |one: &Pattern| one.matches_arn(value, context) == Some(true);
                ours.iter().any(is_same)
            }
            Values::Number(relation, ours) => Number::parse(value)
                .is_ok_and(|value| ours.iter().any(|one| relation.holds(value.cmp(one)))),
            Values::Date(relation, ours) => Moment::parse(value)
                .is_ok_and(|value| ours.iter().any(|one| relation.holds(value.cmp(one)))),
            Values::Bool(ours) => boolean::parse(value).is_ok_and(|value| ours.contains(&value)),
            Values::Binary(ours) => binary::parse(value).is_ok_and(|value| ours.contains(&value)),
            Values::Ip(ours) => {
                ip::address(value).is_some_and(|value| ours.iter().any(|one| one.contains(value)))
            }
            Values::Null(_) => false,
        }
    }
}

fn is_empty(found: &[String]) -> bool {
    match found {
        [] => true,
        [one] => one.is_empty(),
        _ => false,
    }
}

fn each<T>(
    values: &[String],
    parse: impl Fn(&str) -> Result<T, Flaw>,
) -> Result<Vec<T>, (usize, Flaw)> {
    let numbered = values.iter().enumerate();
    let parsed = numbered.map(|(at, value)| parse(value).map_err(|flaw| (at, flaw)));
    parsed.collect()
}
