//! Histories of real processes under faults: what clients of every node see of few secrets is
//! linearizable, whatever happens to the nodes. Every value is written once, so what is read tells
//! which write it shows. Acknowledged writes that get lost are refused too: the last reads, after
//! everything is healed, are part of each history.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod broken;
mod check;
mod faults;
mod stage;
mod workload;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::runtime::Runtime;

use check::{Call, Moment, Operation, Outcome, Verdict, judge};
use faults::Fault;
use stage::Stage;
use workload::{Record, Shared};

/// Histories, unless `STRONGROOM_COUNT` says otherwise: as many as it takes to have every fault.
const HISTORIES: u64 = 8;

/// What a lane of histories came to.
#[derive(Default)]
struct Sum {
    histories: u64,
    calls: usize,
    unknown: usize,
    kinds: BTreeMap<Fault, usize>,
}

#[test]
#[ignore = "long"]
fn histories_of_clients_under_faults_are_linearizable() {
    let count = number("STRONGROOM_COUNT").unwrap_or(HISTORIES);
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_123);
    println!("seed {seed}, {count} histories; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let began = Instant::now();
    let runtime = Runtime::new().unwrap();
    // Histories mostly wait, so each way to read has a region of its own, at the same time.
    let lane = |reads| {
        let mut seeds = (seed..seed + count).filter(|seed| reads_of(*seed) == reads);
        let first = seeds.next()?;
        let mut stage = Stage::new(&runtime, reads);
        let mut sum = Sum::default();
        std::iter::once(first)
            .chain(seeds)
            .for_each(|seed| history(&mut stage, seed, reads, &mut sum));
        Some(sum)
    };
    let [lease, read_index] = std::thread::scope(|threads| {
        ["lease", "read-index"]
            .map(|reads| threads.spawn(move || lane(reads)))
            .map(|lane| lane.join().unwrap().unwrap_or_default())
    });
    let mut kinds = lease.kinds;
    for (kind, times) in read_index.kinds {
        *kinds.entry(kind).or_default() += times;
    }
    let (wall, cpu) = (began.elapsed().as_secs_f64(), cpu_seconds());
    println!(
        "soak: {count} histories linearizable ({} lease, {} read-index), {} calls, {} unknown, \
         {kinds:?}, {:.1} s and {:.1} CPU s each",
        lease.histories,
        read_index.histories,
        lease.calls + read_index.calls,
        lease.unknown + read_index.unknown,
        wall / count as f64,
        cpu / count as f64,
    );
}

/// Records one history and judges it. Everything is chosen by its seed: with it and a count of one
/// it is repeated, as far as time and threads repeat themselves.
fn history(stage: &mut Stage, seed: u64, reads: &str, sum: &mut Sum) {
    let began = Instant::now();
    let mut random = StdRng::seed_from_u64(seed);
    let faults = Fault::of(seed, &mut random);
    println!("history {seed}: {reads}, {faults:?}");
    let shared = stage.record(seed, &faults, &mut random);
    let (calls, unknown) = shared.count();
    let recorded = began.elapsed();
    let refused = shared.refused();
    println!(
        "history {seed}: {reads}, {faults:?}, {calls} calls, {unknown} unknown, {:.1} s, judged in \
         {} ms",
        recorded.as_secs_f64(),
        (began.elapsed() - recorded).as_millis(),
    );
    if !refused.is_empty() {
        let file = stage.region.path("history.txt");
        std::fs::write(&file, shared.text()).unwrap();
        panic!("seed {seed}: {refused:?}, by secret; see {file}");
    }
    sum.histories += 1;
    sum.calls += calls;
    sum.unknown += unknown;
    faults
        .iter()
        .for_each(|fault| *sum.kinds.entry(*fault).or_default() += 1);
}

/// How the nodes of a history read.
fn reads_of(seed: u64) -> &'static str {
    if StdRng::seed_from_u64(!seed).random() {
        "lease"
    } else {
        "read-index"
    }
}

/// The CPU time of this process and of all that it started and that have ended, in seconds.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let fields = fields.split_whitespace().skip(11).take(4);
    let ticks: u64 = fields.map(|field| field.parse::<u64>().unwrap()).sum();
    ticks as f64 / 100.0
}

#[test]
fn a_history_that_cannot_be_judged_in_time_is_undecided() {
    // Any set of the writes may have been done, in any order, before a read that nothing explains.
    let writes = (1..60).map(|value| (Call::Put(value), Outcome::Unknown));
    let create = (Call::Create(100), Outcome::Done);
    let read = (Call::Get, Outcome::Value(200));
    let calls: Vec<_> = [create].into_iter().chain(writes).chain([read]).collect();
    let judged = judge_in_turn(&calls, Duration::from_millis(50));
    assert_eq!(judged, Verdict::Undecided);
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
fn many_writes_without_an_outcome_are_judged_in_time() {
    // Clients that time out leave dozens behind; a few of them are seen later.
    let mut calls = vec![(Call::Create(1), Outcome::Done)];
    for value in 2..60 {
        calls.push((Call::Put(value), Outcome::Unknown));
        if value % 10 == 0 {
            calls.push((Call::Get, Outcome::Value(value)));
        }
    }
    let time = Duration::from_secs(10);
    assert_eq!(judge_in_turn(&calls, time), Verdict::Linearizable);
    // What a later read has replaced must not be seen again.
    calls.push((Call::Get, Outcome::Value(40)));
    assert_ne!(
        judge_in_turn(&calls, Duration::from_millis(50)),
        Verdict::Linearizable
    );
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
    assert_eq!(shared.refused(), []);
    shared.records[0].lock().unwrap().operations[301].outcome = Outcome::Value(140);
    assert_eq!(shared.refused(), [(0, Verdict::NotLinearizable)]);
}

/// Whether calls that follow each other can have these outcomes.
fn linearizable_in_turn(calls: &[(Call, Outcome)]) -> bool {
    let verdict = judge_in_turn(calls, Duration::from_secs(10));
    assert_ne!(verdict, Verdict::Undecided);
    verdict == Verdict::Linearizable
}

fn judge_in_turn(calls: &[(Call, Outcome)], time: Duration) -> Verdict {
    let operation = |(call, outcome): &(Call, Outcome)| Operation {
        call: *call,
        outcome: *outcome,
    };
    let operations: Vec<Operation> = calls.iter().map(operation).collect();
    let moments: Vec<Moment> = (0..calls.len())
        .flat_map(|at| [Moment::Begins(at), Moment::Ends(at)])
        .collect();
    judge(&operations, &moments, time)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}
