//! The power-loss test: no acknowledged write is lost, whenever the power goes.
//!
//! A process works on a real store while every file system call it makes is recorded. The power is
//! then cut behind any call: a directory is written that holds what was synced, and of the rest
//! what chance leaves of it (`disk.rs`). The real store must open there, hold everything that was
//! acknowledged by then, hold nothing else, and go on; and it is cut again while it recovers.
//!
//! `POWER_SEED` repeats every choice of a run, `POWER_CUTS` makes it longer; `scripts/soak power
//! --cuts N` does. How the threads take turns is not repeated: a failure leaves on disk the trace
//! and what the cut left, which opens the same way every time.

mod content;
mod cuts;
mod disk;
mod file;
mod kills;
mod ledger;
mod mark;
mod node;
mod recording;
mod round;
mod trace;
mod verify;
mod workload;

use std::path::PathBuf;

use rand::Rng;
use rand::rngs::StdRng;

use crate::cuts::MOMENTS;
use crate::recording::Broken;
use crate::round::{Session, Tally};

const CUTS: usize = 72;
/// Kills followed by a cut.
const KILLS: usize = 24;

#[test]
#[ignore = "takes half a minute"]
fn no_acknowledged_write_is_lost_at_any_power_cut() {
    let cuts = number("POWER_CUTS").map_or(CUTS, |cuts| cuts as usize);
    let mut session = Session::new(seed());
    let tally = session.cut(cuts, None);
    report(&tally);
    for failure in &tally.failures {
        println!("{failure}");
    }
    assert_eq!(
        tally.failures.len(),
        0,
        "seed {}: run again with POWER_SEED",
        session.seed()
    );
    for (moment, name) in MOMENTS {
        let fell = tally.moments.get(&moment).copied().unwrap_or(0);
        assert!(fell > 0, "seed {}: no cut fell {name}", session.seed());
    }
}

#[test]
#[ignore = "takes half a minute"]
fn a_build_without_data_sync_loses_acknowledged_writes() {
    must_fail(Broken::DataSync);
}

#[test]
#[ignore = "takes half a minute"]
fn a_build_without_directory_sync_loses_acknowledged_writes() {
    must_fail(Broken::DirectorySync);
}

#[test]
#[ignore = "takes ten seconds"]
fn what_a_node_finds_after_a_kill_survives_a_power_cut() {
    let kills = number("POWER_CUTS").map_or(KILLS, |cuts| cuts as usize);
    let session = Session::new(seed());
    let failures = session.kill(kills);
    println!("{kills} kills, {} failures", failures.len());
    failures.iter().for_each(|failure| println!("{failure}"));
    assert_eq!(failures.len(), 0, "seed {}", session.seed());
}

#[test]
fn the_recorder_sees_every_change_of_the_directory() {
    Session::new(seed()).compare_with_reality();
}

/// Not a test but the process that is recorded: the tests run it under the recorder.
#[test]
fn the_recorded_process() {
    let path = |name| std::env::var_os(name).map(PathBuf::from);
    if let (Some(root), Some(keyring), Some(marks)) = (
        path("POWER_ROOT"),
        path("POWER_KEYRING"),
        path("POWER_MARKS"),
    ) {
        match number("POWER_STEPS").unwrap() {
            0 => workload::reopen(&root, &keyring, &marks).unwrap(),
            steps => workload::run(&root, &keyring, &marks, seed(), steps as usize).unwrap(),
        }
    }
}

/// The same test, on a build that leaves a sync out, must find that it loses something.
fn must_fail(broken: Broken) {
    let mut session = Session::new(seed());
    let tally = session.cut(CUTS, Some(broken));
    println!(
        "{} of {} cuts failed without {broken:?}",
        tally.failures.len(),
        tally.cuts
    );
    println!("the first: {:?}", tally.failures.first());
    assert!(
        !tally.failures.is_empty(),
        "seed {}: nothing was noticed",
        session.seed()
    );
}

fn report(tally: &Tally) {
    let fell = |moment| tally.moments.get(&moment).copied().unwrap_or(0);
    let mut summary = format!(
        "{} power cuts, {} failures",
        tally.cuts,
        tally.failures.len()
    );
    for (moment, name) in MOMENTS {
        println!("  {:4} {name}", fell(moment));
        summary += &format!(", {} {name}", fell(moment));
    }
    println!("  {:4} with a torn end of the log cut off", tally.torn);
    println!("soak: {summary}");
}

fn seed() -> u64 {
    number("POWER_SEED").unwrap_or_else(|| u64::from(rand::make_rng::<StdRng>().next_u32()))
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} is not a number")),
    )
}
