//! A simulated host of one of several regions: a disk and clocks that stay, and a whole node, with
//! its part in the traffic between regions, that comes and goes.
//!
//! As in the simulation of one region, each node has a runtime of one thread whose time the
//! simulation alone moves, and dropping the runtime ends every task of the node at once.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::{Consensus, Danger, Epochs, Keep, Options, Reads, Timing, View};
use machine::{Command, Entry, ImportChanges, MACHINE_VERSION, MachineVersion, NodeId, RegionName};
use prost::Message as _;
use replication::{DialFailed, Own, Regions, Replication, Staleness};
use store::{Log as _, SnapshotDir, Stamped};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::transport::Channel;
use wire::raft::v1::LogEntry;
use wire::raft::v1::log_entry::Payload;

use crate::broken::Broken;
use crate::call::Call;
use crate::clock::Wall;
use crate::disk::{End, Plain, SimLog, SimRows};
use crate::network::{Network, SimPeers};
use crate::region;
use crate::service::Node;
use crate::vault::{RegionKeys, Vault};

pub struct Host {
    pub id: u64,
    pub log: Arc<SimLog>,
    pub wall: Wall,
    /// How fast its clocks go, in thousandths.
    pub rate: u32,
    pub paused: bool,
    rows: Arc<SimRows>,
    place: Place,
    running: Option<Running>,
    /// Time that passed while it was paused.
    missed: Duration,
}

/// What a host is given of the world.
pub struct Place {
    pub snapshots: PathBuf,
    pub network: Network,
    pub vault: Arc<Vault>,
    pub broken: Option<Broken>,
}

struct Running {
    runtime: Runtime,
    node: Node,
}

impl Host {
    pub fn new(id: u64, rate: u32, log: SimLog, place: Place) -> Host {
        Host {
            id,
            log: Arc::new(log),
            wall: Wall::default(),
            rate,
            paused: false,
            rows: Arc::default(),
            place,
            running: None,
            missed: Duration::ZERO,
        }
    }

    pub fn region(&self) -> u64 {
        region::of(self.id)
    }

    pub fn is_up(&self) -> bool {
        self.running.is_some()
    }

    pub fn node(&self) -> Option<&Node> {
        self.running.as_ref().map(|running| &running.node)
    }

    pub fn consensus(&self) -> Option<&Consensus> {
        self.node().map(|node| &node.consensus)
    }

    /// What the node has applied; `None` when it is down.
    pub fn view(&self) -> Option<View> {
        self.consensus().map(Consensus::local_view)
    }

    /// The imports that its log holds, committed or not.
    pub fn imports(&self) -> Vec<ImportChanges> {
        let records = self.log.read(0..u64::MAX).expect("a log in memory");
        let entries = records.into_iter().filter_map(|record| {
            let entry = LogEntry::decode(record.body.as_slice()).expect("an entry of the log");
            match entry.payload? {
                Payload::Command(bytes) => Some(Entry::decode(&bytes).expect("a command")),
                _ => None,
            }
        });
        let imports = entries.filter_map(|entry| match entry.command {
            Command::ImportChanges(import) => Some(import),
            _ => None,
        });
        imports.collect()
    }

    /// Starts the node; an error when it refuses its disk.
    pub fn start(&mut self) -> Result<(), String> {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime");
        let node = runtime.block_on(self.open())?;
        let incoming = UnboundedReceiverStream::new(self.place.network.listen(self.id));
        let serving = tonic::transport::Server::builder()
            .add_service(node.consensus.raft_service())
            .add_service(node.replication.service())
            .serve_with_incoming(incoming.map(Ok::<_, std::io::Error>));
        runtime.spawn(serving);
        self.running = Some(Running { runtime, node });
        self.paused = false;
        self.missed = Duration::ZERO;
        Ok(())
    }

    async fn open(&self) -> Result<Node, String> {
        let region = region::name(self.region());
        let stamped = Stamped {
            cluster: region::CLUSTER.0,
            region: region.to_string(),
            node: self.id,
        };
        let snapshots = SnapshotDir::open(&self.place.snapshots, &stamped, Arc::new(Plain));
        let epochs = Arc::<Epochs>::default();
        let staleness = Arc::new(Staleness::new(Arc::new(self.wall.clone())));
        let opening = Consensus::open(
            self.options(&epochs, &staleness),
            Arc::<SimLog>::clone(&self.log),
            Arc::<SimRows>::clone(&self.rows),
            snapshots.map_err(|error| error.to_string())?,
            Arc::new(SimPeers {
                node: self.id,
                network: self.place.network.clone(),
            }),
            Arc::new(self.wall.clone()),
        );
        let consensus = opening.await;
        let consensus = consensus.map_err(|error| format!("does not open: {error}"))?;
        let replication = Replication::new(replication::Options {
            consensus: consensus.clone(),
            node: NodeId(self.id),
            cluster: region::CLUSTER,
            region,
            keys: Arc::new(RegionKeys {
                vault: Arc::clone(&self.place.vault),
                region: self.region(),
            }),
            regions: Arc::new(Ways {
                from: self.id,
                network: self.place.network.clone(),
            }),
            epochs: Arc::clone(&epochs),
            own: Arc::new(Told {
                region: self.region(),
            }),
            staleness,
            stop: CancellationToken::new(),
        });
        replication.start();
        Ok(Node {
            consensus,
            replication,
            epochs,
            region: self.region(),
            vault: Arc::clone(&self.place.vault),
            broken: self.place.broken,
        })
    }

    /// Small logs: a node that was away a little while is sent a snapshot.
    fn options(&self, epochs: &Arc<Epochs>, staleness: &Arc<Staleness>) -> Options {
        Options {
            node: NodeId(self.id),
            cluster: region::CLUSTER,
            region: region::name(self.region()),
            timing: Timing::default(),
            keep: Keep {
                value_memory_bytes: 512,
                snapshot_entries: 120,
                log_entries: 40,
            },
            scrub_interval: Duration::ZERO,
            reads: Reads::Lease,
            epochs: Arc::clone(epochs),
            ages: Arc::<Staleness>::clone(staleness),
            danger: self.place.broken.map_or(Danger::NONE, Broken::danger),
        }
    }

    /// Ends the node: nothing is handed over, written or said.
    pub fn end(&mut self, end: End) {
        self.place.network.hang_up(self.id, end == End::PowerCut);
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
        C: FnOnce(Node) -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let running = self.running.as_ref()?;
        let answer = call(running.node.clone());
        Some(Call::make(&running.runtime, answer))
    }
}

/// A node's way to those of other regions.
struct Ways {
    from: u64,
    network: Network,
}

impl Regions for Ways {
    fn channel(&self, _: &RegionName, node: &machine::Node) -> Result<Channel, DialFailed> {
        Ok(self.network.channel(self.from, node.id.0))
    }
}

/// What a region tells of itself.
struct Told {
    region: u64,
}

impl Own for Told {
    fn authorities(&self) -> Vec<Bytes> {
        vec![region::authority(self.region)]
    }

    fn machine_version(&self) -> MachineVersion {
        MACHINE_VERSION
    }
}
