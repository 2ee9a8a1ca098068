//! One batch: rows on their own, packs, and the meta with the tally, in one batch of sled.

use std::collections::BTreeMap;

use crate::{Block, Cipher, Fault, Place};

use super::base::Records;
use super::generation::{Generation, damaged};
use super::index::{Entry, Layer};
use super::layout::{self, Tally};
use super::packs::{self, Members, Pack};

/// What a row is to be.
pub(super) enum Content {
    /// Sealed, on its own.
    Sealed(Vec<u8>),
    /// With its neighbours; what is sealed is all of them, for each generation as it has them.
    Packed(Vec<u8>),
    /// Not there.
    Gone,
}

/// What rows are to be.
pub(super) type Contents = BTreeMap<Vec<u8>, Content>;

/// What changes in one pack: rows put, and rows taken away.
#[derive(Default)]
struct PackChange<'a>(BTreeMap<u8, Option<&'a [u8]>>);

/// A batch in the making.
struct Step<'a> {
    generation: &'a Generation,
    cipher: &'a dyn Cipher,
    tally: &'a mut Tally,
    batch: sled::Batch,
    rows: Vec<(Vec<u8>, Option<Entry>)>,
    packs: Vec<(Vec<u8>, Option<Pack>)>,
    /// Rows of the base that are there no more.
    gone: Vec<Vec<u8>>,
}

/// Writes rows, the pieces they no longer need, and the meta with the tally, in one batch.
pub(super) fn apply(
    generation: &Generation,
    cipher: &dyn Cipher,
    tally: &mut Tally,
    rows: &Contents,
    sealed_meta: Option<&[u8]>,
) -> Result<(), Fault> {
    let mut step = Step {
        generation,
        cipher,
        tally,
        batch: sled::Batch::default(),
        rows: Vec::with_capacity(rows.len()),
        packs: Vec::new(),
        gone: Vec::new(),
    };
    let mut changed: BTreeMap<Vec<u8>, PackChange<'_>> = BTreeMap::new();
    for (key, content) in rows {
        let (alone, packed) = match content {
            Content::Sealed(sealed) => (Some(sealed.as_slice()), None),
            Content::Packed(plain) => (None, Some(plain.as_slice())),
            Content::Gone => (None, None),
        };
        step.row(key, alone);
        let place = packs::place(key);
        let Some((pack, number)) = place.filter(|(pack, number)| {
            packed.is_some() || Pack::members_of(generation.pack(pack)).has(*number)
        }) else {
            continue;
        };
        changed.entry(pack).or_default().0.insert(number, packed);
    }
    for (key, change) in changed {
        step.pack(key, change)?;
    }
    step.finish(sealed_meta)
}

/// Writes the first meta of a new generation: a tally of nothing.
pub(super) fn begin(generation: &Generation, tally: &mut Tally) -> Result<(), Fault> {
    let mut batch = sled::Batch::default();
    tally.batches += 1;
    put(&mut batch, layout::META, &[], Some(&tally.join(None)), None);
    generation.apply(batch)
}

impl Step<'_> {
    fn row(&mut self, key: &[u8], content: Option<&[u8]>) {
        let old = self.generation.row(key);
        if old.is_none() && content.is_none() {
            return;
        }
        let new = self.put(layout::ROWS, key, content, old);
        if new.is_none() && old.is_some_and(|old| old.is_over_base()) {
            self.gone.push(key.to_vec());
        }
        self.rows.push((key.to_vec(), new));
    }

    fn pack(&mut self, key: Vec<u8>, change: PackChange<'_>) -> Result<(), Fault> {
        let old = self.generation.pack(&key);
        let changed = Members::of(change.0.keys().copied());
        let kept = old.map_or(Members::default(), |old| old.members.without(changed));
        let mut rows = packs::Rows::new();
        // The first to be deleted go together, and the last come together: few packs are read.
        if !kept.is_empty() {
            let stored = self.generation.stored(layout::PACKS, &key)?;
            let stored = stored.ok_or_else(|| damaged(layout::PACKS, &key))?;
            rows = open(self.cipher, &key, &stored.content)?;
            rows.retain(|number, _| kept.has(*number));
        }
        let put = change.0.into_iter();
        rows.extend(put.filter_map(|(number, row)| Some((number, row?.to_vec()))));
        let members = Members::of(rows.keys().copied());
        let content = match members.is_empty() {
            true => None,
            false => Some(seal(self.cipher, &key, members, &rows)?),
        };
        let old = old.map(|old| old.entry);
        let new = self.put(layout::PACKS, &key, content.as_deref(), old);
        if new.is_none() && old.is_some_and(|old| old.is_over_base()) {
            let piece_key = layout::piece_key(layout::GONE_PACKS, &key, 0);
            self.batch.insert(piece_key, &[]);
        }
        let new = new.map(|entry| Pack { entry, members });
        self.packs.push((key, new));
        Ok(())
    }

    fn put(
        &mut self,
        table: u8,
        key: &[u8],
        content: Option<&[u8]>,
        old: Option<Entry>,
    ) -> Option<Entry> {
        if let Some(old) = old {
            self.tally.remove(key, old.head);
        }
        let new = put(&mut self.batch, table, key, content, old);
        if let Some(new) = new {
            self.tally.add(key, new.head);
        }
        new
    }

    fn finish(mut self, sealed_meta: Option<&[u8]>) -> Result<(), Fault> {
        self.tally.batches += 1;
        let number = self.tally.batches.to_be_bytes();
        for (piece, list) in (0..).zip(layout::list(&self.gone)) {
            let piece_key = layout::piece_key(layout::GONE_ROWS, &number, piece);
            self.batch.insert(piece_key, list);
        }
        let old = self.generation.meta_entry()?;
        let content = self.tally.join(sealed_meta);
        put(&mut self.batch, layout::META, &[], Some(&content), old);
        self.generation.apply(self.batch)?;
        let mut index = self.generation.index();
        for (key, entry) in self.rows {
            index.note_row(key, entry);
        }
        for (key, pack) in self.packs {
            index.note_pack(key, pack);
        }
        Ok(())
    }
}

