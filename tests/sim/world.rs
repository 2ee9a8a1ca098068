//! One simulated region: hosts, network and clients, moved on together in small steps of time.
//!
//! Nothing but [`World::step`] lets time pass. Within a step each node runs until nothing is left
//! to do before the step's end; the order of the nodes is drawn from the seed.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use consensus::{Consensus, Danger, Role};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use crate::broken::Broken;
use crate::clients::{self, Clients};
use crate::disk::{End, SimLog};
use crate::history::{Violation, violation};
use crate::host::Host;
use crate::invariants::agreement::Agreement;
use crate::invariants::{acknowledged, linearizable, sealed};
use crate::membership;
use crate::nemesis::Nemesis;
use crate::network::Network;
use crate::region;
use crate::trace::Trace;
use crate::vault::{self, Vault};

/// How far time goes in one step.
const STEP: Duration = Duration::from_millis(2);
/// How long faults are made.
const SAFETY: Duration = Duration::from_secs(12);
/// How soon after the last fault everything must work again.
const PROGRESS: Duration = Duration::from_secs(20);
const SECRETS: u8 = 5;
const CLIENTS: usize = 6;
/// Steps between two looks at all nodes.
const LOOK_EVERY: u64 = 100;

pub struct World {
    pub now: Duration,
    pub hosts: Vec<Host>,
    pub network: Network,
    pub trace: Trace,
    pub seed: u64,
    pub broken: Option<Broken>,
    rng: StdRng,
    agreement: Agreement,
    steps: u64,
    dir: PathBuf,
}

/// What a simulation that broke no invariant did.
#[derive(Debug, Default)]
#[expect(dead_code, reason = "it is printed")]
pub struct Summary {
    pub answered: usize,
    pub faults: u64,
    pub virtual_seconds: u64,
}

/// Runs one seed from the founding of the region to the last check.
pub fn run(
    seed: u64,
    broken: Option<Broken>,
    trace: &Trace,
    dir: &Path,
) -> Result<Summary, Violation> {
    let mut world = World::new(seed, broken, trace.clone(), dir);
    let secrets = world.found()?;
    let vault = Arc::new(Vault::new(broken == Some(Broken::ForwardsUnsealed)));
    let rng = StdRng::seed_from_u64(seed ^ 0x636c_6965);
    let mut clients = Clients::new(CLIENTS, secrets, vault, rng);
    let mut nemesis = Nemesis::new(seed, world.now);
    let until = world.now + SAFETY;
    while world.now < until {
        nemesis.step(&mut world)?;
        world.step()?;
        clients.step(world.now, &world.hosts)?;
    }
    nemesis.heal(&mut world)?;
    clients.stop();
    let view = world.recover(&mut clients)?;
    let order = clients::order(&view, clients.secrets());
    acknowledged::check(&clients.history, &order)?;
    linearizable::check(&clients.history, &order)?;
    let now = world.now;
    trace.note(now, format_args!("{:?} {order:?}", clients.history));
    Ok(Summary {
        answered: clients.answered(),
        faults: nemesis.faults,
        virtual_seconds: now.as_secs(),
    })
}

impl World {
    fn new(seed: u64, broken: Option<Broken>, trace: Trace, dir: &Path) -> World {
        World {
            now: Duration::ZERO,
            hosts: Vec::new(),
            network: Network::new(seed, trace.clone(), vault::guard()),
            trace,
            seed,
            broken,
            rng: StdRng::seed_from_u64(seed),
            agreement: Agreement::default(),
            steps: 0,
            dir: dir.to_path_buf(),
        }
    }

    /// Founds a region of three or five nodes, with its secrets.
    fn found(&mut self) -> Result<Vec<machine::Uid>, Violation> {
        let nodes = if self.rng.random_ratio(1, 4) { 5 } else { 3 };
        for node in 1..=nodes {
            self.add_host(node)?;
        }
        self.finish(1, membership::found)?;
        for node in 2..=nodes {
            self.finish(1, move |consensus| membership::grow(consensus, node))?;
        }
        let uids: Vec<machine::Uid> = (1..=SECRETS).map(region::uid).collect();
        for (uid, number) in uids.iter().copied().zip(1..) {
            self.finish(1, move |consensus| {
                membership::create(consensus, uid, number)
            })?;
        }
        Ok(uids)
    }

    /// Adds a host with an empty disk and starts its node.
    pub fn add_host(&mut self, id: u64) -> Result<(), Violation> {
        // Any two clocks go at rates of a ratio of at most 1.1.
        let rate = self.rng.random_range(955..=1_050);
        let early = self.broken == Some(Broken::AcknowledgesBeforeSync);
        let log = SimLog::new(self.seed ^ id << 32, early);
        let snapshots = self.dir.join(id.to_string());
        let danger = self.broken.map_or(Danger::NONE, Broken::danger);
        let host = Host::new(id, rate, log, snapshots, &self.network, danger);
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
    fn look(&mut self) -> Result<(), Violation> {
        sealed::check(&self.network)?;
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
            let view = consensus.local_view();
            self.agreement.see(host.id, &view)?;
        }
        Ok(())
    }

