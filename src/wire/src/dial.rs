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
    AlertDescription, CertificateError, ClientConfig, InvalidMessage, OtherError,
    client::Resumption, client::WebPkiServerVerifier, pki_types::ServerName,
    sign::SingleCertAndKey, version::TLS13,
};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::Service;

use crate::{
    credentials::{Credentials, provider},
    identity::{Identity, PeerIdentity},
    limits::{
        CALLER_CONNECT_TIMEOUT, CALLER_KEEPALIVE, CONNECTION_WINDOW_BYTES, PEER_CONNECT_TIMEOUT,
        PEER_KEEPALIVE, STREAM_WINDOW_BYTES,
    },
    verify::{NodeVerifier, Refusal, Wanted},
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
        let options = DialOptions {
            connect_timeout: CALLER_CONNECT_TIMEOUT,
            keepalive: CALLER_KEEPALIVE,
        };
        Self::new(credentials, options)
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
        let bad = || DialError::Address {
            address: address.to_owned(),
        };
        let uri: Uri = format!("https://{address}").parse().map_err(|_| bad())?;
        let authority = uri.authority().ok_or_else(bad)?;
        let plain = authority.as_str() == address && !address.contains('@');
        if authority.port_u16().is_none() || !plain {
            return Err(bad());
        }
        let (check, name) = self.check(authority.host(), expected)?;
        let credentials = Arc::clone(&self.credentials);
        let connector = Connector {
            credentials,
            address: address.to_owned(),
            check,
            name,
        };
        let endpoint = Endpoint::from(uri)
            .connect_timeout(self.options.connect_timeout)
            .http2_keep_alive_interval(self.options.keepalive)
            .keep_alive_timeout(self.options.keepalive)
            .keep_alive_while_idle(true)
            .initial_stream_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
        Ok(endpoint.connect_with_connector_lazy(connector))
    }

    fn check(
        &self,
        host: &str,
        expected: Expected,
    ) -> Result<(Check, ServerName<'static>), DialError> {
        let (name, check) = match expected {
            Expected::Server { name } => (name, Check::Name),
            Expected::Region => {
                let PeerIdentity {
                    cluster, region, ..
                } = self.own_node()?;
                (
                    host.to_owned(),
                    Check::Node(Wanted::Region { cluster, region }),
                )
            }
            Expected::Peer { node, public_key } => {
                let wanted = PeerIdentity {
                    node,
                    public_key,
                    ..self.own_node()?
                };
                (host.to_owned(), Check::Node(Wanted::Node(wanted)))
            }
        };
        let bare = name
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let server = ServerName::try_from(bare).map_err(|_| DialError::Name { name })?;
        Ok((check, server))
    }

    fn own_node(&self) -> Result<PeerIdentity, DialError> {
        match self.credentials.identity() {
            Identity::Peer(peer) => Ok(peer),
            Identity::Client(_) => Err(DialError::NotANode),
        }
    }
}

/// What is checked of the certificate at the other end.
#[derive(Clone, Debug)]
enum Check {
    Name,
    Node(Wanted),
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
        let config = self
            .client_config()
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

    fn client_config(&self) -> Result<ClientConfig, rustls::Error> {
        let material = self.credentials.material();
        let (roots, provider) = (Arc::clone(&material.roots), provider());
        let certificate = Arc::new(SingleCertAndKey::from(Arc::clone(&material.certified)));
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])?;
        let mut config = match &self.check {
            Check::Name => builder.with_webpki_verifier(
                WebPkiServerVerifier::builder_with_provider(roots, provider)
                    .build()
                    .map_err(|error| rustls::Error::General(error.to_string()))?,
            ),
            Check::Node(wanted) => {
                let algorithms = provider.signature_verification_algorithms;
                let wanted = wanted.clone();
                builder
                    .dangerous()
                    .with_custom_certificate_verifier(Arc::new(NodeVerifier {
                        roots,
                        algorithms,
                        wanted,
                    }))
            }
        }
        .with_client_cert_resolver(certificate);
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
        ConnectError {
            action,
            address: self.address.clone(),
            source: Box::new(source),
        }
    }
}

/// Who did not accept whose certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Distrust {
    /// This side does not accept the server's.
    OfServer,
    /// The server does not accept this side's.
    OfCaller,
}

impl Distrust {
    /// Finds it in the chain of a failed call, if that is why it failed.
    pub fn in_chain(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Refusal>() {
                return Some(Self::OfServer);
            }
            let inner = error
                .downcast_ref::<io::Error>()
                .and_then(io::Error::get_ref);
            match inner.and_then(|inner| inner.downcast_ref()) {
                Some(rustls::Error::InvalidCertificate(_)) => return Some(Self::OfServer),
                // HTTP/2 keeps the text of an error only.
                _ if inner.is_some_and(|inner| tells_refusal(&inner.to_string())) => {
                    return Some(Self::OfCaller);
                }
                _ => cause = error.source(),
            }
        }
        None
    }
}

/// Whether an error's text is that of an alert with which a server refuses a certificate.
fn tells_refusal(text: &str) -> bool {
    let alerts = [
        AlertDescription::BadCertificate,
        AlertDescription::UnsupportedCertificate,
        AlertDescription::CertificateRevoked,
        AlertDescription::CertificateExpired,
        AlertDescription::CertificateUnknown,
        AlertDescription::UnknownCA,
        AlertDescription::AccessDenied,
        AlertDescription::DecryptError,
        AlertDescription::CertificateRequired,
    ];
    alerts
        .into_iter()
        .any(|alert| text == rustls::Error::AlertReceived(alert).to_string())
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
