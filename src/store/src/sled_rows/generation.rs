//! One sled directory, used only in the ways that keep what it promises, and the base in it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

use crate::format::Stamped;
use crate::limits::PIECE_BYTES_MAX;
use crate::{Block, Fault, files};

use super::RowsOptions;
use super::base::{self, Base, Records};
use super::index::{Entry, Index, Layer};
use super::layout::{self, Head, Tally};
use super::packs::{Members, Pack};

/// How long to wait for a sled that is closing to give up its lock.
const LOCK_WAIT: Duration = Duration::from_secs(5);

/// An open sled directory; cheap to clone.
#[derive(Clone)]
pub(super) struct Generation {
    pub(super) number: u64,
    path: PathBuf,
    db: sled::Db,
    /// sled's one data file: its own flush starts the writing, but never waits for the disk.
    file: Arc<File>,
    /// What sled has is newer; a generation that release 0.1.0 made has none.
    base: Option<Arc<Base>>,
    index: Arc<Mutex<Index>>,
    /// The last that each clone drops: without any, nobody reads the files.
    users: Arc<()>,
}

/// A row as stored: checked against its checksum, still sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stored {
    pub(super) key: Vec<u8>,
    pub(super) head: Head,
    pub(super) content: Vec<u8>,
}

/// Why a directory could not be opened.
pub(super) enum OpenFailed {
    /// What it holds cannot be trusted.
    Damaged(String),
    /// The machine is in the way, not what is stored.
    Fault(Fault),
}

impl Generation {
    /// Creates a directory, durably, with a base that waits for its rows.
    pub(super) fn create(
        dir: &Path,
        stamped: &Stamped,
        number: u64,
        options: &RowsOptions,
    ) -> Result<Generation, OpenFailed> {
        let path = path(dir, number);
        files::create_dir(&path)?;
        let base = Base::create(&path, stamped)?;
        Generation::with(path, number, Some(base), Index::default(), options)
    }

    /// Opens a directory, created if it is missing.
    pub(super) fn open(
        dir: &Path,
        stamped: &Stamped,
        number: u64,
        options: &RowsOptions,
    ) -> Result<Generation, OpenFailed> {
        let path = path(dir, number);
        files::create_dir(&path)?;
        remove_torn_snapshots(&path)?;
        let mut index = Index::default();
        let base = Base::open(&path, stamped, |found| {
            let base::Found {
                table, key, entry, ..
            } = found;
            if table == layout::PACKS {
                let members = members(&key, &found.content)?;
                index.note_pack(key, Some(Pack { entry, members }));
            } else {
                index.note_row(key, Some(entry));
            }
            Ok(())
        })?;
        Generation::with(path, number, base, index, options)
    }

    fn with(
        path: PathBuf,
        number: u64,
        base: Option<Base>,
        index: Index,
        options: &RowsOptions,
    ) -> Result<Generation, OpenFailed> {
        let db = open_sled(&path, options)?;
        let name = path.join("db");
        let file = File::open(&name).map_err(|error| Fault::io("open", &name, error))?;
        Ok(Generation {
            number,
            path,
            db,
            file: Arc::new(file),
            base: base.map(Arc::new),
            index: Arc::new(Mutex::new(index)),
            users: Arc::default(),
        })
    }

    /// Gone with the last clone of this one.
    pub(super) fn users(&self) -> Weak<()> {
        Arc::downgrade(&self.users)
    }

    /// Where the meta lies.
    pub(super) fn meta_entry(&self) -> Result<Option<Entry>, Fault> {
        let Some(first) = self.piece(layout::META, &[], 0)? else {
            return Ok(None);
        };
        let head = Head::read(&first).map(|(head, _)| head);
        let head = head.ok_or_else(|| damaged(layout::META, &[]))?;
        let layer = Layer::Sled { hides_base: false };
        Ok(Some(Entry { head, layer }))
    }

    /// What is known of a row.
    pub(super) fn row(&self, key: &[u8]) -> Option<Entry> {
        self.index().row(key)
    }

    /// What is known of a pack.
    pub(super) fn pack(&self, key: &[u8]) -> Option<Pack> {
        self.index().pack(key)
    }

