//! Nodes that answer the next reply of one script, and note what they were asked.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};

use bytes::{Buf, BufMut, Bytes};
use client::{
    Client, Options,
    certs::{self, ClientSpec, Existing, Layout, NodeSpec, Pair, Validity},
};
use http::HeaderMap;
use prost::Message;
use tempfile::TempDir;
use tokio::{sync::oneshot, task::JoinHandle};
use tokio_stream::{Stream, StreamExt};
use tonic::{
    Code, Request, Response, Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::{Grpc, NamedService},
    service::Routes,
};
use tonic_types::{ErrorDetails, StatusExt};
use tower::Service;
use wire::{Admission, CredentialFiles, Credentials, ListenError, ListenOptions, Listener};

const REGION: &str = "eu-west-1";

/// What a node answers.
pub enum Reply {
    /// A message, and the position it was made at.
    Answer(Vec<u8>, Option<&'static str>),
    /// A message, and what is said beside it.
    Says(Vec<u8>, Vec<(&'static str, &'static str)>),
    /// A refusal.
    Refuse(Status),
    /// Messages of a stream; then it stays open, or ends with a status.
    Stream(Vec<Vec<u8>>, Option<Status>),
    /// Nothing, ever.
    Hang,
}

impl Reply {
    pub fn answer(message: &impl Message) -> Self {
        Self::Answer(message.encode_to_vec(), None)
    }
}

/// A refusal with our details.
pub fn refusal(code: Code, reason: &str, retry: &str) -> Status {
    let metadata = HashMap::from([("retry".to_owned(), retry.to_owned())]);
    let details = ErrorDetails::with_error_info(reason, "strongroom", metadata);
    Status::with_error_details(code, format!("because of {reason}"), details)
}

/// The refusal of a node whose region is not the primary of what a write changes.
pub fn led_by(region: &str, addresses: &str, reason: &str, retry: &str) -> Reply {
    let metadata = HashMap::from([
        ("retry".to_owned(), retry.to_owned()),
        ("primary_region".to_owned(), region.to_owned()),
        ("primary_addresses".to_owned(), addresses.to_owned()),
    ]);
    let details = ErrorDetails::with_error_info(reason, "strongroom", metadata);
    let code = match retry {
        "no" => Code::InvalidArgument,
        _ => Code::Unavailable,
    };
    Reply::Refuse(Status::with_error_details(code, "not here", details))
}

/// The refusal of a node that is about to stop.
pub fn stopping() -> Reply {
    Reply::Refuse(refusal(Code::Unavailable, "ServiceUnavailable", "safe"))
}

/// What a node was asked.
#[derive(Clone, Debug)]
pub struct Asked {
    pub node: u64,
    pub method: String,
    pub message: Vec<u8>,
    pub metadata: HeaderMap,
}

impl Asked {
    pub fn message<M: Message + Default>(&self) -> M {
        M::decode(self.message.as_slice()).expect("the message of the method")
    }

    pub fn metadata(&self, key: &str) -> Option<&str> {
        self.metadata
            .get(key)
            .map(|value| value.to_str().expect("text"))
    }
}

/// Replies to give, and questions that came, of all nodes together.
#[derive(Default)]
struct Script {
    replies: Mutex<VecDeque<Reply>>,
    asked: Mutex<Vec<Asked>>,
}

/// Nodes and their certificates.
pub struct Region {
    directory: Arc<TempDir>,
    name: &'static str,
    script: Arc<Script>,
    nodes: Vec<Node>,
}

struct Node {
    endpoint: String,
    serving: Option<Serving>,
}

impl Region {
    /// Starts nodes that share a script.
    pub async fn start(nodes: u64, replies: impl IntoIterator<Item = Reply>) -> Self {
        let directory = TempDir::new().expect("a directory");
        let layout = Layout::new(directory.path());
        certs::init(&layout, None, REGION).expect("authorities");
        Self::begin(Arc::new(directory), REGION, nodes, replies).await
    }

