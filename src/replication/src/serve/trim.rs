//! Trimming: changes that all regions have are not kept (R5), but for the newest, from which those
//! who watch secrets go on. A region that was not heard since this node leads keeps all that the
//! machine keeps by itself.

use std::sync::Arc;

use consensus::{Role, View};
use machine::{Command, FeedId, RegionName, Revision, TrimFeed};
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::context::Context;
use crate::followers::Followers;
use crate::limits::{JOURNAL_KEPT, TRIM_CHANGES_MIN, TRIM_INTERVAL, TRIMS_MAX};

/// Runs until the node stops; acts while it leads.
pub(super) async fn run(context: Arc<Context>) {
    let stop = context.options.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = look(&context) => {}
    }
}

async fn look(context: &Context) {
    let mut looks = interval(TRIM_INTERVAL);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut leads_since: Option<(u64, Instant)> = None;
    loop {
        looks.tick().await;
        let view = context.options.consensus.local_view();
        context.followers.keep(|region| view.linked(region).is_some());
        let status = context.options.consensus.status();
        if status.role != Role::Leader {
            leads_since = None;
            continue;
        }
        let known = leads_since.filter(|(term, _)| *term == status.term);
        let (term, since) = known.unwrap_or_else(|| (status.term, Instant::now()));
        leads_since = Some((term, since));
        for feed in view.feeds().filter_map(|feed| feed.state()) {
            if context.leads(&view, &feed.feed).is_ok() {
                trim(context, &feed.feed, since).await;
            }
        }
    }
}

/// Trims a feed until enough is gone.
async fn trim(context: &Context, feed: &FeedId, since: Instant) {
    for _ in 0..TRIMS_MAX {
        let view = context.options.consensus.local_view();
        let Some(upto) = dispensable(&view, &context.followers, feed, since) else {
            return;
        };
        let feed = feed.clone();
        let command = Command::TrimFeed(TrimFeed { feed, upto });
        let trimmed = context.propose_as_task("trim", command).await;
        if !trimmed.is_ok_and(|committed| committed.answer.is_ok()) {
            tracing::debug!("did not trim a feed");
            return;
        }
    }
}

/// Finds the last change that nobody needs; none if too few are to go.
fn dispensable(
    view: &View,
    followers: &Followers,
    feed: &FeedId,
    since: Instant,
) -> Option<Revision> {
    let state = view.feed(feed)?.state()?;
    let own = view.region()?;
    let others: Vec<&RegionName> = view
        .regions()
        .map(|region| &region.name)
        .filter(|region| *region != own)
        .collect();
    if others.is_empty() {
        return None;
    }
    let has = |region: &&RegionName| {
        let follower = followers.of(region)?;
        let acknowledged = follower.feeds.get(feed)?;
        (acknowledged.at > since).then_some(acknowledged.cursor.revision)
    };
    let all: Option<Vec<Revision>> = others.iter().map(has).collect();
    let had_by_all = all?.into_iter().min()?;
    let kept = Revision(state.revision.0.saturating_sub(JOURNAL_KEPT));
    let upto = had_by_all.min(kept);
    let gone = (upto.0 + 1).saturating_sub(state.journal_first.0);
    (gone >= TRIM_CHANGES_MIN).then_some(upto)
}
