//! The parts of a node, opened and joined.

use std::sync::Arc;

use consensus::{Clock, Consensus, Epochs, Keep, Options, Reads, Timing};
use envelope::StorageKeyring;
use machine::{NodeId, RegionName, RowKey};
use replication::Replication;
use store::{Cipher, Packing, Rows, RowsOptions, SledRows, SnapshotDir, Stamped, Wal, WalOptions};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use wire::admin::v1::admin_service_server::AdminServiceServer;
use wire::secrets::v1::secrets_service_server::SecretsServiceServer;
use wire::{Credentials, Dialer, PeerIdentity};

use super::peers::TlsPeers;
use super::serve::Services;
use super::{Identity, StartError};
use crate::accesses::Accesses;
use crate::admin::{Admin, AdminOptions};
use crate::cipher::StorageCipher;
use crate::config::{Config, ReadsName};
use crate::danger::Danger;
use crate::directory::DataDir;
use crate::door::{Bounds, Door, Guests};
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::freshness::Freshness;
use crate::health;
use crate::methods::{
    ADMIN_REQUEST_BYTES_MAX, Port, SECRETS_REQUEST_BYTES_MAX, SMALL_REQUEST_BYTES_MAX,
};
use crate::metrics::Metrics;
use crate::regions::{Directory, OwnRegion, TlsRegions};
use crate::secrets::{Secrets, SecretsOptions};
use crate::staleness::Staleness;
use crate::status::NodeStatus;
use crate::tasks::Tasks;
use crate::vault::Vault;

/// The store and the consensus over it.
pub struct Parts {
    /// The consensus.
    pub consensus: Consensus,
    /// The log, for its spare segment.
    pub log: Arc<Wal>,
    /// The rows, for their size.
    pub rows: Arc<dyn Rows>,
    /// The snapshots, for their size.
    pub snapshots: SnapshotDir,
    /// Directories of damaged rows kept for a later look.
    pub quarantined: u64,
    /// The ballots heard of.
    pub epochs: Arc<Epochs>,
    /// The traffic between regions.
    pub replication: Replication,
    /// How old followed feeds are.
    pub staleness: Arc<Staleness>,
}

/// What the parts are opened with.
pub struct Opening<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    pub identity: &'a Identity,
    pub dialer: &'a Dialer,
    pub vault: &'a Arc<Vault>,
    pub clock: &'a Arc<dyn Clock>,
    pub stop: &'a CancellationToken,
}

impl Opening<'_> {
    /// Opens log, rows and snapshots below the data directory, the consensus over them, and what
    /// carries feeds between regions.
    pub async fn parts(&self, keyring: StorageKeyring) -> Result<Parts, StartError> {
        let Self {
            config,
            data,
            identity,
            ..
        } = self;
        let cipher: Arc<dyn Cipher> = Arc::new(StorageCipher(keyring));
        let stamped = Stamped {
            cluster: identity.cluster.0,
            region: identity.region.to_string(),
            node: identity.peer.node,
        };
        let storage = &config.storage;
        let log = WalOptions {
            segment_bytes: storage.log_segment_size.bytes(),
            ..WalOptions::default()
        };
        let rows = RowsOptions {
            cache_bytes: storage.row_cache_size.bytes(),
            // Written once, in order, and trimmed from the front.
            packing: Some(Packing {
                first_byte: RowKey::JOURNAL_KIND,
                key_bytes: RowKey::JOURNAL_BYTES,
            }),
        };
        let (at_log, at_rows) = (data.path("log"), data.path("rows"));
        let at_snapshots = data.path("snapshots");
        let opened = tokio::task::spawn_blocking(move || {
            let log = Wal::open(&at_log, &stamped, Arc::clone(&cipher), log)?;
            let rows = SledRows::open(&at_rows, &stamped, Arc::clone(&cipher), rows)?;
            let snapshots = SnapshotDir::open(&at_snapshots, &stamped, cipher)?;
            Ok::<_, StartError>((log, rows, snapshots))
        });
        let opened = opened
            .await
            .map_err(|error| StartError::Build(error.to_string()))?;
        let (log, opened, snapshots) = opened?;
        let log = Arc::new(log);
        let quarantined = opened.quarantined;
        let rows: Arc<dyn Rows> = Arc::new(opened.rows);
        let epochs = Arc::<Epochs>::default();
        let known = Arc::new(replication::Staleness::new(Arc::clone(self.clock)));
        let consensus = Consensus::open(
            Options {
                epochs: Arc::clone(&epochs),
                ages: Arc::<replication::Staleness>::clone(&known),
                ..options(config, identity)
            },
            Arc::<Wal>::clone(&log),
            Arc::clone(&rows),
            snapshots.clone(),
            Arc::new(TlsPeers(self.dialer.clone())),
            Arc::clone(self.clock),
        );
        let consensus = consensus.await?;
        let replication = self.replication(&consensus, &epochs, &known);
        let staleness = Arc::new(Staleness::new(consensus.clone(), known));
        Ok(Parts {
            consensus,
            log,
            rows,
            snapshots,
            quarantined,
            epochs,
            replication,
            staleness,
        })
    }

    fn replication(
        &self,
        consensus: &Consensus,
        epochs: &Arc<Epochs>,
        staleness: &Arc<replication::Staleness>,
    ) -> Replication {
        let identity = self.identity;
        Replication::new(replication::Options {
            consensus: consensus.clone(),
            node: NodeId(identity.peer.node),
            cluster: identity.cluster,
            region: identity.region.clone(),
            keys: Arc::<Vault>::clone(self.vault),
            regions: Arc::new(TlsRegions {
                cluster: identity.peer.cluster.clone(),
                dialer: self.dialer.clone(),
            }),
            epochs: Arc::clone(epochs),
            staleness: Arc::clone(staleness),
            own: Arc::new(OwnRegion {
                credentials: Arc::clone(self.dialer.credentials()),
                consensus: consensus.clone(),
            }),
            stop: self.stop.clone(),
        })
    }
}

