//! A region of real nodes with real certificates in a temporary directory, and regions linked to
//! it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use envelope::FileProvider;
use strongroom_server::{Config, Node, Start};
use tempfile::TempDir;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::admin::v1::{CreateJoinTokenRequest, CreateLinkTokenRequest, RegionScope};
use wire::certs::{self, ClientSpec, Existing, Layout, NodeSpec, Pair, Validity};
use wire::secrets::v1::secrets_service_client::SecretsServiceClient;
use wire::{Channel, CredentialFiles, Credentials, Dialer, Expected};
use zeroize::Zeroizing;

pub const REGION: &str = "eu-west-1";
pub const OTHER: &str = "eu-west-2";
pub const ADMIN: &str = "admin";

/// How long a condition may take to come true.
const PATIENCE: Duration = Duration::from_secs(60);

pub type SecretsClient = SecretsServiceClient<Channel>;
pub type AdminClient = AdminServiceClient<Channel>;

/// The files of a region. Regions of one cluster share a directory, and the root of authorities.
#[derive(Clone)]
pub struct Files {
    pub dir: Arc<TempDir>,
    pub layout: Layout,
    pub region: &'static str,
    /// What a test sets in the configuration of each node.
    pub tune: fn(&mut Config),
}

impl Files {
    pub fn new() -> Self {
        let dir = Arc::new(tempfile::tempdir().unwrap());
        let layout = Layout::new(dir.path().join("certs"));
        certs::init(&layout, None, REGION).unwrap();
        let files = Self {
            dir,
            layout,
            region: REGION,
            tune: |_| {},
        };
        files.client(ADMIN);
        FileProvider::create(files.root_key()).unwrap();
        files
    }

    /// The files of another region of the same cluster.
    pub fn beside(&self, region: &'static str) -> Self {
        certs::add_region(&self.layout, region, Existing::Refuse).unwrap();
        let files = Self {
            region,
            tune: |_| {},
            ..self.clone()
        };
        FileProvider::create(files.root_key()).unwrap();
        files
    }

    pub fn root_key(&self) -> PathBuf {
        self.dir.path().join(format!("{}.key", self.region))
    }

    pub fn client(&self, name: &str) -> Pair {
        let spec = ClientSpec {
            region: self.region.to_owned(),
            name: name.to_owned(),
            validity: Validity::of_leaf(),
        };
        certs::issue_client(&self.layout, &spec, Existing::Refuse).unwrap()
    }

    pub fn node(&self, node: u64) -> Pair {
        let spec = NodeSpec {
            region: self.region.to_owned(),
            node,
            names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            validity: Validity::of_leaf(),
        };
        certs::issue_node(&self.layout, &spec, Existing::Refuse).unwrap()
    }

    /// A configuration on free ports; the node's certificate is issued when it is missing.
    pub fn config(&self, node: u64) -> Config {
        let pair = self.layout.node(self.region, node);
        if !pair.cert.exists() {
            self.node(node);
        }
        let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let mut config = Config::default();
        config.node.data = self
            .dir
            .path()
            .join(self.region)
            .join(format!("node-{node}"));
        config.node.software_aes = true;
        config.api.listen = free;
        config.peers.listen = free;
        config.operations.listen = free;
        config.tls.certificate = pair.cert;
        config.tls.key = pair.key;
        config.tls.authority = self.layout.root().cert;
        config.seal.root_key = self.root_key();
        config.storage.disk_free_min = strongroom_server::config::Size::of_mebibytes(1);
        config.storage.log_segment_size = strongroom_server::config::Size::of_mebibytes(4);
        config.consensus.heartbeat = Duration::from_millis(100);
        config.consensus.election_timeout_min = Duration::from_millis(500);
        config.consensus.election_timeout_max = Duration::from_millis(1000);
        config.secrets.purge_interval = Duration::from_millis(200);
        config.secrets.access_record_interval = Duration::from_millis(50);
        config.limits.shutdown_timeout = Duration::from_secs(2);
        (self.tune)(&mut config);
        config
    }

    pub fn credentials(&self, pair: &Pair) -> std::sync::Arc<Credentials> {
        Credentials::load(CredentialFiles {
            cert: pair.cert.clone(),
            key: pair.key.clone(),
            ca: vec![self.layout.root().cert],
        })
        .unwrap()
    }

    /// A channel to an address as the holder of a certificate.
    pub fn channel(&self, address: std::net::SocketAddr, pair: &Pair) -> Channel {
        let dialer = Dialer::for_callers(self.credentials(pair));
        let expected = Expected::Server {
            name: "127.0.0.1".to_owned(),
        };
        dialer.channel(&address.to_string(), expected).unwrap()
    }
}

/// A running region.
/// The nodes go before their files: a node that loses its directory aborts the process.
pub struct Region {
    pub nodes: Vec<Node>,
    pub files: Files,
}

impl Region {
    pub async fn start(count: u64) -> Self {
        Self::start_tuned(count, |_| {}).await
    }

    pub async fn start_tuned(count: u64, tune: fn(&mut Config)) -> Self {
        let mut files = Files::new();
        files.tune = tune;
        let bootstrap = Start::Bootstrap {
            administrator: ADMIN.to_owned(),
        };
        Self::begin(files, bootstrap, count).await
    }

