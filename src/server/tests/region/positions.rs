//! Positions in the feeds of more than one region: what a caller has seen in one, it sees in the
//! other or is told that it is lost (R7); and a watch that goes on over a promotion.

use std::time::Duration;

use strongroom_server::{Node, Start};
use tonic::Streaming;
use wire::admin::v1 as admin;
use wire::admin::v1::RegionScope;
use wire::secrets::v1 as api;
use wire::secrets::v1::watch_response::Item;
use wire::secrets::v1::{SecretChange, SecretState, WatchResponse};

use super::harness::{OTHER, REGION, Region, assert_refused, eventually, refusal, told, two};
use super::requests::{
    create, force_delete, get, metadata, put, read, remove_regions, replicate, token, with,
};

const POSITION: &str = "strongroom-position";
const MIN_POSITION: &str = "strongroom-min-position";

async fn promote(region: &Region, lost: &str) {
    let request = admin::PromoteRegionRequest {
        lost: lost.to_owned(),
        force: true,
    };
    region.admin(0).promote_region(request).await.unwrap();
}

async fn change(stream: &mut Streaming<WatchResponse>) -> (String, SecretChange) {
    loop {
        let message = tokio::time::timeout(Duration::from_secs(60), stream.message());
        let message = message.await.unwrap().unwrap().unwrap();
        if let Some(Item::Change(change)) = message.item {
            return (message.resume_token, change);
        }
    }
}

