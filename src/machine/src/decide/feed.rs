//! Keeping feeds: checkpoints and journals.

use crate::answer::Outcome;
use crate::command::{Checkpoint, TrimFeed};
use crate::decide::draft::Draft;
use crate::decide::writable;
use crate::ids::Revision;
use crate::rejection::Rejection;
use crate::row::{FeedCheckpoint, RowKey};

/// Writes what a follower must have computed when it gets here (R4). A feed that did not move since
/// its last checkpoint needs no other.
pub(super) fn checkpoint(
    draft: &mut Draft<'_>,
    checkpoint: &Checkpoint,
) -> Result<Outcome, Rejection> {
    let unknown = || Rejection::FeedNotFound(checkpoint.feed.clone());
    let feed = draft.state.feed(&checkpoint.feed).ok_or_else(unknown)?;
    writable(draft.state, &checkpoint.feed)?;
    let last = feed
        .checkpoint()
        .map(|last| Revision(last.revision.0.saturating_add(1)));
    if last == Some(feed.revision()) {
        return Ok(Outcome::None);
    }
    let (revision, chain, feed_hash) = (feed.revision(), feed.chain(), feed.hash());
    let body = FeedCheckpoint {
        revision,
        chain,
        feed_hash,
    };
    let key = RowKey::Checkpoint(checkpoint.feed.uid());
    draft
        .feed_put(&checkpoint.feed, key, body)
        .ok_or_else(unknown)?;
    Ok(Outcome::None)
}

/// Drops the oldest journal rows (R5).
pub(super) fn trim(draft: &mut Draft<'_>, trim: &TrimFeed) -> Result<Outcome, Rejection> {
    if draft.state.feed(&trim.feed).is_none() {
        return Err(Rejection::FeedNotFound(trim.feed.clone()));
    }
    draft.trim(&trim.feed, trim.upto);
    Ok(Outcome::None)
}
