//! Nodes that go, on either side.

use std::time::Duration;

use machine::{FeedId, NodeId, Scope};

use crate::linked::{caught_up, has, north_home, pair};
use crate::support::{NORTH, WEST, address, eventually, name, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_goes_to_another_node_when_its_own_is_lost() {
    let (mut north, west) = pair(Scope::Selected).await;
    north.join().await;
    north.join().await;
    eventually("west knows all nodes", || {
        let view = west.state();
        view.linked(&name(NORTH))
            .is_some_and(|entry| entry.nodes.len() == 3)
    })
    .await;
    let replication = &west.first().replication;
    let node = || {
        replication
            .progress()
            .all()
            .first()
            .and_then(|(_, told)| told.node)
    };
    eventually("a stream is open", || node().is_some()).await;
    let lost = node().unwrap();
    let at = usize::try_from(lost.0 - 1).unwrap();
    north.pipes.hang_up(&address(NORTH, lost.0));
    north.nodes[at].stop.cancel();
    eventually("another node serves", || {
        node().is_some_and(|now| now != lost)
    })
    .await;
    let uid = north.create(100, &[WEST]).await;
    eventually("the secret is here", || has(&west, &uid, 1)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_goes_to_the_node_that_leads() {
    let (mut north, west) = pair(Scope::Selected).await;
    north.join().await;
    north.join().await;
    eventually("west knows all nodes", || {
        let view = west.state();
        view.linked(&name(NORTH))
            .is_some_and(|entry| entry.nodes.len() == 3)
    })
    .await;
    let first = &north.first().consensus;
    first
        .transfer_leader(Some(NodeId(2)), soon())
        .await
        .expect("another leader");
    let replication = &west.first().replication;
    eventually("the leader serves", || {
        let all = replication.progress().all();
        all.first().and_then(|(_, told)| told.node) == Some(NodeId(2))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whoever_leads_the_region_follows_and_nobody_else() {
    let (north, mut west) = pair(Scope::Selected).await;
    west.join().await;
    west.join().await;
    caught_up(&west, &north, &FeedId::Root).await;
    let follows = |at: usize| {
        let all = west.nodes[at].replication.progress().all();
        all.iter().any(|(_, told)| told.node.is_some())
    };
    eventually("the first node follows", || follows(0)).await;
    assert!(!follows(1) && !follows(2));
    let first = &west.first().consensus;
    first
        .transfer_leader(Some(NodeId(2)), soon())
        .await
        .expect("another leader");
    eventually("the second node follows", || follows(1) && !follows(0)).await;
    let uid = north.create(100, &[WEST]).await;
    eventually("the secret is here", || has(&west, &uid, 1)).await;
    caught_up(&west, &north, &north_home()).await;
    // A node that does not lead asks the one that does how old the feeds are.
    let third = &west.nodes[2];
    let staleness = third.replication.staleness();
    eventually("the leader knows the age", || {
        west.nodes[1]
            .replication
            .staleness()
            .age(&FeedId::Root)
            .is_some()
    })
    .await;
    let asked = staleness.now();
    let ages = third.consensus.ask_ages(soon()).await.expect("ages");
    staleness.merge(&ages, asked);
    let age = staleness.age(&FeedId::Root).expect("an age");
    assert!(age < Duration::from_secs(5), "{age:?}");
}
