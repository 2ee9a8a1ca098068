//! Changes on their way.

use std::time::Duration;

use machine::{FeedId, Scope};

use crate::linked::{caught_up, has, north_home, pair};
use crate::support::region::value;
use crate::support::{NORTH, WEST, eventually, home, name};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_new_region_gets_the_root_feed_and_what_is_shared_with_it() {
    let (north, west) = pair(Scope::Selected).await;
    let shared = north.create(100, &[WEST]).await;
    let other = north.create(100, &[]).await;
    caught_up(&west, &north, &FeedId::Root).await;
    caught_up(&west, &north, &north_home()).await;
    assert!(has(&west, &shared, 1));
    assert!(west.state().secret(&other).is_none(), "it is not for west");
    let directory = |region: &str| west.state().linked(&name(region)).is_some();
    assert!(directory(NORTH) && directory(WEST));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn both_regions_follow_each_other() {
    let (north, west) = pair(Scope::Selected).await;
    let here = north.create(100, &[WEST]).await;
    caught_up(&west, &north, &FeedId::Root).await;
    let there = west.create(100, &[NORTH]).await;
    caught_up(&north, &west, &home(WEST)).await;
    caught_up(&west, &north, &north_home()).await;
    assert!(has(&north, &there, 1));
    assert!(has(&west, &here, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_changes_come_in_few_entries_and_none_is_left_out() {
    let (north, west) = pair(Scope::All).await;
    caught_up(&west, &north, &FeedId::Root).await;
    let uid = north.create(100, &[]).await;
    let before = west.state().index();
    for number in 2..=80 {
        north.put(uid, value(number, 2_000)).await;
    }
    caught_up(&west, &north, &north_home()).await;
    let entries = west.state().index().0 - before.0;
    assert!(
        entries < 160,
        "{entries} entries for 79 puts of two changes"
    );
    let secret = west.state();
    let secret = secret.secret(&uid).unwrap();
    assert_eq!(secret.versions.len(), 80);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_age_of_a_feed_stays_small_and_grows_when_its_primary_is_gone() {
    let (north, west) = pair(Scope::Selected).await;
    caught_up(&west, &north, &FeedId::Root).await;
    let staleness = west.first().replication.staleness();
    let is_young = |feed: &FeedId| {
        let age = staleness.age(feed);
        age.is_some_and(|age| age < Duration::from_millis(500))
    };
    eventually("both feeds are young", || {
        is_young(&FeedId::Root) && is_young(&north_home())
    })
    .await;
    north.isolate();
    eventually("the feed grows old", || {
        let age = staleness.age(&FeedId::Root);
        age.is_some_and(|age| age > Duration::from_secs(2))
    })
    .await;
    let ages = west
        .first()
        .consensus
        .ask_ages(crate::support::soon())
        .await;
    let ages = ages.expect("ages");
    let root = ages.iter().find(|(feed, _)| *feed == FeedId::Root);
    assert!(root.expect("the root feed").1 > Duration::from_secs(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn progress_and_announcements_are_told_and_kept() {
    let (north, west) = pair(Scope::Selected).await;
    north.create(100, &[WEST]).await;
    caught_up(&west, &north, &north_home()).await;
    let replication = &west.first().replication;
    let (_, told) = replication.progress().all().remove(0);
    assert_eq!(told.node, Some(machine::NodeId(1)));
    assert!(told.received_bytes > 0 && told.imported_changes > 0);
    assert!(told.troubles.is_empty(), "{:?}", told.troubles);
    let stands = crate::linked::stands(&north, &north_home());
    let announced = || replication.heard().announced(&north_home());
    eventually("the position is announced", || {
        announced().is_some_and(|announced| announced.cursor == stands)
    })
    .await;
    north.isolate();
    eventually("the stream has ended", || {
        replication.progress().all().remove(0).1.node.is_none()
    })
    .await;
    assert!(announced().is_some(), "it outlives the stream");
}
