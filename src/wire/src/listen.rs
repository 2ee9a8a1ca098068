//! Serves calls over TLS.
//!
//! The API's listener asks for a client certificate and serves callers without one as
//! `Anonymous`; the peers' listener requires the certificate of a node, of the own region or of a
//! linked one. A certificate that is presented must verify in either. Every request carries its
//! `Caller`, and tonic's `TcpConnectInfo`, among its extensions.
//!
//! Invariant: one connection cannot hold up another. Handshakes run beside each other, each has
//! a time-out, places are counted from the first byte, and one that falls silent loses its place.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use arc_swap::ArcSwapOption;
use rustls::{
    ServerConfig, pki_types::CertificateDer, server::NoServerSessionStorage,
    sign::SingleCertAndKey, version::TLS13,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::JoinSet,
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{
    service::Routes,
    transport::{Server, server::TcpConnectInfo},
};
use tower::util::MapRequestLayer;

use crate::{
    connection::{Accepted, Connection, Silence},
    connections::Connections,
    credentials::{Credentials, Material, provider},
    identity::{Caller, Identity},
    limits::{
        ACCEPT_PAUSE, ACCEPTED_QUEUE_MAX, CONNECTION_WINDOW_BYTES, CONNECTIONS_MAX, DRAIN_TIMEOUT,
        HANDSHAKE_TIMEOUT, HEADERS_BYTES_MAX, SERVER_KEEPALIVE_INTERVAL, SERVER_KEEPALIVE_TIMEOUT,
        SILENCE_TIMEOUT, STREAM_WINDOW_BYTES, STREAMS_MAX,
    },
    verify::CallerVerifier,
};

/// Whom a listener lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    /// Nodes, clients, and callers without a certificate. HTTP/2 and HTTP/1.1.
    Anyone,
    /// Nodes of the own region, and of the regions among the credentials' `Authorities`. HTTP/2.
    Nodes,
}

/// How a listener serves.
#[derive(Clone, Debug)]
pub struct ListenOptions {
    /// Whom it lets in.
    pub admission: Admission,
    /// Connections at a time; one more is closed at once.
    pub connections_max: usize,
    /// From accepting a connection to the end of its TLS handshake.
    pub handshake_timeout: Duration,
    /// Silence of the other end after which its connection is cut. For the opening, the preface of
    /// HTTP/2, the time-out of the handshake holds once more, whether it is silent or slow.
    pub silence_timeout: Duration,
    /// What open calls get after a stop; then their connections are cut.
    pub drain_timeout: Duration,
}

/// A bound address that is not served yet.
pub struct Listener {
    socket: TcpListener,
    local: SocketAddr,
    credentials: Arc<Credentials>,
    options: ListenOptions,
    places: Places,
    connections: Connections,
}

/// The certificate that a node has presented and whose key it has proved, among the extensions of
/// its requests.
#[derive(Clone, Debug)]
pub struct Presented(pub Arc<CertificateDer<'static>>);

/// The connections that a listener holds. Clones share them.
#[derive(Clone, Debug)]
pub struct Places {
    free: Arc<Semaphore>,
    count: usize,
}

/// Why a listener did not start or did not go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// The address cannot be bound.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// The credentials cannot serve.
    #[error("cannot serve with this certificate")]
    Credentials(#[from] rustls::Error),
    /// HTTP broke down.
    #[error("cannot go on serving")]
    Serve(#[from] tonic::transport::Error),
}

impl ListenOptions {
    /// The bounds of `limits` for an admission.
    pub fn new(admission: Admission) -> Self {
        Self {
            admission,
            connections_max: CONNECTIONS_MAX,
            handshake_timeout: HANDSHAKE_TIMEOUT,
            silence_timeout: SILENCE_TIMEOUT,
            drain_timeout: DRAIN_TIMEOUT,
        }
    }
}

impl Listener {
    /// Binds an address; port 0 takes a free one.
    pub async fn bind(
        address: SocketAddr,
        credentials: Arc<Credentials>,
        options: ListenOptions,
    ) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Bind { address, source };
        let socket = TcpListener::bind(address).await.map_err(failed)?;
        let local = socket.local_addr().map_err(failed)?;
        server_config(&credentials, &credentials.material(), options.admission)?;
        Ok(Self {
            socket,
            local,
            credentials,
            places: Places::new(options.connections_max),
            connections: Connections::default(),
            options,
        })
    }

    /// The address that was bound.
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// Its connections, to be counted while it serves.
    pub fn places(&self) -> Places {
        self.places.clone()
    }

    /// Its connections, to be ended by who is at their other end.
    pub fn connections(&self) -> Connections {
        self.connections.clone()
    }

    /// Serves until `stop` is ready. Then accepts nothing more, lets open calls finish for the
    /// drain time, cuts what is left, and returns.
    pub async fn serve<S>(self, routes: Routes, stop: S) -> Result<(), ListenError>
    where
        S: Future<Output = ()> + Send,
    {
        let (sender, accepted) = mpsc::channel(ACCEPTED_QUEUE_MAX);
        let (stopping, cut) = (CancellationToken::new(), CancellationToken::new());
        let _cut_when_dropped = cut.clone().drop_guard();
        let drain = self.options.drain_timeout;
        let http1 = self.options.admission == Admission::Anyone;
        let door = Door {
            credentials: self.credentials,
            config: ArcSwapOption::empty(),
            places: self.places.free,
            connections: self.connections,
            options: self.options,
            cut: cut.clone(),
            sender,
        };
        let accepting = tokio::spawn(door.accept(self.socket, stopping.clone()));
        let serving = http_server(http1)
            .layer(MapRequestLayer::new(introduce as fn(_) -> _))
            .serve_with_incoming_shutdown(
                routes.prepare(),
                ReceiverStream::new(accepted),
                stopping.clone().cancelled_owned(),
            );
        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            served = &mut serving => return Ok(served?),
            () = stop => stopping.cancel(),
        }
        if timeout(drain, &mut serving).await.is_err() {
            tracing::debug!("connections cut after the drain time");
            cut.cancel();
            serving.await?;
        }
        let _ = accepting.await;
        Ok(())
    }
}

