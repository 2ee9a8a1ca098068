//! Channels to nodes, over TLS.
//!
//! A channel connects when it is first used and again after it broke, each time with the
//! credentials then in force.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use http::Uri;
use hyper_util::rt::TokioIo;
use rustls::{
    CertificateError, ClientConfig, InvalidMessage, OtherError,
    client::{Resumption, WebPkiServerVerifier, danger::ServerCertVerifier},
    pki_types::ServerName,
    sign::SingleCertAndKey,
    version::TLS13,
};
use tokio::{net::TcpStream, task::spawn_blocking};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::{
    clock,
    credentials::{Credentials, Material, provider},
    identity::{Identity, PeerIdentity, PublicKeyHash},
    limits::{
        CALLER_CONNECT_TIMEOUT, CALLER_KEEPALIVE, CONNECTION_WINDOW_BYTES, PEER_CONNECT_TIMEOUT,
        PEER_KEEPALIVE, STREAM_WINDOW_BYTES,
    },
    verify::{NodeVerifier, Refusal, Vouching, Wanted},
};

/// Who must answer at an address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expected {
    /// One node of the caller's own region, with the key pinned in membership.
    Peer {
        /// Its node id.
        node: u64,
        /// SHA-256 of its public key (SubjectPublicKeyInfo, DER).
        public_key: [u8; 32],
    },
    /// Any node of the caller's own region: for a node that joins and knows no pins yet.
    Region,
    /// One node of a linked region, with the key that the region directory pins. The issuers of
    /// its region are those among the credentials' `Authorities` when it is connected to.
    Linked(PeerIdentity),
    /// Any node of a cluster that the issuer with this key vouches for: for a node of a region that
    /// is about to be linked and knows no more of the other. The server must present its issuer's
    /// certificate. No certificate is presented to it: it knows nobody yet.
    Issuer {
        /// Cluster id, 32 lower-case hexadecimal digits.
        cluster: String,
        /// What `PublicKeyHash::of` says of the issuer's certificate.
        issuer_key: PublicKeyHash,
    },
    /// A server whose certificate has this DNS name or IP address.
    Server {
        /// The name or address, without a port.
        name: String,
    },
}

/// How fast a dialer gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DialOptions {
    /// For TCP and TLS together.
    pub connect_timeout: Duration,
    /// Silence after which it asks whether the connection is alive, and the time to answer.
    pub keepalive: Duration,
}

/// Opens channels with one set of credentials.
#[derive(Clone, Debug)]
pub struct Dialer {
    credentials: Arc<Credentials>,
    options: DialOptions,
}

/// Why a channel cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DialError {
    /// The address has no `host:port`.
    #[error("{address:?} is not host:port")]
    Address {
        /// The address as given.
        address: String,
    },
    /// The server's name is neither a DNS name nor an IP address.
    #[error("{name:?} is neither a DNS name nor an IP address")]
    Name {
        /// The name as given.
        name: String,
    },
    /// Only a node has peers.
    #[error("the certificate is not a node's, so it cannot dial peers")]
    NotANode,
}

impl Dialer {
    /// A dialer for calls to the API: patient.
    pub fn for_callers(credentials: Arc<Credentials>) -> Self {
        Self::new(credentials, DialOptions::of_callers())
    }

    /// A dialer for peers of a region: gives up within one second or two.
    pub fn for_peers(credentials: Arc<Credentials>) -> Self {
        let options = DialOptions {
            connect_timeout: PEER_CONNECT_TIMEOUT,
            keepalive: PEER_KEEPALIVE,
        };
        Self::new(credentials, options)
    }

    /// A dialer with time-outs of one's own.
    pub fn new(credentials: Arc<Credentials>, options: DialOptions) -> Self {
        Self {
            credentials,
            options,
        }
    }

    /// The credentials it dials with.
    pub fn credentials(&self) -> &Arc<Credentials> {
        &self.credentials
    }

    /// Makes a channel to `host:port`. Nothing is sent before the first call.
    pub fn channel(&self, address: &str, expected: Expected) -> Result<Channel, DialError> {
        let uri = target(address)?;
        let (name, check) = self.check(uri.host().unwrap_or_default(), expected)?;
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let server = ServerName::try_from(bare.to_owned());
        let connector = Connector {
            credentials: Arc::clone(&self.credentials),
            address: address.to_owned(),
            check,
            name: server.map_err(|_| DialError::Name { name })?,
        };
        Ok(endpoint(uri, self.options).connect_with_connector_lazy(connector))
    }

    /// What name to tell the server, and what to check of it.
    fn check(&self, host: &str, expected: Expected) -> Result<(String, Check), DialError> {
        let check = match expected {
            Expected::Server { name } => return Ok((name, Check::Name)),
            Expected::Region => {
                let PeerIdentity {
                    cluster, region, ..
                } = self.own_node()?;
                Check::Own(Wanted::Region { cluster, region })
            }
            Expected::Peer { node, public_key } => Check::Own(Wanted::Node(PeerIdentity {
                node,
                public_key,
                ..self.own_node()?
            })),
            Expected::Linked(peer) => {
                self.own_node()?;
                Check::Linked(peer)
            }
            Expected::Issuer {
                cluster,
                issuer_key,
            } => Check::Issuer(issuer_key, Wanted::Cluster(cluster)),
        };
        Ok((host.to_owned(), check))
    }

    fn own_node(&self) -> Result<PeerIdentity, DialError> {
        match self.credentials.identity() {
            Identity::Peer(peer) => Ok(peer),
            Identity::Client(_) => Err(DialError::NotANode),
        }
    }
}

