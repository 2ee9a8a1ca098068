//! Measures how long a decision takes over policies that are parsed already.
//!
//! `cargo run --release -p strongroom-access --example decide [COUNT]` decides COUNT times
//! (1,000,000) over what a session of an application meets: two policies of its role, a boundary, a
//! session policy and the policy of a secret.
#![allow(clippy::print_stdout)]

use std::error::Error;
use std::hint::black_box;
use std::time::Instant;

use strongroom_access::{
    Attached, Context, Effect, Policies, Policy, PolicyKind, Principal, Request, decide,
};

const ROLE: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Sid": "Read", "Effect": "Allow",
     "Action": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
     "Resource": "arn:aws:secretsmanager:*:111122223333:secret:${aws:PrincipalTag/team}/*",
     "Condition": {"StringEquals": {"aws:ResourceTag/team": "${aws:PrincipalTag/team}"},
                   "IpAddress": {"aws:SourceIp": ["10.0.0.0/8", "2001:db8::/32"]}}},
    {"Sid": "List", "Effect": "Allow", "Action": "secretsmanager:ListSecrets", "Resource": "*"},
    {"Sid": "NoPlain", "Effect": "Deny", "Action": "*", "Resource": "*",
     "Condition": {"Bool": {"aws:SecureTransport": "false"}}}]}"#;
const BOUNDARY: &str = r#"{"Version": "2012-10-17", "Statement":
    {"Effect": "Allow", "Action": ["secretsmanager:*", "sts:*"], "Resource": "*"}}"#;
const SECRET: &str = r#"{"Version": "2012-10-17", "Statement": [
    {"Effect": "Allow", "Principal": {"AWS": "111122223333"},
     "Action": "secretsmanager:*", "Resource": "*"},
    {"Effect": "Deny", "Principal": "*", "Action": "secretsmanager:Delete*", "Resource": "*",
     "Condition": {"StringNotEquals": {"aws:PrincipalTag/role": "admin"}}}]}"#;

fn main() -> Result<(), Box<dyn Error>> {
    let count: u32 = match std::env::args().nth(1) {
        Some(count) => count.parse()?,
        None => 1_000_000,
    };
    let role = Policy::parse(ROLE, PolicyKind::Identity)?;
    let boundary = Policy::parse(BOUNDARY, PolicyKind::Boundary)?;
    let session = Policy::parse(BOUNDARY, PolicyKind::Session)?;
    let secret = Policy::parse(SECRET, PolicyKind::Resource)?;
    let named = |name, policy| Attached { name, policy };
    let identity = [named("policy/readers", &role), named("policy/more", &role)];
    let session = [named("session policy", &session)];
    let policies = Policies {
        identity: &identity,
        boundary: Some(named("boundary", &boundary)),
        session: Some(&session),
        resource: Some(named("resource policy", &secret)),
        endpoint: None,
    };
    let principal = Principal::Session {
        account: "111122223333".to_owned(),
        role: "arn:aws:iam::111122223333:role/app".to_owned(),
        arn: "arn:aws:sts::111122223333:assumed-role/app/one".to_owned(),
        id: "AROAEXAMPLE1234567890:one".to_owned(),
    };
    let mut context = Context::new();
    principal.describe(&mut context);
    for (key, value) in [
        ("aws:PrincipalTag/team", "app"),
        ("aws:ResourceTag/team", "app"),
        ("aws:SourceIp", "10.1.2.3"),
        ("aws:SecureTransport", "true"),
        ("aws:CurrentTime", "2027-01-31T12:00:00Z"),
        ("aws:RequestedRegion", "eu-west-1"),
        ("secretsmanager:VersionStage", "AWSCURRENT"),
    ] {
        context.set(key, value);
    }
    let request = Request {
        principal: &principal,
        action: "secretsmanager:GetSecretValue",
        resource: "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-AbCdEf",
        resource_account: "111122223333",
        context: &context,
    };
    let begin = Instant::now();
    let mut allowed = 0;
    for _ in 0..count {
        let decision = decide(black_box(&policies), black_box(&request));
        allowed += u32::from(decision.effect == Effect::Allow);
    }
    let each = begin.elapsed() / count.max(1);
    println!("{count} decisions, {allowed} allowed, {each:?} each");
    Ok(())
}
