//! Every operator, and what an absent key means to it.

use super::{Condition, Operator};
use crate::context::Context;

const KEY: &str = "aws:Key";

fn condition(operator: &str, values: &[&str]) -> Condition {
    let operator = Operator::parse(operator).expect("an operator");
    let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
    Condition::parse(operator, KEY, &values, true).expect("values that suit")
}

/// Whether a condition holds for a key with one value.
fn holds(operator: &str, ours: &[&str], theirs: &str) -> bool {
    let mut context = Context::new();
    context.set(KEY, theirs);
    condition(operator, ours).holds(&context)
}

fn holds_for_set(operator: &str, ours: &[&str], theirs: &[&str]) -> bool {
    let mut context = Context::new();
    context.set_many(KEY, theirs.iter().copied());
    condition(operator, ours).holds(&context)
}

fn holds_without(operator: &str, ours: &[&str]) -> bool {
    condition(operator, ours).holds(&Context::new())
}

fn is_refused(operator: &str, value: &str) -> bool {
    let operator = Operator::parse(operator).expect("an operator");
    Condition::parse(operator, KEY, &[value.to_owned()], true).is_err()
}

#[test]
fn strings_compare_by_case_and_only_like_knows_wildcards() {
    assert!(holds("StringEquals", &["x", "a"], "a") && !holds("StringEquals", &["a"], "A"));
    assert!(holds("StringEquals", &["a*"], "a*") && !holds("StringEquals", &["a*"], "ab"));
    assert!(holds("StringNotEquals", &["a"], "b") && !holds("StringNotEquals", &["a", "b"], "b"));
    assert!(holds("StringEqualsIgnoreCase", &["ä*"], "Ä*"));
    assert!(!holds("StringEqualsIgnoreCase", &["a*"], "ab"));
    assert!(!holds("StringNotEqualsIgnoreCase", &["a"], "A"));
    assert!(holds("StringLike", &["a*"], "ab") && !holds("StringLike", &["a*"], "Ab"));
    assert!(holds("StringNotLike", &["a*"], "b") && !holds("StringNotLike", &["a*"], "ab"));
}

#[test]
fn arns_compare_part_by_part_under_all_four_operators() {
    let (role, other) = (
        "arn:aws:iam::111122223333:role/a",
        "arn:aws:iam::111122223333:user/a",
    );
    for operator in ["ArnEquals", "ArnLike"] {
        assert!(holds(operator, &["arn:aws:iam::*:role/*"], role));
        assert!(!holds(operator, &["arn:aws:iam::*:role/*"], other));
        assert!(!holds(operator, &["arn:aws:iam:*"], role));
    }
    for operator in ["ArnNotEquals", "ArnNotLike"] {
        assert!(!holds(operator, &["arn:aws:iam::*:role/*"], role));
        assert!(holds(operator, &["arn:aws:iam::*:role/*"], other));
    }
}

#[test]
fn numbers_compare_exactly() {
    assert!(holds("NumericEquals", &["7"], "07.0") && holds("NumericEquals", &["-0"], "0"));
    let (long, longer) = ("12345678901234567890.1", "12345678901234567890.2");
    assert!(holds("NumericLessThan", &[longer], long) && !holds("NumericEquals", &[long], longer));
    assert!(holds("NumericNotEquals", &["7"], "8") && !holds("NumericNotEquals", &["7"], "7"));
    assert!(holds("NumericLessThan", &["-1"], "-2") && !holds("NumericLessThan", &["2"], "2"));
    assert!(holds("NumericLessThanEquals", &["2"], "2") && holds("NumericLessThan", &["10"], "9"));
    assert!(
        holds("NumericGreaterThan", &["-1"], "0.5") && holds("NumericGreaterThan", &["9"], "10")
    );
    assert!(!holds("NumericGreaterThan", &["9"], "9"));
    assert!(holds("NumericGreaterThanEquals", &["9"], "9"));
    assert!(!holds("NumericLessThan", &["9"], "one") && holds("NumericNotEquals", &["9"], "one"));
    for value in ["", "one", "1.", ".5", "1e3", "--1", "0x1", "1 "] {
        assert!(is_refused("NumericEquals", value), "{value}");
    }
}

