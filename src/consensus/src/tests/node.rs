//! One test node: its disk outlives its runtime.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use machine::{ClusterId, FeedId, Hash, Node, NodeId, RegionName, Stamp};
use store::{Cipher, CipherFault, Log, MemoryLog, MemoryRows, Place, Rows, SnapshotDir, Stamped};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use wire::PeerIdentity;

use super::fabric::{Fabric, FabricPeers};
use crate::{
    Ages, Clock, Consensus, Danger, Epochs, Keep, OpenError, Options, Reads, SystemClock, Timing,
};

pub(super) const CLUSTER: ClusterId = ClusterId([7; 16]);
pub(super) const REGION: &str = "eu-north-1";

/// What a node keeps while it is down.
#[derive(Clone)]
pub(super) struct Disk {
    pub(super) node: u64,
    pub(super) log: Arc<dyn Log>,
    pub(super) rows: Arc<dyn Rows>,
    pub(super) snapshots: PathBuf,
    pub(super) clock: TestClock,
    pub(super) epochs: Arc<Epochs>,
    pub(super) ages: TestAges,
    pub(super) _dir: Arc<tempfile::TempDir>,
}

/// A cipher that leaves everything as it is.
pub(super) struct Plain;

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

pub(super) fn stamped(node: u64) -> Stamped {
    Stamped {
        cluster: CLUSTER.0,
        region: REGION.to_owned(),
        node,
    }
}

impl Disk {
    pub(super) fn memory(node: u64) -> Disk {
        let dir = tempfile::tempdir().expect("a directory");
        Disk {
            node,
            log: Arc::new(MemoryLog::new()),
            rows: Arc::new(MemoryRows::new()),
            snapshots: dir.path().join("snapshots"),
            clock: TestClock::default(),
            epochs: Arc::default(),
            ages: TestAges::default(),
            _dir: Arc::new(dir),
        }
    }

    /// A node on a log and rows of the caller's.
    pub(super) fn with(node: u64, log: Arc<dyn Log>, rows: Arc<dyn Rows>) -> Disk {
        Disk {
            log,
            rows,
            ..Disk::memory(node)
        }
    }

    /// The same node after its rows were lost.
    pub(super) fn without_rows(&self) -> Disk {
        Disk {
            rows: Arc::new(MemoryRows::new()),
            ..self.clone()
        }
    }

    pub(super) fn snapshot_dir(&self) -> SnapshotDir {
        let stamped = stamped(self.node);
        SnapshotDir::open(&self.snapshots, &stamped, Arc::new(Plain)).expect("snapshots")
    }
}

/// Settings a test may change.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Settings {
    pub(super) keep: Keep,
    pub(super) reads: Reads,
    pub(super) danger: Danger,
    /// Zero: nothing is scrubbed.
    pub(super) scrub_interval: Duration,
}

/// Ages that a test sets.
#[derive(Debug, Clone, Default)]
pub(super) struct TestAges {
    ages: Arc<Mutex<Vec<(FeedId, Duration)>>>,
    /// Goes on by so much whenever the ages are asked for.
    clock: Arc<Mutex<Option<(TestClock, Duration)>>>,
}

impl TestAges {
    pub(super) fn set(&self, ages: &[(FeedId, Duration)]) {
        *self.ages.lock().unwrap() = ages.to_vec();
    }

    pub(super) fn take(&self, time: Duration, of: &TestClock) {
        *self.clock.lock().unwrap() = Some((of.clone(), time));
    }
}

impl Ages for TestAges {
    fn ages(&self) -> Vec<(FeedId, Duration)> {
        if let Some((clock, time)) = &*self.clock.lock().unwrap() {
            clock.advance(*time);
        }
        self.ages.lock().unwrap().clone()
    }
}

/// The clocks of a machine: a test can set the wall clock off, and stop the time since boot.
#[derive(Debug, Clone, Default)]
pub(super) struct TestClock {
    offset_ms: Arc<AtomicI64>,
    stopped_at_ns: Arc<AtomicU64>,
}

impl TestClock {
    pub(super) fn set_off(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
    }

    /// From now on the time since boot moves only by [`TestClock::advance`].
    pub(super) fn stop(&self) {
        let now = u64::try_from(self.since_boot().as_nanos()).expect("not that old");
        self.stopped_at_ns.store(now, Ordering::SeqCst);
    }

