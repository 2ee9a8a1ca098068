//! Comparing a feed.

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{BUCKETS, Bucket, RowKey, Scope, Uid};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::Caller;
use wire::replication::v1;

use crate::support::following::{STREAM, cause, client, cursor, origin};
use crate::support::region::Served;
use crate::support::{NORTH, WEST, home, identity};

type Responses = Streaming<v1::CompareResponse>;

async fn open(region: &Served) -> (mpsc::Sender<v1::CompareRequest>, Responses) {
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
    (requests, compares.expect("a stream").into_inner())
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
        let row = row_of(&requests, &mut responses, uid).await;
        assert_eq!(row.body.is_some(), is_shared);
        let key = RowKey::decode(&row.key).expect("a key");
        let commitment = view.commitment_of(&key).expect("a commitment");
        assert_eq!(row.commitment.as_ref(), commitment.0);
    }
    let mut rows = 0;
    let others = (0..64 - 2).map(|_| Bucket::of(&RowKey::Secret(kept).encode()).number());
    for number in others {
        requests.send(bucket(number.into())).await.expect("room");
        rows += next(&mut responses).await.expect("rows").rows.len();
    }
    assert!(rows >= 62);
    let status = responses.message().await.expect_err("a refusal");
    assert_eq!(cause(&status), "Malformed");
}

/// Asks for a secret's bucket, and finds its row there.
async fn row_of(
    requests: &mpsc::Sender<v1::CompareRequest>,
    responses: &mut Responses,
    uid: Uid,
) -> v1::Row {
    let key = RowKey::Secret(uid).encode();
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
