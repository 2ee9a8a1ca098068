//! Two or three simulated regions that are linked: hosts, network and clients, moved on together in
//! small steps of time, as in the simulation of one region.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consensus::View;
use machine::{Cursor, FeedId, Hash, Revision, Scope};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::broken::Broken;
use crate::chronicle::Chronicle;
use crate::clients::Clients;
use crate::disk::{End, SimLog};
use crate::history::Operation;
use crate::host::{Host, Place};
use crate::invariants::hashes::Hashes;
use crate::invariants::prefix::Ways;
use crate::invariants::{ages, ballots, linearizable, lost, members, tokens};
use crate::nemesis::Nemesis;
use crate::network::Network;
use crate::recovery;
use crate::region;
use crate::script;
use crate::service::Node;
use crate::trace::Trace;
use crate::vault::Vault;
use crate::violation::{Violation, violation};

/// How far time goes in one step.
const STEP: Duration = Duration::from_millis(2);
/// How long faults are made.
const SAFETY: Duration = Duration::from_secs(12);
/// How soon a step of the founding must be done.
const FOUNDING: Duration = Duration::from_secs(20);
const CLIENTS: usize = 8;
/// Steps between two looks at all nodes.
const LOOK_EVERY: u64 = 100;

pub struct World {
    pub now: Duration,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub trace: Trace,
    pub seed: u64,
    pub broken: Option<Broken>,
    pub regions: u64,
    pub chronicle: Chronicle,
    vault: Arc<Vault>,
    scopes: BTreeMap<u64, Scope>,
    rng: StdRng,
    hashes: Hashes,
    ways: Ways,
    /// The index at which each host was seen last, and where its feeds stood.
    seen: BTreeMap<u64, (u64, BTreeMap<FeedId, Cursor>)>,
    steps: u64,
    dir: PathBuf,
}

/// What a simulation that broke no invariant did.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "it is printed")]
pub struct Summary {
    pub nodes: usize,
    pub answered: usize,
    pub faults: u64,
    pub promotions: usize,
    /// Histories that were set aside.
    pub set_aside: usize,
    pub virtual_seconds: u64,
}

/// Runs one seed from the founding of the regions to the last check.
pub fn run(
    seed: u64,
    broken: Option<Broken>,
    trace: &Trace,
    dir: &Path,
) -> Result<Summary, Violation> {
    let mut world = World::new(seed, broken, trace.clone(), dir);
    world.found()?;
    let rng = StdRng::seed_from_u64(seed ^ 0x636c_6965);
    let vault = Arc::clone(&world.vault);
    let mut clients = Clients::new(CLIENTS, world.regions, vault, rng);
    let mut nemesis = Nemesis::new(seed, world.now);
    let until = world.now + SAFETY;
    while world.now < until {
        nemesis.step(&mut world)?;
        world.step()?;
        clients.step(world.now, &world.hosts)?;
    }
    nemesis.heal(&mut world)?;
    clients.stop();
    let set_aside = recovery::recover(&mut world, &mut clients, &mut nemesis)?;
    world.look()?;
    let (history, chronicle) = (&clients.history, &world.chronicle);
    let now = world.now;
    trace.note(now, format_args!("{history:?} {:?}", nemesis.promotions));
    let is_tried = |is_so: fn(&Operation) -> bool| history.iter().any(is_so);
    if !is_tried(|one| one.written().is_some()) || !is_tried(|one| one.seen().is_some()) {
        let how = format!("{} answers", clients.answered());
        return Err(violation("reads and writes are answered", how));
    }
    world.ways.check_all(chronicle)?;
    ballots::check(history)?;
    linearizable::check(history, chronicle)?;
    tokens::check(history, chronicle)?;
    ages::check(history)?;
    lost::check(&nemesis.promotions, history, chronicle)?;
    Ok(Summary {
        nodes: world.hosts.len(),
        answered: clients.answered(),
        faults: nemesis.faults,
        promotions: nemesis.promotions.len(),
        set_aside,
        virtual_seconds: now.as_secs(),
    })
}

