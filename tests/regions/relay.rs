//! Somebody who has the key of a primary's node, and stands in its place: passes on what the real
//! one says, but for what is to be forged.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use machine::Header;
use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tonic::service::Routes;
use tonic::{Request, Response, Status, Streaming};
use wire::replication::v1::follow_response::Message;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;
use wire::replication::v1::replication_service_server::{
    ReplicationService, ReplicationServiceServer,
};
use wire::replication::v1::{
    AnnounceRequest, AnnounceResponse, AskRequest, AskResponse, Changes, CompareRequest,
    CompareResponse, FetchRowsRequest, FetchRowsResponse, FetchSnapshotRequest,
    FetchSnapshotResponse, FollowRequest, FollowResponse, ReportRequest, ReportResponse,
};
use wire::{Admission, Caller, Channel, ListenOptions, Listener};

use crate::cluster::{B, Cluster, NAMES};
use crate::peers::{credentials, dial};

/// What is done to what the real one says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forgery {
    /// A bit of a body is another one.
    Body,
    /// A bit of what a header commits to is another one. All else in it is the primary's word, and
    /// whoever has its key may give that.
    Header,
    /// Changes come twice.
    Replayed,
    /// Changes come in another order.
    Reordered,
    /// The first of several changes is left out.
    LeftOut,
    /// A body ends early.
    Truncated,
    /// Changes are said to be of the root feed.
    OtherFeed,
    /// Everything is said to be of another cluster.
    OtherCluster,
}

impl Forgery {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Body,
        Self::Header,
        Self::Replayed,
        Self::Reordered,
        Self::LeftOut,
        Self::Truncated,
        Self::OtherFeed,
        Self::OtherCluster,
    ];
}

/// The one in between. It ends when it is dropped.
pub struct Relay {
    service: Service,
    /// Where it listens.
    pub port: u16,
    _stop: oneshot::Sender<()>,
}