/// Adds the pieces of one row to a batch, and removes those of its old content beyond them.
fn put(
    batch: &mut sled::Batch,
    table: u8,
    key: &[u8],
    content: Option<&[u8]>,
    old: Option<Entry>,
) -> Option<Entry> {
    let (head, pieces) = content
        .map(|content| layout::cut(table, key, content))
        .unzip();
    let mut kept = 0;
    for piece in pieces.unwrap_or_default() {
        batch.insert(layout::piece_key(table, key, kept), piece);
        kept += 1;
    }
    for gone in kept..old.map_or(0, |old| old.pieces()) {
        batch.remove(layout::piece_key(table, key, gone));
    }
    let hides_base = old.is_some_and(|old| old.is_over_base());
    let layer = Layer::Sled { hides_base };
    head.map(|head| Entry { head, layer })
}

/// What is to be put into the base of a generation in the making.
#[derive(Default)]
pub(super) struct Laying {
    records: Records,
    members: BTreeMap<Vec<u8>, Members>,
}

impl Laying {
    pub(super) fn row(&mut self, key: Vec<u8>, sealed: &[u8]) {
        self.records.put(layout::ROWS, key, sealed);
    }

    /// `content` is members and sealed rows.
    pub(super) fn pack(&mut self, key: Vec<u8>, members: Members, content: &[u8]) {
        self.members.insert(key.clone(), members);
        self.records.put(layout::PACKS, key, content);
    }

    /// Puts it there. None of it may be in the generation yet, or have been: sled would note it as
    /// gone from the base.
    pub(super) fn lay(self, generation: &Generation, tally: &mut Tally) -> Result<(), Fault> {
        for (table, key, entry) in generation.append(self.records)? {
            tally.add(&key, entry.head);
            let mut index = generation.index();
            match self.members.get(&key).filter(|_| table == layout::PACKS) {
                Some(members) => {
                    let members = *members;
                    index.note_pack(key, Some(Pack { entry, members }));
                }
                None => index.note_row(key, Some(entry)),
            }
        }
        Ok(())
    }
}

/// Puts rows into the base of a generation in the making. What has to be joined with something that
/// is in sled goes there.
pub(super) fn lay(
    generation: &Generation,
    cipher: &dyn Cipher,
    tally: &mut Tally,
    rows: Contents,
) -> Result<(), Fault> {
    let (mut laying, mut others) = (Laying::default(), Contents::new());
    let mut gathered: BTreeMap<Vec<u8>, packs::Rows> = BTreeMap::new();
    for (key, content) in rows {
        let place = packs::place(&key);
        let pack = place.filter(|(pack, _)| generation.pack(pack).is_none());
        match (content, pack) {
            (Content::Packed(plain), Some((pack, number))) => {
                gathered.entry(pack).or_default().insert(number, plain);
            }
            (Content::Sealed(sealed), Some(_)) if generation.row(&key).is_none() => {
                laying.row(key, &sealed);
            }
            (content, _) => {
                others.insert(key, content);
            }
        }
    }
    for (key, rows) in gathered {
        let members = Members::of(rows.keys().copied());
        let content = seal(cipher, &key, members, &rows)?;
        laying.pack(key, members, &content);
    }
    laying.lay(generation, tally)?;
    if others.is_empty() {
        return Ok(());
    }
    apply(generation, cipher, tally, &others, None)
}

fn seal(
    cipher: &dyn Cipher,
    key: &[u8],
    members: Members,
    rows: &packs::Rows,
) -> Result<Vec<u8>, Fault> {
    let sealed = cipher.seal(pack_place(key), &packs::encode(rows));
    let sealed = sealed.map_err(|error| Fault::cipher(Block::Row(key.to_vec()), error))?;
    Ok(members.join(&sealed))
}

/// Opens the rows of a pack.
pub(super) fn open(cipher: &dyn Cipher, key: &[u8], content: &[u8]) -> Result<packs::Rows, Fault> {
    let bad = || damaged(layout::PACKS, key);
    let (members, sealed) = Members::split(content).ok_or_else(bad)?;
    let plain = cipher.open(pack_place(key), sealed);
    let plain = plain.map_err(|error| Fault::cipher(Block::Row(key.to_vec()), error))?;
    packs::decode(members, &plain).ok_or_else(bad)
}

fn pack_place(key: &[u8]) -> Place<'_> {
    Place {
        table: "packs",
        key,
    }
}
