//! The task that puts right what differs between a feed and its primary (R4): sums are compared at
//! one place of the feed, and the rows of the buckets that differ are taken from the primary.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consensus::View;
use machine::{BUCKETS, Bucket, Command, Cursor, FeedId, MendBucket, RowKey, State};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::replication::v1;

use crate::codec::{self, Malformed, ReceivedRow};
use crate::follow::Following;
use crate::follow::failed::{Failed, in_time};
use crate::follow::fill::ask;
use crate::follow::import::cursor;
use crate::follow::incoming::received;
use crate::follow::line::Line;
use crate::follow::verdict::Settled;
use crate::follow::wraps::Named;
use crate::limits::{
    BUCKET_ROWS_MAX, BUCKETS_ASKED_MAX, FILL_ROWS_MAX, MEND_INTERVAL, MEND_PATIENCE, MEND_PAUSE,
};

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let mut tried: BTreeMap<FeedId, Duration> = BTreeMap::new();
    loop {
        sleep(MEND_INTERVAL).await;
        let asked = line.asked.borrow().clone();
        tried.retain(|feed, _| asked.contains(feed));
        for feed in asked {
            let is_wrong = following.view().problem(&feed.uid()).is_some();
            let now = following.now();
            let is_due = tried.get(&feed).is_none_or(|until| *until <= now);
            if is_wrong && is_due {
                let pause = put_right(&following, &line, &feed).await;
                tried.insert(feed, following.now().saturating_add(pause));
            }
        }
    }
}

/// Compares a feed once, and gives the pause before it is compared again.
async fn put_right(following: &Arc<Following>, line: &Line, feed: &FeedId) -> Duration {
    let region = &line.region;
    let mended = timeout(MEND_PATIENCE * 2, mend(following, line, feed)).await;
    let mended = mended.unwrap_or_else(|_late| Err(Failed::lost("it took too long")));
    match mended {
        // The next checkpoint says that all is right again.
        Ok(0) => MEND_PAUSE,
        Ok(buckets) => {
            tracing::warn!(%region, %feed, buckets, "rows that differed were put right");
            match buckets > BUCKETS_ASKED_MAX {
                true => Duration::ZERO,
                false => MEND_PAUSE,
            }
        }
        // It is seldom that a feed moves on at just the wrong moment.
        Err(Failed::Moved) => Duration::ZERO,
        Err(failed) => {
            tracing::warn!(%region, %feed, %failed, "a feed could not be compared");
            following.progress.failed(region, &failed);
            MEND_PAUSE
        }
    }
}

/// Keeps a feed where it is while it is compared.
struct Hold<'a> {
    line: &'a Line,
    feed: &'a FeedId,
}

impl<'a> Hold<'a> {
    fn new(line: &'a Line, feed: &'a FeedId, at: &Cursor) -> Hold<'a> {
        line.notes().hold(feed, at.revision);
        Hold { line, feed }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.line.notes().release(self.feed);
    }
}

/// Puts right what differs from the primary; gives how many buckets did.
async fn mend(following: &Arc<Following>, line: &Line, feed: &FeedId) -> Result<usize, Failed> {
    let (mut client, offer) = line.exchange(&following.context).await?;
    let (requests, sent) = mpsc::channel(1);
    let first = v1::CompareRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        bucket: 0,
    };
    requests.send(first).await.map_err(Failed::lost)?;
    let answers = in_time(client.compare(ReceiverStream::new(sent))).await?;
    let mut answers = answers.into_inner();
    let unreadable = Failed::unreadable(feed);
    let first = next(&mut answers).await?;
    let at = first.at.ok_or(Malformed::Missing("at"));
    let (of, at) = at
        .and_then(|at| codec::from_cursor(&at))
        .map_err(&unreadable)?;
    if of != *feed {
        return Err(unreadable(Malformed::Form("at")));
    }
    let sums = codec::from_sums(&first.sums).map_err(&unreadable)?;
    let key = offer.accept(&first.encapsulated).map_err(Failed::lost)?;
    let hold = Hold::new(line, feed, &at);
    let view = stands_at(following, feed, &at).await?;
    let buckets = differing(&view, feed, &sums);
    drop(view);
    let mut hidden = Vec::new();
    for bucket in buckets.iter().copied().take(BUCKETS_ASKED_MAX) {
        let request = v1::CompareRequest {
            bucket: bucket.number().into(),
            ..v1::CompareRequest::default()
        };
        requests.send(request).await.map_err(Failed::lost)?;
        let rows = next(&mut answers).await?.rows;
        let rows = received(rows, BUCKET_ROWS_MAX).map_err(&unreadable)?;
        hidden.extend(secrets_without_body(&rows));
        let ready = following.ready(feed, &key, move |wraps| {
            let named = Named::default();
            rows.iter().map(|row| wraps.staged(row, &named)).collect()
        });
        let mend = MendBucket {
            feed: feed.clone(),
            at: at.clone(),
            bucket,
            rows: ready.await?,
        };
        propose(following, mend).await?;
    }
    drop(hold);
    line.lacking.all();
    // Nobody can say of a secret without its row whether it is missing.
    for keys in hidden.chunks(FILL_ROWS_MAX) {
        ask(following, line, feed, keys).await?;
    }
    Ok(buckets.len())
}

fn secrets_without_body(rows: &[ReceivedRow]) -> impl Iterator<Item = RowKey> {
    let hidden = rows.iter().filter(|row| row.body.is_none());
    let keys = hidden.map(|row| row.key);
    keys.filter(|key| matches!(key, RowKey::Secret(_)))
}

/// Waits until the feed stands at a place, and answers the state in which it does.
async fn stands_at(following: &Following, feed: &FeedId, at: &Cursor) -> Result<View, Failed> {
    let mut applied = following.context.options.consensus.applied();
    let reached = async {
        loop {
            applied.borrow_and_update();
            let view = following.view();
            let now = cursor(&view, feed);
            if now == *at {
                return Ok(view);
            }
            if now.revision >= at.revision || applied.changed().await.is_err() {
                return Err(Failed::Moved);
            }
        }
    };
    let reached = timeout(MEND_PATIENCE, reached).await;
    reached.map_err(|_late| Failed::Moved)?
}

/// Finds the buckets whose sums are not those of the primary.
pub(super) fn differing(state: &State, feed: &FeedId, sums: &[[u64; 4]]) -> Vec<Bucket> {
    let Some(held) = state.feed(feed) else {
        return Vec::new();
    };
    let differs = |number: &usize| held.sums().bucket(*number) != sums.get(*number).copied();
    let numbers = (0..BUCKETS).filter(differs);
    let numbers = numbers.filter_map(|number| u16::try_from(number).ok());
    numbers.filter_map(Bucket::new).collect()
}

async fn propose(following: &Following, mend: MendBucket) -> Result<(), Failed> {
    let (feed, at) = (mend.feed.clone(), mend.at.clone());
    loop {
        let command = Command::MendBucket(mend.clone());
        match following.settle("mend", &feed, command).await? {
            Settled::Done(_) => return Ok(()),
            Settled::Unclear(view) if cursor(&view, &feed) == at => {}
            Settled::Unclear(_) => return Err(Failed::Moved),
        }
    }
}

async fn next(answers: &mut Streaming<v1::CompareResponse>) -> Result<v1::CompareResponse, Failed> {
    let answer = in_time(answers.message()).await?;
    answer.ok_or_else(|| Failed::lost("the node ended the stream"))
}
