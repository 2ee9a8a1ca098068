//! A region whose nodes run, and what tests do to it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use consensus::{Committed, Consensus, Danger, Epochs, Keep, Proposal, Reads, SystemClock, Timing};
use envelope::LinkKey;
use machine::{
    AdmitNode, Command, DeleteSecret, Hash, Introduction, IssueJoinToken, MACHINE_VERSION,
    MachineVersion, NewVersion, NodeId, PutSecretValue, Rejection, Scope, Seen, Stamp, State, Uid,
    UnlinkRegion, VersionId, Wrap,
};
use store::{Cipher, CipherFault, MemoryLog, MemoryRows, Place, SnapshotDir, Stamped};
use strongroom_replication::{Keys, Options, Own, Replication, Staleness, TakeFailed};
use tokio_util::sync::CancellationToken;
use wire::Caller;

use super::kit::{self, replica};
use super::pipes::{Pipes, Ways};
use super::{CLUSTER, address, authority, identity, name, node, soon};

pub use super::kit::{KEY, audit, entry, found, value, version_id};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// A node that runs.
pub struct Running {
    pub consensus: Consensus,
    pub replication: Replication,
    pub epochs: Arc<Epochs>,
    pub stop: CancellationToken,
    linked: Linked,
    _dir: tempfile::TempDir,
}

/// What a node has for other regions.
struct Linked {
    staleness: Arc<Staleness>,
    ways: Arc<Ways>,
    pipes: Arc<Pipes>,
}

/// A region.
pub struct Served {
    pub name: String,
    pub pipes: Arc<Pipes>,
    pub nodes: Vec<Running>,
}

impl Running {
    async fn start(pipes: &Arc<Pipes>, region: &str, id: u64, keep: Keep) -> Running {
        let dir = tempfile::tempdir().expect("a directory");
        let stamped = Stamped {
            cluster: CLUSTER.0,
            region: region.to_owned(),
            node: id,
        };
        let snapshots = SnapshotDir::open(&dir.path().join("s"), &stamped, Arc::new(Plain));
        let epochs = Arc::new(Epochs::default());
        let ways = Arc::new(Ways {
            pipes: Arc::clone(pipes),
            own: identity(region, id),
        });
        let staleness = Arc::new(Staleness::new(Arc::new(SystemClock)));
        let options = consensus::Options {
            node: NodeId(id),
            cluster: CLUSTER,
            region: name(region),
            timing: Timing::default(),
            keep,
            scrub_interval: Duration::ZERO,
            reads: Reads::default(),
            epochs: Arc::clone(&epochs),
            ages: Arc::clone(&staleness) as Arc<_>,
            danger: Danger::NONE,
        };
        let consensus = Consensus::open(
            options,
            Arc::new(MemoryLog::new()),
            Arc::new(MemoryRows::new()),
            snapshots.expect("snapshots"),
            Arc::clone(&ways) as Arc<_>,
            Arc::new(SystemClock),
        );
        let consensus = consensus.await.expect("a node");
        let linked = Linked {
            staleness,
            ways,
            pipes: Arc::clone(pipes),
        };
        let (replication, stop) = linked.replicate(&consensus, &epochs, region, id);
        Running {
            consensus,
            replication,
            epochs,
            stop,
            linked,
            _dir: dir,
        }
    }
}

impl Linked {
    /// Begins to serve and to follow.
    fn replicate(
        &self,
        consensus: &Consensus,
        epochs: &Arc<Epochs>,
        region: &str,
        id: u64,
    ) -> (Replication, CancellationToken) {
        let stop = CancellationToken::new();
        let replication = Replication::new(Options {
            consensus: consensus.clone(),
            node: NodeId(id),
            cluster: CLUSTER,
            region: name(region),
            keys: Arc::new(MarkedKeys),
            regions: Arc::clone(&self.ways) as Arc<_>,
            epochs: Arc::clone(epochs),
            own: Arc::new(Told {
                pipes: Arc::clone(&self.pipes),
                region: region.to_owned(),
                authority: OnceLock::new(),
            }),
            staleness: Arc::clone(&self.staleness),
            stop: stop.clone(),
        });
        replication.start();
        let serving = tonic::transport::Server::builder()
            .add_service(consensus.raft_service())
            .add_service(replication.service());
        let incoming = self.pipes.listen(&address(region, id));
        let incoming = tokio_stream::StreamExt::map(incoming, Ok::<_, std::io::Error>);
        tokio::spawn(serving.serve_with_incoming(incoming));
        (replication, stop)
    }
}

