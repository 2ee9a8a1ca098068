use std::fmt::{self, Debug, Formatter};
use std::io::Write;
use std::path::PathBuf;

use crate::Fault;
use crate::files::Unfinished;
use crate::limits::BULK_SYNC_BYTES;

use super::{SnapshotDir, SnapshotError, SnapshotFile};

/// A snapshot file on its way in from a peer; dropping it forgets what came.
pub struct Receiving {
    dir: SnapshotDir,
    id: String,
    unfinished: Unfinished,
    path: PathBuf,
    len: u64,
    unsynced: usize,
}

impl Receiving {
    pub(super) fn new(
        dir: SnapshotDir,
        id: String,
        unfinished: Unfinished,
        path: PathBuf,
    ) -> Receiving {
        Receiving {
            dir,
            id,
            unfinished,
            path,
            len: 0,
            unsynced: 0,
        }
    }

    /// Takes the next chunk of the file.
    pub fn push(&mut self, chunk: &[u8]) -> Result<(), Fault> {
        self.unfinished
            .file
            .write_all(chunk)
            .map_err(|error| Fault::io("write", &self.unfinished.path, error))?;
        self.len += chunk.len() as u64;
        self.unsynced += chunk.len();
        if self.unsynced > BULK_SYNC_BYTES {
            self.unsynced = 0;
            let synced = self.unfinished.file.sync_data();
            synced.map_err(|error| Fault::io("sync", &self.unfinished.path, error))?;
        }
        Ok(())
    }

    /// How many bytes came: the offset of the next chunk.
    pub fn received_bytes(&self) -> u64 {
        self.len
    }

    /// Verifies the whole file and gives it its name; durable on return, and the latest snapshot.
    pub fn finish(self) -> Result<SnapshotFile, SnapshotError> {
        self.dir.finish(&self.id, &self.path, self.unfinished)
    }
}

impl Debug for Receiving {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving")
            .field("id", &self.id)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}
