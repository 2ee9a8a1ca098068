//! Credentials, issuers and revocations: each call as the administrator meets it, with each of its
//! refusals.

use tonic::Code;
use wire::access::v1 as api;
use wire::access::v1::revoked::What;
use wire::access::v1::update_credential_request::Change as CredentialChange;

use super::harness::{ADMIN, Region, eventually, refusal};
use super::principals::{ACCOUNT, Change, binding, change, known, make, refused, role, user};

/// A key of RFC 8037.
const KEYS: &str = r#"{"keys": [{"kty": "OKP", "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

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
    for client in ["alice", ADMIN] {
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
        jwks: KEYS.to_owned(),
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
        authority: None,
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
async fn an_issuer_is_refused_that_is_not_safe_or_says_too_little() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    for (issuer, audience, jwks) in [
        ("http://issuer.example", "a", ""),
        ("https://other.example", "", ""),
        ("https://other.example", "a", "{}"),
        ("https://other.example", "a", r#"{"keys": []}"#),
        (
            "https://other.example",
            "a",
            r#"{"keys": [{"kty": "OKP", "crv": "Ed25519", "x": "AA"}]}"#,
        ),
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
async fn a_revocation_is_forgotten_when_what_it_is_of_is_over() {
    let region = Region::start(1).await;
    let mut admin = region.access();
    let mut soon = make(&mut admin, &user("alice")).await.created.unwrap();
    soon.seconds += 2;
    let request = api::RevokeRequest {
        revoked: Some(api::Revoked {
            what: Some(What::Session("one".to_owned())),
        }),
        reason: String::new(),
        until: Some(soon),
    };
    admin.revoke(request.clone()).await.unwrap();
    eventually("it is forgotten", async || {
        let listed = admin.list_revocations(api::ListRevocationsRequest::default());
        listed.await.unwrap().into_inner().revocations.is_empty()
    })
    .await;
    // Nothing is left to revoke.
    admin.revoke(request).await.unwrap();
    let listed = admin
        .list_revocations(api::ListRevocationsRequest::default())
        .await;
    assert!(listed.unwrap().into_inner().revocations.is_empty());
    region.stop().await;
}