impl World {
    fn new(seed: u64, broken: Option<Broken>, trace: Trace, dir: &Path) -> World {
        let mut rng = StdRng::seed_from_u64(seed);
        let regions = rng.random_range(2..=3);
        let scopes = (2..=regions).map(|region| match rng.random_ratio(1, 2) {
            true => (region, Scope::All),
            false => (region, Scope::Selected),
        });
        let scopes: BTreeMap<u64, Scope> = scopes.collect();
        let all = scopes.iter().filter(|(_, scope)| **scope == Scope::All);
        let all: BTreeSet<u64> = all.map(|(region, _)| *region).collect();
        let vault = Arc::new(Vault::new(regions, all));
        World {
            now: Duration::ZERO,
            hosts: Vec::new(),
            network: Network::new(seed, trace.clone(), vault.guard()),
            trace,
            seed,
            broken,
            regions,
            chronicle: Chronicle::default(),
            vault,
            scopes,
            rng,
            hashes: Hashes::default(),
            ways: Ways::default(),
            seen: BTreeMap::new(),
            steps: 0,
            dir: dir.to_path_buf(),
        }
    }

    /// Founds all regions, each of one or three nodes, and links them to the first.
    fn found(&mut self) -> Result<(), Violation> {
        for region in 1..=self.regions {
            let first = region::host(region, 1);
            let nodes = if self.rng.random_ratio(1, 3) { 1 } else { 3 };
            let introduction = match self.scopes.get(&region).copied() {
                None => None,
                Some(scope) => {
                    let link = move |node| script::link(node, region, scope);
                    Some(self.finish(region::host(1, 1), link)?)
                }
            };
            for node in 1..=nodes {
                self.add_host(region::host(region, node))?;
            }
            self.finish(first, move |node| script::found(node, introduction))?;
            for node in 2..=nodes {
                let host = region::host(region, node);
                self.finish(first, move |node| script::grow(node, host))?;
            }
            if region == 1 {
                self.wait_until(World::is_listed)?;
            }
        }
        self.wait_until(World::is_linked)
    }

    /// Says what the directory of the first region lacks of itself.
    fn is_listed(&self) -> Result<(), String> {
        let first = self.hosts.iter().find_map(Host::view);
        let first = first.expect("the first region");
        self.lists(&first, 1)
    }

    /// Says what a node lacks of the feeds, or of the nodes of all regions.
    fn is_linked(&self) -> Result<(), String> {
        for host in &self.hosts {
            let view = host.view().expect("a node that is up");
            for region in 1..=self.regions {
                let named = |how: String| format!("on node {}: {how}", host.id);
                self.lists(&view, region).map_err(named)?;
                if view.primary_of(&region::home(region)).is_none() {
                    return Err(named(format!("no feed {}", region::home(region))));
                }
            }
        }
        Ok(())
    }

    fn lists(&self, view: &View, region: u64) -> Result<(), String> {
        let name = region::name(region);
        let entry = view.directory().find(|(_, entry)| entry.name == name);
        let nodes = entry.map_or(0, |(_, entry)| entry.nodes.len());
        let is_listed = nodes == self.ids_of(region).len();
        is_listed
            .then_some(())
            .ok_or_else(|| format!("{nodes} nodes of {name}"))
    }

    fn wait_until(
        &mut self,
        is_so: impl Fn(&World) -> Result<(), String>,
    ) -> Result<(), Violation> {
        let late = self.now + FOUNDING;
        while let Err(how) = is_so(self) {
            if self.now >= late {
                return Err(violation("healthy regions work", how));
            }
            self.step()?;
        }
        Ok(())
    }

    /// All hosts.
    pub fn ids(&self) -> Vec<u64> {
        self.hosts.iter().map(|host| host.id).collect()
    }

    /// The hosts of a region.
    pub fn ids_of(&self, region: u64) -> Vec<u64> {
        let mut ids = self.ids();
        ids.retain(|id| region::of(*id) == region);
        ids
    }

    /// Adds a host with an empty disk and starts its node.
    fn add_host(&mut self, id: u64) -> Result<(), Violation> {
        // Any two clocks go at rates of a ratio of at most 1.1.
        let rate = self.rng.random_range(955..=1_050);
        let log = SimLog::new(self.seed ^ id << 32, false);
        let place = Place {
            snapshots: self.dir.join(id.to_string()),
            network: self.network.clone(),
            vault: Arc::clone(&self.vault),
            broken: self.broken,
        };
        let host = Host::new(id, rate, log, place);
        // A machine that comes later has the time of day like the others.
        host.wall.set(self.now, 0);
        self.hosts.push(host);
        self.start(id)
    }