    /// Starts another region of the same cluster, with a script of its own.
    pub async fn beside(
        &self,
        name: &'static str,
        nodes: u64,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        certs::add_region(&self.layout(), name, Existing::Refuse).expect("an issuer");
        Self::begin(Arc::clone(&self.directory), name, nodes, replies).await
    }

    async fn begin(
        directory: Arc<TempDir>,
        name: &'static str,
        nodes: u64,
        replies: impl IntoIterator<Item = Reply>,
    ) -> Self {
        let script = Arc::new(Script::default());
        script.replies.lock().expect("no panic").extend(replies);
        let mut region = Self {
            directory,
            name,
            script,
            nodes: Vec::new(),
        };
        for node in 1..=nodes {
            let node = region.serve(node).await;
            region.nodes.push(node);
        }
        region
    }

    pub fn client(&self) -> Client {
        Client::connect(self.options()).expect("a client")
    }

    pub fn options(&self) -> Options {
        let name = "test".to_owned();
        let validity = Validity::of_leaf();
        let spec = ClientSpec {
            region: self.name.to_owned(),
            name,
            validity,
        };
        let layout = self.layout();
        let pair = certs::issue_client(&layout, &spec, Existing::Replace).expect("a client");
        Options::new(self.endpoints(), layout.root().cert, pair.cert, pair.key)
    }

    pub fn endpoints(&self) -> Vec<String> {
        let nodes = self.nodes.iter();
        nodes.map(|node| node.endpoint.clone()).collect()
    }

    /// Stops a node, counted from zero, at once.
    pub async fn stop(&mut self, index: usize) {
        let (stop, task) = self.nodes[index].serving.take().expect("it runs");
        stop.send(()).expect("it runs");
        task.await.expect("no panic").expect("no error");
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.script.asked.lock().expect("no panic").clone()
    }

    /// Drops the replies that nobody asked for.
    pub fn forget(&self) {
        self.script.replies.lock().expect("no panic").clear();
    }

    pub fn add(&self, reply: Reply) {
        self.script
            .replies
            .lock()
            .expect("no panic")
            .push_back(reply);
    }

    fn layout(&self) -> Layout {
        Layout::new(self.directory.path())
    }

    async fn serve(&self, node: u64) -> Node {
        let (region, names) = (self.name.to_owned(), vec!["127.0.0.1".to_owned()]);
        let spec = NodeSpec {
            region,
            node,
            names,
            validity: Validity::of_leaf(),
        };
        let layout = self.layout();
        let Pair { cert, key } =
            certs::issue_node(&layout, &spec, Existing::Refuse).expect("a node");
        let files = CredentialFiles {
            cert,
            key,
            ca: vec![layout.root().cert],
        };
        let credentials = Credentials::load(files).expect("credentials");
        let mut options = ListenOptions::new(Admission::Anyone);
        options.drain_timeout = Duration::ZERO;
        let address = "127.0.0.1:0".parse().expect("an address");
        let listener = Listener::bind(address, credentials, options)
            .await
            .expect("a listener");
        let endpoint = format!("https://{}", listener.local_address());
        let (stop, stopped) = oneshot::channel();
        let scripted = Scripted {
            node,
            script: Arc::clone(&self.script),
        };
        let services = Routes::new(scripted.clone())
            .add_service(Access(scripted.clone()))
            .add_service(Admin(scripted));
        let task = tokio::spawn(listener.serve(services, async {
            let _ = stopped.await;
        }));
        Node {
            endpoint,
            serving: Some((stop, task)),
        }
    }
}

/// What stops a node, and what then ends.
type Serving = (oneshot::Sender<()>, JoinHandle<Result<(), ListenError>>);

/// The service of one node.
#[derive(Clone)]
struct Scripted {
    node: u64,
    script: Arc<Script>,
}

impl NamedService for Scripted {
    const NAME: &'static str = "strongroom.secrets.v1.SecretsService";
}

impl Service<http::Request<Body>> for Scripted {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let scripted = self.clone();
        let method = request
            .uri()
            .path()
            .rsplit('/')
            .next()
            .unwrap_or_default()
            .to_owned();
        Box::pin(async move {
            let mut grpc = Grpc::new(Raw);
            Ok(match method.as_str() {
                "Watch" | "WatchRegions" => {
                    grpc.server_streaming(Many(scripted, method), request).await
                }
                _ => grpc.unary(First(Many(scripted, method)), request).await,
            })
        })
    }
}

