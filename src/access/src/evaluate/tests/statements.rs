//! When a statement applies, and what the reason says.

use super::{
    ALLOW_ALL, AWAY, Case, Decision, Effect, HOME, READ, SECRET, case, root, session, user,
};
use crate::context::{Context, Value};
use crate::principal::Principal;

/// Decides over one policy of a user.
fn decide(statement: &str, action: &str, resource: &str) -> Effect {
    let decision = case()
        .identity(statement)
        .decide(&user(HOME), action, resource);
    decision.effect
}

fn allow(rest: &str) -> String {
    format!("\"Effect\": \"Allow\", {rest}")
}

#[test]
fn actions_compare_without_regard_to_case_and_resources_with() {
    let statement = allow(&format!(
        r#""Action": "secretsmanager:Get*", "Resource": "{SECRET}""#
    ));
    assert_eq!(decide(&statement, READ, SECRET), Effect::Allow);
    assert_eq!(
        decide(&statement, "SECRETSMANAGER:getsecretVALUE", SECRET),
        Effect::Allow
    );
    assert_eq!(
        decide(&statement, "secretsmanager:PutSecretValue", SECRET),
        Effect::ImplicitDeny
    );
    let other = SECRET.replace("app", "App");
    assert_eq!(decide(&statement, READ, &other), Effect::ImplicitDeny);
}

