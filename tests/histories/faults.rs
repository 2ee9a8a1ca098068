//! What goes wrong while clients call: chosen by a seed, one fault at a time.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use strongroom_tests::Region;

/// A fault, and how it heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of the leader, or of any node, and its restart.
    Kill,
    /// SIGSTOP of the leader, or of any node, until others lead; then SIGCONT.
    Pause,
    /// Nobody reaches one node; it reaches the others.
    Deaf,
    /// The leader reaches nobody; the others reach it, and each other neither.
    Unheard,
    /// A planned transfer.
    Transfer,
    /// SIGTERM and restart of one node after the other.
    Roll,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Kill,
        Self::Pause,
        Self::Deaf,
        Self::Unheard,
        Self::Transfer,
        Self::Roll,
    ];

    /// Makes it, keeps it for a while, and heals it.
    pub fn happen(self, region: &mut Region, random: &mut StdRng) {
        let leader = region.leader();
        let any = *pick(random, &region.nodes());
        let node = if random.random_bool(0.6) { leader } else { any };
        let time = Duration::from_millis(random.random_range(200..1_500));
        match self {
            Self::Kill => {
                region.kill(node);
                keep(time);
                region.start(node, &[]);
            }
            Self::Pause => {
                region.process(node).signal("STOP");
                keep(time);
                region.process(node).signal("CONT");
            }
            Self::Deaf => hold(region, &[node], time),
            Self::Unheard => {
                let mut others = region.nodes();
                others.retain(|node| *node != leader);
                hold(region, &others, time);
            }
            Self::Transfer => {
                // It may be refused while a node catches up; that is no fault then.
                let to = region.follower().to_string();
                let transfer = ["node", "transfer-leader", &to, "--timeout", "2"];
                println!("transfer to {to}: {:?}", region.call(&transfer).code);
            }
            Self::Roll => {
                for node in region.nodes() {
                    region.stop(node);
                    region.start(node, &[]);
                    region.wait_for(node);
                }
            }
        }
    }
}

fn hold(region: &Region, nodes: &[u64], time: Duration) {
    nodes.iter().for_each(|node| region.hold(*node, true));
    keep(time);
    nodes.iter().for_each(|node| region.hold(*node, false));
}

/// Lets a state of the network last: the time itself is the fault.
pub fn keep(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// One of them.
pub fn pick<'a, T>(random: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}
