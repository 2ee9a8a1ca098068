//! How far this region is behind the primaries it follows.

use std::time::Duration;

use machine::{Cursor, FeedId, RegionName, State};

use crate::follow::is_led_elsewhere;
use crate::follow::staleness::Staleness;
use crate::heard::Heard;

/// How far one feed is behind its primary, as this node knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lag {
    /// The feed.
    pub feed: FeedId,
    /// Its primary, by this region's table.
    pub primary: RegionName,
    /// Where it stands here.
    pub here: Cursor,
    /// Where its primary last said it stands; none if it never did.
    pub announced: Option<Cursor>,
    /// Changes that are known to be missing here; none if nothing was announced in the same epoch.
    pub changes: Option<u64>,
    /// How old what is here can be at most (R32); none if it was never confirmed.
    pub age: Option<Duration>,
}

/// Finds how far each feed is behind that another region leads.
pub(crate) fn lags(state: &State, heard: &Heard, staleness: &Staleness) -> Vec<Lag> {
    let feeds = state.feeds().filter_map(|held| {
        let stands = held.state()?;
        let feed = &stands.feed;
        if !is_led_elsewhere(state, feed) {
            return None;
        }
        let here = held.cursor();
        let announced = heard.announced(feed).map(|announced| announced.cursor);
        let same = announced.as_ref().filter(|at| at.epoch == here.epoch);
        let changes = same.map(|at| at.revision.0.saturating_sub(here.revision.0));
        Some(Lag {
            feed: feed.clone(),
            primary: stands.epoch.region.clone(),
            age: staleness.age(feed),
            here,
            announced,
            changes,
        })
    });
    feeds.collect()
}
