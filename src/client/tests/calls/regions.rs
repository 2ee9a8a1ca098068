//! What a client says to a region of others, and what it learns of how old an answer is.

use std::time::Duration;

use client::{
    Behind, Client, Consistency, Error,
    admin::v1::{
        ListRegionsResponse, PromoteRegionRequest, PromoteRegionResponse, RegionEntry,
        WatchRegionsRequest, WatchRegionsResponse,
    },
    secrets::v1::{
        DescribeSecretRequest, DescribeSecretResponse, GetRandomPasswordRequest,
        PutSecretValueRequest, PutSecretValueResponse, WatchRequest,
    },
};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::{Code, Status};

use crate::region::{Region, Reply, refusal};

fn describe() -> DescribeSecretRequest {
    DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    }
}

fn shows(beside: &[(&'static str, &'static str)]) -> Reply {
    let message = DescribeSecretResponse::default().encode_to_vec();
    Reply::Says(message, beside.to_vec())
}

async fn read(client: &Client) {
    let described = client.describe_secret(describe()).await;
    described.expect("an answer");
}

#[tokio::test]
async fn an_answer_of_a_replica_region_says_how_old_it_is() {
    let replies = [
        shows(&[
            ("strongroom-position", "p1"),
            ("strongroom-staleness-ms", "120"),
        ]),
        shows(&[
            ("strongroom-staleness-ms", "unknown"),
            ("strongroom-age-ms", "7"),
        ]),
        shows(&[("strongroom-position", "p3")]),
    ];
    let region = Region::start(1, replies).await;
    let (client, last) = region.client().showing();
    assert_eq!(last.shown(), None, "nothing was asked yet");
    let mut shown = Vec::new();
    for _ in 0..3 {
        read(&client).await;
        shown.extend(last.shown());
    }
    let staleness: Vec<_> = shown.iter().map(|shown| shown.staleness).collect();
    let known = Behind::AtMost(Duration::from_millis(120));
    assert_eq!(staleness, [Some(known), Some(Behind::Unknown), None]);
    assert_eq!(shown[0].position.as_deref(), Some("p1"));
    let age = Behind::AtMost(Duration::from_millis(7));
    assert_eq!((shown[1].age, shown[0].age), (Some(age), None));
    assert_eq!(known.to_string(), "at most 120 ms");
}

