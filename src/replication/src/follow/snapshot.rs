//! The task that fetches snapshots of feeds whose changes are not kept any more: each is kept
//! beside the feed, message by message, and put in its place when all of it is here (R25). One that
//! breaks off goes on where it was, as long as the feed has not moved.

use std::sync::Arc;

use machine::limits::STAGED_BYTES_MAX;
use machine::{ActivateSnapshot, Command, FeedId, Hash, StageRows, StagedRow};
use tokio::time::sleep;
use tonic::{Code, Streaming};
use wire::replication::v1;

use crate::codec::{self, Malformed};
use crate::follow::Following;
use crate::follow::backoff::Backoff;
use crate::follow::failed::{Failed, in_time};
use crate::follow::import::cursor;
use crate::follow::incoming::received;
use crate::follow::kept::{Kept, forget_all};
use crate::follow::key::StreamKey;
use crate::follow::line::Line;
use crate::follow::verdict::Settled;
use crate::limits::{
    SNAPSHOT_PAUSE_MAX, SNAPSHOT_PAUSE_MIN, SNAPSHOT_ROWS_MAX, SNAPSHOT_VALUE_BYTES, TROUBLE_PAUSE,
};

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let mut backoff = Backoff::new(SNAPSHOT_PAUSE_MIN, SNAPSHOT_PAUSE_MAX);
    loop {
        let feeds = line.notes().trimmed();
        if feeds.is_empty() {
            line.trimmed.notified().await;
            backoff.reset();
            continue;
        }
        // Each in turn: one that cannot be had does not keep the others away.
        for feed in feeds {
            match fetch(&following, &line, &feed).await {
                Ok(()) => {
                    line.notes().resolved(&feed);
                    following.touched.all();
                    line.lacking.all();
                }
                Err(failed) => give_up(&following, &line, &feed, failed).await,
            }
        }
        sleep(backoff.pause()).await;
    }
}

/// Sees to what becomes of a feed whose snapshot was not had.
async fn give_up(following: &Following, line: &Line, feed: &FeedId, failed: Failed) {
    let region = &line.region;
    following.progress.failed(region, &failed);
    match failed {
        // Whoever leads the feed now may have something kept: it is not touched.
        Failed::Gone => {}
        // It is asked for the feed's changes again, and says then who leads it.
        Failed::Refused {
            code: Code::FailedPrecondition,
            ..
        } => line.notes().resolved(feed),
        Failed::Trouble(trouble) => {
            tracing::warn!(%region, %feed, reason = %trouble, "a snapshot was given up");
            let until = following.now().saturating_add(TROUBLE_PAUSE);
            line.notes().trouble(feed, trouble, until);
            if let Err(error) = forget_all(following, feed).await {
                tracing::warn!(%feed, %error, "what was kept of a snapshot is still there");
            }
        }
        failed => tracing::warn!(%region, %feed, reason = %failed, "a snapshot was broken off"),
    }
}

/// Fetches what is missing of a snapshot, and puts it in the feed's place.
async fn fetch(following: &Arc<Following>, line: &Line, feed: &FeedId) -> Result<(), Failed> {
    let kept = Kept::find(following, feed).await?;
    let (mut client, offer) = line.exchange(&following.context).await?;
    let after = kept.as_ref().and_then(|kept| kept.last);
    let request = v1::FetchSnapshotRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        at: kept.as_ref().map(|kept| codec::cursor(feed, &kept.at)),
        after: after.map_or_else(Vec::new, |key| key.encode()).into(),
        value_bytes: SNAPSHOT_VALUE_BYTES,
    };
    is_wanted(line, feed)?;
    let mut messages = in_time(client.fetch_snapshot(request)).await?.into_inner();
    let mut message = next(&mut messages).await?;
    let unreadable = Failed::unreadable(feed);
    let at = message.at.as_ref().ok_or(Malformed::Missing("at"));
    let (of, at) = at.and_then(codec::from_cursor).map_err(&unreadable)?;
    if of != *feed {
        return Err(unreadable(Malformed::Form("at")));
    }
    let key = offer.accept(&message.encapsulated).map_err(Failed::lost)?;
    let kept = match kept {
        Some(kept) if message.resumed && kept.at == at => kept,
        Some(_) => {
            // The feed has moved: the next one begins anew.
            forget_all(following, feed).await?;
            return Err(Failed::Moved);
        }
        None if message.resumed => return Err(unreadable(Malformed::Form("resumed"))),
        None => Kept::nothing(at),
    };
    let mut fetching = Fetching {
        following,
        feed,
        key,
        kept,
    };
    loop {
        is_wanted(line, feed)?;
        fetching.stage(message.rows).await?;
        if !message.feed_hash.is_empty() {
            let hash = message.feed_hash.as_ref().try_into();
            let hash = hash.map_err(|_error| unreadable(Malformed::Form("feed_hash")))?;
            fetching.activate(Hash(hash)).await?;
            let (region, rows) = (&line.region, fetching.kept.rows);
            tracing::info!(%region, %feed, rows, "a snapshot of a feed is in place");
            return Ok(());
        }
        message = next(&mut messages).await?;
        if message.rows.is_empty() && message.feed_hash.is_empty() {
            return Err(unreadable(Malformed::Missing("rows")));
        }
    }
}

