//! Builds the rows anew beside the old ones while the old ones are written and read.
//!
//! Every batch goes to both; a row that a batch has touched is not copied any more. So at any time
//! the new rows, with those still to be copied, are the present ones. The header is what swaps
//! them, after the new ones were synced: a crash before it leaves the old ones, whose leftovers the
//! next open removes, and a crash after it the new ones.

use std::collections::HashSet;
use std::path::Path;
use std::time::Instant;

use crate::format::Stamped;
use crate::limits::{BULK_SYNC_BYTES, KEY_BYTES_MAX, RENEW_STEP_BYTES, ROW_BYTES_MAX};
use crate::log::within;
use crate::{Cipher, Fault, Row, files, work_ended};

use super::apply::{Contents, apply, lay};
use super::generation::{self, Generation};
use super::layout::Tally;
use super::{Present, RowsOptions, SledRows, open, remove_rows};

/// A generation on its way to become the present one.
pub(super) struct Renewal {
    generation: Generation,
    tally: Tally,
    /// What was written or deleted since the renewal began.
    touched: HashSet<Vec<u8>>,
}

impl Renewal {
    /// Creates the generation; what a renewal that was given up left there is removed.
    pub(super) fn begin(
        dir: &Path,
        stamped: &Stamped,
        number: u64,
        options: &RowsOptions,
    ) -> Result<Renewal, Fault> {
        let (generation, tally) = open::create(dir, stamped, number, options)?;
        Ok(Renewal {
            generation,
            tally,
            touched: HashSet::new(),
        })
    }

    fn follow(&mut self, cipher: &dyn Cipher, rows: Contents) -> Result<(), Fault> {
        apply(&self.generation, cipher, &mut self.tally, &rows, None)?;
        self.touched.extend(rows.into_keys());
        Ok(())
    }
}

/// Takes a batch over. A renewal that cannot follow is given up: the old rows have the batch.
pub(super) fn follow(
    renewal: &mut Option<Renewal>,
    dir: &Path,
    cipher: &dyn Cipher,
    rows: Contents,
) {
    let Some(under_way) = renewal.as_mut() else {
        return;
    };
    if let Err(fault) = under_way.follow(cipher, rows) {
        tracing::warn!(%fault, "a renewal of the rows is given up");
        give_up(renewal, dir);
    }
}

/// Removes what was built.
pub(super) fn give_up(renewal: &mut Option<Renewal>, dir: &Path) {
    let Some(given_up) = renewal.take() else {
        return;
    };
    let path = generation::path(dir, given_up.generation.number);
    drop(given_up);
    remove_rows(&path);
}

impl SledRows {
    /// Copies rows in small steps, synced now and then; `false` when the renewal was given up.
    pub(super) fn copy(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
    ) -> Result<bool, Fault> {
        let (mut step, mut bytes, mut unsynced) = (Contents::new(), 0, 0);
        loop {
            let row = rows.next().transpose()?;
            let is_last = row.is_none();
            if let Some((key, value)) = row {
                within("a row key", key.len(), KEY_BYTES_MAX)?;
                within("a row", value.len(), ROW_BYTES_MAX)?;
                bytes += key.len() + value.len();
                let content = self.content(&key, value)?;
                step.insert(key, content);
            }
            if bytes > RENEW_STEP_BYTES || is_last {
                unsynced += std::mem::take(&mut bytes);
                let Some(generation) = self.copy_step(std::mem::take(&mut step))? else {
                    return Ok(false);
                };
                if unsynced > BULK_SYNC_BYTES || is_last {
                    generation.sync_base()?;
                    unsynced = 0;
                }
                if is_last {
                    // Not while the writer waits: what is left to sync then takes less.
                    generation.sync()?;
                    return Ok(true);
                }
            }
        }
    }

    fn copy_step(&self, mut step: Contents) -> Result<Option<Generation>, Fault> {
        let mut renewal = self.renewal();
        let Some(renewal) = renewal.as_mut() else {
            return Ok(None);
        };
        step.retain(|key, _| !renewal.touched.contains(key));
        let (generation, tally) = (&renewal.generation, &mut renewal.tally);
        lay(generation, &*self.cipher, tally, step)?;
        Ok(Some(renewal.generation.clone()))
    }

    /// Gives the copied rows the present meta, syncs what came since, and swaps them in. Only the
    /// writer waits for it.
    pub(super) fn finish_renewal(&self) -> Result<bool, Fault> {
        let writing = self.writing();
        let mut renewal = self.renewal();
        let begun = Instant::now();
        let Some(Renewal {
            generation,
            mut tally,
            ..
        }) = renewal.take()
        else {
            return Ok(false);
        };
        let path = generation::path(&self.dir, generation.number);
        let meta = self.present().meta.clone();
        if let Err(fault) = self.end_of(&generation, &mut tally, meta.as_deref()) {
            drop(generation);
            files::remove(&path)?;
            return Err(fault);
        }
        let renewed = Present {
            generation,
            tally,
            meta,
        };
        let old = match self.swap(renewed) {
            // The header was not replaced: nothing leads to what was built.
            Err(fault) if fault.is_no_space() => {
                files::remove(&path)?;
                return Err(fault);
            }
            swapped => swapped?,
        };
        work_ended("swap", begun);
        // The next batch need not wait until the old rows are gone.
        drop(renewal);
        drop(writing);
        self.remove(old);
        Ok(true)
    }

    fn end_of(
        &self,
        generation: &Generation,
        tally: &mut Tally,
        meta: Option<&[u8]>,
    ) -> Result<(), Fault> {
        generation.finish_base()?;
        let sealed_meta = meta.map(|meta| self.seal_meta(meta)).transpose()?;
        let (cipher, meta) = (&*self.cipher, sealed_meta.as_deref());
        apply(generation, cipher, tally, &Contents::new(), meta)?;
        generation.sync()
    }
}