#[tokio::test]
async fn a_bound_of_staleness_and_a_region_are_said_with_the_calls_they_are_for() {
    let region = Region::start(1, []).await;
    let client = region.client().with_max_staleness(Duration::from_secs(2));
    let client = client.with_region("eu-west-2").expect("a name");
    let _ = client.describe_secret(describe()).await;
    let _ = client.put_secret_value(Default::default()).await;
    let _ = client.watch(WatchRequest::default()).await;
    let request = GetRandomPasswordRequest::default();
    let _ = client.get_random_password(request).await;
    let _ = client.create_join_token(Default::default()).await;
    let said: Vec<_> = region
        .asked()
        .iter()
        .map(|asked| {
            let said = |key| asked.metadata(key).map(str::to_owned);
            (
                said("strongroom-region"),
                said("strongroom-max-staleness-ms"),
            )
        })
        .collect();
    let region = Some("eu-west-2".to_owned());
    let expected = [
        (region.clone(), Some("2000".to_owned())),
        (region.clone(), None),
        (region, None),
        (None, None),
        (None, None),
    ];
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_is_no_regions_name_is_told_at_once() {
    let client = Region::start(1, []).await.client();
    for name in [
        "",
        "eu",
        "eu-west-",
        "EU-west-1",
        "eu west-1",
        "eu--1",
        "ü-1",
    ] {
        let refused = client.clone().with_region(name).expect_err(name);
        assert!(matches!(refused, Error::Region { .. }), "{refused:?}");
        let refused = client.clone().with_region_endpoints(name, &["a:1".into()]);
        assert!(matches!(refused, Err(Error::Region { .. })), "{name}");
    }
    let none = client.with_region_endpoints("eu-west-2", &[]);
    assert!(matches!(none, Err(Error::NoEndpoint)));
}

#[tokio::test]
async fn a_position_of_one_region_is_asked_for_in_another_until_a_read_has_covered_it() {
    let written = Reply::Answer(
        PutSecretValueResponse::default().encode_to_vec(),
        Some("p1"),
    );
    let primary = Region::start(1, [written]).await;
    let read_at = |position| shows(&[("strongroom-position", position)]);
    let replica = primary
        .beside("eu-west-2", 1, [read_at("q1"), read_at("q2")])
        .await;
    let writer = primary.client();
    let put = PutSecretValueRequest::default();
    writer.put_secret_value(put).await.expect("an answer");
    let reader = replica.client();
    reader.at_least(&writer.position().expect("a position"));
    read(&reader).await;
    read(&reader).await;
    let asked: Vec<_> = replica
        .asked()
        .iter()
        .map(|asked| asked.metadata("strongroom-min-position").map(str::to_owned))
        .collect();
    assert_eq!(asked, [Some("p1".to_owned()), None]);
    assert_eq!(reader.position().as_deref(), Some("q2"));
}

#[tokio::test]
async fn a_read_covers_every_position_it_was_given() {
    let read_at = |position| shows(&[("strongroom-position", position)]);
    let region = Region::start(1, [read_at("q1"), read_at("q2")]).await;
    let client = region.client().with_consistency(Consistency::Eventual);
    client.at_least("p1");
    client.at_least("p2");
    read(&client).await;
    let asked: Vec<_> = region
        .asked()
        .iter()
        .map(|asked| {
            let said = |key| asked.metadata(key).map(str::to_owned);
            (
                said("strongroom-min-position"),
                said("strongroom-consistency"),
            )
        })
        .collect();
    // Behind a barrier: the local states of two nodes would not add up.
    let expected = ["p1", "p2"].map(|position| (Some(position.to_owned()), None));
    assert_eq!(asked, expected);
}

#[tokio::test]
async fn a_state_that_is_too_old_is_asked_for_again_and_told_by_its_reason() {
    let too_old = || Reply::Refuse(refusal(Code::Unavailable, "TooStale", "safe"));
    let region = Region::start(2, (0..4).map(|_| too_old())).await;
    let client = region.client().with_max_staleness(Duration::ZERO);
    let error = client.describe_secret(describe()).await;
    assert_eq!(error.expect_err("too old").reason(), "TooStale");
    let asked = region.asked();
    assert_eq!(asked.len(), 4);
    assert_eq!(asked[0].metadata("strongroom-max-staleness-ms"), Some("0"));
}

#[tokio::test]
async fn a_promotion_is_never_sent_twice_unless_nothing_was_done() {
    let answer = Reply::answer(&PromoteRegionResponse::default());
    let safe = Reply::Refuse(refusal(Code::Unavailable, "ServiceUnavailable", "safe"));
    let region = Region::start(2, [safe, answer]).await;
    let request = PromoteRegionRequest {
        lost: "eu-west-1".to_owned(),
        force: false,
    };
    let promoted = region.client().promote_region(request.clone()).await;
    promoted.expect("an answer");
    assert_eq!(region.asked().len(), 2);
    let unknown = Reply::Refuse(refusal(Code::Unavailable, "OutcomeUnknown", "unknown"));
    let region = Region::start(2, [unknown]).await;
    let error = region.client().promote_region(request).await;
    assert_eq!(error.expect_err("unknown").reason(), "OutcomeUnknown");
    assert_eq!(region.asked().len(), 1);
}

#[tokio::test]
async fn a_watch_of_regions_goes_on_when_its_node_stops() {
    let state = |name: &str| {
        let entry = RegionEntry {
            name: name.to_owned(),
            ..Default::default()
        };
        let regions = Some(ListRegionsResponse {
            regions: vec![entry],
            ..Default::default()
        });
        WatchRegionsResponse { regions }.encode_to_vec()
    };
    let broken = Some(Status::unavailable("the node stops"));
    let streams = [
        Reply::Stream(vec![state("one-1"), state("two-2")], broken),
        Reply::Stream(vec![state("three-3")], None),
    ];
    let region = Region::start(2, streams).await;
    let watched = region.client().watch_regions(WatchRegionsRequest {}).await;
    let mut watch = watched.expect("a stream");
    let mut names = Vec::new();
    for _ in 0..3 {
        let next = tokio::time::timeout(Duration::from_secs(20), watch.next()).await;
        let message = next
            .expect("in time")
            .expect("a message")
            .expect("no error");
        let regions = message.regions.expect("a state").regions;
        names.extend(regions.into_iter().map(|entry| entry.name));
    }
    assert_eq!(names, ["one-1", "two-2", "three-3"]);
}
