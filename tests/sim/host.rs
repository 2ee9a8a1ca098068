//! A simulated host: a disk and clocks that stay, and a whole node that comes and goes.
//!
//! Each node has a runtime of one thread with paused time. The simulation alone moves that time, at
//! the rate of the host's clock; a paused node does nothing at all, and finds all its timers
//! due when it goes on. Dropping the runtime ends every task of the node at once, as a crash does.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use consensus::{Clock, Consensus, Danger, Keep, Options, Reads, Timing};
use machine::{NodeId, Stamp};
use store::{Cipher, CipherFault, Place, SnapshotDir, Stamped};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::disk::{End, SimLog, SimRows};
use crate::network::{Network, SimPeers};
use crate::region;

/// Unix milliseconds at which every simulation begins.
const BEGIN_MS: u64 = 1_900_000_000_000;

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

/// A wall clock that goes at its host's rate and can be set.
#[derive(Clone, Default)]
pub struct Wall {
    elapsed_us: Arc<AtomicU64>,
    offset_ms: Arc<AtomicI64>,
}

impl Wall {
    /// Sets the clock so far from the time of the simulation; zero sets it right.
    pub fn set(&self, now: Duration, off_ms: i64) {
        let now_ms = BEGIN_MS + u64::try_from(now.as_millis()).expect("a short time");
        let right_ms = now_ms.cast_signed() - self.elapsed_ms().cast_signed();
        self.offset_ms.store(right_ms + off_ms, Ordering::Relaxed);
    }

    fn elapsed_ms(&self) -> u64 {
        self.elapsed_us.load(Ordering::Relaxed) / 1_000
    }

    fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_micros()).expect("a short time");
        self.elapsed_us.fetch_add(by, Ordering::Relaxed);
    }
}

impl Clock for Wall {
    fn now(&self) -> Stamp {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        Stamp(self.elapsed_ms().saturating_add_signed(offset))
    }

    fn since_boot(&self) -> Duration {
        Duration::from_micros(self.elapsed_us.load(Ordering::Relaxed))
    }
}

/// A call on a node. It never answers when the node ends before it.
pub struct Call<T>(Arc<Mutex<Option<T>>>);

impl<T> Call<T> {
    pub fn answer(&self) -> Option<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the node ended with the call.
    pub fn is_lost(&self) -> bool {
        let answer = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answer.is_none() && Arc::strong_count(&self.0) == 1
    }
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
        let consensus = running.consensus.clone();
        let slot = Arc::new(Mutex::new(None));
        let answer = Arc::clone(&slot);
        running.runtime.spawn(async move {
            let answered = call(consensus).await;
            *answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answered);
        });
        Some(Call(slot))
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
        danger,
    }
}

/// The simulated disk is watched for loss, not for what stands on it.
struct Plain;

impl Cipher for Plain {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(sealed.to_vec())
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}
