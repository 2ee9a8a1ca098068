//! The state rows in sled: durable at checkpoints, and rebuilt rather than trusted when in doubt.
//!
//! What must always hold:
//!
//! - a batch and its meta are one atomic sled batch in one tree;
//! - a checkpoint is sled's flush, then our own sync of its file and directory, then a header that
//!   says how far it reached;
//! - a row is in sled, or else in the base, or else noted in sled as gone from it, or nowhere;
//! - rows come back exactly as some batch left them, or the directory is set aside and
//!   `Opened::rebuilt` says that the rows start empty. A tally over all rows, written with every
//!   batch, is what proves it on opening.

mod apply;
mod base;
mod copy;
mod generation;
mod index;
mod layout;
mod open;
mod packs;
mod renewal;

use std::fmt::{self, Debug, Formatter};
use std::path::{Path, PathBuf};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};

use parking_lot::{FairMutex, FairMutexGuard};

use crate::dispose::Disposal;
use crate::format::{FormatError, Stamped};
use crate::limits::{BULK_SYNC_BYTES, KEY_BYTES_MAX, REPLACE_BATCH_BYTES, ROW_BYTES_MAX};
use crate::log::within;
use crate::rows::check_batch;
use crate::{Attendant, Batch, Block, Cipher, Fault, Place, Row, RowScan, Rows, Space, files};

use self::apply::{Content, Contents, apply, lay};
use self::copy::Copying;
use self::generation::{Generation, Stored};
use self::layout::Tally;
use self::renewal::Renewal;

use self::packs::Pack;

pub use self::packs::Packing;

/// How the rows use memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RowsOptions {
    /// The capacity of sled's page cache in bytes; sled exceeds it somewhat.
    pub cache_bytes: u64,
    /// Which rows are put into packs; those that are in some are read in any case.
    pub packing: Option<Packing>,
}

impl Default for RowsOptions {
    fn default() -> RowsOptions {
        RowsOptions {
            cache_bytes: 64 * 1024 * 1024,
            packing: None,
        }
    }
}

/// Why the rows could not be opened. Damage is none of these: it is set aside.
#[derive(Debug, thiserror::Error)]
pub enum RowsError {
    /// The directory is of a later release, or somebody else's; it was left alone.
    #[error("could not open the rows described by {}", path.display())]
    Format {
        /// The file that says so.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        source: FormatError,
    },
    /// The files could not be read or written, or the storage key does not open them.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Rows that were opened.
#[derive(Debug)]
pub struct Opened {
    /// The rows.
    pub rows: SledRows,
    /// Whether what was there had to be set aside just now: the rows are empty, and must be rebuilt
    /// from a snapshot and the log, or from a peer. It is said once; that the rows' meta is behind
    /// the log's purge mark goes on saying it.
    pub rebuilt: bool,
    /// How many damaged directories are kept for a later look.
    pub quarantined: u64,
}

/// State rows in sled.
pub struct SledRows {
    dir: PathBuf,
    stamped: Stamped,
    cipher: Arc<dyn Cipher>,
    options: RowsOptions,
    /// Held by whoever writes or changes the header; taken before the others.
    writing: Mutex<()>,
    /// Taken before `present`. A fair one: who copies rows takes it again at once, and the writer
    /// would wait for ever. A batch takes it only to follow: rows that are copied between its two
    /// halves are older or its own, and it writes over them.
    renewal: FairMutex<Option<Renewal>>,
    present: RwLock<Present>,
    disposal: Disposal,
    /// The first failure of a write; there is no second one.
    fault: OnceLock<Fault>,
}

struct Present {
    generation: Generation,
    tally: Tally,
    meta: Option<Vec<u8>>,
}

impl SledRows {
    /// Opens the rows in `dir`, or starts empty ones if the directory is missing or empty.
    ///
    /// Every row is checked; they come back as of the last checkpoint or a later batch, or they are
    /// set aside.
    pub fn open(
        dir: &Path,
        stamped: &Stamped,
        cipher: Arc<dyn Cipher>,
        options: RowsOptions,
    ) -> Result<Opened, RowsError> {
        let found = open::open(dir, stamped, &options)?;
        let meta = found.sealed_meta.map(|sealed| {
            let meta = cipher.open(META_PLACE, &sealed);
            meta.map_err(|error| Fault::cipher(Block::Meta, error))
        });
        let present = Present {
            generation: found.generation,
            tally: found.tally,
            meta: meta.transpose()?,
        };
        let rows = SledRows {
            dir: dir.to_path_buf(),
            stamped: stamped.clone(),
            cipher,
            options,
            writing: Mutex::new(()),
            renewal: FairMutex::new(None),
            present: RwLock::new(present),
            disposal: Disposal::default(),
            fault: OnceLock::new(),
        };
        Ok(Opened {
            rows,
            rebuilt: found.rebuilt,
            quarantined: open::quarantines(dir)?.len() as u64,
        })
    }

