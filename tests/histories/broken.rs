//! Regions that break what the promise rests on: the histories must show it.

use std::time::Duration;

use rand::SeedableRng;
use rand::rngs::StdRng;
use strongroom_tests::Order;
use tokio::runtime::Runtime;

use crate::check::Verdict;
use crate::faults::keep;
use crate::stage::Stage;

/// Leases rest on clocks whose rates differ by a tenth at most. Here the leader's is a hundred
/// times too slow, so it believes in a lease that has long run out, while the others have a leader.
#[test]
#[ignore = "long"]
fn a_leader_whose_lease_outlives_its_promises_is_caught() {
    let runtime = Runtime::new().unwrap();
    let mut stage = Stage::new(&runtime, "lease");
    let mut random = StdRng::seed_from_u64(1);
    stage.begin(1, &mut random);
    let leader = stage.region.leader();
    let mut others = stage.region.nodes();
    others.retain(|node| *node != leader);
    let cut = |is_cut| {
        for other in &others {
            stage.region.cut(leader, *other, is_cut);
            stage.region.cut(*other, leader, is_cut);
        }
    };
    cut(true);
    stage.region.order(leader, Order::ClockRate, -990_000);
    keep(Duration::from_millis(2_000));
    stage.region.order(leader, Order::ClockRate, 0);
    cut(false);
    let shared = stage.end();
    let refused = shared.refused();
    std::fs::write(stage.region.path("history.txt"), shared.text()).unwrap();
    println!("node {leader} was slow, refused: {refused:?}");
    let caught = |(_, verdict): &(usize, Verdict)| *verdict == Verdict::NotLinearizable;
    assert!(refused.iter().any(caught), "{refused:?}");
}
