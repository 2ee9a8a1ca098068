//! Which sealed values stand in memory, and which leave it first.

use std::collections::VecDeque;

use machine::{Ordinal, RowKey, RowRef, State, Uid, VersionId};

/// Values in memory, oldest first. A value leaves only at an index the rows have (R12).
pub(crate) struct Residents {
    budget_bytes: u64,
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
            values: VecDeque::new(),
        }
    }

    pub(crate) fn budget_bytes(&self) -> u64 {
        self.budget_bytes
    }

    /// Forgets what it knew and takes the values of a state that was loaded whole.
    pub(crate) fn load(&mut self, state: &State, index: u64) {
        self.values.clear();
        for (key, row) in state.rows() {
            if let (RowKey::Version(uid, ordinal), RowRef::Here(_)) = (key, row) {
                self.add(uid, ordinal, index);
            }
        }
    }

    /// A value came in with the entry at `index`.
    pub(crate) fn add(&mut self, uid: Uid, ordinal: Ordinal, index: u64) {
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
            let Some(oldest) = self.values.pop_front_if(|oldest| oldest.index <= written) else {
                return;
            };
            // A version that is gone since frees nothing.
            if let Some(version) = version_of(state, &oldest) {
                bytes = bytes.saturating_sub(state.evict(&oldest.uid, &version));
            }
        }
    }
}

fn version_of(state: &State, resident: &Resident) -> Option<VersionId> {
    let versions = &state.secret(&resident.uid)?.versions;
    let version = versions
        .iter()
        .find(|version| version.ordinal == resident.ordinal)?;
    Some(version.id.clone())
}
