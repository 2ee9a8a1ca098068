//! The slow follower: one that does not lead is slowed down, or stopped, for a while; then it
//! catches up, by the log or by a snapshot, and another one's turn comes.
//!
//! A node has a machine of its own. Here all share one, and one that catches up after it stood
//! still uses a processor whole: where pauses are judged it gets what the others leave.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use strongroom_tests::{Order, Region};

use crate::pauses::{Event, Span, wall_us};
use crate::plan::Plan;
use crate::tower::Tower;

/// Longest a follower may take to catch up when nothing is written any more.
const CATCH_UP_MAX: Duration = Duration::from_secs(900);
const POLL: Duration = Duration::from_millis(20);

/// What happens to a follower.
#[derive(Clone, Copy, Debug)]
enum Slowness {
    /// Its syncs take longer.
    Syncs,
    /// It stands still for a moment.
    Stop,
    /// It stands still until the log that it needs may be gone.
    LongStop,
}

const ALL: [Slowness; 3] = [Slowness::LongStop, Slowness::Syncs, Slowness::Stop];

/// What a node that catches up leaves to the others.
const NICENESS: u8 = 19;

/// Slows one follower after the other until the load is over.
pub fn followers(
    region: &mut Region,
    tower: &Tower,
    plan: &Plan,
    random: &mut StdRng,
    is_over: &AtomicBool,
) -> Vec<Event> {
    // It is 1 for the full run.
    let pace = if plan.is_short() { 0.1 } else { 1.0 };
    let mut events = Vec::new();
    for kind in ALL.iter().cycle() {
        let time = |low: u64, high: u64, random: &mut StdRng| {
            Duration::from_millis(random.random_range(low..=high)).mul_f64(pace)
        };
        let renice = |region: &mut Region, node: u64, niceness: u8| {
            if plan.is_judged {
                region.process(node).renice(niceness);
            }
        };
        keep(time(10_000, 20_000, random), is_over);
        if is_over.load(Ordering::Acquire) {
            return events;
        }
        let Some(leader) = tower.leader() else {
            continue;
        };
        let mut others = region.nodes();
        others.retain(|node| *node != leader);
        let node = others[random.random_range(0..others.len())];
        let from_us = wall_us();
        match kind {
            Slowness::Syncs => {
                let delay_us = random.random_range(2_000..20_000);
                region.order(node, Order::SyncDelay, delay_us);
                keep(time(10_000, 30_000, random), is_over);
                region.order(node, Order::SyncDelay, 0);
            }
            Slowness::Stop | Slowness::LongStop => {
                region.process(node).signal("STOP");
                let (low, high) = match kind {
                    Slowness::LongStop => (40_000, 80_000),
                    _ => (1_000, 4_000),
                };
                keep(time(low, high, random), is_over);
                renice(region, node, NICENESS);
                region.process(node).signal("CONT");
            }
        }
        let healed_us = wall_us();
        await_catch_up(tower, node, is_over);
        renice(region, node, 0);
        let kind = format!("{kind:?}").to_lowercase();
        let done = |work: &str, from_us: u64, to_us: u64| Event {
            node,
            work: format!("({work})"),
            span: Span { from_us, to_us },
        };
        let fault = done(&kind, from_us, healed_us);
        let catch_up = done("catch-up", healed_us, wall_us());
        println!(
            "{kind} of node {node}: {:.1} s, caught up after {:.1} s",
            fault.span.millis() as f64 / 1e3,
            catch_up.span.millis() as f64 / 1e3,
        );
        events.extend([fault, catch_up]);
    }
    events
}

fn await_catch_up(tower: &Tower, node: u64, is_over: &AtomicBool) {
    let healed = Instant::now();
    while !tower.has_caught_up(node) {
        // Under load it may be no faster than the others.
        let is_late = is_over.load(Ordering::Acquire) && healed.elapsed() > CATCH_UP_MAX;
        assert!(!is_late, "node {node} does not catch up");
        std::thread::park_timeout(POLL);
    }
}

fn keep(time: Duration, is_over: &AtomicBool) {
    let end = Instant::now() + time;
    while Instant::now() < end && !is_over.load(Ordering::Acquire) {
        std::thread::park_timeout(POLL);
    }
}
