//! Sessions in one region: whom they stand for, what bounds them, and what ends them.

use tonic::{Code, Request};
use wire::access::v1 as api;
use wire::access::v1::revoked::What;
use wire::secrets::v1::WatchRequest;

use super::bearers::{assumed, assuming, bearing, session_of};
use super::harness::{Region, eventually, refusal};
use super::principals::{
    ACCOUNT, AccessClient, Change, change, inline, known, make, making, policy, refused, role,
    secrets_like, user,
};
use super::requests::{create, get, put};

const READ: &str = "secretsmanager:GetSecretValue";

/// A region with the secrets `a` and `b`, and the user `alice`, who may read both and assume roles.
async fn with_alice() -> (Region, AccessClient) {
    let region = Region::start(1).await;
    let mut secrets = region.secrets(0);
    for name in ["a", "b"] {
        secrets.create_secret(create(name, 1, name)).await.unwrap();
    }
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    for (name, action) in [("reads", READ), ("assumes", "sts:AssumeRole")] {
        let may = inline(name, &policy("Allow", action, "*"));
        change(&mut admin, &alice, may).await.unwrap();
    }
    session_of(&mut region.access_as("alice")).await;
    (region, admin)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_stands_for_its_user_with_any_certificate_and_without() {
    let (region, _admin) = with_alice().await;
    let session = session_of(&mut region.access_as("alice")).await;
    region.reads(&session.token, "a").await.unwrap();
    let asked = || bearing(&session.token, api::GetCallerIdentityRequest {});
    for mut client in [region.bare_access(), region.access()] {
        let told = client.get_caller_identity(asked()).await.unwrap();
        let told = told.into_inner();
        assert_eq!(told.arn, format!("arn:aws:iam::{ACCOUNT}:user/alice"));
        assert_eq!(told.session_expires, session.expires);
        assert_eq!(told.session_id, session.id);
    }
    // What the administrator may do counts no more beside the token.
    let asked = bearing(&session.token, put("a", 2, "x"));
    let outcome = region.secrets(0).put_secret_value(asked).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    // A session opens no other one of the same user, and the root none.
    let again = || api::GetSessionTokenRequest::default();
    let asked = bearing(&session.token, again());
    let outcome = region.bare_access().get_session_token(asked).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    let outcome = region.access().get_session_token(again()).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_none_or_stands_twice_is_refused_and_says_nothing_of_why() {
    let (region, _admin) = with_alice().await;
    let session = session_of(&mut region.access_as("alice")).await;
    let mut changed = session.token.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'Q' } else { 'A' });
    let (shorter, _) = session.token.split_at(session.token.len() - 4);
    let longer = "x".repeat(8000);
    for token in ["", "srs1.", "password", &changed, shorter, &longer] {
        let outcome = region.reads(token, "a").await;
        let (reason, code, text) = refusal(outcome);
        assert_eq!(reason, "UnrecognizedClientException", "{token}");
        assert_eq!(code, Code::Unauthenticated);
        assert_eq!(
            text,
            "The security token included in the request is invalid."
        );
    }
    let mut twice = bearing(&session.token, get("a"));
    let value = format!("Bearer {}", session.token).parse().unwrap();
    twice.metadata_mut().append("authorization", value);
    let outcome = region.secrets(0).get_secret_value(twice).await;
    refused(
        outcome,
        "UnrecognizedClientException",
        Code::Unauthenticated,
    );
    let mut other = Request::new(get("a"));
    let value = "Basic YTpi".parse().unwrap();
    other.metadata_mut().insert("authorization", value);
    let outcome = region.secrets(0).get_secret_value(other).await;
    refused(
        outcome,
        "UnrecognizedClientException",
        Code::Unauthenticated,
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_is_assumed_by_whom_it_trusts_within_its_policies_and_those_of_the_session() {
    let (region, mut admin) = with_alice().await;
    make(&mut admin, &role("reader")).await;
    let reads_a = policy("Allow", READ, &secrets_like("a"));
    let reads_all = policy("Allow", READ, "*");
    change(&mut admin, &role("reader"), inline("own", &reads_all))
        .await
        .unwrap();
    let mut alice = region.access_as("alice");
    let whole = assumed(&mut alice, assuming("reader")).await.unwrap();
    assert_eq!(
        whole.arn,
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/reader/me")
    );
    region.reads(&whole.token, "b").await.unwrap();
    let narrower = api::AssumeRoleRequest {
        policy: reads_a,
        ..assuming("reader")
    };
    let narrow = assumed(&mut alice, narrower).await.unwrap();
    region.reads(&narrow.token, "a").await.unwrap();
    let outcome = region.reads(&narrow.token, "b").await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    // Who may not assume it is not told whether it is there; the root assumes none.
    known(&mut admin, "bob").await;
    let bob = region.access_as("bob");
    for (client, name) in [
        (&bob, "reader"),
        (&bob, "nobody"),
        (&alice, "nobody"),
        (&admin, "reader"),
    ] {
        let outcome = assumed(&mut client.clone(), assuming(name)).await;
        refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_made_from_another_lasts_an_hour_at_most_and_ends_with_it() {
    let (region, mut admin) = with_alice().await;
    for name in ["first", "second"] {
        let request = api::CreatePrincipalRequest {
            session_max: Some(seconds(12 * 3600)),
            ..making(&role(name))
        };
        admin.create_principal(request).await.unwrap();
        for (name_of_policy, action) in [("reads", READ), ("assumes", "sts:AssumeRole")] {
            let may = inline(name_of_policy, &policy("Allow", action, "*"));
            change(&mut admin, &role(name), may).await.unwrap();
        }
    }
    let long = |name, length| api::AssumeRoleRequest {
        duration: Some(seconds(length)),
        ..assuming(name)
    };
    let mut alice = region.access_as("alice");
    let first = assumed(&mut alice, long("first", 12 * 3600)).await.unwrap();
    let mut bare = region.bare_access();
    let asked = bearing(&first.token, long("second", 3601));
    let outcome = bare.assume_role(asked).await;
    refused(outcome, "ValidationException", Code::InvalidArgument);
    let asked = bearing(&first.token, long("second", 3600));
    let second = bare.assume_role(asked).await.unwrap().into_inner();
    let second = second.session.unwrap();
    region.reads(&second.token, "a").await.unwrap();
    for length in [899, 12 * 3600 + 1] {
        let outcome = assumed(&mut alice, long("first", length)).await;
        refused(outcome, "ValidationException", Code::InvalidArgument);
    }
    revoke(&mut admin, &first.id).await;
    for token in [&first.token, &second.token] {
        let outcome = region.reads(token, "a").await;
        refused(
            outcome,
            "UnrecognizedClientException",
            Code::Unauthenticated,
        );
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_source_identity_are_for_policies_to_ask_for_and_go_with_the_chain() {
    let (region, mut admin) = with_alice().await;
    let trust = format!(
        r#"{{"Version": "2012-10-17", "Statement": [
            {{"Effect": "Allow", "Principal": {{"AWS": "{ACCOUNT}"}},
              "Action": ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"],
              "Condition": {{"StringEquals": {{"sts:ExternalId": "agreed"}}}}}},
            {{"Effect": "Allow", "Principal": {{"AWS": "arn:aws:iam::{ACCOUNT}:role/tagged"}},
              "Action": "sts:AssumeRole",
              "Condition": {{"StringEquals": {{
                "aws:PrincipalTag/team": "pay", "aws:SourceIdentity": "alice"}}}}}}]}}"#
    );
    let request = api::CreatePrincipalRequest {
        trust_policy: trust,
        ..making(&role("tagged"))
    };
    admin.create_principal(request).await.unwrap();
    let by_tag = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow", "Action": "{READ}",
            "Resource": "*",
            "Condition": {{"StringEquals": {{"aws:PrincipalTag/team": "pay"}}}}}}}}"#
    );
    change(&mut admin, &role("tagged"), inline("own", &by_tag))
        .await
        .unwrap();
    let may = inline("sts", &policy("Allow", "sts:*", "*"));
    change(&mut admin, &user("alice"), may).await.unwrap();
    let asked = |value: &str| api::AssumeRoleRequest {
        tags: vec![api::Tag {
            key: "team".to_owned(),
            value: value.to_owned(),
        }],
        transitive_tag_keys: vec!["team".to_owned()],
        external_id: "agreed".to_owned(),
        source_identity: "alice".to_owned(),
        ..assuming("tagged")
    };
    let mut alice = region.access_as("alice");
    let without = api::AssumeRoleRequest {
        external_id: String::new(),
        ..asked("pay")
    };
    let outcome = assumed(&mut alice, without).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    let other = assumed(&mut alice, asked("ship")).await.unwrap();
    let outcome = region.reads(&other.token, "a").await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    let first = assumed(&mut alice, asked("pay")).await.unwrap();
    region.reads(&first.token, "a").await.unwrap();
    // From itself: by the second statement, with what it has.
    let may = inline("sts", &policy("Allow", "sts:*", "*"));
    change(&mut admin, &role("tagged"), may).await.unwrap();
    let mut bare = region.bare_access();
    let chained = bare.assume_role(bearing(&first.token, assuming("tagged")));
    let chained = chained.await.unwrap().into_inner().session.unwrap();
    region.reads(&chained.token, "a").await.unwrap();
    let replacing = api::AssumeRoleRequest {
        source_identity: "bob".to_owned(),
        ..assuming("tagged")
    };
    let outcome = bare.assume_role(bearing(&first.token, replacing)).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_with_what_it_was_opened_with_and_streams_end_with_it() {
    let (region, mut admin) = with_alice().await;
    let mut alice = region.access_as("alice");
    let revoked = session_of(&mut alice).await;
    let request = bearing(&revoked.token, WatchRequest::default());
    let mut stream = region.bare_secrets().watch(request).await.unwrap();
    stream.get_mut().message().await.unwrap();
    revoke(&mut admin, &revoked.id).await;
    let ended = async {
        loop {
            match stream.get_mut().message().await {
                Ok(Some(_)) => {}
                Ok(None) => break None,
                Err(status) => break Some(status),
            }
        }
    };
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await;
    assert_eq!(ended.unwrap().unwrap().code(), Code::Unauthenticated);
    // All that were opened so far, and then those of a user that may do nothing.
    for one in [Change::RevokeSessions(true), Change::Enabled(false)] {
        let session = session_of(&mut alice).await;
        region.reads(&session.token, "a").await.unwrap();
        // What is issued at the very moment of a revocation outlasts it.
        let mut outcome = Ok(());
        eventually("the session ends", async || {
            change(&mut admin, &user("alice"), one.clone())
                .await
                .unwrap();
            outcome = region.reads(&session.token, "a").await;
            outcome.is_err()
        })
        .await;
        refused(
            outcome,
            "UnrecognizedClientException",
            Code::Unauthenticated,
        );
    }
    change(&mut admin, &user("alice"), Change::Enabled(true))
        .await
        .unwrap();
    let session = session_of(&mut alice).await;
    let listing = api::ListCredentialsRequest {
        principal: Some(user("alice")),
    };
    let listed = admin.list_credentials(listing).await.unwrap().into_inner();
    let id = listed.credentials[0].id.clone();
    let deleting = api::DeleteCredentialRequest { id };
    admin.delete_credential(deleting).await.unwrap();
    let outcome = region.reads(&session.token, "a").await;
    refused(
        outcome,
        "UnrecognizedClientException",
        Code::Unauthenticated,
    );
    region.stop().await;
}

async fn revoke(admin: &mut AccessClient, session: &str) {
    let request = api::RevokeRequest {
        revoked: Some(api::Revoked {
            what: Some(What::Session(session.to_owned())),
        }),
        reason: String::new(),
        until: None,
    };
    admin.revoke(request).await.unwrap();
}

fn seconds(seconds: i64) -> prost_types::Duration {
    prost_types::Duration { seconds, nanos: 0 }
}
