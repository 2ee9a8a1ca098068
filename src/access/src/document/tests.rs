//! What is a policy, and what is not.

use super::{Policy, PolicyKind};

const KINDS: [PolicyKind; 6] = [
    PolicyKind::Identity,
    PolicyKind::Resource,
    PolicyKind::Trust,
    PolicyKind::Session,
    PolicyKind::Boundary,
    PolicyKind::Endpoint,
];

/// A statement that all kinds lack something of.
const BARE: &str = r#""Effect": "Deny", "Action": "secretsmanager:*""#;

fn policy(statement: &str) -> String {
    format!(r#"{{"Version": "2012-10-17", "Statement": [{{{statement}}}]}}"#)
}

fn identity(rest: &str) -> String {
    policy(&format!(r#"{BARE}, "Resource": "*"{rest}"#))
}

fn resource(principal: &str) -> String {
    policy(&format!(r#"{BARE}, "Resource": "*", {principal}"#))
}

#[track_caller]
fn accept(text: &str, kind: PolicyKind) -> Policy {
    match Policy::parse(text, kind) {
        Ok(policy) => policy,
        Err(error) => panic!("{error}: {text}"),
    }
}

/// Where and why a text is refused.
#[track_caller]
fn refuse(text: &str, kind: PolicyKind) -> (String, String) {
    match Policy::parse(text, kind) {
        Ok(_) => panic!("accepted: {text}"),
        Err(error) => (error.at().to_owned(), error.what()),
    }
}

#[test]
fn every_kind_has_the_elements_it_must_have_and_no_others() {
    let principal = r#", "Principal": {"AWS": "*"}"#;
    let target = r#", "Resource": "*""#;
    for kind in KINDS {
        let (names, targets) = match kind {
            PolicyKind::Trust => (true, false),
            PolicyKind::Resource | PolicyKind::Endpoint => (true, true),
            _ => (false, true),
        };
        for (has_principal, has_target) in
            [(true, true), (true, false), (false, true), (false, false)]
        {
            let principal = if has_principal { principal } else { "" };
            let target = if has_target { target } else { "" };
            let text = policy(&format!("{BARE}{principal}{target}"));
            let is_right = has_principal == names && has_target == targets;
            assert_eq!(
                Policy::parse(&text, kind).is_ok(),
                is_right,
                "{kind:?} {text}"
            );
        }
    }
}

#[test]
fn a_key_that_stands_twice_is_refused_wherever_it_is() {
    let twice = r#"{"Statement": [], "Version": "2012-10-17", "Version": "2012-10-17"}"#;
    assert_eq!(refuse(twice, PolicyKind::Identity).0, "Version");
    let (at, what) = refuse(&identity(r#", "Effect": "Allow""#), PolicyKind::Identity);
    assert_eq!(at, "Statement[0].Effect");
    assert!(what.contains("twice"), "{what}");
    let keys = r#", "Condition": {"Bool": {"aws:a": "true", "aws:a": "false"}}"#;
    let (at, _) = refuse(&identity(keys), PolicyKind::Identity);
    assert_eq!(at, "Statement[0].Condition.Bool.aws:a");
    let operators = r#", "Condition": {"Bool": {}, "Bool": {}}"#;
    refuse(&identity(operators), PolicyKind::Identity);
    refuse(
        &resource(r#""Principal": {"AWS": "*", "AWS": "*"}"#),
        PolicyKind::Resource,
    );
    // The same key under an escape is the same key.
    refuse(
        &identity(r#", "\u0045ffect": "Allow""#),
        PolicyKind::Identity,
    );
}

#[test]
fn what_is_no_json_or_too_deep_is_refused() {
    for text in [
        "",
        "x",
        "[]",
        "null",
        "\"*\"",
        "{",
        "{} {}",
        "{'Statement': 1}",
        "{\"a\": 01}",
    ] {
        refuse(text, PolicyKind::Identity);
    }
    // The limit is ours, well before the stack's.
    let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
    assert!(
        refuse(&nested(16), PolicyKind::Resource)
            .1
            .contains("object")
    );
    assert!(
        refuse(&nested(17), PolicyKind::Resource)
            .1
            .contains("within each other")
    );
    refuse(&"[".repeat(20_000), PolicyKind::Resource);
}

#[test]
fn sizes_are_held_to_the_limit_of_their_kind() {
    let sized = |wanted: usize, kind: PolicyKind| {
        let principal = if kind.names_principals() {
            r#","Principal":{"AWS":"*"}"#
        } else {
            ""
        };
        let target = if kind == PolicyKind::Trust {
            ""
        } else {
            r#","Resource":"*""#
        };
        let frame = |list: &str| {
            let list = list.trim_end_matches(',');
            format!(r#"{{"Statement":{{"Effect":"Deny"{principal}{target},"Action":[{list}]}}}}"#)
        };
        let room = wanted - frame("").len();
        let (long, rest) = (room / 1003, room % 1003);
        let one = |letters: usize| format!("\"s:{}\",", "a".repeat(letters));
        // The comma behind the last one is trimmed.
        let last = if rest < 6 { 1003 + rest - 4 } else { rest - 4 };
        let count = if rest < 6 { long - 1 } else { long };
        frame(&format!("{}{}", one(998).repeat(count), one(last)))
    };
    for (kind, max) in [
        (PolicyKind::Identity, 6144),
        (PolicyKind::Boundary, 6144),
        (PolicyKind::Session, 2048),
        (PolicyKind::Trust, 4096),
        (PolicyKind::Resource, 20_480),
        (PolicyKind::Endpoint, 20_480),
    ] {
        let text = sized(max, kind);
        assert_eq!(text.chars().count(), max, "{kind:?}");
        accept(&text, kind);
        let (at, what) = refuse(&sized(max + 1, kind), kind);
        assert_eq!(at, "policy");
        assert!(what.contains(&max.to_string()), "{what}");
        let spaced = format!("{text} ");
        let is_free = matches!(
            kind,
            PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Trust
        );
        assert_eq!(Policy::parse(&spaced, kind).is_ok(), is_free, "{kind:?}");
    }
    let spaces = " ".repeat(131_072);
    let (_, what) = refuse(&format!("{}{spaces}", identity("")), PolicyKind::Identity);
    assert!(what.contains("131072"), "{what}");
}

#[test]
fn statements_values_and_conditions_are_bounded() {
    let statement = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;
    let many = |count: usize| format!(r#"{{"Statement":[{}]}}"#, vec![statement; count].join(","));
    let list = |count: usize| {
        let rest = r#""Effect":"Deny","Principal":"*","Resource":"*""#;
        let actions = vec!["\"*\""; count].join(",");
        format!(r#"{{"Statement":{{{rest},"Action":[{actions}]}}}}"#)
    };
    assert_eq!(
        accept(&many(130), PolicyKind::Identity).statements().len(),
        130
    );
    accept(&list(1024), PolicyKind::Resource);
    let (at, what) = refuse(&list(1025), PolicyKind::Resource);
    assert_eq!(at, "Statement.Action");
    assert!(what.contains("1024"), "{what}");
    let keys = |count: usize| {
        let keys: Vec<String> = (0..count).map(|at| format!("\"a:{at}\":1")).collect();
        identity(&format!(
            r#", "Condition": {{"NumericEquals": {{{}}}}}"#,
            keys.join(",")
        ))
    };
    accept(&keys(128), PolicyKind::Identity);
    refuse(&keys(129), PolicyKind::Identity);
    let long = format!(r#", "Sid": "{}""#, "a".repeat(2049));
    let (at, what) = refuse(&identity(&long), PolicyKind::Identity);
    assert_eq!(at, "Statement[0].Sid");
    assert!(what.contains("2048"), "{what}");
}

#[test]
fn one_statement_may_stand_without_its_list() {
    let text = format!(r#"{{"Statement": {{{BARE}, "Resource": "*"}}}}"#);
    assert_eq!(accept(&text, PolicyKind::Identity).statements().len(), 1);
    assert_eq!(
        refuse(r#"{"Statement": []}"#, PolicyKind::Identity).0,
        "Statement"
    );
    assert_eq!(
        refuse(r#"{"Statement": 1}"#, PolicyKind::Identity).0,
        "Statement"
    );
    assert_eq!(
        refuse(r#"{"Version": "2012-10-17"}"#, PolicyKind::Identity).0,
        "policy"
    );
}

#[test]
fn versions_and_effects_are_two_each() {
    for version in ["2012-10-17", "2008-10-17"] {
        accept(
            &identity("").replace("2012-10-17", version),
            PolicyKind::Identity,
        );
    }
    for version in ["2012-10-18", "", "2012"] {
        let text = identity("").replace("2012-10-17", version);
        assert_eq!(refuse(&text, PolicyKind::Identity).0, "Version");
    }
    for effect in ["deny", "ALLOW", "", "Audit"] {
        let text = identity("").replace("Deny", effect);
        assert_eq!(refuse(&text, PolicyKind::Identity).0, "Statement[0].Effect");
    }
    let text = identity("").replace(r#""Effect": "Deny", "#, "");
    assert!(refuse(&text, PolicyKind::Identity).1.contains("Effect"));
}

#[test]
fn an_id_stands_in_policies_of_resources_only() {
    let with_id = |text: String| text.replace("{\"Version\"", "{\"Id\": \"a b\", \"Version\"");
    accept(
        &with_id(resource(r#""Principal": "*""#)),
        PolicyKind::Resource,
    );
    accept(
        &with_id(resource(r#""Principal": "*""#)),
        PolicyKind::Endpoint,
    );
    for kind in [
        PolicyKind::Identity,
        PolicyKind::Session,
        PolicyKind::Boundary,
    ] {
        assert_eq!(refuse(&with_id(identity("")), kind).0, "Id");
    }
}

#[test]
fn sids_differ_and_are_plain_in_policies_of_identities() {
    let two = |one: &str, other: &str| {
        let statement = |sid| format!(r#"{{{BARE}, "Resource": "*", "Sid": "{sid}"}}"#);
        format!(
            r#"{{"Statement": [{}, {}]}}"#,
            statement(one),
            statement(other)
        )
    };
    accept(&two("a", "A"), PolicyKind::Identity);
    accept(&two("", ""), PolicyKind::Identity);
    assert_eq!(
        refuse(&two("a", "a"), PolicyKind::Identity).0,
        "Statement[1].Sid"
    );
    assert_eq!(
        refuse(&two("a", "b c"), PolicyKind::Identity).0,
        "Statement[1].Sid"
    );
    let text = resource(r#""Principal": "*", "Sid": "b c""#);
    let sid = accept(&text, PolicyKind::Resource).statements()[0]
        .sid
        .clone();
    assert_eq!(sid.as_deref(), Some("b c"));
}

#[test]
fn elements_that_do_not_exist_or_exclude_each_other_are_refused() {
    assert_eq!(
        refuse(&identity(r#", "effect": "Allow""#), PolicyKind::Identity).0,
        "Statement[0].effect"
    );
    for both in [r#", "NotAction": "*""#, r#", "NotResource": "*""#] {
        assert_eq!(
            refuse(&identity(both), PolicyKind::Identity).0,
            "Statement[0]"
        );
    }
    let both = r#""Principal": "*", "NotPrincipal": "*""#;
    assert_eq!(
        refuse(&resource(both), PolicyKind::Resource).0,
        "Statement[0]"
    );
    let top = identity("").replacen('{', r#"{"Extra": 1, "#, 1);
    assert_eq!(refuse(&top, PolicyKind::Identity).0, "Extra");
}

#[test]
fn actions_have_a_service_and_a_name() {
    let with = |action: &str| identity("").replace("\"secretsmanager:*\"", action);
    for action in [
        r#""*""#,
        r#""secretsmanager:Get*""#,
        r#""iam:?""#,
        r#"["a-b:C", "sts:AssumeRole"]"#,
    ] {
        accept(&with(action), PolicyKind::Identity);
    }
    for (action, at) in [
        (r#""""#, ""),
        (r#""secretsmanager""#, ""),
        (r#""**""#, ""),
        (r#""*:Get""#, ""),
        (r#""secrets*:Get""#, ""),
        (r#""a:b:c""#, ""),
        (r#"":Get""#, ""),
        (r#""a:""#, ""),
        (r#""a:${aws:username}""#, ""),
        ("[]", ""),
        ("1", ""),
        ("null", ""),
        ("{}", ""),
        (r#"["a:b", "x"]"#, "[1]"),
        (r#"["a:b", ["c:d"]]"#, "[1]"),
        (r#""s\u212a:b""#, ""),
    ] {
        let found = refuse(&with(action), PolicyKind::Identity).0;
        assert_eq!(found, format!("Statement[0].Action{at}"), "{action}");
    }
}

#[test]
fn resources_are_arns_of_a_named_service() {
    let with = |target: &str| {
        identity("").replace(r#""Resource": "*""#, &format!(r#""Resource": "{target}""#))
    };
    for target in [
        "*",
        "arn:aws:secretsmanager:eu-west-1:111122223333:secret:app/db-??????",
        "arn:*:secretsmanager:*:*:secret:*",
        "arn:aws:s3:::a/b",
        "arn:aws:secretsmanager:*:*:*",
        "arn:aws:secretsmanager:*:*:secret:${aws:username}-*",
        "arn:aws:secretsmanager:*:*:secret:${aws:PrincipalTag/a, 'b'}",
    ] {
        accept(&with(target), PolicyKind::Identity);
    }
    for target in [
        "",
        "app/db",
        "arn",
        "arn:aws",
        "arn:aws:secretsmanager",
        "arn:aws:s3::a",
        "arn:aws:secretsmanager:*",
        "arn:aws:secretsmanager:*:*",
        "**",
        "arn:*",
        "arn:aws:secrets*:*:*:*",
        "arn:aws::::a",
        "ARN:aws:s3:::a",
        "arn:aws:s3:::${aws:username",
        "arn:aws:s3::${aws:PrincipalAccount}:a",
        "${aws:username}",
    ] {
        assert_eq!(
            refuse(&with(target), PolicyKind::Identity).0,
            "Statement[0].Resource",
            "{target}"
        );
    }
    // The older version has no variables: there it is text.
    let old = with("arn:aws:s3:::${aws:username").replace("2012-10-17", "2008-10-17");
    accept(&old, PolicyKind::Identity);
}

#[test]
fn principals_are_whole_names_without_wildcards() {
    for principal in [
        r#""*""#,
        r#"{"AWS": "*"}"#,
        r#"{"AWS": "111122223333"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:root"}"#,
        r#"{"AWS": ["arn:aws:iam::111122223333:user/a/b", "arn:aws:iam::111122223333:role/a"]}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/a/b@c"}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:federated-user/a"}"#,
        r#"{"AWS": "AIDAEXAMPLE123456789"}"#,
        r#"{"Service": "rotation.strongroom.internal"}"#,
        r#"{"Service": "rotation.strongroom.internal", "AWS": "111122223333"}"#,
    ] {
        for element in ["Principal", "NotPrincipal"] {
            accept(
                &resource(&format!("\"{element}\": {principal}")),
                PolicyKind::Resource,
            );
        }
    }
    for principal in [
        r#""arn:aws:iam::111122223333:root""#,
        r#""""#,
        r#"["*"]"#,
        "{}",
        "1",
        r#"{"AWS": []}"#,
        r#"{"AWS": "11112222333"}"#,
        r#"{"AWS": 111122223333}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:user/*"}"#,
        r#"{"AWS": "arn:aws:iam::*:root"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:role/a?"}"#,
        r#"{"AWS": "a*"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:group/a"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:user/"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:user/${aws:username}"}"#,
        r#"{"AWS": "arn:aws:iam::111122223333:root/a"}"#,
        r#"{"AWS": "arn:aws:iam:eu-west-1:111122223333:user/a"}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/a"}"#,
        r#"{"AWS": "arn:aws:sts::111122223333:assumed-role/a/*"}"#,
        r#"{"AWS": "arn:aws:s3::111122223333:user/a"}"#,
        r#"{"Service": "*"}"#,
        r#"{"Service": "a*.internal"}"#,
        r#"{"CanonicalUser": "79a59df900b949e5"}"#,
        r#"{"aws": "*"}"#,
    ] {
        let text = resource(&format!("\"Principal\": {principal}"));
        let at = refuse(&text, PolicyKind::Resource).0;
        assert!(
            at.starts_with("Statement[0].Principal"),
            "{principal}: {at}"
        );
    }
    let listed = r#""Principal": {"AWS": ["111122223333", "x"]}"#;
    assert_eq!(
        refuse(&resource(listed), PolicyKind::Resource).0,
        "Statement[0].Principal.AWS[1]"
    );
}

#[test]
fn trust_policies_alone_name_issuers_and_no_star_but_of_aws() {
    let trust = |principal: &str| policy(&format!("{BARE}, \"Principal\": {principal}"));
    for principal in [
        r#"{"Federated": "token.example.com/path", "AWS": "111122223333"}"#,
        r#"{"Federated": "arn:aws:iam::111122223333:saml-provider/a"}"#,
    ] {
        accept(&trust(principal), PolicyKind::Trust);
        let text = resource(&format!("\"Principal\": {principal}"));
        let (at, _) = refuse(&text, PolicyKind::Resource);
        assert_eq!(at, "Statement[0].Principal.Federated");
    }
    for principal in [r#"{"Federated": "*"}"#, r#"{"Federated": ""}"#] {
        let (at, _) = refuse(&trust(principal), PolicyKind::Trust);
        assert_eq!(at, "Statement[0].Principal.Federated");
    }
    accept(&trust(r#"{"AWS": "*"}"#), PolicyKind::Trust);
    let (at, _) = refuse(&trust("\"*\""), PolicyKind::Trust);
    assert_eq!(at, "Statement[0].Principal");
}

#[test]
fn not_principal_denies_and_has_no_place_in_trust_policies() {
    let text = resource(r#""NotPrincipal": {"AWS": "111122223333"}"#);
    accept(&text, PolicyKind::Resource);
    let (at, what) = refuse(&text.replace("Deny", "Allow"), PolicyKind::Resource);
    assert_eq!(at, "Statement[0].NotPrincipal");
    assert!(what.contains("Deny"), "{what}");
    let trust = text.replace(r#", "Resource": "*""#, "");
    assert_eq!(
        refuse(&trust, PolicyKind::Trust).0,
        "Statement[0].NotPrincipal"
    );
}

#[test]
fn conditions_name_an_operator_a_key_and_values_that_suit() {
    let with = |condition: &str| identity(&format!(", \"Condition\": {condition}"));
    for condition in [
        "{}",
        r#"{"Bool": {"aws:SecureTransport": true}}"#,
        r#"{"Bool": {}}"#,
        r#"{"NumericLessThan": {"a:b": [1, "2", 2.5, -3]}, "Null": {"a:b": "false"}}"#,
        r#"{"DateLessThan": {"aws:EpochTime": 1801396800}}"#,
        r#"{"StringEquals": {"aws:ResourceTag/a b": "x", "accounts.example.com:sub": [""]}}"#,
    ] {
        accept(&with(condition), PolicyKind::Identity);
    }
    for (condition, at) in [
        ("[]", ""),
        ("null", ""),
        (r#"{"Bool": 1}"#, ".Bool"),
        (r#"{"Bol": {}}"#, ".Bol"),
        (r#"{"Bool": {"aws": true}}"#, ".Bool.aws"),
        (r#"{"Bool": {"": true}}"#, ".Bool."),
        (r#"{"Bool": {"aws:": true}}"#, ".Bool.aws:"),
        (r#"{"Bool": {":a": true}}"#, ".Bool.:a"),
        (r#"{"Bool": {"a:b": []}}"#, ".Bool.a:b"),
        (r#"{"Bool": {"a:b": null}}"#, ".Bool.a:b"),
        (r#"{"Bool": {"a:b": {}}}"#, ".Bool.a:b"),
        (r#"{"Bool": {"a:b": [true, 1]}}"#, ".Bool.a:b[1]"),
        (r#"{"StringLike": {"a:b": "${aws:x"}}"#, ".StringLike.a:b"),
        (
            r#"{"NumericEquals": {"a:b": "${aws:x}"}}"#,
            ".NumericEquals.a:b",
        ),
    ] {
        let found = refuse(&with(condition), PolicyKind::Identity).0;
        assert_eq!(found, format!("Statement[0].Condition{at}"), "{condition}");
    }
}

#[test]
fn a_condition_key_is_written_alike_throughout_a_statement() {
    let with = |key: &str| {
        let condition = format!(r#"{{"Bool": {{"aws:A": true}}, "Null": {{"{key}": true}}}}"#);
        identity(&format!(", \"Condition\": {condition}"))
    };
    accept(&with("aws:A"), PolicyKind::Identity);
    accept(&with("aws:B"), PolicyKind::Identity);
    let (at, what) = refuse(&with("AWS:a"), PolicyKind::Identity);
    assert_eq!(at, "Statement[0].Condition.Null.AWS:a");
    assert!(what.contains("case"), "{what}");
}

#[test]
fn an_error_says_where_what_and_what_to_do() {
    let text = identity(r#", "Sid": "a-b""#);
    let error = Policy::parse(&text, PolicyKind::Identity).expect_err("no such Sid");
    let said = "Statement[0].Sid: a Sid in this kind of policy has letters and digits only";
    assert_eq!(error.to_string(), said);
}

#[test]
fn no_text_makes_parsing_panic() {
    let whole = resource(
        r#""Principal": {"AWS": ["111122223333"]}, "Condition": {"DateLessThan": {"a:b": "2027"}}"#,
    );
    let odd = [
        "\"", "{", "}", "[", "\\u", "${", "é", ":", "*", "\0", "1e999", "-",
    ];
    for (at, _) in whole.char_indices() {
        for kind in KINDS {
            let (front, back) = whole.split_at(at);
            let _ = Policy::parse(front, kind);
            for odd in odd {
                let _ = Policy::parse(&format!("{front}{odd}{back}"), kind);
                let cut: String = back.chars().skip(1).collect();
                let _ = Policy::parse(&format!("{front}{odd}{cut}"), kind);
            }
        }
    }
}
