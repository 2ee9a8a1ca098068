//! Feeds that another region took over.

use machine::{Command, FeedId, Scope};
use strongroom_replication::Trouble;

use crate::linked::{beside, caught_up, has, north_home, pair, settled};
use crate::support::region::{audit, value};
use crate::support::{NORTH, SOUTH, WEST, eventually, home, name, soon};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_third_region_follows_the_one_that_took_over_and_so_does_the_lost_one() {
    let (north, west) = pair(Scope::All).await;
    let south = beside(&north, SOUTH, Scope::All).await;
    settled(&north, &[WEST, SOUTH]).await;
    let first = north.create(100, &[]).await;
    for region in [&west, &south] {
        caught_up(region, &north, &FeedId::Root).await;
        caught_up(region, &north, &north_home()).await;
    }
    eventually("west reaches south", || {
        let all = west.first().replication.progress().all();
        all.iter().filter(|(_, told)| told.node.is_some()).count() == 2
    })
    .await;
    let replication = &west.first().replication;
    let report = replication
        .promote(&name(NORTH), true, audit(), soon())
        .await;
    let report = report.expect("promoted");
    assert_eq!(report.feeds.len(), 2);
    // North hears of it, has nothing of its own, and follows.
    for region in [&south, &north] {
        caught_up(region, &west, &FeedId::Root).await;
        caught_up(region, &west, &north_home()).await;
    }
    assert!(!north.state().is_primary(&north_home()));
    let after = west.create(100, &[NORTH, SOUTH]).await;
    caught_up(&south, &west, &home(WEST)).await;
    caught_up(&north, &west, &home(WEST)).await;
    assert!(has(&north, &after, 1));
    assert!(has(&south, &first, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_with_changes_that_nobody_else_has_is_in_trouble_and_destroys_nothing() {
    let (north, mut west) = pair(Scope::All).await;
    settled(&north, &[WEST]).await;
    caught_up(&west, &north, &FeedId::Root).await;
    caught_up(&west, &north, &north_home()).await;
    // West hears nothing of what north writes last.
    west.isolate();
    let orphan = north.create(100, &[]).await;
    west.done(Command::TakeOver(machine::TakeOver {
        region: name(NORTH),
        heard: Vec::new(),
    }))
    .await;
    west.come_back();
    let trouble = || {
        let all = north.first().replication.progress().all();
        let west = all.into_iter().find(|(region, _)| *region == name(WEST));
        let told = west.map(|(_, told)| told.troubles).unwrap_or_default();
        told.get(&north_home()).cloned()
    };
    eventually("north is told", || {
        trouble() == Some(Trouble::Diverged(north_home()))
    })
    .await;
    assert!(has(&north, &orphan, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_region_that_was_away_gets_what_the_lost_one_wrote_from_whoever_took_over() {
    let (north, west) = pair(Scope::All).await;
    let mut south = beside(&north, SOUTH, Scope::Selected).await;
    settled(&north, &[WEST, SOUTH]).await;
    let known = north.create(100, &[SOUTH]).await;
    for feed in [FeedId::Root, north_home()] {
        caught_up(&south, &north, &feed).await;
    }
    south.isolate();
    for number in 2..=9 {
        north.put(known, value(number, 100)).await;
    }
    let new = north.create(100, &[SOUTH]).await;
    north.put(new, value(2, 100)).await;
    for feed in [FeedId::Root, north_home()] {
        caught_up(&west, &north, &feed).await;
    }
    north.isolate();
    let replication = &west.first().replication;
    let lost = name(NORTH);
    let taken = replication.promote(&lost, true, audit(), soon());
    taken.await.expect("promoted");
    // Of rows that changed since west keeps no body: south gets their headers, and what they are
    // now.
    south.come_back();
    for feed in [FeedId::Root, north_home()] {
        caught_up(&south, &west, &feed).await;
    }
    eventually("both secrets are whole", || {
        (1..=9).all(|number| has(&south, &known, number))
            && (1..=2).all(|number| has(&south, &new, number))
            && south.state().incomplete().next().is_none()
    })
    .await;
    assert_eq!(south.state().problems().count(), 0);
}
