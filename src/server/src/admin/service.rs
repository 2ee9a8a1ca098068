//! The generated service trait, one line for each rpc.

use std::net::IpAddr;

use tonic::{Request, Response, Status};
use wire::admin::v1 as api;
use wire::admin::v1::admin_service_server::AdminService;
use wire::{Caller, Presented, TcpConnectInfo};

use super::member::CALLER;
use super::{Admin, audit, watch};
use crate::door::call_of;
use crate::errors::Refusal;

type Replied<T> = Result<Response<T>, Status>;

fn reply<T>(outcome: Result<T, Refusal>) -> Replied<T> {
    Ok(Response::new(outcome?))
}

/// Where a call comes from.
fn source<T>(request: &Request<T>) -> Option<IpAddr> {
    let info = request.extensions().get::<TcpConnectInfo>()?;
    Some(info.remote_addr()?.ip())
}

/// For whom a member of the region makes the call; none if its caller makes it.
fn passed_on_for<T>(request: &Request<T>) -> Option<String> {
    match request.extensions().get::<Caller>()? {
        Caller::Peer(peer) => {
            let caller = request.metadata().get(CALLER);
            let caller = caller.and_then(|caller| caller.to_str().ok());
            Some(caller.map_or_else(|| format!("node/{}", peer.node), str::to_owned))
        }
        Caller::Client(_) | Caller::Anonymous => None,
    }
}

#[tonic::async_trait]
impl AdminService for Admin {
    type WatchRegionsStream = watch::Messages;
    type TailAuditStream = audit::Messages;

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
        let source = source(&request);
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

    async fn finalize_upgrade(
        &self,
        request: Request<api::FinalizeUpgradeRequest>,
    ) -> Replied<api::FinalizeUpgradeResponse> {
        reply(self.finalize_upgrade(&call_of(&request)?).await)
    }

    async fn create_link_token(
        &self,
        request: Request<api::CreateLinkTokenRequest>,
    ) -> Replied<api::CreateLinkTokenResponse> {
        let call = call_of(&request)?;
        reply(self.create_link_token(&call, request.into_inner()).await)
    }

    async fn install_issuer(
        &self,
        request: Request<api::InstallIssuerRequest>,
    ) -> Replied<api::InstallIssuerResponse> {
        let call = call_of(&request)?;
        reply(self.install_issuer(&call, request.into_inner()).await)
    }

    async fn retire_issuers(
        &self,
        request: Request<api::RetireIssuersRequest>,
    ) -> Replied<api::RetireIssuersResponse> {
        let call = call_of(&request)?;
        reply(self.retire_issuers(&call, request.into_inner()).await)
    }

    async fn get_certificates(
        &self,
        request: Request<api::GetCertificatesRequest>,
    ) -> Replied<api::GetCertificatesResponse> {
        reply(self.certificates(&call_of(&request)?).await)
    }

    async fn renew_certificate(
        &self,
        request: Request<api::RenewCertificateRequest>,
    ) -> Replied<api::RenewCertificateResponse> {
        // The door leaves one with every call it lets through.
        call_of(&request)?;
        let presented = request.extensions().get::<Presented>();
        reply(self.renew_certificate(presented, request.get_ref()))
    }

    async fn link(&self, request: Request<api::LinkRequest>) -> Replied<api::LinkResponse> {
        let (call, source) = (call_of(&request)?, source(&request));
        reply(self.link(&call, source, request.into_inner()).await)
    }

    async fn list_regions(
        &self,
        request: Request<api::ListRegionsRequest>,
    ) -> Replied<api::ListRegionsResponse> {
        let is_passed_on = passed_on_for(&request).is_some();
        let listed = self.list_regions(&call_of(&request)?, is_passed_on).await;
        Ok(Response::new(listed?))
    }

    async fn watch_regions(
        &self,
        request: Request<api::WatchRegionsRequest>,
    ) -> Replied<Self::WatchRegionsStream> {
        // The door leaves one with every call it lets through.
        call_of(&request)?;
        Ok(self.watch_regions()?)
    }

    async fn promote_region(
        &self,
        request: Request<api::PromoteRegionRequest>,
    ) -> Replied<api::PromoteRegionResponse> {
        let (call, passed_on_for) = (call_of(&request)?, passed_on_for(&request));
        let message = request.into_inner();
        let promoted = self.promote_region(&call, passed_on_for, message).await;
        Ok(Response::new(promoted?))
    }

    async fn unlink_region(
        &self,
        request: Request<api::UnlinkRegionRequest>,
    ) -> Replied<api::UnlinkRegionResponse> {
        let call = call_of(&request)?;
        reply(self.unlink_region(&call, request.into_inner()).await)
    }

    async fn set_region_scope(
        &self,
        request: Request<api::SetRegionScopeRequest>,
    ) -> Replied<api::SetRegionScopeResponse> {
        let call = call_of(&request)?;
        reply(self.set_region_scope(&call, request.into_inner()).await)
    }

    async fn search_audit(
        &self,
        request: Request<api::SearchAuditRequest>,
    ) -> Replied<api::SearchAuditResponse> {
        reply(self.search_audit(request.into_inner()).await)
    }

    async fn tail_audit(
        &self,
        request: Request<api::TailAuditRequest>,
    ) -> Replied<Self::TailAuditStream> {
        let call = call_of(&request)?;
        Ok(self.tail_audit(call, request.into_inner()).await?)
    }
}