    /// The same of a row or a pack.
    pub(super) fn entry(&self, table: u8, key: &[u8]) -> Option<Entry> {
        match table {
            layout::ROWS => self.row(key),
            layout::PACKS => self.pack(key).map(|pack| pack.entry),
            _ => None,
        }
    }

    pub(super) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes records into the base of a generation in the making.
    pub(super) fn append(&self, records: Records) -> Result<Vec<(u8, Vec<u8>, Entry)>, Fault> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        let base = self.base.as_ref().ok_or_else(|| {
            let missing = std::io::Error::from(std::io::ErrorKind::NotFound);
            Fault::io("find the base of", &self.path, missing)
        })?;
        Ok(base.append(records)?.collect())
    }

    /// Makes what is in the base durable, as far as it goes.
    pub(super) fn sync_base(&self) -> Result<(), Fault> {
        self.base.as_ref().map_or(Ok(()), |base| base.sync())
    }

    /// Completes the base, durably.
    pub(super) fn finish_base(&self) -> Result<(), Fault> {
        self.base.as_ref().map_or(Ok(()), |base| base.finish())
    }

    /// Reads a row and checks it against its checksum.
    pub(super) fn stored(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, Fault> {
        if let Some(in_base) = self.stored_in_base(table, key)? {
            return Ok(Some(in_base));
        }
        let Some(first) = self.piece(table, key, 0)? else {
            return Ok(None);
        };
        let (head, content) = Head::read(&first).ok_or_else(|| damaged(table, key))?;
        let mut content = content.to_vec();
        for number in 1..head.pieces() {
            let piece = self.piece(table, key, number)?;
            content.extend_from_slice(&piece.ok_or_else(|| damaged(table, key))?);
        }
        if !head.matches(table, key, &content) {
            return Err(damaged(table, key));
        }
        Ok(Some(Stored {
            key: key.to_vec(),
            head,
            content,
        }))
    }

    fn stored_in_base(&self, table: u8, key: &[u8]) -> Result<Option<Stored>, Fault> {
        let entry = self.entry(table, key);
        entry.map_or(Ok(None), |entry| self.stored_at(table, key, entry))
    }

    /// Reads what lies in the base, where an entry says that it does; nothing there changes.
    pub(super) fn stored_at(
        &self,
        table: u8,
        key: &[u8],
        entry: Entry,
    ) -> Result<Option<Stored>, Fault> {
        let Entry { head, layer } = entry;
        let (Layer::Base { offset }, Some(base)) = (layer, &self.base) else {
            return Ok(None);
        };
        let content = base.read(table, key, head, offset)?;
        Ok(Some(Stored {
            key: key.to_vec(),
            head,
            content,
        }))
    }

    fn piece(&self, table: u8, key: &[u8], piece: u16) -> Result<Option<sled::IVec>, Fault> {
        let read = self.db.get(layout::piece_key(table, key, piece));
        read.map_err(|error| sled_fault("read a row of", &self.path, error))
    }

    /// The keys of the base's rows that are there no more, a list of each batch.
    fn gone_rows(&self) -> impl Iterator<Item = Result<Vec<Vec<u8>>, Fault>> + use<> {
        let path = self.path.clone();
        let lists = self.db.scan_prefix([layout::GONE_ROWS]);
        lists.map(move |list| {
            let (key, list) = list.map_err(|error| sled_fault("read a row of", &path, error))?;
            layout::listed(&list).ok_or_else(|| damaged(layout::ROWS, &key))
        })
    }

    /// The keys of the base's packs that are there no more.
    fn gone_packs(&self) -> impl Iterator<Item = Result<Vec<u8>, Fault>> + use<> {
        let path = self.path.clone();
        let keys = self.db.scan_prefix([layout::GONE_PACKS]).keys();
        keys.map(move |key| {
            let key = key.map_err(|error| sled_fault("read a row of", &path, error))?;
            let split = layout::split_piece_key(&key);
            split
                .map(|(_, key, _)| key)
                .ok_or_else(|| damaged(layout::PACKS, &key))
        })
    }

    /// Walks over the rows of a table by key, each checked; nothing may be written meanwhile.
    fn walk(&self, table: u8) -> impl Iterator<Item = Result<Stored, Fault>> + use<> {
        let path = self.path.clone();
        let pieces = self.db.scan_prefix([table]);
        let mut pieces =
            pieces.map(move |piece| piece.map_err(|e| sled_fault("read a row of", &path, e)));
        std::iter::from_fn(move || {
            let piece = pieces.next()?;
            Some(join(table, piece, &mut pieces))
        })
    }

    /// Applies a batch atomically.
    pub(super) fn apply(&self, batch: sled::Batch) -> Result<(), Fault> {
        self.db
            .apply_batch(batch)
            .map_err(|error| sled_fault("write a batch to", &self.path, error))
    }

    /// Makes everything applied so far durable.
    pub(super) fn sync(&self) -> Result<(), Fault> {
        self.db
            .flush()
            .map_err(|error| sled_fault("flush", &self.path, error))?;
        self.file
            .sync_data()
            .map_err(|error| Fault::io("sync", &self.path, error))?;
        // sled renames its own snapshots there.
        files::sync_dir(&self.path)
    }

    /// Makes a new directory durable with every file in it.
    pub(super) fn sync_files(&self) -> Result<(), Fault> {
        self.db
            .flush()
            .map_err(|error| sled_fault("flush", &self.path, error))?;
        for name in files::names(&self.path)? {
            let path = self.path.join(name);
            let synced = File::open(&path).and_then(|file| file.sync_all());
            synced.map_err(|error| Fault::io("sync", &path, error))?;
        }
        files::sync_dir(&self.path)
    }

    pub(super) fn size_on_disk(&self) -> Result<u64, Fault> {
        let size = self.db.size_on_disk();
        let size = size.map_err(|error| sled_fault("measure the size of", &self.path, error))?;
        let base = self.base.as_ref().map(|base| base.size_bytes());
        Ok(size + base.transpose()?.unwrap_or_default())
    }

    /// Checks and notes every row, and answers tally and sealed meta; a created one has a tally.
    pub(super) fn verify(&self) -> Result<(Tally, Option<Vec<u8>>), OpenFailed> {
        let mut index = self.index();
        for keys in self.gone_rows() {
            for key in keys? {
                index.note_row(key, None);
            }
        }
        for key in self.gone_packs() {
            index.note_pack(key?, None);
        }
        for row in self.walk(layout::ROWS) {
            let Stored { key, head, .. } = row?;
            let hides_base = index.row(&key).is_some();
            let layer = Layer::Sled { hides_base };
            index.note_row(key, Some(Entry { head, layer }));
        }
        for pack in self.walk(layout::PACKS) {
            let Stored { key, head, content } = pack?;
            let members = members(&key, &content)?;
            let hides_base = index.pack(&key).is_some();
            let layer = Layer::Sled { hides_base };
            let entry = Entry { head, layer };
            index.note_pack(key, Some(Pack { entry, members }));
        }
        let tally = index.tally();
        drop(index);
        let meta = self.stored(layout::META, &[])?;
        let meta = meta.as_ref().and_then(|meta| Tally::split(&meta.content));
        match meta.filter(|(counted, _)| counted.same_rows(&tally)) {
            Some((counted, sealed)) => Ok((counted, sealed.map(<[u8]>::to_vec))),
            None => Err(OpenFailed::Damaged("rows are missing or stale".into())),
        }
    }
}

