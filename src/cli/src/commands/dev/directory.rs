//! The directory of a development region: where each file is, who may use it, and what a former
//! start left behind.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};

use super::ports::NodePorts;
use crate::limits::DEV_RECORD_BYTES_MAX;

/// The layout of the directory; a later one is refused.
const FORMAT: u32 = 1;

/// Held by the process that runs the region.
const LOCK: &str = "LOCK";
/// What makes a directory a development region.
const RECORD: &str = "dev.toml";

/// Why the directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DirectoryError {
    /// It cannot be made, read or written.
    #[error("cannot use {}; check its permissions and the disk's free space, or name another \
        directory with --dir", .path.display())]
    Access {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The disk is full.
    #[error("the disk that holds {} is full; make room, or name another directory with --dir",
        .path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Another process uses it.
    #[error("{} is in use by process {process}; use that region, or end it with \
        `kill {process}`, or name another directory with --dir", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The other process.
        process: String,
    },
    /// A later release made it.
    #[error("{} was made by a later release (format {found}, this one knows {FORMAT}); use that \
        release, or name another directory with --dir", .path.display())]
    Later {
        /// The directory.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// The record is not one.
    #[error("{} is damaged; delete the region with `strongroom dev reset` and start again",
        .path.display())]
    Damaged {
        /// The record.
        path: PathBuf,
        /// What is wrong with it.
        source: toml::de::Error,
    },
    /// It holds something else.
    #[error("{} is not empty and not a development region; name another directory with --dir",
        .path.display())]
    Foreign {
        /// The directory.
        path: PathBuf,
    },
    /// Others can say what stands in it.
    #[error("{} belongs to another user, or others can write to it, so the region in it is not \
        used; name a node with --endpoint", .path.display())]
    Open {
        /// The directory.
        path: PathBuf,
    },
    /// There is no region in it.
    #[error("there is no development region in {}; start one with `strongroom dev`",
        .path.display())]
    Missing {
        /// The directory.
        path: PathBuf,
    },
}

impl DirectoryError {
    /// Names the error of an operation on a file.
    pub fn at(path: &Path, source: std::io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                Self::Full { path, source }
            }
            _ => Self::Access { path, source },
        }
    }
}

/// What a start leaves for the next one.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize)]
pub struct Record {
    /// The layout of the directory.
    pub format: u32,
    /// The release that wrote this.
    pub release: String,
    /// Whether all three nodes became voters; until then nothing was kept here.
    pub complete: bool,
    /// The nodes' ports, first node first.
    pub nodes: Vec<NodePorts>,
}

impl Record {
    /// The record of a region that is about to be made.
    pub fn new(nodes: Vec<NodePorts>) -> Self {
        let release = env!("CARGO_PKG_VERSION").to_owned();
        Self {
            format: FORMAT,
            release,
            complete: false,
            nodes,
        }
    }
}

/// The paths inside a development directory.
#[derive(Clone, Debug)]
pub struct Directory {
    root: PathBuf,
}

