//! The client: whom it calls, as whom, and how.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use wire::{CredentialFiles, Credentials, StrangerDialer};

use crate::{
    counts::{CallCounts, Counts},
    endpoints::{Endpoints, Holder},
    error::Error,
    limits::TIMEOUT,
    position::Positions,
    shown::LastShown,
    token::{Bearer, TokenOptions},
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
    /// Everything that was acknowledged to anybody before the read began, and of secrets that
    /// another region leads everything that this one had received.
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
    pub(crate) max_staleness: Option<Duration>,
    /// The region that calls belong to, if not that of the nodes.
    pub(crate) region: Option<Arc<str>>,
    /// Nodes of other regions, for the writes that those lead.
    pub(crate) elsewhere: BTreeMap<String, Arc<Endpoints>>,
    pub(crate) last_shown: Option<LastShown>,
}

/// What clones share.
pub(crate) struct Shared {
    pub(crate) endpoints: Endpoints,
    pub(crate) positions: Positions,
    pub(crate) counts: Counts,
    /// What says who calls, if that is a session.
    pub(crate) bearer: Option<Bearer>,
    holder: Holder,
    server_name: Option<String>,
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
        let holder = Holder::Certificate(Credentials::load(files)?);
        let name = options.server_name;
        Self::of(holder, None, &options.endpoints, name, options.timeout)
    }

    /// Makes channels to the nodes for a session, whose token goes with every call, or for a caller
    /// that is nobody yet. Must be called inside a tokio runtime.
    pub fn connect_with_token(options: TokenOptions) -> Result<Self, Error> {
        let holder = Holder::Nobody(StrangerDialer::load(&[options.ca])?);
        let bearer = options.token.map(|token| token.bearer()).transpose()?;
        let name = options.server_name;
        Self::of(holder, bearer, &options.endpoints, name, options.timeout)
    }

    fn of(
        holder: Holder,
        bearer: Option<Bearer>,
        endpoints: &[String],
        server_name: Option<String>,
        timeout: Duration,
    ) -> Result<Self, Error> {
        let endpoints = Endpoints::new(endpoints, server_name.as_deref(), &holder)?;
        let positions = Positions::default();
        Ok(Self {
            shared: Arc::new(Shared {
                endpoints,
                positions,
                counts: Counts::default(),
                bearer,
                holder,
                server_name,
            }),
            timeout,
            consistency: Consistency::default(),
            max_staleness: None,
            region: None,
            elsewhere: BTreeMap::new(),
            last_shown: None,
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

    /// The same client, whose reads in a replica region show a state that is not older than this:
    /// the node waits for it within the time of the call, and refuses with `TooStale` then. Without
    /// it a read shows what the region has. To the millisecond.
    #[must_use]
    pub fn with_max_staleness(mut self, max_staleness: Duration) -> Self {
        self.max_staleness = Some(max_staleness);
        self
    }

    /// The same client, whose calls belong to a region, such as `eu-west-1`, and not to that of the
    /// node they are sent to: a secret is created in it, and ARNs show it. The node's region must
    /// be primary of it, or for reads, know it.
    ///
    /// # Errors
    /// [`Error::Region`] if it is no region's name.
    pub fn with_region(mut self, region: &str) -> Result<Self, Error> {
        self.region = Some(region_name(region)?.into());
        Ok(self)
    }

    /// The same client, with nodes of another region. A write that is refused because that region
    /// is primary of what it changes is sent to them, within the time of the call; what it wrote is
    /// seen by the reads that this client makes afterwards. The creation of a secret is sent there
    /// only if [`with_region`](Self::with_region) says in which region it is to be.
    ///
    /// # Errors
    /// [`Error::Region`] if it is no region's name, [`Error::NoEndpoint`] and [`Error::Endpoint`]
    /// as for [`connect`](Self::connect).
    pub fn with_region_endpoints(
        mut self,
        region: &str,
        endpoints: &[String],
    ) -> Result<Self, Error> {
        let region = region_name(region)?.to_owned();
        let name = self.shared.server_name.as_deref();
        let endpoints = Endpoints::new(endpoints, name, &self.shared.holder)?;
        self.elsewhere.insert(region, Arc::new(endpoints));
        Ok(self)
    }

    /// The same client, and what its last answer said of the state it shows: where that is, and
    /// how old it may be. To tell it of one call, make one such client for it.
    #[must_use]
    pub fn showing(mut self) -> (Self, LastShown) {
        let last = LastShown::default();
        self.last_shown = Some(last.clone());
        (self, last)
    }

    /// The position that covers everything this client has seen, to hand to another client, of this
    /// region or of another one; `None` before the first answer, or right after calls that ran at
    /// the same time.
    pub fn position(&self) -> Option<String> {
        self.shared.positions.one()
    }

    /// Makes reads show at least a position that another client has seen, in this region or in
    /// another one: a node that does not have it yet waits for it within the time of the call. Of
    /// more than eight that no read has covered yet the oldest is forgotten.
    pub fn at_least(&self, position: &str) {
        self.shared.positions.add(position);
    }

    /// Counts the calls of this client and its clones so far, watches not included.
    pub fn call_counts(&self) -> CallCounts {
        self.shared.counts.read()
    }

    /// Reads the certificate files again, if there are any; connections made from now on use them.
    pub fn reload_credentials(&self) -> Result<(), Error> {
        match &self.shared.holder {
            Holder::Certificate(credentials) => Ok(credentials.reload()?),
            Holder::Nobody(_) => Ok(()),
        }
    }
}

/// Says whether a text is a region's name: words of `a-z`, each followed by `-`, then digits.
fn region_name(name: &str) -> Result<&str, Error> {
    let bad = || Error::Region {
        name: name.to_owned(),
    };
    let (words, digits) = name.rsplit_once('-').ok_or_else(bad)?;
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    match words.split('-').all(is_word) && is_number {
        true => Ok(name),
        false => Err(bad()),
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}
