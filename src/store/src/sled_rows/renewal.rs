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
use crate::{BadRow, Block, Cipher, Fault, files, work_ended};

use super::apply::{Contents, apply};
use super::generation::{self, Generation};
use super::layout::Tally;
use super::{Present, RowsOptions, SledRows, open, remove_rows};

/// A generation on its way to become the present one.
pub(super) struct Renewal {
    pub(super) generation: Generation,
    pub(super) tally: Tally,
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

    pub(super) fn generation(&self) -> Generation {
        self.generation.clone()
    }

    /// The first of bad rows that was neither written again nor deleted.
    pub(super) fn missing<'a>(&self, bad: &'a [BadRow]) -> Option<&'a BadRow> {
        bad.iter().find(|bad| !self.has_touched(&bad.key))
    }

    /// Whether a row was written or deleted since the renewal began.
    pub(super) fn has_touched(&self, key: &[u8]) -> bool {
        self.touched.contains(key)
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
    /// Gives the copied rows the present meta, syncs what came since, and swaps them in. Only the
    /// writer waits for it.
    ///
    /// A row that is bad and was not written again meanwhile would be missing there.
    pub(super) fn finish_renewal(&self, bad: &[BadRow]) -> Result<bool, Fault> {
        let writing = self.writing();
        let mut renewal = self.renewal();
        let begun = Instant::now();
        if let Some(bad) = renewal.as_ref().and_then(|renewal| renewal.missing(bad)) {
            return Err(bad.fault.clone());
        }
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
        let ended = self.has_all(&generation);
        let ended = ended.and_then(|()| self.end_of(&generation, &mut tally, meta.as_deref()));
        if let Err(fault) = ended {
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

    /// Its own tally could not tell that a row was left out.
    fn has_all(&self, generation: &Generation) -> Result<(), Fault> {
        let (old, new) = (self.present().generation.clone(), generation);
        let (old_rows, new_rows) = (old.index().count(), new.index().count());
        if old_rows == new_rows {
            return Ok(());
        }
        tracing::error!(old_rows, new_rows, "renewed rows are not all of the rows");
        Err(Fault::Damaged { what: Block::Meta })
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
