//! Users, groups, roles, policies and accounts: each call as the administrator meets it, with each
//! of its refusals.

use tonic::Code;
use wire::access::v1 as api;
use wire::admin::v1::RegionScope;

use super::harness::{REGION, Region, refusal, told, two};
use super::principals::{
    ACCOUNT, AccessClient, Change, binding, change, group, inline, make, making, managed, policy,
    refused, role, user,
};

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
