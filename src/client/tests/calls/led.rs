//! Writes of what another region leads.

use client::{
    Client, Retry,
    access::v1::{
        CreatePrincipalRequest, CreatePrincipalResponse, GetPrincipalRequest, GetPrincipalResponse,
    },
    admin::v1::{CreateLinkTokenRequest, CreateLinkTokenResponse},
    secrets::v1::{
        CreateSecretRequest, CreateSecretResponse, DeleteSecretRequest, DescribeSecretRequest,
        DescribeSecretResponse, PutSecretValueRequest, PutSecretValueResponse,
        StopReplicationToReplicaRequest, create_secret_request, put_secret_value_request,
    },
};
use prost::Message;
use tonic::Code;

use crate::region::{Region, Reply, led_by, refusal, stopping};

const ARN: &str = "arn:aws:secretsmanager:eu-west-2:000000000000:secret:app/db-AbCdEf";
const ADDRESSES: &str = "10.0.0.1:7420,10.0.0.2:7420";

fn put() -> PutSecretValueRequest {
    PutSecretValueRequest {
        secret_id: "app/db".to_owned(),
        value: Some(put_secret_value_request::Value::SecretString("1".into())),
        ..Default::default()
    }
}

fn at_replica() -> Reply {
    led_by("eu-west-1", ADDRESSES, "InvalidParameterException", "no")
}

fn described() -> Reply {
    Reply::answer(&DescribeSecretResponse {
        arn: ARN.to_owned(),
        ..Default::default()
    })
}

fn written(position: &'static str) -> Reply {
    let message = PutSecretValueResponse::default().encode_to_vec();
    Reply::Answer(message, Some(position))
}

/// A client of the second region that was given the nodes of the first.
fn client(replica: &Region, primary: &Region) -> Client {
    let client = replica.client();
    let given = client.with_region_endpoints("eu-west-1", &primary.endpoints());
    given.expect("endpoints")
}

fn methods(region: &Region) -> Vec<String> {
    let asked = region.asked();
    asked.into_iter().map(|asked| asked.method).collect()
}

#[tokio::test]
async fn a_write_at_a_replica_says_which_region_leads_and_where_it_is() {
    let region = Region::start(2, [at_replica()]).await;
    let error = region.client().put_secret_value(put()).await;
    let error = error.expect_err("a refusal");
    assert_eq!(error.primary_region(), Some("eu-west-1"));
    let addresses = error.primary_addresses();
    assert_eq!(addresses, ["10.0.0.1:7420", "10.0.0.2:7420"]);
    let text = "not here (InvalidParameterException); the primary region is eu-west-1, \
                at 10.0.0.1:7420, 10.0.0.2:7420";
    assert_eq!(error.to_string(), text);
    assert_eq!(region.asked().len(), 1, "nobody was told where to go on");
}

#[tokio::test]
async fn a_write_at_a_replica_is_made_in_the_region_that_leads_it_if_its_nodes_are_known() {
    let primary = Region::start(2, [written("p1")]).await;
    let read = Reply::Answer(
        DescribeSecretResponse::default().encode_to_vec(),
        Some("q2"),
    );
    let replica = primary
        .beside("eu-west-2", 2, [at_replica(), described(), read])
        .await;
    let client = client(&replica, &primary);
    client.put_secret_value(put()).await.expect("an answer");

    let (here, there) = (replica.asked(), primary.asked());
    let first: PutSecretValueRequest = here[0].message();
    let second: PutSecretValueRequest = there[0].message();
    assert_eq!(second.client_request_token, first.client_request_token);
    assert_eq!(
        second.secret_id, ARN,
        "a name may be another secret's there"
    );
    assert_eq!(
        here[1].message::<DescribeSecretRequest>().secret_id,
        "app/db"
    );

    let request = DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    };
    client.describe_secret(request).await.expect("an answer");
    let asked = replica.asked();
    let seen = asked[2].metadata("strongroom-min-position");
    assert_eq!(seen, Some("p1"), "it reads what it wrote elsewhere");
}

#[tokio::test]
async fn a_write_by_arn_goes_on_as_it_is() {
    let primary = Region::start(1, [written("p1")]).await;
    let replica = primary.beside("eu-west-2", 1, [at_replica()]).await;
    let client = client(&replica, &primary);
    let request = PutSecretValueRequest {
        secret_id: ARN.to_owned(),
        ..put()
    };
    client.put_secret_value(request).await.expect("an answer");
    assert_eq!(methods(&replica), ["PutSecretValue"]);
    let there: PutSecretValueRequest = primary.asked()[0].message();
    assert_eq!(there.secret_id, ARN);
}

#[tokio::test]
async fn a_write_is_refused_as_before_if_its_secret_has_no_arn_here() {
    let primary = Region::start(1, []).await;
    let missing = Reply::Refuse(refusal(Code::NotFound, "ResourceNotFoundException", "no"));
    let replica = primary
        .beside("eu-west-2", 1, [at_replica(), missing])
        .await;
    let error = client(&replica, &primary).put_secret_value(put()).await;
    assert_eq!(
        error.expect_err("refused").primary_region(),
        Some("eu-west-1")
    );
    assert!(primary.asked().is_empty());
}

