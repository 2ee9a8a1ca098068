//! Comparing a feed.

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{BUCKETS, Bucket, RowKey, Scope};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::Caller;
use wire::replication::v1;

use crate::support::following::{STREAM, cause, client, cursor, origin};
use crate::support::region::Served;
use crate::support::{NORTH, WEST, home, identity, soon};

type Responses = Streaming<v1::CompareResponse>;

async fn open(region: &Served) -> (mpsc::Sender<v1::CompareRequest>, Responses) {
    let (requests, compares) = ask(region).await;
    (requests, compares.expect("a stream"))
}

async fn ask(region: &Served) -> (mpsc::Sender<v1::CompareRequest>, Result<Responses, Status>) {
    let offer = LinkOffer::generate().expect("an offer");
    let (requests, asked) = mpsc::channel(128);
    let first = v1::CompareRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: Bytes::copy_from_slice(offer.public_key()),
        feed: home(NORTH).to_string(),
        bucket: 0,
    };
    requests.send(first).await.expect("room");
    let mut client = client(region, Caller::Peer(identity(WEST, 1)));
    let compares = client.compare(ReceiverStream::new(asked)).await;
    (requests, compares.map(tonic::Response::into_inner))
}

fn bucket(bucket: u32) -> v1::CompareRequest {
    v1::CompareRequest {
        bucket,
        ..v1::CompareRequest::default()
    }
}

async fn next(responses: &mut Responses) -> Result<v1::CompareResponse, Status> {
    Ok(responses.message().await?.expect("a response"))
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_and_rows_are_all_of_one_place() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let (shared, kept) = (
        north.create(100, &[WEST]).await,
        north.create(100, &[]).await,
    );
    let view = north.state();
    let feed = view.feed(&home(NORTH)).expect("a feed");
    let (requests, mut responses) = open(&north).await;
    let first = next(&mut responses).await.expect("the sums");
    assert_eq!(first.at, Some(cursor(&home(NORTH), &feed.cursor())));
    assert!(!first.encapsulated.is_empty());
    let sums: Vec<u8> = (0..BUCKETS)
        .flat_map(|bucket| feed.sums().bucket(bucket).expect("a sum"))
        .flat_map(u64::to_le_bytes)
        .collect();
    assert_eq!(first.sums, sums);

    // What is written meanwhile is not seen.
    north.create(100, &[]).await;
    for (uid, is_shared) in [(shared, true), (kept, false)] {
        let row = row_of(&requests, &mut responses, RowKey::Secret(uid)).await;
        assert_eq!(row.body.is_some(), is_shared);
        let value = RowKey::Version(uid, machine::Ordinal(1));
        let value = row_of(&requests, &mut responses, value).await;
        assert_eq!(value.body, None, "values are fetched by their keys");
        let key = RowKey::decode(&row.key).expect("a key");
        let commitment = view.commitment_of(&key).expect("a commitment");
        assert_eq!(row.commitment.as_ref(), commitment.0);
    }
    let mut rows = 0;
    let others = (0..64 - 4).map(|_| Bucket::of(&RowKey::Secret(kept).encode()).number());
    for number in others {
        requests.send(bucket(number.into())).await.expect("room");
        rows += next(&mut responses).await.expect("rows").rows.len();
    }
    assert!(rows >= 60);
    let status = responses.message().await.expect_err("a refusal");
    assert_eq!(cause(&status), "Malformed");
}

/// Asks for a row's bucket, and finds it there.
async fn row_of(
    requests: &mpsc::Sender<v1::CompareRequest>,
    responses: &mut Responses,
    key: RowKey,
) -> v1::Row {
    let key = key.encode();
    let number = Bucket::of(&key).number();
    requests.send(bucket(number.into())).await.expect("room");
    let mut rows = next(responses).await.expect("rows").rows;
    assert!(
        rows.iter()
            .all(|row| Bucket::of(&row.key).number() == number)
    );
    rows.retain(|row| row.key == key);
    rows.pop().expect("the row")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_is_none_ends_the_stream() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for number in [4_096, u32::MAX] {
        let (requests, mut responses) = open(&north).await;
        next(&mut responses).await.expect("the sums");
        requests.send(bucket(number)).await.expect("room");
        let status = next(&mut responses).await.expect_err("a refusal");
        assert_eq!(cause(&status), "Malformed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_has_two_comparisons_at_a_time_and_no_more() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut open_ones = Vec::new();
    for _ in 0..2 {
        let (requests, mut responses) = open(&north).await;
        next(&mut responses).await.expect("the sums");
        open_ones.push((requests, responses));
    }
    let third = ask(&north).await.1;
    assert_eq!(cause(&third.expect_err("a refusal")), "Busy");
    drop(open_ones);
    let deadline = soon();
    while ask(&north).await.1.is_err() {
        assert!(Instant::now() < deadline, "their places stay taken");
    }
}
