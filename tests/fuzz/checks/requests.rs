//! What callers send: the bytes of a request, with its metadata, go to a running node through its
//! door. Every call is answered in time, by a reply whose tokens are good or a typed error (I12).

use std::cell::RefCell;
use std::time::Duration;

use prost::Message;
use server::config::Size;
use server::{Config, Node, Start};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Request, Response, Status};
use wire::certs::{self, ClientSpec, Existing, Layout, NodeSpec, Pair, Validity};
use wire::secrets::v1 as api;
use wire::{Channel, CredentialFiles, Credentials, Dialer, Expected};

use crate::disk;
use crate::parts;
use crate::raw::Raw;

/// Every rpc that takes something of a caller, in an order that must stay: inputs count it.
pub const RPCS: [(&str, Caller); 28] = [
    ("secrets.v1.SecretsService/CreateSecret", Caller::Client),
    ("secrets.v1.SecretsService/GetSecretValue", Caller::Client),
    ("secrets.v1.SecretsService/PutSecretValue", Caller::Client),
    ("secrets.v1.SecretsService/UpdateSecret", Caller::Client),
    ("secrets.v1.SecretsService/DescribeSecret", Caller::Client),
    ("secrets.v1.SecretsService/ListSecrets", Caller::Client),
    (
        "secrets.v1.SecretsService/BatchGetSecretValue",
        Caller::Client,
    ),
    (
        "secrets.v1.SecretsService/ListSecretVersionIds",
        Caller::Client,
    ),
    (
        "secrets.v1.SecretsService/UpdateSecretVersionStage",
        Caller::Client,
    ),
    ("secrets.v1.SecretsService/DeleteSecret", Caller::Client),
    ("secrets.v1.SecretsService/RestoreSecret", Caller::Client),
    ("secrets.v1.SecretsService/TagResource", Caller::Client),
    ("secrets.v1.SecretsService/UntagResource", Caller::Client),
    (
        "secrets.v1.SecretsService/GetRandomPassword",
        Caller::Client,
    ),
    ("secrets.v1.SecretsService/Watch", Caller::Watcher),
    ("admin.v1.AdminService/CreateJoinToken", Caller::Client),
    ("admin.v1.AdminService/Join", Caller::Node),
    ("admin.v1.AdminService/PromoteNode", Caller::Client),
    ("admin.v1.AdminService/TransferLeader", Caller::Client),
    ("admin.v1.AdminService/RemoveNode", Caller::Client),
    (
        "secrets.v1.SecretsService/ReplicateSecretToRegions",
        Caller::Client,
    ),
    (
        "secrets.v1.SecretsService/RemoveRegionsFromReplication",
        Caller::Client,
    ),
    (
        "secrets.v1.SecretsService/StopReplicationToReplica",
        Caller::Client,
    ),
    ("admin.v1.AdminService/CreateLinkToken", Caller::Client),
    ("admin.v1.AdminService/Link", Caller::Client),
    ("admin.v1.AdminService/PromoteRegion", Caller::Client),
    ("admin.v1.AdminService/UnlinkRegion", Caller::Client),
    ("admin.v1.AdminService/SetRegionScope", Caller::Client),
];

/// The secret that is always there.
const ALIVE: &str = "alive";
const REGION: &str = "eu-west-1";
const ADMIN: &str = "admin";
/// Inputs one node takes: what they store stays in its memory.
const INPUTS_MAX: u32 = 20_000;

/// How a call is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Caller {
    /// By the administrator.
    Client,
    /// By the administrator, who reads the first message of a stream.
    Watcher,
    /// By a node that is not a member.
    Node,
}

thread_local! {
    static HOUSE: RefCell<Option<House>> = const { RefCell::new(None) };
}

/// Takes the number of an rpc, three metadata (empty: none), the bytes of the request, and two
/// metadata more.
pub fn check(input: &[u8]) {
    let mut parts = parts(input);
    let mut next = || parts.next().unwrap_or_default();
    let rpc = usize::from(next().first().copied().unwrap_or_default()) % RPCS.len();
    let (consistency, position, timeout) = (next(), next(), next());
    let message = next();
    let metadata = [
        ("strongroom-consistency", consistency),
        ("strongroom-min-position", position),
        ("grpc-timeout", timeout),
        ("strongroom-max-staleness-ms", next()),
        ("strongroom-region", next()),
    ];
    HOUSE.with_borrow_mut(|house| {
        if house
            .as_ref()
            .is_none_or(|house| house.inputs >= INPUTS_MAX)
        {
            close(house.take());
        }
        let house = house.get_or_insert_with(House::open);
        house.inputs += 1;
        let reply = house.call(rpc, &metadata, message);
        let Ok(reply) = reply.inspect_err(|status| is_typed(rpc, status)) else {
            return;
        };
        if let Some(position) = reply.metadata().get("strongroom-position") {
            let position = position.to_str().expect("a position is text");
            machine::Token::decode(position).expect("a position that a node gives is one");
        }
        if let Some(page) = next_page(rpc, message, reply.get_ref()) {
            let page = house.call(rpc, &metadata[..1], &page);
            let refused = page.err().map(|status| status.code());
            // A node at idle priority may take too long for anything.
            let is_late = matches!(refused, Some(Code::Cancelled | Code::DeadlineExceeded));
            assert!(
                refused.is_none() || is_late,
                "the token of a page is refused: {refused:?}"
            );
        }
    });
}