/// Everything the services are made of.
pub struct Assembly<'a> {
    pub config: &'a Config,
    pub clock: &'a Arc<dyn Clock>,
    pub identity: &'a Identity,
    pub parts: &'a Parts,
    pub vault: &'a Arc<Vault>,
    pub accesses: &'a Arc<Accesses>,
    pub freshness: &'a Arc<Freshness>,
    pub metrics: &'a Metrics,
    pub status: &'a Arc<NodeStatus>,
    pub credentials: &'a Arc<Credentials>,
    pub dialer: &'a Dialer,
    pub danger: Danger,
}

impl Assembly<'_> {
    /// The services of both ports behind their doors.
    pub fn services(
        &self,
        sealed_keyring: &[u8],
        stop: &CancellationToken,
        tasks: &mut JoinSet<()>,
    ) -> Result<Services, StartError> {
        let consensus = &self.parts.consensus;
        let epochs = &self.parts.epochs;
        let fence = Fence::new(consensus.clone(), Arc::clone(epochs), self.danger);
        let secrets = Secrets::new(SecretsOptions {
            consensus: consensus.clone(),
            staleness: Arc::clone(&self.parts.staleness),
            fence: fence.clone(),
            vault: Arc::clone(self.vault),
            accesses: Arc::clone(self.accesses),
            freshness: Arc::clone(self.freshness),
            metrics: self.metrics.clone(),
            watches_max: self.config.limits.watches_max,
            young_version_protection: self.config.secrets.young_version_protection,
            stop: stop.clone(),
        });
        let admin = Admin::new(AdminOptions {
            consensus: consensus.clone(),
            replication: self.parts.replication.clone(),
            epochs: Arc::clone(epochs),
            fence,
            credentials: Arc::clone(self.credentials),
            dialer: self.dialer.clone(),
            metrics: self.metrics.clone(),
            status: Arc::clone(self.status),
            snapshots: self.parts.snapshots.clone(),
            sealed_keyring: sealed_keyring.into(),
            stop: stop.clone(),
        });
        let (reporter, health) = tonic_health::server::health_reporter();
        tasks.spawn(Arc::clone(&self.status.space).follow());
        let status = Arc::clone(self.status);
        tasks.spawn(health::follow(reporter, status, stop.clone()));
        let secrets =
            SecretsServiceServer::new(secrets).max_decoding_message_size(SECRETS_REQUEST_BYTES_MAX);
        let admin =
            AdminServiceServer::new(admin).max_decoding_message_size(ADMIN_REQUEST_BYTES_MAX);
        let api = Routes::new(secrets)
            .add_service(admin)
            .add_service(health.max_decoding_message_size(SMALL_REQUEST_BYTES_MAX))
            .add_service(health::reflection()?);
        let peers = Routes::new(consensus.raft_service());
        let peers = peers.add_service(self.parts.replication.service());
        let guests = Arc::new(self.guests());
        let bounds = |requests_max| Bounds {
            deadline_default: self.config.limits.deadline_default,
            deadline_max: self.config.limits.deadline_max,
            requests_max,
        };
        let calls = &self.metrics.calls;
        let api = Door::before(
            Port::Api,
            api,
            Arc::clone(&guests),
            bounds(self.config.api.requests_max),
            calls.clone(),
        );
        let peers = Door::before(
            Port::Peers,
            peers,
            guests,
            bounds(usize::MAX >> 4),
            calls.clone(),
        );
        let (status, metrics) = (Arc::clone(self.status), self.metrics.clone());
        Ok(Services {
            api,
            peers,
            status,
            metrics,
        })
    }

    /// The background tasks, started.
    pub fn tasks(&self, tasks: &mut JoinSet<()>) {
        let secrets = &self.config.secrets;
        Tasks {
            consensus: self.parts.consensus.clone(),
            clock: Arc::clone(self.clock),
            accesses: Arc::clone(self.accesses),
            freshness: Arc::clone(self.freshness),
            metrics: self.metrics.clone(),
            purge_interval: secrets.purge_interval,
            access_record_interval: secrets.access_record_interval,
        }
        .spawn(tasks);
        let directory = Directory {
            consensus: self.parts.consensus.clone(),
            credentials: Arc::clone(self.credentials),
        };
        tasks.spawn(directory.follow());
        self.parts.replication.start();
        let interval = self.config.tls.reload_interval;
        tasks.spawn(Arc::clone(self.credentials).follow_files_every(interval));
    }

    fn guests(&self) -> Guests {
        let consensus = self.parts.consensus.clone();
        let (members, linked) = (consensus.clone(), consensus.clone());
        Guests {
            cluster: self.identity.peer.cluster.clone(),
            region: self.identity.peer.region.clone(),
            is_administrator: Box::new(move |name| {
                let view = consensus.local_view();
                match view.administrator() {
                    Some(administrator) => Ok(administrator == name),
                    None if view.is_founded() => Err(Refusal::no_root_feed()),
                    None => Err(Refusal::not_founded()),
                }
            }),
            is_member: Box::new(move |peer| {
                let view = members.local_view();
                let known = view.node(NodeId(peer.node));
                known.is_some_and(|node| node.public_key.0 == peer.public_key)
            }),
            is_linked: Box::new(move |peer| is_linked(&linked, peer)),
        }
    }
}