    fn check(&self) -> Result<(), Fault> {
        self.fault.get().map_or(Ok(()), |fault| Err(fault.clone()))
    }

    /// Remembers a failure of a write for every later call. Lack of space is none: sled itself goes
    /// no further after it, but the rows can be replaced once there is space.
    fn failed(&self, fault: &Fault) {
        if !fault.is_no_space() {
            tracing::debug!(%fault, "the row store stopped");
            self.fault.get_or_init(|| fault.clone());
        }
    }

    /// A batch that meets bad pages is no lost write: the rows can still be replaced as a whole.
    fn batch_failed(&self, fault: &Fault) {
        if !fault.is_damage() {
            self.failed(fault);
        }
    }

    fn present(&self) -> RwLockReadGuard<'_, Present> {
        self.present.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn present_mut(&self) -> RwLockWriteGuard<'_, Present> {
        self.present.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writing(&self) -> MutexGuard<'_, ()> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn renewal(&self) -> FairMutexGuard<'_, Option<Renewal>> {
        self.renewal.lock()
    }

    fn content(&self, key: &[u8], value: Vec<u8>) -> Result<Content, Fault> {
        let packing = self.options.packing;
        if packing.is_some_and(|packing| packing.takes(key, value.len())) {
            return Ok(Content::Packed(value));
        }
        let sealed = self.cipher.seal(row_place(key), &value);
        sealed
            .map(Content::Sealed)
            .map_err(|error| Fault::cipher(Block::Row(key.to_vec()), error))
    }

    fn seal_meta(&self, meta: &[u8]) -> Result<Vec<u8>, Fault> {
        let sealed = self.cipher.seal(META_PLACE, meta);
        sealed.map_err(|error| Fault::cipher(Block::Meta, error))
    }

    fn open_row(&self, stored: Stored) -> Result<Row, Fault> {
        match self.cipher.open(row_place(&stored.key), &stored.content) {
            Ok(value) => Ok((stored.key, value)),
            Err(error) => Err(Fault::cipher(Block::Row(stored.key), error)),
        }
    }

    /// Reads a row that lies in a pack.
    fn packed_row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        let Some((pack, number)) = packs::place(key) else {
            return Ok(None);
        };
        let present = self.present();
        if !Pack::members_of(present.generation.pack(&pack)).has(number) {
            return Ok(None);
        }
        let stored = present.generation.stored(layout::PACKS, &pack);
        drop(present);
        let Some(stored) = stored.map_err(|fault| fault.of_row(key))? else {
            return Ok(None);
        };
        let rows = apply::open(&*self.cipher, &pack, &stored.content);
        let mut rows = rows.map_err(|fault| fault.of_row(key))?;
        Ok(rows.remove(&number))
    }

    /// Reads all rows of a pack.
    fn pack_rows(&self, pack: &[u8]) -> Result<Vec<Row>, Fault> {
        let stored = self.present().generation.stored(layout::PACKS, pack)?;
        let Some(stored) = stored else {
            return Ok(Vec::new());
        };
        let rows = apply::open(&*self.cipher, pack, &stored.content)?.into_iter();
        Ok(rows
            .map(|(number, row)| (packs::row_key(pack, number), row))
            .collect())
    }

