//! Taking over the feeds of a lost region (R27): ask everybody, then write the next ballots.
//!
//! The ballots must be higher than any that somebody has heard of, so all linked regions are asked
//! first, for as long as it takes them to answer but no longer than 300 ms. What they answer also
//! says what this region may be missing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Proposal, Unavailable, View};
use machine::limits::BALLOT_STEP_MAX;
use machine::{
    Audit, Command, Epoch, FeedId, Outcome, Position, RegionName, Rejection, RowKey, TakeOver,
    TakenFeed, Uid,
};
use thiserror::Error;
use tokio::time::Instant;

use crate::context::Context;
use crate::promote::asked::{Answer, Answers, ask_all};
use crate::work;

mod asked;

/// What a promotion did, and what may be missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromoteReport {
    /// The feeds that this region is primary of now.
    pub feeds: Vec<PromotedFeed>,
    /// Feeds of the lost region that only a region which receives everything may lead.
    pub left: Vec<FeedId>,
    /// Regions that did not answer in time; the lost one among them unless it did.
    pub unreached: Vec<RegionName>,
    /// From the call to the entry that was committed.
    pub took: Duration,
}

/// What became of one feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PromotedFeed {
    /// The feed.
    pub feed: FeedId,
    /// Where it stood.
    pub last: Position,
    /// The new epoch.
    pub epoch: Epoch,
    /// Changes that the lost region announced and that are not here.
    pub missing: u64,
    /// How long before the promotion this node sent the last question that the lost region
    /// answered: what that acknowledged since then and did not announce is missing too, and nobody
    /// here knows how much. None if it never answered one.
    pub unheard: Option<Duration>,
    /// The region that has most of the feed beyond what is here, of those that answered.
    pub further: Option<Further>,
    /// Secrets of the feed of which this region has no body.
    pub withheld_secrets: u64,
}

/// A region that has more of a feed than this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Further {
    /// The region.
    pub region: RegionName,
    /// How many changes more it has.
    pub changes: u64,
}

/// Why a region was not promoted.
#[derive(Debug, Clone, Error)]
pub enum PromoteError {
    /// The region that is said to be lost is this one.
    #[error("region {0} can't take over its own feeds")]
    OwnRegion(RegionName),
    /// The region that is said to be lost answers, and leads.
    #[error(
        "region {region} answers and leads {} of its feeds; promote with force (--force) if it is \
         to be cut off all the same", leads.len()
    )]
    LostAnswers {
        /// The region.
        region: RegionName,
        /// The feeds that a quorum of it confirmed.
        leads: Vec<FeedId>,
    },
    /// There was no quorum here, or no leader. [`Unavailable::is_safe_to_retry`] says whether
    /// anything can have been written; a retry of what was is refused, or changes nothing.
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    /// The machine refused: nothing was written.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

pub(crate) async fn promote(
    context: &Arc<Context>,
    lost: &RegionName,
    force: bool,
    audit: Audit,
    deadline: Instant,
) -> Result<PromoteReport, PromoteError> {
    let began = Instant::now();
    let options = &context.options;
    if *lost == options.region {
        return Err(PromoteError::OwnRegion(lost.clone()));
    }
    let view = options.consensus.local_view();
    let answers = ask_all(context, &view, lost).await;
    if let Some(leads) = answers.leads(lost).filter(|_| !force) {
        let region = lost.clone();
        return Err(PromoteError::LostAnswers { region, leads });
    }
    // What was linked meanwhile counts as well.
    let view = options.consensus.local_view();
    for (region, answer) in answers.of_all() {
        note(context, &view, region, lost, answer);
    }
    let take = TakeOver {
        region: lost.clone(),
        heard: heard(context, &view, &answers),
    };
    let proposal = Proposal {
        command: Command::TakeOver(take),
        audit,
        deadline,
    };
    let committed = options.consensus.propose(proposal).await?;
    let (at, took) = (Instant::now(), began.elapsed());
    let Outcome::TakenOver(taken) = committed.answer? else {
        return Err(Unavailable::OutcomeUnknown.into());
    };
    let withheld = withheld(options.consensus.local_view()).await;
    let feeds = taken.feeds.into_iter();
    let feeds = feeds.map(|feed| described(context, lost, &answers, &withheld, at, feed));
    Ok(PromoteReport {
        feeds: feeds.collect(),
        left: taken.left,
        unreached: answers.unreached().to_vec(),
        took,
    })
}

