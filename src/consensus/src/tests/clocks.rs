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
