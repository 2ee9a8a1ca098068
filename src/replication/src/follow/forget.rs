//! The task that forgets what is kept of snapshots that nobody fetches any more: of feeds that are
//! led here by now, and of those that have not got on for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use machine::{Epoch, FeedId, Hash, Revision, State};
use tokio::time::sleep;

use crate::follow::Following;
use crate::follow::kept::forget_all;
use crate::follow::supervisor::Lines;
use crate::limits::{FORGET_INTERVAL, STAGED_AGE_MAX};

/// How far a snapshot is, and since when.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    at: (Epoch, Revision, Hash, u64),
    since: Duration,
}

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, lines: Lines) {
    let mut seen = BTreeMap::new();
    loop {
        sleep(FORGET_INTERVAL).await;
        let lines = lines.borrow().clone();
        let is_fetched = |feed: &FeedId| {
            let mut lines = lines.values();
            lines.any(|line| line.notes().trimmed().contains(feed))
        };
        let view = following.view();
        for feed in abandoned(&view, &mut seen, is_fetched, following.now()) {
            match forget_all(&following, &feed).await {
                Ok(()) => tracing::info!(%feed, "what was kept of a snapshot is forgotten"),
                Err(error) => tracing::warn!(%feed, ?error, "a snapshot is not forgotten yet"),
            }
        }
    }
}

/// Finds the feeds of whose snapshots nothing needs to be kept.
pub(super) fn abandoned(
    state: &State,
    seen: &mut BTreeMap<FeedId, Seen>,
    is_fetched: impl Fn(&FeedId) -> bool,
    now: Duration,
) -> Vec<FeedId> {
    let staging = state.feeds().filter_map(|feed| feed.staging());
    let staging: BTreeMap<FeedId, (Epoch, Revision, Hash, u64)> = staging
        .map(|kept| {
            let at = (kept.epoch.clone(), kept.revision, kept.chain, kept.rows);
            (kept.feed.clone(), at)
        })
        .collect();
    seen.retain(|feed, _| staging.contains_key(feed));
    let mut abandoned = Vec::new();
    for (feed, at) in staging {
        // One of which a part is forgotten is of no use to anybody.
        let is_broken = at.2 == Hash::ZERO;
        let known = seen.get(&feed).filter(|known| known.at == at);
        let since = known.map_or(now, |known| known.since);
        let is_old = now.saturating_sub(since) >= STAGED_AGE_MAX;
        let is_idle = !is_fetched(&feed);
        if state.is_primary(&feed) || (is_idle && (is_broken || is_old)) {
            abandoned.push(feed.clone());
        }
        seen.insert(feed, Seen { at, since });
    }
    abandoned
}
