//! Putting right the rows of one bucket of a feed hash: where the sums of two regions differ at one
//! place of the feed, a row is wrong in one of them, and the primary's are the feed (R4).

use crate::answer::Outcome;
use crate::command::{MendBucket, StagedRow};
use crate::decide::activate::place;
use crate::decide::bounded;
use crate::decide::draft::Draft;
use crate::decide::import::stands_at;
use crate::decide::intake::Intake;
use crate::decide::stage::{elsewhere, fits};
use crate::hash::Bucket;
use crate::limits::{BUCKET_BYTES_MAX, BUCKET_ROWS_MAX};
use crate::rejection::{Field, Flaw, Rejection};
use crate::row::RowKey;

pub(super) fn mend(draft: &mut Draft<'_>, mend: &MendBucket) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, mend.rows.len(), BUCKET_ROWS_MAX)?;
    let bytes = mend.rows.iter().map(|row| row.row.stored().len());
    bounded(Field::Rows, bytes.sum(), BUCKET_BYTES_MAX)?;
    let feed = &mend.feed;
    elsewhere(draft.state, feed, &mend.at)?;
    stands_at(draft.state, feed, &mend.at)?;
    let before = draft.state;
    let mut intake = Intake::new(draft, feed)?;
    intake.is_roomy()?;
    let revision = mend.at.revision;
    let is_in = |key: &RowKey| Bucket::of(&key.encode()) == mend.bucket;
    let is_sorted = mend.rows.is_sorted_by(|a, b| a.key < b.key);
    if !is_sorted || !mend.rows.iter().all(|row| is_in(&row.key)) {
        return Err(intake.broken(revision, Flaw::Order));
    }
    for staged in &mend.rows {
        fits(&intake, staged, revision)?;
    }
    let is_right = |key: &RowKey| mend.rows.binary_search_by_key(key, |row| row.key).is_ok();
    let held = before.rows_of(feed, None).map(|(key, _)| key);
    let wrong: Vec<RowKey> = held.filter(|key| is_in(key) && !is_right(key)).collect();
    let is_other = |row: &&StagedRow| before.commitment_of(&row.key) != Some(row.row.commitment());
    let others: Vec<&StagedRow> = mend.rows.iter().filter(is_other).collect();
    // Each epoch was chained to the one before when it came: whatever a primary says now.
    let mut touched = wrong.iter().chain(others.iter().map(|row| &row.key));
    if touched.any(|key| matches!(key, RowKey::Epoch(..))) {
        return Err(intake.broken(revision, Flaw::Epoch));
    }
    wrong.into_iter().for_each(|key| intake.drop_row(key));
    for staged in others {
        match staged.key {
            // A value is fetched later, as any other that is missing: there may be many, and
            // readers may still be at a spoilt one.
            RowKey::Version(..) => intake.forget_beside(&staged.key),
            // For want of room it did not come; the rest of the secret stays.
            RowKey::Secret(uid) if staged.row.is_withheld() => intake.hide_name(uid),
            _ => {
                place(&mut intake, staged)?;
                continue;
            }
        }
        intake.draft.replace(staged.key, staged.row.without_body());
        intake.sync();
    }
    intake.keep_labels();
    Ok(Outcome::None)
}
