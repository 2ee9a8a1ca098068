//! Documents that AWS refuses, made out of ones that it takes.

use serde_json::{Value, json};

use super::{Dice, Report};
use crate::case::Case;

/// Every way a document is broken.
pub const WAYS: &[&str] = &[
    "no Effect",
    "Effect in lower case",
    "Action and NotAction",
    "no Action",
    "Resource missing or too much",
    "unknown element",
    "unknown operator",
    "Null with IfExists",
    "value of another type",
    "short ARN",
    "wildcard in the service",
    "variable without brace",
    "variable without name",
    "Principal missing or too much",
    "wildcard in a principal",
    "NotPrincipal with Allow",
    "unknown version",
    "key twice",
    "cut text",
];

/// Breaks one document of a case, if it has one.
pub fn spoil(case: &mut Case, dice: &mut Dice, report: &mut Report) {
    let mut documents: Vec<(&mut Value, bool)> = Vec::new();
    documents.extend(case.identity.iter_mut().map(|each| (each, false)));
    documents.extend(case.boundary.iter_mut().map(|each| (each, false)));
    let of_session = case.session.iter_mut().flatten();
    documents.extend(of_session.map(|each| (each, false)));
    documents.extend(case.resource_policy.iter_mut().map(|each| (each, true)));
    documents.extend(case.endpoint_policy.iter_mut().map(|each| (each, true)));
    if documents.is_empty() {
        return;
    }
    let at = dice.below(documents.len());
    let (document, names_principals) = documents.swap_remove(at);
    let way = dice.pick(WAYS);
    report.count("refused", way);
    if way == "unknown version" {
        document["Version"] = json!("2012-10-18");
        return;
    }
    if way == "cut text" {
        let text = document.to_string();
        let end = dice.below(text.len() - 1);
        let end = (0..=end).rev().find(|at| text.is_char_boundary(*at));
        *document = json!(text[..end.unwrap_or(0)]);
        return;
    }
    if way == "key twice" {
        let text = document.to_string();
        *document = json!(text.replacen("\"Effect\"", "\"Effect\":\"Deny\",\"Effect\"", 1));
        return;
    }
    let variables = document["Version"] == "2012-10-17";
    let statement = match &mut document["Statement"] {
        Value::Array(list) => {
            let at = dice.below(list.len());
            &mut list[at]
        }
        single => single,
    };
    if !variables && way.starts_with("variable") {
        // There are none in this version: what looks like one is text.
        statement["Effect"] = json!("Permit");
        return;
    }
    break_statement(statement, way, names_principals);
}

fn break_statement(statement: &mut Value, way: &str, names_principals: bool) {
    let Some(elements) = statement.as_object_mut() else {
        return;
    };
    let is_trust = !elements.contains_key("Resource") && !elements.contains_key("NotResource");
    let (element, value) = match way {
        "no Effect" => ("Effect", None),
        "Effect in lower case" => ("Effect", Some(json!("deny"))),
        "Action and NotAction" => {
            elements.insert("Action".into(), json!("*"));
            ("NotAction", Some(json!("iam:*")))
        }
        "no Action" => {
            elements.remove("NotAction");
            ("Action", None)
        }
        "Resource missing or too much" if is_trust => ("Resource", Some(json!("*"))),
        "Resource missing or too much" => {
            elements.remove("NotResource");
            ("Resource", None)
        }
        "short ARN" if !is_trust => {
            elements.remove("NotResource");
            ("Resource", Some(json!("arn:aws:secretsmanager:secret")))
        }
        "wildcard in the service" if is_trust => {
            elements.remove("NotAction");
            ("Action", Some(json!("s?s:AssumeRole")))
        }
        "wildcard in the service" => {
            elements.remove("NotResource");
            let wild = "arn:aws:secret*:eu-west-1:111122223333:secret:app/*";
            ("Resource", Some(json!(wild)))
        }
        "Principal missing or too much" if names_principals => {
            elements.remove("NotPrincipal");
            ("Principal", None)
        }
        "Principal missing or too much" => ("Principal", Some(json!("*"))),
        "wildcard in a principal" if names_principals => {
            elements.remove("NotPrincipal");
            let wild = json!({ "AWS": "arn:aws:iam::111122223333:user/al*" });
            ("Principal", Some(wild))
        }
        "NotPrincipal with Allow" if names_principals => {
            elements.remove("Principal");
            elements.insert("Effect".into(), json!("Allow"));
            ("NotPrincipal", Some(json!({ "AWS": "111122223333" })))
        }
        _ => match broken_condition(way) {
            Some(condition) => ("Condition", Some(condition)),
            None => ("Comment", Some(json!("nobody knows this element"))),
        },
    };
    match value {
        Some(value) => elements.insert(element.into(), value),
        None => elements.remove(element),
    };
}

fn broken_condition(way: &str) -> Option<Value> {
    let (operator, key, value) = match way {
        "unknown operator" => ("StringMatches", "aws:username", "a"),
        "Null with IfExists" => ("NullIfExists", "aws:username", "true"),
        "value of another type" => ("NumericEquals", "s3:max-keys", "many"),
        "variable without brace" => ("StringLike", "aws:username", "a${aws:userid"),
        "variable without name" => ("StringLike", "aws:username", "a${}"),
        _ => return None,
    };
    Some(json!({ operator: { key: value } }))
}
