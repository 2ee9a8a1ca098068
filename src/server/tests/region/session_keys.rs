//! Keys of sessions: regions make them by themselves, and tell each other.

use strongroom_server::{Node, Start};
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;

use super::canary::metrics;
use super::harness::{REGION, Region, eventually, two};

/// One number of a node's metrics.
fn gauge(region: &Region, node: usize, name: &str) -> Option<u64> {
    let shown = metrics(region.nodes[node].addresses().operations);
    let mut lines = shown.lines().filter_map(|line| line.split_once(' '));
    let (_, number) = lines.find(|(shown, _)| *shown == name)?;
    number.parse().ok()
}

/// Waits until a region has so many session keys, and knows the keys of so many regions.
async fn until(region: &Region, keys: u64, signers: u64) {
    for node in 0..region.nodes.len() {
        eventually("the keys are there", async || {
            gauge(region, node, "strongroom_server_session_keys") == Some(keys)
                && gauge(region, node, "strongroom_server_session_signers") == Some(signers)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lone_region_makes_its_keys_and_keeps_them_over_a_restart() {
    let region = Region::start(3).await;
    until(&region, 1, 1).await;
    let files = region.stop().await;
    let mut nodes = Vec::new();
    for node in 1..=3 {
        let started = Node::start(files.config(node), Start::Resume).await;
        nodes.push(started.unwrap());
    }
    let region = Region { nodes, files };
    until(&region, 1, 1).await;
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn linked_regions_have_each_others_keys_until_one_is_unlinked() {
    for scope in [RegionScope::Selected, RegionScope::All] {
        let (first, second) = two(scope).await;
        until(&first, 1, 2).await;
        until(&second, 1, 2).await;
        let request = admin::UnlinkRegionRequest {
            region: second.files.region.to_owned(),
        };
        let mut client = first.admin(0);
        // Its home feed has to be led by one that stays.
        let promote = admin::PromoteRegionRequest {
            lost: second.files.region.to_owned(),
            force: true,
        };
        client.promote_region(promote).await.unwrap();
        client.unlink_region(request).await.unwrap();
        until(&first, 1, 1).await;
        second.stop().await;
        first.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_takes_the_root_feed_over_goes_on_with_the_keys_there_are() {
    let (first, second) = two(RegionScope::All).await;
    until(&second, 1, 2).await;
    let promote = admin::PromoteRegionRequest {
        lost: REGION.to_owned(),
        force: false,
    };
    let files = first.stop().await;
    let mut client = second.admin(0);
    client.promote_region(promote).await.unwrap();
    until(&second, 1, 2).await;
    second.stop().await;
    drop(files);
}
