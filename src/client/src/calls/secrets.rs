//! The calls of SecretsService. What each does and how it fails is in its proto.

use uuid::{Builder, Uuid};
use wire::Channel;
use wire::secrets::v1::{
    BatchGetSecretValueRequest, BatchGetSecretValueResponse, CancelRotateSecretRequest,
    CancelRotateSecretResponse, CreateSecretRequest, CreateSecretResponse,
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, DeleteSecretRequest,
    DeleteSecretResponse, DescribeSecretRequest, DescribeSecretResponse, GetRandomPasswordRequest,
    GetRandomPasswordResponse, GetResourcePolicyRequest, GetResourcePolicyResponse,
    GetSecretValueRequest, GetSecretValueResponse, ListSecretVersionIdsRequest,
    ListSecretVersionIdsResponse, ListSecretsRequest, ListSecretsResponse,
    PutResourcePolicyRequest, PutResourcePolicyResponse, PutSecretValueRequest,
    PutSecretValueResponse, RemoveRegionsFromReplicationRequest,
    RemoveRegionsFromReplicationResponse, ReplicateSecretToRegionsRequest,
    ReplicateSecretToRegionsResponse, RestoreSecretRequest, RestoreSecretResponse,
    RotateSecretRequest, RotateSecretResponse, StopReplicationToReplicaRequest,
    StopReplicationToReplicaResponse, TagResourceRequest, TagResourceResponse,
    UntagResourceRequest, UntagResourceResponse, UpdateSecretRequest, UpdateSecretResponse,
    UpdateSecretVersionStageRequest, UpdateSecretVersionStageResponse,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse,
    secrets_service_client::SecretsServiceClient,
};

use super::{Effect, led::Means};
use crate::{Client, error::Error, limits::REPLY_BYTES_MAX};

impl Client {
    /// Creates a secret. Makes a `client_request_token` if there is none.
    pub async fn create_secret(
        &self,
        mut request: CreateSecretRequest,
    ) -> Result<CreateSecretResponse, Error> {
        fill(&mut request.client_request_token)?;
        let effect = match request.value {
            Some(_) => Effect::Creates,
            None => Effect::Writes,
        };
        self.write(
            effect,
            request,
            Means::NewSecret,
            |channel, request| async move { service(channel).create_secret(request).await },
        )
        .await
    }