    /// Starts a region that is linked to this one, and waits until it is ready.
    pub async fn link(&self, name: &'static str, scope: RegionScope, count: u64) -> Self {
        self.link_tuned(name, scope, count, |_| {}).await
    }

    pub async fn link_tuned(
        &self,
        name: &'static str,
        scope: RegionScope,
        count: u64,
        tune: fn(&mut Config),
    ) -> Self {
        let mut files = self.files.beside(name);
        files.tune = tune;
        let token = Zeroizing::new(self.link_token(name, scope).await);
        let address = self.nodes[0].addresses().api.to_string();
        Self::begin(files, Start::Link { address, token }, count).await
    }

    async fn begin(files: Files, start: Start, count: u64) -> Self {
        let first = Node::start(files.config(1), start).await.unwrap();
        let mut region = Self {
            files,
            nodes: vec![first],
        };
        if count > 1 {
            // A region that was linked knows no administrator before it has the root feed.
            region.until_ready(1).await;
        }
        for node in 2..=count {
            let token = region.join_token().await;
            let address = region.nodes[0].addresses().api.to_string();
            let start = Start::Join {
                address,
                token: Zeroizing::new(token),
            };
            let joined = Node::start(region.files.config(node), start).await.unwrap();
            region.nodes.push(joined);
        }
        region.until_ready(count).await;
        region
    }

    pub async fn join_token(&self) -> String {
        let request = CreateJoinTokenRequest { lifetime: None };
        self.admin(0)
            .create_join_token(request)
            .await
            .unwrap()
            .into_inner()
            .token
            .clone()
    }

    pub async fn link_token(&self, region: &str, scope: RegionScope) -> String {
        let request = CreateLinkTokenRequest {
            region: region.to_owned(),
            scope: scope.into(),
            lifetime: None,
        };
        let created = self.admin(0).create_link_token(request).await.unwrap();
        created.into_inner().token.clone()
    }

    /// Where callers reach the first node.
    pub fn address(&self) -> String {
        self.nodes[0].addresses().api.to_string()
    }

    pub async fn until_ready(&self, voters: u64) {
        eventually("every node is a ready voter", async || {
            let ready = self.nodes.iter().all(|node| node.ready().is_ok());
            let status = self
                .admin(0)
                .get_status(wire::admin::v1::GetStatusRequest {})
                .await;
            // A busy machine may not even answer in time.
            status.is_ok_and(|status| {
                let nodes = status.into_inner().nodes;
                ready && nodes.iter().filter(|node| node.voter).count() as u64 == voters
            })
        })
        .await;
    }

    fn admin_pair(&self) -> Pair {
        // The administrator is the cluster's, whichever region issued the certificate.
        self.files.layout.client(REGION, ADMIN)
    }

    /// The secrets API of a node, as the administrator.
    pub fn secrets(&self, node: usize) -> SecretsClient {
        let address = self.nodes[node].addresses().api;
        SecretsClient::new(self.files.channel(address, &self.admin_pair()))
    }

    /// The admin API of a node, as the administrator.
    pub fn admin(&self, node: usize) -> AdminClient {
        let address = self.nodes[node].addresses().api;
        AdminClient::new(self.files.channel(address, &self.admin_pair()))
    }

    /// The peers' port of the first node, as the first node of another region.
    pub fn as_peer(&self, other: &Region) -> Channel {
        let pair = other.files.layout.node(other.files.region, 1);
        let address = self.nodes[0].addresses().peers;
        self.files.channel(address, &pair)
    }

    pub async fn stop(self) -> Files {
        for node in self.nodes {
            node.shutdown().await;
        }
        self.files
    }
}

/// Waits for a condition with a deadline.
pub async fn eventually(what: &str, mut condition: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !condition().await {
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Two regions of one node each, the second linked to the first.
pub async fn two(scope: RegionScope) -> (Region, Region) {
    let first = Region::start(1).await;
    let second = first.link(OTHER, scope, 1).await;
    (first, second)
}

/// One entry of the metadata of a refusal; empty if it is not there.
pub fn told(status: &Status, name: &str) -> String {
    let details = status.get_error_details();
    let info = details.error_info();
    let entry = info.and_then(|info| info.metadata.get(name));
    entry.cloned().unwrap_or_default()
}

/// The AWS error name, the code and the message of a refusal.
pub fn refusal<T: std::fmt::Debug>(outcome: Result<T, Status>) -> (String, Code, String) {
    let status = outcome.unwrap_err();
    let details = status.get_error_details();
    let reason = details.error_info().map(|info| info.reason.clone());
    let reason = reason.unwrap_or_else(|| panic!("no ErrorInfo in {status:?}"));
    (reason, status.code(), status.message().to_owned())
}

/// Asserts the AWS error name and the exact message.
#[track_caller]
pub fn assert_refused<T: std::fmt::Debug>(outcome: Result<T, Status>, reason: &str, message: &str) {
    let (found, _, text) = refusal(outcome);
    assert_eq!((found.as_str(), text.as_str()), (reason, message));
}
