//! Snapshot files: all rows at one log index, sorted, in compressed and sealed blocks.
//!
//! | part | content |
//! | --- | --- |
//! | header | format, owner, snapshot id (in clear) |
//! | block 0 | meta |
//! | blocks 1..n | rows: length, key, length, value, again and again, in the order of keys |
//! | end | sealed like a block: number of blocks and rows, SHA-256 of everything before it |
//!
//! A block is its length, a crc32c and the sealed, zstd-compressed content. It is sealed for the
//! snapshot's id and its own number, so blocks cannot change places, and the end cannot move.
//! A file gets its name only after it was synced and read back whole.

mod error;
mod read;
mod receive;
mod write;

use std::collections::HashMap;
use std::fmt::{self, Debug, Formatter};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::dispose::Disposal;
use crate::files::Unfinished;
use crate::format::Stamped;
use crate::limits::SNAPSHOT_ID_BYTES_MAX;
use crate::{Cipher, Fault, Row, files};

pub use self::error::SnapshotError;
pub use self::read::SnapshotReader;
pub use self::receive::Receiving;

const EXTENSION: &str = "snap";
/// The number under which the end of a file is sealed.
const END: u64 = u64::MAX;

/// The directory of a node's snapshot files.
#[derive(Clone)]
pub struct SnapshotDir {
    dir: PathBuf,
    stamped: Stamped,
    cipher: Arc<dyn Cipher>,
    /// The last number given out: two files that are written at once share no name.
    last: Arc<AtomicU64>,
    /// The files that somebody has open.
    opened: Arc<Mutex<HashMap<PathBuf, Weak<File>>>>,
    disposal: Arc<Disposal>,
}

/// A complete snapshot file; stays readable while held, even if it is removed meanwhile.
#[derive(Debug, Clone)]
pub struct SnapshotFile {
    id: String,
    path: PathBuf,
    len: u64,
    file: Arc<File>,
}

impl SnapshotDir {
    /// Opens the directory, creating it if it is missing, and removes unfinished files.
    pub fn open(
        dir: &Path,
        stamped: &Stamped,
        cipher: Arc<dyn Cipher>,
    ) -> Result<SnapshotDir, SnapshotError> {
        files::open_dir(dir)?;
        Ok(SnapshotDir {
            dir: dir.to_path_buf(),
            stamped: stamped.clone(),
            cipher,
            last: Arc::default(),
            opened: Arc::default(),
            disposal: Arc::default(),
        })
    }

    /// Writes a snapshot; on return it is durable, read back and verified, and the latest.
    ///
    /// The keys must ascend. An id is up to 128 letters, digits, `-`, `_` and `.`.
    pub fn write(
        &self,
        id: &str,
        meta: &[u8],
        rows: impl Iterator<Item = Result<Row, Fault>>,
    ) -> Result<SnapshotFile, SnapshotError> {
        let path = self.next_path(id)?;
        let unfinished = Unfinished::create(&path)?;
        write::write(self, id, meta, rows, &unfinished)?;
        self.finish(id, &path, unfinished)
    }

    /// Begins to receive the bytes of a peer's snapshot file.
    pub fn receive(&self, id: &str) -> Result<Receiving, SnapshotError> {
        let path = self.next_path(id)?;
        Ok(Receiving::new(
            self.clone(),
            id.to_owned(),
            Unfinished::create(&path)?,
            path,
        ))
    }

    /// Lists the snapshots, latest first. Only the names are looked at.
    pub fn list(&self) -> Result<Vec<SnapshotFile>, SnapshotError> {
        let mut found = Vec::new();
        for (_, id, path) in self.names()?.into_iter().rev() {
            match self.open_file(id, path) {
                // Removed since it was listed: by who takes a newer one at the same time.
                Err(error) if is_missing(&error) => {}
                opened => found.push(opened?),
            }
        }
        Ok(found)
    }

    /// The latest snapshot.
    pub fn latest(&self) -> Result<Option<SnapshotFile>, SnapshotError> {
        Ok(self.list()?.into_iter().next())
    }

    /// Opens a snapshot for reading; fails if its header is foreign, or its meta damaged.
    pub fn read(&self, file: &SnapshotFile) -> Result<SnapshotReader, SnapshotError> {
        SnapshotReader::open(self, &file.id, &file.path, &file.file)
    }

    /// Removes all but the `keep` snapshots whose meta stand highest in the order of `index`.
    ///
    /// Where it answers `None` the file is left alone, and so is one that cannot be opened. Files
    /// may have come in another order than that of what they hold.
    pub fn remove_old(
        &self,
        keep: usize,
        index: impl Fn(&[u8]) -> Option<u64>,
    ) -> Result<(), SnapshotError> {
        let mut found = Vec::new();
        for file in self.list()? {
            let index = match self.read(&file) {
                Ok(reader) => index(reader.meta()),
                Err(error) => {
                    tracing::warn!(id = file.id(), %error, "a snapshot cannot be opened");
                    None
                }
            };
            found.extend(index.map(|index| (index, file)));
        }
        // The sort keeps files of one index in their order, the latest first.
        found.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
        found
            .iter()
            .skip(keep)
            .try_for_each(|(_, file)| self.remove(file))
    }