#[tokio::test]
async fn a_write_of_unknown_outcome_is_made_by_the_new_primary_once() {
    let primary = Region::start(1, [written("p1")]).await;
    let fenced = led_by("eu-west-1", ADDRESSES, "OutcomeUnknown", "unknown");
    let replies = [fenced, at_replica(), described()];
    let replica = primary.beside("eu-west-2", 1, replies).await;
    let client = client(&replica, &primary);
    client.put_secret_value(put()).await.expect("an answer");
    let token = |region: &Region| {
        let first: PutSecretValueRequest = region.asked()[0].message();
        first.client_request_token
    };
    assert_eq!(token(&replica), token(&primary));
}

#[tokio::test]
async fn a_write_that_cannot_be_repeated_stays_unknown() {
    let primary = Region::start(1, []).await;
    let fenced = led_by("eu-west-1", ADDRESSES, "OutcomeUnknown", "unknown");
    let replica = primary.beside("eu-west-2", 1, [fenced]).await;
    let request = DeleteSecretRequest {
        secret_id: "app/db".to_owned(),
        ..Default::default()
    };
    let error = client(&replica, &primary).delete_secret(request).await;
    assert_eq!(error.expect_err("unknown").retry(), Retry::Unknown);
    assert!(primary.asked().is_empty());
}

#[tokio::test]
async fn a_secret_is_created_elsewhere_only_if_the_client_says_in_which_region_it_is_to_be() {
    let request = || CreateSecretRequest {
        name: "app/db".to_owned(),
        value: Some(create_secret_request::Value::SecretString("1".into())),
        ..Default::default()
    };
    let created = Reply::answer(&CreateSecretResponse::default());
    let primary = Region::start(1, [created]).await;
    let replica = primary
        .beside("eu-west-2", 1, [at_replica(), at_replica()])
        .await;
    let client = client(&replica, &primary);
    client.create_secret(request()).await.expect_err("refused");
    assert!(primary.asked().is_empty());
    let client = client.with_region("eu-west-2").expect("a name");
    client.create_secret(request()).await.expect("an answer");
    let asked = primary.asked();
    assert_eq!(asked[0].metadata("strongroom-region"), Some("eu-west-2"));
}

#[tokio::test]
async fn a_replica_is_detached_in_its_own_region_or_not_at_all() {
    let primary = Region::start(1, []).await;
    let replica = primary.beside("eu-west-2", 1, [at_replica()]).await;
    let request = StopReplicationToReplicaRequest::default();
    let client = client(&replica, &primary);
    let detached = client.stop_replication_to_replica(request).await;
    detached.expect_err("refused");
    assert!(primary.asked().is_empty());
}

#[tokio::test]
async fn a_link_token_is_made_by_the_region_that_leads_the_directory() {
    let answer = Reply::answer(&CreateLinkTokenResponse::default());
    let primary = Region::start(1, [answer]).await;
    let replica = primary.beside("eu-west-2", 1, [at_replica()]).await;
    let request = CreateLinkTokenRequest::default();
    let made = client(&replica, &primary).create_link_token(request).await;
    made.expect("an answer");
    assert_eq!(methods(&primary), ["CreateLinkToken"]);
}

#[tokio::test]
async fn an_identity_is_made_by_the_region_that_leads_the_root_feed_and_seen_here_at_once() {
    let made = CreatePrincipalResponse::default().encode_to_vec();
    let primary = Region::start(1, [Reply::Answer(made, Some("p1"))]).await;
    let read = Reply::answer(&GetPrincipalResponse::default());
    let replica = primary.beside("eu-west-2", 1, [at_replica(), read]).await;
    let client = client(&replica, &primary);
    let request = CreatePrincipalRequest::default();
    client.create_principal(request).await.expect("an answer");
    assert_eq!(methods(&primary), ["CreatePrincipal"]);
    let request = GetPrincipalRequest::default();
    client.get_principal(request).await.expect("an answer");
    let asked = replica.asked();
    let seen = asked[1].metadata("strongroom-min-position");
    assert_eq!(seen, Some("p1"), "it reads what it wrote elsewhere");
}

#[tokio::test]
async fn a_change_of_an_identity_is_not_sent_twice_if_it_may_have_been_made() {
    let lost = Reply::Refuse(refusal(Code::Unavailable, "OutcomeUnknown", "unknown"));
    let region = Region::start(2, [lost]).await;
    let request = CreatePrincipalRequest::default();
    let error = region.client().create_principal(request).await;
    assert_eq!(error.expect_err("unknown").retry(), Retry::Unknown);
    assert_eq!(methods(&region), ["CreatePrincipal"]);
}

#[tokio::test]
async fn both_regions_get_their_attempts_and_the_last_one_tells_why() {
    let primary = Region::start(2, (0..4).map(|_| stopping())).await;
    let replies = [stopping(), at_replica(), described()];
    let replica = primary.beside("eu-west-2", 2, replies).await;
    let error = client(&replica, &primary).put_secret_value(put()).await;
    let error = error.expect_err("nobody serves");
    assert_eq!(error.reason(), "ServiceUnavailable");
    assert_eq!(primary.asked().len(), 4);
}