    /// Fills a created generation beside the present one.
    fn build(
        &self,
        generation: &Generation,
        tally: &mut Tally,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        let sealed_meta = self.seal_meta(meta)?;
        let (mut step, mut bytes, mut unsynced) = (Contents::new(), 0, 0);
        for row in rows {
            let (key, value) = row?;
            within("a row key", key.len(), KEY_BYTES_MAX)?;
            within("a row", value.len(), ROW_BYTES_MAX)?;
            bytes += key.len() + value.len();
            let content = self.content(&key, value)?;
            step.insert(key, content);
            if bytes > REPLACE_BATCH_BYTES {
                let rows = std::mem::take(&mut step);
                lay(generation, &*self.cipher, tally, rows)?;
                unsynced += std::mem::take(&mut bytes);
                if unsynced > BULK_SYNC_BYTES {
                    generation.sync_base()?;
                    unsynced = 0;
                }
            }
        }
        lay(generation, &*self.cipher, tally, step)?;
        generation.finish_base()?;
        let (cipher, meta) = (&*self.cipher, Some(sealed_meta.as_slice()));
        apply(generation, cipher, tally, &Contents::new(), meta)?;
        generation.sync()
    }
}

impl Rows for SledRows {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        self.check()?;
        check_batch(&batch)?;
        let sealed_meta = self.seal_meta(&batch.meta)?;
        let gone = batch.deletes.into_iter().map(|key| (key, Content::Gone));
        let mut rows: Contents = gone.collect();
        for (key, value) in batch.puts {
            let content = self.content(&key, value)?;
            rows.insert(key, content);
        }
        let _writing = self.writing();
        let mut present = self.present_mut();
        let mut tally = present.tally;
        let (generation, meta) = (&present.generation, Some(sealed_meta.as_slice()));
        if let Err(fault) = apply(generation, &*self.cipher, &mut tally, &rows, meta) {
            drop(present);
            // sled may have half of the batch.
            renewal::give_up(&mut self.renewal(), &self.dir);
            self.batch_failed(&fault);
            return Err(fault);
        }
        present.tally = tally;
        present.meta = Some(batch.meta);
        drop(present);
        renewal::follow(&mut self.renewal(), &self.dir, &*self.cipher, rows);
        Ok(())
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.check()?;
        // The lock keeps a batch from changing the row between two of its pieces.
        let stored = self.present().generation.stored(layout::ROWS, key)?;
        match stored {
            Some(stored) => Ok(Some(self.open_row(stored)?.1)),
            None => self.packed_row(key),
        }
    }

    fn scan(&self) -> RowScan<'_> {
        if let Err(fault) = self.check() {
            return Box::new(std::iter::once(Err(fault)));
        }
        // Each row is read under the lock, so a batch cannot change it between two of its pieces.
        let mut last: Option<Vec<u8>> = None;
        let rows = std::iter::from_fn(move || {
            let present = self.present();
            let key = present.generation.index().row_after(last.as_deref())?;
            let stored = present.generation.stored(layout::ROWS, &key);
            last = Some(key);
            Some(stored)
        });
        let rows = rows.filter_map(|stored| {
            let stored = stored.transpose()?;
            Some(stored.and_then(|stored| self.open_row(stored)))
        });
        let mut last: Option<Vec<u8>> = None;
        let packs = std::iter::from_fn(move || {
            let key = self
                .present()
                .generation
                .index()
                .pack_after(last.as_deref())?;
            last = Some(key.clone());
            Some(key)
        });
        let packed = packs.flat_map(|pack| match self.pack_rows(&pack) {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(fault) => vec![Err(fault)],
        });
        merged(rows, packed)
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.check()?;
        Ok(self.present().meta.clone())
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.check()?;
        // A swap on the way would leave a header that names the rows it has removed.
        let _writing = self.writing();
        let present = self.present();
        let (generation, meta) = (present.generation.clone(), present.meta.clone());
        let batches = present.tally.batches;
        drop(present);
        generation
            .sync()
            .and_then(|()| self.write_header(generation.number, batches))
            .inspect_err(|fault| self.failed(fault))?;
        Ok(meta)
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        self.check()?;
        let _writing = self.writing();
        let mut renewal = self.renewal();
        *renewal = None;
        let number = self.present().generation.number + 1;
        let replaced = self.replace_by(number, rows, meta);
        replaced.inspect_err(|fault| {
            // Half of the new rows must not take the space that others lack.
            if fault.is_no_space() {
                remove_rows(&generation::path(&self.dir, number));
            }
        })
    }

    fn begin_renewal(&self) -> Result<(), Fault> {
        self.check()?;
        let _writing = self.writing();
        let number = self.present().generation.number + 1;
        let mut renewal = self.renewal();
        *renewal = None;
        *renewal = Some(Renewal::begin(
            &self.dir,
            &self.stamped,
            number,
            &self.options,
        )?);
        Ok(())
    }

    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        self.check()?;
        let mut copying = Copying::new(self);
        let renewed = match copying.run(attendant) {
            Ok(true) => self.finish_renewal(&copying.into_bad()),
            given_up_or_failed => given_up_or_failed,
        };
        if renewed.is_err() {
            renewal::give_up(&mut self.renewal(), &self.dir);
        }
        renewed
    }

    fn space(&self) -> Result<Space, Fault> {
        self.check()?;
        let present = self.present();
        let disk_bytes = present.generation.size_on_disk()?;
        Ok(Space {
            rows: present.generation.index().count(),
            live_bytes: present.tally.live_bytes,
            disk_bytes,
        })
    }
}

