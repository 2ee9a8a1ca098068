//! A simulated host: a disk and clocks that stay, and a whole node that comes and goes.
//!
//! Each node has a runtime of one thread with paused time. The simulation alone moves that time, at
//! the rate of the host's clock; a paused node does nothing at all, and finds all its timers
//! due when it goes on. Dropping the runtime ends every task of the node at once, as a crash does.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Consensus, Danger, Keep, NoAges, Options, Reads, Timing};
use machine::NodeId;
use store::{SnapshotDir, Stamped};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::call::Call;
use crate::clock::Wall;
use crate::disk::{End, Plain, SimLog, SimRows};
use crate::network::{Network, SimPeers};
use crate::region;

pub struct Host {
    pub id: u64,
    pub log: Arc<SimLog>,
    pub wall: Wall,
    /// How fast its clocks go, in thousandths.
    pub rate: u32,
    pub paused: bool,
    rows: Arc<SimRows>,
    snapshots: PathBuf,
    network: Network,
    /// What its build leaves out.
    danger: Danger,
    running: Option<Running>,
    /// Time that passed while it was paused.
    missed: Duration,
}

struct Running {
    runtime: Runtime,
    consensus: Consensus,
}

impl Host {
    pub fn new(
        id: u64,
        rate: u32,
        log: SimLog,
        snapshots: PathBuf,
        network: &Network,
        danger: Danger,
    ) -> Host {
        Host {
            id,
            log: Arc::new(log),
            wall: Wall::default(),
            rate,
            paused: false,
            rows: Arc::default(),
            snapshots,
            network: network.clone(),
            danger,
            running: None,
            missed: Duration::ZERO,
        }
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub fn consensus(&self) -> Option<&Consensus> {
        self.running.as_ref().map(|running| &running.consensus)
    }

    /// Starts the node; an error when it refuses its disk.
    pub fn start(&mut self) -> Result<(), String> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let stamped = Stamped {
            cluster: region::CLUSTER.0,
            region: region::REGION.to_owned(),
            node: self.id,
        };
        let snapshots = SnapshotDir::open(&self.snapshots, &stamped, Arc::new(Plain));
        let opening = Consensus::open(
            options(self.id, self.danger),
            Arc::<SimLog>::clone(&self.log),
            Arc::<SimRows>::clone(&self.rows),
            snapshots.map_err(|error| error.to_string())?,
            Arc::new(SimPeers {
                node: self.id,
                network: self.network.clone(),
            }),
            Arc::new(self.wall.clone()),
        );
        let consensus = runtime.block_on(opening);
        let consensus = consensus.map_err(|error| format!("does not open: {error}"))?;
        let incoming = UnboundedReceiverStream::new(self.network.listen(self.id));
        let serving = tonic::transport::Server::builder()
            .add_service(consensus.raft_service())
            .serve_with_incoming(incoming.map(Ok::<_, std::io::Error>));
        runtime.spawn(serving);
        self.running = Some(Running { runtime, consensus });
        self.paused = false;
        self.missed = Duration::ZERO;
        Ok(())
    }

    /// Ends the node: nothing is handed over, written or said.
    pub fn end(&mut self, end: End) {
        self.network.hang_up(self.id, end == End::PowerCut);
        // Before the disk: what the end calls back has no core to reach.
        self.running = None;
        self.log.end(end);
        if end == End::PowerCut {
            self.rows.lose();
        }
    }

    /// Lets `time` pass here.
    pub fn pass(&mut self, time: Duration) {
        let time = time * self.rate / 1_000;
        self.wall.advance(time);
        if self.paused {
            self.missed += time;
            return;
        }
        let missed = std::mem::take(&mut self.missed);
        if let Some(running) = &self.running {
            running.runtime.block_on(async {
                if !missed.is_zero() {
                    tokio::time::advance(missed).await;
                }
                tokio::time::sleep(time).await;
            });
        }
    }

    /// Makes a call on the node; `None` when it is down.
    pub fn call<T, F, C>(&self, call: C) -> Option<Call<T>>
    where
        C: FnOnce(Consensus) -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let running = self.running.as_ref()?;
        let answer = call(running.consensus.clone());
        Some(Call::make(&running.runtime, answer))
    }
}

/// Small logs: a node that was away a little while is sent a snapshot.
fn options(node: u64, danger: Danger) -> Options {
    Options {
        node: NodeId(node),
        cluster: region::CLUSTER,
        region: region::name(),
        timing: Timing::default(),
        keep: Keep {
            value_memory_bytes: 512,
            snapshot_entries: 60,
            log_entries: 20,
        },
        scrub_interval: Duration::ZERO,
        reads: Reads::Lease,
        epochs: Arc::default(),
        ages: Arc::new(NoAges),
        danger,
    }
}
