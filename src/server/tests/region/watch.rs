//! Watch.

use std::time::Duration;

use tonic::Streaming;
use wire::secrets::v1 as api;
use wire::secrets::v1::watch_response::Item;
use wire::secrets::v1::{SecretChange, SecretState, WatchResponse};

use super::canary::metrics;
use super::harness::{Region, eventually, refusal};
use super::requests::{create, delete, force_delete, put, token};

const PATIENCE: Duration = Duration::from_secs(20);

async fn next(stream: &mut Streaming<WatchResponse>) -> (String, Option<SecretChange>) {
    let message = tokio::time::timeout(PATIENCE, stream.message())
        .await
        .unwrap();
    let message = message.unwrap().unwrap();
    match message.item.unwrap() {
        Item::Change(change) => (message.resume_token, Some(change)),
        Item::Heartbeat(_) => (message.resume_token, None),
    }
}

async fn change(stream: &mut Streaming<WatchResponse>) -> (String, SecretChange) {
    loop {
        if let (token, Some(change)) = next(stream).await {
            return (token, change);
        }
    }
}

fn from(resume_token: &str, ids: &[&str]) -> api::WatchRequest {
    let secret_ids = ids.iter().map(|id| (*id).to_owned()).collect();
    api::WatchRequest {
        resume_token: resume_token.to_owned(),
        secret_ids,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_tells_each_change_and_can_be_resumed_on_another_node() {
    let region = Region::start(3).await;
    let mut client = region.secrets(0);
    client
        .create_secret(create("before", 1, "x"))
        .await
        .unwrap();
    let mut stream = region
        .secrets(1)
        .watch(from("", &[]))
        .await
        .unwrap()
        .into_inner();
    let (_, first) = next(&mut stream).await;
    assert_eq!(first, None, "a stream begins with a heartbeat");
    client.create_secret(create("s", 1, "one")).await.unwrap();
    let (_, created) = change(&mut stream).await;
    assert_eq!(
        (created.name.as_str(), created.state()),
        ("s", SecretState::Active)
    );
    client.put_secret_value(put("s", 2, "two")).await.unwrap();
    let (resume, stored) = change(&mut stream).await;
    let stages = &stored.version_ids_to_stages[&token(2)].stages;
    assert_eq!(stages, &["AWSCURRENT"]);
    drop(stream);
    client.delete_secret(delete("s")).await.unwrap();
    client.create_secret(create("t", 1, "x")).await.unwrap();
    client.delete_secret(force_delete("t")).await.unwrap();
    let mut stream = region
        .secrets(2)
        .watch(from(&resume, &[]))
        .await
        .unwrap()
        .into_inner();
    let (_, scheduled) = change(&mut stream).await;
    assert_eq!(
        (scheduled.name.as_str(), scheduled.state()),
        ("s", SecretState::ScheduledForDeletion)
    );
    let (_, purged) = change(&mut stream).await;
    assert_eq!(
        (purged.name.as_str(), purged.state()),
        ("t", SecretState::Purged)
    );
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_of_names_tells_of_no_other() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let mut stream = client
        .watch(from("", &["mine"]))
        .await
        .unwrap()
        .into_inner();
    next(&mut stream).await;
    client.create_secret(create("other", 1, "x")).await.unwrap();
    client.create_secret(create("mine", 1, "x")).await.unwrap();
    let (_, told) = change(&mut stream).await;
    assert_eq!(told.name, "mine");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_whose_reader_takes_nothing_keeps_no_deleted_value_on_disk() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let mut stream = client.watch(from("", &[])).await.unwrap().into_inner();
    next(&mut stream).await;
    // Messages of some kilobytes: before the last of them the stream holds no more.
    let labels: Vec<String> = (0..19).map(|label| format!("{label:0>250}")).collect();
    for number in 0..400 {
        let name = format!("s{number}");
        let created = client.create_secret(create(&name, 1, "x")).await;
        created.unwrap();
        let mut more = put(&name, 2, "y");
        more.version_stages = labels.clone();
        client.put_secret_value(more).await.unwrap();
    }
    client.delete_secret(force_delete("s0")).await.unwrap();
    let address = region.nodes[0].addresses().operations;
    // Sooner than a reader that takes nothing is let go.
    let kept = eventually("no deleted value is kept", async || {
        // Of one moment: what was deleted last is written when the backlog is empty.
        let text = metrics(address);
        let is_none = |name: &str| text.contains(&format!("\nstrongroom_consensus_{name} 0\n"));
        is_none("backlog_bytes") && is_none("deferred_values")
    });
    tokio::time::timeout(PATIENCE, kept).await.unwrap();
    drop(stream);
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_not_of_a_watch_is_refused() {
    let region = Region::start(1).await;
    for text in ["x", "AAAA", "not base64 !"] {
        let (reason, ..) = refusal(region.secrets(0).watch(from(text, &[])).await.map(drop));
        assert_eq!(reason, "InvalidParameterException", "{text}");
    }
    let many: Vec<String> = (0..21).map(|number| format!("s{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let (reason, ..) = refusal(region.secrets(0).watch(from("", &many)).await.map(drop));
    assert_eq!(reason, "ValidationException");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watch_ends_with_its_node_and_says_so() {
    let region = Region::start(1).await;
    let mut stream = region
        .secrets(0)
        .watch(from("", &[]))
        .await
        .unwrap()
        .into_inner();
    next(&mut stream).await;
    let stopping = tokio::spawn(region.stop());
    let ended = tokio::time::timeout(PATIENCE, async {
        loop {
            match stream.message().await {
                Ok(Some(_)) => {}
                other => break other,
            }
        }
    })
    .await
    .unwrap();
    let (reason, ..) = refusal(ended);
    assert_eq!(reason, "ServiceUnavailable");
    stopping.await.unwrap();
}