    /// Makes a call and lets time pass until it has succeeded.
    fn finish<T, F, C>(&mut self, node: u64, call: C) -> Result<T, Violation>
    where
        C: FnOnce(Consensus) -> F + Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
        T: Send + 'static,
    {
        let call = self.host(node).call(call).expect("a node that is up");
        let violated =
            |how: &str| violation("a healthy region works", format!("node {node}: {how}"));
        let late = self.now + PROGRESS;
        while self.now < late {
            self.step()?;
            if let Some(result) = call.answer() {
                return result.map_err(|how| violated(&how));
            }
        }
        Err(violated("no answer in time"))
    }

    /// Waits until all voters work and agree, and answers what they agree on.
    fn recover(&mut self, clients: &mut Clients) -> Result<consensus::View, Violation> {
        let late = self.now + PROGRESS;
        while clients.is_busy() && self.now < late {
            self.step()?;
            clients.step(self.now, &self.hosts)?;
        }
        let leader = self.wait_for_leader(late)?;
        for (at, voter) in self.voters(leader).iter().enumerate() {
            let uid = region::uid(100 + u8::try_from(at).expect("few"));
            let number = 100 + u64::try_from(at).expect("few");
            let created = self.finish(*voter, move |consensus| {
                membership::create_at_last(consensus, uid, number)
            });
            // A removal that was under way may end now, and its node hears of nothing any more.
            let leader = self.wait_for_leader(self.now + PROGRESS)?;
            if self.voters(leader).contains(voter) {
                created?;
            }
        }
        let late = self.now + PROGRESS;
        while self.now < late {
            let leader = self.wait_for_leader(late)?;
            let voters = self.voters(leader);
            let views = self.hosts.iter().filter(|host| voters.contains(&host.id));
            let mut views = views.filter_map(|host| Some(host.consensus()?.local_view()));
            let first = views.next().expect("a voter");
            if views.all(|view| view.index() == first.index()) {
                self.look()?;
                return Ok(first);
            }
        }
        let how = "the voters do not reach the same index";
        Err(violation("a healed region makes progress", how))
    }

    fn wait_for_leader(&mut self, late: Duration) -> Result<u64, Violation> {
        while self.now < late {
            self.step()?;
            let leads = |host: &&Host| {
                let status = host.consensus()?.status();
                let heard = status.last_quorum_ack_age? < Duration::from_millis(200);
                (status.role == Role::Leader && heard).then_some(())
            };
            if let Some(host) = self.hosts.iter().find(|host| leads(host).is_some()) {
                return Ok(host.id);
            }
        }
        Err(violation("a healed region makes progress", "no leader"))
    }

    pub fn voters(&self, node: u64) -> Vec<u64> {
        let host = self.hosts.iter().find(|host| host.id == node);
        let consensus = host.and_then(Host::consensus);
        consensus.map_or_else(Vec::new, |consensus| {
            let voters = consensus.status().voters;
            voters.iter().map(|voter| voter.0).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use consensus::Clock;

    use super::*;

    /// Three hosts, of which one came when the others had run for a while.
    fn world(dir: &Path) -> World {
        let mut world = World::new(1, None, Trace::new(false), dir);
        world.add_host(1).unwrap();
        world.add_host(2).unwrap();
        while world.now < Duration::from_secs(6) {
            world.step().unwrap();
        }
        world.add_host(3).unwrap();
        world
    }

    /// How far apart the hosts' wall clocks are.
    fn apart_ms(world: &World) -> u64 {
        let times = world.hosts.iter().map(|host| host.wall.now().0);
        times.clone().max().unwrap() - times.min().unwrap()
    }

    #[test]
    fn a_host_that_comes_later_has_the_time_of_day_like_the_others() {
        let dir = tempfile::tempdir().unwrap();
        // What clocks of different rates come to in six seconds.
        assert!(apart_ms(&world(dir.path())) < 600);
    }

    #[test]
    fn clocks_agree_once_all_faults_are_healed() {
        let dir = tempfile::tempdir().unwrap();
        let mut world = world(dir.path());
        let now = world.now;
        world.host(1).wall.set(now, 20_000);
        assert!(apart_ms(&world) > 19_000);
        let mut nemesis = Nemesis::new(1, world.now);
        nemesis.heal(&mut world).unwrap();
        assert_eq!(apart_ms(&world), 0);
    }
}
