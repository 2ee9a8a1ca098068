//! Which region is asked for which feed: whoever claims it by the highest ballot that was heard of.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::{Epoch, FeedId, RegionName, State};

use crate::follow::notes::Notes;
use crate::follow::trouble::Trouble;

/// What one region is to be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    /// The feeds to ask for.
    pub(crate) feeds: BTreeSet<FeedId>,
    /// Feeds that it leads as far as is known, and that are in trouble.
    pub(crate) blocked: BTreeSet<FeedId>,
}

/// Says which feeds each linked region is to be asked for, in the light of the ballots that were
/// heard of and of the notes on the regions. Each of them has an entry: a stream without feeds
/// still tells who lives and who leads.
pub(crate) fn plan<'n>(
    state: &State,
    claims: &[(FeedId, Epoch)],
    notes: impl Fn(&RegionName) -> Option<&'n Notes>,
    now: Duration,
) -> BTreeMap<RegionName, Asked> {
    let others = state.regions().map(|region| &region.name);
    let others = others.filter(|name| state.region().is_some_and(|own| own != *name));
    let regions: Vec<RegionName> = others.cloned().collect();
    let mut plan: BTreeMap<RegionName, Asked> = BTreeMap::new();
    for region in &regions {
        plan.insert(region.clone(), Asked::default());
    }
    for feed in feeds(state) {
        let blocked = |region: &RegionName| notes(region)?.blocked(&feed, now);
        let denies =
            |region: &RegionName| matches!(blocked(region), Some(Trouble::NotPrimary { .. }));
        for region in asked(state, claims, &regions, &feed, denies) {
            let is_blocked = blocked(region).is_some();
            let Some(asked) = plan.get_mut(region) else {
                continue;
            };
            let list = match is_blocked {
                true => &mut asked.blocked,
                false => &mut asked.feeds,
            };
            list.insert(feed.clone());
        }
    }
    plan
}

/// Every feed that there may be: the machine takes in no other.
fn feeds(state: &State) -> BTreeSet<FeedId> {
    let known = state.directory().map(|(_, region)| &region.name);
    let linked = state.regions().map(|region| &region.name);
    let names = known.chain(linked).chain(state.region()).cloned();
    let homes = names.map(FeedId::Home);
    homes.chain([FeedId::Root]).collect()
}

/// Finds whom to ask for a feed: who claims it by the highest ballot, else whose home feed it is.
/// Whoever was asked and says that it is not primary does not count, until it says otherwise: who
/// is it says with its ballots. The root feed is asked of all if nobody is left, what is led here
/// of nobody.
fn asked<'r>(
    state: &'r State,
    claims: &'r [(FeedId, Epoch)],
    regions: &'r [RegionName],
    feed: &'r FeedId,
    denies: impl Fn(&RegionName) -> bool,
) -> Vec<&'r RegionName> {
    let held = state.feed(feed).and_then(|held| held.state());
    let heard = claims.iter().filter(|(of, _)| of == feed);
    let heard = heard.map(|(_, epoch)| epoch);
    let mut ballots: Vec<&Epoch> = heard.chain(held.map(|held| &held.epoch)).collect();
    ballots.sort_unstable();
    let claiming = ballots.into_iter().rev().map(|epoch| &epoch.region);
    let home = match feed {
        FeedId::Home(home) => Some(home),
        FeedId::Root => None,
    };
    for region in claiming.chain(home) {
        // What others say of this region it knows better itself.
        match Some(region) == state.region() {
            true if state.is_primary(feed) => return Vec::new(),
            true => continue,
            false => {}
        }
        if regions.contains(region) && !denies(region) {
            return vec![region];
        }
    }
    match feed {
        FeedId::Root => regions.iter().collect(),
        FeedId::Home(_) => Vec::new(),
    }
}
