//! Conditions: every operator with every quantifier and suffix, on keys of its type.

use serde_json::{Value, json};

use super::policy::Maker;
use super::text;
use super::words::{KEYS, Key, Type};
use crate::case::Given;

/// Every operator with the type it compares.
pub const OPERATORS: &[(&str, Type)] = &[
    ("StringEquals", Type::Text),
    ("StringNotEquals", Type::Text),
    ("StringEqualsIgnoreCase", Type::Text),
    ("StringNotEqualsIgnoreCase", Type::Text),
    ("StringLike", Type::Text),
    ("StringNotLike", Type::Text),
    ("NumericEquals", Type::Number),
    ("NumericNotEquals", Type::Number),
    ("NumericLessThan", Type::Number),
    ("NumericLessThanEquals", Type::Number),
    ("NumericGreaterThan", Type::Number),
    ("NumericGreaterThanEquals", Type::Number),
    ("DateEquals", Type::Time),
    ("DateNotEquals", Type::Time),
    ("DateLessThan", Type::Time),
    ("DateLessThanEquals", Type::Time),
    ("DateGreaterThan", Type::Time),
    ("DateGreaterThanEquals", Type::Time),
    ("Bool", Type::Truth),
    ("BinaryEquals", Type::Bytes),
    ("IpAddress", Type::Address),
    ("NotIpAddress", Type::Address),
    ("ArnEquals", Type::Arn),
    ("ArnLike", Type::Arn),
    ("ArnNotEquals", Type::Arn),
    ("ArnNotLike", Type::Arn),
];

/// Every prefix of an operator.
pub const QUANTIFIERS: &[&str] = &["", "ForAllValues:", "ForAnyValue:"];
/// Every suffix of an operator.
pub const SUFFIXES: &[&str] = &["", "IfExists"];

/// Types whose values no other type has, bytes and texts aside: a year is a number too.
const WITHOUT_NUMBERS: &[Type] = &[Type::Text, Type::Address, Type::Truth];

/// A condition element with some operators, none on a key that another has in another case.
pub fn element(maker: &mut Maker<'_>, conditions: usize) -> Value {
    let mut element = json!({});
    for _ in 0..conditions {
        let (operator, key, values) = condition(maker);
        maker.report.count("operator", operator.as_str());
        element[operator][key.name] = values;
    }
    // Names of keys in another case, all of a statement alike.
    if maker.dice.percent(20) {
        let upper = maker.dice.percent(50);
        for keys in element.as_object_mut().into_iter().flatten() {
            let recased = keys.1.as_object().into_iter().flatten();
            let recased = recased.map(|(key, values)| {
                let key = match upper {
                    true => key.to_ascii_uppercase(),
                    false => key.to_ascii_lowercase(),
                };
                (key, values.clone())
            });
            *keys.1 = Value::Object(recased.collect());
        }
    }
    element
}

fn condition(maker: &mut Maker<'_>) -> (String, Key, Value) {
    if maker.dice.percent(5) {
        let key = maker.dice.pick(KEYS);
        let value = match maker.dice.below(4) {
            0 => json!(true),
            1 => json!(false),
            2 => json!("true"),
            _ => json!("false"),
        };
        return ("Null".into(), key, value);
    }
    let (operator, of) = maker.dice.pick(OPERATORS);
    let quantifier = maker.dice.pick(QUANTIFIERS);
    let suffix = maker.dice.pick(SUFFIXES);
    // A key with several values needs a quantifier: without one the documents say nothing.
    let several = !quantifier.is_empty() && maker.dice.percent(65);
    // Now and then a key of another type, whose values are none of the operator's.
    let strange = maker.dice.percent(4);
    let suits = |key: &&Key| {
        let of_type = match strange {
            true => key.of != of && (of == Type::Text || WITHOUT_NUMBERS.contains(&key.of)),
            false => key.of == of,
        };
        of_type && key.multi == several
    };
    let keys: Vec<Key> = KEYS.iter().filter(suits).copied().collect();
    let key = maker.dice.pick(&keys);
    if strange {
        maker
            .report
            .count("key", format!("of another type to {}", of.name()));
    }
    let count = [1, 1, 2, 3][maker.dice.below(4)];
    let mut values: Vec<Value> = (0..count)
        .map(|_| value(maker, operator, of, &key))
        .collect();
    let values = match values.pop() {
        Some(single) if values.is_empty() && maker.dice.percent(60) => single,
        Some(last) => {
            values.push(last);
            Value::Array(values)
        }
        None => Value::Null,
    };
    (format!("{quantifier}{operator}{suffix}"), key, values)
}

/// A value of the request, of near it, or of elsewhere.
fn value(maker: &mut Maker<'_>, operator: &str, of: Type, key: &Key) -> Value {
    let given: Vec<&str> = match maker.request.context.get(key.name) {
        Some(Given::One(value)) => vec![value],
        Some(Given::Many(values)) => values.iter().map(String::as_str).collect(),
        None => Vec::new(),
    };
    // An address is covered by ranges, which are not made of it; a strange one by nothing.
    let usable = of == Type::Text || (of == key.of && of != Type::Address);
    let near = !given.is_empty() && usable && maker.dice.percent(60);
    let plain = match near {
        true => maker.dice.pick(&given).to_string(),
        false => maker.dice.pick(of.wanted()).to_string(),
    };
    match of {
        Type::Text => json!(text_value(maker, operator, plain)),
        Type::Arn => json!(arn_value(maker, plain)),
        Type::Truth if maker.dice.percent(30) => json!(plain == "true"),
        Type::Number | Type::Time if maker.dice.percent(30) => match plain.parse::<i64>() {
            Ok(number) => json!(number),
            Err(_) => json!(plain),
        },
        _ => json!(plain),
    }
}

fn text_value(maker: &mut Maker<'_>, operator: &str, plain: String) -> String {
    let wild = if operator.ends_with("Like") { 75 } else { 15 };
    let mut made = match maker.dice.percent(wild) {
        true => text::pattern(maker.dice, &plain),
        false => plain,
    };
    if maker.dice.percent(10) {
        made = text::in_some_case(maker.dice, &made);
    }
    let made = maker.with_variable("condition", made);
    text::count(maker.report, "condition", &made);
    made
}

fn arn_value(maker: &mut Maker<'_>, plain: String) -> String {
    if maker.dice.percent(12) {
        return maker.with_variable("condition", plain);
    }
    let mut parts: Vec<String> = plain.splitn(6, ':').map(str::to_string).collect();
    for _ in 0..maker.dice.below(3) {
        let at = 1 + maker.dice.below(parts.len() - 1);
        parts[at] = text::pattern(maker.dice, &parts[at]);
    }
    // A star instead of two parts, which it must not reach over.
    if parts.len() == 6 && maker.dice.percent(8) {
        parts.remove(4);
        parts[3] = "*".into();
    }
    if parts[2].contains(['*', '?']) {
        maker.report.count("wildcard", "condition in the service");
    }
    let made = parts.join(":");
    text::count(maker.report, "condition", &made);
    made
}