fn members(key: &[u8], content: &[u8]) -> Result<Members, Fault> {
    let split = Members::split(content).map(|(members, _)| members);
    split.ok_or_else(|| damaged(layout::PACKS, key))
}

/// Puts together the row that begins with `piece`.
fn join(
    table: u8,
    piece: Result<(sled::IVec, sled::IVec), Fault>,
    pieces: &mut impl Iterator<Item = Result<(sled::IVec, sled::IVec), Fault>>,
) -> Result<Stored, Fault> {
    let (piece_key, first) = piece?;
    let unknown = || damaged(table, &piece_key);
    let (_, key, number) = layout::split_piece_key(&piece_key).ok_or_else(unknown)?;
    let (head, content) = Head::read(&first).ok_or_else(unknown)?;
    let mut content = content.to_vec();
    for expected in 1..head.pieces() {
        let (found, piece) = pieces.next().ok_or_else(unknown)??;
        if found != layout::piece_key(table, &key, expected) || piece.len() > PIECE_BYTES_MAX {
            return Err(damaged(table, &key));
        }
        content.extend_from_slice(&piece);
    }
    if number != 0 || !head.matches(table, &key, &content) {
        return Err(damaged(table, &key));
    }
    Ok(Stored { key, head, content })
}

fn open_sled(path: &Path, options: &RowsOptions) -> Result<sled::Db, OpenFailed> {
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(options.cache_bytes)
        // Nothing relies on sled's own flushes: a checkpoint does it.
        .flush_every_ms(None);
    let start = Instant::now();
    loop {
        match config.open() {
            Ok(db) => return Ok(db),
            // A sled that was dropped gives up its lock a little later.
            Err(error) if is_locked(&error) && start.elapsed() < LOCK_WAIT => {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) if is_locked(&error) || is_machine(&error) => {
                return Err(OpenFailed::Fault(sled_fault("open", path, error)));
            }
            Err(error) => return Err(OpenFailed::Damaged(error.to_string())),
        }
    }
}

