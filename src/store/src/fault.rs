//! How a store that is open can fail.

use std::fmt::{self, Display, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cipher::CipherFault;
use crate::snapshot::SnapshotError;

/// A promise this node can no longer keep; the process is expected to stop on it.
///
/// After a failed sync the kernel may have dropped dirty pages, so none is retried: the store
/// stops, and every later call answers the first fault again. Only [`Fault::NoSpace`] may be cured
/// while the process runs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The file system is full; nothing written before was lost.
    #[error("no space left to {action} {}: free some space", path.display())]
    NoSpace {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
    },
    /// The operating system refused a file operation.
    #[error("could not {action} {}", path.display())]
    Io {
        /// What was being done.
        action: &'static str,
        /// To which file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        source: Arc<io::Error>,
    },
    /// sled failed, or panicked.
    #[error("could not {action} the row store")]
    Rows {
        /// What was being done.
        action: &'static str,
        /// What sled said.
        #[source]
        source: Arc<sled::Error>,
    },
    /// A stored block does not match its checksum or its neighbours.
    #[error("damaged {what}: fetch it from another node, or rebuild this one")]
    Damaged {
        /// Which block.
        what: Block,
    },
    /// A block could not be sealed or opened.
    #[error("cipher failure at {what}")]
    Cipher {
        /// Which block.
        what: Block,
        /// Whether sealing or opening failed.
        #[source]
        source: Arc<CipherFault>,
    },
    /// Records were appended with a gap, or at or below the purge mark.
    #[error("log index {found} where {expected} follows")]
    OutOfOrder {
        /// The index that would have been accepted.
        expected: u64,
        /// The index that came.
        found: u64,
    },
    /// A record, vote, key or row is larger than this store accepts.
    #[error("{what} of {found_bytes} bytes is above the limit of {limit_bytes}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        found_bytes: usize,
        /// The limit.
        limit_bytes: usize,
    },
    /// A snapshot that rows were being taken from turned out to be unreadable.
    #[error("the snapshot cannot be used")]
    Snapshot {
        /// What is wrong with it.
        #[source]
        source: Arc<SnapshotError>,
    },
    /// The store was closed while the call was under way.
    #[error("the store is closed")]
    Closed,
}

/// Names one stored block; keys are identifiers, never names of secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// The log record of an index.
    Record(u64),
    /// The row of a key.
    Row(Vec<u8>),
    /// The metadata written with each batch of rows.
    Meta,
}

impl Fault {
    /// Whether what is stored is bad, rather than the machine in the way: a good copy cures it.
    pub fn is_damage(&self) -> bool {
        match self {
            Fault::Damaged { .. } => true,
            Fault::Cipher { source, .. } => matches!(**source, CipherFault::Open),
            Fault::Rows { source, .. } => matches!(**source, sled::Error::Corruption { .. }),
            _ => false,
        }
    }

    /// Whether the file system is full: what failed can be done again once it is not.
    pub fn is_no_space(&self) -> bool {
        matches!(self, Fault::NoSpace { .. })
    }

    /// Tells a full disk, which an operator can cure, from every other failure.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Fault {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::NoSpace {
                action,
                path: path.to_path_buf(),
            },
            _ => Fault::sync(action, path, source),
        }
    }

    /// A failed sync is never lack of space only: what it has dropped is not known.
    pub(crate) fn sync(action: &'static str, path: &Path, source: io::Error) -> Fault {
        Fault::Io {
            action,
            path: path.to_path_buf(),
            source: Arc::new(source),
        }
    }

    /// The same of one row, where what is bad holds several.
    pub(crate) fn of_row(self, key: &[u8]) -> Fault {
        let what = Block::Row(key.to_vec());
        match self {
            Fault::Damaged { .. } => Fault::Damaged { what },
            Fault::Cipher { source, .. } => Fault::Cipher { what, source },
            fault => fault,
        }
    }

    pub(crate) fn cipher(what: Block, source: CipherFault) -> Fault {
        Fault::Cipher {
            what,
            source: Arc::new(source),
        }
    }
}

impl From<SnapshotError> for Fault {
    fn from(error: SnapshotError) -> Fault {
        match error {
            SnapshotError::Fault(fault) => fault,
            other => Fault::Snapshot {
                source: Arc::new(other),
            },
        }
    }
}

impl Display for Block {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Block::Record(index) => write!(f, "log record {index}"),
            Block::Meta => f.write_str("row metadata"),
            Block::Row(key) => {
                f.write_str("row ")?;
                key.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}
