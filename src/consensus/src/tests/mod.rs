//! Whole nodes, each on a runtime of its own, over pipes that can be cut, silenced and slowed.

mod ages;
mod ballots;
mod barrier;
mod bulk;
mod clocks;
mod comes_again;
mod disk;
mod drive;
mod fabric;
mod failover;
mod kills;
mod leases;
mod linked;
mod membership;
mod node;
mod promises;
mod reads;
mod recovery;
mod region;
mod repair;
mod room;
mod rows;
mod space;
mod storage;
mod suite;
mod writes;

use std::time::Duration;

use tokio::time::Instant;

/// Long enough for anything that happens at all.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

pub(super) fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Waits until `true`, or fails the test.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = soon();
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A small generator whose seed a failing test prints.
pub(super) struct Random(u64);

impl Random {
    /// From `STRONGROOM_SEED`, or from the clock.
    pub(super) fn new() -> Random {
        let given = std::env::var("STRONGROOM_SEED").ok();
        let seed = given.and_then(|seed| seed.parse().ok()).unwrap_or_else(|| {
            let mut bytes = [0; 8];
            getrandom::fill(&mut bytes).expect("randomness");
            u64::from_le_bytes(bytes)
        });
        eprintln!("STRONGROOM_SEED={seed}");
        Random(seed)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        // splitmix64
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}