    pub fn host(&mut self, id: u64) -> &mut Host {
        let host = self.hosts.iter_mut().find(|host| host.id == id);
        host.expect("a host of that id")
    }

    pub fn start(&mut self, id: u64) -> Result<(), Violation> {
        let started = self.host(id).start();
        self.trace.note(self.now, format_args!("node {id} starts"));
        if started.is_err() && self.host(id).log.has_failed() {
            // It refuses a disk that fails, rightly, and is tried again when all has healed.
            self.host(id).end(End::Crash);
            return Ok(());
        }
        started.map_err(|how| violation("a node opens what it wrote", format!("node {id} {how}")))
    }

    /// Lets one step of time pass everywhere.
    pub fn step(&mut self) -> Result<(), Violation> {
        self.now += STEP;
        self.steps += 1;
        self.network.deliver(self.now);
        let mut order: Vec<usize> = (0..self.hosts.len()).collect();
        order.shuffle(&mut self.rng);
        for at in order {
            self.hosts[at].log.advance(self.now);
            self.hosts[at].pass(STEP);
        }
        if self.steps.is_multiple_of(LOOK_EVERY) {
            self.look()?;
        }
        Ok(())
    }

    /// Checks what must always hold, and ends the processes that must stop.
    pub fn look(&mut self) -> Result<(), Violation> {
        members::check_sent(&self.network)?;
        for at in 0..self.hosts.len() {
            let host = &self.hosts[at];
            let Some(consensus) = host.consensus() else {
                continue;
            };
            let fault = consensus.faults().borrow().clone();
            if let Some(fault) = fault {
                let event = format_args!("node {} stops: {fault}", host.id);
                self.trace.note(self.now, event);
                if !host.log.has_failed() {
                    let how = format!("node {}: {fault}", host.id);
                    return Err(violation("a node stops only when its disk fails", how));
                }
                self.hosts[at].end(End::Crash);
                continue;
            }
            let (id, view) = (host.id, consensus.local_view());
            self.see(id, &view)?;
        }
        self.ways.check(&self.chronicle)
    }

    /// Takes what a node has applied.
    fn see(&mut self, id: u64, view: &View) -> Result<(), Violation> {
        let (region, index) = (region::of(id), view.index().0);
        let (last, cursors) = self.seen.entry(id).or_default();
        if *last == index {
            return Ok(());
        }
        *last = index;
        for held in view.feeds() {
            let Some(state) = held.state() else {
                continue;
            };
            let (feed, cursor) = (&state.feed, held.cursor());
            let last = cursors.entry(feed.clone()).or_insert_with(start);
            self.chronicle.see(region, view, feed, last)?;
            if cursor.revision > last.revision {
                last.clone_from(&cursor);
            }
            self.ways.see(region, index, feed, &cursor);
        }
        self.hashes.see(region, id, view)?;
        members::check_held(id, view, &self.chronicle)
    }

    /// The revision at which a feed was last seen on a host.
    pub fn seen(&self, id: u64, feed: &FeedId) -> u64 {
        let cursor = self
            .seen
            .get(&id)
            .and_then(|(_, cursors)| cursors.get(feed));
        cursor.map_or(0, |cursor| cursor.revision.0)
    }

    /// Makes a call and lets time pass until it has succeeded.
    pub fn finish<T, F, C>(&mut self, host: u64, call: C) -> Result<T, Violation>
    where
        C: FnOnce(Node) -> F + Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
        T: Send + 'static,
    {
        let call = self.host(host).call(call).expect("a node that is up");
        let violated = |how: &str| violation("healthy regions work", format!("node {host}: {how}"));
        let late = self.now + FOUNDING;
        while self.now < late {
            self.step()?;
            if let Some(result) = call.answer() {
                return result.map_err(|how| violated(&how));
            }
        }
        Err(violated("no answer in time"))
    }
}

/// Before the first change of a feed.
fn start() -> Cursor {
    Cursor {
        epoch: None,
        revision: Revision(0),
        chain: Hash::ZERO,
    }
}
