//! Trimming: changes that all regions have are not kept (R5), but for the newest, from which those
//! who watch secrets go on. A region that was not heard since this node leads keeps all that the
//! machine keeps by itself.

use std::sync::Arc;

use consensus::Role;
use machine::{Command, FeedId, RegionName, Revision, State, TrimFeed};
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
        context
            .followers
            .keep(|region| view.linked(region).is_some());
        let status = context.options.consensus.status();
        if status.role != Role::Leader {
            leads_since = None;
            continue;
        }
        let known = leads_since.filter(|(term, _)| *term == status.term);
        let (term, since) = known.unwrap_or_else(|| (status.term, Instant::now()));
        leads_since = Some((term, since));
        let feeds = view.epochs().map(|(feed, _)| feed.clone());
        let led = feeds.filter(|feed| context.leads(&view, feed).is_ok());
        let led: Vec<FeedId> = led.collect();
        drop(view);
        for feed in led {
            trim(context, &feed, since).await;
        }
    }
}

/// Trims a feed until enough is gone.
async fn trim(context: &Context, feed: &FeedId, since: Instant) {
    for _ in 0..TRIMS_MAX {
        let view = context.options.consensus.local_view();
        let followers = &context.followers;
        let Some(upto) = dispensable(&view, followers, feed, since, JOURNAL_KEPT) else {
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

/// Finds the last change that nobody needs, the newest `kept` aside; none if too few are to go.
fn dispensable(
    state: &State,
    followers: &Followers,
    feed: &FeedId,
    since: Instant,
    kept: u64,
) -> Option<Revision> {
    let held = state.feed(feed)?.state()?;
    let own = state.region()?;
    let others: Vec<&RegionName> = state
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
    let before_kept = Revision(held.revision.0.saturating_sub(kept));
    let upto = had_by_all.min(before_kept);
    let next = upto.0.saturating_add(1);
    let gone = next.saturating_sub(held.journal_first.0);
    (gone >= TRIM_CHANGES_MIN).then_some(upto)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use machine::Scope;

    use super::*;
    use crate::kit::{Kingdom, name, start};

    fn at(revision: u64) -> machine::Cursor {
        machine::Cursor {
            revision: Revision(revision),
            ..start()
        }
    }

    #[test]
    fn only_what_all_linked_regions_have_is_dispensable() {
        let mut north = Kingdom::founder();
        // Two changes each.
        (0..=255).for_each(|number| {
            north.create(number, Vec::new());
        });
        let home = north.state.home().unwrap();
        let followers = Followers::default();
        let now = Instant::now();
        let (since, later) = (now - Duration::from_secs(1), now + Duration::from_secs(60));
        let find =
            |north: &Kingdom, kept| dispensable(&north.state, &followers, &home, since, kept);
        assert_eq!(
            find(&north, 0),
            None,
            "nobody follows: the machine's bounds are enough"
        );
        north.link("eu-west-1", Scope::Selected);
        north.link("eu-south-1", Scope::Selected);
        followers.acknowledge(&name("eu-west-1"), vec![(home.clone(), at(450))]);
        assert_eq!(find(&north, 0), None, "one was not heard yet");
        followers.acknowledge(&name("eu-south-1"), vec![(home.clone(), at(400))]);
        assert_eq!(find(&north, 0), Some(Revision(400)));
        let end = north.stands(&home).revision.0;
        assert_eq!(
            find(&north, 200),
            Some(Revision(end - 200)),
            "the newest stay, whoever has them"
        );
        assert_eq!(find(&north, 300), None, "too few for an entry");
        let heard = dispensable(&north.state, &followers, &home, later, 0);
        assert_eq!(
            heard, None,
            "what was said to another leader's time does not count"
        );
    }
}
