//! A region, and the clients of one history after the other.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::{Order, Region};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::faults::{Fault, keep};
use crate::workload::{self, Part, Shared};

/// Where histories happen.
pub struct Stage<'a> {
    pub region: Region,
    /// Ids of nodes given so far.
    pub nodes: u64,
    runtime: &'a Runtime,
    shared: Arc<Shared>,
    clients: Vec<JoinHandle<()>>,
    random: StdRng,
}

impl<'a> Stage<'a> {
    /// A healthy region that reads this way.
    pub fn new(runtime: &'a Runtime, reads: &'static str) -> Self {
        Self {
            region: Region::strained(reads),
            nodes: 3,
            runtime,
            shared: Shared::new(0),
            clients: Vec::new(),
            random: StdRng::seed_from_u64(0),
        }
    }

    /// Lets clients call secrets of a history while faults happen, heals all and reads everything.
    pub fn record(&mut self, seed: u64, faults: &[Fault], random: &mut StdRng) -> Arc<Shared> {
        self.begin(seed, random);
        for fault in faults {
            fault.happen(self, random);
            keep(Duration::from_millis(random.random_range(100..600)));
        }
        self.end()
    }

    /// Lets clients of all nodes call.
    pub fn begin(&mut self, seed: u64, random: &mut StdRng) {
        self.shared = Shared::new(seed);
        self.random = StdRng::seed_from_u64(random.random());
        self.region.nodes().iter().for_each(|node| self.call(*node));
        keep(Duration::from_millis(300));
    }

    /// Ends the calls, waits until all nodes answer, and reads everything from each.
    pub fn end(&mut self) -> Arc<Shared> {
        self.shared.over.store(true, Ordering::Release);
        for client in std::mem::take(&mut self.clients) {
            self.runtime.block_on(client).unwrap();
        }
        for node in self.region.nodes() {
            self.region.order(node, Order::ClockRate, 0);
            self.region.wait_for(node);
        }
        for node in self.region.nodes() {
            let all = async { workload::read_all(&self.shared, &self.client(node)).await };
            self.runtime.block_on(all);
        }
        self.region.wait_for_equal_hashes();
        Arc::clone(&self.shared)
    }

    /// Lets clients of a node call until the end.
    pub fn call(&mut self, node: u64) {
        for part in Part::CLIENTS {
            let client = self.runtime.block_on(async { self.client(node) });
            let seed = self.random.random();
            let calls = workload::run(Arc::clone(&self.shared), client, part, seed);
            self.clients.push(self.runtime.spawn(calls));
        }
    }

    /// Writes what belongs to no history, so that the log grows.
    pub fn write_more(&self) {
        let leader = self.region.leader();
        let writes = async { workload::write_more(&self.shared, &self.client(leader)).await };
        self.runtime.block_on(writes);
    }

    /// A client of one node: what it says is what that node says.
    fn client(&self, node: u64) -> client::Client {
        workload::client(&self.region, node)
    }
}