/// Stops the node, if one was started on this thread.
pub fn stop() {
    HOUSE.with_borrow_mut(|house| close(house.take()));
}

/// A refusal names its reason, and is none of those that say that something here is broken.
fn is_typed(rpc: usize, status: &Status) {
    let is_broken = matches!(
        status.code(),
        Code::Internal | Code::Unknown | Code::DataLoss
    );
    assert!(!is_broken, "{}: {status:?}", RPCS[rpc].0);
    // The time may be over before anything was sent.
    let is_over = matches!(status.code(), Code::Cancelled | Code::DeadlineExceeded);
    let is_named = !status.details().is_empty();
    assert!(is_named || is_over, "{}: {status:?}", RPCS[rpc].0);
}

/// The same request for the next page, if there is one.
fn next_page(rpc: usize, asked: &[u8], reply: &[u8]) -> Option<Vec<u8>> {
    let name = RPCS[rpc].0.rsplit('/').next();
    match name {
        Some("ListSecrets") => following(
            asked,
            reply,
            |reply: &api::ListSecretsResponse| &reply.next_token,
            |asked: &mut api::ListSecretsRequest, token| asked.next_token = token,
        ),
        Some("BatchGetSecretValue") => following(
            asked,
            reply,
            |reply: &api::BatchGetSecretValueResponse| &reply.next_token,
            |asked: &mut api::BatchGetSecretValueRequest, token| asked.next_token = token,
        ),
        Some("ListSecretVersionIds") => following(
            asked,
            reply,
            |reply: &api::ListSecretVersionIdsResponse| &reply.next_token,
            |asked: &mut api::ListSecretVersionIdsRequest, token| asked.next_token = token,
        ),
        _ => None,
    }
}

fn following<Q: Message + Default, R: Message + Default>(
    asked: &[u8],
    reply: &[u8],
    token: fn(&R) -> &str,
    set: fn(&mut Q, String),
) -> Option<Vec<u8>> {
    let reply = R::decode(reply).expect("what a node says is a message");
    let token = Some(token(&reply)).filter(|token| !token.is_empty())?;
    let mut asked = Q::decode(asked).expect("what a node takes is a message");
    set(&mut asked, token.to_owned());
    Some(asked.encode_to_vec())
}

/// A region of one node, and who calls it. All of it runs on this thread, while a call is made.
struct House {
    inputs: u32,
    client: Channel,
    joiner: Channel,
    node: Node,
    runtime: Runtime,
    /// After the node: one that loses its directory aborts the process.
    _dir: TempDir,
}

impl House {
    fn open() -> Self {
        let dir = disk::directory();
        let layout = Layout::new(dir.path().join("certs"));
        certs::init(&layout, None, REGION).expect("authorities");
        let admin = ClientSpec {
            region: REGION.to_owned(),
            name: ADMIN.to_owned(),
            validity: Validity::of_leaf(),
        };
        let admin = certs::issue_client(&layout, &admin, Existing::Refuse).expect("a client");
        let (first, second) = (issue(&layout, 1), issue(&layout, 2));
        let root_key = dir.path().join("root.key");
        server::create_root_key(&root_key).expect("a root key");
        let mut config = config(first, layout.root().cert);
        config.node.data = dir.path().join("node");
        config.seal.root_key = root_key;
        let mut builder = tokio::runtime::Builder::new_current_thread();
        let runtime = builder.enable_all().build().expect("a runtime");
        let bootstrap = Start::Bootstrap {
            administrator: ADMIN.to_owned(),
        };
        let (node, client, joiner) = runtime.block_on(async {
            let node = Node::start(config, bootstrap).await.expect("a node");
            let address = node.addresses().api.to_string();
            let client = channel(&layout, &admin, &address);
            let joiner = channel(&layout, &second, &address);
            (node, client, joiner)
        });
        let house = Self {
            inputs: 0,
            client,
            joiner,
            node,
            runtime,
            _dir: dir,
        };
        house.furnish();
        house
    }

