//! How long a document may be, by what it is attached to.

use serde_json::{Value, json};

use crate::case::{Caller, CallerKind, Case, Outcome};
use crate::{engine, spec};

/// Where a document goes, its longest length, and whether white space counts.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html#reference_iam-quotas-entity-length
/// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
/// https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
/// The policy of a secret: AWS.md §4.
const LENGTHS: &[(&str, usize, bool)] = &[
    ("identity", 6144, false),
    ("boundary", 6144, false),
    ("trust", 4096, false),
    ("session", 2048, true),
    ("resource", 20_480, true),
    ("endpoint", 20_480, true),
];

#[test]
fn a_document_is_taken_up_to_its_length_and_refused_above() {
    for (place, most, spaces_count) in LENGTHS.iter().copied() {
        for (length, refused) in [(most, false), (most + 1, true)] {
            let text = document(place, length);
            assert_eq!(text.len(), length, "the document of {place}");
            assert_refused(place, &text, refused);
        }
        let spaced = format!("{} ", document(place, most));
        assert_refused(place, &spaced, spaces_count);
    }
}

fn assert_refused(place: &str, text: &str, refused: bool) {
    let case = case(place, json!(text));
    let length = text.len();
    let by_spec = spec::outcome(&case) == Outcome::Invalid;
    let answer = engine::answer(&case);
    let by_engine = answer.outcome == Outcome::Invalid;
    assert_eq!(by_spec, refused, "specification, {place}, {length}");
    assert_eq!(
        by_engine, refused,
        "engine, {place}, {length}: {}",
        answer.sentence
    );
}

/// A document without white space of exactly this length.
fn document(place: &str, length: usize) -> String {
    let mut statement = json!({ "Effect": "Allow", "Action": [] });
    if ["resource", "trust", "endpoint"].contains(&place) {
        statement["Principal"] = json!({ "AWS": "*" });
    }
    if place != "trust" {
        statement["Resource"] = json!("*");
    }
    let mut actions: Vec<String> = Vec::new();
    loop {
        statement["Action"] = json!(actions);
        let text = json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
        // A name takes its letters, two quotes and a comma; the first has no comma.
        let rest = length - text.len() - 2 - usize::from(!actions.is_empty());
        if rest <= 200 {
            actions.push(format!("iam:{}", "x".repeat(rest - 4)));
            statement["Action"] = json!(actions);
            return json!({ "Version": "2012-10-17", "Statement": statement }).to_string();
        }
        actions.push(format!("iam:{}", "x".repeat(96)));
    }
}

fn case(place: &str, document: Value) -> Case {
    let user = Caller {
        kind: CallerKind::User,
        account: "111122223333".into(),
        arn: "arn:aws:iam::111122223333:user/alice".into(),
        ..Caller::default()
    };
    let mut case = Case {
        principal: user,
        action: "secretsmanager:GetSecretValue".into(),
        resource: "*".into(),
        resource_account: "111122223333".into(),
        ..Case::default()
    };
    match place {
        "identity" => case.identity = vec![document],
        "boundary" => case.boundary = Some(document),
        "session" => case.session = Some(vec![document]),
        "endpoint" => case.endpoint_policy = Some(document),
        "trust" => {
            case.action = "sts:AssumeRole".into();
            case.resource_policy = Some(document);
        }
        _ => case.resource_policy = Some(document),
    }
    case
}
