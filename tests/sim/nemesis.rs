//! Makes faults, one after another and over each other, and takes them back.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::broken::Broken;
use crate::call::Call;
use crate::disk::{End, Sync};
use crate::history::Violation;
use crate::membership;
use crate::network::Latency;
use crate::world::World;

/// Nodes ever added to a region beyond its first ones.
const ADDED_MAX: u64 = 3;

pub struct Nemesis {
    pub faults: u64,
    rng: StdRng,
    next: Duration,
    /// What ends when; the number keeps those of one moment apart.
    endings: BTreeMap<(Duration, u64), Ending>,
    /// Removals whose outcome is still open, and the node that shall go.
    removals: Vec<(u64, Call<Result<(), String>>)>,
    removed: Vec<u64>,
    added: u64,
}

enum Ending {
    Free(Vec<(u64, u64)>),
    Start(u64),
    Resume(u64),
    Disk(u64),
    Clock(u64),
    Latency,
}

#[derive(Debug, Clone, Copy)]
enum Fault {
    Partition,
    OneWay,
    Isolate,
    Crash,
    PowerCut,
    PowerCutOfAll,
    Pause,
    SlowDisk,
    FailingDisk,
    ClockJump,
    Latency,
    Transfer,
    Snapshot,
    Grow,
    Shrink,
    LongOutage,
}

const FAULTS: &[(Fault, u32)] = &[
    (Fault::Partition, 3),
    (Fault::OneWay, 4),
    (Fault::Isolate, 4),
    (Fault::Crash, 4),
    (Fault::PowerCut, 3),
    (Fault::PowerCutOfAll, 3),
    (Fault::Pause, 6),
    (Fault::SlowDisk, 3),
    (Fault::FailingDisk, 2),
    (Fault::ClockJump, 3),
    (Fault::Latency, 3),
    (Fault::Transfer, 3),
    (Fault::Snapshot, 2),
    (Fault::Grow, 1),
    (Fault::Shrink, 1),
    (Fault::LongOutage, 1),
];

