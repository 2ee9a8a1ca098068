//! Makes faults within and between regions, one after another and over each other, and takes them
//! back; promotes regions over others, also two at once.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{RngExt, SeedableRng};
use replication::PromoteReport;

use crate::call::Call;
use crate::disk::{End, Sync};
use crate::invariants::lost::Promotion;
use crate::network::Latency;
use crate::region;
use crate::script;
use crate::violation::Violation;
use crate::world::World;

/// Promotions of one seed, at most.
const PROMOTIONS_MAX: u32 = 4;
/// Changes that a trimmed feed keeps.
const KEPT: u64 = 3;

pub struct Nemesis {
    pub faults: u64,
    /// Promotions that were answered.
    pub promotions: Vec<Promotion>,
    rng: StdRng,
    next: Duration,
    /// What ends when; the number keeps those of one moment apart.
    endings: BTreeMap<(Duration, u64), Ending>,
    asked: Vec<Promoting>,
    /// Promotions that may yet be made.
    left: u32,
}

/// A promotion that is not answered.
struct Promoting {
    by: u64,
    over: u64,
    call: Call<Result<PromoteReport, String>>,
}

enum Ending {
    Free(Vec<(u64, u64)>),
    Start(u64),
    Resume(u64),
    Disk(u64),
    Clock(u64),
    Latency,
    Promote { by: u64, over: u64, force: bool },
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    /// Within a region.
    Partition,
    OneWay,
    Crash,
    PowerCut,
    Pause,
    SlowDisk,
    FailingDisk,
    ClockJump,
    Transfer,
    Snapshot,
    /// Between regions.
    Cut,
    CutOneWay,
    Isolate,
    Outage,
    Latency,
    Trim,
    /// What was imported is asked for once more, as by a leader that lost its office over it and
    /// comes late.
    Reimport,
    /// A region is cut off, or down, and another one takes over.
    Loss,
    /// A region takes over from one that is well.
    Forced,
    /// Two at once.
    Double,
}

const FAULTS: &[(Fault, u32)] = &[
    (Fault::Partition, 3),
    (Fault::OneWay, 3),
    (Fault::Crash, 4),
    (Fault::PowerCut, 3),
    (Fault::Pause, 6),
    (Fault::SlowDisk, 2),
    (Fault::FailingDisk, 1),
    (Fault::ClockJump, 3),
    (Fault::Transfer, 4),
    (Fault::Snapshot, 2),
    (Fault::Cut, 4),
    (Fault::CutOneWay, 4),
    (Fault::Isolate, 3),
    (Fault::Outage, 2),
    (Fault::Latency, 3),
    (Fault::Trim, 4),
    (Fault::Reimport, 4),
    (Fault::Loss, 4),
    (Fault::Forced, 3),
    (Fault::Double, 2),
];

impl Nemesis {
    pub fn new(seed: u64, now: Duration) -> Nemesis {
        let mut rng = StdRng::seed_from_u64(seed ^ 0x6e65_6d65);
        Nemesis {
            faults: 0,
            promotions: Vec::new(),
            next: now + Duration::from_millis(800),
            endings: BTreeMap::new(),
            asked: Vec::new(),
            left: rng.random_range(0..=PROMOTIONS_MAX),
            rng,
        }
    }

    /// Ends what is over and, now and then, makes a fault.
    pub fn step(&mut self, world: &mut World) -> Result<(), Violation> {
        while let Some(first) = self.endings.first_entry()
            && first.key().0 <= world.now
        {
            let ending = first.remove();
            self.end(ending, world)?;
        }
        self.take_promotions(world);
        if world.now >= self.next {
            self.next = world.now + Duration::from_millis(self.rng.random_range(50..900));
            let fault = self.draw();
            self.faults += 1;
            self.make(fault, world);
        }
        Ok(())
    }

    /// Takes every fault back. What failed by itself is started again, too.
    pub fn heal(&mut self, world: &mut World) -> Result<(), Violation> {
        let endings = std::mem::take(&mut self.endings);
        for ending in endings.into_values() {
            // What was only planned is not done any more.
            if !matches!(ending, Ending::Promote { .. }) {
                self.end(ending, world)?;
            }
        }
        world.network.free_all();
        // Their rates have taken them apart, too.
        for host in &world.hosts {
            host.wall.set(world.now, 0);
        }
        for id in world.ids() {
            // One whose disk has just failed is about to end, and would stay so.
            if world.host(id).log.has_failed() {
                world.host(id).end(End::Crash);
            }
            world.host(id).log.set(Sync::default());
            start(id, world)?;
        }
        Ok(())
    }

