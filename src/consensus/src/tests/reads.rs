//! R8: a leader that was paused never answers a stale read. The same test with openraft's own read
//! index finds stale answers, so it would find ours.

use std::time::Duration;

use machine::Uid;

use super::fabric::{Link, Way};
use super::node::Settings;
use super::region::{Region, create, propose};
use super::{Random, eventually, soon};
use crate::{Broken, Danger, Reads};

/// One way, so that news of another leader takes longer than the answers that were under way.
const DELAY: Duration = Duration::from_millis(20);

/// What the rounds of one run saw.
#[derive(Default, Debug)]
struct Seen {
    fresh: usize,
    stale: usize,
    refused: usize,
}

/// Pauses the leader in the middle of writes, lets the others go on without it, and asks it the
/// moment it wakes.
async fn pause_rounds(settings: Settings, rounds: usize, enough_stale: usize) -> Seen {
    let region = Region::of(3, settings).await;
    let mut random = Random::new();
    let mut seen = Seen::default();
    region.fabric.delay(DELAY);
    for _ in 0..rounds {
        round(&region, &mut random, &mut seen).await;
        if seen.stale >= enough_stale {
            break;
        }
    }
    region.fabric.delay(Duration::ZERO);
    region.agree().await;
    seen
}

/// What openraft gets wrong: two appends are answered while the leader sleeps. It wakes, a read
/// comes, the first answer commits the entry, which sends an empty append to the second peer, and
/// the old answer of that peer is taken for one to the new append.
async fn round(region: &Region, random: &mut Random, seen: &mut Seen) {
    let leader = region.leader().await;
    let others: Vec<u64> = region
        .ids()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    settle(region, leader, &others).await;
    let each = |way: Way, link: Link| {
        for other in &others {
            region.fabric.set(*other, leader, way, link);
        }
    };
    each(Way::Replies, Link::Silent);
    let writers: Vec<_> = (0..4)
        .map(|_| {
            let (_, command) = create(None);
            let until = soon();
            region
                .node(leader)
                .run(move |consensus| propose(consensus, command, until))
        })
        .collect();
    pause(random, 30_000, 10_000).await;
    let paused = region.node(leader).pause();
    each(Way::Asks, Link::Silent);
    let via = region.leader_among(&others).await;
    let uid = region.write(via).await.expect("written");
    // Asked after the write was acknowledged, answered once the leader wakes.
    let reads: Vec<_> = (0..8)
        .map(|_| {
            region
                .node(leader)
                .run(move |consensus| async move { shows(&consensus, soon(), uid).await })
        })
        .collect();
    drop(paused);
    let first = usize::from(random.below(2) == 1);
    for other in [others[first], others[1 - first]] {
        pause(random, 2_000, 10_000).await;
        region.fabric.set(other, leader, Way::Replies, Link::Up);
    }
    pause(random, 40_000, 10_000).await;
    each(Way::Asks, Link::Up);
    for read in reads {
        match read.await {
            Some(true) => seen.fresh += 1,
            Some(false) => seen.stale += 1,
            None => seen.refused += 1,
        }
    }
    for writer in writers {
        // Whether they were written does not matter.
        let _ = writer.await;
    }
}

/// Waits until both peers have everything and their append streams are idle.
async fn settle(region: &Region, leader: u64, others: &[u64]) {
    region.write(leader).await.expect("written");
    let members = &region.node(leader).consensus.inner.members;
    eventually("both peers have everything", || {
        others.iter().all(|other| members.lag(*other) == 0)
    })
    .await;
    tokio::time::sleep(DELAY * 4).await;
}

async fn pause(random: &mut Random, least_us: u64, spread_us: u64) {
    let pause = Duration::from_micros(least_us + random.below(spread_us));
    tokio::time::sleep(pause).await;
}

async fn shows(
    consensus: &crate::Consensus,
    deadline: tokio::time::Instant,
    uid: Uid,
) -> Option<bool> {
    let view = consensus.read(deadline).await.ok()?;
    Some(view.secret(&uid).is_some())
}

#[tokio::test]
async fn a_paused_leader_never_answers_a_stale_read() {
    for reads in [Reads::Lease, Reads::ReadIndex] {
        let settings = Settings {
            reads,
            ..Settings::default()
        };
        let seen = pause_rounds(settings, 8, 1).await;
        assert_eq!(seen.stale, 0, "{reads:?}: {seen:?}");
        assert!(seen.fresh > 0, "{reads:?}: {seen:?}");
    }
}

#[tokio::test]
async fn openrafts_read_index_answers_stale_reads_so_the_test_above_means_something() {
    let settings = Settings {
        danger: Danger::of(Broken::OpenraftReadIndex),
        ..Settings::default()
    };
    let seen = pause_rounds(settings, 40, 1).await;
    assert!(seen.stale > 0, "{seen:?}");
}