    /// Two versions of a secret with a tag, and another secret: there is something to find.
    fn furnish(&self) {
        let value = |text: &str| Some(api::create_secret_request::Value::SecretString(text.into()));
        for (number, name) in [ALIVE, "another"].into_iter().enumerate() {
            let create = api::CreateSecretRequest {
                name: name.to_owned(),
                client_request_token: format!("{number:032}"),
                value: value("one"),
                tags: vec![api::Tag {
                    key: "team".to_owned(),
                    value: "core".to_owned(),
                }],
                ..Default::default()
            };
            self.surely(0, &create.encode_to_vec());
        }
        let put = api::PutSecretValueRequest {
            secret_id: ALIVE.to_owned(),
            client_request_token: "9".repeat(32),
            value: Some(api::put_secret_value_request::Value::SecretBinary(vec![1])),
            ..Default::default()
        };
        self.surely(2, &put.encode_to_vec());
    }

    /// A call that must work, and may be made again.
    fn surely(&self, rpc: usize, message: &[u8]) {
        const TRIES: usize = 20;
        let mut tries = (0..TRIES).map(|_| self.call(rpc, &[("grpc-timeout", b"5S")], message));
        assert!(tries.any(|tried| tried.is_ok()), "{} works", RPCS[rpc].0);
    }

    /// Makes a call; once more when the connection broke, as one does whose node had no turn for
    /// long. A node that fails over the request fails again.
    fn call(
        &self,
        rpc: usize,
        metadata: &[(&'static str, &[u8])],
        message: &[u8],
    ) -> Result<Response<Vec<u8>>, Status> {
        let called = self.call_once(rpc, metadata, message);
        match &called {
            Err(status) if std::error::Error::source(status).is_some() => {
                self.call_once(rpc, metadata, message)
            }
            _ => called,
        }
    }

    fn call_once(
        &self,
        rpc: usize,
        metadata: &[(&'static str, &[u8])],
        message: &[u8],
    ) -> Result<Response<Vec<u8>>, Status> {
        let (path, caller) = RPCS[rpc];
        let path = format!("/strongroom.{path}");
        let path = PathAndQuery::from_maybe_shared(path).expect("a path");
        let channel = match caller {
            Caller::Client | Caller::Watcher => &self.client,
            Caller::Node => &self.joiner,
        };
        let mut request = Request::new(message.to_vec());
        for (name, value) in metadata {
            fill(request.metadata_mut(), name, value);
        }
        let mut grpc = Grpc::new(channel.clone());
        self.runtime.block_on(async {
            grpc.ready()
                .await
                .map_err(|_| Status::cancelled("the connection broke"))?;
            if caller != Caller::Watcher {
                return grpc.unary(request, path, Raw).await;
            }
            let mut stream = grpc
                .server_streaming(request, path, Raw)
                .await?
                .into_inner();
            let first = stream.message().await?;
            Ok(Response::new(first.expect("a watch begins with a message")))
        })
    }
}

/// Adds what can stand in a header.
fn fill(metadata: &mut MetadataMap, name: &'static str, value: &[u8]) {
    let value = std::str::from_utf8(value).unwrap_or_default();
    if let Ok(value) = MetadataValue::try_from(value)
        && !value.is_empty()
    {
        metadata.insert(name, value);
    }
}

fn close(house: Option<House>) {
    if let Some(house) = house {
        house.runtime.block_on(house.node.shutdown());
    }
}

fn issue(layout: &Layout, node: u64) -> Pair {
    let spec = NodeSpec {
        region: REGION.to_owned(),
        node,
        names: vec!["127.0.0.1".to_owned()],
        validity: Validity::of_leaf(),
    };
    certs::issue_node(layout, &spec, Existing::Refuse).expect("a node's certificate")
}

fn config(pair: Pair, authority: std::path::PathBuf) -> Config {
    let free = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
    let mut config = Config::default();
    config.node.software_aes = true;
    config.api.listen = free;
    config.peers.listen = free;
    config.operations.listen = free;
    config.tls.certificate = pair.cert;
    config.tls.key = pair.key;
    config.tls.authority = authority;
    config.storage.disk_free_min = Size::of_mebibytes(1);
    config.storage.log_segment_size = Size::of_mebibytes(4);
    config.audit.file_size = Size::of_mebibytes(1);
    config.audit.free_min = Size::of_mebibytes(1);
    config.limits.deadline_default = Duration::from_secs(1);
    config.limits.deadline_max = Duration::from_secs(5);
    config.limits.shutdown_timeout = Duration::from_secs(1);
    config
}

fn channel(layout: &Layout, pair: &Pair, address: &str) -> Channel {
    let credentials = Credentials::load(CredentialFiles {
        cert: pair.cert.clone(),
        key: pair.key.clone(),
        ca: vec![layout.root().cert],
    });
    let dialer = Dialer::for_callers(credentials.expect("credentials"));
    let expected = Expected::Server {
        name: "127.0.0.1".to_owned(),
    };
    dialer.channel(address, expected).expect("a channel")
}