/// The right to run the region; given back when dropped, even by a crash.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Directory {
    /// The directory the caller named, or the usual place.
    pub fn locate(named: Option<&Path>) -> Self {
        let state = std::env::var_os("XDG_STATE_HOME").filter(|path| !path.is_empty());
        let root = match (named, state) {
            (Some(path), _) => path.to_owned(),
            (None, Some(state)) => PathBuf::from(state).join("strongroom-dev"),
            (None, None) => PathBuf::from("strongroom-dev"),
        };
        // Printed paths must work from any directory.
        Self {
            root: std::path::absolute(&root).unwrap_or(root),
        }
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where certificates and keys are.
    pub fn certificates(&self) -> PathBuf {
        self.root.join("certs")
    }

    /// The region's root key.
    pub fn root_key(&self) -> PathBuf {
        self.root.join("root.key")
    }

    /// The data of one node.
    pub fn node(&self, node: u64) -> PathBuf {
        self.root.join(format!("node-{node}"))
    }

    /// The socket of the running process.
    pub fn socket(&self) -> PathBuf {
        self.root.join("control.sock")
    }

    /// The log of the running process.
    pub fn log(&self) -> PathBuf {
        self.root.join("dev.log")
    }

    fn record_path(&self) -> PathBuf {
        self.root.join(RECORD)
    }

    /// Makes the directory if it is missing, for its owner only, and takes the lock. Anything that
    /// is not a development region is left as it is.
    pub fn lock(&self) -> Result<Lock, DirectoryError> {
        let failed = |source| DirectoryError::at(&self.root, source);
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.root)
            .map_err(failed)?;
        self.refuse_foreign()?;
        let path = self.root.join(LOCK);
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600);
        let mut file = options
            .open(&path)
            .map_err(|source| DirectoryError::at(&path, source))?;
        // The kernel gives the lock back when a process ends, so it is never stale.
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(Errno::WOULDBLOCK) => {
                return Err(DirectoryError::InUse {
                    path: self.root.clone(),
                    process: holder(file),
                });
            }
            Err(errno) => return Err(DirectoryError::at(&path, errno.into())),
        }
        // A directory that was there before may have been open to others.
        std::fs::set_permissions(&self.root, PermissionsExt::from_mode(0o700)).map_err(failed)?;
        file.set_len(0)
            .and_then(|()| write!(file, "{}", std::process::id()))
            .map_err(|source| DirectoryError::at(&path, source))?;
        Ok(Lock { _file: file })
    }

    /// A lock alone says nothing: a node's own data directory has one too, and what is taken for
    /// an unfinished region is deleted.
    fn refuse_foreign(&self) -> Result<(), DirectoryError> {
        if self.record_path().symlink_metadata().is_ok() {
            return Ok(());
        }
        let failed = |source| DirectoryError::at(&self.root, source);
        for entry in self.root.read_dir().map_err(failed)? {
            if entry.map_err(failed)?.file_name() != LOCK {
                let path = self.root.clone();
                return Err(DirectoryError::Foreign { path });
            }
        }
        Ok(())
    }

    /// Refuses a directory that another user than the caller may have filled.
    pub fn check_owner(&self) -> Result<(), DirectoryError> {
        let about = std::fs::metadata(&self.root);
        let about = about.map_err(|source| DirectoryError::at(&self.root, source))?;
        let caller = rustix::process::geteuid().as_raw();
        match is_private(about.uid(), about.mode(), caller) {
            true => Ok(()),
            false => Err(DirectoryError::Open {
                path: self.root.clone(),
            }),
        }
    }

    /// Reads what a former start left; none if there was none.
    pub fn record(&self) -> Result<Option<Record>, DirectoryError> {
        let path = self.record_path();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(DirectoryError::at(&path, source)),
        };
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let damaged = |source| DirectoryError::Damaged {
            path: path.clone(),
            source,
        };
        let head: Head = toml::from_str(&text).map_err(damaged)?;
        if head.format > FORMAT {
            let path = self.root.clone();
            return Err(DirectoryError::Later {
                path,
                found: head.format,
            });
        }
        toml::from_str(&text).map(Some).map_err(damaged)
    }

    /// Reads what a former start left, which must have come to its end.
    pub fn complete_record(&self) -> Result<Record, DirectoryError> {
        self.record()?
            .filter(|record| record.complete)
            .ok_or_else(|| DirectoryError::Missing {
                path: self.root.clone(),
            })
    }

    /// Writes what the next start needs.
    pub fn keep(&self, record: &Record) -> Result<(), DirectoryError> {
        let path = self.record_path();
        let failed = |source| DirectoryError::at(&path, source);
        let text = toml::to_string(record).map_err(|error| failed(std::io::Error::other(error)))?;
        let draft = self.root.join("dev.toml.new");
        let mut file = File::create(&draft).map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        std::fs::rename(&draft, &path).map_err(failed)
    }

    /// Deletes everything but the lock; the record last, so that a second try finds a region.
    pub fn clear(&self, _lock: &Lock) -> Result<(), DirectoryError> {
        let failed = |source| DirectoryError::at(&self.root, source);
        for entry in self.root.read_dir().map_err(failed)? {
            let entry = entry.map_err(failed)?;
            if entry.file_name() == LOCK || entry.file_name() == RECORD {
                continue;
            }
            let path = entry.path();
            let removed = match entry.file_type() {
                Ok(kind) if kind.is_dir() => std::fs::remove_dir_all(&path),
                _ => std::fs::remove_file(&path),
            };
            removed.map_err(|source| DirectoryError::at(&path, source))?;
        }
        match std::fs::remove_file(self.record_path()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(DirectoryError::at(&self.record_path(), error))
            }
            _ => Ok(()),
        }
    }

    /// Takes back what `lock` made, if nothing else is there.
    pub fn abandon(&self, lock: Lock) {
        // What cannot be removed is taken for the beginning of a region by the next start.
        let _ = std::fs::remove_file(self.root.join(LOCK));
        let _ = std::fs::remove_dir(&self.root);
        drop(lock);
    }

    /// Deletes the directory, lock and all.
    pub fn delete(&self, lock: Lock) -> Result<(), DirectoryError> {
        self.clear(&lock)?;
        std::fs::remove_dir_all(&self.root)
            .map_err(|source| DirectoryError::at(&self.root, source))?;
        drop(lock);
        Ok(())
    }
}

