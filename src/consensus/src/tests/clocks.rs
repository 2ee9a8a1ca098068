//! R10: who stamps, and who must not.

use super::eventually;
use super::node::Settings;
use super::region::{Region, create, propose};
use crate::Unavailable;

#[tokio::test]
async fn a_leader_whose_clock_is_off_by_more_than_a_second_hands_over() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    region.node(leader).clock.set_off(3_000);
    eventually("another leader", || {
        let others = region.nodes.values();
        let led = others.map(|node| node.consensus.status().leader);
        led.into_iter()
            .all(|led| led.is_some_and(|led| led.0 != leader))
    })
    .await;
    let uid = region.write(leader).await.expect("forwarded");
    assert_eq!(region.shows(leader, uid).await.ok(), Some(true));
}

#[tokio::test]
async fn a_leader_whose_clock_is_off_by_more_than_five_seconds_does_not_stamp() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    region.node(leader).clock.set_off(60_000);
    let consensus = region.node(leader).consensus.clone();
    eventually("the heartbeats tell", || {
        consensus.status().clock_distance > crate::limits::CLOCK_REFUSE
    })
    .await;
    let before = consensus.local_view().last_stamp();
    let (_, command) = create(None);
    let soon = tokio::time::Instant::now() + std::time::Duration::from_millis(50);
    let refused = region
        .node(leader)
        .run(move |consensus| propose(consensus, command, soon))
        .await;
    // Refused while it leads; accepted with a right stamp once another does.
    match refused {
        Err(error) => assert!(matches!(error, Unavailable::ClockSkewed), "{error}"),
        Ok(_) => assert_ne!(region.leader().await, leader),
    }
    region
        .write(leader)
        .await
        .expect("written by the next leader");
    let after = consensus.local_view().last_stamp();
    assert!(
        after.since_ms(before) < 30_000,
        "stamped by a clock that is off"
    );
}

#[tokio::test]
async fn leadership_goes_to_a_node_whose_clock_is_right() {
    let region = Region::of(5, Settings::default()).await;
    let (leader, wrong) = set_off_two(&region, 60_000).await;
    region.write(leader).await.expect("a right clock stamps");
    assert!(!wrong.contains(&region.leader().await));
}

#[tokio::test]
async fn a_leader_whose_clock_is_off_has_no_heir_while_no_other_has_a_better_one() {
    let region = Region::of(4, Settings::default()).await;
    // Two against two, and nobody knows who is right.
    let (leader, _) = set_off_two(&region, 3_000).await;
    let heir = region
        .node(leader)
        .run(|consensus| async move { consensus.inner.members.heir_with_better_clock() });
    assert_eq!(heir.await, None);
}

#[tokio::test]
async fn a_leader_whose_clock_is_off_keeps_the_lead_from_those_without_disk_space() {
    let region = Region::of(5, Settings::default()).await;
    let leader = region.leader().await;
    let others = region.ids().into_iter().filter(|node| *node != leader);
    let others: Vec<u64> = others.collect();
    let heir = region.node(leader).run(move |consensus| async move {
        let inner = &consensus.inner;
        let ahead_ms = inner.clocks.now().0 + 3_000;
        for node in &others {
            inner
                .clocks
                .read(*node, tokio::time::Instant::now(), ahead_ms);
        }
        let before = inner.members.heir_with_better_clock();
        for node in &others {
            inner.space.peers.hear(*node, true);
        }
        (before.is_some(), inner.members.heir_with_better_clock())
    });
    assert_eq!(heir.await, (true, None));
}

/// Sets off the clocks of the leader and of the first of the others, who would be its heir if
/// clocks did not count, and waits until the leader knows.
async fn set_off_two(region: &Region, offset_ms: i64) -> (u64, [u64; 2]) {
    let leader = region.leader().await;
    let others = region.ids().into_iter().filter(|node| *node != leader);
    let wrong = [leader, others.min().expect("another")];
    for node in wrong {
        region.node(node).clock.set_off(offset_ms);
    }
    let consensus = region.node(leader).consensus.clone();
    let distance = std::time::Duration::from_millis(offset_ms.unsigned_abs()) / 2;
    eventually("the heartbeats tell", || {
        consensus.status().clock_distance > distance
    })
    .await;
    (leader, wrong)
}
