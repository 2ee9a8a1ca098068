//! Proposes one batch of changes, and finds where the feed stands then.

use std::sync::Arc;

use envelope::LinkKey;
use machine::{Command, Cursor, FeedId, RowKey, State, Uid};

use crate::follow::Following;
use crate::follow::lane::Batch;
use crate::follow::trouble::Trouble;
use crate::follow::verdict::{Verdict, judge};
use crate::follow::wraps::Wraps;
use crate::work;

/// What became of a batch.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) feed: FeedId,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    /// The feed stands there now; so many changes are in.
    At { cursor: Cursor, changes: usize },
    /// Nothing is known to have been written: a little later the same is proposed again.
    Again,
    /// It is of no use to propose it again.
    Trouble(Trouble),
}

/// Makes a batch ready, proposes it and waits for it.
pub(crate) async fn import(
    following: Arc<Following>,
    batch: Batch,
    link: Arc<LinkKey>,
) -> Imported {
    let feed = batch.feed.clone();
    let outcome = outcome(&following, batch, link).await;
    Imported { feed, outcome }
}

async fn outcome(following: &Arc<Following>, batch: Batch, link: Arc<LinkKey>) -> Outcome {
    let (feed, changes) = (batch.feed.clone(), batch.changes.len());
    let uids: Vec<Uid> = secrets(batch.changes.iter().map(|change| &change.key)).collect();
    let (view, context) = (following.view(), Arc::clone(&following.context));
    let made = work::run(move || {
        let wraps = Wraps {
            keys: context.options.keys.as_ref(),
            state: &view,
            own: &context.options.region,
            feed: &batch.feed,
            link: &link,
        };
        (wraps.import(&batch), wraps.shared_anew(&batch))
    });
    // The runtime stops; a panic has ended the process.
    let Ok((command, shared)) = made.await else {
        return Outcome::Again;
    };
    let answered = following
        .propose("import", Command::ImportChanges(command))
        .await;
    let (view, changes) = match judge(&feed, answered) {
        Verdict::Done(index) => (following.view_at(index).await, changes),
        Verdict::Reread => (following.read().await, 0),
        Verdict::Trouble(trouble) => return Outcome::Trouble(trouble),
        Verdict::Again | Verdict::Restage => return Outcome::Again,
    };
    following.touched.add(uids);
    following.touched.shared(shared);
    match view {
        Ok(view) => Outcome::At {
            cursor: cursor(&view, &feed),
            changes,
        },
        Err(_unavailable) => Outcome::Again,
    }
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
