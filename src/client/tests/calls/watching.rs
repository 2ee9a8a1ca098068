//! A watch that goes on.

use std::time::Duration;

use client::{
    Watch,
    secrets::v1::{Heartbeat, SecretChange, WatchRequest, WatchResponse, watch_response},
};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::region::{Region, Reply, refusal, stopping};

fn heartbeat(token: &str) -> Vec<u8> {
    let item = Some(watch_response::Item::Heartbeat(Heartbeat {}));
    WatchResponse {
        resume_token: token.to_owned(),
        item,
    }
    .encode_to_vec()
}

fn change(token: &str) -> Vec<u8> {
    let change = SecretChange {
        name: token.to_owned(),
        ..Default::default()
    };
    let item = Some(watch_response::Item::Change(change));
    WatchResponse {
        resume_token: token.to_owned(),
        item,
    }
    .encode_to_vec()
}

async fn next(watch: &mut Watch) -> Result<String, client::Error> {
    let message = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
    Ok(message
        .expect("a message in time")
        .expect("the stream goes on")?
        .resume_token)
}

fn resumed_after(region: &Region) -> Vec<String> {
    let asked = region.asked();
    asked
        .iter()
        .map(|asked| asked.message::<WatchRequest>().resume_token)
        .collect()
}

#[tokio::test]
async fn a_watch_continues_after_its_last_message_on_another_node() {
    let broken = || Some(Status::unavailable("the node stops"));
    let region = Region::start(
        2,
        [
            stopping(),
            Reply::Stream(vec![heartbeat("t1"), change("t2")], broken()),
            stopping(),
            Reply::Stream(vec![heartbeat("t3")], broken()),
            Reply::Stream(vec![heartbeat("t4"), change("t5")], None),
        ],
    )
    .await;
    let mut watch = region
        .client()
        .watch(WatchRequest::default())
        .await
        .expect("a watch");
    for token in ["t1", "t2", "t3", "t4", "t5"] {
        assert_eq!(next(&mut watch).await.expect("a message"), token);
    }
    assert_eq!(resumed_after(&region), ["", "", "t2", "t2", "t3"]);
}

#[tokio::test]
async fn a_watch_survives_the_stop_of_its_node() {
    let streams = [
        Reply::Stream(vec![heartbeat("t1")], None),
        Reply::Stream(vec![change("t2")], None),
    ];
    let mut region = Region::start(2, streams).await;
    let mut watch = region
        .client()
        .watch(WatchRequest::default())
        .await
        .expect("a watch");
    assert_eq!(next(&mut watch).await.expect("a message"), "t1");
    let node = usize::try_from(region.asked()[0].node).expect("small") - 1;
    region.stop(node).await;
    assert_eq!(next(&mut watch).await.expect("a message"), "t2");
    assert_eq!(resumed_after(&region), ["", "t1"]);
}

#[tokio::test]
async fn a_watch_whose_history_is_gone_ends_with_that_reason() {
    let lost = || refusal(Code::Aborted, "PositionLost", "no");
    let region = Region::start(1, [Reply::Refuse(lost())]).await;
    let client = region.client();
    let error = client
        .watch(WatchRequest::default())
        .await
        .expect_err("it is lost");
    assert_eq!(error.reason(), "PositionLost");

    region.add(Reply::Stream(vec![heartbeat("t1")], Some(lost())));
    let mut watch = client
        .watch(WatchRequest::default())
        .await
        .expect("a watch");
    assert_eq!(next(&mut watch).await.expect("a message"), "t1");
    let error = next(&mut watch).await.expect_err("it is lost");
    assert_eq!(error.reason(), "PositionLost");
    assert!(watch.next().await.is_none(), "the stream is over");
}

#[tokio::test]
async fn a_watch_turns_from_a_node_that_hangs() {
    let broken = || Some(Status::unavailable("the node stops"));
    let region = Region::start(
        2,
        [
            Reply::Hang,
            Reply::Stream(vec![heartbeat("t1")], broken()),
            Reply::Hang,
            Reply::Stream(vec![heartbeat("t2")], None),
        ],
    )
    .await;
    let client = region.client().with_timeout(Duration::from_millis(2_500));
    let mut watch = client
        .watch(WatchRequest::default())
        .await
        .expect("another node answers");
    for token in ["t1", "t2"] {
        assert_eq!(next(&mut watch).await.expect("a message"), token);
    }
    let nodes: Vec<u64> = region.asked().iter().map(|asked| asked.node).collect();
    let turned = nodes.windows(2).all(|pair| pair[0] != pair[1]);
    assert!(nodes.len() == 4 && turned, "{nodes:?}");
}