#[test]
fn dates_compare_as_moments_in_every_form() {
    let noon = "2027-01-31T12:00:00Z";
    for same in [
        "2027-01-31T12:00Z",
        "2027-01-31T13:30:00+01:30",
        "2027-01-31T11:59:00.000-00:01",
        "1801396800",
        "1801396800.0",
    ] {
        assert!(holds("DateEquals", &[noon], same), "{same}");
        assert!(!holds("DateNotEquals", &[noon], same), "{same}");
    }
    assert!(holds("DateEquals", &["2027"], "2027-01-01T00:00:00Z"));
    assert!(holds("DateEquals", &["2027-02"], "2027-02-01") && holds("DateEquals", &["0"], "1970"));
    assert!(holds("DateEquals", &["2024-02-29"], "1709164800"));
    assert!(holds("DateEquals", &["2000-02-29"], "951782400"));
    assert!(holds("DateEquals", &["1969-12-31T23:59:58.5Z"], "-1.5"));
    assert!(holds(
        "DateLessThan",
        &[noon],
        "2027-01-31T11:59:59.999999999Z"
    ));
    assert!(!holds("DateLessThan", &[noon], noon) && holds("DateLessThanEquals", &[noon], noon));
    assert!(holds(
        "DateGreaterThan",
        &[noon],
        "2027-01-31T12:00:00.000000001Z"
    ));
    assert!(
        !holds("DateGreaterThan", &[noon], noon) && holds("DateGreaterThanEquals", &[noon], noon)
    );
    for value in [
        "",
        "now",
        "2027-13",
        "2027-02-29",
        "2100-02-29",
        "2027-01-00",
        "2027-1-1",
        "2027-01-31T12:00:00",
        "2027-01-31T24:00:00Z",
        "2027-01-31T12:60Z",
        "2027-01T12:00Z",
        "2027-01-31T12Z",
        "2027-01-31T12:00:00.Z",
        "2027-01-31T12:00.5Z",
        "2027-01-31T12:00:00+1:00",
        "*",
        "2027-01-31-01",
        "9999999999999",
        "2027-01-31T12:00:00Zx",
        "T",
        "+5",
    ] {
        assert!(is_refused("DateEquals", value), "{value}");
    }
}

#[test]
fn booleans_compare_in_any_case() {
    assert!(holds("Bool", &["true"], "TRUE") && holds("Bool", &["False"], "false"));
    assert!(!holds("Bool", &["true"], "false") && !holds("Bool", &["false"], "no"));
    assert!(is_refused("Bool", "1") && is_refused("Bool", "${aws:SecureTransport}"));
}

#[test]
fn bytes_compare_as_what_base64_stands_for() {
    assert!(holds("BinaryEquals", &["QmluYXJ5"], "QmluYXJ5"));
    assert!(
        !holds("BinaryEquals", &["QmluYXJ5"], "qmluYXJ5") && !holds("BinaryEquals", &["QQ=="], "?")
    );
    assert!(is_refused("BinaryEquals", "not base64"));
}