impl Places {
    fn new(count: usize) -> Self {
        Self {
            free: Arc::new(Semaphore::new(count)),
            count,
        }
    }

    /// How many there are now, those in their handshake included.
    pub fn taken(&self) -> usize {
        self.count.saturating_sub(self.free.available_permits())
    }
}

fn http_server(http1: bool) -> Server {
    Server::builder()
        .accept_http1(http1)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_concurrent_streams(STREAMS_MAX)
        .http2_max_header_list_size(HEADERS_BYTES_MAX)
        .http2_keepalive_interval(Some(SERVER_KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(SERVER_KEEPALIVE_TIMEOUT))
}

/// Says in each request who makes it.
fn introduce<B>(mut request: http::Request<B>) -> http::Request<B> {
    if let Some(accepted) = request.extensions_mut().remove::<Accepted>() {
        let Accepted {
            caller,
            presented,
            local,
            remote,
        } = accepted;
        let addresses = TcpConnectInfo {
            local_addr: local,
            remote_addr: remote,
        };
        request.extensions_mut().insert(caller);
        if let Some(presented) = presented {
            request.extensions_mut().insert(presented);
        }
        request.extensions_mut().insert(addresses);
    }
    request
}

/// What accepts connections and shakes hands.
struct Door {
    credentials: Arc<Credentials>,
    config: ArcSwapOption<Config>,
    places: Arc<Semaphore>,
    connections: Connections,
    options: ListenOptions,
    cut: CancellationToken,
    sender: mpsc::Sender<Result<Connection, io::Error>>,
}

/// The TLS configuration built of one state of the certificate files.
struct Config {
    material: Arc<Material>,
    tls: Arc<ServerConfig>,
}

impl Door {
    async fn accept(self, socket: TcpListener, stopping: CancellationToken) {
        let door = Arc::new(self);
        let mut handshakes = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                () = stopping.cancelled() => break,
                accepted = socket.accept() => accepted,
                Some(_) = handshakes.join_next() => continue,
            };
            match accepted {
                Ok((stream, remote)) => match Arc::clone(&door.places).try_acquire_owned() {
                    Ok(place) => {
                        handshakes.spawn(Arc::clone(&door).admit(stream, remote, place));
                    }
                    Err(_) => tracing::debug!(%remote, "connection refused: no place"),
                },
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
        // The socket closes here, so that new callers are refused at once.
    }

    async fn admit(
        self: Arc<Self>,
        stream: TcpStream,
        remote: SocketAddr,
        place: OwnedSemaphorePermit,
    ) {
        match timeout(
            self.options.handshake_timeout,
            self.shake_hands(stream, place),
        )
        .await
        {
            Ok(Ok(connection)) => {
                let _ = self.sender.send(Ok(connection)).await;
            }
            Ok(Err(error)) => tracing::debug!(%remote, %error, "handshake failed"),
            Err(_) => tracing::debug!(%remote, "handshake timed out"),
        }
    }

    async fn shake_hands(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
    ) -> Result<Connection, io::Error> {
        let config = self.config().map_err(io::Error::other)?;
        stream.set_nodelay(true)?;
        let (local, remote) = (stream.local_addr().ok(), stream.peer_addr().ok());
        let handshake = TlsAcceptor::from(config).accept(stream).into_fallible();
        let stream = match handshake.await {
            Ok(stream) => stream,
            Err((error, stream)) => {
                linger(stream).await;
                return Err(error);
            }
        };
        let certificate = stream
            .get_ref()
            .1
            .peer_certificates()
            .and_then(<[_]>::first);
        let caller = match certificate.map(Identity::of).transpose() {
            Ok(Some(identity)) => Caller::from(identity),
            Ok(None) => Caller::Anonymous,
            Err(error) => return Err(io::Error::other(error)),
        };
        let is_node = matches!(caller, Caller::Peer(_));
        let presented = certificate.filter(|_| is_node);
        let presented = presented.map(|one| Presented(Arc::new(one.clone().into_owned())));
        let (tied, unlinked) = self.tie(&caller)?.unzip();
        let entered = self.connections.enter(&caller);
        let over = entered.as_ref().map(|entered| entered.cut().clone());
        let stop = self.cut.clone();
        let cut = async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = cancelled(unlinked) => {}
                () = cancelled(over) => {}
            }
        };
        Ok(Connection {
            stream,
            accepted: Accepted {
                caller,
                presented,
                local,
                remote,
            },
            cut: Box::pin(cut),
            silence: Silence::new(self.options.handshake_timeout, self.options.silence_timeout),
            _place: place,
            _tied: tied,
            _entered: entered,
        })
    }

    /// Ties the connection of a node of another region to that region, which may have been unlinked
    /// since the handshake.
    fn tie(
        &self,
        caller: &Caller,
    ) -> io::Result<Option<(OwnedSemaphorePermit, CancellationToken)>> {
        let (own, admission) = (self.credentials.identity(), self.options.admission);
        let own = own.peer().map(|own| &own.region);
        let region = match caller {
            Caller::Peer(peer) if admission == Admission::Nodes && Some(&peer.region) != own => {
                &peer.region
            }
            _ => return Ok(None),
        };
        let tie = self.credentials.authorities().tie(region);
        let tie = tie.ok_or_else(|| io::Error::other(format!("{region} is not linked")))?;
        let place = tie.places.try_acquire_owned();
        let place = place.map_err(|_| io::Error::other(format!("no place for {region}")))?;
        Ok(Some((place, tie.cut)))
    }

    fn config(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let material = self.credentials.material();
        match self.config.load().as_ref() {
            Some(config) if Arc::ptr_eq(&config.material, &material) => {
                return Ok(Arc::clone(&config.tls));
            }
            _ => {}
        }
        let tls = server_config(&self.credentials, &material, self.options.admission)?;
        let tls = Arc::new(tls);
        self.config.store(Some(Arc::new(Config {
            material,
            tls: Arc::clone(&tls),
        })));
        Ok(tls)
    }
}