fn is_locked(error: &sled::Error) -> bool {
    error.to_string().contains("could not acquire lock")
}

fn is_machine(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if is_of_machine(error))
}

/// Tells the machine's troubles from damage: to set rows aside would not cure them. A sector that
/// cannot be read is damage.
pub(super) fn is_of_machine(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{
        OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
    };
    const TOO_MANY_FILES: [i32; 2] = [23, 24];
    let kinds = [
        OutOfMemory,
        PermissionDenied,
        QuotaExceeded,
        ReadOnlyFilesystem,
        StorageFull,
    ];
    kinds.contains(&error.kind())
        || error
            .raw_os_error()
            .is_some_and(|code| TOO_MANY_FILES.contains(&code))
}

/// Removes a snapshot that sled was killed in the middle of writing: it could not be opened again.
fn remove_torn_snapshots(path: &Path) -> Result<(), Fault> {
    for name in files::names(path)? {
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::info!(name, "removing a torn snapshot of sled");
            files::remove(&path.join(name))?;
        }
    }
    Ok(())
}

pub(super) fn damaged(table: u8, key: &[u8]) -> Fault {
    let what = if table == layout::META {
        Block::Meta
    } else {
        Block::Row(key.to_vec())
    };
    Fault::Damaged { what }
}

pub(super) fn sled_fault(action: &'static str, path: &Path, error: sled::Error) -> Fault {
    match error {
        sled::Error::Io(error) => Fault::io(action, path, of_system(error)),
        error => Fault::Rows {
            action,
            source: Arc::new(error),
        },
    }
}

/// The operating system's error again: what sled tells twice is a copy in words.
fn of_system(error: std::io::Error) -> std::io::Error {
    let words = error.to_string();
    let code = words.split_once("Os { code: ");
    let code = code.and_then(|(_, rest)| rest.split_once(',')?.0.parse().ok());
    code.map_or(error, std::io::Error::from_raw_os_error)
}

/// The path of generation `number`.
pub(super) fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("sled-{number:08}"))
}

/// Lists the generations in `dir`.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, Fault> {
    let names = files::names(dir)?
        .into_iter()
        .filter(|name| name.starts_with("sled-"));
    Ok(names
        .map(|name| dir.join(name))
        .filter(|path| fs::metadata(path).is_ok())
        .collect())
}

impl From<Fault> for OpenFailed {
    fn from(fault: Fault) -> OpenFailed {
        match fault {
            Fault::Damaged { .. } | Fault::Rows { .. } => OpenFailed::Damaged(fault.to_string()),
            fault => OpenFailed::Fault(fault),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_sled_tells_again_names_the_systems_error_and_the_folder() {
        let first = sled::Error::Io(std::io::Error::from_raw_os_error(30));
        for error in [first.clone(), first.clone().clone(), first] {
            let fault = sled_fault("write a batch to", Path::new("rows/1"), error);
            assert_eq!(fault.to_string(), "could not write a batch to rows/1");
            let Fault::Io { source, .. } = fault else {
                panic!("{fault:?}");
            };
            assert_eq!(source.raw_os_error(), Some(30));
        }
    }
}
