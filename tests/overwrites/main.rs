//! A few secrets, overwritten millions of times on real processes while secrets are watched,
//! snapshots are taken and a follower is slow: memory, open files and disk must not grow without
//! end, and no work on the store may hold writes up.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::cast_possible_truncation,
    reason = "what a test takes for granted"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use strongroom_tests::Region;

use crate::chart::{Growth, QUANTITIES};
use crate::disk::{Alone, Judgement};
use crate::load::Load;
use crate::pauses::{Beat, Event};
use crate::plan::Plan;
use crate::sample::{Node, Sample};
use crate::tower::Tower;
use crate::watching::{Told, Watcher};

mod chart;
mod disk;
mod load;
mod pauses;
mod plan;
mod processor;
mod sample;
mod slow;
mod tower;
mod watching;

/// How much more may be on disk than is alive.
const DISK_RATIO_MAX: f64 = 6.0;

#[test]
#[ignore = "long"]
fn what_is_overwritten_for_ever_takes_no_more_memory_files_or_disk() {
    let plan = Plan::from_environment();
    println!("{plan:?}; STRONGROOM_COUNT and STRONGROOM_SEED choose others");
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut region = Region::laden(plan.storage, plan.protection);
    let beat = Arc::new(Beat::new());
    let load = runtime.block_on(async { Load::new(&region, plan, Arc::clone(&beat)) });
    let load = Arc::new(load);
    runtime.block_on(load.create());
    runtime.block_on(load.take_ballast());
    let tower = Tower::build(
        Node::all(&mut region),
        Arc::clone(&load),
        plan.sample_interval(),
    );
    let told = Arc::<Told>::default();
    let watchers =
        runtime.block_on(async { Watcher::several(&region, &load, plan.secrets, &told) });
    let watching: Vec<_> = watchers
        .into_iter()
        .map(|watcher| runtime.spawn(watcher.run()))
        .collect();
    let (begun, is_over) = (Instant::now(), Arc::<AtomicBool>::default());
    let writing = {
        let (load, is_over) = (Arc::clone(&load), Arc::clone(&is_over));
        runtime.spawn(async move {
            tokio::join!(load.drop_ballast(), load.overwrite());
            is_over.store(true, Ordering::Release);
            Instant::now()
        })
    };
    let mut random = StdRng::seed_from_u64(plan.seed);
    let disk = disk::watch(region.folder(), &is_over);
    let processor = processor::watch(&is_over);
    let mut done_to_them = slow::followers(&mut region, &tower, &plan, &mut random, &is_over);
    done_to_them.extend(disk.join().unwrap());
    done_to_them.extend(processor.join().unwrap());
    let ended = runtime.block_on(writing).unwrap();
    let seconds = ended.duration_since(begun).as_secs_f64();
    let samples = tower.end(ended);
    told.is_last.store(true, Ordering::Release);
    for watch in watching {
        runtime.block_on(watch).unwrap();
    }
    println!("failed attempts: {:?}", load.failures());
    region.wait_for_equal_hashes();
    for place in 0..region.nodes().len() {
        runtime.block_on(load.verify(place));
    }
    let events = events(&region, done_to_them);
    let nodes = region.nodes();
    region.kill_all();
    let alone = Alone::look(region.folder(), nodes.len(), &plan);
    let outcome = Outcome {
        plan,
        seconds,
        samples,
        judgement: Judgement::new(&beat.pauses(), &events, seconds, alone),
        events,
        beat,
        told,
    };
    outcome.report();
}

/// What the nodes did and what was done to them.
fn events(region: &Region, done_to_them: Vec<Event>) -> Vec<Event> {
    let nodes = region.nodes().into_iter();
    let mut events: Vec<Event> = nodes
        .flat_map(|node| pauses::events(node, &region.log(node)))
        .collect();
    events.extend(done_to_them);
    events
}

struct Outcome {
    plan: Plan,
    seconds: f64,
    samples: Vec<Vec<Sample>>,
    judgement: Judgement,
    events: Vec<Event>,
    beat: Arc<Beat>,
    told: Arc<Told>,
}

impl Outcome {
    fn report(&self) {
        let mut flat = Vec::new();
        let mut grown = Vec::new();
        for quantity in &QUANTITIES {
            chart::draw(quantity, &self.samples);
            let mut worst = f64::NEG_INFINITY;
            for (node, samples) in self.samples.iter().enumerate() {
                let growth = Growth::of(quantity, samples);
                println!(
                    "  node {}: as a rule up to {:.0} in the third quarter, {:.0} in the last \
                     ({:+.1} %); at most {:.0}",
                    node + 1,
                    growth.third,
                    growth.last,
                    growth.share() * 100.0,
                    growth.peak
                );
                let growth = match quantity.follows_lead {
                    true => Growth::of_all(quantity, &self.samples),
                    false => growth,
                };
                worst = worst.max(growth.share());
                if !growth.is_flat(quantity) {
                    grown.push(format!("{} of node {}", quantity.title, node + 1));
                }
            }
            flat.push(format!("{} {:+.1} %", quantity.title, worst * 100.0));
        }
        let [usual, ratio] = self.disk_ratios();
        let pauses = pauses::report(&self.beat.pauses(), &self.events);
        let pauses: Vec<String> = pauses
            .iter()
            .map(|(kind, ms)| format!("{kind} {ms}"))
            .collect();
        println!(
            "in the last half {usual:.1} times what is alive is on disk, at most {ratio:.1} times"
        );
        let read = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
        println!(
            "soak: {} overwrites of {} secrets at {:.0}/s, 0 lost; last quarter against third: {}; \
             disk {usual:.1} x live, at most {ratio:.1} x; {}; longest pause in ms: {}; {}; \
             {} changes told, {} watches resumed, {} listed",
            self.plan.count,
            self.plan.secrets,
            self.plan.count as f64 / self.seconds,
            flat.join(", "),
            self.judgement,
            pauses.join(", "),
            self.work(),
            read(&self.told.changes),
            read(&self.told.resumed),
            read(&self.told.listed),
        );
        assert!(
            self.done("snapshot") > 0 && self.done("purge") > 0,
            "{}",
            self.work()
        );
        assert!(self.done("renewal") > 0, "{}", self.work());
        if self.plan.is_judged {
            assert!(grown.is_empty(), "these grow: {}", grown.join(", "));
            assert!(
                ratio <= DISK_RATIO_MAX,
                "{ratio:.1} times what is alive is on disk"
            );
        }
    }

    /// The median and the highest ratio of the last half.
    fn disk_ratios(&self) -> [f64; 2] {
        let halves = self
            .samples
            .iter()
            .map(|samples| &samples[samples.len() / 2..]);
        let mut ratios: Vec<f64> = halves.flatten().map(Sample::disk_ratio).collect();
        ratios.sort_by(f64::total_cmp);
        [ratios[ratios.len() / 2], ratios[ratios.len() - 1]]
    }

    fn done(&self, work: &str) -> usize {
        self.events
            .iter()
            .filter(|event| event.work == work)
            .count()
    }

    fn work(&self) -> String {
        let kinds = [
            "checkpoint",
            "snapshot",
            "purge",
            "renewal",
            "swap",
            "install",
        ];
        let counted = kinds.map(|kind| format!("{} {kind}s", self.done(kind)));
        counted.join(", ")
    }
}
