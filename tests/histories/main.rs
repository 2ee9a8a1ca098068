//! Histories of real processes under faults: what clients of every node see of few secrets is
//! linearizable, whatever happens to the nodes. Every value is written once, so what is read tells
//! which write it shows. Acknowledged writes that get lost are refused too: the last reads, after
//! everything is healed, are part of each history.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod check;
mod faults;
mod workload;

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::Region;

use check::{Call, Moment, Operation, Outcome, is_linearizable};
use faults::{Fault, keep, pick};
use workload::{Record, Shared};

/// Histories, unless `STRONGROOM_COUNT` says otherwise.
const HISTORIES: u64 = 4;
/// Clients at once, two of each node.
const CLIENTS: u64 = 6;
/// Faults in one history.
const FAULTS: usize = 3;

#[test]
#[ignore = "long"]
fn histories_of_clients_under_faults_are_linearizable() {
    let count = number("STRONGROOM_COUNT").unwrap_or(HISTORIES);
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_123);
    println!("seed {seed}, {count} histories; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut region = Region::tapped("info");
    let mut kinds = BTreeMap::<Fault, usize>::new();
    let (mut calls, mut unknown) = (0, 0);
    for at in 0..count {
        // The seed of one history: with it and a count of one it is repeated.
        let seed = seed + at;
        let mut random = StdRng::seed_from_u64(seed);
        let faults: Vec<Fault> = (0..FAULTS)
            .map(|_| *pick(&mut random, &Fault::ALL))
            .collect();
        let shared = record(&runtime, &mut region, at, &faults, &mut random);
        let counted = shared.count();
        println!("history {seed}: {counted:?} calls and unknown outcomes, {faults:?}");
        let refused = shared.refused();
        if !refused.is_empty() {
            let file = strongroom_tests::root().join(format!("target/history-{seed}.txt"));
            std::fs::write(&file, shared.text()).unwrap();
            panic!("seed {seed}: secrets {refused:?} are not linearizable, see {file:?}");
        }
        faults
            .iter()
            .for_each(|fault| *kinds.entry(*fault).or_default() += 1);
        calls += counted.0;
        unknown += counted.1;
    }
    println!("soak: {count} histories linearizable, {calls} calls, {unknown} unknown, {kinds:?}");
}

/// Lets clients call secrets of this history while faults happen, heals all and reads everything.
fn record(
    runtime: &tokio::runtime::Runtime,
    region: &mut Region,
    at: u64,
    faults: &[Fault],
    random: &mut StdRng,
) -> std::sync::Arc<Shared> {
    let shared = Shared::new(at);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|at| {
            let client = runtime.block_on(async { workload::client(region, at % 3 + 1) });
            runtime.spawn(workload::run(shared.clone(), client, random.random()))
        })
        .collect();
    keep(Duration::from_millis(300));
    for fault in faults {
        fault.happen(region, random);
        keep(Duration::from_millis(random.random_range(100..600)));
    }
    shared.over.store(true, Ordering::Release);
    runtime.block_on(async {
        for client in clients {
            client.await.unwrap();
        }
    });
    for node in region.nodes() {
        region.wait_for(node);
    }
    for node in region.nodes() {
        runtime
            .block_on(async { workload::read_all(&shared, &workload::client(region, node)).await });
    }
    region.wait_for_equal_hashes();
    shared
}

#[test]
fn a_history_with_a_stale_read_is_refused() {
    let fresh = [
        (Call::Create(1), Outcome::Done),
        (Call::Put(2), Outcome::Done),
        (Call::Get, Outcome::Value(2)),
    ];
    assert!(linearizable_in_turn(&fresh));
    let mut stale = fresh;
    stale[2].1 = Outcome::Value(1);
    assert!(!linearizable_in_turn(&stale));
}

#[test]
fn a_history_that_lost_an_acknowledged_write_is_refused() {
    let lost = [
        (Call::Create(1), Outcome::Done),
        (Call::Put(2), Outcome::Done),
        (Call::Put(3), Outcome::Done),
        (Call::GetPrevious, Outcome::Value(1)),
    ];
    assert!(!linearizable_in_turn(&lost));
}

#[test]
fn a_write_without_an_outcome_may_show_late_or_never_but_not_early() {
    let write = (Call::Put(2), Outcome::Unknown);
    let old = (Call::Get, Outcome::Value(1));
    let new = (Call::Get, Outcome::Value(2));
    let create = (Call::Create(1), Outcome::Done);
    assert!(linearizable_in_turn(&[create, write, old, new]));
    assert!(linearizable_in_turn(&[create, write, old, old]));
    assert!(!linearizable_in_turn(&[create, new, write]));
    assert!(!linearizable_in_turn(&[create, write, new, old]));
}

#[test]
fn a_stale_read_put_into_a_long_history_is_refused() {
    let mut record = Record::default();
    for value in 1..200 {
        let call = if value == 1 {
            Call::Create(value)
        } else {
            Call::Put(value)
        };
        for (call, outcome) in [(call, Outcome::Done), (Call::Get, Outcome::Value(value))] {
            record.operations.push(Operation { call, outcome });
        }
    }
    let shared = Shared::new(0);
    let ends = record.operations.len();
    // Two calls overlap all along, as those of two clients.
    record.moments = (0..=ends)
        .flat_map(|at| [(at, true), (at.wrapping_sub(1), false)])
        .filter(|(at, _)| *at < ends)
        .map(|(at, begins)| match begins {
            true => (0, Moment::Begins(at)),
            false => (0, Moment::Ends(at)),
        })
        .collect();
    *shared.records[0].lock().unwrap() = record;
    assert_eq!(shared.refused(), [0; 0]);
    shared.records[0].lock().unwrap().operations[301].outcome = Outcome::Value(140);
    assert_eq!(shared.refused(), [0]);
}

/// Whether calls that follow each other can have these outcomes.
fn linearizable_in_turn(calls: &[(Call, Outcome)]) -> bool {
    let operation = |(call, outcome): &(Call, Outcome)| Operation {
        call: *call,
        outcome: *outcome,
    };
    let operations: Vec<Operation> = calls.iter().map(operation).collect();
    let moments: Vec<Moment> = (0..calls.len())
        .flat_map(|at| [Moment::Begins(at), Moment::Ends(at)])
        .collect();
    is_linearizable(&operations, &moments)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}
