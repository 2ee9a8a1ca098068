use wire::secrets::v1::get_secret_value_response::Value as Read;
use wire::secrets::v1::{CreateSecretRequest, GetSecretValueRequest, create_secret_request};

use super::harness::Region;

fn token(number: u32) -> String {
    format!("00000000-0000-0000-0000-{number:012}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_made_on_one_node_is_read_on_another() {
    let region = Region::start(3).await;
    let request = CreateSecretRequest {
        name: "prod/db".to_owned(),
        client_request_token: token(1),
        value: Some(create_secret_request::Value::SecretString(
            "hunter2".to_owned(),
        )),
        ..Default::default()
    };
    let created = region
        .secrets(0)
        .create_secret(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(created.version_id, Some(token(1)));
    let request = GetSecretValueRequest {
        secret_id: "prod/db".to_owned(),
        ..Default::default()
    };
    let read = region
        .secrets(0)
        .get_secret_value(request)
        .await
        .unwrap()
        .into_inner();
    assert_eq!(read.value, Some(Read::SecretString("hunter2".to_owned())));
    assert_eq!(read.arn, created.arn);
    region.stop().await;
}
