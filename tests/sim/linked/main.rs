//! A deterministic simulation of two and three linked regions under every fault we can make.
//!
//! Each region is one or three whole nodes of `consensus`, `machine` and `replication`, on the
//! simulated hosts and network of the simulation of one region (`tests/sim/main.rs`, which says why
//! there is one, and how a seed repeats itself). Clients create, write, stage, share, detach and
//! delete secrets in all regions (`clients.rs`, `ops.rs`), by what the server's handlers do
//! (`service.rs`), while nodes and links fail and regions are promoted over others, also two at
//! once (`nemesis.rs`). Then everything heals and must settle (`recovery.rs`). What must hold
//! stands in `invariants/`, and is held against all changes that any node was ever seen with
//! (`chronicle.rs`).
//!
//! What it leaves out: TLS and link enrolment by token, keys that cannot be used, unlinking.

#[path = "../call.rs"]
mod call;
#[path = "../clock.rs"]
mod clock;
#[path = "../disk.rs"]
mod disk;
#[path = "../network.rs"]
mod network;
#[path = "../pipe.rs"]
mod pipe;
#[path = "../runs.rs"]
mod runs;
#[path = "../seed.rs"]
mod seed;
#[path = "../trace.rs"]
mod trace;
#[path = "../violation.rs"]
mod violation;

mod broken;
mod chronicle;
mod clients;
mod history;
mod host;
mod invariants;
mod nemesis;
mod ops;
mod recovery;
mod region;
mod script;
mod service;
mod vault;
mod world;

use consensus::Broken::{FenceUnchecked, ImportUnchecked, SendsToNonMembers};

use crate::broken::Broken;
use crate::invariants::{ballots, hashes, members, prefix, tokens};

/// Seeds of the short form.
const SEEDS: u64 = 6;
/// The test that is the process of one seed.
const PROCESS: &str = "the_simulated_regions";

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
fn a_build_that_answers_without_a_look_at_ballots_is_caught() {
    runs::is_caught(Broken::Node(FenceUnchecked), &[ballots::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_imports_wherever_the_feed_stands_is_caught() {
    // Changes that are taken in where they do not belong show as another history, or, where they
    // were there already, as another state.
    runs::is_caught(Broken::Node(ImportUnchecked), &[prefix::NAME, hashes::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_sends_bodies_to_regions_that_are_no_members_is_caught() {
    runs::is_caught(Broken::Node(SendsToNonMembers), &[members::NAME]);
}

#[test]
#[ignore = "takes some seconds"]
fn a_build_that_compares_positions_of_two_histories_is_caught() {
    runs::is_caught(Broken::ComparesNumbers, &[tokens::NAME]);
}

/// The process of one seed; the others start it with the library preloaded.
#[test]
#[ignore = "the other tests run it"]
fn the_simulated_regions() {
    runs::one(|seed, trace, dir| {
        let broken = std::env::var("SIM_BROKEN").ok();
        let broken = broken.and_then(|name| Broken::named(&name));
        world::run(seed, broken, trace, dir)
    });
}
