//! Reading one's own writes on any node.

use client::{
    Consistency,
    secrets::v1::{
        DescribeSecretRequest, DescribeSecretResponse, PutSecretValueRequest,
        PutSecretValueResponse,
    },
};
use prost::Message;
use tonic::Code;

use crate::region::{Region, Reply, refusal};

fn describe() -> DescribeSecretRequest {
    DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    }
}

fn written(position: &'static str) -> Reply {
    Reply::Answer(
        PutSecretValueResponse::default().encode_to_vec(),
        Some(position),
    )
}

fn read(position: &'static str) -> Reply {
    Reply::Answer(
        DescribeSecretResponse::default().encode_to_vec(),
        Some(position),
    )
}

#[tokio::test]
async fn an_eventual_read_asks_for_at_least_what_was_written() {
    let region = Region::start(2, [written("p1"), read("p2"), read("p2"), read("p3")]).await;
    let client = region.client();
    let eventual = client.clone().with_consistency(Consistency::Eventual);
    client
        .put_secret_value(PutSecretValueRequest::default())
        .await
        .expect("an answer");
    eventual
        .describe_secret(describe())
        .await
        .expect("an answer");
    client.describe_secret(describe()).await.expect("an answer");

    let asked = region.asked();
    assert_eq!(
        asked[1].metadata("strongroom-consistency"),
        Some("eventual")
    );
    assert_eq!(asked[1].metadata("strongroom-min-position"), Some("p1"));
    assert_eq!(
        asked[2].metadata("strongroom-consistency"),
        None,
        "linearizable by default"
    );
    assert_eq!(client.position().as_deref(), Some("p2"));

    let other = region.client().with_consistency(Consistency::Eventual);
    other.at_least("p2");
    other.describe_secret(describe()).await.expect("an answer");
    assert_eq!(
        region.asked()[3].metadata("strongroom-min-position"),
        Some("p2")
    );
}

#[tokio::test]
async fn a_position_that_is_lost_is_told_once_and_forgotten() {
    let lost = Reply::Refuse(refusal(Code::Aborted, "PositionLost", "no"));
    let region = Region::start(1, [lost, read("q1")]).await;
    let client = region.client().with_consistency(Consistency::Eventual);
    client.at_least("p9");
    let error = client
        .describe_secret(describe())
        .await
        .expect_err("it is lost");
    assert_eq!(error.reason(), "PositionLost");
    client.describe_secret(describe()).await.expect("an answer");
    assert_eq!(region.asked()[1].metadata("strongroom-min-position"), None);
}
