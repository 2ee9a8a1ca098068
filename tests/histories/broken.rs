//! Regions that break what the promise rests on: the histories must show it.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use strongroom_tests::Order;
use strongroom_tests::shell::until;
use tokio::runtime::Runtime;

use crate::check::Verdict;
use crate::faults::keep;
use crate::stage::Stage;
use crate::workload::Shared;

/// What is tried until a history shows it: it takes a read at the right time, and on a busy machine
/// the lease is over before the clock is slow.
const TRIES: u64 = 12;

/// Leases rest on clocks whose rates differ by a tenth at most. Here the leader's is a hundred
/// times too slow, so it believes in a lease that has long run out, while the others have a leader.
#[test]
#[ignore = "long"]
fn a_leader_whose_lease_outlives_its_promises_is_caught() {
    let runtime = Runtime::new().unwrap();
    let mut stage = Stage::new(&runtime, "lease");
    // A lease that happened to be over when the clock became slow shows nothing.
    let caught = (1..=TRIES).any(|history| {
        let shared = slow_leader(&mut stage, history);
        is_caught(&stage, &shared)
    });
    assert!(caught, "{TRIES} histories are linearizable");
}

/// A history in which a leader with a slow clock is cut off while the others elect another.
fn slow_leader(stage: &mut Stage, history: u64) -> Arc<Shared> {
    let mut random = StdRng::seed_from_u64(history);
    stage.begin(history, &mut random);
    let leader = stage.region.leader();
    let mut others = stage.region.nodes();
    others.retain(|node| *node != leader);
    let cut = |is_cut| {
        for other in &others {
            stage.region.cut(leader, *other, is_cut);
            stage.region.cut(*other, leader, is_cut);
        }
    };
    stage.region.order(leader, Order::ClockRate, -990_000);
    cut(true);
    until("another one leads", || {
        let leads = |node: &&u64| is_leader(&stage.region.metrics(**node));
        others.iter().find(leads)
    });
    keep(Duration::from_millis(2_000));
    stage.region.order(leader, Order::ClockRate, 0);
    cut(false);
    stage.end()
}

/// A majority whose disks go back in time, as one does that lies about its syncs.
#[test]
#[ignore = "long"]
fn a_majority_that_forgets_what_it_acknowledged_is_caught() {
    let runtime = Runtime::new().unwrap();
    let mut stage = Stage::new(&runtime, "read-index");
    let mut random = StdRng::seed_from_u64(2);
    stage.region.kill_all();
    for node in [1, 2] {
        copy(
            &stage.region.data(node),
            &stage.region.path(&format!("old-{node}")),
        );
    }
    stage.region.start_all();
    stage.begin(2, &mut random);
    keep(Duration::from_secs(1));
    stage.region.kill_all();
    for node in [1, 2] {
        std::fs::remove_dir_all(stage.region.data(node)).unwrap();
        let old = stage.region.path(&format!("old-{node}"));
        std::fs::rename(old, stage.region.data(node)).unwrap();
        // The third knows better, and would not vote for them.
        stage.region.start(node, &[]);
    }
    let shared = stage.end();
    assert!(is_caught(&stage, &shared), "a linearizable history");
}

fn is_leader(metrics: &str) -> bool {
    metrics
        .lines()
        .any(|line| line == "strongroom_consensus_leader 1")
}

fn copy(from: &Path, to: &str) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.unwrap().success());
}

fn is_caught(stage: &Stage, shared: &Shared) -> bool {
    let refused = shared.refused();
    std::fs::write(stage.region.path("history.txt"), shared.text()).unwrap();
    println!("refused: {refused:?}");
    let caught = |(_, verdict): &(usize, Verdict)| *verdict == Verdict::NotLinearizable;
    refused.iter().any(caught)
}