/// Whether nobody but the caller can write to a file of this owner and mode.
fn is_private(owner: u32, mode: u32, caller: u32) -> bool {
    owner == caller && mode & 0o022 == 0
}

/// The process that wrote its number into the lock.
fn holder(file: File) -> String {
    let mut text = String::new();
    match file.take(DEV_RECORD_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.is_empty() => text,
        _ => "(unknown)".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, Directory) {
        let parent = tempfile::tempdir().unwrap();
        let directory = Directory::locate(Some(&parent.path().join("dev")));
        (parent, directory)
    }

    #[test]
    fn a_directory_is_its_owners_and_one_process_uses_it() {
        let (_parent, directory) = directory();
        let lock = directory.lock().unwrap();
        let mode = std::fs::metadata(directory.root())
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
        let refused = directory.lock().unwrap_err();
        assert!(
            refused
                .to_string()
                .contains(&std::process::id().to_string()),
            "{refused}"
        );
        drop(lock);
        directory.lock().unwrap();
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_a_later_one_is_refused() {
        let (_parent, directory) = directory();
        let _lock = directory.lock().unwrap();
        assert_eq!(directory.record().unwrap(), None);
        let mut record = Record::new(vec![NodePorts {
            api: 1,
            peers: 2,
            operations: 3,
        }]);
        directory.keep(&record).unwrap();
        assert_eq!(directory.record().unwrap(), Some(record.clone()));
        assert!(matches!(
            directory.complete_record(),
            Err(DirectoryError::Missing { .. })
        ));
        record.format = FORMAT + 1;
        directory.keep(&record).unwrap();
        assert!(matches!(
            directory.record(),
            Err(DirectoryError::Later { found: 2, .. })
        ));
        std::fs::write(directory.record_path(), "format = ").unwrap();
        assert!(matches!(
            directory.record(),
            Err(DirectoryError::Damaged { .. })
        ));
    }

    #[test]
    fn a_directory_with_other_things_in_it_is_left_alone() {
        let (_parent, directory) = directory();
        std::fs::create_dir(directory.root()).unwrap();
        std::fs::write(directory.root().join("thesis.tex"), "").unwrap();
        assert!(matches!(
            directory.lock(),
            Err(DirectoryError::Foreign { .. })
        ));
        // Other programs keep a file of that name too, a node in its data directory for one.
        std::fs::write(directory.root().join(LOCK), "").unwrap();
        assert!(matches!(
            directory.lock(),
            Err(DirectoryError::Foreign { .. })
        ));
    }

    #[test]
    fn a_directory_that_was_there_is_closed_to_others() {
        let (_parent, directory) = directory();
        std::fs::create_dir(directory.root()).unwrap();
        std::fs::set_permissions(directory.root(), PermissionsExt::from_mode(0o755)).unwrap();
        let _lock = directory.lock().unwrap();
        let mode = std::fs::metadata(directory.root()).unwrap().permissions();
        assert_eq!(mode.mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_can_write_is_not_believed() {
        let (_parent, directory) = directory();
        let _lock = directory.lock().unwrap();
        directory.check_owner().unwrap();
        for mode in [0o777, 0o770, 0o702] {
            let mode = PermissionsExt::from_mode(mode);
            std::fs::set_permissions(directory.root(), mode).unwrap();
            let refused = directory.check_owner();
            assert!(matches!(refused, Err(DirectoryError::Open { .. })));
        }
        assert!(is_private(1000, 0o40755, 1000));
        assert!(!is_private(1001, 0o40700, 1000));
        assert!(!is_private(1001, 0o40700, 0), "not even for root");
    }

    #[test]
    fn a_cleared_directory_that_kept_its_record_is_cleared_again() {
        let (_parent, directory) = directory();
        let lock = directory.lock().unwrap();
        directory.keep(&Record::new(Vec::new())).unwrap();
        std::fs::create_dir(directory.node(1)).unwrap();
        directory.clear(&lock).unwrap();
        let left: Vec<_> = directory.root().read_dir().unwrap().collect();
        assert_eq!(left.len(), 1, "{left:?}");
    }

    #[test]
    fn a_deleted_directory_is_gone() {
        let (_parent, directory) = directory();
        let lock = directory.lock().unwrap();
        std::fs::create_dir(directory.node(1)).unwrap();
        directory.delete(lock).unwrap();
        assert!(!directory.root().exists());
    }
}