    /// Takes what promotions were answered.
    pub fn take_promotions(&mut self, world: &World) {
        let (now, trace) = (world.now, &world.trace);
        let promotions = &mut self.promotions;
        self.asked.retain(|asked| match asked.call.answer() {
            Some(answer) => {
                let (by, over) = (region::name(asked.by), region::name(asked.over));
                trace.note(now, format_args!("{by} over {over}: {answer:?}"));
                promotions.extend(answer.ok().map(|report| Promotion {
                    by,
                    over,
                    at: now,
                    report,
                }));
                false
            }
            None => !asked.call.is_lost(),
        });
    }

    fn draw(&mut self) -> Fault {
        let total = FAULTS.iter().map(|(_, weight)| weight).sum();
        let mut at = self.rng.random_range(0..total);
        for (fault, weight) in FAULTS {
            if at < *weight {
                return *fault;
            }
            at -= weight;
        }
        Fault::Pause
    }

    fn later(&mut self, world: &World, ms: std::ops::Range<u64>, ending: Ending) {
        let at = world.now + Duration::from_millis(self.rng.random_range(ms));
        self.faults += 1;
        self.endings.insert((at, self.faults), ending);
    }

    fn make(&mut self, fault: Fault, world: &mut World) {
        let ids = world.ids();
        let node = *ids.choose(&mut self.rng).expect("hosts");
        let region = self.rng.random_range(1..=world.regions);
        let event = format_args!("fault {fault:?} of node {node}, or region {region}");
        world.trace.note(world.now, event);
        match fault {
            Fault::Partition | Fault::OneWay => self.split(fault, node, world),
            Fault::Crash => self.stop(node, End::Crash, 50..2_500, world),
            Fault::PowerCut => self.stop(node, End::PowerCut, 50..2_500, world),
            Fault::Pause => {
                world.host(node).paused = true;
                self.later(world, 100..1_800, Ending::Resume(node));
            }
            Fault::SlowDisk => {
                let slow = Sync {
                    min: Duration::from_millis(5),
                    max: Duration::from_millis(self.rng.random_range(20..400)),
                    fails: false,
                };
                world.host(node).log.set(slow);
                self.later(world, 200..2_000, Ending::Disk(node));
            }
            Fault::FailingDisk => {
                let fails = Sync {
                    fails: true,
                    ..Sync::default()
                };
                world.host(node).log.set(fails);
                self.later(world, 300..1_500, Ending::Disk(node));
                self.later(world, 1_500..2_500, Ending::Start(node));
            }
            Fault::ClockJump => {
                let offset = self.rng.random_range(-20_000..=20_000);
                let now = world.now;
                world.host(node).wall.set(now, offset);
                self.later(world, 200..3_000, Ending::Clock(node));
            }
            Fault::Transfer => {
                let via = self.node_of(region::of(node), world);
                drop(world.host(via).call(move |at| script::transfer(at, node)));
            }
            Fault::Snapshot => {
                let call =
                    |node: crate::service::Node| async move { node.consensus.snapshot().await };
                drop(world.host(node).call(call));
            }
            Fault::Cut | Fault::CutOneWay => self.cut(fault, region, world),
            Fault::Isolate => self.isolate(region, 300..4_000, world),
            Fault::Outage => self.outage(region, world),
            Fault::Latency => {
                let max = self.rng.random_range(10..150);
                world.network.set_latency(Latency {
                    min: Duration::from_micros(100),
                    max: Duration::from_millis(max),
                    late_one_in: 20,
                });
                self.later(world, 200..2_000, Ending::Latency);
            }
            Fault::Trim => self.trim(node, world),
            Fault::Reimport => self.import_again(node, world),
            Fault::Loss | Fault::Forced | Fault::Double => self.promote(fault, region, world),
        }
    }

    fn node_of(&mut self, region: u64, world: &World) -> u64 {
        let ids = world.ids_of(region);
        *ids.choose(&mut self.rng).expect("a node")
    }

    fn other(&mut self, region: u64, world: &World) -> u64 {
        let others: Vec<u64> = (1..=world.regions)
            .filter(|other| *other != region)
            .collect();
        *others.choose(&mut self.rng).expect("another region")
    }

    /// Parts the nodes of one region.
    fn split(&mut self, fault: Fault, node: u64, world: &mut World) {
        let mut ids = world.ids_of(region::of(node));
        if ids.len() < 2 {
            return;
        }
        ids.shuffle(&mut self.rng);
        let (near, far) = ids.split_at(self.rng.random_range(1..ids.len()));
        let both = matches!(fault, Fault::Partition);
        self.block(far, near, both, 100..2_500, world);
    }

