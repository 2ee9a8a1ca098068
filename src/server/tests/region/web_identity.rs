//! Service accounts of Kubernetes that log in with their tokens.

use std::time::Duration;

use tonic::{Code, Status};
use wire::access::v1 as api;
use wire::admin::v1::RegionScope;

use super::bearers::role_arn;
use super::harness::{OTHER, Region, eventually, refusal};
use super::issuer::{AUDIENCE, Claims, Issuer, Published};
use super::principals::{ACCOUNT, AccessClient, change, inline, making, policy, refused, role};
use super::requests::{create, read};

const URL: &str = "https://kubernetes.example/cluster";

/// Makes a role that service accounts of its namespace become, and which reads secrets below that.
async fn namespace_role(admin: &mut AccessClient, issuer: &Issuer, namespace: &str) {
    let (_, name) = issuer.url.split_once("://").unwrap();
    let trust = format!(
        r#"{{"Version": "2012-10-17", "Statement": {{"Effect": "Allow",
            "Principal": {{"Federated": "arn:aws:iam::{ACCOUNT}:oidc-provider/{name}"}},
            "Action": "sts:AssumeRoleWithWebIdentity", "Condition": {{"StringEquals": {{
                "{name}:aud": "{AUDIENCE}",
                "{name}:kubernetes.io/namespace": "{namespace}"}}}}}}}}"#
    );
    let request = api::CreatePrincipalRequest {
        trust_policy: trust,
        ..making(&role(namespace))
    };
    admin.create_principal(request).await.unwrap();
    let below = format!("arn:aws:secretsmanager:*:{ACCOUNT}:secret:{namespace}/*");
    let reads = policy("Allow", "secretsmanager:GetSecretValue", &below);
    change(admin, &role(namespace), inline("reads", &reads))
        .await
        .unwrap();
}

/// A region whose account trusts an issuer, by its keys if they are given, with the namespaces
/// `pay` and `ship`, each with a role and a secret.
async fn trusting(region: &Region, issuer: &Issuer, jwks: &str) -> AccessClient {
    let mut secrets = region.secrets(0);
    let mut admin = region.access();
    let request = api::CreateProviderRequest {
        issuer: issuer.url.clone(),
        audiences: vec![AUDIENCE.to_owned()],
        jwks: jwks.to_owned(),
        ..Default::default()
    };
    admin.create_provider(request).await.unwrap();
    for namespace in ["pay", "ship"] {
        namespace_role(&mut admin, issuer, namespace).await;
        let id = format!("{namespace}/db");
        secrets.create_secret(create(&id, 1, "x")).await.unwrap();
    }
    admin
}

async fn login(region: &Region, role: &str, token: &str) -> Result<api::Session, Status> {
    let request = api::AssumeRoleWithWebIdentityRequest {
        role_arn: role_arn(role),
        role_session_name: "till-0".to_owned(),
        web_identity_token: token.to_owned(),
        ..Default::default()
    };
    let reply = region
        .bare_access()
        .assume_role_with_web_identity(request)
        .await?;
    Ok(reply.into_inner().session.unwrap())
}