    /// Returns one version of a secret. The value is wiped when the answer is dropped.
    pub async fn get_secret_value(
        &self,
        request: GetSecretValueRequest,
    ) -> Result<GetSecretValueResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_secret_value(request).await
        })
        .await
    }

    /// Stores a new version of a secret. Makes a `client_request_token` if there is none.
    pub async fn put_secret_value(
        &self,
        mut request: PutSecretValueRequest,
    ) -> Result<PutSecretValueResponse, Error> {
        fill(&mut request.client_request_token)?;
        self.write(
            Effect::WritesOnce,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).put_secret_value(request).await },
        )
        .await
    }

    /// Changes the members that are present. Makes a `client_request_token` if there is none.
    pub async fn update_secret(
        &self,
        mut request: UpdateSecretRequest,
    ) -> Result<UpdateSecretResponse, Error> {
        fill(&mut request.client_request_token)?;
        let effect = once_if(request.value.is_some());
        self.write(
            effect,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).update_secret(request).await },
        )
        .await
    }

    /// Describes a secret without its value.
    pub async fn describe_secret(
        &self,
        request: DescribeSecretRequest,
    ) -> Result<DescribeSecretResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).describe_secret(request).await
        })
        .await
    }

    /// Lists secrets, one page.
    pub async fn list_secrets(
        &self,
        request: ListSecretsRequest,
    ) -> Result<ListSecretsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_secrets(request).await
        })
        .await
    }

    /// Returns the current values of several secrets, one page.
    pub async fn batch_get_secret_value(
        &self,
        request: BatchGetSecretValueRequest,
    ) -> Result<BatchGetSecretValueResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).batch_get_secret_value(request).await
        })
        .await
    }

    /// Lists the versions of a secret, one page.
    pub async fn list_secret_version_ids(
        &self,
        request: ListSecretVersionIdsRequest,
    ) -> Result<ListSecretVersionIdsResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).list_secret_version_ids(request).await
        })
        .await
    }

    /// Moves or removes a staging label.
    pub async fn update_secret_version_stage(
        &self,
        request: UpdateSecretVersionStageRequest,
    ) -> Result<UpdateSecretVersionStageResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move {
                service(channel).update_secret_version_stage(request).await
            },
        )
        .await
    }

    /// Schedules the deletion of a secret, or removes it at once.
    pub async fn delete_secret(
        &self,
        request: DeleteSecretRequest,
    ) -> Result<DeleteSecretResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).delete_secret(request).await },
        )
        .await
    }

    /// Takes back a scheduled deletion.
    pub async fn restore_secret(
        &self,
        request: RestoreSecretRequest,
    ) -> Result<RestoreSecretResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).restore_secret(request).await },
        )
        .await
    }

    /// Adds tags.
    pub async fn tag_resource(
        &self,
        request: TagResourceRequest,
    ) -> Result<TagResourceResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).tag_resource(request).await },
        )
        .await
    }

    /// Removes tags.
    pub async fn untag_resource(
        &self,
        request: UntagResourceRequest,
    ) -> Result<UntagResourceResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).untag_resource(request).await },
        )
        .await
    }

    /// Generates a password. It is wiped when the answer is dropped.
    pub async fn get_random_password(
        &self,
        request: GetRandomPasswordRequest,
    ) -> Result<GetRandomPasswordResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).get_random_password(request).await
        })
        .await
    }

    /// Configures and starts rotation. Makes a `client_request_token` if there is none.
    pub async fn rotate_secret(
        &self,
        mut request: RotateSecretRequest,
    ) -> Result<RotateSecretResponse, Error> {
        fill(&mut request.client_request_token)?;
        self.write(
            Effect::WritesOnce,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).rotate_secret(request).await },
        )
        .await
    }

    /// Turns rotation off.
    pub async fn cancel_rotate_secret(
        &self,
        request: CancelRotateSecretRequest,
    ) -> Result<CancelRotateSecretResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).cancel_rotate_secret(request).await },
        )
        .await
    }

    /// Adds replicas of a secret.
    pub async fn replicate_secret_to_regions(
        &self,
        request: ReplicateSecretToRegionsRequest,
    ) -> Result<ReplicateSecretToRegionsResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move {
                service(channel).replicate_secret_to_regions(request).await
            },
        )
        .await
    }

    /// Removes replicas of a secret.
    pub async fn remove_regions_from_replication(
        &self,
        request: RemoveRegionsFromReplicationRequest,
    ) -> Result<RemoveRegionsFromReplicationResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move {
                service(channel)
                    .remove_regions_from_replication(request)
                    .await
            },
        )
        .await
    }

    /// Makes a replica a secret of its own.
    pub async fn stop_replication_to_replica(
        &self,
        request: StopReplicationToReplicaRequest,
    ) -> Result<StopReplicationToReplicaResponse, Error> {
        self.call(Effect::Writes, request, |channel, request| async move {
            service(channel).stop_replication_to_replica(request).await
        })
        .await
    }

    /// Attaches a resource policy.
    pub async fn put_resource_policy(
        &self,
        request: PutResourcePolicyRequest,
    ) -> Result<PutResourcePolicyResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, request| async move { service(channel).put_resource_policy(request).await },
        )
        .await
    }

    /// Returns the resource policy.
    pub async fn get_resource_policy(
        &self,
        request: GetResourcePolicyRequest,
    ) -> Result<GetResourcePolicyResponse, Error> {
        self.call(Effect::Reads, request, |channel, request| async move {
            service(channel).get_resource_policy(request).await
        })
        .await
    }

    /// Removes the resource policy.
    pub async fn delete_resource_policy(
        &self,
        request: DeleteResourcePolicyRequest,
    ) -> Result<DeleteResourcePolicyResponse, Error> {
        self.write(
            Effect::Writes,
            request,
            Means::Secret(|request| &mut request.secret_id),
            |channel, asked| async move { service(channel).delete_resource_policy(asked).await },
        )
        .await
    }

    /// Checks a resource policy.
    pub async fn validate_resource_policy(
        &self,
        request: ValidateResourcePolicyRequest,
    ) -> Result<ValidateResourcePolicyResponse, Error> {
        self.call(Effect::Nothing, request, |channel, request| async move {
            service(channel).validate_resource_policy(request).await
        })
        .await
    }
}

pub(crate) fn service(channel: Channel) -> SecretsServiceClient<Channel> {
    SecretsServiceClient::new(channel).max_decoding_message_size(REPLY_BYTES_MAX)
}

/// Makes a token where there is none: once for a call, so that all its attempts are one write.
fn fill(token: &mut String) -> Result<(), Error> {
    if token.is_empty() {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(Error::Random)?;
        let uuid: Uuid = Builder::from_random_bytes(bytes).into_uuid();
        *token = uuid.to_string();
    }
    Ok(())
}

/// The token of a write makes it one write only if it becomes the id of a version.
fn once_if(has_value: bool) -> Effect {
    if has_value {
        Effect::WritesOnce
    } else {
        Effect::Writes
    }
}
