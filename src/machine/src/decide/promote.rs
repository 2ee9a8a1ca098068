//! Taking over the feeds of a region that is lost (R27), and giving way to one that has (R28).

use crate::answer::Outcome;
use crate::command::{FenceFeed, TakeOver};
use crate::decide::draft::Draft;
use crate::ids::Ordinal;
use crate::limits::BALLOT_STEP_MAX;
use crate::position::{Epoch, FeedId};
use crate::region::{TakenFeed, TakenOver};
use crate::rejection::Rejection;
use crate::row::{Fence, RowKey};

pub(super) fn take_over(draft: &mut Draft<'_>, take: &TakeOver) -> Result<Outcome, Rejection> {
    let state = draft.state;
    let own = state.region().cloned().ok_or(Rejection::NotFounded)?;
    let nothing = || Rejection::NothingToTakeOver(take.region.clone());
    let feeds = state.feeds().filter_map(|feed| feed.position());
    // A region that took over a feed of this one, and is lost before this one followed it, too.
    let mut lost: Vec<_> = feeds
        .filter(|last| state.leader_of(&last.feed) == Some(&take.region))
        .collect();
    lost.sort_by(|a, b| a.feed.cmp(&b.feed));
    if lost.is_empty() || take.region == own {
        return Err(nothing());
    }
    let (mut taken, mut left) = (Vec::new(), Vec::new());
    for last in lost {
        if !state.may_lead(&own, &last.feed) {
            left.push(last.feed);
            continue;
        }
        let fence = state.fence(&last.feed);
        let number = ballot(take, &last.feed, &last.epoch, fence);
        let epoch = Epoch {
            number,
            region: own.clone(),
        };
        let unknown = || Rejection::FeedNotFound(last.feed.clone());
        let begun = draft.begin_epoch(&last.feed, &epoch).ok_or_else(unknown)?;
        let uid = last.feed.uid();
        draft.feed_put(&last.feed, RowKey::Epoch(uid, Ordinal(number)), begun);
        if state.problem(&uid).is_some() {
            draft.delete(RowKey::Problem(uid));
        }
        if fence.is_some() {
            draft.delete(RowKey::Fence(uid));
        }
        taken.push(TakenFeed { last, epoch });
    }
    match left.first() {
        Some(feed) if taken.is_empty() => Err(Rejection::ScopeNeeded(feed.clone())),
        _ => Ok(Outcome::TakenOver(TakenOver { feeds: taken, left })),
    }
}

/// Finds the next ballot: higher than any heard of that is not out of all reach.
fn ballot(take: &TakeOver, feed: &FeedId, held: &Epoch, fence: Option<&Epoch>) -> u64 {
    let most = held.number.saturating_add(BALLOT_STEP_MAX);
    let heard = take.heard.iter().filter(|(of, _)| of == feed);
    let numbers = heard.map(|(_, epoch)| epoch.number);
    let highest = numbers.filter(|number| *number < most).max();
    let highest = highest.unwrap_or_default().max(held.number);
    // What this region gave way to it must not go below.
    let fenced = fence.map(|epoch| epoch.number).unwrap_or_default();
    highest.max(fenced).saturating_add(1)
}

/// Notes a ballot higher than this region's own. Whoever is named must be one that may lead.
pub(super) fn fence(draft: &mut Draft<'_>, fence: &FenceFeed) -> Result<Outcome, Rejection> {
    let state = draft.state;
    let (feed, epoch) = (&fence.feed, &fence.epoch);
    let held = state.feed(feed).and_then(|feed| feed.position());
    let held = held.ok_or_else(|| Rejection::FeedNotFound(feed.clone()))?;
    if !state.is_primary(feed) || state.region() == Some(&epoch.region) {
        return Ok(Outcome::None);
    }
    if state.linked(&epoch.region).is_none() {
        return Err(Rejection::RegionUnknown(epoch.region.clone()));
    }
    if !state.may_lead(&epoch.region, feed) {
        return Err(Rejection::ScopeNeeded(feed.clone()));
    }
    // Of two of one number the higher region's wins: both would go on otherwise (R28). The next
    // ballot must be in reach of all, for whoever takes over from that one.
    let most = held.epoch.number.saturating_add(BALLOT_STEP_MAX);
    let is_higher = *epoch > held.epoch && epoch.number < most;
    if !is_higher || state.fence(feed).is_some_and(|known| known >= epoch) {
        return Ok(Outcome::None);
    }
    let fence = Fence {
        feed: feed.clone(),
        epoch: epoch.clone(),
    };
    draft.put(RowKey::Fence(feed.uid()), &fence);
    Ok(Outcome::None)
}
