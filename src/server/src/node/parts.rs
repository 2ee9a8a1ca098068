//! The parts of a node, opened and joined.

use std::sync::Arc;

use audit::{Disk, Owner};
use consensus::{Clock, Consensus, Epochs, Keep, Options, Reads, Timing};
use envelope::StorageKeyring;
use machine::{NodeId, RowKey};
use replication::Replication;
use store::{
    Cipher, Opened, Packing, Rows, RowsOptions, SledRows, SnapshotDir, Stamped, Wal, WalOptions,
};
use tokio_util::sync::CancellationToken;
use wire::Dialer;

use super::peers::TlsPeers;
use super::{Identity, StartError};
use crate::certificates::believe;
use crate::cipher::StorageCipher;
use crate::config::{Config, ReadsName};
use crate::directory::DataDir;
use crate::regions::{OwnRegion, TlsRegions};
use crate::staleness::Staleness;
use crate::trail::Recorder;
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
    /// Where calls are recorded.
    pub recorder: Arc<Recorder>,
    /// How old followed feeds are.
    pub staleness: Arc<Staleness>,
}

/// The log, the rows, the snapshots and the audit trail.
type Files = (Wal, Opened, SnapshotDir, Recorder);

/// What the parts are opened with.
pub struct Opening<'a> {
    pub config: &'a Config,
    pub data: &'a DataDir,
    pub identity: &'a Identity,
    pub dialer: &'a Dialer,
    pub vault: &'a Arc<Vault>,
    pub clock: &'a Arc<dyn Clock>,
    pub stop: &'a CancellationToken,
    pub audit_disk: &'a Arc<dyn Disk>,
}

impl Opening<'_> {
    /// Opens log, rows and snapshots below the data directory, the consensus over them, and what
    /// carries feeds between regions.
    pub async fn parts(&self, keyring: StorageKeyring) -> Result<Parts, StartError> {
        let Self {
            config, identity, ..
        } = self;
        let (log, opened, snapshots, recorder) = self.files(keyring).await?;
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
        // Before anything is served: a file may trust whom the region has retired.
        believe(&consensus.local_view(), self.dialer.credentials());
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
            recorder: Arc::new(recorder),
            staleness,
        })
    }

    /// What lies on disk, opened on a thread that may wait.
    async fn files(&self, keyring: StorageKeyring) -> Result<Files, StartError> {
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
        let (audit, at_audit) = (config.audit.clone(), config.audit.path(data.root()));
        let (audit_disk, owner) = (Arc::clone(self.audit_disk), self.owner());
        let opened = tokio::task::spawn_blocking(move || {
            let sealing = Arc::clone(&cipher);
            let recorder = Recorder::open(&audit, &at_audit, owner, sealing, audit_disk)?;
            let log = Wal::open(&at_log, &stamped, Arc::clone(&cipher), log)?;
            let rows = SledRows::open(&at_rows, &stamped, Arc::clone(&cipher), rows)?;
            let snapshots = SnapshotDir::open(&at_snapshots, &stamped, cipher)?;
            Ok::<_, StartError>((log, rows, snapshots, recorder))
        });
        let opened = opened.await;
        opened.map_err(|error| StartError::Build(error.to_string()))?
    }

    fn owner(&self) -> Owner {
        let identity = self.identity;
        Owner {
            cluster: identity.cluster.0,
            region: identity.region.to_string(),
            node: identity.peer.node,
        }
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
