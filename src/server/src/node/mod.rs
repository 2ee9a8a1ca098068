//! The composition root: opens the parts of a node, joins them, and takes them down in order.

mod assembly;
mod error;
mod first;
mod linked;
mod parts;
mod peers;
mod serve;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use audit::{Disk, SystemDisk};
use consensus::{Clock, Consensus, SystemClock};
use envelope::{FileProvider, SealProvider, StorageKeyring};
use machine::{ClusterId, RegionName};
use tokio::sync::watch;
use tokio::task::JoinSet;
use wire::{CredentialFiles, Credentials, Dialer, Identity as Name, PeerIdentity};

use self::assembly::{Assembly, Callers};
pub use self::error::StartError;
pub use self::first::Start;
use self::first::{Advertised, Founding, sealed_keyring};
use self::parts::{Opening, Parts};
use self::serve::{Bound, Servers, Stops};
use crate::config::{Config, SealProviderName};
use crate::danger::Danger;
use crate::directory::DataDir;
use crate::metrics::Metrics;
use crate::process::{deny_core_dumps, end_with};
use crate::space::DiskSpace;
use crate::status::{NodeStatus, NotReady, started};
use crate::trail::{Act, Recorder};
use crate::vault::Vault;

/// Where a node listens.
#[derive(Clone, Copy, Debug)]
pub struct Addresses {
    /// Callers.
    pub api: SocketAddr,
    /// Peers.
    pub peers: SocketAddr,
    /// Probes and metrics.
    pub operations: SocketAddr,
}

/// Who this node is, from its certificate.
pub struct Identity {
    /// As the certificate says.
    pub peer: PeerIdentity,
    /// The cluster.
    pub cluster: ClusterId,
    /// The region.
    pub region: RegionName,
}

/// A running node.
pub struct Node {
    addresses: Addresses,
    status: Arc<NodeStatus>,
    tasks: JoinSet<()>,
    servers: Servers,
    stops: Stops,
    _data: DataDir,
}

impl Node {
    /// Starts a node: takes its data directory, opens its parts, and serves.
    ///
    /// A fault of the store or the log ends the process with one line in the log, and with the exit
    /// code 74 if the disk failed, else 70: a node that comes back is safer than one half alive.
    ///
    /// # Errors
    /// The first thing that is not as it must be, with its cure. Nothing is left running.
    pub async fn start(config: Config, start: Start) -> Result<Self, StartError> {
        Self::start_by(config, start, Arc::new(SystemClock)).await
    }

    /// The same by another clock than the system's, for the stamps of entries and what falls due.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_by(
        config: Config,
        start: Start,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, StartError> {
        Self::start_broken(config, start, clock, Danger::NONE).await
    }

