//! Runs seeds, each in a process of its own, and says what broke.

use std::fmt::Debug;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::prelude::*;

use crate::broken::Broken;
use crate::seed::{self, Outcome};
use crate::trace::Trace;
use crate::violation::Violation;

/// Seeds within which a broken build must be caught.
const SEEDS_TO_CATCH: u64 = 20;

/// Runs `STRONGROOM_COUNT` seeds from `STRONGROOM_SEED` on, and fails when one breaks an invariant.
pub fn every(usual_count: u64) {
    let (first, count) = (
        number("STRONGROOM_SEED").unwrap_or(1),
        number("STRONGROOM_COUNT"),
    );
    let count = count.unwrap_or(usual_count);
    let (run, failed) = first_violations(first, count);
    for Outcome {
        seed, violation, ..
    } in &failed
    {
        println!("seed {seed}: {}", violation.as_deref().unwrap_or_default());
        println!("run again with STRONGROOM_SEED={seed} STRONGROOM_COUNT=1");
    }
    println!(
        "soak: {run} seeds from {first}, {} broke an invariant",
        failed.len()
    );
    assert_eq!(failed.len(), 0, "{failed:?}");
}

/// Fails when a seed does not show the same twice.
pub fn repeats() {
    let seed = number("STRONGROOM_SEED").unwrap_or(1);
    let (one, other) = (seed::run(seed, None), seed::run(seed, None));
    assert!(!one.trace.is_empty(), "{one:?}");
    assert_eq!(one, other);
}

/// Fails when no seed of some shows by one of its invariants what is broken.
pub fn is_caught(broken: Broken, invariants: &[&str]) {
    let first = number("STRONGROOM_SEED").unwrap_or(1);
    for seed in first..first + SEEDS_TO_CATCH {
        let outcome = seed::run(seed, Some(broken));
        let violation = outcome.violation.unwrap_or_default();
        if invariants.iter().any(|name| violation.starts_with(name)) {
            println!("caught at seed {seed}: {violation}");
            return;
        }
        // What is broken may show elsewhere first; then the next seed has to show it here.
        println!("seed {seed}: {violation}");
    }
    panic!("{} was not caught in {SEEDS_TO_CATCH} seeds", broken.name());
}

/// The process of one seed: runs it and tells what came of it; nothing if it is none.
pub fn one<Summary: Debug>(run: impl FnOnce(u64, &Trace, &Path) -> Result<Summary, Violation>) {
    let Some(seed) = number("SIM_SEED") else {
        return;
    };
    static PANICKED: Mutex<Option<String>> = Mutex::new(None);
    std::panic::set_hook(Box::new(|panic| {
        *PANICKED.lock().unwrap() = Some(panic.to_string().replace('\n', " "));
    }));
    let trace = Trace::new(std::env::var_os("SIM_TRACE").is_some());
    if std::env::var_os("SIM_LOG").is_some() {
        show_logs();
    }
    let dir = std::env::var_os("SIM_DIR").expect("a directory");
    // A panic outside of a task is told like one inside.
    let run = AssertUnwindSafe(|| run(seed, &trace, dir.as_ref()));
    let result = std::panic::catch_unwind(run).ok();
    let (hash, events) = trace.digest();
    println!("\nsim trace: {hash:016x} of {events} events");
    let panicked = PANICKED.lock().unwrap().take();
    match (result, panicked) {
        (_, Some(panic)) => println!("sim violation: no task panics: {panic}"),
        (Some(Err(violation)), None) => println!("sim violation: {violation}"),
        (Some(Ok(summary)), None) => println!("sim summary: {summary:?}"),
        // Whatever unwinds has called the hook.
        (None, None) => println!("sim violation: no task panics"),
    }
}

/// Shows what our own crates log, on standard error.
fn show_logs() {
    let ours = ["strongroom_consensus", "strongroom_replication"];
    let ours = ours.map(|name| (name, LevelFilter::DEBUG));
    let layer = tracing_subscriber::fmt::layer()
        .without_time()
        .with_ansi(false);
    let layer = layer.with_writer(std::io::stderr);
    let ours = Targets::new().with_targets(ours);
    tracing_subscriber::registry()
        .with(layer.with_filter(ours))
        .init();
}

/// Runs all seeds, as many at a time as there are processors, until three have failed. Answers how
/// many were run, and those that failed.
fn first_violations(first: u64, count: u64) -> (u64, Vec<Outcome>) {
    let next = AtomicU64::new(first);
    let (run, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let failed = Arc::new(Mutex::new(Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    let outcome = seed::run(seed, None);
                    run.fetch_add(1, Ordering::Relaxed);
                    println!("seed {seed}: {} {}", outcome.trace, outcome.summary);
                    if outcome.violation.is_some() {
                        let mut failed = failed.lock().unwrap();
                        failed.push(outcome);
                        stop.store(failed.len() >= 3, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    let failed = Arc::into_inner(failed).unwrap().into_inner().unwrap();
    (run.into_inner(), failed)
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