    pub(super) fn advance(&self, by: Duration) {
        let by = u64::try_from(by.as_nanos()).expect("not that long");
        self.stopped_at_ns.fetch_add(by, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Stamp {
        let offset = self.offset_ms.load(Ordering::Relaxed);
        Stamp(SystemClock.now().0.saturating_add_signed(offset))
    }

    fn since_boot(&self) -> Duration {
        match self.stopped_at_ns.load(Ordering::SeqCst) {
            0 => SystemClock.since_boot(),
            stopped_at_ns => Duration::from_nanos(stopped_at_ns),
        }
    }
}

/// A node that runs.
pub(super) struct Running {
    pub(super) disk: Disk,
    pub(super) consensus: Consensus,
    pub(super) clock: TestClock,
    runtime: Option<Runtime>,
    fabric: Arc<Fabric>,
}

pub(super) fn address(node: u64) -> String {
    format!("node-{node}:7421")
}

pub(super) fn member(node: u64) -> Node {
    Node {
        id: NodeId(node),
        peer_address: address(node),
        api_address: format!("node-{node}:7420"),
        public_key: Hash([u8::try_from(node).expect("a small id"); 32]),
    }
}

impl Running {
    pub(super) async fn start(
        disk: Disk,
        fabric: &Arc<Fabric>,
        settings: Settings,
    ) -> Result<Running, OpenError> {
        let node = disk.node;
        // One worker: a task that blocks it pauses the whole node.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name(format!("node-{node}"))
            .enable_all()
            .build()
            .expect("a runtime");
        let options = Options {
            node: NodeId(node),
            cluster: CLUSTER,
            region: RegionName::new(REGION).expect("a region"),
            timing: Timing::default(),
            keep: settings.keep,
            scrub_interval: settings.scrub_interval,
            reads: settings.reads,
            epochs: Arc::clone(&disk.epochs),
            ages: Arc::new(disk.ages.clone()),
            danger: settings.danger,
        };
        fabric.identify(
            node,
            PeerIdentity {
                cluster: CLUSTER.to_string(),
                region: REGION.to_owned(),
                node,
                public_key: member(node).public_key.0,
            },
        );
        let peers = FabricPeers {
            node,
            fabric: Arc::clone(fabric),
        };
        let clock = disk.clock.clone();
        let opening = Consensus::open(
            options,
            Arc::clone(&disk.log),
            Arc::clone(&disk.rows),
            disk.snapshot_dir(),
            Arc::new(peers),
            Arc::new(clock.clone()),
        );
        let opened = runtime.spawn(opening).await.expect("no panic");
        let consensus = match opened {
            Ok(consensus) => consensus,
            Err(error) => {
                runtime.shutdown_background();
                return Err(error);
            }
        };
        let incoming = ReceiverStream::new(fabric.listen(node)).map(Ok::<_, std::io::Error>);
        let serving = tonic::transport::Server::builder()
            .add_service(consensus.raft_service())
            .serve_with_incoming(incoming);
        runtime.spawn(serving);
        Ok(Running {
            disk,
            consensus,
            clock,
            runtime: Some(runtime),
            fabric: Arc::clone(fabric),
        })
    }

    /// Runs a call on the node's own runtime, so that a paused node does nothing at all.
    pub(super) fn run<T, F, C>(&self, call: C) -> impl Future<Output = T> + use<T, F, C>
    where
        C: FnOnce(Consensus) -> F + Send + 'static,
        F: Future<Output = T> + Send + 'static,
        T: Send + 'static,
    {
        let consensus = self.consensus.clone();
        let runtime = self.runtime.as_ref().expect("a running node");
        let task = runtime.spawn(async move { call(consensus).await });
        async move { task.await.expect("no panic in the node") }
    }

    /// Stops the node's only worker until the guard is dropped.
    pub(super) fn pause(&self) -> Paused {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let held = Arc::clone(&gate);
        let runtime = self.runtime.as_ref().expect("a running node");
        runtime.spawn(async move {
            let (open, opened) = &*held;
            let mut is_open = open.lock().unwrap();
            while !*is_open {
                is_open = opened.wait(is_open).unwrap();
            }
        });
        Paused(gate)
    }

    /// Ends the node as a crash would: nothing is handed over or flushed.
    pub(super) fn crash(mut self) -> Disk {
        self.fabric.hang_up(self.disk.node);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.consensus.inner.backlog.stop();
        self.disk.clone()
    }

    /// Ends the node in order.
    pub(super) async fn shutdown(mut self) -> Disk {
        self.run(|consensus| async move { consensus.shutdown().await })
            .await;
        self.fabric.hang_up(self.disk.node);
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.disk.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
        self.consensus.inner.backlog.stop();
    }
}

/// A paused node goes on when this is dropped.
pub(super) struct Paused(Arc<(Mutex<bool>, Condvar)>);

impl Drop for Paused {
    fn drop(&mut self) {
        *self.0.0.lock().unwrap() = true;
        self.0.1.notify_all();
    }
}