/// Whether a node is one that the directory names, with its key, of a region that is linked.
fn is_linked(consensus: &Consensus, peer: &PeerIdentity) -> bool {
    let view = consensus.local_view();
    let region = RegionName::new(&peer.region).ok();
    let region = region.and_then(|region| view.linked(&region));
    let mut nodes = region.into_iter().flat_map(|region| &region.nodes);
    nodes.any(|node| node.id.0 == peer.node && node.public_key.0 == peer.public_key)
}

fn options(config: &Config, identity: &Identity) -> Options {
    let (timing, storage) = (&config.consensus, &config.storage);
    Options {
        node: NodeId(identity.peer.node),
        cluster: identity.cluster,
        region: identity.region.clone(),
        timing: Timing {
            heartbeat: timing.heartbeat,
            election_min: timing.election_timeout_min,
            election_max: timing.election_timeout_max,
        },
        keep: Keep {
            value_memory_bytes: storage.value_memory_size.bytes(),
            snapshot_entries: storage.snapshot_entries,
            log_entries: storage.log_entries_kept,
        },
        scrub_interval: storage.scrub_interval,
        reads: match timing.reads {
            ReadsName::Lease => Reads::Lease,
            ReadsName::ReadIndex => Reads::ReadIndex,
        },
        epochs: Arc::default(),
        ages: Arc::new(consensus::NoAges),
        danger: consensus::Danger::NONE,
    }
}