/// The same, for operators.
#[derive(Clone)]
struct Admin(Scripted);

impl NamedService for Admin {
    const NAME: &'static str = "strongroom.admin.v1.AdminService";
}

impl Service<http::Request<Body>> for Admin {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

/// The same, for identities.
#[derive(Clone)]
struct Access(Scripted);

impl NamedService for Access {
    const NAME: &'static str = "strongroom.access.v1.AccessService";
}

impl Service<http::Request<Body>> for Access {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.0.call(request)
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Bytes, Status>> + Send>>;

impl Scripted {
    async fn reply(
        self,
        method: String,
        request: Request<Bytes>,
    ) -> Result<Response<Messages>, Status> {
        let (metadata, _, message) = request.into_parts();
        let (node, metadata) = (self.node, metadata.into_headers());
        let asked = Asked {
            node,
            method,
            message: message.to_vec(),
            metadata,
        };
        self.script.asked.lock().expect("no panic").push(asked);
        let reply = self.script.replies.lock().expect("no panic").pop_front();
        match reply {
            None => Err(Status::failed_precondition("the script is over")),
            Some(Reply::Hang) => std::future::pending().await,
            Some(Reply::Refuse(status)) => Err(status),
            Some(Reply::Answer(message, position)) => {
                let position = position.map(|position| ("strongroom-position", position));
                Ok(answer(message, position))
            }
            Some(Reply::Says(message, beside)) => Ok(answer(message, beside)),
            Some(Reply::Stream(messages, end)) => {
                let sent = tokio_stream::iter(messages.into_iter().map(Bytes::from).map(Ok));
                let stream: Messages = match end {
                    Some(status) => Box::pin(sent.chain(tokio_stream::once(Err(status)))),
                    None => Box::pin(sent.chain(tokio_stream::pending())),
                };
                Ok(Response::new(stream))
            }
        }
    }
}

fn answer(
    message: Vec<u8>,
    beside: impl IntoIterator<Item = (&'static str, &'static str)>,
) -> Response<Messages> {
    let once = tokio_stream::once(Ok(Bytes::from(message)));
    let mut response: Response<Messages> = Response::new(Box::pin(once));
    for (key, value) in beside {
        let value = value.parse().expect("metadata");
        response.metadata_mut().insert(key, value);
    }
    response
}

type Later<T> = Pin<Box<dyn Future<Output = Result<Response<T>, Status>> + Send>>;

/// Answers one method with a stream.
struct Many(Scripted, String);

impl Service<Request<Bytes>> for Many {
    type Response = Response<Messages>;
    type Error = Status;
    type Future = Later<Messages>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        Box::pin(self.0.clone().reply(self.1.clone(), request))
    }
}

/// Answers with the first message of a stream.
struct First(Many);

impl Service<Request<Bytes>> for First {
    type Response = Response<Bytes>;
    type Error = Status;
    type Future = Later<Bytes>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let replied = self.0.call(request);
        Box::pin(async move {
            let (metadata, mut messages, extensions) = replied.await?.into_parts();
            let first = messages.next().await.expect("a message")?;
            Ok(Response::from_parts(metadata, first, extensions))
        })
    }
}

/// Passes encoded messages through.
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, message: Bytes, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put(message);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(buffer.copy_to_bytes(buffer.remaining())))
    }
}
