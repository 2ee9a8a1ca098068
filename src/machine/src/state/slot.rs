//! All rows of one secret in one place: an entry that touches a secret copies one path of the
//! tree that views share, not one for each kind of row.

use std::sync::{Arc, OnceLock};

use crate::ids::{Hash, Ordinal, Revision, Uid};
use crate::names::VersionId;
use crate::row::{Access, Kept};
use crate::secret::{Secret, StoredVersion, Version, VersionDescription, Wrap};
use crate::state::parts::Parts;

/// So many versions take longer to put together than to keep.
const SHOWN_VERSIONS_MIN: usize = 8;

/// The rows of one secret.
#[derive(Debug, Clone, Default)]
pub(super) struct Slot {
    secret_row: Option<Arc<Kept<Secret>>>,
    /// The secret with all its versions, put together when it is first asked for.
    whole: OnceLock<Arc<Secret>>,
    pub(super) access: Option<Arc<Kept<Access>>>,
    parts: Parts,
}

/// A version row. Its value may leave memory; what stands for it in hashes stays.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) commitment: Hash,
    pub(super) feed: Option<Uid>,
    pub(super) revision: Revision,
    pub(super) stored_bytes: u64,
    pub(super) row: Option<Arc<Kept<StoredVersion>>>,
}

impl Held {
    /// Whether it stands for this row.
    pub(super) fn is_of(&self, kept: &Kept<StoredVersion>) -> bool {
        let origin = kept.origin.as_ref();
        self.commitment == kept.commitment
            && self.stored_bytes == kept.stored.len() as u64
            && self.feed == origin.map(|origin| origin.feed_uid)
            && self.revision == origin.map(|origin| origin.revision).unwrap_or_default()
    }
}

impl Slot {
    pub(super) fn is_empty(&self) -> bool {
        self.secret_row.is_none() && self.access.is_none() && self.parts.is_empty()
    }

    pub(super) fn secret_row(&self) -> Option<&Arc<Kept<Secret>>> {
        self.secret_row.as_ref()
    }

    /// Gives the secret with all its versions.
    pub(super) fn secret(&self) -> Option<&Arc<Secret>> {
        let row = &self.secret_row.as_ref()?.body;
        Some(self.whole.get_or_init(|| self.whole_of(row)))
    }

    /// Takes the secret as a decision left it, which spares whoever asks for it next to put it
    /// together. One with few versions is not worth the memory.
    pub(super) fn show(&self, secret: &Arc<Secret>) {
        let Some(row) = &self.secret_row else { return };
        let is_long = secret.versions.len() >= SHOWN_VERSIONS_MIN;
        if is_long && secret.versions.len() > row.body.versions.len() {
            let shown = self.whole.get_or_init(|| Arc::clone(secret));
            debug_assert_eq!(**shown, *self.whole_of(&row.body), "the secret is another");
        }
    }

    /// Sets or takes away the row of the secret; gives the one before.
    pub(super) fn set_secret(
        &mut self,
        row: Option<Arc<Kept<Secret>>>,
    ) -> Option<Arc<Kept<Secret>>> {
        self.whole.take();
        std::mem::replace(&mut self.secret_row, row)
    }

    pub(super) fn held(&self, ordinal: Ordinal) -> Option<&Arc<Held>> {
        self.parts.get(ordinal)?.held.as_ref()
    }

    pub(super) fn wrap(&self, ordinal: Ordinal) -> Option<&Arc<Kept<Wrap>>> {
        self.parts.get(ordinal)?.wrap.as_ref()
    }

    pub(super) fn all_held(&self) -> impl Iterator<Item = (Ordinal, &Arc<Held>)> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.held.as_ref().map(|held| (part.ordinal, held)))
    }

    pub(super) fn all_wraps(&self) -> impl Iterator<Item = (Ordinal, &Arc<Kept<Wrap>>)> {
        let parts = self.parts.iter();
        parts.filter_map(|part| part.wrap.as_ref().map(|wrap| (part.ordinal, wrap)))
    }

    /// Gives the wraps of versions that are known by their ids.
    pub(super) fn named_wraps(&self) -> impl Iterator<Item = (VersionId, &Arc<Kept<Wrap>>)> {
        let listed = self.secret_row.iter().flat_map(|row| &row.body.versions);
        self.parts.iter().filter_map(move |part| {
            let wrap = part.wrap.as_ref()?;
            let described = part.description.as_ref().map(|described| &described.id);
            let mut listed = listed
                .clone()
                .filter(|listed| listed.ordinal == part.ordinal);
            let id = described.or_else(|| listed.next().map(|listed| &listed.id))?;
            Some((id.clone(), wrap))
        })
    }

    /// Gives the versions, in their order, whose own rows say all there is to say of them, but for
    /// labels.
    pub(super) fn described(&self) -> impl Iterator<Item = (Ordinal, &VersionDescription)> {
        let parts = self.parts.iter();
        parts.filter_map(|part| Some((part.ordinal, part.description.as_ref()?)))
    }

    /// Sets the row of a version; gives the one before.
    pub(super) fn set_held(
        &mut self,
        ordinal: Ordinal,
        held: Held,
        description: Option<VersionDescription>,
    ) -> Option<Arc<Held>> {
        self.whole.take();
        self.parts.change(ordinal, |part| {
            part.description = description;
            part.held.replace(Arc::new(held))
        })
    }

    /// Takes away the row of a version; gives it.
    pub(super) fn take_held(&mut self, ordinal: Ordinal) -> Option<Arc<Held>> {
        self.whole.take();
        self.parts.change(ordinal, |part| {
            part.description = None;
            part.held.take()
        })
    }

    /// Drops a value from memory; all that stands for it stays.
    pub(super) fn evict(&mut self, ordinal: Ordinal) {
        self.parts.change(ordinal, |part| {
            if let Some(held) = &mut part.held {
                Arc::make_mut(held).row = None;
            }
        });
    }

    /// Sets or takes away the wrap of a version; gives the one before.
    pub(super) fn set_wrap(
        &mut self,
        ordinal: Ordinal,
        wrap: Option<Arc<Kept<Wrap>>>,
    ) -> Option<Arc<Kept<Wrap>>> {
        self.parts
            .change(ordinal, |part| std::mem::replace(&mut part.wrap, wrap))
    }

    /// Adds to the versions in the secret's row those that only their own rows describe. A version
    /// that the row does not count yet is none: the rest of its entry has not come.
    fn whole_of(&self, row: &Arc<Secret>) -> Arc<Secret> {
        let is_listed = |ordinal| row.versions.iter().any(|listed| listed.ordinal == ordinal);
        let others = self.described().filter_map(|(ordinal, description)| {
            let is_counted = ordinal < row.next_ordinal;
            (is_counted && !is_listed(ordinal)).then(|| description.version(ordinal))
        });
        let mut versions: Vec<Version> = others.collect();
        if versions.is_empty() {
            return Arc::clone(row);
        }
        versions.extend(row.versions.iter().cloned());
        versions.sort_by_key(|version| version.ordinal);
        Arc::new(Secret {
            versions,
            ..row.without_versions()
        })
    }
}
