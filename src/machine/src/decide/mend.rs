//! Putting right the rows of one bucket of a feed hash: where the sums of two regions differ at one
//! place of the feed, a row is wrong in one of them, and the primary's are the feed (R4).

use std::collections::BTreeSet;

use crate::answer::Outcome;
use crate::command::MendBucket;
use crate::decide::activate::place;
use crate::decide::bounded;
use crate::decide::draft::Draft;
use crate::decide::import::stands_at;
use crate::decide::intake::Intake;
use crate::decide::stage::{elsewhere, fits};
use crate::hash::Bucket;
use crate::limits::BUCKET_ROWS_MAX;
use crate::rejection::{Field, Flaw, Rejection};
use crate::row::{Row, RowKey};

pub(super) fn mend(draft: &mut Draft<'_>, mend: &MendBucket) -> Result<Outcome, Rejection> {
    bounded(Field::Rows, mend.rows.len(), BUCKET_ROWS_MAX)?;
    let feed = &mend.feed;
    elsewhere(draft.state, feed, &mend.at)?;
    stands_at(draft.state, feed, &mend.at)?;
    let mut intake = Intake::new(draft, feed)?;
    intake.is_roomy()?;
    let revision = mend.at.revision;
    let is_in = |key: &RowKey| Bucket::of(&key.encode()) == mend.bucket;
    let mut right = BTreeSet::new();
    for staged in &mend.rows {
        let last = right.last();
        if !is_in(&staged.key) || last.is_some_and(|last| staged.key <= *last) {
            return Err(intake.broken(revision, Flaw::Order));
        }
        fits(&intake, staged, revision)?;
        right.insert(staged.key);
    }
    let held: Vec<RowKey> = intake
        .scratch
        .rows_of(feed, None)
        .map(|(key, _)| key)
        .filter(is_in)
        .collect();
    for key in held.into_iter().filter(|key| !right.contains(key)) {
        intake.forget_beside(&key);
        intake.draft.replace(key, None);
        intake.sync();
    }
    for staged in &mend.rows {
        let commitment = staged.row.commitment();
        let held = intake.scratch.commitment_of(&staged.key);
        if held == Some(commitment) {
            continue;
        }
        let spoilt = staged.key.is_immutable() && held.is_some();
        match staged.row.origin().filter(|_| spoilt) {
            // Readers may still be at the spoilt value: the right one is fetched after it.
            Some(origin) => {
                intake.forget_beside(&staged.key);
                let hidden = Row::hidden(feed, origin.revision, commitment);
                intake.draft.replace(staged.key, Some(hidden));
                intake.sync();
            }
            None => place(&mut intake, staged)?,
        }
    }
    Ok(Outcome::None)
}
