//! What comes with later releases, listed: each member and each operation is refused by its name.

use tonic::Status;
use wire::secrets::v1 as api;

use super::harness::{Region, SecretsClient, assert_refused};
use super::requests::{create, put, update};

#[track_caller]
fn not_yet(member: &str, outcome: Result<(), Status>) {
    let said = format!("{member} is not supported yet by this release.");
    assert_refused(outcome, "NotYetSupported", &said);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_later_releases_are_refused_by_name() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    let base = || create("later", 1, "x");
    let some = || Some("x".repeat(36));
    let creates = [
        (
            "Type",
            api::CreateSecretRequest {
                r#type: some(),
                ..base()
            },
        ),
        (
            "CrossAccountPrimaryARN",
            api::CreateSecretRequest {
                cross_account_primary_arn: some(),
                ..base()
            },
        ),
    ];
    for (member, request) in creates {
        not_yet(member, client.create_secret(request).await.map(drop));
    }
    let request = api::PutSecretValueRequest {
        rotation_token: some(),
        ..put("later", 1, "x")
    };
    not_yet(
        "RotationToken",
        client.put_secret_value(request).await.map(drop),
    );
    let request = api::UpdateSecretRequest {
        r#type: some(),
        ..update("later")
    };
    not_yet("Type", client.update_secret(request).await.map(drop));
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_of_later_releases_are_refused_by_name() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    rotation(&mut client).await;
    region.stop().await;
}

async fn rotation(client: &mut SecretsClient) {
    let refused = client
        .rotate_secret(api::RotateSecretRequest::default())
        .await;
    not_yet("RotateSecret", refused.map(drop));
    let refused = client
        .cancel_rotate_secret(api::CancelRotateSecretRequest::default())
        .await;
    not_yet("CancelRotateSecret", refused.map(drop));
}
