//! Copies rows into the generation in the making as they lie: checked, and still sealed.
//!
//! To put them together from the state instead took five times as long, and a renewal that takes
//! long needs the more space for what is written meanwhile.

use crate::limits::{BULK_SYNC_BYTES, RENEW_BAD_ROWS_MAX, RENEW_STEP_BYTES, RENEW_STEP_ROWS};
use crate::{Attendant, Fault};

use super::SledRows;
use super::apply::{Contents, Laying, lay, open};
use super::generation::{Generation, Stored, damaged};
use super::index::Entry;
use super::layout;
use super::packs::{self, Members, Pack};
use super::renewal::Renewal;

/// A copy on its way.
pub(super) struct Copying<'a> {
    rows: &'a SledRows,
    from: Generation,
    step_rows: usize,
    /// Rows that could not be copied, and why.
    bad: Vec<(Vec<u8>, Fault)>,
    told: usize,
}

/// Some rows, or some packs, as they were found.
#[derive(Default)]
struct Step {
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
                let step = self.read(table, last.as_deref())?;
                if step.last.is_none() {
                    break;
                }
                last.clone_from(&step.last);
                unsynced += step.bytes;
                let Some(generation) = self.lay(table, step)? else {
                    return Ok(false);
                };
                self.tell(attendant);
                if unsynced > BULK_SYNC_BYTES {
                    generation.sync_base()?;
                    unsynced = 0;
                }
            }
        }
        // Not while the writer waits: what is left to sync then takes less.
        match self.lay(layout::ROWS, Step::default())? {
            Some(generation) => generation.sync_base().and(generation.sync()).map(|()| true),
            None => Ok(false),
        }
    }

    /// What could not be copied: keys of rows, and why.
    pub(super) fn bad(self) -> Vec<(Vec<u8>, Fault)> {
        self.bad
    }

    /// Reads what follows a key in a table.
    fn read(&mut self, table: u8, after: Option<&[u8]>) -> Result<Step, Fault> {
        let entries = self.from.index().after(table, after, self.step_rows);
        let mut step = Step::default();
        for (key, entry) in entries {
            if step.bytes > RENEW_STEP_BYTES {
                break;
            }
            match self.stored(table, &key, entry) {
                Ok(Some(stored)) => {
                    step.bytes += stored.key.len() + stored.content.len();
                    step.found.push(stored);
                }
                // It was deleted just now.
                Ok(None) => {}
                Err(fault) => self.found_bad(table, &key, fault)?,
            }
            step.last = Some(key);
        }
        Ok(step)
    }

    fn stored(&self, table: u8, key: &[u8], entry: Entry) -> Result<Option<Stored>, Fault> {
        // What is in a base does not change.
        if let Some(stored) = self.from.stored_at(table, key, entry)? {
            return Ok(Some(stored));
        }
        // The lock keeps a batch from changing the row between two of its pieces.
        let _present = self.rows.present();
        self.from.stored(table, key)
    }

    /// Lays into the new generation what no batch has touched since that was begun; `None` if it was
    /// given up.
    fn lay(&mut self, table: u8, step: Step) -> Result<Option<Generation>, Fault> {
        let rows = self.rows;
        let mut renewal = rows.renewal();
        let Some(renewal) = renewal.as_mut() else {
            return Ok(None);
        };
        let (mut laying, mut others) = (Laying::default(), Contents::new());
        for stored in step.found {
            let key = stored.key.clone();
            let laid = match table {
                layout::PACKS => self.lay_pack(renewal, stored, &mut laying, &mut others),
                _ => self.lay_row(renewal, stored, &mut laying, &mut others),
            };
            match laid {
                Err(fault) => self.found_bad(table, &key, fault)?,
                laid => laid?,
            }
        }
        let (generation, tally) = (&renewal.generation, &mut renewal.tally);
        laying.lay(generation, tally)?;
        lay(generation, &*rows.cipher, tally, others)?;
        Ok(Some(generation.clone()))
    }

    fn lay_row(
        &self,
        renewal: &Renewal,
        stored: Stored,
        laying: &mut Laying,
        others: &mut Contents,
    ) -> Result<(), Fault> {
        if renewal.has_touched(&stored.key) {
            return Ok(());
        }
        if self.rows.cipher.is_current(&stored.content) {
            laying.row(stored.key, &stored.content);
            return Ok(());
        }
        let (key, value) = self.rows.open_row(stored)?;
        let content = self.rows.content(&key, value)?;
        others.insert(key, content);
        Ok(())
    }

    fn lay_pack(
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
            let keys = members.row_keys(key);
            self.bad.extend(keys.map(|key| {
                let fault = fault.clone().of_row(&key);
                (key, fault)
            }));
        } else {
            self.bad.push((key.to_vec(), fault));
        }
        Ok(())
    }

    fn tell(&mut self, attendant: &mut dyn Attendant) {
        for (key, fault) in self.bad.iter().skip(self.told) {
            attendant.is_bad(key, fault);
        }
        self.told = self.bad.len();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, VecDeque};
    use std::path::Path;
    use std::sync::Arc;

    use proptest::prelude::{Strategy, any, prop_assert, prop_assert_eq, proptest};
    use tempfile::tempdir;

    use super::*;
    use crate::cipher::tests::Plain;
    use crate::format::Stamped;
    use crate::{Batch, Packing, Row, Rows, RowsOptions};

    type Model = BTreeMap<Vec<u8>, Vec<u8>>;
    type Change = BTreeMap<u8, Option<u8>>;

    fn open(dir: &Path) -> SledRows {
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let options = RowsOptions {
            packing: Some(Packing {
                first_byte: 1,
                key_bytes: 3,
            }),
            ..RowsOptions::default()
        };
        let opened = SledRows::open(dir, &stamped, Arc::new(Plain), options).unwrap();
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

    fn all(rows: &SledRows) -> Model {
        rows.scan().collect::<Result<_, _>>().unwrap()
    }

    /// Writes one change before each step.
    struct Between<'a> {
        rows: &'a SledRows,
        model: &'a mut Model,
        changes: VecDeque<Change>,
    }

    impl Attendant for Between<'_> {
        fn goes_on(&mut self) -> Result<(), Fault> {
            if let Some(change) = self.changes.pop_front() {
                write(self.rows, self.model, &change);
            }
            Ok(())
        }

        fn is_bad(&mut self, _: &[u8], fault: &Fault) {
            panic!("{fault}");
        }
    }

    proptest! {
        #[test]
        fn rows_that_change_between_any_two_steps_of_a_copy_are_as_they_were_written(
            rounds in proptest::collection::vec(
                (change(), 1..6_usize, proptest::collection::vec(change(), 0..40)),
                1..4,
            ),
        ) {
            let dir = tempdir().unwrap();
            let (mut rows, mut model) = (open(dir.path()), Model::new());
            for (first, step_rows, changes) in rounds {
                write(&rows, &mut model, &first);
                rows.begin_renewal().unwrap();
                let mut copying = Copying::new(&rows);
                copying.step_rows = step_rows;
                let mut between = Between {
                    rows: &rows,
                    model: &mut model,
                    changes: changes.into(),
                };
                prop_assert!(copying.run(&mut between).unwrap());
                prop_assert!(rows.finish_renewal(&[]).unwrap());
                prop_assert_eq!(&all(&rows), &model);
                prop_assert_eq!(rows.space().unwrap().rows, model.len() as u64);
                drop(rows);
                rows = open(dir.path());
                prop_assert_eq!(&all(&rows), &model);
            }
        }
    }
}