    /// The same without a guard, for tests that show what it is for. Only `Danger::NONE` can be
    /// made in a release build.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_broken(
        config: Config,
        start: Start,
        clock: Arc<dyn Clock>,
        danger: Danger,
    ) -> Result<Self, StartError> {
        let disk: Arc<dyn Disk> = Arc::new(SystemDisk);
        Self::start_on(config, start, clock, danger, &disk).await
    }

    /// The same with the audit trail on another disk than the system's, for tests that fill it.
    ///
    /// # Errors
    /// As `start`.
    pub async fn start_on(
        config: Config,
        start: Start,
        clock: Arc<dyn Clock>,
        danger: Danger,
        audit_disk: &Arc<dyn Disk>,
    ) -> Result<Self, StartError> {
        check(&config)?;
        let credentials = credentials(&config)?;
        let identity = identity(&credentials)?;
        let (data, root) = (DataDir::open(&config.node.data)?, root_key(&config)?);
        let bound = Bound::bind(&config, &credentials).await?;
        let addresses = bound.addresses();
        let advertised = advertised(&config, addresses)?;
        let dialer = Dialer::for_peers(Arc::clone(&credentials));
        let sealed = sealed_keyring(&data, &start, &identity, &root, &dialer, &advertised).await?;
        let keyring = StorageKeyring::from_sealed_bytes(&root, identity.cluster.0, &sealed)?;
        let (vault, mut tasks, stops) = (vault(root, &identity), JoinSet::new(), Stops::default());
        let opening = Opening {
            config: &config,
            data: &data,
            identity: &identity,
            dialer: &dialer,
            vault: &vault,
            clock: &clock,
            stop: &stops.regions,
            audit_disk,
        };
        let parts = opening.parts(keyring).await?;
        let metrics = Metrics::new().map_err(|error| StartError::Build(error.to_string()))?;
        let places = bound.places();
        let status = node_status(&config, &data, &parts, &metrics, &credentials, places);
        let assembly = Assembly {
            config: &config,
            clock: &clock,
            identity: &identity,
            parts: &parts,
            vault: &vault,
            accesses: &status.accesses,
            freshness: &Arc::default(),
            metrics: &metrics,
            status: &status,
            credentials: &credentials,
            dialer: &dialer,
            danger,
            callers: Callers::new(&config, &vault, &parts),
            connections: bound.connections(),
        };
        end_on_faults(&parts, &mut tasks);
        let servers = bound.serve(assembly.services(&sealed, &stops.api, &mut tasks)?, &stops);
        let founding = Founding {
            data: &data,
            identity: &identity,
            vault: &vault,
            account: &config.cluster.account,
            advertised: &advertised,
            dialer: &dialer,
        };
        found(&founding, &start, &parts.consensus).await?;
        assembly.tasks(&mut tasks);
        announce(&identity, addresses, &parts.recorder);
        Ok(Self {
            addresses,
            status,
            tasks,
            servers,
            stops,
            _data: data,
        })
    }

    /// Where the node listens.
    #[must_use]
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Whether the node can serve calls now.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn ready(&self) -> Result<(), NotReady> {
        self.status.check()
    }

    /// Whether the node leads its region, as far as it knows.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.status.consensus.status().role == consensus::Role::Leader
    }

    /// Reads the certificates again; connections made from now on use them. What cannot be used is
    /// logged, and the old ones stay in force.
    pub fn reload_certificates(&self) {
        match self.status.credentials.reload() {
            Ok(()) => tracing::info!("certificates read again"),
            Err(error) => tracing::error!(
                error = &error as &dyn Error,
                "the certificates cannot be used, the old ones stay"
            ),
        }
    }

    /// Stops in order: not ready, no new calls, calls under way ended or cut off at
    /// `limits.shutdown_timeout`, tasks ended, leadership offered to another voter, rows written
    /// and checkpointed, peers let go. What fails on the way is logged; nothing acknowledged
    /// depends on it.
    pub async fn shutdown(mut self) {
        tracing::info!("node stops");
        self.status.stopping.store(true, Ordering::Release);
        self.stops.api.cancel();
        while self.servers.api.join_next().await.is_some() {}
        self.stops.regions.cancel();
        self.tasks.shutdown().await;
        self.status.consensus.shutdown().await;
        self.stops.peers.cancel();
        while self.servers.others.join_next().await.is_some() {}
        self.status.recorder.act(act("StopNode"));
        tracing::info!("node stopped");
    }

    /// Waits until a listener has ended by itself, which it does only when it failed.
    pub async fn wait(&mut self) {
        let Servers { api, others } = &mut self.servers;
        tokio::select! {
            Some(_) = api.join_next() => {}
            Some(_) = others.join_next() => {}
            else => {}
        }
    }
}

fn vault(root: envelope::RootKey, identity: &Identity) -> Arc<Vault> {
    let region = identity.region.to_string();
    Arc::new(Vault::new(root, identity.cluster.0, region))
}

/// What a node does as a whole.
fn act(method: &str) -> Act<'_> {
    Act {
        caller: "node",
        method,
        resource: "",
        outcome: audit::Outcome::Allowed,
        request: [0; 16],
    }
}

fn announce(identity: &Identity, addresses: Addresses, recorder: &Recorder) {
    recorder.act(act("StartNode"));
    tracing::info!(
        cluster = %identity.cluster,
        region = %identity.region,
        node = identity.peer.node,
        api = %addresses.api,
        peers = %addresses.peers,
        operations = %addresses.operations,
        "node started"
    );
}

