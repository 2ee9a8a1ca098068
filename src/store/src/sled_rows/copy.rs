//! Copies rows into the generation in the making as they lie: checked against their checksums, and
//! still sealed.
//!
//! To put them together from the state, and seal them, took several times as long, and what is
//! written while a renewal goes on takes its space twice.

use std::time::Instant;

use crate::limits::{
    BULK_SYNC_BYTES, RENEW_BAD_ROWS_MAX, RENEW_REPAIR_WAIT, RENEW_STEP_BYTES, RENEW_STEP_ROWS,
};
use crate::{Attendant, BadRow, Block, Fault};

use super::apply::{Contents, Laying, lay, open};
use super::generation::{Generation, Stored, damaged};
use super::index::Entry;
use super::packs::{self, Members, Pack};
use super::renewal::Renewal;
use super::{SledRows, layout, row_place};

/// A copy on its way. While it is there nobody removes the files it reads.
pub(super) struct Copying<'a> {
    rows: &'a SledRows,
    from: Generation,
    step_rows: usize,
    /// Rows that could not be copied.
    bad: Vec<BadRow>,
    told: usize,
}

/// Some rows, or some packs, as they were found.
#[derive(Default)]
struct Passage {
    found: Vec<Stored>,
    bytes: usize,
    last: Option<Vec<u8>>,
}