impl Nemesis {
    pub fn new(seed: u64, now: Duration) -> Nemesis {
        Nemesis {
            faults: 0,
            rng: StdRng::seed_from_u64(seed ^ 0x6e65_6d65),
            next: now + Duration::from_millis(500),
            endings: BTreeMap::new(),
            removals: Vec::new(),
            removed: Vec::new(),
            added: 0,
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
        self.take_removals(world);
        if world.now >= self.next {
            self.next = world.now + Duration::from_millis(self.rng.random_range(50..900));
            let fault = match world.broken {
                // Its other faults end in assertions of openraft before an invariant is asked.
                Some(Broken::AcknowledgesBeforeSync) => Fault::PowerCutOfAll,
                _ => self.draw(),
            };
            self.faults += 1;
            self.make(fault, world)?;
        }
        Ok(())
    }

    /// Takes every fault back. What failed by itself is started again, too.
    pub fn heal(&mut self, world: &mut World) -> Result<(), Violation> {
        let endings = std::mem::take(&mut self.endings);
        for ending in endings.into_values() {
            self.end(ending, world)?;
        }
        world.network.free_all();
        // Their rates have taken them apart, too.
        for host in &world.hosts {
            host.wall.set(world.now, 0);
        }
        let ids: Vec<u64> = world.hosts.iter().map(|host| host.id).collect();
        for id in ids {
            // One whose disk has just failed is about to end, and would stay so.
            if world.host(id).log.has_failed() {
                world.host(id).end(End::Crash);
            }
            world.host(id).log.set(Sync::default());
            self.start(id, world)?;
        }
        Ok(())
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

    fn any(&mut self, world: &World) -> u64 {
        let hosts: Vec<u64> = world.hosts.iter().map(|host| host.id).collect();
        let hosts: Vec<u64> = hosts
            .into_iter()
            .filter(|id| !self.removed.contains(id))
            .collect();
        hosts[self.rng.random_range(0..hosts.len())]
    }

    fn make(&mut self, fault: Fault, world: &mut World) -> Result<(), Violation> {
        let node = self.any(world);
        let event = format_args!("fault {fault:?}, if of one node of node {node}");
        world.trace.note(world.now, event);
        match fault {
            Fault::Partition | Fault::OneWay | Fault::Isolate => self.cut(fault, node, world),
            Fault::Crash => self.stop(node, End::Crash, 50..2_000, world),
            Fault::PowerCut => self.stop(node, End::PowerCut, 50..2_000, world),
            Fault::LongOutage => self.stop(node, End::Crash, 3_000..6_000, world),
            Fault::PowerCutOfAll => {
                let ids: Vec<u64> = world.hosts.iter().map(|host| host.id).collect();
                for id in ids {
                    self.stop(id, End::PowerCut, 50..800, world);
                }
            }
            Fault::Pause => {
                world.host(node).paused = true;
                self.later(world, 100..1_500, Ending::Resume(node));
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
            Fault::Latency => {
                let max = self.rng.random_range(10..150);
                world.network.set_latency(Latency {
                    min: Duration::from_micros(100),
                    max: Duration::from_millis(max),
                    late_one_in: 20,
                });
                self.later(world, 200..1_500, Ending::Latency);
            }
            Fault::Transfer | Fault::Snapshot | Fault::Shrink => self.ask(fault, node, world),
            Fault::Grow => self.grow(node, world)?,
        }
        Ok(())
    }

    fn cut(&mut self, fault: Fault, node: u64, world: &mut World) {
        let mut ids: Vec<u64> = world.hosts.iter().map(|host| host.id).collect();
        ids.shuffle(&mut self.rng);
        let split = self.rng.random_range(1..ids.len());
        let is_far = |id: &u64| ids.iter().position(|one| one == id) >= Some(split);
        let mut ways = Vec::new();
        for from in &ids {
            for to in ids.iter().filter(|to| *to != from) {
                let cut = match fault {
                    Fault::Partition => is_far(from) != is_far(to),
                    Fault::OneWay => is_far(from) && !is_far(to),
                    _ => *from == node || *to == node,
                };
                if cut {
                    ways.push((*from, *to));
                }
            }
        }
        for (from, to) in &ways {
            world.network.block(*from, *to, true);
        }
        self.later(world, 100..2_500, Ending::Free(ways));
    }

    fn stop(&mut self, node: u64, end: End, ms: std::ops::Range<u64>, world: &mut World) {
        world.host(node).end(end);
        self.later(world, ms, Ending::Start(node));
    }

    /// Asks a node for something that is no fault, but seldom.
    fn ask(&mut self, fault: Fault, node: u64, world: &mut World) {
        let via = self.any(world);
        let voters = world.voters(via);
        match fault {
            Fault::Transfer => {
                let call = move |consensus| membership::transfer(consensus, node);
                drop(world.host(via).call(call));
            }
            Fault::Snapshot => {
                let call =
                    |consensus: consensus::Consensus| async move { consensus.snapshot().await };
                drop(world.host(node).call(call));
            }
            _ if voters.len() > 3 => {
                let call = move |consensus| membership::shrink(consensus, node);
                if let Some(call) = world.host(via).call(call) {
                    self.removals.push((node, call));
                }
            }
            _ => {}
        }
    }

    fn grow(&mut self, via: u64, world: &mut World) -> Result<(), Violation> {
        if self.added == ADDED_MAX {
            return Ok(());
        }
        self.added += 1;
        let node = world.hosts.iter().map(|host| host.id).max().unwrap_or(0) + 1;
        world.add_host(node)?;
        let call = move |consensus| membership::grow(consensus, node);
        drop(world.host(via).call(call));
        Ok(())
    }

    /// Ends the nodes whose removal was answered.
    fn take_removals(&mut self, world: &mut World) {
        let mut gone = Vec::new();
        self.removals.retain(|(node, call)| match call.answer() {
            Some(Ok(())) => {
                gone.push(*node);
                false
            }
            Some(Err(_)) => false,
            None => !call.is_lost(),
        });
        for node in gone {
            world.host(node).end(End::Crash);
            self.removed.push(node);
        }
    }

    fn end(&mut self, ending: Ending, world: &mut World) -> Result<(), Violation> {
        match ending {
            Ending::Free(ways) => {
                for (from, to) in ways {
                    world.network.block(from, to, false);
                }
            }
            Ending::Start(node) => self.start(node, world)?,
            Ending::Resume(node) => world.host(node).paused = false,
            Ending::Disk(node) => world.host(node).log.set(Sync::default()),
            Ending::Clock(node) => {
                let now = world.now;
                world.host(node).wall.set(now, 0);
            }
            Ending::Latency => world.network.set_latency(Latency::default()),
        }
        Ok(())
    }

    fn start(&mut self, node: u64, world: &mut World) -> Result<(), Violation> {
        if self.removed.contains(&node) || world.host(node).is_up() {
            return Ok(());
        }
        world.start(node)
    }
}
