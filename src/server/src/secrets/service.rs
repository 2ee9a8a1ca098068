//! The generated service trait, one line for each operation.

use std::pin::Pin;

use futures::Stream;
use tonic::{Request, Response, Status};
use wire::secrets::v1 as api;
use wire::secrets::v1::secrets_service_server::SecretsService;

use super::ask::{Answer, Ask};
use super::{Secrets, forwarded};
use crate::errors::Refusal;

type Replied<T> = Result<Response<T>, Status>;

fn not_yet<T>(operation: &str) -> Replied<T> {
    Err(Refusal::not_yet(operation).into())
}

#[tonic::async_trait]
impl SecretsService for Secrets {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<api::WatchResponse, Status>> + Send>>;

    async fn create_secret(
        &self,
        mut request: Request<api::CreateSecretRequest>,
    ) -> Replied<api::CreateSecretResponse> {
        let kept = self.kept(forwarded::CREATE, &mut request, None)?;
        let outcome = self.create(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn get_secret_value(
        &self,
        request: Request<api::GetSecretValueRequest>,
    ) -> Replied<api::GetSecretValueResponse> {
        Answer::reply(self.get(Ask::of(request)?).await)
    }

    async fn put_secret_value(
        &self,
        mut request: Request<api::PutSecretValueRequest>,
    ) -> Replied<api::PutSecretValueResponse> {
        let kept = self.kept(
            forwarded::PUT,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.put(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn update_secret(
        &self,
        mut request: Request<api::UpdateSecretRequest>,
    ) -> Replied<api::UpdateSecretResponse> {
        let kept = self.kept(
            forwarded::UPDATE,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.update(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn describe_secret(
        &self,
        request: Request<api::DescribeSecretRequest>,
    ) -> Replied<api::DescribeSecretResponse> {
        Answer::reply(self.describe(Ask::of(request)?).await)
    }

    async fn list_secrets(
        &self,
        request: Request<api::ListSecretsRequest>,
    ) -> Replied<api::ListSecretsResponse> {
        Answer::reply(self.list(Ask::of(request)?).await)
    }

    async fn batch_get_secret_value(
        &self,
        request: Request<api::BatchGetSecretValueRequest>,
    ) -> Replied<api::BatchGetSecretValueResponse> {
        Answer::reply(self.batch_get(Ask::of(request)?).await)
    }

    async fn list_secret_version_ids(
        &self,
        request: Request<api::ListSecretVersionIdsRequest>,
    ) -> Replied<api::ListSecretVersionIdsResponse> {
        Answer::reply(self.list_versions(Ask::of(request)?).await)
    }

    async fn update_secret_version_stage(
        &self,
        mut request: Request<api::UpdateSecretVersionStageRequest>,
    ) -> Replied<api::UpdateSecretVersionStageResponse> {
        let kept = self.kept(
            forwarded::STAGE,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.update_stage(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn delete_secret(
        &self,
        mut request: Request<api::DeleteSecretRequest>,
    ) -> Replied<api::DeleteSecretResponse> {
        let kept = self.kept(
            forwarded::DELETE,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.delete(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn restore_secret(
        &self,
        mut request: Request<api::RestoreSecretRequest>,
    ) -> Replied<api::RestoreSecretResponse> {
        let kept = self.kept(
            forwarded::RESTORE,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.restore(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn tag_resource(
        &self,
        mut request: Request<api::TagResourceRequest>,
    ) -> Replied<api::TagResourceResponse> {
        let kept = self.kept(
            forwarded::TAG,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.tag(Ask::of(request)?).await;
        self.told(kept, outcome, None).await
    }

    async fn untag_resource(
        &self,
        mut request: Request<api::UntagResourceRequest>,
    ) -> Replied<api::UntagResourceResponse> {
        let kept = self.kept(
            forwarded::UNTAG,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.untag(Ask::of(request)?).await;
        self.told(kept, outcome, None).await
    }

    async fn get_random_password(
        &self,
        request: Request<api::GetRandomPasswordRequest>,
    ) -> Replied<api::GetRandomPasswordResponse> {
        Answer::reply(Self::random_password(&Ask::of(request)?))
    }

    async fn watch(&self, request: Request<api::WatchRequest>) -> Replied<Self::WatchStream> {
        self.open_watch(Ask::of(request)?).await
    }

    async fn rotate_secret(
        &self,
        _: Request<api::RotateSecretRequest>,
    ) -> Replied<api::RotateSecretResponse> {
        not_yet("RotateSecret")
    }

    async fn cancel_rotate_secret(
        &self,
        _: Request<api::CancelRotateSecretRequest>,
    ) -> Replied<api::CancelRotateSecretResponse> {
        not_yet("CancelRotateSecret")
    }

    async fn replicate_secret_to_regions(
        &self,
        mut request: Request<api::ReplicateSecretToRegionsRequest>,
    ) -> Replied<api::ReplicateSecretToRegionsResponse> {
        let kept = self.kept(
            forwarded::REPLICATE,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.replicate(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn remove_regions_from_replication(
        &self,
        mut request: Request<api::RemoveRegionsFromReplicationRequest>,
    ) -> Replied<api::RemoveRegionsFromReplicationResponse> {
        let kept = self.kept(
            forwarded::REMOVE_REGIONS,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.remove_regions(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn stop_replication_to_replica(
        &self,
        request: Request<api::StopReplicationToReplicaRequest>,
    ) -> Replied<api::StopReplicationToReplicaResponse> {
        Answer::reply(self.stop_replication(Ask::of(request)?).await)
    }

    async fn put_resource_policy(
        &self,
        mut request: Request<api::PutResourcePolicyRequest>,
    ) -> Replied<api::PutResourcePolicyResponse> {
        let kept = self.kept(
            forwarded::PUT_POLICY,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.put_policy(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn get_resource_policy(
        &self,
        request: Request<api::GetResourcePolicyRequest>,
    ) -> Replied<api::GetResourcePolicyResponse> {
        Answer::reply(self.get_policy(Ask::of(request)?).await)
    }

    async fn delete_resource_policy(
        &self,
        mut request: Request<api::DeleteResourcePolicyRequest>,
    ) -> Replied<api::DeleteResourcePolicyResponse> {
        let kept = self.kept(
            forwarded::DELETE_POLICY,
            &mut request,
            Some(|asked| &mut asked.secret_id),
        )?;
        let outcome = self.delete_policy(Ask::of(request)?).await;
        self.told(kept, outcome, Some(|answer| &mut answer.arn))
            .await
    }

    async fn validate_resource_policy(
        &self,
        request: Request<api::ValidateResourcePolicyRequest>,
    ) -> Replied<api::ValidateResourcePolicyResponse> {
        Answer::reply(self.validate_policy(Ask::of(request)?).await)
    }
}
