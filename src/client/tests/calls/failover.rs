//! A node that stops.

use std::time::{Duration, Instant};

use client::{
    Client, Error, Options, Retry,
    secrets::v1::{DescribeSecretRequest, DescribeSecretResponse},
};
use tokio::net::TcpListener;

use crate::region::{Region, Reply, stopping};

fn describe() -> DescribeSecretRequest {
    DescribeSecretRequest {
        secret_id: "app/db".to_owned(),
    }
}

fn answer() -> Reply {
    Reply::answer(&DescribeSecretResponse {
        name: "app/db".to_owned(),
        ..Default::default()
    })
}

#[tokio::test]
async fn calls_go_on_while_one_node_after_another_stops() {
    let mut region = Region::start(3, (0..60).map(|_| answer())).await;
    let client = region.client();
    for stopped in [Some(0), Some(1), None] {
        for _ in 0..20 {
            client
                .describe_secret(describe())
                .await
                .expect("another node answers");
        }
        if let Some(node) = stopped {
            region.stop(node).await;
        }
    }
    let last = region.asked().last().map(|asked| asked.node);
    assert_eq!(last, Some(3));
}

#[tokio::test]
async fn a_call_that_is_cut_with_its_node_is_answered_by_another() {
    let mut region = Region::start(2, [Reply::Hang, answer()]).await;
    let client = region.client();
    let call = tokio::spawn(async move { client.describe_secret(describe()).await });
    let asked = async {
        while region.asked().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asked)
        .await
        .expect("a node is asked");
    let node = usize::try_from(region.asked()[0].node).expect("small") - 1;
    region.stop(node).await;
    call.await
        .expect("no panic")
        .expect("the other node answers");
}

#[tokio::test]
async fn without_any_node_the_error_says_how_many_were_tried() {
    let region = Region::start(1, []).await;
    let mut options = region.options();
    // Bound and not listened to by anybody who shakes hands.
    let silent = TcpListener::bind("127.0.0.1:0").await.expect("a socket");
    let taken = silent.local_addr().expect("an address");
    drop(silent);
    options = Options {
        endpoints: vec![taken.to_string(), taken.to_string()],
        ..options
    };
    let client = Client::connect(options).expect("a client");
    let error = client
        .describe_secret(describe())
        .await
        .expect_err("nobody is there");
    let Error::Unreachable {
        tried,
        endpoints,
        retry,
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((tried, endpoints, retry), (2, 2, Retry::Safe));
}

#[tokio::test]
async fn the_node_that_answers_is_heard_and_not_those_that_are_gone() {
    let mut region = Region::start(3, (0..100).map(|_| stopping())).await;
    region.stop(0).await;
    region.stop(2).await;
    // Each begins with another node.
    let calls = (0..12).map(|_| {
        let client = region.client();
        async move { client.describe_secret(describe()).await }
    });
    for failed in futures::future::join_all(calls).await {
        let error = failed.expect_err("nobody serves");
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        assert_eq!(error.reason(), "ServiceUnavailable");
    }
}

#[tokio::test]
async fn a_read_without_an_answer_says_how_long_it_waited_and_nothing_of_writes() {
    let mut region = Region::start(3, (0..4).map(|_| Reply::Hang)).await;
    region.stop(0).await;
    region.stop(2).await;
    let client = region.client().with_timeout(Duration::from_millis(2_400));
    let began = Instant::now();
    let error = client.describe_secret(describe()).await;
    let (error, took) = (error.expect_err("nobody answers"), began.elapsed());
    let text = error.to_string();
    assert!(!text.contains("write"), "{text}");
    assert_eq!(error.retry(), Retry::Safe);
    let Error::TimedOut {
        timeout,
        source: Some(source),
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert!(timeout <= took, "{timeout:?} of {took:?}");
    let Error::Unreachable {
        tried, endpoints, ..
    } = *source
    else {
        panic!("{source:?}")
    };
    assert_eq!((tried, endpoints), (3, 3));
}

#[tokio::test]
async fn a_node_is_told_of_less_time_than_its_answer_is_waited_for() {
    let region = Region::start(1, [answer()]).await;
    let client = region.client().with_timeout(Duration::from_millis(1_000));
    client.describe_secret(describe()).await.expect("an answer");
    let asked = region.asked();
    let told = asked[0].metadata("grpc-timeout").expect("a time");
    let (number, unit) = told.split_at(told.len() - 1);
    let number: f64 = number.parse().expect("a number");
    let seconds = match unit {
        "S" => number,
        "m" => number / 1e3,
        "u" => number / 1e6,
        "n" => number / 1e9,
        unit => panic!("{unit}"),
    };
    assert!(seconds <= 0.9, "{told}");
}