/// Logs in once the keys of issuer and sessions are there.
async fn logged_in(region: &Region, role: &str, issuer: &Issuer, namespace: &str) -> api::Session {
    let mut session = None;
    eventually("the token is taken", async || {
        let opened = login(region, role, &issuer.token(namespace)).await;
        session = opened.ok();
        session.is_some()
    })
    .await;
    session.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_reads_the_secrets_of_its_namespace_and_no_others() {
    let region = Region::start(1).await;
    let issuer = Issuer::new(URL, "one");
    let mut admin = trusting(&region, &issuer, &issuer.jwks()).await;
    let session = logged_in(&region, "pay", &issuer, "pay").await;
    assert_eq!(
        session.arn,
        format!("arn:aws:sts::{ACCOUNT}:assumed-role/pay/till-0")
    );
    region.reads(&session.token, "pay/db").await.unwrap();
    let outcome = region.reads(&session.token, "ship/db").await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    // The role of another namespace is not for it.
    let outcome = login(&region, "ship", &issuer.token("pay")).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    // Trust that is withdrawn ends what it opened.
    let (_, name) = URL.split_once("://").unwrap();
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}");
    let deleting = api::DeleteProviderRequest { arn };
    admin.delete_provider(deleting).await.unwrap();
    let outcome = region.reads(&session.token, "pay/db").await;
    refused(
        outcome,
        "UnrecognizedClientException",
        Code::Unauthenticated,
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_of_another_audience_issuer_key_time_or_algorithm_opens_nothing() {
    let region = Region::start(1).await;
    let issuer = Issuer::new(URL, "one");
    trusting(&region, &issuer, &issuer.jwks()).await;
    logged_in(&region, "pay", &issuer, "pay").await;
    let right = issuer.claims("pay");
    let day = 86_400;
    let spoiled = [
        Claims {
            audience: "other".to_owned(),
            ..right.clone()
        },
        Claims {
            issuer: "https://other.example".to_owned(),
            ..right.clone()
        },
        Claims {
            issuer: format!("{URL}/"),
            ..right.clone()
        },
        Claims {
            issued_s: right.issued_s - 2 * day,
            expires_s: right.issued_s - day,
            ..right.clone()
        },
        Claims {
            issued_s: right.issued_s + day,
            expires_s: right.expires_s + day,
            ..right.clone()
        },
        Claims {
            expires_s: right.issued_s + 2 * day,
            ..right.clone()
        },
        Claims {
            namespace: "ship".to_owned(),
            ..right.clone()
        },
    ];
    let mut tokens: Vec<String> = spoiled
        .iter()
        .map(|claims| issuer.sign(claims, "EdDSA"))
        .collect();
    for algorithm in ["none", "HS256", "RS256", "ES256"] {
        tokens.push(issuer.sign(&right, algorithm));
    }
    let unsigned = issuer.token("pay");
    let (unsigned, _) = unsigned.rsplit_once('.').unwrap();
    tokens.push(format!("{unsigned}."));
    tokens.push(Issuer::new(URL, "one").token("pay"));
    tokens.push(Issuer::new(URL, "two").token("pay"));
    tokens.extend(["", "a.b.c", &"x".repeat(20_000)].map(str::to_owned));
    let denied = refusal(login(&region, "nobody", &issuer.token("pay")).await);
    assert_eq!(denied.0, "AccessDeniedException");
    for token in tokens {
        assert_eq!(refusal(login(&region, "pay", &token).await), denied);
    }
    // What else is wrong about a request is told no better.
    let request = api::AssumeRoleWithWebIdentityRequest {
        role_arn: role_arn("pay"),
        role_session_name: "a b".to_owned(),
        web_identity_token: issuer.token("pay"),
        ..Default::default()
    };
    let mut bare = region.bare_access();
    let outcome = bare.assume_role_with_web_identity(request).await;
    assert_eq!(refusal(outcome), denied);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_account_logs_in_to_the_other_region_by_keys_that_the_first_one_fetched() {
    let fetching = |config: &mut strongroom_server::Config| {
        config.access.plain_issuers = true;
        config.access.issuer_keys_interval = Duration::from_millis(200);
    };
    let first = Region::start_tuned(1, fetching).await;
    let second = first.link(OTHER, RegionScope::All, 1).await;
    let published = Published::start().await;
    let issuer = Issuer::new(&published.url, "one");
    published.publish(&issuer);
    trusting(&first, &issuer, "").await;
    let session = logged_in(&first, "pay", &issuer, "pay").await;
    let mut there = second.secrets(0);
    eventually("the secret is there", async || {
        read(&mut there, "pay/db").await.is_ok()
    })
    .await;
    let theirs = logged_in(&second, "pay", &issuer, "pay").await;
    for token in [&session.token, &theirs.token] {
        first.until_reads(token, "pay/db").await;
        second.until_reads(token, "pay/db").await;
    }
    // A new key is fetched, and the old one is none any more.
    let later = Issuer::new(&published.url, "two");
    published.publish(&later);
    logged_in(&first, "pay", &later, "pay").await;
    logged_in(&second, "pay", &later, "pay").await;
    let outcome = login(&first, "pay", &issuer.token("pay")).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_not_fetched_without_tls_unless_the_operator_says_so() {
    let region = Region::start_tuned(1, |config| {
        config.access.issuer_keys_interval = Duration::from_millis(100);
    })
    .await;
    let published = Published::start().await;
    let issuer = Issuer::new(&published.url, "one");
    published.publish(&issuer);
    let mut admin = trusting(&region, &issuer, "").await;
    let (_, name) = issuer.url.split_once("://").unwrap();
    let arn = format!("arn:aws:iam::{ACCOUNT}:oidc-provider/{name}");
    // Longer than a fetch would take that may be made.
    for _ in 0..20 {
        let outcome = login(&region, "pay", &issuer.token("pay")).await;
        refused(outcome, "AccessDeniedException", Code::PermissionDenied);
        let getting = api::GetProviderRequest { arn: arn.clone() };
        let got = admin.get_provider(getting).await.unwrap().into_inner();
        assert_eq!(got.provider.unwrap().fetched_jwks, "");
    }
    region.stop().await;
}
