//! How long a region takes no write after its leader is lost, with leases and without.

use std::sync::Arc;
use std::time::Duration;

use store::MemoryLog;
use strongroom_tests::gaps::Times;
use tokio::time::Instant;

use super::fabric::Link;
use super::kills::Stage;
use super::node::{Disk, Settings};
use super::region::{Region, create, value};
use super::storage::Watched;
use super::{eventually, soon};
use crate::lag;
use crate::limits::BARRIER_ROUND_TIMEOUT;
use crate::{MembershipError, Reads};

const ELECTION_MAX: Duration = Duration::from_millis(200);

/// Kills of the short form.
const KILLS: usize = 8;

/// Kills the leader again and again, and answers the times without an accepted write.
async fn kill(reads: Reads, kills: usize) -> Times {
    let mut stage = Stage::with(reads).await;
    let mut times = Times::new();
    for number in 1..=kills {
        let kill = stage.kill().await;
        println!("{reads:?}, kill {number}: {:?} without a write", kill.gap);
        times.add(kill.gap, || format!("kill {number}, {}", kill.stalls));
    }
    times
}

#[tokio::test]
#[ignore = "kills leaders for ten seconds: a measurement"]
async fn killed_leaders_are_replaced_and_no_accepted_write_is_lost() {
    let count = std::env::var("STRONGROOM_COUNT").ok();
    let kills = count.map_or(KILLS, |count| count.parse().expect("a number"));
    let times = kill(Reads::Lease, kills).await;
    let (line, worst) = (times.line(&[(0.5, 500.0), (0.999, 1_000.0)]), times.worst());
    println!("soak: {kills} kills, 0 accepted writes lost; without one {line}; worst: {worst}");
}

#[tokio::test]
#[ignore = "kills leaders for twenty seconds: a measurement"]
async fn a_lost_leader_is_replaced_as_fast_with_leases_as_without() {
    let mut medians = Vec::new();
    for reads in [Reads::ReadIndex, Reads::Lease] {
        let times = kill(reads, KILLS).await;
        println!("{reads:?}: {}", times.line(&[]));
        medians.push(times.ms(0.5));
    }
    // Against each other in one run, whatever the machine; what is lost to a promise that outlives
    // its leader would be a start's refusal, several times as long.
    assert!(medians[1] < medians[0] * 2.0, "{medians:?}");
}

#[tokio::test]
async fn a_read_under_way_to_a_silent_leader_goes_on_as_soon_as_another_leads() {
    let region = Region::of(3, Settings::default()).await;
    // One of several is enough: a machine that is busy elects nobody in time.
    for _ in 0..10 {
        let leader = region.leader().await;
        let follower = leader % 3 + 1;
        let read = || {
            let node = region.node(follower);
            node.run(|consensus| async move { consensus.read(soon()).await.is_ok() })
        };
        // The connection stands: a new one would be refused.
        assert!(read().await, "no read");
        let began = Instant::now();
        region.fabric.isolate(leader, &[1, 2, 3], Link::Silent);
        assert!(read().await, "no read");
        let took = began.elapsed();
        region.fabric.isolate(leader, &[1, 2, 3], Link::Up);
        if took < BARRIER_ROUND_TIMEOUT {
            return;
        }
    }
    panic!("every read waited for an answer that could not come");
}

#[tokio::test]
#[allow(
    clippy::await_holding_lock,
    reason = "the rows of the node wait for it"
)]
async fn a_node_that_has_much_to_apply_is_not_elected_and_takes_no_leadership() {
    let rows = Arc::new(Watched::default());
    let disk = Disk::with(1, Arc::new(MemoryLog::new()), Arc::<Watched>::clone(&rows));
    let region = Region::on(disk, 3, Settings::default()).await;
    let lagging = &region.node(1).consensus.inner;
    region.node(1).consensus.tell_space_low(true);
    let leader = region.leader_among(&[2, 3]).await;
    region.node(1).consensus.tell_space_low(false);
    let held = rows.hold();
    // Apply waits for the rows, and the log goes on.
    while !(lagging.backlog.is_full() && lag::is_behind(lagging)) {
        let writes = (0..64).map(|number| {
            let (_, command) = create(Some(value(number, 30_000)));
            region.propose(leader, command)
        });
        for written in futures::future::join_all(writes).await {
            written.expect("committed").answer.expect("accepted");
        }
    }
    let members = &region.node(leader).consensus.inner.members;
    eventually("the leader knows", || {
        members.best_heir() == Some(5 - leader)
    })
    .await;
    let heir = region.node(leader).run(|consensus| async move {
        let deadline = Instant::now() + 3 * ELECTION_MAX;
        consensus.inner.members.transfer(1, deadline).await
    });
    let refused = heir.await;
    assert!(
        matches!(refused, Err(MembershipError::Lags { .. })),
        "{refused:?}"
    );
    // The leadership that was not offered goes on.
    assert_eq!(region.leader().await, leader);
    region.write(leader).await.expect("written");
    for _ in 0..4 {
        let leader = region.leader_among(&[2, 3]).await;
        region.fabric.isolate(leader, &[1, 2, 3], Link::Cut);
        let next = region.leader_among(&[1, 5 - leader]).await;
        assert_ne!(next, 1, "it was elected");
        region.fabric.isolate(leader, &[1, 2, 3], Link::Up);
    }
    drop(held);
    eventually("it has applied all", || !lag::is_behind(lagging)).await;
    region.agree().await;
}

#[tokio::test]
async fn a_follower_that_is_cut_off_knows_how_long_it_has_heard_no_leader() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = if leader == 1 { 2 } else { 1 };
    let beats = |region: &Region| {
        let silence = region.node(follower).consensus.status().leader_silence;
        silence.is_some_and(|silence| silence < ELECTION_MAX)
    };
    eventually("the follower hears its leader", || beats(&region)).await;
    let others: Vec<u64> = (1..=3).filter(|node| *node != follower).collect();
    region.fabric.isolate(follower, &others, Link::Cut);
    eventually("the follower has long heard nobody", || {
        let status = region.node(follower).consensus.status();
        // It cannot elect anybody, and goes on naming the one it knew.
        status.leader_silence > Some(3 * ELECTION_MAX)
    })
    .await;
    region.fabric.isolate(follower, &others, Link::Up);
    eventually("the follower hears its leader again", || beats(&region)).await;
}

#[tokio::test]
async fn a_leader_knows_how_far_the_others_have_the_log() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    region.write(leader).await.expect("written");
    eventually("the others have everything", || {
        let status = region.node(leader).consensus.status();
        let behind = |of: &crate::Progress| of.matched < status.last_log || of.answer_age.is_none();
        status.progress.len() == 2 && !status.progress.iter().any(behind)
    })
    .await;
    let follower = region.node(leader % 3 + 1).consensus.status();
    assert_eq!(follower.progress, []);
}