impl DialOptions {
    /// Those for calls to the API: patient.
    pub(crate) fn of_callers() -> Self {
        Self {
            connect_timeout: CALLER_CONNECT_TIMEOUT,
            keepalive: CALLER_KEEPALIVE,
        }
    }
}

/// Where a channel goes to, of `host:port`.
pub(crate) fn target(address: &str) -> Result<Uri, DialError> {
    let bad = || DialError::Address {
        address: address.to_owned(),
    };
    let uri: Uri = format!("https://{address}").parse().map_err(|_| bad())?;
    let authority = uri.authority().ok_or_else(bad)?;
    let plain = authority.as_str() == address && !address.contains('@');
    match authority.port_u16().is_some() && plain {
        true => Ok(uri),
        false => Err(bad()),
    }
}

/// The end of a channel that goes there.
pub(crate) fn endpoint(uri: Uri, options: DialOptions) -> Endpoint {
    Endpoint::from(uri)
        .connect_timeout(options.connect_timeout)
        .http2_keep_alive_interval(options.keepalive)
        .keep_alive_timeout(options.keepalive)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
}

/// What is checked of the certificate at the other end.
#[derive(Clone, Debug)]
enum Check {
    Name,
    Own(Wanted),
    Linked(PeerIdentity),
    Issuer(PublicKeyHash, Wanted),
}

/// Connects one channel, as often as it has to.
#[derive(Clone)]
struct Connector {
    credentials: Arc<Credentials>,
    address: String,
    check: Check,
    name: ServerName<'static>,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, ConnectError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let connector = self.clone();
        Box::pin(async move { connector.connect().await })
    }
}

impl Connector {
    async fn connect(self) -> Result<TokioIo<TlsStream<TcpStream>>, ConnectError> {
        let credentials = Arc::clone(&self.credentials);
        let material = spawn_blocking(move || credentials.for_connection()).await;
        let material = material.unwrap_or_else(|_| self.credentials.material());
        let verifier = self.verifier(&material)?;
        let config = self
            .client_config(&material, verifier)
            .map_err(|source| self.failed("configure", source))?;
        let stream = TcpStream::connect(&self.address)
            .await
            .map_err(|source| self.failed("reach", source))?;
        stream
            .set_nodelay(true)
            .map_err(|source| self.failed("reach", source))?;
        let connected = TlsConnector::from(Arc::new(config)).connect(self.name.clone(), stream);
        let stream = connected.await.map_err(|error| self.distrust(error))?;
        Ok(TokioIo::new(stream))
    }

    fn verifier(&self, material: &Material) -> Result<Arc<dyn ServerCertVerifier>, ConnectError> {
        let (vouching, wanted) = match &self.check {
            Check::Name => {
                let roots = Arc::clone(&material.roots);
                let built = WebPkiServerVerifier::builder_with_provider(roots, provider()).build();
                return match built {
                    Ok(verifier) => Ok(verifier),
                    Err(error) => Err(self.failed("configure", error)),
                };
            }
            Check::Own(wanted) => {
                let roots = Arc::clone(&material.peer_roots);
                (Vouching::Roots(roots), wanted.clone())
            }
            Check::Linked(peer) => {
                let roots = self.credentials.authorities().vouching(peer, clock::now());
                let roots = roots.map_err(|refusal| self.failed("trust", refusal))?;
                (Vouching::Roots(roots), Wanted::Node(peer.clone()))
            }
            Check::Issuer(key, wanted) => (Vouching::IssuerKey(*key), wanted.clone()),
        };
        Ok(Arc::new(NodeVerifier {
            vouching,
            algorithms: provider().signature_verification_algorithms,
            wanted,
            retired: Arc::clone(&material.retired),
        }))
    }

    fn client_config(
        &self,
        material: &Material,
        verifier: Arc<dyn ServerCertVerifier>,
    ) -> Result<ClientConfig, rustls::Error> {
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.check {
            Check::Issuer(..) => builder.with_no_client_auth(),
            Check::Name | Check::Own(_) | Check::Linked(_) => {
                let certificate = SingleCertAndKey::from(Arc::clone(&material.certified));
                builder.with_client_cert_resolver(Arc::new(certificate))
            }
        };
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"h2".to_vec()];
        Ok(config)
    }

    /// Finds our own reason in what TLS wraps around it.
    fn distrust(&self, error: io::Error) -> ConnectError {
        let tls = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<rustls::Error>());
        match tls {
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(own)))) => {
                match own.downcast_ref::<Refusal>() {
                    Some(refusal) => self.failed("trust", refusal.clone()),
                    None => self.failed("trust", error),
                }
            }
            Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
                self.failed("speak TLS with", NotTls)
            }
            Some(_) => self.failed("trust", error),
            None => self.failed("shake hands with", error),
        }
    }

    fn failed<E>(&self, action: &'static str, source: E) -> ConnectError
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        ConnectError::new(action, self.address.clone(), source)
    }
}

/// What answered was something else than TLS.
#[derive(Debug, thiserror::Error)]
#[error("what listens there speaks no TLS, as a node's operations port; use its API port")]
struct NotTls;

/// Why a connection was not made; in the chain of the call's error.
#[derive(Debug, thiserror::Error)]
#[error("cannot {action} {address}")]
pub struct ConnectError {
    action: &'static str,
    address: String,
    source: Box<dyn std::error::Error + Send + Sync>,
}

impl ConnectError {
    pub(crate) fn new<E>(action: &'static str, address: String, source: E) -> Self
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        Self {
            action,
            address,
            source: Box::new(source),
        }
    }
}
