//! R8: a leader that was paused never answers a stale read. The same test with openraft's own read
//! index finds stale answers, so it would find ours.

use std::time::Duration;

use machine::Uid;

use super::node::Settings;
use super::region::{Region, create, propose};
use super::{Random, soon};
use crate::options::DangerReads;

/// What the rounds of one run saw.
#[derive(Default, Debug)]
struct Seen {
    fresh: usize,
    stale: usize,
    refused: usize,
}

/// Pauses the leader in the middle of writes, lets the others go on without it, and asks it the
/// moment it wakes.
async fn pause_rounds(reads: DangerReads, rounds: usize, enough_stale: usize) -> Seen {
    let settings = Settings {
        reads,
        ..Settings::default()
    };
    let region = Region::of(3, settings).await;
    let mut random = Random::new();
    let mut seen = Seen::default();
    region.fabric.delay(Duration::from_millis(5));
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

async fn round(region: &Region, random: &mut Random, seen: &mut Seen) {
    let leader = region.leader().await;
    let others: Vec<u64> = region
        .ids()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    // Writes under way when the pause comes: their replies arrive while the leader sleeps.
    let writers: Vec<_> = (0..8)
        .map(|_| {
            let (_, command) = create(None);
            let until = soon();
            region
                .node(leader)
                .run(move |consensus| propose(consensus, command, until))
        })
        .collect();
    tokio::time::sleep(Duration::from_micros(random.below(20_000))).await;
    let paused = region.node(leader).pause();
    let via = region.leader_among(&others).await;
    let uid = region.write(via).await.expect("written");
    // Asked after the write was acknowledged, answered once the leader wakes.
    let mut reads = Vec::new();
    for _ in 0..16 {
        reads.push(region.node(leader).run(move |consensus| async move {
            let at = soon();
            let first = shows(&consensus, at, uid).await;
            tokio::time::sleep(Duration::from_millis(1)).await;
            [first, shows(&consensus, at, uid).await]
        }));
    }
    drop(paused);
    for read in reads {
        for answer in read.await {
            match answer {
                Some(true) => seen.fresh += 1,
                Some(false) => seen.stale += 1,
                None => seen.refused += 1,
            }
        }
    }
    for writer in writers {
        // Whether they were written does not matter.
        let _ = writer.await;
    }
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
    let seen = pause_rounds(DangerReads::Barrier, 12, 1).await;
    assert_eq!(seen.stale, 0, "{seen:?}");
    assert!(seen.fresh > 0, "{seen:?}");
}

#[tokio::test]
async fn openrafts_read_index_answers_stale_reads_so_the_test_above_means_something() {
    let seen = pause_rounds(DangerReads::OpenraftReadIndex, 80, 1).await;
    assert!(seen.stale > 0, "{seen:?}");
}
