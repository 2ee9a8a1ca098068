//! The task that puts right what differs between a feed and its primary (R4): sums are compared at
//! one place of the feed, and the rows of the buckets that differ are taken from the primary.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use envelope::LinkKey;
use machine::{BUCKETS, Bucket, Command, Cursor, FeedId, MendBucket, StagedRow, State};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use wire::replication::v1;

use crate::codec::{self, Malformed};
use crate::follow::Following;
use crate::follow::collect::received;
use crate::follow::import::cursor;
use crate::follow::line::{Line, Offer};
use crate::follow::lost::Lost;
use crate::follow::verdict::{Verdict, judge};
use crate::follow::wraps::{Named, Wraps};
use crate::limits::{
    BUCKET_ROWS_MAX, BUCKETS_ASKED_MAX, IMPORT_PAUSE_MIN, MEND_INTERVAL, MEND_PATIENCE, MEND_PAUSE,
    MESSAGE_TIMEOUT,
};
use crate::work;

/// Why a comparison came to nothing.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("the node could not be asked: {0}")]
    Lost(#[from] Lost),
    #[error("a message cannot be read: {0}")]
    Unreadable(#[from] Malformed),
    #[error("the feed did not come to stand where its primary was compared")]
    Elsewhere,
    #[error("the rules refuse the primary's rows: {0}")]
    Refused(String),
}

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let mut tried: BTreeMap<FeedId, Duration> = BTreeMap::new();
    loop {
        sleep(MEND_INTERVAL).await;
        let asked = line.asked.borrow().clone();
        tried.retain(|feed, _| asked.contains(feed));
        for feed in asked {
            let is_wrong = following.view().problem(&feed.uid()).is_some();
            let is_due = tried
                .get(&feed)
                .is_none_or(|until| *until <= following.now());
            if !(is_wrong && is_due) {
                continue;
            }
            let region = &line.region;
            let pause = match timeout(MEND_PATIENCE * 2, mend(&following, &line, &feed)).await {
                // The next checkpoint says that all is right again.
                Ok(Ok(0)) => MEND_PAUSE,
                Ok(Ok(buckets)) => {
                    tracing::warn!(%region, %feed, buckets, "rows that differed were put right");
                    match buckets > BUCKETS_ASKED_MAX {
                        true => Duration::ZERO,
                        false => MEND_PAUSE,
                    }
                }
                // It is seldom that a feed moves on at just the wrong moment.
                Ok(Err(Failed::Elsewhere)) => Duration::ZERO,
                Ok(Err(error)) => {
                    tracing::warn!(%region, %feed, %error, "a feed could not be compared");
                    MEND_PAUSE
                }
                Err(_late) => {
                    tracing::warn!(%region, %feed, "comparing a feed took too long");
                    MEND_PAUSE
                }
            };
            tried.insert(feed, following.now().saturating_add(pause));
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

/// Compares a feed once, and puts right what differs; gives how many buckets did.
async fn mend(following: &Arc<Following>, line: &Line, feed: &FeedId) -> Result<usize, Failed> {
    let offer = Offer::make(&following.context, &line.region).map_err(Lost::of)?;
    let (requests, sent) = mpsc::channel(1);
    let first = v1::CompareRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        bucket: 0,
    };
    requests.send(first).await.map_err(Lost::of)?;
    let client = line.client(&following.context).await;
    let mut client = client.ok_or_else(|| Lost::of("the node cannot be dialled"))?;
    let answered = timeout(MESSAGE_TIMEOUT, client.compare(ReceiverStream::new(sent))).await;
    let mut answers = answered.map_err(Lost::of)?.map_err(Lost::of)?.into_inner();
    let first = next(&mut answers).await?;
    let (of, at) = codec::from_cursor(&first.at.ok_or(Malformed::Missing("at"))?)?;
    if of != *feed {
        return Err(Malformed::Form("at").into());
    }
    let sums = codec::from_sums(&first.sums)?;
    let link = Arc::new(offer.accept(&first.encapsulated).map_err(Lost::of)?);
    let _hold = Hold::new(line, feed, &at);
    let view = stands_at(following, feed, &at).await?;
    let buckets = differing(&view, feed, &sums);
    drop(view);
    for bucket in buckets.iter().copied().take(BUCKETS_ASKED_MAX) {
        let request = v1::CompareRequest {
            bucket: bucket.number().into(),
            ..v1::CompareRequest::default()
        };
        requests.send(request).await.map_err(Lost::of)?;
        let answer = next(&mut answers).await?;
        let rows = made(following, feed, &link, answer.rows).await?;
        propose(following, feed, &at, bucket, rows).await?;
    }
    Ok(buckets.len())
}

/// Waits until the feed stands at a place, and answers the state in which it does.
async fn stands_at(
    following: &Following,
    feed: &FeedId,
    at: &Cursor,
) -> Result<consensus::View, Failed> {
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
                return Err(Failed::Elsewhere);
            }
        }
    };
    timeout(MEND_PATIENCE, reached)
        .await
        .map_err(|_late| Failed::Elsewhere)?
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

async fn made(
    following: &Arc<Following>,
    feed: &FeedId,
    link: &Arc<LinkKey>,
    rows: Vec<v1::Row>,
) -> Result<Vec<StagedRow>, Failed> {
    let rows = received(rows, BUCKET_ROWS_MAX)?;
    let (context, view) = (Arc::clone(&following.context), following.view());
    let (feed, link) = (feed.clone(), Arc::clone(link));
    let made = work::run(move || {
        let wraps = Wraps {
            keys: context.options.keys.as_ref(),
            state: &view,
            own: &context.options.region,
            feed: &feed,
            link: &link,
        };
        let named = Named::default();
        rows.iter().map(|row| wraps.staged(row, &named)).collect()
    });
    Ok(made.await.map_err(Lost::of)?)
}

async fn propose(
    following: &Following,
    feed: &FeedId,
    at: &Cursor,
    bucket: Bucket,
    rows: Vec<StagedRow>,
) -> Result<(), Failed> {
    let command = Command::MendBucket(MendBucket {
        feed: feed.clone(),
        at: at.clone(),
        bucket,
        rows,
    });
    loop {
        match judge(feed, following.propose("mend", command.clone()).await) {
            Verdict::Done(_) => return Ok(()),
            Verdict::Trouble(trouble) => return Err(Failed::Refused(trouble.to_string())),
            Verdict::Reread | Verdict::Restage => {
                let view = following.read().await.map_err(Lost::of)?;
                if cursor(&view, feed) != *at {
                    return Err(Failed::Elsewhere);
                }
            }
            Verdict::Again => sleep(IMPORT_PAUSE_MIN).await,
        }
    }
}

async fn next(answers: &mut Streaming<v1::CompareResponse>) -> Result<v1::CompareResponse, Failed> {
    let answer = timeout(MESSAGE_TIMEOUT, answers.message()).await;
    let answer = answer.map_err(Lost::of)?.map_err(Lost::of)?;
    let answer = answer.ok_or_else(|| Lost::of("the node ended the stream"))?;
    Ok(answer)
}
