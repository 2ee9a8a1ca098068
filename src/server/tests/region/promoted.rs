//! Promotion: the other region takes over, and the old one gives way.

use strongroom_server::{Node, Start};
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;
use wire::secrets::v1::ReplicationState;
use zeroize::Zeroizing;

use super::harness::{
    ADMIN, OTHER, REGION, Region, assert_refused, eventually, refusal, told, two,
};
use super::requests::{
    create, describe, get, metadata, put, read, replica, replicate, token, with,
};

/// Makes a region take over the feeds of another one.
async fn promote(region: &Region, lost: &str, force: bool) -> admin::PromoteRegionResponse {
    let request = admin::PromoteRegionRequest {
        lost: lost.to_owned(),
        force,
    };
    let promoted = region.admin(0).promote_region(request).await;
    promoted.unwrap().into_inner()
}

async fn regions(region: &Region, node: usize) -> admin::ListRegionsResponse {
    let mut client = region.admin(node);
    let listed = client.list_regions(admin::ListRegionsRequest {}).await;
    listed.unwrap().into_inner()
}

fn entry<'a>(listed: &'a admin::ListRegionsResponse, name: &str) -> &'a admin::RegionEntry {
    let mut entries = listed.regions.iter();
    entries.find(|entry| entry.name == name).unwrap()
}

fn leads(listed: &admin::ListRegionsResponse, name: &str) -> Vec<String> {
    let led = entry(listed, name).leads.iter();
    led.map(|feed| feed.feed.clone()).collect()
}

