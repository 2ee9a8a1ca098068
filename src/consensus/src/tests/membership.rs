//! Nodes join, are promoted and removed.

use std::time::Duration;

use machine::NodeId;

use super::fabric::Link;
use super::node::{Disk, Settings, member};
use super::region::{Region, audit};
use super::{eventually, soon};
use crate::{MembershipError, Role};

async fn remove(region: &Region, via: u64, node: u64) -> Result<(), MembershipError> {
    region
        .node(via)
        .run(move |consensus| async move { consensus.remove(NodeId(node), audit(), soon()).await })
        .await
}

#[tokio::test]
async fn a_learner_receives_everything_and_does_not_vote() {
    let mut region = Region::of(1, Settings::default()).await;
    let uid = region.write(1).await.expect("written");
    region.join(Disk::memory(2)).await;
    assert_eq!(region.shows(2, uid).await.ok(), Some(true));
    let status = region.node(2).consensus.status();
    assert_eq!(status.role, Role::Learner);
    assert_eq!(status.voters, [NodeId(1)]);
}

#[tokio::test]
async fn a_removed_node_is_cut_at_once() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let ids = region.ids();
    let gone = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    remove(&region, leader, gone).await.expect("removed");
    let status = region.node(leader).consensus.status();
    assert!(!status.voters.contains(&NodeId(gone)));
    assert!(
        region
            .node(leader)
            .consensus
            .local_view()
            .node(NodeId(gone))
            .is_none()
    );
    // What it asks of the others is refused: it cannot read or write any more.
    let deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    let read = region
        .node(gone)
        .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
        .await;
    assert!(read.is_err());
}

#[tokio::test]
async fn a_leader_that_is_removed_hands_over_first() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    remove(&region, leader, leader).await.expect("removed");
    region.nodes.remove(&leader);
    let next = region.leader().await;
    assert_ne!(next, leader);
    region.write(next).await.expect("written");
    assert_eq!(region.node(next).consensus.status().voters.len(), 2);
}

#[tokio::test]
async fn a_removal_below_quorum_is_refused() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let followers: Vec<u64> = region
        .ids()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    region
        .nodes
        .remove(&followers[0])
        .expect("a follower")
        .crash();
    eventually("the leader notices", || {
        let inner = &region.node(leader).consensus.inner;
        inner.members.best_heir() == Some(followers[1])
    })
    .await;
    tokio::time::sleep(crate::limits::VOTER_SILENCE_MAX).await;
    let refused = remove(&region, leader, followers[1]).await;
    assert!(matches!(
        refused,
        Err(MembershipError::BelowQuorum {
            live: 1,
            needed: 2,
            ..
        })
    ));
    // The silent one may go: two remain and both answer.
    remove(&region, leader, followers[0])
        .await
        .expect("removed");
    region.write(leader).await.expect("written");
}

#[tokio::test]
async fn a_change_whose_caller_gave_up_is_finished_all_the_same() {
    let mut region = Region::of(1, Settings::default()).await;
    region.join(Disk::memory(2)).await;
    let leader = region.node(1).consensus.clone();
    eventually("the learner has everything", || {
        leader.inner.members.lag(2) == 0
    })
    .await;
    region.fabric.delay(Duration::from_millis(20));
    let hurried = region.node(1).run(|consensus| async move {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(10);
        consensus.promote(NodeId(2), deadline).await
    });
    assert!(hurried.await.is_err());
    eventually("two voters, no longer joint", || {
        crate::core::metrics(&leader.inner.raft, |metrics| {
            let halves = metrics.membership_config.membership().get_joint_config();
            halves.len() == 1 && halves.iter().all(|voters| voters.len() == 2)
        })
    })
    .await;
}

#[tokio::test]
async fn the_last_voter_cannot_be_removed() {
    let region = Region::of(1, Settings::default()).await;
    assert!(matches!(
        remove(&region, 1, 1).await,
        Err(MembershipError::BelowQuorum { .. })
    ));
}

#[tokio::test]
async fn changes_asked_of_a_follower_are_made_by_the_leader() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = region
        .ids()
        .into_iter()
        .find(|node| *node != leader)
        .expect("one");
    region.join(Disk::memory(4)).await;
    let twice = region
        .node(follower)
        .run(|consensus| async move { consensus.add_learner(&member(4), soon()).await })
        .await;
    twice.expect("already there");
    let mut elsewhere = member(4);
    elsewhere.peer_address = "elsewhere:1".to_owned();
    let refused = region
        .node(follower)
        .run(move |consensus| async move { consensus.add_learner(&elsewhere, soon()).await })
        .await;
    assert!(matches!(
        refused,
        Err(MembershipError::AddressDiffers { .. })
    ));
    region
        .node(follower)
        .run(move |consensus| async move {
            consensus.transfer_leader(NodeId(follower), soon()).await
        })
        .await
        .expect("transferred");
    assert_eq!(region.leader().await, follower);
    let unknown = region
        .node(leader)
        .run(|consensus| async move { consensus.promote(NodeId(9), soon()).await })
        .await;
    assert!(matches!(unknown, Err(MembershipError::UnknownNode { .. })));
}

#[tokio::test]
async fn a_node_with_another_key_or_cluster_is_refused() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let ids = region.ids();
    let follower = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    let foreign = [
        |identity: &mut wire::PeerIdentity| identity.public_key = [99; 32],
        |identity: &mut wire::PeerIdentity| identity.cluster = "00".repeat(16),
        |identity: &mut wire::PeerIdentity| identity.region = "us-east-1".to_owned(),
    ];
    for change in foreign {
        let mut identity = wire::PeerIdentity {
            cluster: super::node::CLUSTER.to_string(),
            region: super::node::REGION.to_owned(),
            node: follower,
            public_key: member(follower).public_key.0,
        };
        change(&mut identity);
        // New connections carry the wrong identity.
        region.fabric.isolate(follower, &ids, Link::Cut);
        region.fabric.identify(follower, identity);
        region.fabric.isolate(follower, &ids, Link::Up);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(400);
        let read = region
            .node(follower)
            .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
            .await;
        assert!(read.is_err());
    }
    assert_eq!(region.leader().await, leader);
}
