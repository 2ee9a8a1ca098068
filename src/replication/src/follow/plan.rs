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
///
/// A feed has one region that is asked. One that is not known here at all is asked of the region
/// whose home feed it is, and of those that say they lead it; the root feed of all until one does.
pub(crate) fn plan<'n>(
    state: &State,
    claims: &[(FeedId, Epoch)],
    notes: impl Fn(&RegionName) -> Option<&'n Notes>,
    now: Duration,
) -> BTreeMap<RegionName, Asked> {
    let mut plan = BTreeMap::new();
    let Some(own) = state.region() else {
        return plan;
    };
    for region in state.regions().filter(|region| region.name != *own) {
        plan.insert(region.name.clone(), Asked::default());
    }
    let regions: Vec<RegionName> = plan.keys().cloned().collect();
    for feed in feeds(state) {
        let asked = match leader(state, claims, &regions, &feed, &notes, now) {
            Leader::Here => continue,
            Leader::Region(region) => vec![region],
            Leader::Unknown => strangers(&regions, &feed, &notes),
        };
        for region in asked {
            let is_blocked = notes(&region).is_some_and(|of| of.blocked(&feed, now).is_some());
            if let Some(Asked { feeds, blocked }) = plan.get_mut(&region) {
                let list = if is_blocked { blocked } else { feeds };
                list.insert(feed.clone());
            }
        }
    }
    plan
}

enum Leader {
    Here,
    Region(RegionName),
    Unknown,
}

/// Every feed that there may be: the machine takes in no other.
fn feeds(state: &State) -> BTreeSet<FeedId> {
    let known = state.directory().map(|(_, region)| &region.name);
    let linked = state.regions().map(|region| &region.name);
    let names = known.chain(linked).chain(state.region()).cloned();
    let homes = names.map(FeedId::Home);
    homes.chain([FeedId::Root]).collect()
}

/// Finds who claims a feed by the highest ballot. Whoever was asked and says that it is not primary
/// does not count, until it says otherwise.
fn leader<'n>(
    state: &State,
    claims: &[(FeedId, Epoch)],
    regions: &[RegionName],
    feed: &FeedId,
    notes: &impl Fn(&RegionName) -> Option<&'n Notes>,
    now: Duration,
) -> Leader {
    let held = state.feed(feed).and_then(|held| held.state());
    let held = held.map(|held| &held.epoch);
    let heard = claims.iter().filter(|(of, _)| of == feed);
    let mut claimed: Vec<&Epoch> = heard.map(|(_, epoch)| epoch).chain(held).collect();
    claimed.sort_unstable();
    let is_known = !claimed.is_empty();
    let denies = |region: &RegionName| {
        let blocked = notes(region).and_then(|notes| notes.blocked(feed, now));
        matches!(blocked, Some(Trouble::NotPrimary { .. }))
    };
    let candidates = claimed.into_iter().rev().map(|epoch| &epoch.region);
    let hinted = regions
        .iter()
        .filter_map(|region| notes(region)?.hinted(feed));
    for region in candidates.chain(hinted) {
        if Some(region) == state.region() {
            // What others say of this region it knows better itself.
            match state.is_primary(feed) {
                true => return Leader::Here,
                false => continue,
            }
        }
        if regions.contains(region) && !denies(region) {
            return Leader::Region(region.clone());
        }
    }
    match is_known {
        // Whoever led it is gone, or denies it: there is nobody to be asked until one says so.
        true => said(regions, feed, notes, denies).map_or(Leader::Unknown, Leader::Region),
        false => Leader::Unknown,
    }
}

fn said<'n>(
    regions: &[RegionName],
    feed: &FeedId,
    notes: &impl Fn(&RegionName) -> Option<&'n Notes>,
    denies: impl Fn(&RegionName) -> bool,
) -> Option<RegionName> {
    let mut leading = regions.iter().filter(|region| {
        let says_so = notes(region).is_some_and(|notes| notes.leads(feed));
        says_so && !denies(region)
    });
    leading.next().cloned()
}

/// Whom to ask for a feed that nobody leads as far as is known here.
fn strangers<'n>(
    regions: &[RegionName],
    feed: &FeedId,
    notes: &impl Fn(&RegionName) -> Option<&'n Notes>,
) -> Vec<RegionName> {
    let says_so = |region: &RegionName| notes(region).is_some_and(|notes| notes.leads(feed));
    let is_told = regions.iter().any(says_so);
    let is_home = |region: &RegionName| matches!(feed, FeedId::Home(home) if home == region);
    let is_asked = |region: &&RegionName| {
        says_so(region) || is_home(region) || (*feed == FeedId::Root && !is_told)
    };
    regions.iter().filter(is_asked).cloned().collect()
}