async fn until_there(region: &Region, id: &str, value: &str) {
    let mut client = region.secrets(0);
    eventually("the value is there", async || {
        read(&mut client, id)
            .await
            .is_ok_and(|found| found == value)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_regions_secrets_are_written_where_they_were_followed() {
    let (first, second) = two(RegionScope::All).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap();
    until_there(&second, "s", "one").await;
    first.stop().await;
    let report = promote(&second, REGION, false).await;
    let mut fed: Vec<_> = report.feeds.iter().map(|feed| feed.feed.as_str()).collect();
    fed.sort_unstable();
    assert_eq!(fed, [REGION, "root"]);
    assert!(report.left.is_empty());
    assert_eq!(report.unreached, [REGION]);
    for feed in &report.feeds {
        assert_eq!((feed.epoch, feed.missing_changes), (2, 0), "{}", feed.feed);
        assert_eq!(feed.withheld_secrets, 0);
        assert!(feed.unheard.is_some());
    }
    let mut there = second.secrets(0);
    there.put_secret_value(put("s", 2, "two")).await.unwrap();
    let reply = there.get_secret_value(get("s")).await.unwrap();
    assert_eq!(metadata(&reply, "strongroom-staleness-ms"), None);
    // Both regions' secrets are created here now, each under its own name.
    let made = there
        .create_secret(with("strongroom-region", REGION, create("old", 1, "x")))
        .await;
    let made = made.unwrap().into_inner();
    assert!(made.arn.contains(REGION), "{}", made.arn);
    let made = there
        .create_secret(create("new", 1, "x"))
        .await
        .unwrap()
        .into_inner();
    assert!(made.arn.contains(OTHER), "{}", made.arn);
    let request = with("strongroom-region", REGION, describe("s"));
    let shown = there.describe_secret(request).await.unwrap().into_inner();
    assert!(shown.arn.contains(REGION), "{}", shown.arn);
    let listed = regions(&second, 0).await;
    assert_eq!(leads(&listed, OTHER), ["root", REGION, OTHER]);
    assert!(leads(&listed, REGION).is_empty());
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_answers_is_not_taken_over_unless_forced_and_then_gives_way() {
    let (first, second) = two(RegionScope::All).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    until_there(&second, "s", "one").await;
    let unforced = admin::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    let (reason, ..) = refusal(second.admin(0).promote_region(unforced).await);
    assert_eq!(reason, "InvalidRequestException");
    promote(&second, REGION, true).await;
    // Until it has heard, it goes on; then nothing is acknowledged, and where to go is told.
    let mut number = 10;
    eventually("the old primary refuses writes", async || {
        number += 1;
        match client.put_secret_value(put("s", number, "late")).await {
            Ok(_) => false,
            Err(status) => {
                assert_eq!(told(&status, "primary_region"), OTHER, "{status:?}");
                true
            }
        }
    })
    .await;
    let refused = client
        .put_secret_value(put("s", 99, "late"))
        .await
        .unwrap_err();
    assert_eq!(told(&refused, "primary_region"), OTHER);
    assert_eq!(told(&refused, "primary_addresses"), second.address());
    let listed = regions(&second, 0).await;
    assert_eq!(leads(&listed, OTHER), ["root", REGION, OTHER]);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_of_nothing_or_of_nobody_is_refused() {
    let (first, second) = two(RegionScope::All).await;
    let request = |lost: &str| admin::PromoteRegionRequest {
        lost: lost.to_owned(),
        force: true,
    };
    for (lost, reason) in [
        ("us-east-9", "ResourceNotFoundException"),
        (OTHER, "InvalidParameterException"),
        ("", "InvalidParameterException"),
    ] {
        let refused = second.admin(0).promote_region(request(lost)).await;
        assert_eq!(refusal(refused).0, reason, "{lost}");
    }
    promote(&first, OTHER, true).await;
    let refused = first.admin(0).promote_region(request(OTHER)).await;
    assert_eq!(refusal(refused).0, "InvalidRequestException");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_is_unlinked_once_it_leads_nothing_and_is_believed_no_more() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    until_there(&second, "s", "one").await;
    let unlink = || admin::UnlinkRegionRequest {
        region: OTHER.to_owned(),
    };
    let (reason, ..) = refusal(first.admin(0).unlink_region(unlink()).await);
    assert_eq!(reason, "InvalidRequestException");
    let report = promote(&first, OTHER, true).await;
    assert!(report.left.is_empty());
    first.admin(0).unlink_region(unlink()).await.unwrap();
    // Again is no failure.
    first.admin(0).unlink_region(unlink()).await.unwrap();
    let shown = client
        .describe_secret(describe("s"))
        .await
        .unwrap()
        .into_inner();
    let row = &shown.replication_status[0];
    assert_eq!(row.status(), ReplicationState::Failed);
    assert_eq!(row.status_message.as_deref(), Some("region unlinked"));
    // It takes no more of them.
    client.create_secret(create("t", 1, "x")).await.unwrap();
    let shared = client.replicate_secret_to_regions(replicate("t", &[OTHER]));
    assert_refused(
        shared.await,
        "InvalidParameterException",
        "Invalid replica region.",
    );
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    eventually("nothing is received any more", async || {
        let listed = regions(&second, 0).await;
        !entry(&listed, REGION).connected
    })
    .await;
    let listed = regions(&first, 0).await;
    assert!(entry(&listed, OTHER).unlinked);
    assert!(!entry(&listed, OTHER).connected);
    // What it has it still reads, and nothing newer comes.
    let kept = read(&mut second.secrets(0), "s").await.unwrap();
    assert_eq!(kept, "one");
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn regions_are_listed_alike_by_every_node_and_streamed() {
    let first = Region::start(3).await;
    let second = first.link(OTHER, RegionScope::All, 1).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap();
    until_there(&second, "s", "one").await;
    for node in 0..3 {
        eventually("each node knows how far the other region is", async || {
            let listed = regions(&first, node).await;
            let other = entry(&listed, OTHER);
            other.connected && !other.acknowledged.is_empty() && other.last_heard.is_some()
        })
        .await;
    }
    let listed = regions(&second, 0).await;
    let names: Vec<_> = listed.regions.iter().map(|entry| &*entry.name).collect();
    assert_eq!(names, [REGION, OTHER]);
    let one = entry(&listed, REGION);
    assert!(!one.here && one.nodes.len() == 3 && one.received_bytes > 0);
    assert_eq!(leads(&listed, REGION), ["root", REGION]);
    let followed = one.leads.iter().find(|feed| feed.feed == REGION).unwrap();
    assert!(followed.staleness.is_some() && followed.trouble.is_empty());
    let mut stream = second
        .admin(0)
        .watch_regions(admin::WatchRegionsRequest {})
        .await
        .unwrap()
        .into_inner();
    for _ in 0..2 {
        let told = stream.message().await.unwrap().unwrap().regions.unwrap();
        assert_eq!(told.regions.len(), 2);
    }
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_that_grows_brings_what_was_withheld() {
    let (first, second) = two(RegionScope::Selected).await;
    first
        .secrets(0)
        .create_secret(create("s", 1, "one"))
        .await
        .unwrap();
    let scope = |scope: RegionScope| admin::SetRegionScopeRequest {
        region: OTHER.to_owned(),
        scope: scope.into(),
    };
    let (reason, ..) = refusal(
        first
            .admin(0)
            .set_region_scope(scope(RegionScope::Unspecified))
            .await,
    );
    assert_eq!(reason, "InvalidParameterException");
    first
        .admin(0)
        .set_region_scope(scope(RegionScope::All))
        .await
        .unwrap();
    until_there(&second, "s", "one").await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upgrade_is_finalised_when_every_node_answers() {
    let region = Region::start(3).await;
    let finalize = || admin::FinalizeUpgradeRequest {};
    let done = region.admin(1).finalize_upgrade(finalize()).await.unwrap();
    let done = done.into_inner();
    assert_eq!((done.before, done.now), (4, 4));
    let mut region = region;
    region.nodes.remove(2).shutdown().await;
    let (reason, _, text) = refusal(region.admin(0).finalize_upgrade(finalize()).await);
    assert_eq!(reason, "InvalidRequestException");
    assert!(text.starts_with("Node 3 does not answer"), "{text}");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_of_any_region_administers_the_cluster() {
    let (first, second) = two(RegionScope::All).await;
    let pair = second.files.client(ADMIN);
    let channel = first.files.channel(first.nodes[0].addresses().api, &pair);
    let mut client = super::harness::SecretsClient::new(channel);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    let again = api::CreateSecretRequest {
        description: "d".to_owned(),
        ..create("s", 1, "x")
    };
    assert_refused(
        client.create_secret(again).await,
        "ResourceExistsException",
        &format!(
            "You can't use ClientRequestToken {} because that value is already in use for a \
             version of secret {}.",
            super::requests::token(1),
            client
                .describe_secret(describe("s"))
                .await
                .unwrap()
                .into_inner()
                .arn
        ),
    );
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_was_lost_for_good_comes_back_with_its_secrets_led_elsewhere() {
    let (first, second) = two(RegionScope::All).await;
    second
        .secrets(0)
        .create_secret(create("mine", 1, "kept"))
        .await
        .unwrap();
    // What is shared with nobody is lost with its region; this one is shared.
    second
        .secrets(0)
        .replicate_secret_to_regions(replicate("mine", &[REGION]))
        .await
        .unwrap();
    until_there(&first, "mine", "kept").await;
    let files = second.stop().await;
    promote(&first, OTHER, false).await;
    std::fs::remove_dir_all(files.config(1).node.data).unwrap();
    let token = first.link_token(OTHER, RegionScope::All).await;
    let start = Start::Link {
        address: first.address(),
        token: Zeroizing::new(token),
    };
    let second = Region {
        nodes: vec![Node::start(files.config(1), start).await.unwrap()],
        files,
    };
    eventually("the region is ready", async || {
        second.nodes[0].ready().is_ok()
    })
    .await;
    until_there(&second, "mine", "kept").await;
    let refused = second.secrets(0).create_secret(create("new", 1, "x")).await;
    let status = refused.unwrap_err();
    assert_eq!(told(&status, "primary_region"), REGION);
    first
        .secrets(0)
        .put_secret_value(put("mine", 2, "newer"))
        .await
        .unwrap();
    until_there(&second, "mine", "newer").await;
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_has_failed_goes_on_with_what_it_has_where_its_region_takes_over() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let shared = client.replicate_secret_to_regions(replicate("s", &[OTHER]));
    shared.await.unwrap();
    let mut there = second.secrets(0);
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let keyed = api::ReplicateSecretToRegionsRequest {
        add_replica_regions: vec![api::ReplicaRegion {
            kms_key_id: Some("alias/nobody".to_owned()),
            ..replica(OTHER)
        }],
        ..replicate("s", &[])
    };
    client.replicate_secret_to_regions(keyed).await.unwrap();
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let second_version = api::GetSecretValueRequest {
        version_id: Some(token(2)),
        ..get("s")
    };
    eventually(
        "the version that cannot be opened is known there",
        async || {
            let got = there.get_secret_value(second_version.clone()).await;
            got.is_err_and(|status| status.code() == tonic::Code::Unavailable)
        },
    )
    .await;
    promote(&second, REGION, true).await;
    assert_eq!(read(&mut there, "s").await.unwrap(), "one");
    second.stop().await;
    first.stop().await;
}