#[test]
fn not_action_and_not_resource_apply_to_everything_else() {
    let statement = allow(r#""NotAction": ["iam:*", "sts:*"], "Resource": "*""#);
    assert_eq!(decide(&statement, READ, SECRET), Effect::Allow);
    assert_eq!(
        decide(&statement, "iam:CreateUser", SECRET),
        Effect::ImplicitDeny
    );
    let prod = "arn:aws:secretsmanager:*:*:secret:prod/*";
    let statement = allow(&format!(r#""Action": "*", "NotResource": "{prod}""#));
    assert_eq!(decide(&statement, READ, SECRET), Effect::Allow);
    assert_eq!(
        decide(&statement, READ, &SECRET.replace("app", "prod")),
        Effect::ImplicitDeny
    );
}

#[test]
fn a_request_for_no_resource_is_met_by_a_star_only() {
    assert_eq!(
        decide(ALLOW_ALL, "secretsmanager:ListSecrets", "*"),
        Effect::Allow
    );
    let statement = allow(r#""Action": "*", "Resource": "arn:aws:secretsmanager:*:*:*""#);
    assert_eq!(
        decide(&statement, "secretsmanager:ListSecrets", "*"),
        Effect::ImplicitDeny
    );
}

const OF_TEAM: &str = "arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/team}/*";

fn for_team(element: &str, team: Option<&str>) -> Effect {
    let statement = allow(&format!(r#""Action": "*", "{element}": "{OF_TEAM}""#));
    let mut case = case().identity(&statement);
    if let Some(team) = team {
        case.context.set("aws:PrincipalTag/Team", team);
    }
    case.decide_for(&user(HOME)).effect
}

#[test]
fn a_variable_in_a_resource_stands_for_its_value() {
    assert_eq!(for_team("Resource", Some("app")), Effect::Allow);
    assert_eq!(for_team("Resource", Some("web")), Effect::ImplicitDeny);
    assert_eq!(for_team("Resource", Some("*")), Effect::ImplicitDeny);
    assert_eq!(for_team("NotResource", Some("web")), Effect::Allow);
}

#[test]
fn a_variable_without_a_value_takes_all_from_an_allow() {
    assert_eq!(for_team("Resource", None), Effect::ImplicitDeny);
    assert_eq!(for_team("NotResource", None), Effect::ImplicitDeny);
}

#[test]
fn a_variable_without_a_value_excepts_nothing_from_a_deny() {
    let denied = |element: &str| {
        let statement = format!(r#""Effect": "Deny", "Action": "*", "{element}": "{OF_TEAM}""#);
        let case = case().identity(ALLOW_ALL).identity(&statement);
        case.decide_for(&user(HOME)).effect
    };
    assert_eq!(denied("NotResource"), Effect::ExplicitDeny);
    assert_eq!(denied("Resource"), Effect::Allow);
}

#[test]
fn a_wildcard_in_a_resource_stays_within_its_part_of_the_arn() {
    let read = |target: &str| {
        let statement = allow(&format!(r#""Action": "*", "Resource": "{target}""#));
        decide(&statement, READ, SECRET)
    };
    assert_eq!(
        read("arn:aws:secretsmanager:*:*:secret:app/*"),
        Effect::Allow
    );
    assert_eq!(
        read("arn:aws:secretsmanager:eu-*:secret:app/:*"),
        Effect::ImplicitDeny
    );
}

#[test]
fn the_older_version_takes_variables_for_text() {
    let text = r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*",
        "Condition": {"StringEquals": {"a:b": "${aws:username}"}}}}"#;
    let policy = super::Policy::parse(text, super::PolicyKind::Identity).expect("a policy");
    let mut context = Context::new();
    context.set("a:b", "${aws:username}");
    let holds = policy.statements()[0].conditions[0].holds(&context);
    assert!(holds);
}

#[test]
fn all_conditions_of_a_statement_have_to_hold() {
    let statement = allow(
        r#""Action": "*", "Resource": "*", "Condition": {
            "StringEquals": {"aws:RequestedRegion": ["eu-west-1", "eu-west-2"], "a:b": "c"},
            "Bool": {"aws:SecureTransport": true}}"#,
    );
    let with = |region: &str, tls: &str, other: &str| {
        let mut case = case().identity(&statement);
        case.context.set("aws:RequestedRegion", region);
        case.context.set("aws:SecureTransport", tls);
        case.context.set("a:b", other);
        case.decide_for(&user(HOME)).effect
    };
    assert_eq!(with("eu-west-2", "true", "c"), Effect::Allow);
    assert_eq!(with("eu-west-3", "true", "c"), Effect::ImplicitDeny);
    assert_eq!(with("eu-west-1", "false", "c"), Effect::ImplicitDeny);
    assert_eq!(with("eu-west-1", "true", "d"), Effect::ImplicitDeny);
}

#[test]
fn the_reason_names_the_deciding_statement_or_the_layer_that_lacks_one() {
    let said = |case: &Case, caller: &Principal| {
        let Decision { reason, .. } = case.decide_for(caller);
        reason.to_string()
    };
    let two = format!(
        r#"{}, "Sid": "Others"}}, {{{ALLOW_ALL}, "Sid": "All""#,
        super::ALLOW_OTHER
    );
    let allowed = case().identity(&two);
    assert_eq!(
        said(&allowed, &user(HOME)),
        "statement 1 (All) of own allows it"
    );
    let denied = case().identity(super::DENY_ALL);
    assert_eq!(said(&denied, &user(HOME)), "statement 0 of own denies it");
    assert_eq!(
        said(&case(), &user(HOME)),
        "no identity policy of the caller allows it"
    );
    assert_eq!(
        said(&case(), &root(HOME)),
        "the root of the account may do everything in it"
    );
    let foreign = said(&allowed, &user(AWAY));
    assert_eq!(foreign, "the policy of the resource does not allow it");
    let bounded = allowed.clone().boundary(super::ALLOW_OTHER);
    assert_eq!(
        said(&bounded, &user(HOME)),
        "the boundary of the caller does not allow it"
    );
    let reason = allowed.decide_for(&user(HOME)).reason;
    let statement = reason.statement().expect("a statement decided");
    assert_eq!((statement.policy.as_str(), statement.index), ("own", 1));
    assert_eq!(statement.sid.as_deref(), Some("All"));
}

#[test]
fn who_calls_is_described_by_the_keys_of_aws() {
    let of = |caller: &Principal, key: &str| {
        let mut context = Context::new();
        caller.describe(&mut context);
        match context.get(key) {
            Some(Value::One(value)) => Some(value.clone()),
            _ => None,
        }
    };
    let is = |text: &str| Some(text.to_owned());
    assert_eq!(
        of(&user(HOME), "aws:PrincipalArn"),
        is("arn:aws:iam::111122223333:user/ann")
    );
    assert_eq!(of(&user(HOME), "aws:username"), is("ann"));
    assert_eq!(of(&user(HOME), "aws:PrincipalType"), is("User"));
    let role = is("arn:aws:iam::111122223333:role/app/reader");
    assert_eq!(of(&session(HOME), "aws:PrincipalArn"), role);
    assert_eq!(of(&session(HOME), "aws:username"), None);
    assert_eq!(
        of(&session(HOME), "aws:userid"),
        is("AROAEXAMPLE1234567890:one")
    );
    assert_eq!(
        of(&root(HOME), "aws:PrincipalArn"),
        is("arn:aws:iam::111122223333:root")
    );
    assert_eq!(of(&root(HOME), "aws:PrincipalAccount"), is(HOME));
    assert_eq!(
        of(&super::service(), "aws:PrincipalIsAWSService"),
        is("true")
    );
    assert_eq!(of(&Principal::Anonymous, "aws:userid"), is("anonymous"));
    assert_eq!(of(&Principal::Anonymous, "aws:PrincipalAccount"), None);
}

#[test]
fn debug_shows_no_name_of_a_secret_and_no_value() {
    let statement = format!(r#""Effect": "Allow", "Action": "*", "Resource": "{SECRET}""#);
    let policy = super::parse(&statement, super::PolicyKind::Identity);
    let mut context = Context::new();
    context.set("secretsmanager:SecretId", SECRET);
    context.set_many("aws:TagKeys", ["app/db"]);
    let request = super::Request {
        principal: &user(HOME),
        action: READ,
        resource: SECRET,
        resource_account: HOME,
        context: &context,
    };
    let value = context.get("aws:TagKeys");
    let shown = format!("{policy:?} {request:?} {value:?}");
    assert!(!shown.contains("app/db"), "{shown}");
    assert!(
        shown.contains("aws:tagkeys") && shown.contains("Many(1 redacted)"),
        "{shown}"
    );
}
