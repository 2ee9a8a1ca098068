//! The contract of the state rows.

use std::fmt::{self, Debug, Formatter};

use crate::Fault;
use crate::limits::{KEY_BYTES_MAX, ROW_BYTES_MAX};
use crate::log::within;

/// A key and its value, both as the machine encoded them.
pub type Row = (Vec<u8>, Vec<u8>);

/// Rows in the order of their keys.
pub type RowScan<'a> = Box<dyn Iterator<Item = Result<Row, Fault>> + Send + 'a>;

/// What one applied batch changes; all of it becomes visible and durable together.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// Rows to write; a key stands at most once in a batch.
    pub puts: Vec<Row>,
    /// Keys to delete; unknown keys are ignored.
    pub deletes: Vec<Vec<u8>>,
    /// Last applied index, membership and state hash, as the caller encodes them.
    pub meta: Vec<u8>,
}

/// How much the rows hold and take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Space {
    /// Number of rows.
    pub rows: u64,
    /// Bytes of keys and stored values.
    pub live_bytes: u64,
    /// Bytes taken on disk; zero in memory.
    pub disk_bytes: u64,
}

/// The durable, rebuildable state rows.
///
/// One writer calls `write`, `replace`, `checkpoint` and `begin_renewal`; reads may come from
/// anywhere, and `renew` from one thread beside the writer. No acknowledgement depends on these
/// rows: what a checkpoint has not reached may be lost in a power cut, and is replayed from the
/// log.
pub trait Rows: Send + Sync {
    /// Writes a batch with its meta, atomically; durable at the next checkpoint.
    ///
    /// After a fault that [`Fault::is_damage`] or [`Fault::is_no_space`] the rows take no batch:
    /// only `replace` cures them.
    fn write(&self, batch: Batch) -> Result<(), Fault>;

    /// Answers one row; a bad row is a fault that names its key.
    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault>;

    /// Walks all rows by key; rows written meanwhile may or may not be seen.
    fn scan(&self) -> RowScan<'_>;

    /// Answers the meta of the last batch.
    fn meta(&self) -> Result<Option<Vec<u8>>, Fault>;

    /// Makes everything written so far durable, and answers the meta that is durable now. After a
    /// fault that [`Fault::is_no_space`] only `replace` cures the rows.
    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault>;

    /// Replaces all rows and the meta by those of a snapshot; durable on return.
    ///
    /// The new rows are built beside the old ones and swapped in one step: a failure, or a crash on
    /// the way, leaves the old ones. A renewal that is under way is given up.
    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault>;

    /// Begins to build the rows anew beside the old ones, to give back dead space (R12). From here
    /// on every batch goes to both, until [`Rows::renew`] ends.
    fn begin_renewal(&self) -> Result<(), Fault>;

    /// Copies all rows as they lie there, sealed, syncs them and swaps them in, while batches are
    /// written and rows are read.
    ///
    /// Each is checked against its checksum on the way; its seal is opened only to seal it anew.
    /// Bad ones are told to `attendant` and left out; unless batches have written or deleted them
    /// by the end, that ends the renewal with a fault. Answers whether the new rows were swapped
    /// in: not when the renewal was given up meanwhile, for `replace` or because a batch could not
    /// follow. A failure, or a crash on the way, leaves the old rows.
    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault>;

    /// Answers how much space the rows take.
    fn space(&self) -> Result<Space, Fault>;
}

/// Stands by while rows are renewed. No lock is held meanwhile.
pub trait Attendant {
    /// Asked before every step; a fault ends the renewal.
    fn goes_on(&mut self) -> Result<(), Fault>;

    /// Told of bad rows, to have them written again: all of a pack together, as only a batch with
    /// all of them cures it. A fault ends the renewal.
    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault>;

    /// Rests a little while bad rows are written again; `false` if there is nothing to wait for.
    fn waits(&mut self) -> bool;
}

/// A row that is bad.
#[derive(Debug, Clone)]
pub struct BadRow {
    /// Its key.
    pub key: Vec<u8>,
    /// What is wrong with it.
    pub fault: Fault,
}

/// Nobody: a bad row ends the renewal.
impl Attendant for () {
    fn goes_on(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault> {
        rows.first().map_or(Ok(()), |bad| Err(bad.fault.clone()))
    }

    fn waits(&mut self) -> bool {
        false
    }
}

// Rows hold names and tags in clear.
impl Debug for Batch {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("puts", &self.puts.len())
            .field("deletes", &self.deletes.len())
            .finish_non_exhaustive()
    }
}

/// Refuses keys and rows above the limits.
pub(crate) fn check_batch(batch: &Batch) -> Result<(), Fault> {
    for (key, value) in &batch.puts {
        within("a row key", key.len(), KEY_BYTES_MAX)?;
        within("a row", value.len(), ROW_BYTES_MAX)?;
    }
    within("row metadata", batch.meta.len(), ROW_BYTES_MAX)
}
