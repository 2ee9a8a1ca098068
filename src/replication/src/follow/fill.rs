//! The task that asks a region for the rows of its feeds that this one is to hold and has not: the
//! values of a secret that was shared later, and what could not be taken when it came (R22, R23).

use std::collections::BTreeSet;
use std::sync::Arc;

use envelope::LinkKey;
use machine::{Command, FeedId, FillRows, Row, RowKey, SentBody, State};
use tokio::time::{sleep, timeout};
use wire::replication::v1;

use crate::codec::ReceivedRow;
use crate::follow::Following;
use crate::follow::collect::asked_for;
use crate::follow::import::secrets;
use crate::follow::line::{Line, Offer};
use crate::follow::lost::Lost;
use crate::follow::needs::Needs;
use crate::follow::trouble::Trouble;
use crate::follow::verdict::{Verdict, judge};
use crate::follow::wraps::{Named, Place, Wraps};
use crate::limits::{
    FETCH_TIME_MAX, FILL_FAILED_PAUSE, FILL_INTERVAL, FILL_ROUNDS_MAX, IMPORT_BYTES_MAX,
    IMPORT_PAUSE_MIN, MESSAGE_TIMEOUT,
};
use crate::work;

/// Why rows were not had.
#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error(transparent)]
    Lost(#[from] Lost),
    #[error(transparent)]
    Trouble(#[from] Trouble),
}

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let (mut needs, mut has_more) = (Needs::default(), false);
    loop {
        if !has_more {
            let _ = timeout(FILL_INTERVAL, line.lacking.notified()).await;
        }
        has_more = false;
        let feeds = line.asked.borrow().clone();
        for feed in feeds {
            match fill(&following, &line, &feed, &mut needs).await {
                Ok(is_done) => has_more |= !is_done,
                Err(error) => {
                    let region = &line.region;
                    tracing::warn!(%region, %feed, %error, "missing rows could not be had");
                    sleep(FILL_FAILED_PAUSE).await;
                }
            }
        }
    }
}

/// Asks for what is missing of a feed, so much in its turn; says whether nothing is missing any more
/// that can be had now.
async fn fill(
    following: &Arc<Following>,
    line: &Line,
    feed: &FeedId,
    needs: &mut Needs,
) -> Result<bool, Failed> {
    for _ in 0..FILL_ROUNDS_MAX {
        let (view, own, of) = (following.view(), std::mem::take(needs), feed.clone());
        let now = following.now();
        // Where much is missing, all of it is walked over.
        let found = work::run(move || {
            let wanted = own.next(&view, &of, now);
            (own, wanted)
        });
        let (own, wanted) = found.await.map_err(Lost::of)?;
        *needs = own;
        if wanted.is_empty() {
            return Ok(true);
        }
        let asking = ask(following, line, feed, &wanted, needs);
        // However many messages come, there is an end to them.
        let asked = match timeout(FETCH_TIME_MAX, asking).await {
            Ok(asked) => asked,
            Err(_late) => Err(Lost::of("the rows did not come in time").into()),
        };
        if let Err(Failed::Lost(lost)) = asked {
            return Err(Failed::Lost(lost));
        }
        needs.asked(&following.view(), &wanted, following.now());
        asked?;
    }
    Ok(false)
}

