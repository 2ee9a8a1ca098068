//! Regions that only answer Ask, as a test tells them to.

use std::sync::Arc;

use machine::{Cursor, Epoch, FeedId};
use tonic::{Request, Response, Status, Streaming};
use wire::replication::v1;
use wire::replication::v1::replication_service_server::{
    ReplicationService, ReplicationServiceServer,
};

use crate::support::address;
use crate::support::following::cursor;
use crate::support::pipes::Pipes;

/// What a region's first node answers.
#[derive(Clone, Default)]
pub struct Answers {
    pub feeds: Vec<(FeedId, Cursor)>,
    pub leads: Vec<FeedId>,
    pub claims: Vec<(FeedId, Epoch)>,
    /// Says that it is of another region.
    pub is_forged: bool,
    /// Never answers.
    pub is_silent: bool,
}

struct Other {
    region: String,
    answers: Answers,
}

/// Serves a region's first node.
pub fn serve(pipes: &Arc<Pipes>, region: &str, answers: Answers) {
    let other = Other {
        region: region.to_owned(),
        answers,
    };
    let incoming = pipes.listen(&address(region, 1));
    let incoming = tokio_stream::StreamExt::map(incoming, Ok::<_, std::io::Error>);
    let serving = tonic::transport::Server::builder()
        .add_service(ReplicationServiceServer::new(other))
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
}

type None<T> = tokio_stream::Empty<Result<T, Status>>;

fn unasked<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("a promotion does not ask for it"))
}

#[tonic::async_trait]
impl ReplicationService for Other {
    type FollowStream = None<v1::FollowResponse>;
    type FetchRowsStream = None<v1::FetchRowsResponse>;
    type FetchSnapshotStream = None<v1::FetchSnapshotResponse>;
    type CompareStream = None<v1::CompareResponse>;

    async fn follow(
        &self,
        _: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Self::FollowStream>, Status> {
        unasked()
    }

    async fn fetch_rows(
        &self,
        _: Request<v1::FetchRowsRequest>,
    ) -> Result<Response<Self::FetchRowsStream>, Status> {
        unasked()
    }

    async fn fetch_snapshot(
        &self,
        _: Request<v1::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        unasked()
    }

    async fn compare(
        &self,
        _: Request<Streaming<v1::CompareRequest>>,
    ) -> Result<Response<Self::CompareStream>, Status> {
        unasked()
    }

    async fn ask(
        &self,
        asked: Request<v1::AskRequest>,
    ) -> Result<Response<v1::AskResponse>, Status> {
        let answers = &self.answers;
        if answers.is_silent {
            std::future::pending::<()>().await;
        }
        let claims = answers.claims.iter().map(|(feed, epoch)| v1::Claim {
            feed: feed.to_string(),
            number: epoch.number,
            region: epoch.region.to_string(),
        });
        let cluster = asked.into_inner().origin.map(|origin| origin.cluster);
        let region = match answers.is_forged {
            true => "eu-east-9".to_owned(),
            false => self.region.clone(),
        };
        let feeds = answers.feeds.iter();
        Ok(Response::new(v1::AskResponse {
            origin: Some(v1::Origin {
                cluster: cluster.unwrap_or_default(),
                region,
                node: 1,
                epochs: claims.collect(),
            }),
            feeds: feeds.map(|(feed, at)| cursor(feed, at)).collect(),
            leads: answers.leads.iter().map(FeedId::to_string).collect(),
            heard: Vec::new(),
            leader: 1,
            machine_version: 3,
        }))
    }

    async fn announce(
        &self,
        _: Request<v1::AnnounceRequest>,
    ) -> Result<Response<v1::AnnounceResponse>, Status> {
        unasked()
    }

    async fn report(
        &self,
        _: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        unasked()
    }
}
