//! `Debug` and wiping for the messages that carry secrets.
//!
//! Answers wipe their secrets when they are dropped; take a value out to keep it. Requests do not,
//! because a type that does cannot be built with `..Default::default()`: wipe their values.
//!
//! Invariant: no `Debug` here prints a field marked `debug_redact`. `build.rs` skips the derived
//! `Debug` of those messages, so that one missing here does not compile.

use std::fmt::{Debug, Formatter, Result};

use zeroize::Zeroize;

use crate::{
    access::v1::{AssumeRoleWithWebIdentityRequest, CreateCredentialResponse, Session},
    admin::v1::{
        CreateJoinTokenResponse, CreateLinkTokenResponse, InstallIssuerRequest, JoinRequest,
        LinkRequest,
    },
    replication::v1::{ForwardedAnswer, ForwardedCall},
    secrets::v1::{
        CreateSecretRequest, GetRandomPasswordResponse, GetSecretValueResponse,
        PutSecretValueRequest, SecretValueEntry, UpdateSecretRequest, create_secret_request,
        get_secret_value_response, put_secret_value_request, secret_value_entry,
        update_secret_request,
    },
};

const REDACTED: &str = "(redacted)";

impl Debug for CreateSecretRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateSecretRequest")
            .field("name", &self.name)
            .field("client_request_token", &self.client_request_token)
            .field("description", &self.description)
            .field("kms_key_id", &self.kms_key_id)
            .field("value", &self.value)
            .field("tags", &self.tags)
            .field("add_replica_regions", &self.add_replica_regions)
            .field(
                "force_overwrite_replica_secret",
                &self.force_overwrite_replica_secret,
            )
            .field("type", &self.r#type)
            .field("cross_account_primary_arn", &self.cross_account_primary_arn)
            .finish()
    }
}

impl Debug for AssumeRoleWithWebIdentityRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("AssumeRoleWithWebIdentityRequest")
            .field("role_arn", &self.role_arn)
            .field("role_session_name", &self.role_session_name)
            .field("web_identity_token", &REDACTED)
            .field("duration", &self.duration)
            .field("policy", &self.policy)
            .field("policy_arns", &self.policy_arns)
            .finish()
    }
}

impl Debug for Session {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Session")
            .field("token", &REDACTED)
            .field("arn", &self.arn)
            .field("expires", &self.expires)
            .field("id", &self.id)
            .finish()
    }
}

impl Debug for CreateCredentialResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateCredentialResponse")
            .field("credential", &self.credential)
            .field("secret_access_key", &REDACTED)
            .finish()
    }
}

impl Debug for CreateLinkTokenResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateLinkTokenResponse")
            .field("token", &REDACTED)
            .field("expires", &self.expires)
            .finish()
    }
}

impl Debug for InstallIssuerRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("InstallIssuerRequest")
            .field("certificate", &self.certificate)
            .field("private_key", &REDACTED)
            .field("replaces", &self.replaces)
            .finish()
    }
}

impl Debug for LinkRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("LinkRequest")
            .field("token", &REDACTED)
            .field("region", &self.region)
            .field("authorities", &self.authorities)
            .field("certificate", &self.certificate)
            .field("peer_address", &self.peer_address)
            .field("api_address", &self.api_address)
            .field("machine_version_supported", &self.machine_version_supported)
            .finish()
    }
}

impl Debug for GetSecretValueResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("GetSecretValueResponse")
            .field("arn", &self.arn)
            .field("name", &self.name)
            .field("version_id", &self.version_id)
            .field("value", &self.value)
            .field("version_stages", &self.version_stages)
            .field("created_date", &self.created_date)
            .finish()
    }
}

impl Debug for PutSecretValueRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("PutSecretValueRequest")
            .field("secret_id", &self.secret_id)
            .field("client_request_token", &self.client_request_token)
            .field("value", &self.value)
            .field("version_stages", &self.version_stages)
            .field(
                "rotation_token",
                &self.rotation_token.as_ref().map(|_| REDACTED),
            )
            .finish()
    }
}

impl Debug for UpdateSecretRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("UpdateSecretRequest")
            .field("secret_id", &self.secret_id)
            .field("client_request_token", &self.client_request_token)
            .field("description", &self.description)
            .field("kms_key_id", &self.kms_key_id)
            .field("value", &self.value)
            .field("type", &self.r#type)
            .finish()
    }
}

