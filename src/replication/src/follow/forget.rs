//! The task that forgets what is kept of snapshots that nobody fetches any more: of feeds that are
//! led here by now, and of those that have not got on for long.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use machine::{FeedId, Staging, State};
use tokio::time::sleep;

use crate::follow::Following;
use crate::follow::kept::forget_all;
use crate::follow::supervisor::Lines;
use crate::limits::{FORGET_INTERVAL, STAGED_AGE_MAX};

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, lines: Lines) {
    let mut seen = BTreeMap::new();
    loop {
        sleep(FORGET_INTERVAL).await;
        let lines = lines.borrow().clone();
        let is_fetched = |feed: &FeedId| {
            let mut lines = lines.values();
            lines.any(|line| line.notes().is_trimmed(feed))
        };
        let view = following.view();
        for feed in abandoned(&view, &mut seen, is_fetched, following.now()) {
            match forget_all(&following, &feed).await {
                Ok(()) => tracing::info!(%feed, "what was kept of a snapshot is forgotten"),
                Err(error) => tracing::warn!(%feed, %error, "a snapshot is not forgotten yet"),
            }
        }
    }
}

/// How much is kept of each snapshot, and since when.
pub(super) type Seen = BTreeMap<FeedId, (Staging, Duration)>;

/// Finds the feeds of whose snapshots nothing needs to be kept.
pub(super) fn abandoned(
    state: &State,
    seen: &mut Seen,
    is_fetched: impl Fn(&FeedId) -> bool,
    now: Duration,
) -> Vec<FeedId> {
    let staging = state.feeds().filter_map(|feed| feed.staging()).cloned();
    let kept = staging.map(|kept| {
        let known = seen.get(&kept.feed).filter(|(known, _)| *known == kept);
        let since = known.map_or(now, |(_, since)| *since);
        (kept.feed.clone(), (kept, since))
    });
    *seen = kept.collect();
    let is_abandoned = |(feed, (kept, since)): &(&FeedId, &(Staging, Duration))| {
        // One of which a part is forgotten is of no use to anybody.
        let is_broken = kept.is_broken();
        let is_old = now.saturating_sub(*since) >= STAGED_AGE_MAX;
        state.is_primary(feed) || ((is_broken || is_old) && !is_fetched(feed))
    };
    let abandoned = seen.iter().filter(is_abandoned);
    abandoned.map(|(feed, _)| feed.clone()).collect()
}
