//! Where each row lies, in memory: a batch that had to read what it replaces would take twice the
//! time.

use std::collections::BTreeMap;
use std::ops::Bound;

use super::layout::{self, Head, Tally};
use super::packs::{Members, Pack};

/// What is known of a row, or of a pack, without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) head: Head,
    pub(super) layer: Layer,
}

/// Where content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    /// In sled. What it hides in the base comes to light again unless its end is noted there.
    Sled { hides_base: bool },
    /// In the base, its content from this byte on.
    Base { offset: u64 },
}

/// All rows and packs by key.
#[derive(Debug, Default)]
pub(super) struct Index {
    rows: BTreeMap<Box<[u8]>, Entry>,
    packs: BTreeMap<Box<[u8]>, Pack>,
    /// How many rows the packs have together.
    members: u64,
}

impl Entry {
    /// Whether the base has something under the key.
    pub(super) fn is_over_base(&self) -> bool {
        !matches!(self.layer, Layer::Sled { hides_base: false })
    }

    /// How many pieces there are in sled.
    pub(super) fn pieces(&self) -> u16 {
        match self.layer {
            Layer::Sled { .. } => self.head.pieces(),
            Layer::Base { .. } => 0,
        }
    }
}

impl Index {
    pub(super) fn row(&self, key: &[u8]) -> Option<Entry> {
        self.rows.get(key).copied()
    }

    pub(super) fn pack(&self, key: &[u8]) -> Option<Pack> {
        self.packs.get(key).copied()
    }

    /// Notes what a row was found or made to be.
    pub(super) fn note_row(&mut self, key: Vec<u8>, entry: Option<Entry>) {
        match entry {
            Some(entry) => self.rows.insert(key.into_boxed_slice(), entry),
            None => self.rows.remove(key.as_slice()),
        };
    }

    /// Notes what a pack was found or made to be.
    pub(super) fn note_pack(&mut self, key: Vec<u8>, pack: Option<Pack>) {
        let old = match pack {
            Some(pack) => self.packs.insert(key.into_boxed_slice(), pack),
            None => self.packs.remove(key.as_slice()),
        };
        let count = |pack: Option<Pack>| pack.map_or(0, |pack| pack.members.count());
        self.members = (self.members + count(pack)).saturating_sub(count(old));
    }

    /// The first key of a row after another.
    pub(super) fn row_after(&self, last: Option<&[u8]>) -> Option<Vec<u8>> {
        first_after(&self.rows, last)
    }

    /// The first key of a pack after another.
    pub(super) fn pack_after(&self, last: Option<&[u8]>) -> Option<Vec<u8>> {
        first_after(&self.packs, last)
    }

    /// What is known of the rows, or packs, whose keys are after another: so many of them.
    pub(super) fn after(
        &self,
        table: u8,
        last: Option<&[u8]>,
        count: usize,
    ) -> Vec<(Vec<u8>, Entry)> {
        let range = (
            last.map_or(Bound::Unbounded, Bound::Excluded),
            Bound::Unbounded,
        );
        if table == layout::PACKS {
            let packs = self.packs.range::<[u8], _>(range).take(count);
            return packs
                .map(|(key, pack)| (key.to_vec(), pack.entry))
                .collect();
        }
        let rows = self.rows.range::<[u8], _>(range).take(count);
        rows.map(|(key, entry)| (key.to_vec(), *entry)).collect()
    }

    /// How many rows there are, those in packs included.
    pub(super) fn count(&self) -> u64 {
        self.rows.len() as u64 + self.members
    }

    /// Sums over all.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = Tally::default();
        for (key, entry) in &self.rows {
            tally.add(key, entry.head);
        }
        for (key, Pack { entry, members: _ }) in &self.packs {
            tally.add(key, entry.head);
        }
        tally
    }
}

impl Pack {
    /// The rows of a pack that may not be there.
    pub(super) fn members_of(pack: Option<Pack>) -> Members {
        pack.map_or(Members::default(), |pack| pack.members)
    }
}

fn first_after<T>(of: &BTreeMap<Box<[u8]>, T>, last: Option<&[u8]>) -> Option<Vec<u8>> {
    let from = last.map_or(Bound::Unbounded, Bound::Excluded);
    let (key, _) = of.range::<[u8], _>((from, Bound::Unbounded)).next()?;
    Some(key.to_vec())
}
