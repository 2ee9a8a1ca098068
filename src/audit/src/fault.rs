//! How an open trail can fail.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cipher::CipherFault;

/// Why a record could not be kept, or is not known to be. The call it is about is not answered.
///
/// After a failed sync the kernel may have dropped what was not written, so none is retried: the
/// trail stops, every later call answers the first fault again, and the process is expected to
/// stop. Only [`Fault::NoSpace`] and [`Fault::Busy`] pass.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The file system is full, and so is the space that was set aside.
    #[error("no space left for audit records in {}: free some space", path.display())]
    NoSpace {
        /// The directory or the file.
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
    /// The record could not be sealed, so it was not written.
    #[error("could not seal an audit record")]
    Seal(#[source] Arc<CipherFault>),
    /// As many answers as may wait for a sync already do.
    #[error("too many calls wait for their audit records: try again later")]
    Busy,
    /// The trail was closed while the call was under way.
    #[error("the audit trail is closed")]
    Closed,
}

impl Fault {
    /// Whether it may pass while the process runs; after any other the process must stop.
    pub fn may_pass(&self) -> bool {
        matches!(self, Fault::NoSpace { .. } | Fault::Busy)
    }

    /// Tells a full disk, which an operator can cure, from every other failure.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> Fault {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Fault::NoSpace {
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
}