#[test]
fn addresses_are_in_ranges_of_their_own_kind() {
    assert!(holds("IpAddress", &["203.0.113.0/24"], "203.0.113.255"));
    assert!(!holds("IpAddress", &["203.0.113.0/24"], "203.0.114.0"));
    assert!(
        holds("IpAddress", &["10.1.2.3/8"], "10.9.9.9") && holds("IpAddress", &["::/0"], "::1")
    );
    assert!(
        holds("IpAddress", &["10.0.0.1"], "10.0.0.1")
            && !holds("IpAddress", &["10.0.0.1"], "10.0.0.2")
    );
    assert!(holds(
        "IpAddress",
        &["0.0.0.0/0", "2001:DB8:1234:5678::/64"],
        "2001:db8:1234:5678::9"
    ));
    assert!(
        !holds("IpAddress", &["0.0.0.0/0"], "2001:db8::1")
            && !holds("IpAddress", &["::/0"], "1.1.1.1")
    );
    assert!(holds("IpAddress", &["10.0.0.0/8"], "::ffff:10.0.0.1"));
    assert!(holds("NotIpAddress", &["10.0.0.0/8"], "11.0.0.1"));
    assert!(!holds("NotIpAddress", &["10.0.0.0/8"], "10.0.0.1"));
    assert!(!holds("IpAddress", &["0.0.0.0/0"], "nobody"));
    for value in [
        "",
        "10.0.0",
        "10.0.0.0/33",
        "::/129",
        "10.0.0.0/",
        "10.0.0.0/+8",
        "*",
        "010.0.0.1",
    ] {
        assert!(is_refused("IpAddress", value), "{value}");
    }
}

#[test]
fn null_asks_whether_the_key_is_there() {
    assert!(holds_without("Null", &["true"]) && !holds_without("Null", &["false"]));
    assert!(holds("Null", &["false"], "") && !holds("Null", &["true"], "x"));
    assert!(holds_for_set("Null", &["true"], &[]) && holds_for_set("Null", &["false"], &["a"]));
    assert!(is_refused("Null", "maybe"));
}

#[test]
fn null_of_all_values_always_holds_and_of_any_value_never() {
    for wanted in ["true", "false"] {
        for theirs in [&[][..], &["a"], &["a", ""]] {
            assert!(holds_for_set("ForAllValues:Null", &[wanted], theirs));
            assert!(!holds_for_set("ForAnyValue:Null", &[wanted], theirs));
        }
        assert!(holds_without("ForAllValues:Null", &[wanted]));
        assert!(!holds_without("ForAnyValue:Null", &[wanted]));
    }
}

#[test]
fn an_absent_key_fails_an_operator_and_passes_its_negation() {
    for (operator, value) in [
        ("StringEquals", "a"),
        ("StringEqualsIgnoreCase", "a"),
        ("StringLike", "*"),
        ("ArnLike", "arn:aws:iam::*:*"),
        ("NumericEquals", "1"),
        ("NumericLessThan", "1"),
        ("DateGreaterThan", "1970"),
        ("Bool", "false"),
        ("BinaryEquals", "QQ=="),
        ("IpAddress", "::/0"),
    ] {
        assert!(!holds_without(operator, &[value]), "{operator}");
        assert!(!holds_for_set(operator, &[value], &[]), "{operator}");
        assert!(
            holds_without(&format!("{operator}IfExists"), &[value]),
            "{operator}"
        );
        assert!(
            !holds_without(&format!("ForAnyValue:{operator}"), &[value]),
            "{operator}"
        );
        assert!(
            holds_without(&format!("ForAllValues:{operator}"), &[value]),
            "{operator}"
        );
    }
    for (operator, value) in [
        ("StringNotEquals", "a"),
        ("StringNotEqualsIgnoreCase", "a"),
        ("StringNotLike", "*"),
        ("ArnNotLike", "arn:aws:iam::*:*"),
        ("ArnNotEquals", "a"),
        ("NumericNotEquals", "1"),
        ("DateNotEquals", "1970"),
        ("NotIpAddress", "::/0"),
    ] {
        assert!(holds_without(operator, &[value]), "{operator}");
        assert!(
            holds_without(&format!("{operator}IfExists"), &[value]),
            "{operator}"
        );
        assert!(
            !holds_without(&format!("ForAnyValue:{operator}"), &[value]),
            "{operator}"
        );
        assert!(
            holds_without(&format!("ForAllValues:{operator}"), &[value]),
            "{operator}"
        );
    }
    assert!(!holds("StringEqualsIfExists", &["a"], "b"));
    assert!(holds_without("ForAnyValue:StringEqualsIfExists", &["a"]));
}

