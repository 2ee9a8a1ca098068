//! A cluster's certificates in a temporary directory, and a service that tells who called.

use std::{
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    ClientConfig, RootCertStore, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use tokio::{net::TcpStream, sync::oneshot, task::JoinHandle};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status, service::Routes, transport::Channel};
use tonic_health::pb::{
    HealthCheckRequest, HealthCheckResponse,
    health_client::HealthClient,
    health_server::{Health, HealthServer},
};
use wire::{
    Admission, Caller, CredentialFiles, Credentials, DialOptions, Dialer, Expected, ListenError,
    ListenOptions, Listener,
    certs::{self, ClientSpec, Existing, Layout, NodeSpec, Validity},
};

pub const REGION: &str = "eu-west-1";

/// The certificates of one cluster.
pub struct Harbour {
    pub layout: Layout,
    pub cluster: String,
    _directory: TempDir,
}

impl Harbour {
    pub fn new() -> Self {
        Self::of_cluster(None)
    }

    /// Authorities of their own for a cluster that has others already.
    pub fn of_cluster(cluster: Option<&str>) -> Self {
        let directory = TempDir::new().expect("a temporary directory");
        let layout = Layout::new(directory.path());
        let cluster = certs::init(&layout, cluster, REGION).expect("a root and an issuer");
        Self {
            layout,
            cluster,
            _directory: directory,
        }
    }

    pub fn node(&self, node: u64) -> Arc<Credentials> {
        self.node_valid(node, Validity::of_leaf())
    }

    pub fn node_valid(&self, node: u64, validity: Validity) -> Arc<Credentials> {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let spec = NodeSpec {
            region: REGION.to_owned(),
            node,
            names,
            validity,
        };
        let pair = certs::issue_node(&self.layout, &spec, Existing::Replace).expect("a node");
        self.load(pair)
    }

    pub fn client(&self, name: &str) -> Arc<Credentials> {
        self.client_valid(name, Validity::of_leaf())
    }

    pub fn client_valid(&self, name: &str, validity: Validity) -> Arc<Credentials> {
        let (region, name) = (REGION.to_owned(), name.to_owned());
        let spec = ClientSpec {
            region,
            name,
            validity,
        };
        let pair = certs::issue_client(&self.layout, &spec, Existing::Replace).expect("a client");
        self.load(pair)
    }

    pub fn root(&self) -> PathBuf {
        self.layout.root().cert
    }

    /// Credentials of this cluster that trust another one.
    pub fn client_trusting(&self, name: &str, other: &Self) -> Arc<Credentials> {
        self.client(name);
        let pair = self.layout.client(REGION, name);
        let files = CredentialFiles {
            cert: pair.cert,
            key: pair.key,
            ca: vec![other.root()],
        };
        Credentials::load(files).expect("credentials")
    }

    fn load(&self, pair: certs::Pair) -> Arc<Credentials> {
        let files = CredentialFiles {
            cert: pair.cert,
            key: pair.key,
            ca: vec![self.root()],
        };
        Credentials::load(files).expect("credentials")
    }
}

/// From two days ago until yesterday.
pub fn in_the_past() -> Validity {
    let day = Duration::from_secs(86_400);
    let now = Validity::days(0).until;
    Validity {
        from: now - 2 * day,
        until: now - day,
    }
}

/// A validity that ends at an instant.
pub fn until(until: SystemTime) -> Validity {
    Validity {
        until,
        ..Validity::of_leaf()
    }
}

/// A listener that serves.
pub struct Served {
    pub address: SocketAddr,
    pub stop: oneshot::Sender<()>,
    pub task: JoinHandle<Result<(), ListenError>>,
}

pub async fn serve(credentials: &Arc<Credentials>, admission: Admission) -> Served {
    serve_with(credentials, ListenOptions::new(admission)).await
}

pub async fn serve_with(credentials: &Arc<Credentials>, options: ListenOptions) -> Served {
    let address = "127.0.0.1:0".parse().expect("an address");
    let listener = Listener::bind(address, Arc::clone(credentials), options)
        .await
        .expect("a listener");
    let address = listener.local_address();
    let (stop, stopped) = oneshot::channel();
    let routes = Routes::new(HealthServer::new(Greeter));
    let task = tokio::spawn(listener.serve(routes, async {
        let _ = stopped.await;
    }));
    Served {
        address,
        stop,
        task,
    }
}

pub fn dial(credentials: &Arc<Credentials>, served: &Served, expected: Expected) -> Channel {
    // Patient, because a machine that runs every test at once is slow.
    let patience = Duration::from_secs(20);
    let options = DialOptions {
        connect_timeout: patience,
        keepalive: patience,
    };
    let dialer = Dialer::new(Arc::clone(credentials), options);
    dialer
        .channel(&served.address.to_string(), expected)
        .expect("a channel")
}

pub fn by_name() -> Expected {
    Expected::Server {
        name: "localhost".to_owned(),
    }
}

/// TLS of a caller without a certificate.
pub fn anonymous(
    harbour: &Harbour,
    versions: &[&'static SupportedProtocolVersion],
) -> Arc<ClientConfig> {
    let root = CertificateDer::from_pem_file(harbour.root()).expect("a root");
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a root");
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let config = ClientConfig::builder_with_provider(provider.into())
        .with_protocol_versions(versions)
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// Connects, and nothing more.
pub async fn shake_hands(
    config: Arc<ClientConfig>,
    served: &Served,
) -> Result<TlsStream<TcpStream>, std::io::Error> {
    let stream = TcpStream::connect(served.address).await?;
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(config).connect(name, stream).await
}

/// Calls, and returns who the service says called; the error when the call did not arrive.
pub async fn who_am_i(channel: &Channel) -> Result<String, String> {
    let mut client = HealthClient::new(channel.clone());
    let call = client.check(HealthCheckRequest::default());
    let answered = tokio::time::timeout(Duration::from_secs(20), call).await;
    let status = answered.expect("an answer in time").expect_err("a status");
    match status.message().strip_prefix(GREETING) {
        Some(caller) => Ok(caller.to_owned()),
        None => Err(chain(&status)),
    }
}

/// The whole chain of an error in one text.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Begins a call that does not end, and waits until it has begun.
pub async fn hold(channel: &Channel) -> tonic::Streaming<HealthCheckResponse> {
    let mut client = HealthClient::new(channel.clone());
    let mut stream = client
        .watch(HealthCheckRequest::default())
        .await
        .expect("a call")
        .into_inner();
    stream
        .message()
        .await
        .expect("a message")
        .expect("a message");
    stream
}

const GREETING: &str = "you are ";

struct Greeter;

#[tonic::async_trait]
impl Health for Greeter {
    async fn check(
        &self,
        request: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        assert!(
            request.remote_addr().is_some(),
            "every request knows its address"
        );
        let caller = match request
            .extensions()
            .get::<Caller>()
            .expect("every request has one")
        {
            Caller::Peer(peer) => format!("node {} of {}", peer.node, peer.region),
            Caller::Client(client) => format!("client {}", client.name),
            Caller::Anonymous => "anonymous".to_owned(),
        };
        Err(Status::unknown(format!("{GREETING}{caller}")))
    }

    type WatchStream = Pin<Box<dyn Stream<Item = Result<HealthCheckResponse, Status>> + Send>>;

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let first = tokio_stream::once(Ok(HealthCheckResponse::default()));
        Ok(Response::new(Box::pin(
            first.chain(tokio_stream::pending()),
        )))
    }
}
