//! Who answers for whose reads, and what those hear that nobody answers.

use std::time::Duration;

use machine::NodeId;
use tokio::time::Instant;
use tonic::Code;
use wire::raft::v1;

use super::fabric::Link;
use super::node::{Settings, address};
use super::region::Region;
use crate::Unavailable;
use crate::links::Lane;

#[tokio::test]
async fn a_node_that_does_not_lead_never_passes_on_the_read_of_a_peer() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let mut followers = region.ids();
    followers.retain(|node| *node != leader);
    let (from, to) = (followers[0], followers[1]);
    let asked = region.node(from).run(move |consensus| async move {
        let links = &consensus.inner.links;
        let mut client = links
            .client(to, &address(to), Lane::Forward)
            .expect("a client");
        let request = v1::ReadIndexRequest {
            origin: Some(links.origin()),
            wait_ms: 10_000,
        };
        client.read_index(request).await
    });
    // Two nodes that each take the other for the leader would pass it on for ever.
    let refused = asked.await.expect_err("refused");
    assert_eq!(refused.code(), Code::FailedPrecondition, "{refused}");
    assert_eq!(region.leader().await, leader);
    let led = region.node(to).consensus.status().leader;
    assert_eq!(led, Some(NodeId(leader)));
}

#[tokio::test]
async fn no_read_without_a_quorum_hears_that_the_node_stops() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    region.fabric.isolate(leader, &region.ids(), Link::Silent);
    let began = Instant::now();
    // So close to each other that some are found late before their own time is noticed to be over.
    let reads: Vec<_> = (1..=2_000)
        .map(|number| {
            let deadline = began + Duration::from_micros(500) * number;
            region
                .node(leader)
                .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
        })
        .collect();
    for read in futures::future::join_all(reads).await {
        assert!(!matches!(read, Err(Unavailable::Stopped)), "{read:?}");
    }
    region.fabric.isolate(leader, &region.ids(), Link::Up);
}