impl Served {
    /// Founds the first region of a cluster, with one node.
    pub async fn founder(region: &str) -> Served {
        Served::found(&Arc::default(), region, Keep::default(), None).await
    }

    pub async fn found(
        pipes: &Arc<Pipes>,
        region: &str,
        keep: Keep,
        introduction: Option<Introduction>,
    ) -> Served {
        let first = Running::start(pipes, region, 1, keep).await;
        let found = found(region, introduction);
        let founded = first.consensus.found(found, audit(), soon()).await;
        founded.expect("committed").answer.expect("accepted");
        Served {
            name: region.to_owned(),
            pipes: Arc::clone(pipes),
            nodes: vec![first],
        }
    }

    /// Adds a voter.
    pub async fn join(&mut self) {
        let id = self.nodes.len() as u64 + 1;
        let joined = Running::start(&self.pipes, &self.name, id, Keep::default()).await;
        let digest = Hash([u8::try_from(id).expect("a small id"); 32]);
        let expires = Stamp(u64::MAX);
        self.done(Command::IssueJoinToken(IssueJoinToken { digest, expires }))
            .await;
        let member = node(&self.name, id);
        self.done(Command::AdmitNode(AdmitNode {
            token_digest: digest,
            node: member.clone(),
        }))
        .await;
        let first = &self.first().consensus;
        let learns = first.add_learner(&member, soon()).await;
        learns.expect("a learner");
        let deadline = soon();
        while let Err(error) = first.promote(member.id, soon()).await {
            assert!(
                tokio::time::Instant::now() < deadline,
                "not promoted: {error}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        self.nodes.push(joined);
    }

    pub fn first(&self) -> &Running {
        &self.nodes[0]
    }

    pub fn state(&self) -> consensus::View {
        self.first().consensus.local_view()
    }

    pub async fn propose(&self, command: Command) -> Committed {
        let proposal = Proposal {
            command,
            audit: audit(),
            deadline: soon(),
        };
        let proposed = self.first().consensus.propose(proposal).await;
        proposed.expect("committed")
    }

    /// Proposes what must be accepted.
    pub async fn done(&self, command: Command) {
        self.try_done(command).await.expect("accepted");
    }

    pub async fn try_done(&self, command: Command) -> Result<(), Rejection> {
        self.propose(command).await.answer.map(|_outcome| ())
    }

    /// Nobody reaches the first node, and it reaches no other region.
    pub fn isolate(&self) {
        self.pipes.hang_up(&address(&self.name, 1));
        self.first().stop.cancel();
    }

    /// The first node is back.
    pub fn come_back(&mut self) {
        let name = self.name.clone();
        let first = self.nodes.first_mut().expect("a node");
        let (consensus, epochs) = (first.consensus.clone(), Arc::clone(&first.epochs));
        let back = first.linked.replicate(&consensus, &epochs, &name, 1);
        (first.replication, first.stop) = back;
    }

    /// Links a region of one node.
    pub async fn link(&self, region: &str, scope: Scope) {
        for command in kit::link(region, scope) {
            self.done(command).await;
        }
    }

    pub async fn unlink(&self, region: &str) {
        let region = name(region);
        self.done(Command::UnlinkRegion(UnlinkRegion { region }))
            .await;
    }

    /// Creates a secret with one version of so many bytes, shared with regions.
    pub async fn create(&self, bytes: usize, shared: &[&str]) -> Uid {
        let (uid, command) = create(&self.name, bytes, shared);
        self.done(command).await;
        uid
    }

    /// Adds a version.
    pub async fn put(&self, uid: Uid, new: NewVersion) {
        let put = PutSecretValue {
            uid,
            new,
            labels: Vec::new(),
            young_protection_ms: 0,
            seen: Seen::default(),
        };
        self.done(Command::PutSecretValue(put)).await;
    }

    /// Deletes a secret for good.
    pub async fn delete(&self, uid: Uid) {
        self.done(Command::DeleteSecret(DeleteSecret {
            uid,
            window_days: None,
            seen: Seen::default(),
        }))
        .await;
    }

    /// Whether the first node has written everything, and keeps no value that is deleted.
    pub fn keeps_nothing(&self) -> bool {
        let held = self.first().consensus.held();
        held.backlog_bytes == 0 && held.deferred_values == 0
    }

    /// Ends the second of two nodes, and waits until the first has no quorum any more: a promise of
    /// the one that is gone counts for a while.
    pub async fn lose_quorum(&self) {
        self.nodes[1].consensus.shutdown().await;
        let deadline = soon();
        loop {
            let soon = tokio::time::Instant::now() + Duration::from_millis(50);
            if self.first().consensus.read(soon).await.is_err() {
                return;
            }
            assert!(soon < deadline, "there is a quorum of one in two");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// A caller's way to the first node.
    pub fn channel(&self, caller: Caller) -> wire::Channel {
        self.pipes.channel(caller, &address(&self.name, 1))
    }
}

/// A command that creates a secret nobody has created before.
pub fn create(region: &str, bytes: usize, shared: &[&str]) -> (Uid, Command) {
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let shared = shared.iter().map(|region| replica(region, None));
    let (uid, create) = kit::create(region, number, value(1, bytes), shared.collect());
    (uid, Command::CreateSecret(create))
}

/// What a data key looks like on its way: what it was wrapped as, with this in front. Only so is it
/// known in tests which version a key is of.
pub const MARK: &[u8] = b"linked:";

/// The name of a key that wraps nothing in any region.
pub const BROKEN_KEY: &str = "alias/broken";

/// A wrapped data key that does not open.
pub const SHUT: &[u8] = b"shut";

/// Keys that seal nothing.
pub struct MarkedKeys;

impl Keys for MarkedKeys {
    fn send(
        &self,
        _: &State,
        _: &Uid,
        version: &VersionId,
        wrap: &Wrap,
        _: &LinkKey,
    ) -> Option<Vec<u8>> {
        // A version of this id is one whose key does not open.
        let opens = *version != version_id(99) && *wrap.wrapped_dek != *SHUT;
        opens.then(|| [MARK, &wrap.wrapped_dek].concat())
    }

    fn take(
        &self,
        _: &State,
        key_name: Option<&str>,
        _: &Uid,
        _: &VersionId,
        _: &LinkKey,
        wrapped: &[u8],
    ) -> Result<Wrap, TakeFailed> {
        if key_name == Some(BROKEN_KEY) {
            return Err(TakeFailed::Key("The key can't be used.".to_owned()));
        }
        let dek = wrapped.strip_prefix(MARK).ok_or(TakeFailed::Link)?;
        Ok(Wrap {
            key_id: KEY,
            key_version: 1,
            wrapped_dek: Bytes::copy_from_slice(dek),
        })
    }

    fn rewrap(
        &self,
        _: &State,
        _: Option<&str>,
        _: &Uid,
        _: &VersionId,
        _: &Wrap,
    ) -> Result<Option<Wrap>, String> {
        Ok(None)
    }
}

/// What a region tells of itself: nothing that would change the directory, unless a test wants it.
struct Told {
    pipes: Arc<Pipes>,
    region: String,
    authority: OnceLock<Bytes>,
}

impl Own for Told {
    fn authorities(&self) -> Vec<Bytes> {
        match self.pipes.is_told_of.load(Ordering::Relaxed) {
            true => {
                let made = || authority(&CLUSTER.to_string(), &self.region);
                vec![self.authority.get_or_init(made).clone()]
            }
            false => Vec::new(),
        }
    }

    fn machine_version(&self) -> MachineVersion {
        MACHINE_VERSION
    }
}

/// A cipher that leaves everything as it is.
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