impl Debug for SecretValueEntry {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("SecretValueEntry")
            .field("arn", &self.arn)
            .field("name", &self.name)
            .field("version_id", &self.version_id)
            .field("value", &self.value)
            .field("version_stages", &self.version_stages)
            .field("created_date", &self.created_date)
            .finish()
    }
}

impl Debug for GetRandomPasswordResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("GetRandomPasswordResponse")
            .field("random_password", &REDACTED)
            .finish()
    }
}

impl Debug for CreateJoinTokenResponse {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("CreateJoinTokenResponse")
            .field("token", &REDACTED)
            .field("expires", &self.expires)
            .finish()
    }
}

impl Debug for ForwardedCall {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ForwardedCall")
            .field("caller", &self.caller)
            .field("request_id", &self.request_id)
            .field("method", &self.method)
            .field("region", &self.region)
            .field("wait_ms", &self.wait_ms)
            .field("plain_request", &REDACTED)
            .field("public_key", &self.public_key)
            .field("session_token", &REDACTED)
            .finish()
    }
}

impl Debug for ForwardedAnswer {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("ForwardedAnswer")
            .field("plain_reply", &REDACTED)
            .field("position", &self.position)
            .field("refusal", &self.refusal)
            .finish()
    }
}

impl Debug for JoinRequest {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("JoinRequest")
            .field("token", &REDACTED)
            .field("peer_address", &self.peer_address)
            .field("api_address", &self.api_address)
            .field("machine_version_supported", &self.machine_version_supported)
            .field("rehearsal", &self.rehearsal)
            .finish()
    }
}

impl Debug for create_secret_request::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::SecretString(_) => "SecretString(redacted)",
            Self::SecretBinary(_) => "SecretBinary(redacted)",
        })
    }
}

impl Debug for get_secret_value_response::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::SecretString(_) => "SecretString(redacted)",
            Self::SecretBinary(_) => "SecretBinary(redacted)",
        })
    }
}

impl Debug for put_secret_value_request::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::SecretString(_) => "SecretString(redacted)",
            Self::SecretBinary(_) => "SecretBinary(redacted)",
        })
    }
}

impl Debug for update_secret_request::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::SecretString(_) => "SecretString(redacted)",
            Self::SecretBinary(_) => "SecretBinary(redacted)",
        })
    }
}

impl Debug for secret_value_entry::Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::SecretString(_) => "SecretString(redacted)",
            Self::SecretBinary(_) => "SecretBinary(redacted)",
        })
    }
}

impl Zeroize for create_secret_request::Value {
    fn zeroize(&mut self) {
        match self {
            Self::SecretString(text) => text.zeroize(),
            Self::SecretBinary(bytes) => bytes.zeroize(),
        }
    }
}

impl Zeroize for get_secret_value_response::Value {
    fn zeroize(&mut self) {
        match self {
            Self::SecretString(text) => text.zeroize(),
            Self::SecretBinary(bytes) => bytes.zeroize(),
        }
    }
}

impl Zeroize for put_secret_value_request::Value {
    fn zeroize(&mut self) {
        match self {
            Self::SecretString(text) => text.zeroize(),
            Self::SecretBinary(bytes) => bytes.zeroize(),
        }
    }
}

impl Zeroize for update_secret_request::Value {
    fn zeroize(&mut self) {
        match self {
            Self::SecretString(text) => text.zeroize(),
            Self::SecretBinary(bytes) => bytes.zeroize(),
        }
    }
}

impl Zeroize for secret_value_entry::Value {
    fn zeroize(&mut self) {
        match self {
            Self::SecretString(text) => text.zeroize(),
            Self::SecretBinary(bytes) => bytes.zeroize(),
        }
    }
}

impl Drop for GetSecretValueResponse {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Drop for SecretValueEntry {
    fn drop(&mut self) {
        self.value.zeroize();
    }
}

impl Drop for GetRandomPasswordResponse {
    fn drop(&mut self) {
        self.random_password.zeroize();
    }
}

impl Drop for CreateLinkTokenResponse {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Drop for CreateJoinTokenResponse {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.token.zeroize();
    }
}

impl Drop for CreateCredentialResponse {
    fn drop(&mut self) {
        self.secret_access_key.zeroize();
    }
}