impl SledRows {
    fn replace_by(
        &self,
        number: u64,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        let (generation, mut tally) =
            open::create(&self.dir, &self.stamped, number, &self.options)?;
        self.build(&generation, &mut tally, rows, meta)?;
        let old = self.swap(Present {
            generation,
            tally,
            meta: Some(meta.to_vec()),
        })?;
        self.remove(old);
        Ok(())
    }

    fn write_header(&self, number: u64, batches: u64) -> Result<(), Fault> {
        let write = || open::write_header(&self.dir, &self.stamped, number, batches);
        self.disposal.naming(write)
    }

    /// Makes a synced generation the present one, and answers the one before, to be removed.
    fn swap(&self, new: Present) -> Result<Present, Fault> {
        let (number, batches) = (new.generation.number, new.tally.batches);
        self.write_header(number, batches)
            .inspect_err(|fault| self.failed(fault))?;
        Ok(std::mem::replace(&mut *self.present_mut(), new))
    }

    /// Removes rows that were swapped out; with many of them it takes its time.
    fn remove(&self, old: Present) {
        let path = generation::path(&self.dir, old.generation.number);
        let users = old.generation.users();
        drop(old);
        tell_of(self.disposal.remove(&path, &users));
    }
}

/// Removes rows that are not the present ones, at once: others may lack the space.
fn remove_rows(path: &Path) {
    tell_of(files::remove(path));
}

/// What could not be removed is removed by the next open.
fn tell_of(removed: Result<(), Fault>) {
    if let Err(fault) = removed {
        tracing::warn!(%fault, "could not remove rows that are not in use");
    }
}

/// Two walks by key as one.
fn merged<'a>(
    left: impl Iterator<Item = Result<Row, Fault>> + Send + 'a,
    right: impl Iterator<Item = Result<Row, Fault>> + Send + 'a,
) -> RowScan<'a> {
    let (mut left, mut right) = (left.peekable(), right.peekable());
    Box::new(std::iter::from_fn(move || {
        let is_right = match (left.peek(), right.peek()) {
            (Some(Ok((left, _))), Some(Ok((right, _)))) => right < left,
            (left, _) => left.is_none(),
        };
        match is_right {
            true => right.next(),
            false => left.next(),
        }
    }))
}

const META_PLACE: Place<'static> = Place {
    table: "meta",
    key: b"",
};

fn row_place(key: &[u8]) -> Place<'_> {
    Place { table: "rows", key }
}

impl Debug for SledRows {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledRows")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::cipher::tests::Plain;

    /// Rows in a directory of which a sync has failed.
    fn failed(dir: &Path) -> SledRows {
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let opened = SledRows::open(dir, &stamped, Arc::new(Plain), RowsOptions::default());
        let rows = opened.unwrap().rows;
        rows.checkpoint().unwrap();
        let fault = Fault::sync("sync the directory", dir, ErrorKind::Other.into());
        assert!(rows.disposal.naming(|| Err::<(), _>(fault)).is_err());
        rows
    }

    #[test]
    fn rows_name_nothing_once_a_sync_of_their_directory_has_failed() {
        let [one, other] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        assert!(failed(one.path()).checkpoint().is_err());
        let replaced = failed(other.path()).replace(&mut std::iter::empty(), b"meta");
        assert!(replaced.is_err());
    }
}
