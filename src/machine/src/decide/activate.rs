//! Putting a snapshot in the place of a feed, in one entry (R25).

use crate::answer::Outcome;
use crate::command::{ActivateSnapshot, Cursor, StagedRow};
use crate::decide::draft::Draft;
use crate::decide::import::{begins, follows, is_for_us, may_lead};
use crate::decide::intake::{Intake, Offer, Sent};
use crate::decide::stage::elsewhere;
use crate::hash::BucketSums;
use crate::ids::Ordinal;
use crate::position::Epoch;
use crate::rejection::{Flaw, Rejection};
use crate::row::{BeginEpoch, Row, RowKey};
use crate::state::State;

pub(super) fn activate(
    draft: &mut Draft<'_>,
    activate: &ActivateSnapshot,
) -> Result<Outcome, Rejection> {
    let feed = &activate.feed;
    let epoch = elsewhere(draft.state, feed, &activate.at)?;
    let rows = staged(draft.state, activate)?;
    continues(draft.state, activate, &epoch, &rows)?;
    let mut sums = BucketSums::new();
    rows.iter()
        .for_each(|row| sums.replace(&row.key.encode(), None, Some(row.row.commitment())));
    let mut intake = Intake::new(draft, feed)?;
    may_lead(&intake.scratch, feed, &epoch.region, false)?;
    if sums.hash() != activate.feed_hash {
        return Err(intake.broken(activate.at.revision, Flaw::Commitment));
    }
    clear(&mut intake, &rows);
    for row in &rows {
        place(&mut intake, row)?;
    }
    intake.keep_labels();
    let uid = feed.uid();
    intake.clear_problem(uid);
    let fence = intake.scratch.fence(feed);
    if fence.is_some_and(|fence| *fence <= epoch) {
        intake.draft.delete(RowKey::Fence(uid));
    }
    (0..rows.len() as u64).for_each(|at| draft.delete(RowKey::Staged(uid, Ordinal(at))));
    draft.delete(RowKey::Staging(uid));
    draft.stand_at(feed, &activate.at, &epoch);
    Ok(Outcome::None)
}

/// Gives the rows that are kept, if they are all of this snapshot.
fn staged(state: &State, activate: &ActivateSnapshot) -> Result<Vec<StagedRow>, Rejection> {
    let moved = || Rejection::SnapshotMoved(activate.feed.clone());
    let held = state.feed(&activate.feed).ok_or_else(moved)?;
    let staging = held.staging().ok_or_else(moved)?;
    match staging.at == activate.at && staging.rows == activate.rows {
        true => Ok(held.staged().cloned().collect()),
        false => Err(moved()),
    }
}

/// Rejects a snapshot of a history that has not what this region has of the feed: only an announced
/// return takes a region back (R7).
fn continues(
    state: &State,
    activate: &ActivateSnapshot,
    epoch: &Epoch,
    rows: &[StagedRow],
) -> Result<(), Rejection> {
    let foreign = || Rejection::SnapshotForeign(activate.feed.clone());
    let begun = rows.iter().filter_map(|row| match &row.row {
        Row::Epoch(kept) => Some(kept.body().as_ref()),
        _ => None,
    });
    let begun: Vec<&BeginEpoch> = begun.collect();
    let is_chained = begun.windows(2).all(|pair| match pair {
        [before, after] => {
            after.previous.as_ref() == Some(&before.epoch)
                && follows(Some(&before.epoch), &after.epoch)
                && after.last_revision >= before.last_revision
        }
        _ => false,
    });
    let is_last = begun
        .last()
        .is_some_and(|last| last.epoch == *epoch && last.last_revision < activate.at.revision);
    let first = begun.first().filter(|first| first.previous.is_none());
    if !(is_chained && is_last) {
        return Err(foreign());
    }
    let first = first
        .filter(|first| begins(&activate.feed, &first.epoch.region) && follows(None, &first.epoch));
    let first = first.ok_or_else(foreign)?;
    may_lead(state, &activate.feed, &first.epoch.region, true)?;
    let held = state.feed(&activate.feed).map(|feed| feed.cursor());
    match held {
        Some(held) if held.epoch.is_some() && !has(&begun, &held, &activate.at) => Err(foreign()),
        _ => Ok(()),
    }
}

/// Says whether a history has a place: its epoch, and the revision before the next one begins.
fn has(begun: &[&BeginEpoch], held: &Cursor, end: &Cursor) -> bool {
    let at = begun
        .iter()
        .position(|begun| Some(&begun.epoch) == held.epoch.as_ref());
    let Some(at) = at else {
        return false;
    };
    match begun.get(at.saturating_add(1)) {
        Some(next) if next.last_revision == held.revision => next.chain == held.chain,
        Some(next) => held.revision < next.last_revision,
        None if end.revision == held.revision => end.chain == held.chain,
        None => held.revision < end.revision,
    }
}

/// Deletes the feed's journal, and its rows that the snapshot has not.
fn clear(intake: &mut Intake<'_, '_>, rows: &[StagedRow]) {
    let feed = intake.feed.clone();
    let before = intake.scratch.clone();
    let held = before.rows_of(&feed, None).map(|(key, _)| key);
    let is_kept = |key: &RowKey| rows.binary_search_by_key(key, |row| row.key).is_ok();
    held.filter(|key| !is_kept(key))
        .for_each(|key| intake.drop_row(key));
    let journal = before.feed(&feed).into_iter();
    for revision in journal.flat_map(|feed| feed.journal_revisions()) {
        intake.draft.delete(RowKey::Journal(feed.uid(), revision));
    }
    intake.sync();
}

/// Puts one row of a snapshot, unless it is here as it is.
pub(super) fn place(intake: &mut Intake<'_, '_>, staged: &StagedRow) -> Result<(), Rejection> {
    let (key, row) = (staged.key, &staged.row);
    let Some(origin) = row.origin() else {
        return Ok(());
    };
    let (revision, commitment) = (origin.revision, row.commitment());
    let held = intake.scratch.commitment_of(&key);
    let is_here = held == Some(commitment) && !intake.scratch.is_withheld(&key);
    let sent = Sent::row(row);
    let is_member = is_for_us(intake, &key, &sent);
    // What is here as it is stays, whether it was sent again or not.
    if is_here && (is_member || !key.is_of_secret()) {
        if key.seals_as().is_some() {
            let wrap = staged.wrap.as_ref();
            intake.keep_root_key(&key, row.sealed(), wrap, &staged.problem);
        }
        return Ok(());
    }
    let kept = intake.keep(Offer {
        key,
        revision,
        commitment,
        is_member,
        row: sent,
        wrap: staged.wrap.as_ref(),
        problem: &staged.problem,
    })?;
    intake.draft.replace(key, Some(kept));
    intake.sync();
    intake.settle(&key);
    Ok(())
}
