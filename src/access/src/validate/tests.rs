//! What validation finds.

use super::{Check, is_public, validate};
use crate::document::{Policy, PolicyKind};

fn policy(statement: &str, kind: PolicyKind) -> Policy {
    let text = format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#);
    Policy::parse(&text, kind).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn checks(policy: &Policy) -> Vec<Check> {
    validate(policy)
        .iter()
        .map(|finding| finding.check)
        .collect()
}

/// A resource policy that allows everyone under a condition.
fn everyone_if(condition: &str) -> Policy {
    let statement = format!(
        r#""Effect": "Allow", "Principal": {{"AWS": "*"}}, "Resource": "*",
           "Action": "secretsmanager:GetSecretValue", "Condition": {condition}"#
    );
    policy(&statement, PolicyKind::Resource)
}

#[test]
fn allowing_everyone_is_public() {
    assert!(is_public(&everyone_if("{}")));
    assert_eq!(checks(&everyone_if("{}")), [Check::PublicAccess]);
}

#[test]
fn a_fixed_value_of_who_calls_is_not_public() {
    for condition in [
        r#"{"StringEquals": {"aws:PrincipalAccount": "111122223333"}}"#,
        r#"{"StringEquals": {"AWS:principalorgid": ["o-a1b2c3d4e5", "o-a1b2c3d4e6"]}}"#,
        r#"{"StringLike": {"aws:SourceVpce": "vpce-1a2b3c4d"}}"#,
        r#"{"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/a"}}"#,
        r#"{"ForAnyValue:StringEquals": {"aws:PrincipalOrgPaths": "o-a/r-b/"}}"#,
        r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32", "203.0.113.7"]}}"#,
        r#"{"Bool": {"aws:SecureTransport": true}, "StringEquals": {"aws:userid": "AIDAX"}}"#,
    ] {
        assert!(!is_public(&everyone_if(condition)), "{condition}");
    }
}

#[test]
fn a_condition_that_strangers_meet_is_public() {
    for condition in [
        r#"{"StringLike": {"aws:PrincipalAccount": "*"}}"#,
        r#"{"StringLike": {"aws:PrincipalOrgID": ["o-a1b2c3d4e5", "o-*"]}}"#,
        r#"{"StringEquals": {"aws:PrincipalAccount": "${aws:ResourceAccount}"}}"#,
        r#"{"StringEqualsIfExists": {"aws:PrincipalAccount": "111122223333"}}"#,
        r#"{"StringNotEquals": {"aws:PrincipalAccount": "111122223333"}}"#,
        r#"{"ForAllValues:StringEquals": {"aws:PrincipalOrgPaths": "o-a/r-b/"}}"#,
        r#"{"Null": {"aws:PrincipalAccount": "false"}}"#,
        r#"{"Bool": {"aws:SecureTransport": true}}"#,
        r#"{"StringEquals": {"aws:UserAgent": "app"}}"#,
        r#"{"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}"#,
        r#"{"IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "128.0.0.0/7"]}}"#,
        r#"{"NotIpAddress": {"aws:SourceIp": "10.0.0.0/8"}}"#,
    ] {
        assert!(is_public(&everyone_if(condition)), "{condition}");
    }
}

#[test]
fn what_names_its_principals_or_denies_is_not_public() {
    for statement in [
        r#""Effect": "Allow", "Principal": {"AWS": "111122223333"}"#,
        r#""Effect": "Allow", "Principal": {"Service": "rotation.strongroom.internal"}"#,
        r#""Effect": "Deny", "Principal": "*""#,
    ] {
        let rest = r#""Action": "secretsmanager:GetSecretValue", "Resource": "*""#;
        let policy = policy(&format!("{statement}, {rest}"), PolicyKind::Resource);
        assert!(
            !is_public(&policy) && checks(&policy).is_empty(),
            "{statement}"
        );
    }
}

fn denied(action: &str, rest: &str) -> Vec<Check> {
    let statement = format!(r#""Effect": "Deny", {action}, "Resource": "*", {rest}"#);
    checks(&policy(&statement, PolicyKind::Resource))
}

#[test]
fn denying_everyone_to_edit_the_policy_is_a_lock_out() {
    for action in [
        r#""Action": "*""#,
        r#""Action": "secretsmanager:*ResourcePolicy""#,
        r#""Action": "secretsmanager:putresourcepolicy""#,
        r#""Action": "secretsmanager:DeleteResourcePolicy""#,
        r#""NotAction": "secretsmanager:GetSecretValue""#,
    ] {
        assert_eq!(
            denied(action, r#""Principal": "*""#),
            [Check::LockOut],
            "{action}"
        );
    }
    for (action, rest) in [
        (
            r#""Action": "secretsmanager:GetResourcePolicy""#,
            r#""Principal": "*""#,
        ),
        (r#""NotAction": "secretsmanager:*""#, r#""Principal": "*""#),
        (
            r#""Action": "*""#,
            r#""Principal": {"AWS": "111122223333"}"#,
        ),
        (r#""Action": "*""#, r#""NotPrincipal": "*""#),
        (
            r#""Action": "*""#,
            r#""NotPrincipal": {"AWS": "111122223333"}"#,
        ),
        (
            r#""Action": "*""#,
            r#""Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": false}}"#,
        ),
    ] {
        assert_eq!(denied(action, rest), [], "{action} {rest}");
    }
}

/// What is found in an identity policy with this action and condition.
fn words(action: &str, condition: &str) -> Vec<Check> {
    let statement = format!(
        r#""Effect": "Allow", "Action": {action}, "Resource": "*", "Condition": {condition}"#
    );
    checks(&policy(&statement, PolicyKind::Identity))
}

#[test]
fn names_that_no_action_has_are_found_for_secrets_only() {
    assert_eq!(
        words(r#""secretsmanager:GetSecret""#, "{}"),
        [Check::UnknownAction]
    );
    assert_eq!(
        words(r#"["secretsmanager:Fetch*", "*"]"#, "{}"),
        [Check::UnknownAction]
    );
    assert_eq!(
        words(
            r#"["SecretsManager:get*", "strongroom:Any", "s3:X", "*"]"#,
            "{}"
        ),
        []
    );
}

#[test]
fn names_that_no_key_has_are_found_where_all_are_known() {
    let with = |key: &str| words("\"*\"", &format!(r#"{{"StringEquals": {{"{key}": "a"}}}}"#));
    assert_eq!(with("aws:PrincipalOrg"), [Check::UnknownKey]);
    assert_eq!(with("SecretsManager:Stage"), [Check::UnknownKey]);
    assert_eq!(with("aws:RequestTag"), [Check::UnknownKey]);
    assert_eq!(with("aws:RequestTag/team"), []);
    assert_eq!(with("token.example.com:sub"), []);
}

#[test]
fn a_key_that_no_action_of_the_statement_has_is_found() {
    let stage = r#"{"StringEquals": {"secretsmanager:VersionStage": "AWSCURRENT"}}"#;
    assert_eq!(
        words(r#""secretsmanager:DeleteSecret""#, stage),
        [Check::UnusedKey]
    );
    assert_eq!(words(r#""secretsmanager:GetSecretValue""#, stage), []);
    assert_eq!(words(r#""secretsmanager:*""#, stage), []);
    assert_eq!(words(r#""s3:*""#, stage), []);
    let others = format!(
        r#""Effect": "Deny", "NotAction": "secretsmanager:DeleteSecret", "Resource": "*",
           "Condition": {stage}"#
    );
    assert_eq!(checks(&policy(&others, PolicyKind::Identity)), []);
    assert_eq!(words(r#"["secretsmanager:DeleteSecret", "*"]"#, stage), []);
    let secret = r#"{"ArnLike": {"secretsmanager:SecretId": "arn:aws:*:*:*:*"}}"#;
    assert_eq!(
        words(r#""secretsmanager:ListSecrets""#, secret),
        [Check::UnusedKey]
    );
}

#[test]
fn operators_that_do_not_suit_their_key_are_found() {
    for (operator, key, value) in [
        ("StringEquals", "aws:SourceIp", "10.0.0.1"),
        ("StringEquals", "aws:SecureTransport", "true"),
        ("NumericEquals", "aws:CurrentTime", "1"),
        ("ArnLike", "aws:username", "a"),
        ("Bool", "aws:userid", "true"),
        ("IpAddress", "aws:SourceVpc", "10.0.0.1"),
        ("BinaryEquals", "aws:userid", "QQ=="),
        ("DateEquals", "aws:MultiFactorAuthAge", "2027"),
    ] {
        let condition = format!(r#"{{"{operator}": {{"{key}": "{value}"}}}}"#);
        assert_eq!(
            words("\"*\"", &condition),
            [Check::OperatorType],
            "{condition}"
        );
    }
    for (operator, key, value) in [
        ("StringLike", "aws:PrincipalArn", "a"),
        ("ArnLike", "aws:PrincipalArn", "a"),
        ("NumericLessThan", "aws:EpochTime", "1"),
        ("DateLessThan", "aws:EpochTime", "2027"),
        ("DateLessThan", "aws:TokenIssueTime", "2027"),
        ("Null", "aws:SourceIp", "true"),
        ("NumericEquals", "secretsmanager:RecoveryWindowInDays", "7"),
    ] {
        let condition = format!(r#"{{"{operator}": {{"{key}": "{value}"}}}}"#);
        assert_eq!(words("\"*\"", &condition), [], "{condition}");
    }
}

#[test]
fn set_operators_are_missed_on_sets_and_found_on_single_values() {
    let with = |operator: &str, key: &str| {
        words("\"*\"", &format!(r#"{{"{operator}": {{"{key}": "a"}}}}"#))
    };
    assert_eq!(with("StringEquals", "aws:TagKeys"), [Check::SetOperator]);
    assert_eq!(with("ForAnyValue:StringEquals", "aws:TagKeys"), []);
    assert_eq!(
        with("ForAllValues:StringEquals", "aws:username"),
        [Check::SetOperator]
    );
}

#[test]
fn findings_say_where_and_are_bounded_with_failures_first() {
    let action = "\"secretsmanager:Wrong\",".repeat(200);
    let statement = format!(
        r#""Effect": "Allow", "Principal": "*", "Action": [{}], "Resource": "*""#,
        action.trim_end_matches(',')
    );
    let findings = validate(&policy(&statement, PolicyKind::Resource));
    assert_eq!(
        (findings.len(), findings[0].check),
        (100, Check::PublicAccess)
    );
    assert!(findings[0].check.is_failure() && !findings[1].check.is_failure());
    assert!(
        findings[1]
            .to_string()
            .starts_with("Statement[0]: no action is called")
    );
    assert_eq!(Check::LockOut.name(), "REFLEXIVE_PRINCIPAL_CHECK");
}