async fn watch(region: &Region, resume_token: &str) -> Streaming<WatchResponse> {
    let request = api::WatchRequest {
        resume_token: resume_token.to_owned(),
        secret_ids: Vec::new(),
    };
    region.secrets(0).watch(request).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_written_in_one_region_is_seen_in_the_other_by_its_position() {
    let (first, second) = two(RegionScope::All).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    client.create_secret(create("s", 1, "0")).await.unwrap();
    for number in 2..12 {
        let value = number.to_string();
        let wrote = client
            .put_secret_value(put("s", number, &value))
            .await
            .unwrap();
        let position = metadata(&wrote, POSITION).unwrap();
        let request = with(MIN_POSITION, &position, get("s"));
        let reply = there.get_secret_value(request).await.unwrap().into_inner();
        let text = api::get_secret_value_response::Value::SecretString(value);
        assert_eq!(reply.value, Some(text));
    }
    // One that was written there is seen here as well.
    let wrote = there.create_secret(create("own", 1, "x")).await.unwrap();
    let position = metadata(&wrote, POSITION).unwrap();
    let listed = client
        .list_secrets(with(
            MIN_POSITION,
            &position,
            api::ListSecretsRequest::default(),
        ))
        .await;
    listed.unwrap();
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_that_a_promotion_set_aside_is_lost_by_name() {
    let (first, second) = two(RegionScope::All).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let mut there = second.secrets(0);
    eventually("the copy is there", async || {
        read(&mut there, "s").await.is_ok()
    })
    .await;
    let files = second.stop().await;
    let wrote = client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let position = metadata(&wrote, POSITION).unwrap();
    first.stop().await;
    let second = Region {
        nodes: vec![Node::start(files.config(1), Start::Resume).await.unwrap()],
        files,
    };
    eventually("the region is ready again", async || {
        second.nodes[0].ready().is_ok()
    })
    .await;
    promote(&second, REGION).await;
    let mut there = second.secrets(0);
    assert_eq!(read(&mut there, "s").await.unwrap(), "one");
    let lost = there
        .get_secret_value(with(MIN_POSITION, &position, get("s")))
        .await;
    let status = lost.unwrap_err();
    assert_eq!(told(&status, "epoch"), "2@eu-west-2");
    let (reason, code, _) = refusal(Err::<(), _>(status));
    assert_eq!(
        (reason.as_str(), code),
        ("PositionLost", tonic::Code::Aborted)
    );
    // Nor does a watch go on from it, whatever else it is asked to hold.
    let last = there.put_secret_value(put("s", 3, "three")).await.unwrap();
    let request = api::WatchRequest {
        resume_token: position,
        secret_ids: Vec::new(),
    };
    let held = metadata(&last, POSITION).unwrap();
    let lost = there.watch(with(MIN_POSITION, &held, request)).await;
    let (reason, ..) = refusal(lost.map(drop));
    assert_eq!(reason, "PositionLost");
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_in_the_other_region_tells_what_is_there_and_goes_on_over_a_promotion() {
    let (first, second) = two(RegionScope::Selected).await;
    let (mut client, mut there) = (first.secrets(0), second.secrets(0));
    let mut stream = watch(&second, "").await;
    client
        .create_secret(create("hidden", 1, "x"))
        .await
        .unwrap();
    client.create_secret(create("s", 1, "x")).await.unwrap();
    client
        .replicate_secret_to_regions(replicate("s", &[OTHER]))
        .await
        .unwrap();
    let (_, told) = change(&mut stream).await;
    assert_eq!(
        (told.name.as_str(), told.state()),
        ("s", SecretState::Active)
    );
    assert!(told.arn.contains(OTHER), "{}", told.arn);
    client.put_secret_value(put("s", 2, "y")).await.unwrap();
    let mut labelled = told;
    let mut resume = String::new();
    while labelled.version_ids_to_stages.len() < 2 {
        (resume, labelled) = change(&mut stream).await;
    }
    there.create_secret(create("own", 1, "x")).await.unwrap();
    promote(&second, REGION).await;
    there.put_secret_value(put("s", 3, "z")).await.unwrap();
    let mut names = Vec::new();
    let mut last = SecretChange::default();
    while !last.version_ids_to_stages.contains_key(&token(3)) {
        last = change(&mut stream).await.1;
        names.push(last.name.clone());
    }
    assert!(names.contains(&"own".to_owned()), "{names:?}");
    drop(stream);
    // Once more from before it.
    let mut stream = watch(&second, &resume).await;
    let mut names = vec![change(&mut stream).await.1.name];
    names.push(change(&mut stream).await.1.name);
    names.sort_unstable();
    assert_eq!(names, ["own", "s"]);
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_that_a_copy_is_gone() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    for name in ["s", "t"] {
        client.create_secret(create(name, 1, "x")).await.unwrap();
        client
            .replicate_secret_to_regions(replicate(name, &[OTHER]))
            .await
            .unwrap();
    }
    let mut there = second.secrets(0);
    for name in ["s", "t"] {
        eventually("the copy is there", async || {
            read(&mut there, name).await.is_ok()
        })
        .await;
    }
    let mut stream = watch(&second, "").await;
    client
        .remove_regions_from_replication(remove_regions("s", &[OTHER]))
        .await
        .unwrap();
    let (_, told) = change(&mut stream).await;
    assert_eq!(
        (told.name.as_str(), told.state()),
        ("s", SecretState::Purged)
    );
    client
        .remove_regions_from_replication(remove_regions("t", &[OTHER]))
        .await
        .unwrap();
    client.delete_secret(force_delete("t")).await.unwrap();
    let (_, told) = change(&mut stream).await;
    assert_eq!(
        (told.name.as_str(), told.state()),
        ("t", SecretState::Purged)
    );
    second.stop().await;
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_nobody_knows_has_no_positions_and_no_requests() {
    let (first, second) = two(RegionScope::Selected).await;
    let mut client = first.secrets(0);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    let named = client
        .get_secret_value(with("strongroom-region", "us-east-9", get("s")))
        .await;
    assert_refused(
        named,
        "InvalidParameterException",
        "Region us-east-9 is not one of this cluster.",
    );
    let arn = "arn:aws:secretsmanager:us-east-9:000000000000:secret:s";
    assert_eq!(
        refusal(client.get_secret_value(get(arn)).await).0,
        "ResourceNotFoundException"
    );
    let arn = "arn:aws:secretsmanager:eu-west-2:000000000000:secret:s";
    client.get_secret_value(get(arn)).await.unwrap();
    second.stop().await;
    first.stop().await;
}
