//! Values by the place of their rows: the secret that names them may not be here.

use std::sync::Arc;

use crate::ids::{Ordinal, Uid};
use crate::row::Kept;
use crate::secret::{StoredVersion, Version};
use crate::state::State;

impl State {
    /// Finds the row of a value that is in memory.
    pub fn resident(&self, uid: &Uid, ordinal: Ordinal) -> Option<&Arc<Kept<StoredVersion>>> {
        self.slots.get(uid)?.held(ordinal)?.row.as_ref()
    }

    /// Says whether a value is in memory.
    pub fn is_resident(&self, uid: &Uid, ordinal: Ordinal) -> bool {
        self.resident(uid, ordinal).is_some()
    }

    /// Says whether a value is here, in memory or not; what is known by its commitment only is not.
    pub fn has_value(&self, uid: &Uid, ordinal: Ordinal) -> bool {
        let slot = self.slots.get(uid);
        slot.is_some_and(|slot| slot.held(ordinal).is_some())
    }

    /// Finds the last version of a copy that had a label and whose value is here, while the version
    /// that has the label now could not be taken in; none of a copy that has not failed.
    pub fn last_labelled(&self, uid: &Uid, label: &str) -> Option<&Version> {
        self.problem(uid)?;
        let mut kept = self.kept_labels(uid).iter();
        let kept = kept.find(|kept| kept.label.as_str() == label)?;
        let mut versions = self.secret(uid)?.versions.iter();
        let last = versions.find(|version| version.ordinal == kept.ordinal)?;
        self.has_value(uid, last.ordinal).then_some(last)
    }

    /// Drops a value from memory, and gives the bytes that frees, as [`State::evict`].
    pub fn evict_value(&mut self, uid: Uid, ordinal: Ordinal) -> u64 {
        let held = self.slots.get(&uid).and_then(|slot| slot.held(ordinal));
        let Some(held) = held.filter(|held| held.row.is_some()) else {
            return 0;
        };
        let bytes = held.stored_bytes;
        self.with_slot(uid, |slot| slot.evict(ordinal));
        let resident = &mut self.derived.resident_value_bytes;
        *resident = resident.saturating_sub(bytes);
        bytes
    }
}
