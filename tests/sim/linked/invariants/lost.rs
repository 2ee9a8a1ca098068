//! R27: a promotion says where it went on, and what may be missing: each acknowledged write that it
//! lost is among the changes it counts as missing, or younger than the last word of the lost
//! region.

use std::time::Duration;

use machine::{Position, RegionName, Revision};
use replication::{PromoteReport, PromotedFeed};

use crate::chronicle::Chronicle;
use crate::history::Operation;
use crate::violation::{Violation, violation};

pub const NAME: &str = "R27 a promotion tells what may be lost";

/// How late the simulation may see an answer.
const SEEN_LATE: Duration = Duration::from_millis(10);

/// A promotion that was answered.
#[derive(Debug)]
#[expect(dead_code, reason = "who promoted is for whoever reads a violation")]
pub struct Promotion {
    pub by: RegionName,
    /// The region that was lost.
    pub over: RegionName,
    /// When it was answered, in the time of the world.
    pub at: Duration,
    pub report: PromoteReport,
}

pub fn check(
    promotions: &[Promotion],
    history: &[Operation],
    chronicle: &Chronicle,
) -> Result<(), Violation> {
    for promotion in promotions {
        for feed in &promotion.report.feeds {
            began(promotion, feed, chronicle)?;
            counted(promotion, feed, chronicle)?;
            told(promotion, feed, history)?;
        }
    }
    Ok(())
}

/// The new epoch follows on where the report says.
fn began(
    promotion: &Promotion,
    promoted: &PromotedFeed,
    chronicle: &Chronicle,
) -> Result<(), Violation> {
    let PromotedFeed {
        feed, last, epoch, ..
    } = promoted;
    let first = chronicle.cursor_at(&Position {
        feed: feed.clone(),
        epoch: epoch.clone(),
        revision: Revision(last.revision.0 + 1),
    });
    let first = first.and_then(|first| chronicle.link(feed, first.chain));
    let before = first.map(|first| first.before);
    let stood = chronicle.cursor_at(last).map(|stood| stood.chain);
    match before.is_some() && before == stood {
        true => Ok(()),
        false => Err(violation(
            NAME,
            format!("it went on elsewhere: {promotion:?}"),
        )),
    }
}

/// No more is counted as missing than there is, in the epoch that was gone on from and in those
/// which the lost region began after it, and of which nothing came here.
fn counted(
    promotion: &Promotion,
    promoted: &PromotedFeed,
    chronicle: &Chronicle,
) -> Result<(), Violation> {
    let last = &promoted.last;
    let written = chronicle.last_since(&promoted.feed, &last.epoch, &promotion.over);
    match promoted.missing <= written.saturating_sub(last.revision.0) {
        true => Ok(()),
        false => {
            let how = format!("revision {written} was the last: {promotion:?}");
            Err(violation(NAME, how))
        }
    }
}

fn told(
    promotion: &Promotion,
    promoted: &PromotedFeed,
    history: &[Operation],
) -> Result<(), Violation> {
    let PromotedFeed {
        last,
        missing,
        unheard,
        ..
    } = promoted;
    // Whoever never heard the lost region says so.
    let Some(unheard) = unheard else {
        return Ok(());
    };
    // The slowest clock there is counts so much less.
    let unheard = *unheard * 1_000 / 955 + SEEN_LATE;
    let heard_at = promotion.at.saturating_sub(unheard);
    let announced = last.revision.0 + missing;
    let lost = history.iter().find(|operation| {
        let is_older = operation
            .answered
            .as_ref()
            .is_some_and(|answered| answered.at < heard_at);
        is_older
            && operation.written().is_some_and(|written| {
                let is_of = written.feed == last.feed && written.epoch == last.epoch;
                is_of && written.revision.0 > announced
            })
    });
    match lost {
        None => Ok(()),
        Some(lost) => {
            let how = format!("{lost:?} was lost and is not told of: {promotion:?}");
            Err(violation(NAME, how))
        }
    }
}
