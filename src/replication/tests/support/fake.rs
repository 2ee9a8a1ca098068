//! A region's first node that says what a test tells it to.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;
use wire::replication::v1::replication_service_server::{
    ReplicationService, ReplicationServiceServer,
};

use super::pipes::Pipes;
use super::{CLUSTER, WEST, address};

/// What the node says; what it is not told to answer, it refuses.
#[derive(Clone)]
pub struct Fake {
    pub region: String,
    /// Streams that were opened to it.
    pub opened: Arc<AtomicUsize>,
    /// What a stream brings after it was opened. It then says no more, and does not hang up.
    pub script: Arc<dyn Fn() -> Vec<Message> + Send + Sync>,
    /// The answer to Ask; one that is none never comes.
    pub answer: Option<v1::AskResponse>,
}

type Answers<T> = Pin<Box<dyn tokio_stream::Stream<Item = Result<T, Status>> + Send>>;

fn untold<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not told to answer"))
}

impl Fake {
    pub fn new(region: &str) -> Fake {
        Fake {
            region: region.to_owned(),
            opened: Arc::default(),
            script: Arc::new(Vec::new),
            answer: None,
        }
    }

    pub fn serve(self, pipes: &Arc<Pipes>) {
        let incoming = pipes.listen(&address(&self.region, 1));
        let incoming = incoming.map(Ok::<_, std::io::Error>);
        let serving = tonic::transport::Server::builder()
            .add_service(ReplicationServiceServer::new(self))
            .serve_with_incoming(incoming);
        tokio::spawn(serving);
    }

    pub fn origin(&self) -> v1::Origin {
        v1::Origin {
            cluster: Bytes::copy_from_slice(&CLUSTER.0),
            region: self.region.clone(),
            node: 1,
            epochs: Vec::new(),
        }
    }
}

#[tonic::async_trait]
impl ReplicationService for Fake {
    type FollowStream = Answers<v1::FollowResponse>;
    type FetchRowsStream = Answers<v1::FetchRowsResponse>;
    type FetchSnapshotStream = Answers<v1::FetchSnapshotResponse>;
    type CompareStream = Answers<v1::CompareResponse>;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let first = request.into_inner().message().await?;
        let first = first.and_then(|first| first.message);
        let Some(v1::follow_request::Message::Open(open)) = first else {
            return Err(Status::invalid_argument("not opened"));
        };
        let binding = envelope::LinkBinding {
            cluster: CLUSTER.0,
            from: self.region.clone(),
            to: WEST.to_owned(),
            stream: open.stream.as_ref().try_into().expect("16 bytes"),
        };
        let key = envelope::LinkKey::encapsulate(&open.public_key, &binding);
        let (_, encapsulated) = key.expect("a key");
        let opened = Message::Opened(v1::Opened {
            origin: Some(self.origin()),
            encapsulated: encapsulated.into(),
            leader: 1,
        });
        let said = std::iter::once(opened).chain((self.script)()).map(Some);
        let said: Vec<_> = said
            .map(|message| Ok(v1::FollowResponse { message }))
            .collect();
        let said = tokio_stream::iter(said).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(said)))
    }

    async fn fetch_rows(
        &self,
        _: Request<v1::FetchRowsRequest>,
    ) -> Result<Response<Self::FetchRowsStream>, Status> {
        untold()
    }

    async fn fetch_snapshot(
        &self,
        _: Request<v1::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let response = v1::FetchSnapshotResponse {
            encapsulated: Bytes::from_static(b"no key"),
            ..v1::FetchSnapshotResponse::default()
        };
        Ok(Response::new(Box::pin(tokio_stream::once(Ok(response)))))
    }

    async fn compare(
        &self,
        _: Request<Streaming<v1::CompareRequest>>,
    ) -> Result<Response<Self::CompareStream>, Status> {
        untold()
    }

    async fn ask(&self, _: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        match &self.answer {
            Some(answer) => Ok(Response::new(answer.clone())),
            None => std::future::pending().await,
        }
    }

    async fn announce(
        &self,
        _: Request<v1::AnnounceRequest>,
    ) -> Result<Response<v1::AnnounceResponse>, Status> {
        untold()
    }

    async fn report(
        &self,
        _: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        untold()
    }
}
