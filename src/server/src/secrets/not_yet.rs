//! Members of the API that come with later releases. A test lists them.

use wire::secrets::v1::{CreateSecretRequest, PutSecretValueRequest, UpdateSecretRequest};

use crate::errors::Refusal;

pub(super) fn create(message: &CreateSecretRequest) -> Result<(), Refusal> {
    first(&[
        ("Type", message.r#type.is_some()),
        (
            "CrossAccountPrimaryARN",
            message.cross_account_primary_arn.is_some(),
        ),
    ])
}

pub(super) fn put(message: &PutSecretValueRequest) -> Result<(), Refusal> {
    first(&[("RotationToken", message.rotation_token.is_some())])
}

pub(super) fn update(message: &UpdateSecretRequest) -> Result<(), Refusal> {
    first(&[("Type", message.r#type.is_some())])
}

fn first(members: &[(&str, bool)]) -> Result<(), Refusal> {
    match members.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((member, _)) => Err(Refusal::not_yet(member)),
    }
}