#[test]
fn set_operators_ask_all_or_any_value_of_the_request() {
    let (all, any) = ("ForAllValues:StringEquals", "ForAnyValue:StringEquals");
    assert!(
        holds_for_set(all, &["a", "b"], &["a"]) && holds_for_set(all, &["a", "b"], &["b", "a"])
    );
    assert!(!holds_for_set(all, &["a", "b"], &["a", "c"]));
    assert!(holds_for_set(any, &["a", "b"], &["c", "a"]) && !holds_for_set(any, &["a"], &["c"]));
    let (all, any) = (
        "ForAllValues:StringNotEquals",
        "ForAnyValue:StringNotEquals",
    );
    assert!(holds_for_set(all, &["a", "b"], &["c", "d"]));
    assert!(!holds_for_set(all, &["a", "b"], &["c", "a"]));
    assert!(holds_for_set(any, &["a", "b"], &["a", "c"]) && !holds_for_set(any, &["a"], &["a"]));
}

#[test]
fn to_set_operators_an_empty_string_is_an_empty_set() {
    for theirs in [&[][..], &[""]] {
        assert!(holds_for_set("ForAllValues:StringEquals", &["a"], theirs));
        assert!(!holds_for_set(
            "ForAnyValue:StringEquals",
            &["a", ""],
            theirs
        ));
    }
    assert!(holds("ForAllValues:StringEquals", &["a"], ""));
    assert!(!holds_for_set(
        "ForAllValues:StringEquals",
        &["a"],
        &["", "b"]
    ));
}

#[test]
fn without_a_set_operator_one_value_of_a_set_is_enough_and_a_negation_asks_all() {
    assert!(holds_for_set("StringEquals", &["a"], &["b", "a"]));
    assert!(!holds_for_set("StringNotEquals", &["a"], &["b", "a"]));
    assert!(holds_for_set("StringNotEquals", &["a"], &["b", "c"]));
}

#[test]
fn a_variable_without_a_value_fails_an_operator_and_passes_its_negation() {
    let unknown = "${aws:username}";
    assert!(!holds("StringEquals", &[unknown], "a") && holds("StringNotEquals", &[unknown], "a"));
    assert!(holds("StringEquals", &[unknown, "a"], "a"));
    assert!(holds("StringNotEquals", &[unknown, "b"], "a"));
    assert!(!holds("StringNotEquals", &[unknown, "a"], "a"));
    assert!(!holds("ArnLike", &[unknown], "a") && holds("ArnNotLike", &[unknown], "a"));
    let mut context = Context::new();
    context.set(KEY, "a");
    context.set("aws:username", "a");
    assert!(condition("StringEquals", &[unknown]).holds(&context));
    assert!(!condition("StringNotEquals", &[unknown]).holds(&context));
}

#[test]
fn keys_compare_without_regard_to_case() {
    let mut context = Context::new();
    context.set("AWS:key", "a");
    assert!(condition("StringEquals", &["a"]).holds(&context));
    context.set("aws:KEY", "b");
    assert!(!condition("StringEquals", &["a"]).holds(&context));
}

#[test]
fn names_that_are_no_operator_are_refused() {
    for name in [
        "",
        "StringEqual",
        "stringequals",
        "StringEqualsIfExist",
        "NullIfExists",
        "BoolNotEquals",
        "forallvalues:StringEquals",
        "ForAllValues:",
        "ForNoValue:StringEquals",
        "IfExists",
        "ForAnyValue:ForAllValues:StringEquals",
        "ForAnyValue:NullIfExists",
        "Numeric",
        "Date",
        "NumericLike",
        "BinaryNotEquals",
        "IpAddressEquals",
    ] {
        assert!(Operator::parse(name).is_none(), "{name}");
    }
}
