//! What policies let a client do: nothing that none allows, and nothing that one denies.

use tonic::{Code, Status};
use wire::access::v1 as api;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::admin::v1::{GetStatusRequest, ListNodesRequest};

use super::harness::{Region, SecretsClient, refusal};
use super::principals::{
    ACCOUNT, Change, binding, change, group, inline, known, make, managed, policy, role,
    secrets_like, user,
};
use super::requests::{create, describe, get, put, read};

const GET: &str = "secretsmanager:GetSecretValue";

fn is_denied<T: std::fmt::Debug>(outcome: Result<T, Status>) -> bool {
    let (reason, code, _) = refusal(outcome);
    (reason.as_str(), code) == ("AccessDeniedException", Code::PermissionDenied)
}

async fn reads(client: &mut SecretsClient, id: &str) -> bool {
    match read(client, id).await {
        Ok(_) => true,
        Err(status) => !is_denied(Err::<(), _>(status)),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_is_bound_and_has_no_policy_may_do_nothing() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    known(&mut admin, "alice").await;
    region
        .secrets(0)
        .create_secret(create("there", 1, "x"))
        .await
        .unwrap();
    let mut secrets = region.secrets_as("alice");
    for id in ["there", "missing"] {
        assert!(is_denied(secrets.get_secret_value(get(id)).await));
        assert!(is_denied(secrets.describe_secret(describe(id)).await));
        assert!(is_denied(secrets.put_secret_value(put(id, 2, "y")).await));
    }
    assert!(is_denied(
        secrets.create_secret(create("new", 3, "x")).await
    ));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_policies_is_told_of_nobody_and_makes_nothing() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    region
        .secrets(0)
        .create_secret(create("there", 1, "x"))
        .await
        .unwrap();
    let mut client = region.access_as("alice");
    let principal = || Some(alice.clone());
    let asked = api::GetPrincipalRequest {
        principal: principal(),
    };
    assert!(is_denied(client.get_principal(asked).await));
    let asked = api::GetPrincipalRequest {
        principal: Some(user("missing")),
    };
    assert!(is_denied(client.get_principal(asked).await));
    let asked = api::ListPrincipalsRequest {
        kind: 1,
        ..Default::default()
    };
    assert!(is_denied(client.list_principals(asked).await));
    let all = inline("all", &policy("Allow", "*", "*"));
    assert!(is_denied(change(&mut client, &alice, all).await));
    let asked = api::DeletePrincipalRequest {
        principal: principal(),
    };
    assert!(is_denied(client.delete_principal(asked).await));
    assert!(is_denied(
        client.create_credential(binding(&alice, "other")).await
    ));
    let asked = api::ListCredentialsRequest {
        principal: principal(),
    };
    assert!(is_denied(client.list_credentials(asked).await));
    let asked = api::CreatePolicyRequest {
        name: "all".to_owned(),
        document: policy("Allow", "*", "*"),
        ..Default::default()
    };
    assert!(is_denied(client.create_policy(asked).await));
    assert!(is_denied(
        client
            .list_policies(api::ListPoliciesRequest::default())
            .await
    ));
    let asked = api::WhoCanRequest {
        action: GET.to_owned(),
        secret_id: "there".to_owned(),
        ..Default::default()
    };
    assert!(is_denied(client.who_can(asked).await));
    let asked = api::SimulatePolicyRequest {
        principal: principal(),
        actions: vec![GET.to_owned()],
        ..Default::default()
    };
    assert!(is_denied(client.simulate_policy(asked).await));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_policies_learns_of_nothing_whether_it_is_there() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    let there = managed(&mut admin, "there", &policy("Allow", GET, "*")).await;
    let mine = admin.list_credentials(api::ListCredentialsRequest {
        principal: Some(alice.clone()),
    });
    let mine = mine.await.unwrap().into_inner().credentials[0].id.clone();
    let mut client = region.access_as("alice");
    for arn in [there.clone(), there.replace("there", "missing")] {
        let asked = api::GetPolicyRequest { arn: arn.clone() };
        assert!(is_denied(client.get_policy(asked).await));
        let asked = api::UpdatePolicyRequest {
            arn: arn.clone(),
            document: policy("Allow", "*", "*"),
        };
        assert!(is_denied(client.update_policy(asked).await));
        let asked = api::DeletePolicyRequest { arn };
        assert!(is_denied(client.delete_policy(asked).await));
    }
    for id in [mine, "AKIAIOSFODNN7EXAMPLE".to_owned()] {
        let asked = api::UpdateCredentialRequest {
            id: id.clone(),
            change: Some(api::update_credential_request::Change::Active(false)),
        };
        assert!(is_denied(client.update_credential(asked).await));
        let asked = api::DeleteCredentialRequest { id };
        assert!(is_denied(client.delete_credential(asked).await));
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_without_policies_runs_no_accounts_issuers_and_revocations() {
    let region = Region::start(1).await;
    known(&mut region.access(), "alice").await;
    let mut client = region.access_as("alice");
    let asked = api::CreateProviderRequest {
        issuer: "https://issuer.example".to_owned(),
        audiences: vec!["a".to_owned()],
        ..Default::default()
    };
    assert!(is_denied(client.create_provider(asked).await));
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/issuer.example");
    let asked = api::GetProviderRequest { arn: arn.clone() };
    assert!(is_denied(client.get_provider(asked).await));
    let asked = api::UpdateProviderRequest {
        arn: arn.clone(),
        ..Default::default()
    };
    assert!(is_denied(client.update_provider(asked).await));
    assert!(is_denied(
        client
            .delete_provider(api::DeleteProviderRequest { arn })
            .await
    ));
    let asked = api::CreateAccountRequest {
        account: "111122223333".to_owned(),
        name: "other".to_owned(),
    };
    assert!(is_denied(client.create_account(asked).await));
    let asked = api::RevokeRequest {
        revoked: Some(api::Revoked {
            what: Some(api::revoked::What::Session("x".to_owned())),
        }),
        ..Default::default()
    };
    assert!(is_denied(client.revoke(asked).await));
    let listed = client.list_accounts(api::ListAccountsRequest {}).await;
    assert!(is_denied(listed));
    let asked = api::ListProvidersRequest::default();
    assert!(is_denied(client.list_providers(asked).await));
    let asked = api::ListRevocationsRequest::default();
    assert!(is_denied(client.list_revocations(asked).await));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_with_one_policy_reads_one_secret_and_not_its_neighbour() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    let mut root = region.secrets(0);
    root.create_secret(create("app/db", 1, "x")).await.unwrap();
    root.create_secret(create("app/db2", 2, "x")).await.unwrap();
    let mut client = region.secrets_as("alice");
    assert!(!reads(&mut client, "app/db").await);
    let one = policy("Allow", GET, &secrets_like("app/db"));
    change(&mut admin, &alice, inline("one", &one))
        .await
        .unwrap();
    assert!(reads(&mut client, "app/db").await);
    assert!(!reads(&mut client, "app/db2").await);
    assert!(is_denied(
        client.put_secret_value(put("app/db", 3, "y")).await
    ));
    change(
        &mut admin,
        &alice,
        Change::DeleteInlinePolicy("one".to_owned()),
    )
    .await
    .unwrap();
    assert!(!reads(&mut client, "app/db").await);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_allow_boundaries_limit_and_a_deny_wins() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    let readers = group("readers");
    make(&mut admin, &readers).await;
    let arn = managed(&mut admin, "read", &policy("Allow", GET, "*")).await;
    change(&mut admin, &readers, Change::AttachPolicy(arn))
        .await
        .unwrap();
    let mut root = region.secrets(0);
    for (number, name) in [(1, "one"), (2, "two")] {
        root.create_secret(create(name, number, "x")).await.unwrap();
    }
    let mut client = region.secrets_as("alice");
    assert!(!reads(&mut client, "one").await);
    change(&mut admin, &alice, Change::JoinGroup("readers".to_owned()))
        .await
        .unwrap();
    assert!(reads(&mut client, "one").await && reads(&mut client, "two").await);
    // A boundary takes away what it does not allow itself.
    let bound = managed(
        &mut admin,
        "bound",
        &policy("Allow", GET, &secrets_like("one")),
    )
    .await;
    let bounded = Change::PermissionsBoundary(bound);
    change(&mut admin, &alice, bounded).await.unwrap();
    assert!(reads(&mut client, "one").await && !reads(&mut client, "two").await);
    let unbounded = Change::PermissionsBoundary(String::new());
    change(&mut admin, &alice, unbounded).await.unwrap();
    assert!(reads(&mut client, "two").await);
    let deny = policy("Deny", "secretsmanager:*", &secrets_like("two"));
    change(&mut admin, &readers, inline("not-two", &deny))
        .await
        .unwrap();
    assert!(reads(&mut client, "one").await && !reads(&mut client, "two").await);
    change(&mut admin, &alice, Change::LeaveGroup("readers".to_owned()))
        .await
        .unwrap();
    assert!(!reads(&mut client, "one").await);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delegate_makes_users_only_with_the_boundary_that_it_has_to_give() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let bound = managed(&mut admin, "bound", &policy("Allow", GET, "*")).await;
    let chief = known(&mut admin, "chief").await;
    let delegate = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow",
            "Action": ["iam:CreateUser", "iam:PutUserPolicy"],
            "Resource": "arn:aws:iam::{ACCOUNT}:user/*",
            "Condition": {{"StringEquals": {{"iam:PermissionsBoundary": "{bound}"}}}}}}]}}"#
    );
    change(&mut admin, &chief, inline("delegate", &delegate))
        .await
        .unwrap();
    let mut client = region.access_as("chief");
    let plain = super::principals::making(&user("bob"));
    assert!(is_denied(client.create_principal(plain.clone()).await));
    let bounded = api::CreatePrincipalRequest {
        permissions_boundary: bound,
        ..plain
    };
    client.create_principal(bounded).await.unwrap();
    let all = || inline("all", &policy("Allow", "*", "*"));
    change(&mut client, &user("bob"), all()).await.unwrap();
    // It cannot lift what it is bound to give, nor change who is not bounded.
    let unbounded = Change::PermissionsBoundary(String::new());
    assert!(is_denied(
        change(&mut client, &user("bob"), unbounded).await
    ));
    assert!(is_denied(change(&mut client, &chief, all()).await));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_simulation_names_the_statement_that_decides() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let alice = user("alice");
    make(&mut admin, &alice).await;
    change(
        &mut admin,
        &alice,
        inline("one", &policy("Allow", GET, &secrets_like("one"))),
    )
    .await
    .unwrap();
    region
        .secrets(0)
        .create_secret(create("one", 1, "x"))
        .await
        .unwrap();
    let request = api::SimulatePolicyRequest {
        principal: Some(alice.clone()),
        actions: vec![GET.to_owned(), "secretsmanager:DeleteSecret".to_owned()],
        resources: vec!["one".to_owned(), "two".to_owned()],
        policies: vec![policy(
            "Deny",
            "secretsmanager:Delete*",
            &secrets_like("one"),
        )],
        ..Default::default()
    };
    let results = admin
        .simulate_policy(request.clone())
        .await
        .unwrap()
        .into_inner()
        .results;
    let decisions: Vec<&str> = results.iter().map(|one| one.decision.as_str()).collect();
    assert_eq!(
        decisions,
        ["allowed", "implicitDeny", "explicitDeny", "implicitDeny"]
    );
    assert_eq!(
        results[0].reason,
        "statement 0 (Only) of inline policy one of user of alice allows it"
    );
    let wrong = api::SimulatePolicyRequest {
        policies: vec!["{}".to_owned()],
        ..request.clone()
    };
    let (reason, ..) = refusal(admin.simulate_policy(wrong).await);
    assert_eq!(reason, "MalformedPolicyDocument");
    let many = api::SimulatePolicyRequest {
        actions: vec![GET.to_owned(); 100],
        resources: vec!["one".to_owned(); 11],
        ..request.clone()
    };
    let (reason, ..) = refusal(admin.simulate_policy(many).await);
    assert_eq!(reason, "InvalidParameterException");
    let nobody = api::SimulatePolicyRequest {
        principal: Some(user("none")),
        ..request
    };
    let (reason, ..) = refusal(admin.simulate_policy(nobody).await);
    assert_eq!(reason, "NoSuchEntity");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_can_lists_the_root_and_then_everybody_who_may_in_pages() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let arn = managed(&mut admin, "read", &policy("Allow", GET, "*")).await;
    for who in [user("a"), user("b"), user("off"), role("r"), user("not")] {
        make(&mut admin, &who).await;
        if who.name != "not" {
            change(&mut admin, &who, Change::AttachPolicy(arn.clone()))
                .await
                .unwrap();
        }
    }
    change(&mut admin, &user("off"), Change::Enabled(false))
        .await
        .unwrap();
    region
        .secrets(0)
        .create_secret(create("one", 1, "x"))
        .await
        .unwrap();
    let mut able = Vec::new();
    let mut request = api::WhoCanRequest {
        action: GET.to_owned(),
        secret_id: "one".to_owned(),
        max_results: Some(2),
        ..Default::default()
    };
    loop {
        let page = admin.who_can(request.clone()).await.unwrap().into_inner();
        assert!(page.principals.len() <= 2);
        able.extend(page.principals.into_iter().map(|one| one.arn));
        request.next_token = page.next_token;
        if request.next_token.is_empty() {
            break;
        }
    }
    let arns = ["root", "user/a", "user/b", "role/r"];
    assert_eq!(
        able,
        arns.map(|name| format!("arn:aws:iam::{ACCOUNT}:{name}"))
    );
    request.secret_id = "missing".to_owned();
    let (reason, ..) = refusal(admin.who_can(request).await);
    assert_eq!(reason, "ResourceNotFoundException");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_is_run_by_callers_of_its_own_account_only() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let other = "111111111111";
    let account = api::CreateAccountRequest {
        account: other.to_owned(),
        name: "other".to_owned(),
    };
    admin.create_account(account).await.unwrap();
    let everything = policy("Allow", "*", "*");
    for (account, client, may) in [(ACCOUNT, "ours", true), (other, "theirs", false)] {
        let who = api::PrincipalName {
            account: account.to_owned(),
            ..user(client)
        };
        make(&mut admin, &who).await;
        change(&mut admin, &who, inline("all", &everything))
            .await
            .unwrap();
        admin
            .create_credential(binding(&who, client))
            .await
            .unwrap();
        let mut running = AdminServiceClient::new(region.channel_of(client));
        let nodes = running.list_nodes(ListNodesRequest {}).await;
        let status = running.get_status(GetStatusRequest {}).await;
        let codes = [
            nodes.err().map(|status| status.code()),
            status.err().map(|s| s.code()),
        ];
        let expected = (!may).then_some(Code::PermissionDenied);
        assert_eq!(codes, [expected; 2], "{client}");
    }
    region.stop().await;
}
