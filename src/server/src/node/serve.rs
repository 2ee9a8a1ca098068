//! The three listeners: bound first, so that a taken port is known before anything is written.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;
use wire::{Admission, Connections, Credentials, ListenOptions, Listener, Places};

use super::{Addresses, StartError};
use crate::config::Config;
use crate::metrics::Metrics;
use crate::operations;
use crate::status::NodeStatus;

/// The listeners before they serve.
pub struct Bound {
    api: Listener,
    peers: Listener,
    operations: TcpListener,
    addresses: Addresses,
}

/// What the listeners serve.
pub struct Services {
    /// For callers, behind their door.
    pub api: Routes,
    /// For peers, behind theirs.
    pub peers: Routes,
    /// For probes.
    pub status: Arc<NodeStatus>,
    /// For metrics.
    pub metrics: Metrics,
}

/// Ends the listeners, each in its turn.
#[derive(Clone, Default)]
pub struct Stops {
    /// The API.
    pub api: CancellationToken,
    /// The traffic between regions, before leadership is handed over.
    pub regions: CancellationToken,
    /// The peers: they carry the handing over of leadership, so they end last.
    pub peers: CancellationToken,
}

/// The listeners while they serve; dropped, they end.
pub struct Servers {
    /// The API.
    pub api: JoinSet<()>,
    /// Peers and operations.
    pub others: JoinSet<()>,
}

impl Bound {
    /// Binds all three.
    pub async fn bind(config: &Config, credentials: &Arc<Credentials>) -> Result<Self, StartError> {
        let api = ListenOptions {
            connections_max: config.api.connections_max,
            handshake_timeout: config.api.handshake_timeout,
            drain_timeout: config.limits.shutdown_timeout,
            ..ListenOptions::new(Admission::Anyone)
        };
        let peers = ListenOptions {
            connections_max: config.peers.connections_max,
            handshake_timeout: config.peers.handshake_timeout,
            ..ListenOptions::new(Admission::Nodes)
        };
        let api = Listener::bind(config.api.listen, Arc::clone(credentials), api).await;
        let api = api.map_err(|source| StartError::Listen {
            section: "api",
            source,
        })?;
        let peers = Listener::bind(config.peers.listen, Arc::clone(credentials), peers).await;
        let peers = peers.map_err(|source| StartError::Listen {
            section: "peers",
            source,
        })?;
        let address = config.operations.listen;
        let failed = |source| StartError::Operations { address, source };
        let operations = TcpListener::bind(address).await.map_err(failed)?;
        let addresses = Addresses {
            api: api.local_address(),
            peers: peers.local_address(),
            operations: operations.local_addr().map_err(failed)?,
        };
        Ok(Self {
            api,
            peers,
            operations,
            addresses,
        })
    }

    /// How many connections each that is for calls may hold, and holds.
    pub fn places(&self) -> Vec<(&'static str, Places)> {
        vec![("api", self.api.places()), ("peers", self.peers.places())]
    }

    /// The connections of each that is for calls, by who is at their other end.
    pub fn connections(&self) -> Vec<Connections> {
        vec![self.api.connections(), self.peers.connections()]
    }

    /// Where they are bound.
    pub fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Serves on all three until they are stopped; one that ends by itself says why.
    pub fn serve(self, services: Services, stops: &Stops) -> Servers {
        let Services {
            api,
            peers,
            status,
            metrics,
        } = services;
        let mut servers = Servers {
            api: JoinSet::new(),
            others: JoinSet::new(),
        };
        let stop = stops.api.clone();
        servers.api.spawn(async move {
            let served = self.api.serve(api, stop.cancelled_owned()).await;
            report("api", served.err().map(|error| error.to_string()));
        });
        let stop = stops.peers.clone();
        servers.others.spawn(async move {
            let served = self.peers.serve(peers, stop.cancelled_owned()).await;
            report("peers", served.err().map(|error| error.to_string()));
        });
        let stop = stops.peers.clone().cancelled_owned();
        servers.others.spawn(async move {
            operations::serve(self.operations, status, metrics, stop).await;
        });
        servers
    }
}

fn report(listener: &'static str, error: Option<String>) {
    if let Some(error) = error {
        tracing::error!(listener, error, "listener failed");
    }
}
