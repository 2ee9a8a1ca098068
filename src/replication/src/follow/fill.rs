//! The task that asks a region for the rows of its feeds that this one is to hold and has not: the
//! values of a secret that was shared later, and what could not be taken when it came (R22, R23).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use machine::{Command, FeedId, FillRows, ProblemKind, RowKey, SentBody};
use tokio::time::timeout;
use wire::replication::v1;

use crate::codec::{Malformed, ReceivedRow};
use crate::follow::Following;
use crate::follow::failed::{Failed, in_time};
use crate::follow::import::secrets;
use crate::follow::incoming::asked_for;
use crate::follow::key::StreamKey;
use crate::follow::line::Line;
use crate::follow::needs::{Pass, values};
use crate::follow::touched::List;
use crate::follow::wraps::{Named, Place, Wraps};
use crate::limits::{FETCH_TIME_MAX, FILL_INTERVAL, FILL_ROUNDS_MAX, FILL_ROWS_MAX};
use crate::work;

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, line: Arc<Line>) {
    let (mut passes, mut has_more) = (BTreeMap::new(), false);
    loop {
        if !has_more {
            let _ = timeout(FILL_INTERVAL, line.lacking.wait()).await;
        }
        has_more = false;
        let (list, asked) = (line.lacking.take(), line.asked.borrow().clone());
        passes.retain(|feed, _| asked.contains(feed));
        for feed in asked {
            let pass: &mut Pass = passes.entry(feed.clone()).or_default();
            match fill(&following, &line, &feed, &list, pass).await {
                Ok(is_over) => has_more |= !is_over,
                Err(failed) => {
                    let region = &line.region;
                    tracing::warn!(%region, %feed, %failed, "missing rows could not be had");
                    following.progress.failed(region, &failed);
                    pass.pause(following.now());
                }
            }
        }
    }
}

/// Asks for what is missing of a feed, so much in its turn: first for the values of what was shared
/// just now. Says whether there is nothing more to ask for now.
async fn fill(
    following: &Arc<Following>,
    line: &Line,
    feed: &FeedId,
    list: &List,
    pass: &mut Pass,
) -> Result<bool, Failed> {
    if list.is_all {
        pass.restart(following.now());
    }
    let shared: Vec<RowKey> = values(&following.view(), feed, list.uids.iter()).collect();
    for keys in shared.chunks(FILL_ROWS_MAX) {
        ask(following, line, feed, keys).await?;
    }
    for _ in 0..FILL_ROUNDS_MAX {
        if !pass.is_due(following.now()) {
            return Ok(true);
        }
        let (view, of, now) = (following.view(), feed.clone(), following.now());
        let mut own = std::mem::take(pass);
        // Where much is withheld, all of it is walked over.
        let found = work::run(move || {
            let keys = own.next(&view, &of, now);
            (own, keys)
        });
        let (own, keys) = found.await.map_err(Failed::lost)?;
        *pass = own;
        if keys.is_empty() {
            continue;
        }
        ask(following, line, feed, &keys).await?;
        pass.asked(&following.view(), &keys);
    }
    Ok(false)
}

/// Asks for rows by their keys, and proposes those that come.
pub(crate) async fn ask(
    following: &Arc<Following>,
    line: &Line,
    feed: &FeedId,
    keys: &[RowKey],
) -> Result<(), Failed> {
    // However many messages come, there is an end to them.
    let asked = timeout(FETCH_TIME_MAX, ask_for(following, line, feed, keys)).await;
    asked.map_err(|_late| Failed::lost("the rows did not come in time"))?
}

async fn ask_for(
    following: &Arc<Following>,
    line: &Line,
    feed: &FeedId,
    keys: &[RowKey],
) -> Result<(), Failed> {
    let (mut client, offer) = line.exchange(&following.context).await?;
    let request = v1::FetchRowsRequest {
        origin: Some(following.context.origin(&following.view())),
        stream: offer.stream(),
        public_key: offer.public_key(),
        feed: feed.to_string(),
        keys: keys.iter().map(|key| key.encode().into()).collect(),
    };
    let mut answers = in_time(client.fetch_rows(request)).await?.into_inner();
    let (mut offer, mut key) = (Some(offer), None);
    let mut wanted: BTreeSet<RowKey> = keys.iter().copied().collect();
    let unreadable = Failed::unreadable(feed);
    while let Some(answer) = in_time(answers.message()).await? {
        if let Some(offer) = offer.take() {
            key = Some(offer.accept(&answer.encapsulated).map_err(Failed::lost)?);
        }
        let key = key.as_ref().ok_or(Malformed::Missing("encapsulated"));
        let key = key.map_err(&unreadable)?;
        let rows = asked_for(&mut wanted, answer.rows).map_err(&unreadable)?;
        take(following, feed, rows, key).await?;
    }
    Ok(())
}

/// Proposes rows that came, until they are in the log.
async fn take(
    following: &Arc<Following>,
    feed: &FeedId,
    rows: Vec<ReceivedRow>,
    key: &Arc<StreamKey>,
) -> Result<(), Failed> {
    let ready = following.ready(feed, key, move |wraps| {
        let taken = rows.iter().filter_map(|row| taken(wraps, row));
        taken.collect::<Vec<_>>()
    });
    let rows = ready.await?;
    if rows.is_empty() {
        return Ok(());
    }
    let uids: Vec<_> = secrets(rows.iter().map(|(key, _)| key)).collect();
    let command = Command::FillRows(FillRows {
        feed: feed.clone(),
        rows,
    });
    // What is here already is passed over: what is not is asked for again.
    following.settle("fill", feed, command).await?;
    following.touched.add(uids);
    Ok(())
}

/// Makes a row ready. None of one that is not what is missing, as when it was written again on its
/// way, and of one that would only be refused again for the reason that is known.
fn taken(wraps: &Wraps<'_>, row: &ReceivedRow) -> Option<(RowKey, SentBody)> {
    let (state, body) = (wraps.state, row.body.as_ref()?);
    let is_wanted = state.is_withheld(&row.key) || state.lacks_root_wrap(&row.key);
    if !is_wanted || state.commitment_of(&row.key) != Some(row.commitment) {
        return None;
    }
    let place = Place::of(row);
    let is_sound = wraps.row(&place, body).is_some();
    let sent = wraps.sent(place, body, &Named::default());
    let is_known = state.problem(&row.key.uid()).is_some_and(|known| {
        let is_of_key = !sent.problem.is_empty() && known.message == sent.problem;
        is_of_key || (!is_sound && known.kind == ProblemKind::Malformed)
    });
    (!is_known).then_some((row.key, sent))
}