    /// Cuts the links from one region to another.
    fn cut(&mut self, fault: Fault, region: u64, world: &mut World) {
        let other = self.other(region, world);
        let (from, to) = (world.ids_of(region), world.ids_of(other));
        let both = matches!(fault, Fault::Cut);
        self.block(&from, &to, both, 200..3_500, world);
    }

    fn isolate(&mut self, region: u64, ms: std::ops::Range<u64>, world: &mut World) {
        let (own, mut others) = (world.ids_of(region), world.ids());
        others.retain(|id| region::of(*id) != region);
        self.block(&own, &others, true, ms, world);
    }

    fn block(
        &mut self,
        from: &[u64],
        to: &[u64],
        both: bool,
        ms: std::ops::Range<u64>,
        world: &mut World,
    ) {
        let mut ways = Vec::new();
        for (one, other) in from
            .iter()
            .flat_map(|one| to.iter().map(move |to| (*one, *to)))
        {
            ways.push((one, other));
            if both {
                ways.push((other, one));
            }
        }
        for (from, to) in &ways {
            world.network.block(*from, *to, true);
        }
        self.later(world, ms, Ending::Free(ways));
    }

    fn stop(&mut self, node: u64, end: End, ms: std::ops::Range<u64>, world: &mut World) {
        world.host(node).end(end);
        self.later(world, ms, Ending::Start(node));
    }

    /// Ends all nodes of a region.
    fn outage(&mut self, region: u64, world: &mut World) {
        let end = match self.rng.random_ratio(1, 2) {
            true => End::Crash,
            false => End::PowerCut,
        };
        for id in world.ids_of(region) {
            self.stop(id, end, 300..3_000, world);
        }
    }

    /// Has a node's region forget the changes of a feed that it leads, as far as they were seen.
    fn trim(&mut self, node: u64, world: &mut World) {
        let Some(view) = world.host(node).view() else {
            return;
        };
        let led: Vec<_> = view
            .positions()
            .into_iter()
            .filter(|position| view.is_primary(&position.feed))
            .collect();
        let Some(position) = led.choose(&mut self.rng) else {
            return;
        };
        let seen = world.seen(node, &position.feed);
        let upto = machine::Revision(seen.saturating_sub(KEPT));
        let feed = position.feed.clone();
        drop(
            world
                .host(node)
                .call(move |node| script::trim(node, feed, upto)),
        );
    }

    fn import_again(&mut self, node: u64, world: &mut World) {
        let imports = world.host(node).imports();
        let Some(import) = imports.choose(&mut self.rng) else {
            return;
        };
        let import = import.clone();
        let call = move |node| script::import(node, import);
        drop(world.host(node).call(call));
    }

    fn promote(&mut self, fault: Fault, over: u64, world: &mut World) {
        if self.left == 0 {
            return;
        }
        self.left -= 1;
        let by = self.other(over, world);
        match fault {
            Fault::Loss => {
                match self.rng.random_ratio(1, 2) {
                    true => self.isolate(over, 1_000..4_000, world),
                    false => self.outage(over, world),
                }
                let force = self.rng.random_ratio(1, 2);
                self.later(world, 50..1_500, Ending::Promote { by, over, force });
            }
            Fault::Double => {
                let other = self.other(by, world);
                // Over the same region, or each over the other one.
                let both = [(by, over), (other, if other == over { by } else { over })];
                for (by, over) in both {
                    let force = true;
                    self.later(world, 1..30, Ending::Promote { by, over, force });
                }
            }
            _ => {
                let force = true;
                self.later(world, 1..30, Ending::Promote { by, over, force });
            }
        }
    }

    fn end(&mut self, ending: Ending, world: &mut World) -> Result<(), Violation> {
        match ending {
            Ending::Free(ways) => {
                for (from, to) in ways {
                    world.network.block(from, to, false);
                }
            }
            Ending::Start(node) => start(node, world)?,
            Ending::Resume(node) => world.host(node).paused = false,
            Ending::Disk(node) => world.host(node).log.set(Sync::default()),
            Ending::Clock(node) => {
                let now = world.now;
                world.host(node).wall.set(now, 0);
            }
            Ending::Latency => world.network.set_latency(Latency::default()),
            Ending::Promote { by, over, force } => {
                let via = self.node_of(by, world);
                let event = format_args!("promote {by} over {over} by {via}, force {force}");
                world.trace.note(world.now, event);
                let call = move |node| script::promote(node, over, force);
                if let Some(call) = world.host(via).call(call) {
                    self.asked.push(Promoting { by, over, call });
                }
            }
        }
        Ok(())
    }
}

fn start(node: u64, world: &mut World) -> Result<(), Violation> {
    match world.host(node).is_up() {
        true => Ok(()),
        false => world.start(node),
    }
}
