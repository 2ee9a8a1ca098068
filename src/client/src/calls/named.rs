//! Messages that name the secret they change.

use wire::secrets::v1::{
    CancelRotateSecretRequest, DeleteResourcePolicyRequest, DeleteSecretRequest,
    PutResourcePolicyRequest, PutSecretValueRequest, RemoveRegionsFromReplicationRequest,
    ReplicateSecretToRegionsRequest, RestoreSecretRequest, RotateSecretRequest, TagResourceRequest,
    UntagResourceRequest, UpdateSecretRequest, UpdateSecretVersionStageRequest,
};

/// A message that names the secret it changes.
pub(super) trait Named {
    /// Its name or ARN.
    fn secret_id(&mut self) -> &mut String;
}

impl Named for PutSecretValueRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for UpdateSecretRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for UpdateSecretVersionStageRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for DeleteSecretRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for RestoreSecretRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for TagResourceRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for UntagResourceRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for RotateSecretRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for CancelRotateSecretRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for ReplicateSecretToRegionsRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for RemoveRegionsFromReplicationRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for PutResourcePolicyRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}

impl Named for DeleteResourcePolicyRequest {
    fn secret_id(&mut self) -> &mut String {
        &mut self.secret_id
    }
}
