//! Leaders that are lost: killed, stopped, or with their host, without a word to anybody. Another
//! takes over, and callers with the client's defaults notice as little as can be.
//!
//! The nodes are processes on machines of their own. What is measured is the longest time in which
//! nobody's write was acknowledged, and the slowest write of anybody.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod load;

use std::time::{Duration, Instant};

use client::CallCounts;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::Region;
use strongroom_tests::gaps::{Times, second_around};
use strongroom_tests::shell::until;
use strongroom_tests::stalls::Watcher;
use tokio::runtime::Runtime;

use load::{Ledger, Load, connect};

/// Losses of each kind in the short form.
const LOSSES: u64 = 1;

/// How a leader is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its process is killed: connections are reset.
    Killed,
    /// Its process is stopped, and goes on later: its kernel still accepts what is sent.
    Stopped,
    /// Its host is gone, and comes back later: what is sent vanishes.
    Silent,
}

/// A region that loses leaders.
struct Stage {
    region: Region,
    ledger: std::sync::Arc<Ledger>,
    runtime: Runtime,
    random: StdRng,
    scheduling: Watcher,
    disk: Watcher,
}

/// What losses of one kind cost.
struct Cost {
    gaps: Times,
    slowest: Times,
    calls: CallCounts,
}

#[test]
#[ignore = "takes leaders away for half a minute, on hosts that only root can make"]
fn a_lost_leader_is_replaced_whatever_became_of_it() {
    let losses = number("STRONGROOM_COUNT").unwrap_or(LOSSES);
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_127);
    println!("seed {seed}, {losses} of each; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let region = Region::on_hosts();
    let mut stage = Stage {
        scheduling: Watcher::of_scheduling(),
        disk: Watcher::of_disk(region.folder()),
        region,
        ledger: Ledger::new(),
        runtime: Runtime::new().unwrap(),
        random: StdRng::seed_from_u64(seed),
    };
    let mut lines = Vec::new();
    for loss in [Loss::Killed, Loss::Stopped, Loss::Silent] {
        let mut cost = Cost {
            gaps: Times::new(),
            slowest: Times::new(),
            calls: CallCounts::default(),
        };
        (1..=losses).for_each(|number| stage.lose(loss, number, &mut cost));
        lines.push(cost.line(loss, losses));
        println!("{}", lines.last().unwrap());
    }
    stage.region.wait_for_equal_hashes();
    let (writes, failed) = (stage.ledger.writes(), stage.ledger.failed().len());
    println!(
        "soak: {}; {writes} acknowledged writes, 0 lost, 0 stale reads, {failed} failed calls",
        lines.join("; ")
    );
    assert_eq!(failed, 0, "{:#?}", stage.ledger.failed());
}

impl Stage {
    /// Loses the leader under load, waits until every caller goes on, and has it back.
    fn lose(&mut self, loss: Loss, number: u64, cost: &mut Cost) {
        let load = self
            .runtime
            .block_on(async { Load::start(&self.region, &self.ledger) });
        let leader = self.region.leader();
        let only = vec![self.region.api(leader)];
        let client = self.runtime.block_on(async { connect(&self.region, only) });
        self.wait_for_writes(Instant::now());
        // A connection to it stands, and may hold calls.
        self.runtime.block_on(self.ledger.verify(&client, false));
        // Anywhere between two heartbeats.
        std::thread::sleep(Duration::from_micros(self.random.random_range(0..100_000)));
        self.ledger.forget_times();
        self.wait_for_writes(Instant::now());
        let lost = Instant::now();
        match loss {
            Loss::Killed => self.region.kill(leader),
            Loss::Stopped => self.region.process(leader).signal("STOP"),
            Loss::Silent => self.region.hosts().unplug(leader, true),
        }
        self.wait_for_writes(lost);
        let gap = self.ledger.gap(lost);
        let took = gap.1 - gap.0;
        let slowest = self.ledger.slowest_write(lost);
        println!("{loss:?} {number}: {took:?} without a write, the slowest took {slowest:?}");
        cost.gaps
            .add(took, || format!("loss {number}: {}", self.stalls(gap)));
        cost.slowest.add(slowest, String::new);
        self.have_back(loss, leader, &client);
        cost.add(self.runtime.block_on(load.stop()));
        let all = self
            .runtime
            .block_on(async { connect(&self.region, self.region.endpoints()) });
        self.runtime.block_on(self.ledger.verify(&all, false));
    }

    /// Reads what was written meanwhile from the one that was lost, from its first moment on.
    fn have_back(&mut self, loss: Loss, leader: u64, client: &client::Client) {
        let (ledger, client) = (std::sync::Arc::clone(&self.ledger), client.clone());
        let reading = self
            .runtime
            .spawn(async move { ledger.verify(&client, true).await });
        match loss {
            Loss::Killed => self.region.start(leader, &[]),
            Loss::Stopped => self.region.process(leader).signal("CONT"),
            Loss::Silent => self.region.hosts().unplug(leader, false),
        }
        self.region.wait_for(leader);
        self.runtime.block_on(reading).unwrap();
        until("it is ready", || {
            let answer = self.region.probe(leader, "/ready");
            answer.starts_with("HTTP/1.1 200").then_some(())
        });
    }

    /// Waits until every writer had a write acknowledged that began after this.
    fn wait_for_writes(&self, since: Instant) {
        until("every caller's write is acknowledged", || {
            self.ledger.all_wrote_since(since).then_some(())
        });
    }

    fn stalls(&self, gap: (Instant, Instant)) -> String {
        let (from, to) = second_around(gap);
        let sync = self.disk.stalls().longest_ms(from, to);
        let late = self.scheduling.stalls().longest_ms(from, to);
        format!(
            "in that second a sync of the disk took {sync:.1} ms, a thread woke {late:.1} ms late"
        )
    }
}

impl Cost {
    fn add(&mut self, counts: CallCounts) {
        self.calls.calls += counts.calls;
        self.calls.repeated += counts.repeated;
        self.calls.doubled += counts.doubled;
    }

    fn line(&self, loss: Loss, losses: u64) -> String {
        let bounds = [(0.5, 500.0), (0.999, 1_000.0)];
        let gaps = self.gaps.line(&bounds);
        let slowest = self.slowest.line(&[]);
        let (calls, repeated) = (self.calls.calls, self.calls.repeated);
        let doubled = self.calls.doubled;
        let worst = self.gaps.worst();
        let kind = format!("{loss:?}").to_lowercase();
        format!(
            "{losses} {kind}: without an accepted write {gaps}, worst {worst}; \
             slowest write {slowest}; of {calls} calls {repeated} were repeated, {doubled} doubled"
        )
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}
