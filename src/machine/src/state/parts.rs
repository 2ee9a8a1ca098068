//! The versions of one secret, by their numbers: a copy shares them with the one it was made from.
//!
//! Views share a secret's slot, so each entry that touches it copies it. Versions lie a few
//! together, in the order of their numbers: a copy counts one more user of each of these runs, and
//! a change copies one run.

use std::sync::Arc;

use crate::ids::Ordinal;
use crate::row::Kept;
use crate::secret::{VersionDescription, Wrap};
use crate::state::slot::Held;

/// Versions that lie together at most.
const RUN_MAX: usize = 8;

/// The rows of one version.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) ordinal: Ordinal,
    pub(super) held: Option<Arc<Held>>,
    /// What the row says of the version; here, as whoever asks for one asks for all.
    pub(super) description: Option<VersionDescription>,
    pub(super) wrap: Option<Arc<Kept<Wrap>>>,
}

/// Sorted by ordinal; no run and no part is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Parts {
    runs: Vec<Arc<Vec<Part>>>,
}

impl Part {
    fn new(ordinal: Ordinal) -> Part {
        Part {
            ordinal,
            held: None,
            description: None,
            wrap: None,
        }
    }

    fn is_empty(&self) -> bool {
        self.held.is_none() && self.wrap.is_none()
    }
}

impl Parts {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Part> {
        self.runs.iter().flat_map(|run| run.iter())
    }

    pub(super) fn get(&self, ordinal: Ordinal) -> Option<&Part> {
        let run = self.runs.get(self.run_of(ordinal))?;
        let at = run.binary_search_by_key(&ordinal, |part| part.ordinal);
        run.get(at.ok()?)
    }

    /// Changes the part of a version, which is made for it and goes with its last row.
    pub(super) fn change<T>(&mut self, ordinal: Ordinal, step: impl FnOnce(&mut Part) -> T) -> T {
        let is_full = |run: &Arc<Vec<Part>>| run.len() >= RUN_MAX;
        let ends = |run: &Arc<Vec<Part>>| run.last().is_none_or(|part| part.ordinal < ordinal);
        let place = self.run_of(ordinal);
        let Some(shared) = self
            .runs
            .get_mut(place)
            .filter(|run| !(is_full(run) && ends(run)))
        else {
            let mut part = Part::new(ordinal);
            let result = step(&mut part);
            if !part.is_empty() {
                let behind = self.runs.len().min(place + 1);
                self.runs.insert(behind, Arc::new(vec![part]));
            }
            return result;
        };
        let run = Arc::make_mut(shared);
        let at = run.partition_point(|part| part.ordinal < ordinal);
        if run.get(at).is_none_or(|part| part.ordinal != ordinal) {
            run.insert(at, Part::new(ordinal));
        }
        let mut part = run.remove(at);
        let result = step(&mut part);
        if !part.is_empty() {
            run.insert(at, part);
        }
        if run.is_empty() {
            self.runs.remove(place);
        } else if run.len() > RUN_MAX {
            let rest = run.split_off(RUN_MAX / 2);
            self.runs.insert(place + 1, Arc::new(rest));
        }
        result
    }

    /// The run in which a version is, or would be.
    fn run_of(&self, ordinal: Ordinal) -> usize {
        let before = |run: &Arc<Vec<Part>>| run.first().is_some_and(|part| part.ordinal <= ordinal);
        self.runs.partition_point(before).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::collection::vec;
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;
    use crate::ids::{Hash, Revision, Stamp};
    use crate::names::VersionId;
    use crate::secret::ValueKind;

    fn held(stored_bytes: u64) -> Arc<Held> {
        Arc::new(Held {
            commitment: Hash([0; 32]),
            feed: None,
            revision: Revision::default(),
            stored_bytes,
            row: None,
        })
    }

    fn bytes(parts: &Parts) -> Vec<(u64, u64)> {
        let bytes = |part: &Part| part.held.as_ref().map_or(0, |held| held.stored_bytes);
        parts
            .iter()
            .map(|part| (part.ordinal.0, bytes(part)))
            .collect()
    }

    proptest! {
        #[test]
        fn parts_are_a_sorted_map_and_a_copy_keeps_what_it_had(
            steps in vec((0..40_u64, any::<bool>()), 0..200),
            copied in 0..200_usize,
        ) {
            let (mut parts, mut expected) = (Parts::default(), BTreeMap::new());
            let mut copy = None;
            for (at, (ordinal, is_put)) in (1..).zip(steps) {
                let new = is_put.then(|| held(at));
                let set = |part: &mut Part| std::mem::replace(&mut part.held, new);
                let before = parts.change(Ordinal(ordinal), set);
                let replaced = match is_put {
                    true => expected.insert(ordinal, at),
                    false => expected.remove(&ordinal),
                };
                prop_assert_eq!(before.map(|held| held.stored_bytes), replaced);
                let found = parts.get(Ordinal(ordinal)).and_then(|part| part.held.as_ref());
                prop_assert_eq!(found.map(|held| held.stored_bytes), is_put.then_some(at));
                prop_assert_eq!(bytes(&parts), expected.clone().into_iter().collect::<Vec<_>>());
                prop_assert!(parts.runs.iter().all(|run| (1..=RUN_MAX).contains(&run.len())));
                if at as usize == copied {
                    copy = Some((parts.clone(), bytes(&parts)));
                }
            }
            if let Some((copy, had)) = copy {
                prop_assert_eq!(bytes(&copy), had);
            }
        }
    }

    #[test]
    fn a_change_copies_one_run() {
        let mut parts = Parts::default();
        let description = Some(VersionDescription {
            id: VersionId::new(&"i".repeat(32)).unwrap(),
            kind: ValueKind::String,
            created: Stamp(1),
        });
        for ordinal in 0..96 {
            parts.change(Ordinal(ordinal), |part| {
                part.held = Some(held(1));
                part.description.clone_from(&description);
            });
        }
        let copy = parts.clone();
        parts.change(Ordinal(96), |part| part.held = Some(held(2)));
        parts.change(Ordinal(0), |part| part.held = None);
        let shared = |run: &&Arc<Vec<Part>>| copy.runs.iter().any(|other| Arc::ptr_eq(run, other));
        let runs = (parts.runs.len(), parts.runs.iter().filter(shared).count());
        assert_eq!(runs, (13, 11));
    }
}