/// Ends the process on the first fault of what keeps promises.
fn end_on_faults(parts: &Parts, tasks: &mut JoinSet<()>) {
    tasks.spawn(end_on_fault(parts.consensus.faults()));
    tasks.spawn(end_on_fault(parts.recorder.faults()));
}

async fn end_on_fault<F: Error + 'static>(mut faults: watch::Receiver<Option<F>>) {
    let Ok(fault) = faults.wait_for(Option::is_some).await else {
        return;
    };
    if let Some(fault) = fault.as_ref() {
        end_with(fault);
    }
}

fn node_status(
    config: &Config,
    data: &DataDir,
    parts: &Parts,
    metrics: &Metrics,
    credentials: &Arc<Credentials>,
    places: Vec<(&'static str, wire::Places)>,
) -> Arc<NodeStatus> {
    Arc::new(NodeStatus {
        consensus: parts.consensus.clone(),
        credentials: Arc::clone(credentials),
        rows: Arc::clone(&parts.rows),
        log: Arc::clone(&parts.log),
        snapshots: parts.snapshots.clone(),
        quarantined: parts.quarantined,
        accesses: Arc::default(),
        places,
        metrics: metrics.clone(),
        replication: parts.replication.clone(),
        recorder: Arc::clone(&parts.recorder),
        space: Arc::new(DiskSpace::new(
            data.root().to_owned(),
            config.storage.disk_free_min.bytes(),
            Arc::clone(&parts.log),
            Arc::clone(&parts.recorder),
            parts.consensus.clone(),
        )),
        quorum_silence_max: config.consensus.election_timeout_max * 2,
        started: started(),
        stopping: AtomicBool::new(false),
        measuring: Mutex::default(),
    })
}

fn check(config: &Config) -> Result<(), StartError> {
    config.validate()?;
    if !config.node.software_aes && !envelope::cpu_is_accelerated() {
        return Err(StartError::SlowCpu);
    }
    deny_core_dumps().map_err(StartError::CoreDumps)
}

fn root_key(config: &Config) -> Result<envelope::RootKey, StartError> {
    match config.seal.provider {
        SealProviderName::File => Ok(FileProvider::new(&config.seal.root_key).unseal()?),
    }
}

fn advertised(config: &Config, addresses: Addresses) -> Result<Advertised, StartError> {
    Ok(Advertised {
        api: advertise("api.advertise", &config.api.advertise, addresses.api)?,
        peers: advertise("peers.advertise", &config.peers.advertise, addresses.peers)?,
    })
}

/// Founds the region if this start is to. If it cannot, nothing is left running.
async fn found(
    founding: &Founding<'_>,
    start: &Start,
    consensus: &Consensus,
) -> Result<(), StartError> {
    let founded = founding.found(start, consensus).await;
    if founded.is_err() {
        consensus.shutdown().await;
    }
    founded
}

fn credentials(config: &Config) -> Result<Arc<Credentials>, StartError> {
    Ok(Credentials::load(CredentialFiles {
        cert: config.tls.certificate.clone(),
        key: config.tls.key.clone(),
        ca: vec![config.tls.authority.clone()],
    })?)
}

fn identity(credentials: &Credentials) -> Result<Identity, StartError> {
    let Name::Peer(peer) = credentials.identity() else {
        return Err(StartError::NotANode {
            path: credentials.files().cert.clone(),
        });
    };
    let cluster = peer
        .cluster
        .parse()
        .map_err(|_| StartError::Name { what: "cluster" })?;
    let region = peer
        .region
        .parse()
        .map_err(|_| StartError::Name { what: "region" })?;
    Ok(Identity {
        peer,
        cluster,
        region,
    })
}

fn advertise(
    option: &'static str,
    configured: &str,
    bound: SocketAddr,
) -> Result<String, StartError> {
    match configured {
        "" if bound.ip().is_unspecified() => Err(StartError::Advertise { option }),
        "" => Ok(bound.to_string()),
        address => Ok(address.to_owned()),
    }
}
