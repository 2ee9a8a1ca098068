//! A deterministic simulation of a region under every fault we can make.
//!
//! Whole nodes of `consensus` and `machine`, with tonic, h2 and openraft as they are, on simulated
//! hosts: a disk that loses what was not synced (`disk.rs`), a network that holds back, delays and
//! resets (`network.rs`), clocks that differ (`host.rs`). Clients write and read sealed values
//! (`clients.rs`, `vault.rs`) while faults are made (`nemesis.rs`); then everything heals and must
//! make progress. What must hold stands in `invariants/`. The handlers of `server` are not part of
//! it: clients do what those do, seal, propose, read, open, without TLS and the method table.
//!
//! **Why not turmoil.** A turmoil host is a tokio runtime of one thread with paused time, as ours
//! is, but turmoil wants `net` types of its own in the program, has no fsync, no pause and no clock
//! rates, and leaves alone what makes two runs differ: hash keys, the order tokio picks wakers in,
//! openraft's election timeouts, the dates in HTTP answers. All of those ask libc for randomness or
//! time. So every seed has a process of its own with `fixed.c` preloaded, which answers from the
//! seed; `consensus` does blocking work in place on a runtime of one thread, so no thread is left
//! whose turn the machine decides; and that a seed repeats itself is a test, not a hope.
//!
//! `STRONGROOM_SEED` is the first seed, `STRONGROOM_COUNT` how many follow; a failure prints its
//! seed. `SIM_TRACE=1` shows everything that happens in it.

mod broken;
mod call;
mod clients;
mod clock;
mod disk;
mod history;
mod host;
mod invariants;
mod membership;
mod nemesis;
mod network;
mod pipe;
mod region;
mod runs;
mod seed;
mod trace;
mod vault;
mod violation;
mod world;

use consensus::Broken::{AppliesByOwnClock, NoBarrier};

use crate::broken::Broken;
use crate::invariants::{acknowledged, agreement, linearizable, sealed};

/// Seeds of the short form.
const SEEDS: u64 = 4;
/// The test that is the process of one seed.
const PROCESS: &str = "the_simulated_region";

#[test]
#[ignore = "takes a minute"]
fn every_invariant_holds_in_every_seed() {
    runs::every(SEEDS);
}

#[test]
#[ignore = "takes some seconds"]
fn a_seed_repeats_itself_to_the_last_byte() {
    runs::repeats();
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_acknowledges_before_the_sync_is_caught() {
    runs::is_caught(Broken::AcknowledgesBeforeSync, &[acknowledged::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_reads_without_the_barrier_is_caught() {
    runs::is_caught(Broken::Node(NoBarrier), &[linearizable::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_applies_by_its_own_clock_is_caught() {
    runs::is_caught(Broken::Node(AppliesByOwnClock), &[agreement::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_forwards_what_is_not_sealed_is_caught() {
    runs::is_caught(Broken::ForwardsUnsealed, &[sealed::NAME]);
}

/// The process of one seed; the others start it with the library preloaded.
#[test]
#[ignore = "the other tests run it"]
fn the_simulated_region() {
    runs::one(|seed, trace, dir| {
        let broken = std::env::var("SIM_BROKEN").ok();
        let broken = broken.and_then(|name| Broken::named(&name));
        world::run(seed, broken, trace, dir)
    });
}