fn server_config(
    credentials: &Credentials,
    material: &Material,
    admission: Admission,
) -> Result<ServerConfig, rustls::Error> {
    let verifier = match admission {
        Admission::Anyone => CallerVerifier::of_anyone(material)?,
        Admission::Nodes => CallerVerifier::of_nodes(material, credentials.authorities())?,
    };
    let verifier = Arc::new(verifier);
    let certificate = SingleCertAndKey::from(Arc::clone(&material.certified));
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(certificate));
    // A resumed session is not verified again: a certificate that expired, or an authority that
    // was removed, would live on in it.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = match admission {
        Admission::Anyone => vec![b"h2".to_vec(), b"http/1.1".to_vec()],
        Admission::Nodes => vec![b"h2".to_vec()],
    };
    Ok(config)
}

/// Waits for what may end a connection; for ever if nothing does.
async fn cancelled(cut: Option<CancellationToken>) {
    match cut {
        Some(cut) => cut.cancelled().await,
        None => std::future::pending().await,
    }
}

/// Waits until the caller has read why it is refused and ends the connection: to close a socket
/// with bytes unread resets it, and a reset overtakes the alert.
async fn linger(mut stream: TcpStream) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut unread = [0; 1024];
    while matches!(stream.read(&mut unread).await, Ok(read) if read > 0) {}
}