#[derive(Clone)]
struct Service {
    /// The real one, as each node that may call.
    real: Arc<BTreeMap<(String, u64), ReplicationServiceClient<Channel>>>,
    /// What is done to the changes of a feed.
    forgery: Arc<Mutex<Option<(Forgery, String)>>>,
}

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl Relay {
    /// Stands in for a node, for callers of the other regions.
    pub fn before(cluster: &Cluster, at: usize, node: u64) -> Self {
        let _within = cluster.runtime.enter();
        let others = (0..cluster.regions.len()).filter(|other| *other != at);
        let callers = others.flat_map(|other| {
            let nodes = cluster.regions[other].nodes();
            nodes.into_iter().map(move |caller| (other, caller))
        });
        let real = callers.map(|(other, caller)| {
            let own = credentials(cluster, other, caller);
            let name = cluster.regions[other].name().to_owned();
            ((name, caller), dial(cluster, &own, at, node))
        });
        let service = Service {
            real: Arc::new(real.collect()),
            forgery: Arc::default(),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let listen = Listener::bind(
            "127.0.0.1:0".parse().unwrap(),
            credentials(cluster, at, node),
            ListenOptions::new(Admission::Nodes),
        );
        let listener = cluster.runtime.block_on(listen).unwrap();
        let port = listener.local_address().port();
        let routes = Routes::new(ReplicationServiceServer::new(service.clone()));
        cluster.runtime.spawn(listener.serve(routes, async {
            // Dropped or sent is the same.
            let _ = stopped.await;
        }));
        Self {
            service,
            port,
            _stop: stop,
        }
    }

    /// Forges what is said of a feed from now on, or nothing.
    pub fn forge(&self, forgery: Option<(Forgery, &str)>) {
        let forgery = forgery.map(|(forgery, feed)| (forgery, feed.to_owned()));
        *self.service.forgery.lock().unwrap() = forgery;
    }
}

impl Service {
    fn real<T>(&self, request: &Request<T>) -> Result<ReplicationServiceClient<Channel>, Status> {
        let Some(Caller::Peer(peer)) = request.extensions().get() else {
            return Err(Status::unauthenticated("not a node"));
        };
        let real = self.real.get(&(peer.region.clone(), peer.node));
        real.cloned()
            .ok_or_else(|| Status::permission_denied("an unknown node"))
    }

    /// What is said instead of a message.
    fn forged(&self, mut response: FollowResponse) -> Vec<FollowResponse> {
        let Some((forgery, feed)) = self.forgery.lock().unwrap().clone() else {
            return vec![response];
        };
        match &mut response.message {
            Some(Message::Alive(alive)) if forgery == Forgery::OtherCluster => {
                let origin = alive.origin.as_mut().unwrap();
                origin.cluster = vec![7; origin.cluster.len()].into();
            }
            Some(Message::Changes(changes)) if changes.feed == feed && suits(forgery, changes) => {
                forge(forgery, changes);
            }
            _ => return vec![response],
        }
        let times = if forgery == Forgery::Replayed { 2 } else { 1 };
        vec![response; times]
    }
}

/// Whether there is something to forge: a checkpoint comes alone, and without a body.
fn suits(forgery: Forgery, changes: &Changes) -> bool {
    match forgery {
        Forgery::Reordered | Forgery::LeftOut => changes.changes.len() > 1,
        Forgery::Body | Forgery::Truncated | Forgery::Header => {
            changes.changes.iter().any(|change| change.body.is_some())
        }
        Forgery::Replayed | Forgery::OtherFeed | Forgery::OtherCluster => true,
    }
}

fn forge(forgery: Forgery, changes: &mut Changes) {
    match forgery {
        Forgery::Body => rewrite_body(changes, |bytes| *bytes.last_mut().unwrap() ^= 1),
        Forgery::Truncated => rewrite_body(changes, |bytes| bytes.truncate(bytes.len() / 2)),
        Forgery::Header => {
            let mut bearing = changes
                .changes
                .iter_mut()
                .filter(|change| change.body.is_some());
            let first = bearing.next().expect("a change with a body");
            let commitment = Header::decode(first.header.clone()).unwrap().commitment.0;
            let mut header = first.header.to_vec();
            let at = memchr::memmem::find(&header, &commitment).unwrap();
            header[at] ^= 1;
            first.header = header.into();
        }
        Forgery::Reordered => changes.changes.reverse(),
        Forgery::LeftOut => drop(changes.changes.remove(0)),
        Forgery::OtherFeed => "root".clone_into(&mut changes.feed),
        Forgery::Replayed | Forgery::OtherCluster => {}
    }
}

fn rewrite_body(changes: &mut Changes, rewrite: impl FnOnce(&mut Vec<u8>)) {
    let mut bodies = changes
        .changes
        .iter_mut()
        .filter_map(|change| change.body.as_mut());
    let body = bodies.next().expect("a change with a body");
    let mut bytes = body.bytes.to_vec();
    rewrite(&mut bytes);
    body.bytes = bytes.into();
}

#[tonic::async_trait]
impl ReplicationService for Service {
    type FollowStream = Messages<FollowResponse>;
    type FetchRowsStream = Messages<FetchRowsResponse>;
    type FetchSnapshotStream = Messages<FetchSnapshotResponse>;
    type CompareStream = Messages<CompareResponse>;

    async fn follow(
        &self,
        request: Request<Streaming<FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        let mut real = self.real(&request)?;
        // All others are told the truth, and need not get over a lie.
        let is_lied_to = matches!(
            request.extensions().get(),
            Some(Caller::Peer(peer)) if peer.region == NAMES[B]
        );
        let said = request.into_inner().filter_map(Result::ok);
        let mut answers = real.follow(said).await?.into_inner();
        let (sender, messages) = mpsc::channel(1);
        let service = self.clone();
        tokio::spawn(async move {
            while let Some(answer) = answers.next().await {
                let passed = match answer {
                    Ok(response) if is_lied_to => {
                        service.forged(response).into_iter().map(Ok).collect()
                    }
                    Ok(response) => vec![Ok(response)],
                    Err(status) => vec![Err(status)],
                };
                for message in passed {
                    if sender.send(message).await.is_err() {
                        return;
                    }
                }
            }
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(messages))))
    }

    async fn fetch_rows(
        &self,
        request: Request<FetchRowsRequest>,
    ) -> Result<Response<Self::FetchRowsStream>, Status> {
        let rows = self
            .real(&request)?
            .fetch_rows(request.into_inner())
            .await?;
        Ok(Response::new(Box::pin(rows.into_inner())))
    }

    async fn fetch_snapshot(
        &self,
        request: Request<FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let rows = self
            .real(&request)?
            .fetch_snapshot(request.into_inner())
            .await?;
        Ok(Response::new(Box::pin(rows.into_inner())))
    }

    async fn compare(
        &self,
        request: Request<Streaming<CompareRequest>>,
    ) -> Result<Response<Self::CompareStream>, Status> {
        let mut real = self.real(&request)?;
        let asked = request.into_inner().filter_map(Result::ok);
        let answers = real.compare(asked).await?.into_inner();
        Ok(Response::new(Box::pin(answers)))
    }

    async fn ask(&self, request: Request<AskRequest>) -> Result<Response<AskResponse>, Status> {
        self.real(&request)?.ask(request.into_inner()).await
    }

    async fn announce(
        &self,
        request: Request<AnnounceRequest>,
    ) -> Result<Response<AnnounceResponse>, Status> {
        self.real(&request)?.announce(request.into_inner()).await
    }

    async fn report(
        &self,
        request: Request<ReportRequest>,
    ) -> Result<Response<ReportResponse>, Status> {
        self.real(&request)?.report(request.into_inner()).await
    }
}
