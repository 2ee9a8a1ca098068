//! The task that fetches snapshots of feeds whose changes are not kept any more: each is kept
//! beside the feed, piece by piece, and put in its place when all of it is here (R25).

use std::sync::Arc;

use envelope::LinkKey;
use machine::{Command, FeedId, Hash, StagedRow, State};
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};
use wire::replication::v1;

use crate::codec::{self, Malformed, ReceivedRow};
use crate::follow::Following;
use crate::follow::collect::received;
use crate::follow::import::cursor;
use crate::follow::kept::{Failed, KeptPart, forget_all, kept, note, until_done};
use crate::follow::line::{Line, Offer};
use crate::follow::lost::Lost;
use crate::follow::staging::Gathered;
use crate::follow::wraps::{Named, Wraps};
use crate::limits::{
    FETCH_ROWS_MAX, MESSAGE_TIMEOUT, SNAPSHOT_PAUSE_MAX, SNAPSHOT_PAUSE_MIN, SNAPSHOT_VALUE_BYTES,
    TROUBLE_PAUSE,
};
use crate::work;

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    loop {
        line.trimmed.notified().await;
        loop {
            let feed = line.notes().trimmed().into_iter().next();
            let Some(feed) = feed else {
                break;
            };
            fetch(&following, &line, &feed).await;
            following.progress.snapshot(&line.region, &feed, None);
        }
    }
}

/// Fetches a snapshot as often as it takes, until it is in place or is of no use.
async fn fetch(following: &Arc<Following>, line: &Line, feed: &FeedId) {
    let (region, mut pause) = (&line.region, SNAPSHOT_PAUSE_MIN);
    loop {
        let failed = match attempt(following, line, feed).await {
            Ok(rows) => {
                tracing::info!(%region, %feed, rows, "a snapshot of a feed is in place");
                line.notes().resolved(feed);
                following.touched.all();
                line.lacking.notify_one();
                return;
            }
            Err(failed) => failed,
        };
        match failed {
            // Whoever leads the feed now may have something kept: it is not touched.
            Failed::Gone => return,
            Failed::Trouble(trouble) => {
                tracing::warn!(%region, %feed, reason = %trouble, "a snapshot was given up");
                let until = following.now().saturating_add(TROUBLE_PAUSE);
                line.notes().trouble(feed, trouble, until);
                if let Err(error) = forget_all(following, feed).await {
                    tracing::warn!(%feed, ?error, "what was kept of a snapshot is still there");
                }
                return;
            }
            Failed::Moved => {
                tracing::info!(%region, %feed, "a snapshot is begun anew");
                if let Err(error) = forget_all(following, feed).await {
                    tracing::warn!(%feed, ?error, "what was kept of a snapshot is still there");
                }
            }
            Failed::Lost(reason) => {
                tracing::warn!(%region, %feed, %reason, "a snapshot was broken off");
            }
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(SNAPSHOT_PAUSE_MAX);
    }
}

/// Fetches what is missing of a snapshot, and puts it in the feed's place; gives its rows.
async fn attempt(following: &Arc<Following>, line: &Line, feed: &FeedId) -> Result<u64, Failed> {
    let kept = kept(following, feed).await?;
    let offer = Offer::make(&following.context, &line.region).map_err(Lost::of)?;
    let request = request(following, feed, &offer, kept.as_ref());
    let client = line.client(&following.context).await;
    let mut client = client.ok_or_else(|| Lost::of("the node cannot be dialled"))?;
    is_wanted(line, feed)?;
    let answered = timeout(MESSAGE_TIMEOUT, client.fetch_snapshot(request)).await;
    let answered = answered.map_err(|_late| Lost::of("the node did not answer in time"))?;
    let mut rows = answered
        .map_err(|status| refused(line, feed, &status))?
        .into_inner();
    let first = next(&mut rows, line, feed).await?;
    let at = first.at.as_ref().ok_or(Malformed::Missing("at"));
    let at = at.and_then(codec::from_cursor).and_then(|(of, at)| {
        let is_right = of == *feed;
        is_right.then_some(at).ok_or(Malformed::Form("at"))
    });
    let at = at.map_err(|source| Failed::unreadable(feed, source))?;
    let link = offer.accept(&first.encapsulated).map_err(Lost::of)?;
    let (gathered, named) = match kept {
        Some(kept) if first.resumed && at == *kept.gathered.at() => (kept.gathered, kept.named),
        Some(_) => return Err(Failed::Moved),
        None if first.resumed => {
            return Err(Failed::unreadable(feed, Malformed::Form("resumed")));
        }
        None => (Gathered::begin(feed.clone(), at), Named::default()),
    };
    let mut fetching = Fetching {
        following,
        line,
        feed,
        link: Arc::new(link),
        gathered,
        named,
    };
    fetching.all(first, &mut rows).await
}

/// Another region may lead the feed by now.
fn is_wanted(line: &Line, feed: &FeedId) -> Result<(), Failed> {
    let is_wanted = line.notes().is_trimmed(feed);
    is_wanted.then_some(()).ok_or(Failed::Gone)
}

fn request(
    following: &Following,
    feed: &FeedId,
    offer: &Offer,
    kept: Option<&KeptPart>,
) -> v1::FetchSnapshotRequest {
    let after = kept.and_then(|kept| kept.gathered.last());
    v1::FetchSnapshotRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        at: kept.map(|kept| codec::cursor(feed, kept.gathered.at())),
        after: after.map_or_else(Vec::new, |key| key.encode()).into(),
        value_bytes: SNAPSHOT_VALUE_BYTES,
    }
}

