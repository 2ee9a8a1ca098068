//! Comparing a feed with its follower: the sums of all buckets, then the rows of those that differ,
//! all from one state (R4). As with a snapshot, nothing but that is kept meanwhile.

use std::sync::Arc;

use bytes::Bytes;
use machine::{Bucket, RowKey, State};
use tokio::time::timeout;
use tonic::{Request, Streaming};
use wire::replication::v1;

use crate::codec::{self, Malformed};
use crate::context::Context;
use crate::error::Refused;
use crate::limits::{
    BUCKET_BYTES_MAX, BUCKET_ROWS_MAX, BUCKETS_ASKED_MAX, COMPARE_TIME_MAX, OPEN_TIMEOUT,
};
use crate::serve::Rows;
use crate::serve::door::Door;
use crate::serve::packer::bytes_of;
use crate::serve::produce::{Asked, Ended, Producer, produce};
use crate::serve::snapshot::make;

type Compared = v1::CompareResponse;

/// Sends the sums of a feed, and rows of its buckets as they are asked for.
pub(super) async fn open(
    context: &Arc<Context>,
    door: &Door,
    request: Request<Streaming<v1::CompareRequest>>,
) -> Result<Rows<Compared>, Refused> {
    let (_, extensions, mut requests) = request.into_parts();
    let caller = door.identify(&extensions)?;
    let place = door.comparison(&caller)?;
    let first = timeout(OPEN_TIMEOUT, requests.message()).await;
    let first = first.map_err(|_late| Refused::Silent)?;
    let first = first.ok().flatten().ok_or(Malformed::Missing("origin"))?;
    door.hear(&caller, first.origin)?;
    let with = Asked {
        feed: &first.feed,
        stream: &first.stream,
        public_key: &first.public_key,
    };
    let (producer, encapsulated, rows) = Producer::open(context, caller, place, &with)?;
    let state = State::clone(&producer.view());
    produce(producer, COMPARE_TIME_MAX, move |to| async move {
        send(&to, &state, requests, encapsulated).await
    });
    Ok(rows)
}

async fn send(
    to: &Producer<Compared>,
    state: &State,
    mut requests: Streaming<v1::CompareRequest>,
    encapsulated: Bytes,
) -> Result<(), Ended> {
    let Some(feed) = state.feed(to.feed()) else {
        return Ok(());
    };
    let first = v1::CompareResponse {
        encapsulated,
        at: Some(codec::cursor(to.feed(), &feed.cursor())),
        sums: codec::sums(feed.sums()),
        rows: Vec::new(),
    };
    to.room().await?.send(first, 0)?;
    for _ in 0..BUCKETS_ASKED_MAX {
        let Ok(Some(asked)) = requests.message().await else {
            return Ok(());
        };
        let bucket = u16::try_from(asked.bucket).ok().and_then(Bucket::new);
        let bucket = bucket.ok_or(Malformed::Form("bucket"))?;
        let room = to.room().await?;
        let (rows, bytes) = rows_of(to, state, bucket)?;
        let response = v1::CompareResponse {
            rows,
            ..v1::CompareResponse::default()
        };
        room.send(response, bytes)?;
    }
    Err(Malformed::TooMany {
        field: "bucket",
        max: BUCKETS_ASKED_MAX,
    }
    .into())
}

/// Makes the rows of a bucket ready. Values are fetched by their keys, and so is what there is no
/// room for.
fn rows_of(
    to: &Producer<Compared>,
    state: &State,
    bucket: Bucket,
) -> Result<(Vec<v1::Row>, usize), Refused> {
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let is_in = |key: &RowKey| Bucket::of(&key.encode()) == bucket;
    for (key, row) in state.rows_of(to.feed(), None).filter(|(key, _)| is_in(key)) {
        if rows.len() >= BUCKET_ROWS_MAX {
            return Err(Refused::BucketTooLarge);
        }
        let made = make(state, &to.view(), to.packer(), &key, row.as_ref(), &mut 0);
        let Some(mut row) = made else {
            continue;
        };
        if bytes + bytes_of(&row) > BUCKET_BYTES_MAX {
            row.body = None;
        }
        bytes += bytes_of(&row);
        rows.push(row);
    }
    Ok((rows, bytes))
}