impl<'a> Copying<'a> {
    pub(super) fn new(rows: &'a SledRows) -> Copying<'a> {
        let from = rows.present().generation.clone();
        Copying {
            rows,
            from,
            step_rows: RENEW_STEP_ROWS,
            bad: Vec::new(),
            told: 0,
        }
    }

    /// Copies everything in small steps, synced now and then; `false` when the renewal was given
    /// up.
    pub(super) fn run(&mut self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        let mut unsynced = 0;
        for table in [layout::ROWS, layout::PACKS] {
            let mut last = None;
            loop {
                attendant.goes_on()?;
                let passage = self.read(table, last.as_deref())?;
                if passage.last.is_none() {
                    break;
                }
                last.clone_from(&passage.last);
                unsynced += passage.bytes;
                let Some(generation) = self.copy(table, passage)? else {
                    return Ok(false);
                };
                self.tell(attendant)?;
                if unsynced > BULK_SYNC_BYTES {
                    generation.sync_base()?;
                    unsynced = 0;
                }
            }
        }
        self.wait(attendant)?;
        let generation = self.rows.renewal().as_ref().map(Renewal::generation);
        let Some(generation) = generation else {
            return Ok(false);
        };
        // Not while the writer waits: what is left to sync then takes less.
        generation.sync_base()?;
        generation.sync()?;
        Ok(true)
    }

    /// What could not be copied. The old files may go now.
    pub(super) fn into_bad(self) -> Vec<BadRow> {
        self.bad
    }

    /// Reads what follows a key in a table.
    fn read(&mut self, table: u8, after: Option<&[u8]>) -> Result<Passage, Fault> {
        let entries = self.from.index().after(table, after, self.step_rows);
        let mut passage = Passage::default();
        for (key, entry) in entries {
            if passage.bytes > RENEW_STEP_BYTES {
                break;
            }
            match self.stored(table, &key, entry) {
                Ok(Some(stored)) => {
                    passage.bytes += stored.key.len() + stored.content.len();
                    passage.found.push(stored);
                }
                // It was deleted just now.
                Ok(None) => {}
                Err(fault) => self.found_bad(table, &key, fault)?,
            }
            passage.last = Some(key);
        }
        Ok(passage)
    }

    fn stored(&self, table: u8, key: &[u8], entry: Entry) -> Result<Option<Stored>, Fault> {
        // What is in a base does not change.
        if let Some(stored) = self.from.stored_at(table, key, entry)? {
            return Ok(Some(stored));
        }
        // The lock keeps a batch from changing the row between two of its pieces.
        let _present = self.rows.present();
        let Some(Entry { head, .. }) = self.from.entry(table, key) else {
            return Ok(None);
        };
        // Whatever else lies there would be proved right by the tally of the new rows.
        let stored = self.from.stored(table, key)?;
        let stored = stored.filter(|stored| stored.head == head);
        stored.map(Some).ok_or_else(|| damaged(table, key))
    }

    /// Lays into the new generation what no batch has touched since that was begun; `None` if it
    /// was given up. Each pack is laid at most once, and each row: one that was laid may be noted
    /// as gone by now.
    fn copy(&mut self, table: u8, passage: Passage) -> Result<Option<Generation>, Fault> {
        let rows = self.rows;
        let mut renewal = rows.renewal();
        let Some(renewal) = renewal.as_mut() else {
            return Ok(None);
        };
        let (mut laying, mut others) = (Laying::default(), Contents::new());
        for stored in passage.found {
            let key = stored.key.clone();
            let laid = match table {
                layout::PACKS => self.copy_pack(renewal, stored, &mut laying, &mut others),
                _ => self.copy_row(renewal, stored, &mut laying),
            };
            if let Err(fault) = laid {
                self.found_bad(table, &key, fault)?;
            }
        }
        let (generation, tally) = (&renewal.generation, &mut renewal.tally);
        laying.lay(generation, tally)?;
        lay(generation, &*rows.cipher, tally, others)?;
        Ok(Some(generation.clone()))
    }

    /// It stays on its own, though it may be one that would be put into a pack today: that pack is
    /// laid later.
    fn copy_row(
        &self,
        renewal: &Renewal,
        stored: Stored,
        laying: &mut Laying,
    ) -> Result<(), Fault> {
        let cipher = &self.rows.cipher;
        if renewal.has_touched(&stored.key) {
            return Ok(());
        }
        if cipher.is_current(&stored.content) {
            laying.row(stored.key, &stored.content);
            return Ok(());
        }
        let (key, value) = self.rows.open_row(stored)?;
        let sealed = cipher.seal(row_place(&key), &value);
        let sealed = sealed.map_err(|error| Fault::cipher(Block::Row(key.clone()), error))?;
        laying.row(key, &sealed);
        Ok(())
    }

    fn copy_pack(
        &self,
        renewal: &Renewal,
        stored: Stored,
        laying: &mut Laying,
        others: &mut Contents,
    ) -> Result<(), Fault> {
        let Stored { key, content, .. } = stored;
        let split = Members::split(&content);
        let (members, sealed) = split.ok_or_else(|| damaged(layout::PACKS, &key))?;
        let is_touched = |row_key: Vec<u8>| renewal.has_touched(&row_key);
        // A row that has joined it since is in a pack of that key already.
        let is_untouched =
            renewal.generation.pack(&key).is_none() && !members.row_keys(&key).any(is_touched);
        if is_untouched && self.rows.cipher.is_current(sealed) {
            laying.pack(key, members, &content);
            return Ok(());
        }
        for (number, row) in open(&*self.rows.cipher, &key, &content)? {
            let row_key = packs::row_key(&key, number);
            if !renewal.has_touched(&row_key) {
                let content = self.rows.content(&row_key, row)?;
                others.insert(row_key, content);
            }
        }
        Ok(())
    }

    /// Notes what is damaged; anything else is no fault of a row.
    fn found_bad(&mut self, table: u8, key: &[u8], fault: Fault) -> Result<(), Fault> {
        if !fault.is_damage() || self.bad.len() >= RENEW_BAD_ROWS_MAX {
            return Err(fault);
        }
        if table == layout::PACKS {
            let members = Pack::members_of(self.from.pack(key));
            self.bad.extend(members.row_keys(key).map(|key| {
                let fault = fault.clone().of_row(&key);
                BadRow { key, fault }
            }));
        } else {
            let key = key.to_vec();
            self.bad.push(BadRow { key, fault });
        }
        Ok(())
    }

    fn tell(&mut self, attendant: &mut dyn Attendant) -> Result<(), Fault> {
        let untold = self.bad.get(self.told..).unwrap_or_default();
        if !untold.is_empty() {
            attendant.are_bad(untold)?;
        }
        self.told = self.bad.len();
        Ok(())
    }

    /// Waits until the bad rows were written again, or deleted.
    fn wait(&self, attendant: &mut dyn Attendant) -> Result<(), Fault> {
        let begun = Instant::now();
        let is_missing = || {
            let renewal = self.rows.renewal();
            let renewal = renewal.as_ref();
            renewal.is_some_and(|renewal| renewal.missing(&self.bad).is_some())
        };
        while begun.elapsed() < RENEW_REPAIR_WAIT && is_missing() {
            attendant.goes_on()?;
            if !attendant.waits() {
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::path::Path;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU8, Ordering};

    use proptest::prelude::{ProptestConfig, Strategy, any, prop_assert, prop_assert_eq, proptest};
    use tempfile::tempdir;

    use super::*;
    use crate::format::Stamped;
    use crate::{Batch, Cipher, CipherFault, Packing, Place, Row, Rows, RowsOptions};

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;
    type Change = BTreeMap<u8, Option<u8>>;

    /// A cipher whose key is rotated: what is sealed begins with the number of the key.
    struct Turning(AtomicU8);

    impl Cipher for Turning {
        fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
            Ok([&[self.0.load(Ordering::Relaxed)], plain].concat())
        }

        fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
            let (_, plain) = sealed.split_first().ok_or(CipherFault::Open)?;
            Ok(plain.to_vec())
        }

        fn is_current(&self, sealed: &[u8]) -> bool {
            sealed.first() == Some(&self.0.load(Ordering::Relaxed))
        }
    }

    fn open(dir: &Path, cipher: &Arc<Turning>, packs: bool) -> SledRows {
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let packing = Packing {
            first_byte: 1,
            key_bytes: 3,
        };
        let options = RowsOptions {
            packing: packs.then_some(packing),
            ..RowsOptions::default()
        };
        let cipher: Arc<dyn Cipher> = Arc::<Turning>::clone(cipher);
        let opened = SledRows::open(dir, &stamped, cipher, options).unwrap();
        assert!(!opened.rebuilt);
        opened.rows
    }

    /// Half of the rows go into packs; some take several pieces in sled.
    fn row(number: u8, seed: u8) -> Row {
        let bytes = if seed > 240 { 9_000 } else { usize::from(seed) };
        (vec![number % 2, 0, number / 2], vec![seed; bytes])
    }

    fn change() -> impl Strategy<Value = Change> {
        proptest::collection::btree_map(0..80u8, any::<Option<u8>>(), 0..12)
    }

    fn write(rows: &SledRows, model: &mut Model, change: &Change) {
        let mut batch = Batch::default();
        for (number, seed) in change {
            let (key, value) = row(*number, seed.unwrap_or_default());
            if seed.is_some() {
                model.insert(key.clone(), value.clone());
                batch.puts.push((key, value));
            } else {
                model.remove(&key);
                batch.deletes.push(key);
            }
        }
        rows.write(batch).unwrap();
    }

    /// Copies, and writes before rows are read and before they are laid.
    fn copy_with(rows: &SledRows, model: &mut Model, step_rows: usize, changes: Vec<Change>) {
        let mut changes = changes.into_iter();
        let mut write_next = || {
            if let Some(change) = changes.next() {
                write(rows, model, &change);
            }
        };
        let mut copying = Copying::new(rows);
        copying.step_rows = step_rows;
        for table in [layout::ROWS, layout::PACKS] {
            let mut last = None;
            loop {
                write_next();
                let passage = copying.read(table, last.as_deref()).unwrap();
                write_next();
                if passage.last.is_none() {
                    break;
                }
                last.clone_from(&passage.last);
                assert!(copying.copy(table, passage).unwrap().is_some());
            }
        }
        assert!(copying.into_bad().is_empty());
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: 48,
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        #[test]
        fn rows_that_change_between_any_two_steps_of_a_copy_are_as_they_were_written(
            rounds in proptest::collection::vec(
                (
                    change(),
                    any::<[bool; 2]>(),
                    1..6_usize,
                    proptest::collection::vec(change(), 0..60),
                ),
                1..4,
            ),
        ) {
            let dir = tempdir().unwrap();
            let cipher = Arc::new(Turning(AtomicU8::new(0)));
            let (mut rows, mut model) = (open(dir.path(), &cipher, false), Model::new());
            for (first, [packs, turns], step_rows, changes) in rounds {
                write(&rows, &mut model, &first);
                drop(rows);
                rows = open(dir.path(), &cipher, packs);
                cipher.0.fetch_add(turns.into(), Ordering::Relaxed);
                rows.begin_renewal().unwrap();
                copy_with(&rows, &mut model, step_rows, changes);
                prop_assert!(rows.finish_renewal(&[]).unwrap());
                prop_assert_eq!(rows.space().unwrap().rows, model.len() as u64);
                let generation = rows.present().generation.clone();
                for table in [layout::ROWS, layout::PACKS] {
                    let all = generation.index().after(table, None, usize::MAX);
                    for (key, _) in all {
                        let stored = generation.stored(table, &key).unwrap().unwrap();
                        let before = if table == layout::PACKS { 2 } else { 0 };
                        prop_assert!(cipher.is_current(&stored.content[before..]));
                    }
                }
                drop(generation);
                drop(rows);
                rows = open(dir.path(), &cipher, packs);
                let all: Model = rows.scan().collect::<Result<_, _>>().unwrap();
                prop_assert_eq!(&all, &model);
            }
        }
    }

    #[test]
    fn a_row_that_joins_a_pack_after_it_was_read_and_before_it_is_laid_is_not_lost() {
        let dir = tempdir().unwrap();
        let cipher = Arc::new(Turning(AtomicU8::new(0)));
        let rows = open(dir.path(), &cipher, true);
        let mut model = Model::new();
        write(&rows, &mut model, &[(1, Some(1)), (3, Some(3))].into());
        rows.begin_renewal().unwrap();
        let mut copying = Copying::new(&rows);
        let passage = copying.read(layout::PACKS, None).unwrap();
        write(&rows, &mut model, &[(5, Some(5))].into());
        copying.copy(layout::PACKS, passage).unwrap();
        assert!(rows.finish_renewal(&copying.into_bad()).unwrap());
        let all: Model = rows.scan().collect::<Result<_, _>>().unwrap();
        assert_eq!(all, model);
    }

    #[test]
    fn a_row_that_sled_has_otherwise_than_was_written_is_bad() {
        let dir = tempdir().unwrap();
        let cipher = Arc::new(Turning(AtomicU8::new(0)));
        let rows = open(dir.path(), &cipher, true);
        let mut model = Model::new();
        let change = (0..4).map(|number| (number, Some(number)));
        write(&rows, &mut model, &change.collect());
        let generation = rows.present().generation.clone();
        // As when half of a batch was written: what is there is right by itself, or gone.
        let (lost, other) = (row(0, 0).0, row(2, 0).0);
        let mut half = sled::Batch::default();
        half.remove(layout::piece_key(layout::ROWS, &lost, 0));
        let (_, pieces) = layout::cut(layout::ROWS, &other, b"\0later");
        half.insert(
            layout::piece_key(layout::ROWS, &other, 0),
            pieces[0].as_slice(),
        );
        generation.apply(half).unwrap();
        rows.begin_renewal().unwrap();
        let mut copying = Copying::new(&rows);
        copying.read(layout::ROWS, None).unwrap();
        let keys: Vec<Vec<u8>> = copying.into_bad().into_iter().map(|bad| bad.key).collect();
        assert_eq!(keys, [lost, other]);
    }
}
