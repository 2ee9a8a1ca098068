//! Planned restarts of the leader: callers with the client's defaults see no error, and hardly a
//! pause.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod load;

use std::time::Instant;

use strongroom_tests::Region;
use strongroom_tests::gaps::{Times, second_around};
use strongroom_tests::shell::until;
use strongroom_tests::stalls::Watcher;
use tokio::runtime::Runtime;

use load::{Ledger, Load, connect};

/// Calls between two restarts at least: how many a busy machine makes in a time says nothing.
const CALLS: u64 = 1_000;

/// Restarts of the short form.
const RESTARTS: u64 = 3;

#[test]
#[ignore = "restarts leaders for ten seconds"]
fn planned_restarts_of_the_leader_fail_no_call_and_repeat_few() {
    let restarts = std::env::var("STRONGROOM_COUNT").ok();
    let restarts = restarts.map_or(RESTARTS, |count| count.parse().unwrap());
    let mut region = Region::founded();
    let (scheduling, disk) = (Watcher::of_scheduling(), Watcher::of_disk(region.folder()));
    let runtime = Runtime::new().unwrap();
    let ledger = Ledger::new();
    let load = runtime.block_on(async { Load::start(&region, &ledger) });
    wait_for_writes(&ledger, Instant::now());
    let (mut pauses, mut slowest) = (Times::new(), Times::new());
    for number in 1..=restarts {
        wait_for_calls(&load);
        let leader = region.leader();
        ledger.forget_times();
        wait_for_writes(&ledger, Instant::now());
        let began = Instant::now();
        region.stop(leader);
        region.start(leader, &[]);
        region.wait_for(leader);
        until("it is ready", || {
            let answer = region.probe(leader, "/ready");
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
        wait_for_writes(&ledger, Instant::now());
        let pause = ledger.gap(began);
        let took = pause.1 - pause.0;
        println!("restart {number}, of node {leader}: {took:?} without a write");
        slowest.add(ledger.slowest_write(began), String::new);
        pauses.add(took, || {
            let (from, to) = second_around(pause);
            let sync = disk.stalls().longest_ms(from, to);
            let late = scheduling.stalls().longest_ms(from, to);
            format!("restart {number}, sync {sync:.1} ms, a thread woke {late:.1} ms late")
        });
    }
    let counts = runtime.block_on(load.stop());
    let client = runtime.block_on(async { connect(&region, region.endpoints()) });
    runtime.block_on(ledger.verify(&client, false));
    region.wait_for_equal_hashes();
    let (calls, repeated, failed) = (counts.calls, counts.repeated, ledger.failed());
    println!(
        "soak: {restarts} restarts of the leader under load, {} of {calls} calls failed, \
         {repeated} were repeated, {} doubled; {} acknowledged writes, without one {}, worst: {}; \
         slowest write {}",
        failed.len(),
        counts.doubled,
        ledger.writes(),
        pauses.line(&[(0.99, 250.0)]),
        pauses.worst(),
        slowest.line(&[])
    );
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(
        (repeated + counts.doubled) * 100 < calls,
        "{repeated} of {calls} calls were repeated, {} doubled",
        counts.doubled
    );
}

/// Waits for as many calls as there must be between two restarts, however slow they are.
fn wait_for_calls(load: &Load) {
    let before = load.counts().calls;
    for some in (0..=CALLS).step_by(100) {
        until("some more calls", || {
            (load.counts().calls >= before + some).then_some(())
        });
    }
}

fn wait_for_writes(ledger: &Ledger, since: Instant) {
    until("every caller's write is acknowledged", || {
        ledger.all_wrote_since(since).then_some(())
    });
}
