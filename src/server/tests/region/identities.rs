//! Users, groups, roles, policies, credentials, providers, revocations and accounts: each call as
//! the administrator meets it, with each of its refusals.

use tonic::Code;
use wire::access::v1 as api;
use wire::access::v1::revoked::What;
use wire::access::v1::update_credential_request::Change as CredentialChange;
use wire::admin::v1::RegionScope;

use super::harness::{REGION, Region, refusal, told, two};
use super::principals::{
    ACCOUNT, AccessClient, Change, binding, change, group, inline, known, make, making, managed,
    policy, role, user,
};

/// Asserts the AWS error name and the code.
#[track_caller]
fn refused<T: std::fmt::Debug>(outcome: Result<T, tonic::Status>, reason: &str, code: Code) {
    let (found, was, message) = refusal(outcome);
    assert_eq!((found.as_str(), was), (reason, code), "{message}");
}

async fn got(client: &mut AccessClient, who: &api::PrincipalName) -> api::Principal {
    let request = api::GetPrincipalRequest {
        principal: Some(who.clone()),
    };
    let got = client.get_principal(request).await.unwrap();
    got.into_inner().principal.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_is_made_shown_changed_and_deleted() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let request = api::CreatePrincipalRequest {
        path: "/staff/".to_owned(),
        tags: vec![api::Tag {
            key: "team".to_owned(),
            value: "blue".to_owned(),
        }],
        regions: vec![REGION.to_owned()],
        ..making(&user("alice"))
    };
    let made = admin.create_principal(request).await.unwrap();
    let made = made.into_inner().principal.unwrap();
    assert_eq!(made.arn, format!("arn:aws:iam::{ACCOUNT}:user/staff/alice"));
    assert!(made.enabled);
    let (alice, readers) = (user("ALICE"), group("readers"));
    assert_eq!(got(&mut admin, &alice).await, made);
    make(&mut admin, &readers).await;
    let reads = policy("Allow", "secretsmanager:GetSecretValue", "*");
    let arn = managed(&mut admin, "read", &reads).await;
    for one in [
        Change::AttachPolicy(arn.clone()),
        Change::PermissionsBoundary(arn.clone()),
        Change::JoinGroup("Readers".to_owned()),
        Change::Regions(api::Regions { names: Vec::new() }),
        Change::Untag(api::TagKeys {
            keys: vec!["team".to_owned()],
        }),
        Change::Enabled(false),
        Change::RevokeSessions(true),
        inline("own", &reads),
    ] {
        change(&mut admin, &alice, one).await.unwrap();
    }
    let changed = got(&mut admin, &alice).await;
    assert_eq!(changed.id, made.id);
    assert_eq!(changed.attached_policies, [arn.as_str()]);
    assert_eq!(changed.permissions_boundary, arn);
    assert_eq!(changed.groups, ["readers"]);
    assert_eq!(changed.inline_policies[0].document, reads);
    assert!(changed.regions.is_empty() && changed.tags.is_empty() && !changed.enabled);
    assert_eq!(got(&mut admin, &readers).await.members, ["alice"]);
    let deleting = |who: &api::PrincipalName| api::DeletePrincipalRequest {
        principal: Some(who.clone()),
    };
    for who in [&alice, &readers] {
        let outcome = admin.delete_principal(deleting(who)).await;
        refused(outcome, "DeleteConflict", Code::FailedPrecondition);
    }
    for one in [
        Change::DetachPolicy(arn),
        Change::LeaveGroup("readers".to_owned()),
        Change::DeleteInlinePolicy("OWN".to_owned()),
    ] {
        change(&mut admin, &alice, one).await.unwrap();
    }
    for who in [&alice, &readers] {
        admin.delete_principal(deleting(who)).await.unwrap();
        let outcome = admin.delete_principal(deleting(who)).await;
        refused(outcome, "NoSuchEntity", Code::NotFound);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_principal_is_refused_by_the_name_of_what_is_wrong() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    make(&mut admin, &user("alice")).await;
    make(&mut admin, &role("deploy")).await;
    let malformed = api::CreatePrincipalRequest {
        trust_policy: policy("Allow", "sts:AssumeRole", "*"),
        ..making(&role("other"))
    };
    let bounded = |arn: &str| api::CreatePrincipalRequest {
        permissions_boundary: arn.to_owned(),
        ..making(&user("bob"))
    };
    let elsewhere = api::PrincipalName {
        account: "111122223333".to_owned(),
        ..user("bob")
    };
    let no_policy = format!("arn:aws:iam::{ACCOUNT}:policy/none");
    let (exists, invalid) = ("EntityAlreadyExists", Code::InvalidArgument);
    for (request, reason, code) in [
        (making(&user("Alice")), exists, Code::AlreadyExists),
        (malformed, "MalformedPolicyDocument", invalid),
        (making(&elsewhere), "NoSuchEntity", Code::NotFound),
        (bounded(&no_policy), "NoSuchEntity", Code::NotFound),
        (bounded("x"), "ValidationException", invalid),
        (making(&user("a/b")), "ValidationException", invalid),
        (making(&user("")), "ValidationException", invalid),
        (
            making(&user(&"n".repeat(65))),
            "ValidationException",
            invalid,
        ),
        (
            api::CreatePrincipalRequest::default(),
            "InvalidParameterException",
            invalid,
        ),
    ] {
        refused(admin.create_principal(request).await, reason, code);
    }
    let (alice, deploy) = (user("alice"), role("deploy"));
    let parameter = "InvalidParameterException";
    for (who, one, reason) in [
        (&alice, Change::AttachPolicy(no_policy), "NoSuchEntity"),
        (&alice, Change::JoinGroup("none".to_owned()), "NoSuchEntity"),
        (
            &alice,
            Change::DeleteInlinePolicy("none".to_owned()),
            "NoSuchEntity",
        ),
        (&alice, inline("own", "{}"), "MalformedPolicyDocument"),
        (&alice, Change::RevokeSessions(false), parameter),
        (&alice, Change::TrustPolicy(String::new()), parameter),
        (&deploy, Change::JoinGroup("none".to_owned()), parameter),
        (&user("none"), Change::Enabled(true), "NoSuchEntity"),
    ] {
        let (found, ..) = refusal(change(&mut admin, who, one).await);
        assert_eq!(found, reason);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages_by_name_and_their_tokens_are_of_one_list() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    for name in ["carol", "Alice", "bob"] {
        make(&mut admin, &user(name)).await;
        managed(&mut admin, name, &policy("Allow", "iam:*", "*")).await;
    }
    let page = |max: i32, token: &str| api::ListPrincipalsRequest {
        kind: api::PrincipalKind::User.into(),
        max_results: Some(max),
        next_token: token.to_owned(),
        ..Default::default()
    };
    let first = admin
        .list_principals(page(2, ""))
        .await
        .unwrap()
        .into_inner();
    let names = |page: &[api::Principal]| -> Vec<String> {
        page.iter()
            .map(|principal| principal.name.clone())
            .collect()
    };
    assert_eq!(names(&first.principals), ["Alice", "bob"]);
    let rest = admin.list_principals(page(2, &first.next_token)).await;
    let rest = rest.unwrap().into_inner();
    assert_eq!(
        (names(&rest.principals), rest.next_token.as_str()),
        (vec!["carol".to_owned()], "")
    );
    let policies = api::ListPoliciesRequest {
        max_results: Some(2),
        ..Default::default()
    };
    let listed = admin
        .list_policies(policies.clone())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(listed.policies.len(), 2);
    assert!(
        listed
            .policies
            .iter()
            .all(|policy| policy.document.is_empty())
    );
    let other = api::ListPoliciesRequest {
        next_token: first.next_token,
        ..policies
    };
    let outcome = admin.list_policies(other).await;
    refused(outcome, "InvalidNextTokenException", Code::InvalidArgument);
    let outcome = admin.list_principals(page(1001, "")).await;
    refused(outcome, "ValidationException", Code::InvalidArgument);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_managed_policy_counts_for_what_has_it_and_cannot_be_deleted_meanwhile() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let arn = managed(
        &mut admin,
        "read",
        &policy("Allow", "secretsmanager:Get*", "*"),
    )
    .await;
    assert_eq!(arn, format!("arn:aws:iam::{ACCOUNT}:policy/read"));
    let again = api::CreatePolicyRequest {
        name: "READ".to_owned(),
        document: policy("Allow", "iam:*", "*"),
        ..Default::default()
    };
    let outcome = admin.create_policy(again.clone()).await;
    refused(outcome, "EntityAlreadyExists", Code::AlreadyExists);
    let malformed = api::CreatePolicyRequest {
        name: "other".to_owned(),
        document: "{".to_owned(),
        ..again
    };
    let outcome = admin.create_policy(malformed).await;
    refused(outcome, "MalformedPolicyDocument", Code::InvalidArgument);
    let alice = user("alice");
    make(&mut admin, &alice).await;
    change(&mut admin, &alice, Change::AttachPolicy(arn.clone()))
        .await
        .unwrap();
    let deleting = api::DeletePolicyRequest { arn: arn.clone() };
    let outcome = admin.delete_policy(deleting.clone()).await;
    refused(outcome, "DeleteConflict", Code::FailedPrecondition);
    let document = policy("Deny", "secretsmanager:*", "*");
    let updating = api::UpdatePolicyRequest {
        arn: arn.clone(),
        document: document.clone(),
    };
    let updated = admin.update_policy(updating).await.unwrap().into_inner();
    let updated = updated.policy.unwrap();
    assert_eq!((updated.document, updated.attachment_count), (document, 1));
    change(&mut admin, &alice, Change::DetachPolicy(arn.clone()))
        .await
        .unwrap();
    admin.delete_policy(deleting).await.unwrap();
    let outcome = admin.get_policy(api::GetPolicyRequest { arn }).await;
    refused(outcome, "NoSuchEntity", Code::NotFound);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_access_key_shows_its_secret_once() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = user("alice");
    make(&mut admin, &alice).await;
    let request = api::CreateCredentialRequest {
        principal: Some(alice.clone()),
        ..Default::default()
    };
    let made = admin
        .create_credential(request.clone())
        .await
        .unwrap()
        .into_inner();
    let id = made.credential.clone().unwrap().id;
    assert_eq!((id.len(), made.secret_access_key.len()), (20, 40));
    assert!(!format!("{made:?}").contains(&made.secret_access_key));
    admin.create_credential(request.clone()).await.unwrap();
    let outcome = admin.create_credential(request.clone()).await;
    refused(outcome, "LimitExceededException", Code::ResourceExhausted);
    let listing = api::ListCredentialsRequest {
        principal: Some(alice.clone()),
    };
    let listed = admin.list_credentials(listing).await.unwrap().into_inner();
    assert_eq!(listed.credentials.len(), 2);
    assert_eq!(listed.credentials[0].id, id);
    let updating = |id: &str| api::UpdateCredentialRequest {
        id: id.to_owned(),
        change: Some(CredentialChange::Active(false)),
    };
    let updated = admin
        .update_credential(updating(&id))
        .await
        .unwrap()
        .into_inner();
    assert!(!updated.credential.unwrap().active);
    let deleting = api::DeleteCredentialRequest { id: id.clone() };
    admin.delete_credential(deleting.clone()).await.unwrap();
    let outcome = admin.delete_credential(deleting).await;
    refused(outcome, "NoSuchEntity", Code::NotFound);
    refused(
        admin.update_credential(updating(&id)).await,
        "NoSuchEntity",
        Code::NotFound,
    );
    let of_role = api::CreateCredentialRequest {
        principal: Some(role("none")),
        ..request.clone()
    };
    refused(
        admin.create_credential(of_role).await,
        "InvalidParameterException",
        Code::InvalidArgument,
    );
    let of_nobody = api::CreateCredentialRequest {
        principal: Some(user("none")),
        ..request
    };
    refused(
        admin.create_credential(of_nobody).await,
        "NoSuchEntity",
        Code::NotFound,
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_bound_to_one_principal_which_is_what_its_client_is() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let root = admin
        .get_caller_identity(api::GetCallerIdentityRequest {})
        .await;
    assert_eq!(
        root.unwrap().into_inner().arn,
        format!("arn:aws:iam::{ACCOUNT}:root")
    );
    let alice = known(&mut admin, "alice").await;
    make(&mut admin, &user("bob")).await;
    for client in ["alice", super::harness::ADMIN] {
        let outcome = admin.create_credential(binding(&user("bob"), client)).await;
        refused(outcome, "EntityAlreadyExists", Code::AlreadyExists);
    }
    let mut client = region.access_as("alice");
    let told = client
        .get_caller_identity(api::GetCallerIdentityRequest {})
        .await;
    let told = told.unwrap().into_inner();
    assert_eq!(told.arn, format!("arn:aws:iam::{ACCOUNT}:user/alice"));
    assert_eq!(told.account, ACCOUNT);
    change(&mut admin, &alice, Change::Enabled(false))
        .await
        .unwrap();
    let told = client
        .get_caller_identity(api::GetCallerIdentityRequest {})
        .await;
    refused(told, "AccessDeniedException", Code::PermissionDenied);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_issuer_is_trusted_with_its_audiences_and_keys() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let request = api::CreateProviderRequest {
        issuer: "https://issuer.example/tenant".to_owned(),
        audiences: vec!["strongroom".to_owned()],
        jwks: r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}"#.to_owned(),
        ..Default::default()
    };
    let made = admin
        .create_provider(request.clone())
        .await
        .unwrap()
        .into_inner();
    let made = made.provider.unwrap();
    assert_eq!(
        made.arn,
        format!("arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example/tenant")
    );
    let outcome = admin.create_provider(request.clone()).await;
    refused(outcome, "EntityAlreadyExists", Code::AlreadyExists);
    for (issuer, audience, jwks) in [
        ("http://issuer.example", "a", ""),
        ("https://other.example", "", ""),
        ("https://other.example", "a", "{}"),
        ("https://other.example", "a", r#"{"keys": []}"#),
    ] {
        let wrong = api::CreateProviderRequest {
            issuer: issuer.to_owned(),
            audiences: vec![audience.to_owned()],
            jwks: jwks.to_owned(),
            ..Default::default()
        };
        let (_, code, _) = refusal(admin.create_provider(wrong).await);
        assert_eq!(code, Code::InvalidArgument, "{issuer}");
    }
    let listed = admin
        .list_providers(api::ListProvidersRequest::default())
        .await;
    let listed = listed.unwrap().into_inner().providers;
    assert!(listed[0].keys_kept && listed[0].jwks.is_empty());
    let arn = made.arn;
    let updating = api::UpdateProviderRequest {
        arn: arn.clone(),
        audiences: Some(api::Audiences {
            audiences: vec!["other".to_owned()],
        }),
        jwks: Some(String::new()),
    };
    admin.update_provider(updating.clone()).await.unwrap();
    let getting = api::GetProviderRequest { arn: arn.clone() };
    let got = admin
        .get_provider(getting.clone())
        .await
        .unwrap()
        .into_inner();
    let got = got.provider.unwrap();
    assert_eq!(
        (got.audiences, got.keys_kept),
        (vec!["other".to_owned()], false)
    );
    admin
        .delete_provider(api::DeleteProviderRequest { arn: arn.clone() })
        .await
        .unwrap();
    refused(
        admin.get_provider(getting).await,
        "NoSuchEntity",
        Code::NotFound,
    );
    refused(
        admin.update_provider(updating).await,
        "NoSuchEntity",
        Code::NotFound,
    );
    let deleting = api::DeleteProviderRequest { arn };
    refused(
        admin.delete_provider(deleting).await,
        "NoSuchEntity",
        Code::NotFound,
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_revoked_is_listed_by_when_it_may_be_forgotten() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let revoking = |what: What| api::RevokeRequest {
        revoked: Some(api::Revoked { what: Some(what) }),
        reason: "lost".to_owned(),
        until: None,
    };
    let key = "0f".repeat(32);
    for what in [
        What::Certificate(key.clone()),
        What::Session("one".to_owned()),
        What::Session("two".to_owned()),
        What::Session("one".to_owned()),
    ] {
        admin.revoke(revoking(what)).await.unwrap();
    }
    let mut told = Vec::new();
    let mut token = String::new();
    loop {
        let request = api::ListRevocationsRequest {
            max_results: Some(1),
            next_token: token,
        };
        let page = admin.list_revocations(request).await.unwrap().into_inner();
        assert_eq!(page.revocations.len(), 1);
        told.extend(
            page.revocations
                .into_iter()
                .map(|one| one.revoked.unwrap().what.unwrap()),
        );
        token = page.next_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(told.len(), 3);
    assert_eq!(told[2], What::Certificate(key));
    for what in [
        What::Certificate("0f".repeat(31)),
        What::Certificate("zz".repeat(32)),
        What::Session(String::new()),
        What::Session("a b".to_owned()),
    ] {
        let outcome = admin.revoke(revoking(what)).await;
        refused(outcome, "ValidationException", Code::InvalidArgument);
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_root_makes_an_account_and_its_first_user() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let other = "111122223333";
    let account = |name: &str| api::CreateAccountRequest {
        account: other.to_owned(),
        name: name.to_owned(),
    };
    admin.create_account(account("other")).await.unwrap();
    let outcome = admin.create_account(account("another")).await;
    refused(outcome, "EntityAlreadyExists", Code::AlreadyExists);
    let listed = admin.list_accounts(api::ListAccountsRequest {}).await;
    let listed = listed.unwrap().into_inner().accounts;
    let ids: Vec<&str> = listed.iter().map(|one| one.account.as_str()).collect();
    assert_eq!(ids, [ACCOUNT, other]);
    let chief = api::PrincipalName {
        account: other.to_owned(),
        ..user("chief")
    };
    make(&mut admin, &chief).await;
    change(
        &mut admin,
        &chief,
        inline("all", &policy("Allow", "*", "*")),
    )
    .await
    .unwrap();
    admin
        .create_credential(binding(&chief, "chief"))
        .await
        .unwrap();
    // It may do everything in its own account, and nothing to another one or to the cluster.
    let mut there = region.access_as("chief");
    make(&mut there, &user("helper")).await;
    let elsewhere = api::PrincipalName {
        account: ACCOUNT.to_owned(),
        ..user("helper")
    };
    let denied = "AccessDeniedException";
    let outcome = there.create_principal(making(&elsewhere)).await;
    refused(outcome, denied, Code::PermissionDenied);
    let outcome = there.list_accounts(api::ListAccountsRequest {}).await;
    refused(outcome, denied, Code::PermissionDenied);
    let third = api::CreateAccountRequest {
        account: "222233334444".to_owned(),
        name: "third".to_owned(),
    };
    refused(
        there.create_account(third).await,
        denied,
        Code::PermissionDenied,
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_follows_the_root_feed_knows_its_users_and_changes_none() {
    let (first, second) = two(RegionScope::All).await;
    let mut admin = first.access();
    let made = admin
        .create_principal(making(&user("alice")))
        .await
        .unwrap();
    let position = made.metadata().get("strongroom-position").unwrap().clone();
    let mut there = second.access();
    let mut asking = tonic::Request::new(api::GetPrincipalRequest {
        principal: Some(user("alice")),
    });
    asking
        .metadata_mut()
        .insert("strongroom-min-position", position);
    let got = there.get_principal(asking).await.unwrap().into_inner();
    assert_eq!(got.principal, made.into_inner().principal);
    let status = there
        .create_principal(making(&user("bob")))
        .await
        .unwrap_err();
    assert_eq!(told(&status, "primary_region"), REGION);
    assert_eq!(told(&status, "primary_addresses"), first.address());
    refused(
        Err::<(), _>(status),
        "InvalidParameterException",
        Code::InvalidArgument,
    );
    second.stop().await;
    first.stop().await;
}