/// Asks for rows and proposes those that come.
async fn ask(
    following: &Arc<Following>,
    line: &Line,
    feed: &FeedId,
    keys: &[RowKey],
    needs: &mut Needs,
) -> Result<(), Failed> {
    let offer = Offer::make(&following.context, &line.region).map_err(Lost::of)?;
    let request = v1::FetchRowsRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        keys: keys.iter().map(|key| key.encode().into()).collect(),
    };
    let client = line.client(&following.context).await;
    let mut client = client.ok_or_else(|| Lost::of("the node cannot be dialled"))?;
    let answered = timeout(MESSAGE_TIMEOUT, client.fetch_rows(request)).await;
    let mut answers = answered.map_err(Lost::of)?.map_err(Lost::of)?.into_inner();
    let (mut offer, mut link) = (Some(offer), None);
    let mut wanted: BTreeSet<RowKey> = keys.iter().copied().collect();
    while let Some(answer) = timeout(MESSAGE_TIMEOUT, answers.message())
        .await
        .map_err(Lost::of)?
        .map_err(Lost::of)?
    {
        if let Some(offer) = offer.take() {
            link = Some(Arc::new(
                offer.accept(&answer.encapsulated).map_err(Lost::of)?,
            ));
        }
        let Some(link) = &link else {
            return Err(Lost::of("there is no key").into());
        };
        let rows = asked_for(&mut wanted, answer.rows);
        let rows = rows.map_err(|source| Trouble::Unreadable {
            feed: feed.clone(),
            source,
        })?;
        for part in parts(rows) {
            take(following, feed, part, link, needs).await?;
        }
    }
    Ok(())
}

/// Proposes rows that came, until they are in the log.
async fn take(
    following: &Arc<Following>,
    feed: &FeedId,
    rows: Vec<ReceivedRow>,
    link: &Arc<LinkKey>,
    needs: &mut Needs,
) -> Result<(), Failed> {
    let (view, context) = (following.view(), Arc::clone(&following.context));
    let (of, link) = (feed.clone(), Arc::clone(link));
    let made = work::run(move || {
        let wraps = Wraps {
            keys: context.options.keys.as_ref(),
            state: &view,
            own: &context.options.region,
            feed: &of,
            link: &link,
        };
        made(&wraps, &rows)
    });
    let (fill, came) = made.await.map_err(Lost::of)?;
    came.iter().for_each(|row| {
        if let Row::Secret(kept) = row {
            needs.seen(kept.body());
        }
    });
    if fill.rows.is_empty() {
        return Ok(());
    }
    loop {
        let command = Command::FillRows(fill.clone());
        match judge(feed, following.propose("fill", command).await) {
            Verdict::Done(index) => {
                following.view_at(index).await.map_err(Lost::of)?;
                break;
            }
            // What is here already is passed over: what is not is asked for again.
            Verdict::Reread => {
                following.read().await.map_err(Lost::of)?;
                break;
            }
            Verdict::Trouble(trouble) => return Err(trouble.into()),
            Verdict::Again | Verdict::Restage => sleep(IMPORT_PAUSE_MIN).await,
        }
    }
    following
        .touched
        .add(secrets(fill.rows.iter().map(|(key, _)| key)));
    Ok(())
}

/// Makes rows ready, but for those that are not what is missing: one that was written again on its
/// way comes with its change.
fn made(wraps: &Wraps<'_>, rows: &[ReceivedRow]) -> (FillRows, Vec<Row>) {
    let is_missing = |row: &&ReceivedRow| {
        let state: &State = wraps.state;
        state.is_withheld(&row.key) && state.commitment_of(&row.key) == Some(row.commitment)
    };
    let (mut sent, mut came): (Vec<(RowKey, SentBody)>, Vec<Row>) = (Vec::new(), Vec::new());
    for row in rows.iter().filter(is_missing) {
        let Some(body) = &row.body else {
            continue;
        };
        let place = Place::of(row);
        came.extend(wraps.row(&place, body));
        sent.push((row.key, wraps.sent(place, body, &Named::default())));
    }
    let fill = FillRows {
        feed: wraps.feed.clone(),
        rows: sent,
    };
    (fill, came)
}

/// Divides rows into as many as an entry may have.
fn parts(rows: Vec<ReceivedRow>) -> Vec<Vec<ReceivedRow>> {
    let (mut parts, mut part, mut bytes) = (Vec::new(), Vec::new(), 0_usize);
    for row in rows {
        let more = row.body.as_ref().map_or(0, |body| body.framed.bytes.len());
        if bytes.saturating_add(more) > IMPORT_BYTES_MAX && !part.is_empty() {
            parts.push(std::mem::take(&mut part));
            bytes = 0;
        }
        bytes = bytes.saturating_add(more);
        part.push(row);
    }
    parts.push(part);
    parts
}
