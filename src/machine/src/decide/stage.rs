//! Keeping a snapshot of another region's feed beside what there is of it (R25): it shows nowhere
//! before all of it is here, and goes on where it was when it was broken off.

use crate::answer::Outcome;
use crate::command::{Cursor, ForgetStaged, StageRows, StagedRow};
use crate::decide::bounded;
use crate::decide::draft::Draft;
use crate::decide::intake::Intake;
use crate::ids::{Hash, Ordinal, Revision};
use crate::limits::{
    IMPORTED_MAX, IMPORTED_ROW_BYTES_MAX, MESSAGE_CHARS_MAX, STAGED_BYTES_MAX, UNSTAGED_MAX,
    VERSIONS_KNOWN_MAX, WRAPPED_KEY_BYTES_MAX,
};
use crate::position::{Epoch, FeedId};
use crate::rejection::{Field, Flaw, Rejection};
use crate::row::{Row, RowKey, Staging};
use crate::state::{RowRef, State, Weight};

pub(super) fn stage(draft: &mut Draft<'_>, stage: &StageRows) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, stage.rows.len(), IMPORTED_MAX)?;
    let (feed, uid) = (&stage.feed, stage.feed.uid());
    elsewhere(draft.state, feed, &stage.at)?;
    let mut staging = begun(draft.state, stage)?;
    let held = draft.state.feed(feed);
    let last = held.and_then(|feed| feed.staged().next_back());
    let mut last = last.map(|row| row.key);
    let intake = Intake::new(draft, feed)?;
    for staged in &stage.rows {
        let revision = stage.at.revision;
        if last.is_some_and(|last| staged.key <= last) {
            return Err(intake.broken(revision, Flaw::Order));
        }
        last = Some(staged.key);
        fits(&intake, staged, revision)?;
        few(intake.draft.state, &staging, staged)?;
        weigh(&mut staging, staged)?;
        let place = RowKey::Staged(uid, Ordinal(staging.rows));
        intake.draft.put(place, staged);
        staging.rows = staging.rows.saturating_add(1);
    }
    draft.put(RowKey::Staging(uid), &staging);
    Ok(Outcome::None)
}

/// Rejects a row that is none of the feed's at a revision.
pub(super) fn fits(
    intake: &Intake<'_, '_>,
    staged: &StagedRow,
    revision: Revision,
) -> Result<(), Rejection> {
    let broken = |flaw| intake.broken(revision, flaw);
    intake.carries(&staged.key, revision)?;
    let origin = staged.row.origin();
    let origin = origin.ok_or_else(|| broken(Flaw::Kind))?;
    if origin.feed != intake.feed || origin.revision > revision {
        return Err(broken(Flaw::Foreign));
    }
    if origin.bytes.len() > IMPORTED_ROW_BYTES_MAX {
        return Err(broken(Flaw::Malformed));
    }
    let wrap = staged
        .wrap
        .as_ref()
        .map_or(0, |wrap| wrap.wrapped_dek.len());
    bounded(Field::WrappedKey, wrap, WRAPPED_KEY_BYTES_MAX)?;
    let words = staged.problem.chars().count();
    bounded(Field::Message, words, MESSAGE_CHARS_MAX)
}

/// Rejects one more version of a secret that has as many as a region may know: the rows are in the
/// order of their keys, so the one so many places before is of the same secret then.
fn few(state: &State, staging: &Staging, staged: &StagedRow) -> Result<(), Rejection> {
    let place = staging.rows.checked_sub(VERSIONS_KNOWN_MAX as u64);
    let before = place.and_then(|place| {
        let row = state.row(&RowKey::Staged(staging.feed.uid(), Ordinal(place)))?;
        match row {
            RowRef::Here(Row::Staged(kept)) => Some(kept.body().key),
            _ => None,
        }
    });
    match (before, staged.key) {
        (Some(RowKey::Version(before, _)), RowKey::Version(uid, _)) if before == uid => {
            Err(Rejection::FeedLimit(staging.feed.clone()))
        }
        _ => Ok(()),
    }
}

/// Counts a row; rejects if the snapshot holds more than a feed may, or more values than are kept
/// beside it.
fn weigh(staging: &mut Staging, staged: &StagedRow) -> Result<(), Rejection> {
    let bytes = staged.row.stored().len() as u64;
    staging.bytes = staging.bytes.saturating_add(bytes);
    let is_value = staged.key.is_immutable() && !staged.row.is_withheld();
    if is_value && staging.bytes > STAGED_BYTES_MAX {
        return Err(Rejection::TooLong {
            field: Field::Rows,
            max: STAGED_BYTES_MAX,
        });
    }
    let weight = Weight {
        rows: staging.rows,
        bytes: staging.bytes.saturating_sub(STAGED_BYTES_MAX),
    };
    match weight.is_full(false) {
        true => Err(Rejection::FeedLimit(staging.feed.clone())),
        false => Ok(()),
    }
}

/// Gives the epoch of a snapshot of a feed that this region does not lead in that epoch.
pub(super) fn elsewhere(state: &State, feed: &FeedId, at: &Cursor) -> Result<Epoch, Rejection> {
    let foreign = || Rejection::SnapshotForeign(feed.clone());
    let epoch = at.epoch.clone().ok_or_else(foreign)?;
    if state.region() == Some(&epoch.region) {
        return Err(Rejection::FeedIsOurs(feed.clone()));
    }
    Ok(epoch)
}

/// Finds what is kept already of the very snapshot.
fn begun(state: &State, stage: &StageRows) -> Result<Staging, Rejection> {
    let held = state.feed(&stage.feed).and_then(|feed| feed.staging());
    let new = || Staging {
        feed: stage.feed.clone(),
        at: stage.at.clone(),
        rows: 0,
        bytes: 0,
    };
    // What is kept of another one has to be forgotten first.
    let staging = held.cloned().unwrap_or_else(new);
    match staging.at == stage.at && staging.rows == stage.first {
        true => Ok(staging),
        false => Err(Rejection::SnapshotMoved(stage.feed.clone())),
    }
}

/// Forgets what is kept of a snapshot, the last rows first, so many in one entry.
pub(super) fn forget(draft: &mut Draft<'_>, forget: &ForgetStaged) -> Result<Outcome, Rejection> {
    let uid = forget.feed.uid();
    let held = draft.state.feed(&forget.feed);
    let Some(staging) = held.and_then(|feed| feed.staging()) else {
        return Ok(Outcome::None);
    };
    let rows = staging.rows.saturating_sub(UNSTAGED_MAX as u64);
    (rows..staging.rows).for_each(|place| draft.delete(RowKey::Staged(uid, Ordinal(place))));
    match rows {
        0 => draft.delete(RowKey::Staging(uid)),
        // It is no part of any snapshot any more.
        _ => draft.put(
            RowKey::Staging(uid),
            &Staging {
                rows,
                at: Cursor {
                    chain: Hash::ZERO,
                    ..staging.at.clone()
                },
                ..staging.clone()
            },
        ),
    }
    Ok(Outcome::None)
}
