//! Proposes one batch of changes, and finds where the feed stands then.

use std::sync::Arc;

use machine::{Command, Cursor, FeedId, Flaw, RowKey, State, Uid};

use crate::follow::Following;
use crate::follow::failed::Failed;
use crate::follow::key::StreamKey;
use crate::follow::lane::Batch;
use crate::follow::line::Line;
use crate::follow::trouble::Trouble;
use crate::follow::verdict::Settled;

/// What became of a batch.
pub(crate) struct Imported {
    pub(crate) feed: FeedId,
    /// Where the feed stands now, and how many changes were proposed and are in for certain.
    pub(crate) outcome: Result<(Cursor, usize), Failed>,
}

/// Makes a batch ready, proposes it and waits until it is known what became of it.
pub(crate) async fn import(
    following: Arc<Following>,
    line: Arc<Line>,
    batch: Batch,
    key: Arc<StreamKey>,
) -> Imported {
    let feed = batch.feed.clone();
    let outcome = outcome(&following, &line, batch, &key).await;
    Imported { feed, outcome }
}

async fn outcome(
    following: &Arc<Following>,
    line: &Line,
    batch: Batch,
    key: &Arc<StreamKey>,
) -> Result<(Cursor, usize), Failed> {
    let (feed, changes) = (batch.feed.clone(), batch.changes.len());
    let uids: Vec<Uid> = secrets(batch.changes.iter().map(|change| &change.key)).collect();
    let made = following.ready(&feed, key, move |wraps| {
        let made = (wraps.import(&batch), wraps.shared_anew(&batch));
        (made, wraps.spoilt(&batch))
    });
    let ((command, shared), spoilt) = made.await?;
    if let Some(at) = spoilt
        && following.doubts.refuse(&feed, at, following.now())
    {
        let flaw = Flaw::Commitment;
        return Err(Trouble::Broken { feed, at, flaw }.into());
    }
    // If the stream ends meanwhile, it may be written all the same.
    following.touched.shared(&shared);
    let command = Command::ImportChanges(command);
    let settled = following.settle("import", &feed, command).await?;
    following.touched.add(uids);
    following.touched.shared(&shared);
    line.lacking.shared(&shared);
    Ok(match settled {
        Settled::Done(view) => (cursor(&view, &feed), changes),
        Settled::Unclear(view) => (cursor(&view, &feed), 0),
    })
}

/// Where a feed stands; before its first change of a feed that is not here.
pub(crate) fn cursor(state: &State, feed: &FeedId) -> Cursor {
    let start = Cursor {
        epoch: None,
        revision: machine::Revision(0),
        chain: machine::Hash::ZERO,
    };
    state.feed(feed).map_or(start, |held| held.cursor())
}

/// The secrets that rows belong to.
pub(crate) fn secrets<'k>(keys: impl Iterator<Item = &'k RowKey>) -> impl Iterator<Item = Uid> {
    keys.filter_map(|key| match key {
        RowKey::Secret(uid) | RowKey::Version(uid, _) => Some(*uid),
        _ => None,
    })
}
