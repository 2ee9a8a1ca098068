//! All rows of one secret in one place: an entry that touches a secret copies one path of the
//! tree that views share, not one for each kind of row.

use std::sync::Arc;

use crate::ids::{Hash, Ordinal, Revision, Uid};
use crate::row::{Access, Kept};
use crate::secret::{SealedValue, Secret, Wrap};

/// The rows of one secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    pub(super) secret: Option<Arc<Kept<Secret>>>,
    pub(super) access: Option<Arc<Kept<Access>>>,
    /// Sorted by ordinal, none empty.
    parts: Vec<Part>,
}

/// The rows of one version.
#[derive(Debug, Clone)]
struct Part {
    ordinal: Ordinal,
    held: Option<Arc<Held>>,
    wrap: Option<Arc<Kept<Wrap>>>,
}

/// A version row. Its value may leave memory; what stands for it in hashes stays.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) commitment: Hash,
    pub(super) feed: Option<Uid>,
    pub(super) revision: Revision,
    pub(super) stored_bytes: u64,
    pub(super) row: Option<Arc<Kept<SealedValue>>>,
}

impl Held {
    /// Whether it stands for this row.
    pub(super) fn is_of(&self, kept: &Kept<SealedValue>) -> bool {
        let origin = kept.origin.as_ref();
        self.commitment == kept.commitment
            && self.stored_bytes == kept.stored.len() as u64
            && self.feed == origin.map(|origin| origin.feed_uid)
            && self.revision == origin.map(|origin| origin.revision).unwrap_or_default()
    }
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.secret.is_none() && self.access.is_none() && self.parts.is_empty()
    }

    pub(super) fn held(&self, ordinal: Ordinal) -> Option<&Arc<Held>> {
        self.part(ordinal)?.held.as_ref()
    }

    pub(super) fn wrap(&self, ordinal: Ordinal) -> Option<&Arc<Kept<Wrap>>> {
        self.part(ordinal)?.wrap.as_ref()
    }

    pub(super) fn all_held(&self) -> impl Iterator<Item = (Ordinal, &Arc<Held>)> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.held.as_ref().map(|held| (part.ordinal, held)))
    }

    pub(super) fn all_wraps(&self) -> impl Iterator<Item = (Ordinal, &Arc<Kept<Wrap>>)> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.wrap.as_ref().map(|wrap| (part.ordinal, wrap)))
    }

    /// Sets or takes away the value of a version; gives the one before.
    pub(super) fn set_held(
        &mut self,
        ordinal: Ordinal,
        held: Option<Arc<Held>>,
    ) -> Option<Arc<Held>> {
        self.change(ordinal, |part| std::mem::replace(&mut part.held, held))
    }

    /// Sets or takes away the wrap of a version; gives the one before.
    pub(super) fn set_wrap(
        &mut self,
        ordinal: Ordinal,
        wrap: Option<Arc<Kept<Wrap>>>,
    ) -> Option<Arc<Kept<Wrap>>> {
        self.change(ordinal, |part| std::mem::replace(&mut part.wrap, wrap))
    }

    fn part(&self, ordinal: Ordinal) -> Option<&Part> {
        let at = self
            .parts
            .binary_search_by_key(&ordinal, |part| part.ordinal)
            .ok()?;
        self.parts.get(at)
    }

    fn change<T>(&mut self, ordinal: Ordinal, step: impl FnOnce(&mut Part) -> T) -> T {
        let at = self.parts.partition_point(|part| part.ordinal < ordinal);
        let is_here = self
            .parts
            .get(at)
            .is_some_and(|part| part.ordinal == ordinal);
        let empty = Part {
            ordinal,
            held: None,
            wrap: None,
        };
        let mut part = if is_here {
            self.parts.remove(at)
        } else {
            empty
        };
        let before = step(&mut part);
        if part.held.is_some() || part.wrap.is_some() {
            self.parts.insert(at, part);
        }
        before
    }
}
