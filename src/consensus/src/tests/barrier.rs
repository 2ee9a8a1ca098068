//! Who answers for whose reads.

use machine::NodeId;
use tonic::Code;
use wire::raft::v1;

use super::node::{Settings, address};
use super::region::Region;
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
