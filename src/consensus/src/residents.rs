//! Which sealed values stand in memory, and which leave it first.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use machine::{Kept, Ordinal, Row, RowKey, RowRef, State, StoredVersion, Uid};

use crate::limits::RESIDENTS_SEEN_PER_VALUE;

/// Values in memory, oldest first. A value leaves only at an index the rows have (R12).
///
/// A value that was deleted stays on the list until it is seen: with every value that comes in, a
/// few that stand on it are looked at, so that those which are gone are never many. A value may go
/// and come again under the same key: it is another one then, which the rows may not have yet.
pub(crate) struct Residents {
    budget_bytes: u64,
    /// Those that were in memory when they were last looked at: all older than `values`.
    seen: VecDeque<Resident>,
    values: VecDeque<Resident>,
}

struct Resident {
    uid: Uid,
    ordinal: Ordinal,
    /// Tells it from others under the same key.
    value: Weak<Kept<StoredVersion>>,
    /// The entry it came with.
    index: u64,
}

impl Resident {
    fn is_in(&self, state: &State) -> bool {
        let row = state.resident(&self.uid, self.ordinal);
        row.is_some_and(|row| std::ptr::eq(Arc::as_ptr(row), self.value.as_ptr()))
    }
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
            if let (RowKey::Version(uid, ordinal), RowRef::Here(Row::Version(row))) = (key, row) {
                self.values.push_back(Resident {
                    uid,
                    ordinal,
                    value: Arc::downgrade(&row),
                    index,
                });
            }
        }
    }

    /// A value came in with the entry at `index`, which left the state as it is given.
    pub(crate) fn add(&mut self, uid: Uid, ordinal: Ordinal, index: u64, state: &State) {
        for _ in 0..RESIDENTS_SEEN_PER_VALUE {
            let Some(oldest) = self.values.pop_front() else {
                std::mem::swap(&mut self.values, &mut self.seen);
                break;
            };
            if oldest.is_in(state) {
                self.seen.push_back(oldest);
            }
        }
        // None if the same entry has taken it away again.
        if let Some(row) = state.resident(&uid, ordinal) {
            self.values.push_back(Resident {
                uid,
                ordinal,
                value: Arc::downgrade(row),
                index,
            });
        }
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
            // One that is gone since frees nothing.
            if oldest.is_in(state) {
                bytes = bytes.saturating_sub(state.evict_value(oldest.uid, oldest.ordinal));
            }
        }
    }

    /// Values on the list, those that are gone included.
    pub(crate) fn count(&self) -> usize {
        self.seen.len() + self.values.len()
    }
}
