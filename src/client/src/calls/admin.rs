//! The calls of AdminService. What each does and how it fails is in its proto.

use wire::Channel;
use wire::admin::v1::{
    CreateJoinTokenRequest, CreateJoinTokenResponse, CreateLinkTokenRequest,
    CreateLinkTokenResponse, FinalizeUpgradeRequest, FinalizeUpgradeResponse,
    GetCertificatesRequest, GetCertificatesResponse, GetStatusRequest, GetStatusResponse,
    InstallIssuerRequest, InstallIssuerResponse, JoinRequest, JoinResponse, LinkRequest,
    LinkResponse, ListNodesRequest, ListNodesResponse, ListRegionsRequest, ListRegionsResponse,
    PromoteNodeRequest, PromoteNodeResponse, PromoteRegionRequest, PromoteRegionResponse,
    RemoveNodeRequest, RemoveNodeResponse, RetireIssuersRequest, RetireIssuersResponse,
    SearchAuditRequest, SearchAuditResponse, SetRegionScopeRequest, SetRegionScopeResponse,
    TakeSnapshotRequest, TakeSnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    UnlinkRegionRequest, UnlinkRegionResponse, admin_service_client::AdminServiceClient,
};

use super::{Effect, led::Means};
use crate::{Client, error::Error, limits::REPLY_BYTES_MAX};

impl Client {
    /// Returns the state of the node that answers.
    pub async fn get_status(&self, request: GetStatusRequest) -> Result<GetStatusResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).get_status(request).await
        })
        .await
    }

    /// Lists the nodes of the region.
    pub async fn list_nodes(&self, request: ListNodesRequest) -> Result<ListNodesResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).list_nodes(request).await
        })
        .await
    }

    /// Makes a token for one node to join. It is wiped when the answer is dropped.
    pub async fn create_join_token(
        &self,
        request: CreateJoinTokenRequest,
    ) -> Result<CreateJoinTokenResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).create_join_token(request).await },
        )
        .await
    }

    /// Joins the region, with the certificate of a node.
    pub async fn join(&self, request: JoinRequest) -> Result<JoinResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).join(request).await
        })
        .await
    }

    /// Makes a learner a voter.
    pub async fn promote_node(
        &self,
        request: PromoteNodeRequest,
    ) -> Result<PromoteNodeResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).promote_node(request).await },
        )
        .await
    }

    /// Removes a node.
    pub async fn remove_node(
        &self,
        request: RemoveNodeRequest,
    ) -> Result<RemoveNodeResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).remove_node(request).await },
        )
        .await
    }

    /// Hands leadership over.
    pub async fn transfer_leader(
        &self,
        request: TransferLeaderRequest,
    ) -> Result<TransferLeaderResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).transfer_leader(request).await },
        )
        .await
    }

    /// Writes a snapshot on the node that answers.
    pub async fn take_snapshot(
        &self,
        request: TakeSnapshotRequest,
    ) -> Result<TakeSnapshotResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).take_snapshot(request).await },
        )
        .await
    }

    /// Turns on the newest rules that every node of the region can run.
    pub async fn finalize_upgrade(
        &self,
        request: FinalizeUpgradeRequest,
    ) -> Result<FinalizeUpgradeResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).finalize_upgrade(request).await },
        )
        .await
    }

    /// Keeps the issuer of the region, so that its nodes' certificates are renewed.
    pub async fn install_issuer(
        &self,
        request: InstallIssuerRequest,
    ) -> Result<InstallIssuerResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).install_issuer(request).await },
        )
        .await
    }

    /// Trusts the issuers before the one that signs no more.
    pub async fn retire_issuers(
        &self,
        request: RetireIssuersRequest,
    ) -> Result<RetireIssuersResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).retire_issuers(request).await },
        )
        .await
    }

    /// Tells who signs the region's certificates, and how those of its nodes stand.
    pub async fn certificates(
        &self,
        request: GetCertificatesRequest,
    ) -> Result<GetCertificatesResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).get_certificates(request).await
        })
        .await
    }

    /// Makes a token with which one region may be linked. It is wiped when the answer is dropped.
    pub async fn create_link_token(
        &self,
        request: CreateLinkTokenRequest,
    ) -> Result<CreateLinkTokenResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Administers,
            request,
            means,
            |channel, request| async move { service(channel).create_link_token(request).await },
        )
        .await
    }

    /// Links a region, with a token of this one.
    pub async fn link(&self, request: LinkRequest) -> Result<LinkResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).link(request).await
        })
        .await
    }

    /// Lists the regions: who leads which feed, and how far this region has them.
    pub async fn list_regions(
        &self,
        request: ListRegionsRequest,
    ) -> Result<ListRegionsResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).list_regions(request).await
        })
        .await
    }

    /// Finds what the node that answers has recorded.
    pub async fn search_audit(
        &self,
        request: SearchAuditRequest,
    ) -> Result<SearchAuditResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).search_audit(request).await
        })
        .await
    }

    /// Makes this region primary of every feed of a region that is lost.
    pub async fn promote_region(
        &self,
        request: PromoteRegionRequest,
    ) -> Result<PromoteRegionResponse, Error> {
        self.call(
            Effect::Administers,
            request,
            |channel, request| async move { service(channel).promote_region(request).await },
        )
        .await
    }

    /// Takes a region out of the directory.
    pub async fn unlink_region(
        &self,
        request: UnlinkRegionRequest,
    ) -> Result<UnlinkRegionResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Administers,
            request,
            means,
            |channel, request| async move { service(channel).unlink_region(request).await },
        )
        .await
    }

    /// Changes what a region receives.
    pub async fn set_region_scope(
        &self,
        request: SetRegionScopeRequest,
    ) -> Result<SetRegionScopeResponse, Error> {
        let means = Means::TheSame;
        self.write(
            Effect::Administers,
            request,
            means,
            |channel, request| async move { service(channel).set_region_scope(request).await },
        )
        .await
    }
}

pub(crate) fn service(channel: Channel) -> AdminServiceClient<Channel> {
    AdminServiceClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX)
}
