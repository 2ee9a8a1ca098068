//! The admin API: status and membership of the region, and the regions linked to it.

mod audit;
mod certificates;
mod directory;
mod join;
mod link;
mod member;
mod nodes;
mod promote;
mod regions;
mod service;
mod status;
mod upgrade;
mod watch;

use std::sync::Arc;

use consensus::{Consensus, Epochs, View};
use machine::{Command, Outcome, Rejection};
use replication::Replication;
use store::SnapshotDir;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use wire::{Credentials, Dialer};

use self::regions::Rates;
use crate::attempts::Attempts;
use crate::certificates::Signing;
use crate::door::{Call, Gate};
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::limits::{AUDIT_TAILS_MAX, JOIN_ATTEMPTS_MAX, REGION_WATCHES_MAX};
use crate::metrics::Metrics;
use crate::status::NodeStatus;
use crate::trail::Recorder;

/// The parts the admin service is made of.
#[derive(Clone)]
pub struct Admin {
    consensus: Consensus,
    replication: Replication,
    epochs: Arc<Epochs>,
    fence: Fence,
    credentials: Arc<Credentials>,
    signing: Signing,
    dialer: Dialer,
    metrics: Metrics,
    status: Arc<NodeStatus>,
    snapshots: SnapshotDir,
    sealed_keyring: Arc<[u8]>,
    joins: Arc<Attempts>,
    links: Arc<Attempts>,
    rates: Arc<Rates>,
    watches: Arc<Semaphore>,
    recorder: Arc<Recorder>,
    gate: Arc<dyn Gate>,
    tails: Arc<Semaphore>,
    stop: CancellationToken,
}

/// What the service is made with.
pub struct AdminOptions {
    /// Reads and writes.
    pub consensus: Consensus,
    /// The traffic between regions.
    pub replication: Replication,
    /// The ballots heard of.
    pub epochs: Arc<Epochs>,
    /// Looks for other regions that have taken over.
    pub fence: Fence,
    /// What this region tells of itself to new ones.
    pub credentials: Arc<Credentials>,
    /// Signs the certificates of nodes.
    pub signing: Signing,
    /// Calls the other nodes of the region.
    pub dialer: Dialer,
    /// Counts links.
    pub metrics: Metrics,
    /// The state of the node.
    pub status: Arc<NodeStatus>,
    /// The snapshot files.
    pub snapshots: SnapshotDir,
    /// Given to nodes that join, sealed.
    pub sealed_keyring: Arc<[u8]>,
    /// What this node has recorded.
    pub recorder: Arc<Recorder>,
    /// Says who may go on reading that.
    pub gate: Arc<dyn Gate>,
    /// Ends the streams when the node stops.
    pub stop: CancellationToken,
}

impl Admin {
    /// The service over these parts.
    pub fn new(options: AdminOptions) -> Self {
        Self {
            consensus: options.consensus,
            replication: options.replication,
            epochs: options.epochs,
            fence: options.fence,
            credentials: options.credentials,
            signing: options.signing,
            dialer: options.dialer,
            metrics: options.metrics,
            status: options.status,
            snapshots: options.snapshots,
            sealed_keyring: options.sealed_keyring,
            joins: Arc::new(Attempts::of_each(JOIN_ATTEMPTS_MAX)),
            links: Arc::new(Attempts::of_each(JOIN_ATTEMPTS_MAX)),
            rates: Arc::default(),
            watches: Arc::new(Semaphore::new(REGION_WATCHES_MAX)),
            recorder: options.recorder,
            gate: options.gate,
            tails: Arc::new(Semaphore::new(AUDIT_TAILS_MAX)),
            stop: options.stop,
        }
    }

    async fn view(&self, call: &Call) -> Result<View, Refusal> {
        Ok(self.consensus.read(call.deadline).await?)
    }

    async fn propose(&self, call: &Call, command: Command) -> Result<Outcome, Refusal> {
        let committed = self.fence.propose(call, command).await?;
        committed
            .answer
            .map_err(|rejection| self.refused(&rejection))
    }

    /// A rejection in the words of this service.
    fn refused(&self, rejection: &Rejection) -> Refusal {
        let refusal = match rejection {
            Rejection::NotPrimary { feed, region } => Refusal::parameter(format!(
                "Region {region} is primary of feed {feed}: make this call there."
            ))
            .with_primary(region),
            rejection => rejection.clone().into(),
        };
        refusal.with_addresses(&self.consensus.local_view())
    }
}