    /// Removes one snapshot: a damaged one, or one that is no longer needed.
    pub fn remove(&self, file: &SnapshotFile) -> Result<(), SnapshotError> {
        Ok(self
            .disposal
            .remove(&file.path, &Arc::downgrade(&file.file))?)
    }

    /// Opens a file, once for all that hold it: when it is removed, they are its users.
    fn open_file(&self, id: String, path: PathBuf) -> Result<SnapshotFile, SnapshotError> {
        let fault = |error| Fault::io("open", &path, error);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        opened.retain(|_, file| file.strong_count() > 0);
        let file = match opened.get(&path).and_then(Weak::upgrade) {
            Some(file) => file,
            None => Arc::new(File::open(&path).map_err(fault)?),
        };
        let len = file.metadata().map_err(fault)?.len();
        opened.insert(path.clone(), Arc::downgrade(&file));
        Ok(SnapshotFile {
            id,
            path,
            len,
            file,
        })
    }

    /// Syncs a complete file, reads it back whole, and only then gives it its name.
    fn finish(
        &self,
        id: &str,
        path: &Path,
        unfinished: Unfinished,
    ) -> Result<SnapshotFile, SnapshotError> {
        unfinished.sync()?;
        let file = File::open(&unfinished.path);
        let file = Arc::new(file.map_err(|error| Fault::io("open", &unfinished.path, error))?);
        for row in SnapshotReader::open(self, id, &unfinished.path, &file)? {
            row?;
        }
        self.disposal.naming(|| unfinished.finish())?;
        self.open_file(id.to_owned(), path.to_path_buf())
    }

    fn next_path(&self, id: &str) -> Result<PathBuf, SnapshotError> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if id.is_empty() || id.len() > SNAPSHOT_ID_BYTES_MAX || !id.bytes().all(allowed) {
            return Err(SnapshotError::Id);
        }
        let last = self.names()?.last().map_or(0, |(number, _, _)| *number);
        self.last.fetch_max(last, Ordering::AcqRel);
        let number = self.last.fetch_add(1, Ordering::AcqRel) + 1;
        Ok(self.dir.join(format!("{number:016x}-{id}.{EXTENSION}")))
    }

    /// Lists number, id and path of every snapshot, oldest first.
    fn names(&self) -> Result<Vec<(u64, String, PathBuf)>, SnapshotError> {
        let parse = |name: String| {
            let stem = name.strip_suffix(".snap")?;
            let (number, id) = stem.split_once('-')?;
            Some((
                u64::from_str_radix(number, 16).ok()?,
                id.to_owned(),
                self.dir.join(&name),
            ))
        };
        Ok(files::names(&self.dir)?
            .into_iter()
            .filter_map(parse)
            .collect())
    }
}

fn is_missing(error: &SnapshotError) -> bool {
    let SnapshotError::Fault(Fault::Io { source, .. }) = error else {
        return false;
    };
    source.kind() == std::io::ErrorKind::NotFound
}

impl SnapshotFile {
    /// The id it was written under.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.len
    }

    /// Reads up to `bytes_max` bytes at `offset`, to be sent to a peer; empty at the end.
    pub fn chunk(&self, offset: u64, bytes_max: usize) -> Result<Vec<u8>, Fault> {
        let left = usize::try_from(self.len.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut chunk = vec![0; left.min(bytes_max)];
        self.file
            .read_exact_at(&mut chunk, offset)
            .map_err(|error| Fault::io("read", &self.path, error))?;
        Ok(chunk)
    }
}

/// The key under which a block is sealed.
fn block_key(id: &str, number: u64) -> Vec<u8> {
    [id.as_bytes(), &number.to_be_bytes()].concat()
}

impl Debug for SnapshotDir {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SnapshotDir")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;
    use crate::cipher::tests::Plain;

    #[test]
    fn no_snapshot_counts_once_a_sync_of_its_directory_has_failed() {
        let dir = tempfile::tempdir().unwrap();
        let stamped = Stamped {
            cluster: [1; 16],
            region: "r".into(),
            node: 1,
        };
        let snapshots = SnapshotDir::open(dir.path(), &stamped, Arc::new(Plain)).unwrap();
        snapshots.write("1", b"meta", std::iter::empty()).unwrap();
        let fault = Fault::sync("sync the directory", dir.path(), ErrorKind::Other.into());
        let failed = snapshots.disposal.naming(|| Err::<(), _>(fault));
        assert!(failed.is_err());
        assert!(snapshots.write("2", b"meta", std::iter::empty()).is_err());
    }
}
