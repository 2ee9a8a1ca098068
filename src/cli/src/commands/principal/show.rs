//! Users, groups and roles as they are printed.
//!
//! JSON answers use the member names of AWS IAM where it has them.

use client::Timestamp;
use client::access::v1::{InlinePolicy, Principal, PrincipalKind, Tag};
use serde_json::{Value as Json, json};

use crate::commands::secret::show::{date, object};
use crate::output::Answer;

/// One of them, with everything that is known of it; whom a role trusts stands below.
pub fn principal(principal: &Principal) -> Answer {
    let mut fields = vec![
        ("Name", principal.name.clone()),
        ("ARN", principal.arn.clone()),
        ("Id", principal.id.clone()),
        ("State", state(principal).to_owned()),
        ("Tags", tags(&principal.tags)),
    ];
    let attached = principal.attached_policies.iter();
    fields.extend(attached.map(|arn| ("Attached", arn.clone())));
    let own = principal.inline_policies.iter();
    fields.extend(own.map(|policy| ("Own policy", policy.name.clone())));
    fields.extend([
        ("Boundary", principal.permissions_boundary.clone()),
        ("Groups", principal.groups.join(" ")),
        ("Members", principal.members.join(" ")),
        ("Regions", principal.regions.join(" ")),
        ("Longest session", longest(principal)),
        ("Created", when(principal.created)),
        ("Last changed", when(principal.changed)),
    ]);
    let answer = Answer::fields(fields, principal_json(principal));
    match principal.trust_policy.trim_end() {
        "" => answer,
        trust => answer.noted(trust),
    }
}

/// All of them, one a row.
pub fn principals(principals: &[Principal]) -> Answer {
    let row = |principal: &Principal| {
        vec![
            principal.name.clone(),
            principal.path.clone(),
            state(principal).to_owned(),
            principal.regions.join(" "),
            when(principal.created),
        ]
    };
    let rows = principals.iter().map(row).collect();
    let json: Vec<Json> = principals.iter().map(principal_json).collect();
    let heading = vec!["NAME", "PATH", "STATE", "REGIONS", "CREATED"];
    Answer::rows(heading, rows, json!({ "Principals": json }))
}

fn principal_json(principal: &Principal) -> Json {
    let session = principal.session_max.map(|time| time.seconds);
    object(vec![
        ("Kind", json!(kind(principal.kind()))),
        ("Account", json!(principal.account)),
        ("Path", json!(principal.path)),
        ("Name", json!(principal.name)),
        ("Arn", json!(principal.arn)),
        ("Id", json!(principal.id)),
        ("CreateDate", json!(when(principal.created))),
        ("LastChangedDate", json!(when(principal.changed))),
        ("Enabled", json!(principal.enabled)),
        ("Tags", tags_json(&principal.tags)),
        ("AttachedPolicies", json!(principal.attached_policies)),
        ("InlinePolicies", own_json(&principal.inline_policies)),
        ("PermissionsBoundary", json!(principal.permissions_boundary)),
        ("Groups", json!(principal.groups)),
        ("Members", json!(principal.members)),
        ("Regions", json!(principal.regions)),
        (
            "AssumeRolePolicyDocument",
            document(&principal.trust_policy),
        ),
        ("MaxSessionDuration", json!(session)),
    ])
}

/// What a principal is, in one word.
pub fn kind(kind: PrincipalKind) -> &'static str {
    match kind {
        PrincipalKind::User => "user",
        PrincipalKind::Group => "group",
        PrincipalKind::Role => "role",
        PrincipalKind::Unspecified => "unknown",
    }
}

/// A date, if there is one.
pub fn when(at: Option<Timestamp>) -> String {
    at.map(|at| date(at.seconds, at.nanos)).unwrap_or_default()
}

/// A document as part of an answer in JSON: as it is read if it is JSON, else as text.
pub fn document(text: &str) -> Json {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

fn state(principal: &Principal) -> &'static str {
    match principal.enabled {
        true => "enabled",
        false => "disabled",
    }
}

fn longest(principal: &Principal) -> String {
    let minutes = principal.session_max.map(|time| time.seconds / 60);
    minutes.map_or_else(String::new, |minutes| format!("{minutes} min"))
}

fn tags(tags: &[Tag]) -> String {
    let pairs = tags.iter().map(|tag| format!("{}={}", tag.key, tag.value));
    pairs.collect::<Vec<_>>().join(" ")
}

fn tags_json(tags: &[Tag]) -> Json {
    let tag = |tag: &Tag| json!({ "Key": tag.key, "Value": tag.value });
    tags.iter().map(tag).collect()
}

fn own_json(policies: &[InlinePolicy]) -> Json {
    let policy = |policy: &InlinePolicy| {
        let document = document(&policy.document);
        json!({ "PolicyName": policy.name, "PolicyDocument": document })
    };
    policies.iter().map(policy).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_is_shown_with_the_names_of_iam_and_without_what_it_has_not() {
        let role = Principal {
            kind: PrincipalKind::Role.into(),
            name: "deploy".to_owned(),
            arn: "arn:aws:iam::000000000000:role/deploy".to_owned(),
            trust_policy: r#"{"Version":"2012-10-17"}"#.to_owned(),
            session_max: Some(client::Duration {
                seconds: 3_600,
                nanos: 0,
            }),
            inline_policies: vec![InlinePolicy {
                name: "own".to_owned(),
                document: "{".to_owned(),
            }],
            ..Default::default()
        };
        let answer = principal(&role);
        let expected = json!({
            "Kind": "role",
            "Name": "deploy",
            "Arn": "arn:aws:iam::000000000000:role/deploy",
            "Enabled": false,
            "AssumeRolePolicyDocument": { "Version": "2012-10-17" },
            "MaxSessionDuration": 3_600,
            "InlinePolicies": [{ "PolicyName": "own", "PolicyDocument": "{" }],
        });
        assert_eq!(answer.json, expected);
        let text = answer.text.render(false);
        assert!(text.contains("Longest session  60 min"), "{text}");
        assert!(text.contains("State            disabled"), "{text}");
        assert!(!text.contains("Boundary"), "{text}");
    }
}
