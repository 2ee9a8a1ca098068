use std::collections::BTreeMap;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::rows::check_batch;
use crate::{Attendant, Batch, Fault, Row, RowScan, Rows, Space};

/// Rows that are forgotten when dropped.
#[derive(Default)]
pub struct MemoryRows {
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    rows: BTreeMap<Vec<u8>, Vec<u8>>,
    meta: Option<Vec<u8>>,
}

impl MemoryRows {
    /// No rows and no meta.
    pub fn new() -> MemoryRows {
        MemoryRows::default()
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rows for MemoryRows {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        check_batch(&batch)?;
        let mut held = self.held();
        for key in &batch.deletes {
            held.rows.remove(key);
        }
        held.rows.extend(batch.puts);
        held.meta = Some(batch.meta);
        Ok(())
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.held().rows.get(key).cloned())
    }

    fn scan(&self) -> RowScan<'_> {
        let rows: Vec<Row> = self.held().rows.clone().into_iter().collect();
        Box::new(rows.into_iter().map(Ok))
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, Fault> {
        Ok(self.held().meta.clone())
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.meta()
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        let rows = rows.collect::<Result<BTreeMap<_, _>, Fault>>()?;
        *self.held() = Held {
            rows,
            meta: Some(meta.to_vec()),
        };
        Ok(())
    }

    fn begin_renewal(&self) -> Result<(), Fault> {
        Ok(())
    }

    // There is no dead space in memory.
    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        attendant.goes_on().map(|()| true)
    }

    fn space(&self) -> Result<Space, Fault> {
        let held = self.held();
        let bytes = held
            .rows
            .iter()
            .map(|(key, value)| key.len() + value.len())
            .sum::<usize>();
        Ok(Space {
            rows: held.rows.len() as u64,
            live_bytes: bytes as u64,
            disk_bytes: 0,
        })
    }
}

impl Debug for MemoryRows {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryRows")
            .field("rows", &self.held().rows.len())
            .finish_non_exhaustive()
    }
}
