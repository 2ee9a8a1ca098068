//! Rows by their keys: those of which a follower has only the commitments.

use std::sync::Arc;

use bytes::Bytes;
use consensus::{ValueError, View};
use machine::{Body, FeedId, RowKey, RowRef};
use tokio::time::sleep;
use tonic::Request;
use wire::replication::v1;

use crate::codec;
use crate::context::Context;
use crate::error::Refused;
use crate::limits::{BATCH_BYTES_MAX, FETCH_TIME_MAX, RETRY_PAUSE};
use crate::serve::Rows;
use crate::serve::door::Door;
use crate::serve::packer::{Packer, bytes_of, outline};
use crate::serve::produce::{Asked, Ended, Producer, produce};

type Fetched = v1::FetchRowsResponse;

/// Sends the rows that are there and that the caller is to have.
pub(super) fn fetch(
    context: &Arc<Context>,
    door: &Door,
    request: Request<v1::FetchRowsRequest>,
) -> Result<Rows<Fetched>, Refused> {
    let (_, extensions, asked) = request.into_parts();
    let caller = door.check(&extensions, asked.origin)?;
    let place = door.stream(&caller)?;
    let keys = codec::from_keys(asked.keys)?;
    let with = Asked {
        feed: &asked.feed,
        stream: &asked.stream,
        public_key: &asked.public_key,
    };
    let (producer, encapsulated, rows) = Producer::open(context, caller, place, &with)?;
    produce(producer, FETCH_TIME_MAX, move |to| async move {
        send(&to, &keys, encapsulated).await
    });
    Ok(rows)
}

async fn send(
    to: &Producer<Fetched>,
    keys: &[RowKey],
    mut encapsulated: Bytes,
) -> Result<(), Ended> {
    let mut left = keys;
    loop {
        let room = to.room().await?;
        let (rows, bytes) = next(to, &mut left);
        let is_stuck = rows.is_empty() && !left.is_empty();
        let response = v1::FetchRowsResponse {
            encapsulated: std::mem::take(&mut encapsulated),
            rows,
        };
        room.send(response, bytes)?;
        if left.is_empty() {
            return Ok(());
        }
        if is_stuck {
            sleep(RETRY_PAUSE).await;
        }
    }
}

/// Makes the next rows ready, all of one view, and takes them from those that are left.
fn next(to: &Producer<Fetched>, left: &mut &[RowKey]) -> (Vec<v1::Row>, usize) {
    let view = to.view();
    let (mut rows, mut bytes) = (Vec::new(), 0);
    while let Some((key, others)) = left.split_first().filter(|_| bytes < BATCH_BYTES_MAX) {
        match row(&view, to.feed(), key, to.packer()) {
            Ok(None) => {}
            Ok(Some(row)) => {
                bytes += bytes_of(&row);
                rows.push(row);
            }
            // Another view is taken for it, and for the rest.
            Err(_superseded) => break,
        }
        *left = others;
    }
    (rows, bytes)
}

/// Makes a row ready; none if it is no row of the feed, or not for the region.
fn row(
    view: &View,
    feed: &FeedId,
    key: &RowKey,
    packer: &Packer,
) -> Result<Option<v1::Row>, ValueError> {
    let body = view.body_for(key, packer.region());
    if body == Body::Withheld || !is_of(view, feed, key) {
        return Ok(None);
    }
    let body = packer.pack(view, key, body)?;
    let row = match view.row(key) {
        Some(RowRef::Here(row)) => Some(row),
        _ => None,
    };
    let outline = outline(view, key, row.as_ref());
    let known = outline.filter(|_| body.is_some());
    Ok(known.map(|outline| v1::Row { body, ..outline }))
}

/// Whether a row belongs to a feed.
fn is_of(view: &View, feed: &FeedId, key: &RowKey) -> bool {
    match view.row(key) {
        Some(RowRef::Here(row)) => row.origin().is_some_and(|origin| origin.feed == *feed),
        Some(RowRef::Evicted) => view.feed_of_secret(&key.uid()) == Some(feed),
        None => false,
    }
}
