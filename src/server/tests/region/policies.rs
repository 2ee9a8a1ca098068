//! Resource policies of secrets.

use tonic::Code;
use wire::secrets::v1 as api;

use super::harness::{Region, SecretsClient, refusal};
use super::principals::{ACCOUNT, change, inline, known, policy};
use super::requests::{create, get, read};

/// A resource policy of one statement.
fn document(effect: &str, principal: &str, action: &str) -> String {
    format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "{effect}",
            "Principal": {principal}, "Action": "{action}", "Resource": "*"}}]}}"#
    )
}

fn aws(name: &str) -> String {
    format!(r#"{{"AWS": "arn:aws:iam::{ACCOUNT}:{name}"}}"#)
}

fn attach(document: &str) -> api::PutResourcePolicyRequest {
    api::PutResourcePolicyRequest {
        secret_id: "s".to_owned(),
        resource_policy: document.to_owned(),
        ..Default::default()
    }
}

async fn attached(client: &mut SecretsClient) -> Option<String> {
    let request = api::GetResourcePolicyRequest {
        secret_id: "s".to_owned(),
        policy_name: None,
    };
    let got = client.get_resource_policy(request).await.unwrap();
    got.into_inner().resource_policy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_policy_is_attached_shown_as_it_was_and_removed() {
    let region = Region::start(1).await;
    let mut root = region.secrets(0);
    let mut admin = region.access();
    known(&mut admin, "alice").await;
    let made = root
        .create_secret(create("s", 1, "x"))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(attached(&mut root).await, None);
    let mut client = region.secrets_as("alice");
    let allow = document("Allow", &aws("user/alice"), "secretsmanager:GetSecretValue");
    let request = api::PutResourcePolicyRequest {
        policy_name: Some("default".to_owned()),
        ..attach(&allow)
    };
    let put = root
        .put_resource_policy(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(put.arn, made.arn);
    assert_eq!(
        (put.name.as_str(), put.policy_name.as_deref()),
        ("s", Some("default"))
    );
    assert_eq!(attached(&mut root).await.unwrap(), allow);
    // In one account the policy of the secret is enough.
    assert_eq!(read(&mut client, "s").await.unwrap(), "x");
    let deny = document("Deny", &aws("user/alice"), "secretsmanager:*");
    root.put_resource_policy(attach(&deny)).await.unwrap();
    change(
        &mut admin,
        &super::principals::user("alice"),
        inline("all", &policy("Allow", "*", "*")),
    )
    .await
    .unwrap();
    let (reason, ..) = refusal(client.get_secret_value(get("s")).await);
    assert_eq!(reason, "AccessDeniedException");
    let request = api::DeleteResourcePolicyRequest {
        secret_id: "s".to_owned(),
        policy_name: None,
    };
    root.delete_resource_policy(request.clone()).await.unwrap();
    root.delete_resource_policy(request).await.unwrap();
    assert_eq!(attached(&mut root).await, None);
    assert_eq!(read(&mut client, "s").await.unwrap(), "x");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resource_policy_is_refused_by_the_name_of_what_is_wrong() {
    let region = Region::start(1).await;
    let mut root = region.secrets(0);
    root.create_secret(create("s", 1, "x")).await.unwrap();
    let public = document("Allow", r#""*""#, "secretsmanager:GetSecretValue");
    let locks = document("Deny", r#""*""#, "secretsmanager:*");
    let blocking = api::PutResourcePolicyRequest {
        block_public_policy: true,
        ..attach(&public)
    };
    let missing = api::PutResourcePolicyRequest {
        secret_id: "none".to_owned(),
        ..attach(&public)
    };
    let malformed = "MalformedPolicyDocumentException";
    for (request, reason, code) in [
        (attach("{"), malformed, Code::InvalidArgument),
        (
            attach(&policy("Allow", "iam:*", "*")),
            malformed,
            Code::InvalidArgument,
        ),
        (attach(&locks), malformed, Code::InvalidArgument),
        (
            attach(""),
            "InvalidParameterException",
            Code::InvalidArgument,
        ),
        (blocking, "PublicPolicyException", Code::InvalidArgument),
        (missing, "ResourceNotFoundException", Code::NotFound),
    ] {
        let (found, was, message) = refusal(root.put_resource_policy(request).await);
        assert_eq!((found.as_str(), was), (reason, code), "{message}");
    }
    assert_eq!(attached(&mut root).await, None);
    root.put_resource_policy(attach(&public)).await.unwrap();
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_resource_policy_keeps_the_root_from_replacing_it() {
    let region = Region::start(1).await;
    let mut root = region.secrets(0);
    root.create_secret(create("s", 1, "x")).await.unwrap();
    let deny = document("Deny", &aws("root"), "secretsmanager:*");
    root.put_resource_policy(attach(&deny)).await.unwrap();
    let (reason, ..) = refusal(root.get_secret_value(get("s")).await);
    assert_eq!(reason, "AccessDeniedException");
    assert_eq!(attached(&mut root).await.unwrap(), deny);
    let request = api::DeleteResourcePolicyRequest {
        secret_id: "s".to_owned(),
        policy_name: None,
    };
    root.delete_resource_policy(request).await.unwrap();
    assert_eq!(read(&mut root, "s").await.unwrap(), "x");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validation_names_what_is_wrong_and_attaches_nothing() {
    let region = Region::start(1).await;
    let mut root = region.secrets(0);
    root.create_secret(create("s", 1, "x")).await.unwrap();
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    change(
        &mut admin,
        &alice,
        inline("all", &policy("Allow", "secretsmanager:*", "*")),
    )
    .await
    .unwrap();
    let mut client = region.secrets_as("alice");
    let validate = |document: String, id: Option<&str>| api::ValidateResourcePolicyRequest {
        secret_id: id.map(str::to_owned),
        resource_policy: document,
    };
    let public = document("Allow", r#""*""#, "secretsmanager:GetSecretValue");
    let locks = document(
        "Deny",
        &aws("user/alice"),
        "secretsmanager:PutResourcePolicy",
    );
    let good = document("Allow", &aws("user/alice"), "secretsmanager:GetSecretValue");
    for (document, id, check) in [
        (good.clone(), None, None),
        (good, Some("s"), None),
        (public, None, Some("PUBLIC_ACCESS_CHECK")),
        (locks.clone(), None, None),
        (locks, Some("s"), Some("REFLEXIVE_PRINCIPAL_CHECK")),
    ] {
        let request = validate(document, id);
        let told = client
            .validate_resource_policy(request)
            .await
            .unwrap()
            .into_inner();
        let found = told
            .validation_errors
            .first()
            .map(|error| error.check_name.as_str());
        assert_eq!(
            (found, told.policy_validation_passed),
            (check, check.is_none())
        );
    }
    let (reason, ..) = refusal(
        client
            .validate_resource_policy(validate("[]".to_owned(), None))
            .await,
    );
    assert_eq!(reason, "MalformedPolicyDocumentException");
    assert_eq!(attached(&mut root).await, None);
    region.stop().await;
}
