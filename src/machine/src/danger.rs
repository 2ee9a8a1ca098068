//! What a build would do that is broken on purpose: tests show with it that they would notice.
//! Nothing but such a build calls it.

use std::sync::Arc;

use crate::answer::Applied;
use crate::change::Change;
use crate::codec::Body as _;
use crate::command::{Command, Cursor};
use crate::decide::decide;
use crate::entry::Entry;
use crate::ids::LogIndex;
use crate::position::FeedId;
use crate::row::{FeedState, Kept, RowKey};
use crate::state::State;
use crate::{apply, evolved};

/// Applies an entry without the check that what it brings of another region's feed follows on where
/// the feed stands here.
pub fn danger_apply_wherever_it_stands(
    state: &mut State,
    index: LogIndex,
    entry: &Entry,
) -> Applied {
    let Command::ImportChanges(import) = &entry.command else {
        return apply(state, index, entry);
    };
    let mut elsewhere = state.clone();
    stand(&mut elsewhere, &import.feed, &import.after);
    let decided = decide(&elsewhere, index, entry);
    evolved(state, decided)
}

/// Puts a feed that is held where an entry says it stands.
fn stand(state: &mut State, feed: &FeedId, at: &Cursor) {
    let held = state.feed(feed).and_then(|held| held.state());
    let Some((held, epoch)) = held.zip(at.epoch.as_ref()) else {
        return;
    };
    let moved = FeedState {
        epoch: epoch.clone(),
        revision: at.revision,
        chain: at.chain,
        ..held.clone()
    };
    let kept = Arc::new(Kept::local(&moved));
    state.evolve(&Change {
        key: RowKey::Feed(feed.uid()),
        row: Some(FeedState::into_row(kept)),
        header: None,
    });
}
