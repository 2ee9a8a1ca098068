//! Serving: what nodes of other regions ask of this one.
//!
//! Any node serves, from what it has applied: that is committed, and so never taken back. What
//! needs more says so: a numbered sign of life and the feeds named in an answer to Ask are
//! confirmed by a quorum. Whoever calls is looked up in the directory with every call, every
//! message and every turn of a stream (R17).

mod batch;
mod compare;
mod door;
mod fence;
mod outlet;
mod packer;
mod produce;
mod rows;
mod snapshot;
mod stream;
mod told;
mod trim;

use std::pin::Pin;
use std::sync::Arc;

use futures::Stream;
use tonic::{Request, Response, Status, Streaming};
use wire::replication::v1;
use wire::replication::v1::replication_service_server::ReplicationService;

use crate::context::Context;
use crate::serve::door::Door;

/// What went to a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sent {
    /// Changes of feeds that were followed.
    pub changes: u64,
    /// Bytes of their headers and bodies, and of rows.
    pub bytes: u64,
}

/// What nodes of other regions call.
pub struct Service {
    context: Arc<Context>,
    door: Arc<Door>,
}

type Answered<T> = Result<Response<T>, Status>;
type Rows<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

/// Starts the tasks that go with serving.
pub(crate) fn start(context: &Arc<Context>) {
    tokio::spawn(fence::run(Arc::clone(context)));
    tokio::spawn(trim::run(Arc::clone(context)));
}

impl Service {
    pub(crate) fn new(context: &Arc<Context>) -> Service {
        Service {
            context: Arc::clone(context),
            door: Arc::new(Door::new(context)),
        }
    }
}

impl Sent {
    /// Adds more to it.
    pub(crate) fn add(&mut self, more: Sent) {
        self.changes = self.changes.saturating_add(more.changes);
        self.bytes = self.bytes.saturating_add(more.bytes);
    }
}

#[tonic::async_trait]
impl ReplicationService for Service {
    type FollowStream = Rows<v1::FollowResponse>;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Answered<Self::FollowStream> {
        let outlet = stream::open(&self.context, &self.door, request).await?;
        Ok(Response::new(outlet))
    }

    type FetchRowsStream = Rows<v1::FetchRowsResponse>;

    async fn fetch_rows(
        &self,
        request: Request<v1::FetchRowsRequest>,
    ) -> Answered<Self::FetchRowsStream> {
        let rows = rows::fetch(&self.context, &self.door, request)?;
        Ok(Response::new(rows))
    }

    type FetchSnapshotStream = Rows<v1::FetchSnapshotResponse>;

    async fn fetch_snapshot(
        &self,
        request: Request<v1::FetchSnapshotRequest>,
    ) -> Answered<Self::FetchSnapshotStream> {
        let rows = snapshot::fetch(&self.context, &self.door, request)?;
        Ok(Response::new(rows))
    }

    type CompareStream = Rows<v1::CompareResponse>;

    async fn compare(
        &self,
        request: Request<Streaming<v1::CompareRequest>>,
    ) -> Answered<Self::CompareStream> {
        let rows = compare::open(&self.context, &self.door, request).await?;
        Ok(Response::new(rows))
    }

    async fn ask(&self, request: Request<v1::AskRequest>) -> Answered<v1::AskResponse> {
        let answer = told::ask(&self.context, &self.door, request).await?;
        Ok(Response::new(answer))
    }

    async fn announce(
        &self,
        request: Request<v1::AnnounceRequest>,
    ) -> Answered<v1::AnnounceResponse> {
        told::announce(&self.context, &self.door, request).await?;
        Ok(Response::new(v1::AnnounceResponse {}))
    }

    async fn report(&self, request: Request<v1::ReportRequest>) -> Answered<v1::ReportResponse> {
        told::report(&self.context, &self.door, request).await?;
        Ok(Response::new(v1::ReportResponse {}))
    }
}
