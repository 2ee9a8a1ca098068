//! Which sealed values stand in memory, and which leave it first.

use std::collections::VecDeque;

use machine::{Ordinal, RowKey, RowRef, State, Uid, VersionId};

use crate::limits::RESIDENTS_SEEN_PER_VALUE;

/// Values in memory, oldest first. A value leaves only at an index the rows have (R12).
///
/// A value that was deleted stays on the list until it is seen: with every value that comes in, a
/// few that stand on it are looked at, so that those which are gone are never many.
pub(crate) struct Residents {
    budget_bytes: u64,
    /// Those that were in memory when they were last looked at: all older than `values`.
    seen: VecDeque<Resident>,
    values: VecDeque<Resident>,
}

struct Resident {
    uid: Uid,
    ordinal: Ordinal,
    index: u64,
}

impl Residents {
    pub(crate) fn new(budget_bytes: u64) -> Residents {
        Residents {
            budget_bytes,
            seen: VecDeque::new(),
            values: VecDeque::new(),
        }
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Forgets what it knew and takes the values of a state that was loaded whole.
    pub(crate) fn load(&mut self, state: &State, index: u64) {
        self.seen.clear();
        self.values.clear();
        for (key, row) in state.rows() {
            if let (RowKey::Version(uid, ordinal), RowRef::Here(_)) = (key, row) {
                self.values.push_back(Resident {
                    uid,
                    ordinal,
                    index,
                });
            }
        }
    }

    /// A value came in with the entry at `index`.
    pub(crate) fn add(&mut self, uid: Uid, ordinal: Ordinal, index: u64, state: &State) {
        for _ in 0..RESIDENTS_SEEN_PER_VALUE {
            let Some(oldest) = self.values.pop_front() else {
                std::mem::swap(&mut self.values, &mut self.seen);
                break;
            };
            if state.is_resident(&oldest.uid, oldest.ordinal) {
                self.seen.push_back(oldest);
            }
        }
        self.values.push_back(Resident {
            uid,
            ordinal,
            index,
        });
    }

    /// Takes values out of memory until the rest fit, oldest first, none above `written`.
    pub(crate) fn evict(&mut self, state: &mut State, written: u64) {
        let mut bytes = state.counts().resident_value_bytes;
        while bytes > self.budget_bytes {
            let is_written = |oldest: &mut Resident| oldest.index <= written;
            let oldest = match self.seen.is_empty() {
                true => self.values.pop_front_if(is_written),
                false => self.seen.pop_front_if(is_written),
            };
            let Some(oldest) = oldest else {
                return;
            };
            // A version that is gone since frees nothing.
            if let Some(version) = version_of(state, &oldest) {
                bytes = bytes.saturating_sub(state.evict(&oldest.uid, &version));
            }
        }
    }

    /// Values on the list, those that are gone included.
    pub(crate) fn count(&self) -> usize {
        self.seen.len() + self.values.len()
    }
}

fn version_of(state: &State, resident: &Resident) -> Option<VersionId> {
    let versions = &state.secret(&resident.uid)?.versions;
    let version = versions
        .iter()
        .find(|version| version.ordinal == resident.ordinal)?;
    Some(version.id.clone())
}
