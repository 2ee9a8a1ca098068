//! The calls of AdminService. What each does and how it fails is in its proto.

use wire::Channel;
use wire::admin::v1::{
    CreateJoinTokenRequest, CreateJoinTokenResponse, GetStatusRequest, GetStatusResponse,
    JoinRequest, JoinResponse, ListNodesRequest, ListNodesResponse, PromoteNodeRequest,
    PromoteNodeResponse, RemoveNodeRequest, RemoveNodeResponse, TakeSnapshotRequest,
    TakeSnapshotResponse, TransferLeaderRequest, TransferLeaderResponse,
    admin_service_client::AdminServiceClient,
};

use super::Effect;
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
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).create_join_token(request).await
        })
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
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).promote_node(request).await
        })
        .await
    }

    /// Removes a node.
    pub async fn remove_node(
        &self,
        request: RemoveNodeRequest,
    ) -> Result<RemoveNodeResponse, Error> {
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).remove_node(request).await
        })
        .await
    }

    /// Hands leadership over.
    pub async fn transfer_leader(
        &self,
        request: TransferLeaderRequest,
    ) -> Result<TransferLeaderResponse, Error> {
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).transfer_leader(request).await
        })
        .await
    }

    /// Writes a snapshot on the node that answers.
    pub async fn take_snapshot(
        &self,
        request: TakeSnapshotRequest,
    ) -> Result<TakeSnapshotResponse, Error> {
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).take_snapshot(request).await
        })
        .await
    }
}

fn service(channel: Channel) -> AdminServiceClient<Channel> {
    AdminServiceClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX)
}
