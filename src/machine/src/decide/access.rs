//! Access dates: rows of their region only, of day precision, so that reads make no feed traffic
//! (R16).

use std::collections::BTreeMap;

use crate::answer::Outcome;
use crate::command::RecordAccess;
use crate::decide::bounded;
use crate::decide::draft::Draft;
use crate::ids::Uid;
use crate::limits::{DAY_MS, TOUCHED_MAX};
use crate::rejection::{Field, Rejection};
use crate::row::{Access, RowKey};

/// Writes a version's day once; what is gone, or recorded, is passed over. The clocks of nodes may
/// differ around midnight, so tomorrow is not yet the future.
pub(super) fn record(draft: &mut Draft<'_>, record: &RecordAccess) -> Result<Outcome, Rejection> {
    bounded(Field::Versions, record.touched.len(), TOUCHED_MAX)?;
    let today = draft.stamp.0.checked_div(DAY_MS).unwrap_or_default();
    if u64::from(record.day) > today.saturating_add(1) {
        return Err(Rejection::DayAhead(record.day));
    }
    let mut moved: BTreeMap<Uid, Access> = BTreeMap::new();
    for (uid, id) in &record.touched {
        let secret = draft.state.secret(uid);
        let Some(version) = secret.and_then(|secret| secret.version(id)) else {
            continue;
        };
        let held = draft.state.access(uid);
        let before = moved.get(uid).or(held.map(|held| held.as_ref()));
        let mut access = before.cloned().unwrap_or_default();
        match access
            .versions
            .iter_mut()
            .find(|(ordinal, _)| *ordinal == version.ordinal)
        {
            Some((_, day)) if *day >= record.day => continue,
            Some((_, day)) => *day = record.day,
            None => access.versions.push((version.ordinal, record.day)),
        }
        access.day = access.day.max(record.day);
        moved.insert(*uid, access);
    }
    for (uid, access) in &moved {
        draft.put(RowKey::Access(*uid), access);
    }
    Ok(Outcome::None)
}