struct Fetching<'a> {
    following: &'a Arc<Following>,
    line: &'a Line,
    feed: &'a FeedId,
    link: Arc<LinkKey>,
    gathered: Gathered,
    named: Named,
}

impl Fetching<'_> {
    async fn all(
        &mut self,
        first: v1::FetchSnapshotResponse,
        rows: &mut Streaming<v1::FetchSnapshotResponse>,
    ) -> Result<u64, Failed> {
        let (mut message, mut is_first) = (first, true);
        loop {
            if message.rows.is_empty() && message.feed_hash.is_empty() && !is_first {
                return Err(Failed::unreadable(self.feed, Malformed::Missing("rows")));
            }
            is_first = false;
            let feed_hash = std::mem::take(&mut message.feed_hash);
            for row in self.made(message.rows).await? {
                self.gathered.add(row).map_err(Failed::Trouble)?;
                if self.gathered.is_full() {
                    self.keep().await?;
                }
            }
            if !feed_hash.is_empty() {
                self.keep().await?;
                let hash = feed_hash.as_ref().try_into();
                let hash = hash.map_err(|_error| Malformed::Form("feed_hash"));
                let hash = hash.map_err(|source| Failed::unreadable(self.feed, source))?;
                self.activate(Hash(hash)).await?;
                return Ok(self.gathered.kept());
            }
            message = next(rows, self.line, self.feed).await?;
        }
    }

    /// Makes the rows of one message ready, beside the runtime's workers.
    async fn made(&mut self, rows: Vec<v1::Row>) -> Result<Vec<StagedRow>, Failed> {
        let rows = received(rows, FETCH_ROWS_MAX)
            .map_err(|source| Failed::unreadable(self.feed, source))?;
        let (context, view) = (Arc::clone(&self.following.context), self.following.view());
        let (feed, link) = (self.feed.clone(), Arc::clone(&self.link));
        let mut named = std::mem::take(&mut self.named);
        let made = work::run(move || {
            let wraps = Wraps {
                keys: context.options.keys.as_ref(),
                state: &view,
                own: &context.options.region,
                feed: &feed,
                link: &link,
            };
            let made: Vec<StagedRow> = rows
                .iter()
                .map(|row: &ReceivedRow| {
                    let staged = wraps.staged(row, &named);
                    note(&mut named, wraps.own, &staged.row);
                    staged
                })
                .collect();
            (made, named)
        });
        let (made, named) = made.await.map_err(Lost::of)?;
        self.named = named;
        Ok(made)
    }

    /// Proposes the rows that wait.
    async fn keep(&mut self) -> Result<(), Failed> {
        is_wanted(self.line, self.feed)?;
        let Some(entry) = self.gathered.entry() else {
            return Ok(());
        };
        let then = self.gathered.then();
        let at = self.gathered.at().clone();
        let is_kept = |state: &State| {
            let staging = state.feed(&entry.feed).and_then(|held| held.staging());
            staging.is_some_and(|staging| staging.rows == then && staging.at == at)
        };
        let command = Command::StageRows(entry.clone());
        until_done(self.following, self.feed, command, is_kept).await?;
        self.gathered.done();
        let rows = Some(self.gathered.kept());
        let progress = &self.following.progress;
        progress.snapshot(&self.line.region, self.feed, rows);
        Ok(())
    }

    async fn activate(&self, feed_hash: Hash) -> Result<(), Failed> {
        let command = Command::ActivateSnapshot(self.gathered.activation(feed_hash));
        let at = self.gathered.at();
        let is_there = |state: &State| cursor(state, self.feed) == *at;
        until_done(self.following, self.feed, command, is_there).await
    }
}

async fn next(
    rows: &mut Streaming<v1::FetchSnapshotResponse>,
    line: &Line,
    feed: &FeedId,
) -> Result<v1::FetchSnapshotResponse, Failed> {
    match timeout(MESSAGE_TIMEOUT, rows.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(Lost::of("the node ended the stream").into()),
        Ok(Err(status)) => Err(refused(line, feed, &status)),
        Err(_late) => Err(Lost::of("the node went silent").into()),
    }
}

fn refused(line: &Line, feed: &FeedId, status: &Status) -> Failed {
    match status.code() {
        // It is asked for the feed's changes again, and says then who leads it.
        Code::FailedPrecondition => {
            line.notes().resolved(feed);
            Failed::Gone
        }
        code => Lost::of(format!("the node refused: {code:?}: {}", status.message())).into(),
    }
}