/// Another region may lead the feed by now.
fn is_wanted(line: &Line, feed: &FeedId) -> Result<(), Failed> {
    let is_wanted = line.notes().is_trimmed(feed);
    is_wanted.then_some(()).ok_or(Failed::Gone)
}

async fn next(
    messages: &mut Streaming<v1::FetchSnapshotResponse>,
) -> Result<v1::FetchSnapshotResponse, Failed> {
    let message = in_time(messages.message()).await?;
    message.ok_or_else(|| Failed::lost("the node ended the stream"))
}

struct Fetching<'a> {
    following: &'a Arc<Following>,
    feed: &'a FeedId,
    key: Arc<StreamKey>,
    kept: Kept,
}

impl Fetching<'_> {
    /// Keeps the rows of one message: the machine sees to their order, and to what they are.
    async fn stage(&mut self, rows: Vec<v1::Row>) -> Result<(), Failed> {
        let rows = received(rows, SNAPSHOT_ROWS_MAX).map_err(Failed::unreadable(self.feed))?;
        let Some(last) = rows.last().map(|row| row.key) else {
            return Ok(());
        };
        let mut named = std::mem::take(&mut self.kept.named);
        let ready = self.following.ready(self.feed, &self.key, move |wraps| {
            let made = rows.iter().map(|row| {
                let staged = wraps.staged(row, &named);
                named.note(wraps.own, &staged.row);
                staged
            });
            (made.collect::<Vec<StagedRow>>(), named)
        });
        let (mut rows, named) = ready.await?;
        rows.iter_mut().for_each(|row| self.kept.weigh(row));
        let (first, count) = (self.kept.rows, rows.len() as u64);
        self.settle(Command::StageRows(StageRows {
            feed: self.feed.clone(),
            at: self.kept.at.clone(),
            first,
            rows,
        }))
        .await?;
        self.kept.rows = first.saturating_add(count);
        (self.kept.last, self.kept.named) = (Some(last), named);
        Ok(())
    }

    async fn activate(&self, feed_hash: Hash) -> Result<(), Failed> {
        self.settle(Command::ActivateSnapshot(ActivateSnapshot {
            feed: self.feed.clone(),
            at: self.kept.at.clone(),
            feed_hash,
            rows: self.kept.rows,
        }))
        .await
    }

    /// Proposes a command. When nobody knows what became of it, what is kept says how to go on.
    async fn settle(&self, command: Command) -> Result<(), Failed> {
        match self
            .following
            .settle("snapshot", self.feed, command)
            .await?
        {
            Settled::Done(_) => Ok(()),
            Settled::Unclear(view) if cursor(&view, self.feed) == self.kept.at => Ok(()),
            Settled::Unclear(_) => Err(Failed::lost("it is not known whether it was written")),
        }
    }
}

impl Kept {
    /// Counts a row. A value for which there is no room is left out: it is fetched by its key when
    /// the snapshot is in place.
    fn weigh(&mut self, row: &mut StagedRow) {
        let with = |row: &StagedRow| self.bytes.saturating_add(row.row.stored().len() as u64);
        if row.key.is_immutable()
            && with(row) > STAGED_BYTES_MAX
            && let Some(hidden) = row.row.without_body()
        {
            (row.row, row.wrap) = (hidden, None);
            row.problem.clear();
        }
        self.bytes = with(row);
    }
}
