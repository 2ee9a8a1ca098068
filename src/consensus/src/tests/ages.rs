//! R32: every node knows how old what it shows is, though only the leader follows.

use std::time::Duration;

use machine::FeedId;

use super::fabric::Link;
use super::linked::home;
use super::node::Settings;
use super::region::Region;
use super::soon;
use crate::Unavailable;

const SAID: Duration = Duration::from_millis(300);

type Ages = Vec<(FeedId, Duration)>;

async fn asked(region: &Region, at: u64) -> Result<Ages, Unavailable> {
    let node = region.node(at);
    node.run(|consensus| async move { consensus.ask_ages(soon()).await })
        .await
}

#[tokio::test]
async fn every_node_knows_what_the_leader_knows_of_the_age_of_feeds() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let feeds = [(FeedId::Root, Duration::ZERO), (home("us-east-1"), SAID)];
    // What those who do not lead think does not matter.
    for node in region.ids() {
        let (feed, age) = &feeds[usize::from(node == leader)];
        region.node(node).disk.ages.set(&[(feed.clone(), *age)]);
    }
    for node in region.ids() {
        let ages = asked(&region, node).await.expect("known");
        let [(feed, age)] = &ages[..] else {
            panic!("one feed, not {ages:?}");
        };
        assert_eq!(*feed, home("us-east-1"));
        assert!(*age >= SAID, "{age:?}");
    }
}

#[tokio::test]
async fn an_age_counts_on_from_before_it_was_asked_for() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = leader % 3 + 1;
    let known = [(FeedId::Root, SAID)];
    region.node(leader).disk.ages.set(&known);
    let clock = &region.node(follower).clock;
    // Time stands still there: the answer adds nothing.
    clock.stop();
    let ages = asked(&region, follower).await.expect("known");
    assert_eq!(ages, known);
    // It goes on while the leader is asked.
    let time = Duration::from_secs(7);
    region.node(leader).disk.ages.take(time, clock);
    let ages = asked(&region, follower).await.expect("known");
    assert_eq!(ages, [(FeedId::Root, SAID + time)]);
}

#[tokio::test]
async fn a_node_without_a_leader_says_nothing_of_ages() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = leader % 3 + 1;
    region.node(leader).disk.ages.set(&[(FeedId::Root, SAID)]);
    region.fabric.isolate(follower, &[1, 2, 3], Link::Cut);
    let deadline = tokio::time::Instant::now() + Duration::from_millis(300);
    let node = region.node(follower);
    let asked = node.run(move |consensus| async move { consensus.ask_ages(deadline).await });
    let refused = asked.await.expect_err("nobody to ask");
    assert!(matches!(refused, Unavailable::NoLeader { .. }), "{refused}");
}
