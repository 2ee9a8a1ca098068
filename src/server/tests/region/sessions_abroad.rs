//! Sessions in two regions: good in both, ended in both, and not where they do not count.

use std::time::Duration;

use tonic::Code;
use wire::access::v1 as api;
use wire::access::v1::revoked::What;
use wire::admin::v1 as admin_api;
use wire::admin::v1::RegionScope;

use super::bearers::session_of;
use super::harness::{OTHER, REGION, Region, eventually, two};
use super::principals::{AccessClient, Change, change, inline, known, policy, refused, user};
use super::requests::{create, read};

/// Gives the first region a secret and a user who may read it, and waits for both elsewhere.
async fn with_alice(first: &Region, second: &Region) -> AccessClient {
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let mut admin = first.access();
    let alice = known(&mut admin, "alice").await;
    let reads = policy("Allow", "secretsmanager:GetSecretValue", "*");
    change(&mut admin, &alice, inline("reads", &reads))
        .await
        .unwrap();
    // The certificate is of the first region, whichever takes it.
    first.files.client("alice");
    let mut there = second.secrets_as("alice");
    eventually("the user is known there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    admin
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

#[tokio::test(flavor = "multi_thread")]
async fn a_session_of_one_region_is_good_in_the_other_and_revoked_in_one_ends_in_the_other() {
    let (first, second) = two(RegionScope::All).await;
    let mut admin = with_alice(&first, &second).await;
    let ours = session_of(&mut first.access_as("alice")).await;
    let theirs = session_of(&mut second.access_as("alice")).await;
    for session in [&ours, &theirs] {
        first.until_reads(&session.token, "s").await;
        second.until_reads(&session.token, "s").await;
    }
    revoke(&mut admin, &ours.id).await;
    for region in [&first, &second] {
        let refused = region.until_refused(&ours.token, "s").await;
        assert_eq!(refused.code(), Code::Unauthenticated);
        region.reads(&theirs.token, "s").await.unwrap();
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_both_regions_survive_the_promotion_of_either() {
    let (first, second) = two(RegionScope::All).await;
    with_alice(&first, &second).await;
    let ours = session_of(&mut first.access_as("alice")).await;
    let theirs = session_of(&mut second.access_as("alice")).await;
    second.until_reads(&ours.token, "s").await;
    first.until_reads(&theirs.token, "s").await;
    first.stop().await;
    let promote = admin_api::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    second.admin(0).promote_region(promote).await.unwrap();
    for session in [&ours, &theirs] {
        second.reads(&session.token, "s").await.unwrap();
    }
    // The region that took over issues sessions on its own.
    let later = session_of(&mut second.access_as("alice")).await;
    second.reads(&later.token, "s").await.unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_among_a_users_neither_takes_nor_issues_its_sessions() {
    let (first, second) = two(RegionScope::All).await;
    let mut admin = with_alice(&first, &second).await;
    let wide = session_of(&mut first.access_as("alice")).await;
    second.until_reads(&wide.token, "s").await;
    let only = Change::Regions(api::Regions {
        names: vec![REGION.to_owned()],
    });
    change(&mut admin, &user("alice"), only).await.unwrap();
    let narrow = session_of(&mut first.access_as("alice")).await;
    for session in [&wide, &narrow] {
        first.reads(&session.token, "s").await.unwrap();
        let refused = second.until_refused(&session.token, "s").await;
        assert_eq!(refused.code(), Code::Unauthenticated);
    }
    let asked = api::GetSessionTokenRequest::default();
    let outcome = second.access_as("alice").get_session_token(asked).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_knows_too_little_takes_only_sessions_of_its_own() {
    let first = Region::start(1).await;
    let second = first
        .link_tuned(OTHER, RegionScope::All, 1, |config| {
            config.access.identity_staleness_max = Duration::from_secs(2);
        })
        .await;
    with_alice(&first, &second).await;
    let ours = session_of(&mut first.access_as("alice")).await;
    let theirs = session_of(&mut second.access_as("alice")).await;
    second.until_reads(&ours.token, "s").await;
    first.stop().await;
    let refused = second.until_refused(&ours.token, "s").await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    second.reads(&theirs.token, "s").await.unwrap();
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_of_a_session_that_is_handed_on_is_judged_where_it_is_made() {
    let first = Region::start_tuned(1, |config| config.regions.accept_forwarded = true).await;
    let forward = |config: &mut strongroom_server::Config| config.regions.forward_writes = true;
    let second = first.link_tuned(OTHER, RegionScope::All, 1, forward).await;
    let mut admin = with_alice(&first, &second).await;
    let session = session_of(&mut second.access_as("alice")).await;
    first.until_reads(&session.token, "s").await;
    let put = || super::bearers::bearing(&session.token, super::requests::put("s", 2, "two"));
    let outcome = second.bare_secrets().put_secret_value(put()).await;
    refused(outcome, "AccessDeniedException", Code::PermissionDenied);
    let writes = policy("Allow", "secretsmanager:PutSecretValue", "*");
    change(&mut admin, &user("alice"), inline("writes", &writes))
        .await
        .unwrap();
    eventually("the write is made", async || {
        let outcome = second.bare_secrets().put_secret_value(put()).await;
        outcome.is_ok()
    })
    .await;
    assert_eq!(read(&mut first.secrets(0), "s").await.unwrap(), "two");
    second.stop().await;
    first.stop().await;
}
