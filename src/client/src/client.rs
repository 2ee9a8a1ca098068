//! The client: whom it calls, as whom, and how.

use std::{path::PathBuf, sync::Arc, time::Duration};

use wire::{CredentialFiles, Credentials};

use crate::{
    counts::{CallCounts, Counts},
    endpoints::Endpoints,
    error::Error,
    limits::TIMEOUT,
    position::Positions,
};

/// Whom to call, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// The nodes, each `host:port` or `https://host:port`; any of them takes any call.
    pub endpoints: Vec<String>,
    /// The authority that the nodes' certificates chain to, PEM.
    pub ca: PathBuf,
    /// The certificate of this client, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// The name in the nodes' certificates, if it is not the host of the endpoint.
    pub server_name: Option<String>,
    /// What a call gets, all its attempts together.
    pub timeout: Duration,
}

/// Which state a read shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Everything that was acknowledged to anybody before the read began.
    #[default]
    Linearizable,
    /// What the node has at hand, and at least what this client has seen.
    Eventual,
}

/// A client of a region. Cheap to clone; clones share connections and what they have seen.
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
    pub(crate) timeout: Duration,
    pub(crate) consistency: Consistency,
}

/// What clones share.
pub(crate) struct Shared {
    pub(crate) endpoints: Endpoints,
    pub(crate) positions: Positions,
    pub(crate) counts: Counts,
    credentials: Arc<Credentials>,
}

impl Options {
    /// Options with a time-out of 10 s.
    pub fn new(
        endpoints: Vec<String>,
        ca: impl Into<PathBuf>,
        cert: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Self {
        let (ca, cert, key) = (ca.into(), cert.into(), key.into());
        Self {
            endpoints,
            ca,
            cert,
            key,
            server_name: None,
            timeout: TIMEOUT,
        }
    }
}

impl Client {
    /// Reads the certificate files and makes channels to the nodes, which connect when they are
    /// first used. Must be called inside a tokio runtime.
    #[allow(
        clippy::needless_pass_by_value,
        reason = "options are made for one client"
    )]
    pub fn connect(options: Options) -> Result<Self, Error> {
        let files = CredentialFiles {
            cert: options.cert,
            key: options.key,
            ca: vec![options.ca],
        };
        let credentials = Credentials::load(files)?;
        let name = options.server_name.as_deref();
        let endpoints = Endpoints::new(&options.endpoints, name, &credentials)?;
        let positions = Positions::default();
        Ok(Self {
            shared: Arc::new(Shared {
                endpoints,
                positions,
                counts: Counts::default(),
                credentials,
            }),
            timeout: options.timeout,
            consistency: Consistency::default(),
        })
    }

    /// The same client with another time for each call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same client with another consistency for reads.
    #[must_use]
    pub fn with_consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// The position that covers everything this client has seen, to hand to another client;
    /// `None` before the first answer, or right after calls that ran at the same time.
    pub fn position(&self) -> Option<String> {
        self.shared.positions.one()
    }

    /// Makes eventual reads show at least a position that another client has seen.
    pub fn at_least(&self, position: &str) {
        self.shared.positions.add(position);
    }

    /// Counts the calls of this client and its clones so far, watches not included.
    pub fn call_counts(&self) -> CallCounts {
        self.shared.counts.read()
    }

    /// Reads the certificate files again; connections made from now on use them.
    pub fn reload_credentials(&self) -> Result<(), Error> {
        Ok(self.shared.credentials.reload()?)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