/// Takes note of what a region answered: the ballots it knows of, and if it is the lost one, where
/// the feeds stand that it leads as far as is known.
fn note(context: &Context, view: &View, region: &RegionName, lost: &RegionName, answer: &Answer) {
    context.options.epochs.hear(view, &answer.claims);
    if region == lost {
        let led = answer.feeds.iter();
        for (feed, cursor) in led.filter(|(feed, _)| view.leader_of(feed) == Some(lost)) {
            context.heard.announce(region, feed, cursor, None);
        }
    }
}

/// The highest ballot that is known of each feed. Ballots of this region's own name count as well:
/// it may have been restored from before it made them.
fn heard(context: &Context, view: &View, answers: &Answers) -> Vec<(FeedId, Epoch)> {
    let mut highest: BTreeMap<FeedId, Epoch> = BTreeMap::new();
    let known = context.options.epochs.claims(view);
    let told = answers.of_all().flat_map(|(_, answer)| &answer.claims);
    for (feed, epoch) in known.iter().chain(told) {
        let held = view.feed(feed).and_then(|feed| feed.position());
        let is_reachable = held.is_some_and(|held| {
            // A ballot out of all reach would hide those that count.
            epoch.number < held.epoch.number.saturating_add(BALLOT_STEP_MAX)
        });
        let is_higher = highest.get(feed).is_none_or(|known| known < epoch);
        if is_reachable && is_higher {
            highest.insert(feed.clone(), epoch.clone());
        }
    }
    highest.into_iter().collect()
}

fn described(
    context: &Context,
    lost: &RegionName,
    answers: &Answers,
    withheld: &BTreeMap<FeedId, u64>,
    at: Instant,
    taken: TakenFeed,
) -> PromotedFeed {
    let TakenFeed { last, epoch } = taken;
    let feed = last.feed.clone();
    let announced = context.heard.announced(&feed);
    // What it wrote in an epoch that did not come here continues what is common to both, and that
    // is no more than is here.
    let announced = announced
        .filter(|said| said.by == *lost && said.cursor.epoch.as_ref() >= Some(&last.epoch));
    let missing = announced.as_ref().map_or(0, |said| {
        said.cursor.revision.0.saturating_sub(last.revision.0)
    });
    let complete = announced.and_then(|said| said.complete);
    PromotedFeed {
        missing,
        unheard: complete.map(|complete| at.saturating_duration_since(complete)),
        further: further(answers, lost, &last),
        withheld_secrets: withheld.get(&feed).copied().unwrap_or(0),
        feed,
        last,
        epoch,
    }
}

/// Finds the region, other than the lost one, that has most of a feed beyond a position.
fn further(answers: &Answers, lost: &RegionName, last: &Position) -> Option<Further> {
    let others = answers.of_all().filter(|(region, _)| *region != lost);
    let places = others.flat_map(|(region, answer)| {
        let of_feed = answer.feeds.iter().filter(|(feed, _)| *feed == last.feed);
        of_feed.map(move |(_, cursor)| (region, cursor))
    });
    let beyond = places
        .filter(|(_, cursor)| cursor.epoch.as_ref() == Some(&last.epoch))
        .map(|(region, cursor)| (region, cursor.revision.0.saturating_sub(last.revision.0)))
        .filter(|(_, changes)| *changes > 0);
    let (region, changes) = beyond.max_by_key(|(_, changes)| *changes)?;
    Some(Further {
        region: region.clone(),
        changes,
    })
}

/// Counts the secrets whose bodies are not here, by feed. It walks over them.
async fn withheld(view: View) -> BTreeMap<FeedId, u64> {
    let counted = work::run(move || {
        let mut counts = BTreeMap::new();
        let first = RowKey::Secret(Uid([0; 16]));
        let rows = view.withheld_from(&first);
        for (_, feed) in rows.take_while(|(key, _)| matches!(key, RowKey::Secret(_))) {
            *counts.entry(feed.clone()).or_insert(0) += 1;
        }
        counts
    });
    counted.await.unwrap_or_default()
}
