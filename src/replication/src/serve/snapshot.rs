//! A feed as it stands, in the order of the keys, all of it from one state (R25).
//!
//! The state is kept for as long as the follower takes, and nothing else is: values that left
//! memory are read by the newest view, for as long as that has them, so that a slow follower holds
//! up no deletion here.

use std::sync::Arc;

use bytes::Bytes;
use consensus::View;
use machine::{Body, Cursor, FeedId, RegionName, Row, RowKey, State};
use tonic::Request;
use wire::replication::v1;

use crate::codec::{self, Malformed};
use crate::context::Context;
use crate::error::Refused;
use crate::limits::{SNAPSHOT_BYTES_MAX, SNAPSHOT_ROWS_MAX, SNAPSHOT_TIME_MAX};
use crate::serve::Rows;
use crate::serve::door::Door;
use crate::serve::packer::{Packer, bytes_of, outline};
use crate::serve::produce::{Asked, Ended, Producer, produce};

type Fetched = v1::FetchSnapshotResponse;

/// What is sent.
struct Wanted {
    state: State,
    at: Cursor,
    /// The last key that the caller has of this very snapshot.
    after: Option<RowKey>,
    /// Bytes of values that may still be sent.
    value_bytes: u64,
}

/// Sends a feed, or the rest of it.
pub(super) fn fetch(
    context: &Arc<Context>,
    door: &Door,
    request: Request<v1::FetchSnapshotRequest>,
) -> Result<Rows<Fetched>, Refused> {
    let (_, extensions, asked) = request.into_parts();
    let caller = door.check(&extensions, asked.origin)?;
    let place = door.stream(&caller)?;
    let with = Asked {
        feed: &asked.feed,
        stream: &asked.stream,
        public_key: &asked.public_key,
    };
    let (producer, encapsulated, rows) = Producer::open(context, caller, place, &with)?;
    let state = State::clone(&producer.view());
    let (at, after) = resumed(&state, producer.feed(), asked.at.as_ref(), &asked.after)?;
    let wanted = Wanted {
        state,
        at,
        after,
        value_bytes: asked.value_bytes,
    };
    produce(producer, SNAPSHOT_TIME_MAX, move |to| async move {
        send(&to, wanted, encapsulated).await
    });
    Ok(rows)
}

/// Finds where the feed stands, and from where on rows are wanted: a snapshot goes on only if the
/// feed has not moved since.
fn resumed(
    state: &State,
    feed: &FeedId,
    at: Option<&v1::FeedCursor>,
    after: &[u8],
) -> Result<(Cursor, Option<RowKey>), Refused> {
    let named = at.map(codec::from_cursor).transpose()?;
    let last = match after {
        [] => None,
        bytes => Some(codec::from_key(bytes)?),
    };
    let unknown = || Refused::NotPrimary {
        feed: feed.clone(),
        primary: None,
    };
    let stands = state.feed(feed).ok_or_else(unknown)?.cursor();
    match named {
        Some((named, _)) if named != *feed => Err(Malformed::Form("at").into()),
        Some((_, named)) if named == stands => Ok((stands, last)),
        _ => Ok((stands, None)),
    }
}

async fn send(to: &Producer<Fetched>, wanted: Wanted, encapsulated: Bytes) -> Result<(), Ended> {
    let Wanted {
        state,
        at,
        after,
        mut value_bytes,
    } = wanted;
    let first = v1::FetchSnapshotResponse {
        encapsulated,
        at: Some(codec::cursor(to.feed(), &at)),
        resumed: after.is_some(),
        ..v1::FetchSnapshotResponse::default()
    };
    to.room().await?.send(first, 0)?;
    let mut room = to.room().await?;
    let (mut rows, mut bytes) = (Vec::new(), 0);
    let from = state.rows_of(to.feed(), after);
    for (key, row) in from.filter(|(key, _)| Some(*key) != after) {
        let made = make(
            &state,
            &to.view(),
            to.packer(),
            &key,
            row.as_ref(),
            &mut value_bytes,
        );
        let Some(row) = made else {
            continue;
        };
        bytes += bytes_of(&row);
        rows.push(row);
        if rows.len() >= SNAPSHOT_ROWS_MAX || bytes >= SNAPSHOT_BYTES_MAX {
            let full = v1::FetchSnapshotResponse {
                rows: std::mem::take(&mut rows),
                ..v1::FetchSnapshotResponse::default()
            };
            room.send(full, std::mem::take(&mut bytes))?;
            room = to.room().await?;
        }
    }
    let feed_hash = state.feed(to.feed()).map(machine::Feed::hash);
    let last = v1::FetchSnapshotResponse {
        rows,
        feed_hash: feed_hash.map_or_else(Bytes::new, |hash| Bytes::copy_from_slice(&hash.0)),
        ..v1::FetchSnapshotResponse::default()
    };
    room.send(last, bytes)
}

/// Makes a row of a state ready for a region that may have values of so many bytes. A value that is
/// not sent, or that the newest view has no more, is fetched by its key later.
pub(super) fn make(
    state: &State,
    newest: &View,
    packer: &Packer,
    key: &RowKey,
    row: Option<&Row>,
    value_bytes: &mut u64,
) -> Option<v1::Row> {
    let outline = outline(state, key, row)?;
    let is_value = matches!(key, RowKey::Version(..));
    let region = packer.region();
    let is_wanted = (!is_value || *value_bytes > 0)
        && is_for(state, region, key)
        && is_for(newest, region, key);
    let is_there = || newest.commitment_of(key) == state.commitment_of(key);
    let body = match row {
        _ if !is_wanted || is_value && !is_there() => Body::Withheld,
        Some(row) => row.framed_body().map_or(Body::Withheld, Body::Here),
        None => Body::Evicted,
    };
    let packed = packer.pack(newest, key, body).ok().flatten();
    let body = packed.filter(|body| !is_value || spend(value_bytes, body));
    Some(v1::Row { body, ..outline })
}

/// Whether a region holds a row, as a state says. Of a secret that is gone from it nothing more is
/// known, and nothing is sent.
fn is_for(state: &State, region: &RegionName, key: &RowKey) -> bool {
    let linked = state.linked(region);
    linked.is_some_and(|region| state.is_for(region, key))
}

/// Takes a value's bytes from what may be sent; when they do not fit, no other value is sent.
fn spend(value_bytes: &mut u64, body: &v1::RowBody) -> bool {
    let left = value_bytes.checked_sub(body.bytes.len() as u64);
    *value_bytes = left.unwrap_or(0);
    left.is_some()
}
