//! The generated service trait, one line for each rpc.

use std::net::IpAddr;

use tonic::{Request, Response, Status};
use wire::admin::v1 as api;
use wire::admin::v1::admin_service_server::AdminService;
use wire::{Caller, TcpConnectInfo};

use super::Admin;
use crate::door::call_of;
use crate::errors::Refusal;

type Replied<T> = Result<Response<T>, Status>;

fn reply<T>(outcome: Result<T, Refusal>) -> Replied<T> {
    Ok(Response::new(outcome?))
}

#[tonic::async_trait]
impl AdminService for Admin {
    async fn get_status(
        &self,
        _: Request<api::GetStatusRequest>,
    ) -> Replied<api::GetStatusResponse> {
        reply(Ok(self.node_status()))
    }

    async fn list_nodes(
        &self,
        request: Request<api::ListNodesRequest>,
    ) -> Replied<api::ListNodesResponse> {
        reply(self.list_nodes(&call_of(&request)?).await)
    }

    async fn create_join_token(
        &self,
        request: Request<api::CreateJoinTokenRequest>,
    ) -> Replied<api::CreateJoinTokenResponse> {
        let call = call_of(&request)?;
        reply(self.create_join_token(&call, request.into_inner()).await)
    }

    async fn join(&self, request: Request<api::JoinRequest>) -> Replied<api::JoinResponse> {
        let call = call_of(&request)?;
        let source = request.extensions().get::<TcpConnectInfo>();
        let source: Option<IpAddr> = source
            .and_then(|info| info.remote_addr())
            .map(|address| address.ip());
        // The door lets only nodes through; without an identity the call fails closed.
        let Some(Caller::Peer(peer)) = request.extensions().get::<Caller>().cloned() else {
            return reply(Err(Refusal::denied()));
        };
        reply(self.join(&call, &peer, source, request.into_inner()).await)
    }

    async fn promote_node(
        &self,
        request: Request<api::PromoteNodeRequest>,
    ) -> Replied<api::PromoteNodeResponse> {
        let call = call_of(&request)?;
        reply(self.promote(&call, request.into_inner().node).await)
    }

    async fn remove_node(
        &self,
        request: Request<api::RemoveNodeRequest>,
    ) -> Replied<api::RemoveNodeResponse> {
        let call = call_of(&request)?;
        reply(self.remove(&call, request.into_inner().node).await)
    }

    async fn transfer_leader(
        &self,
        request: Request<api::TransferLeaderRequest>,
    ) -> Replied<api::TransferLeaderResponse> {
        let call = call_of(&request)?;
        reply(self.transfer_leader(&call, request.into_inner().to).await)
    }

    async fn take_snapshot(
        &self,
        request: Request<api::TakeSnapshotRequest>,
    ) -> Replied<api::TakeSnapshotResponse> {
        reply(self.take_snapshot(&call_of(&request)?).await)
    }
}
