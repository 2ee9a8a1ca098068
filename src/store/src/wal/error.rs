use std::path::PathBuf;

use crate::{Fault, FormatError};

/// Why a log could not be opened. Nothing on disk was changed.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// A header was refused: damaged, of a later release, or somebody else's.
    #[error("could not open {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header.
        #[source]
        source: FormatError,
    },
    /// An acknowledged record cannot be read. Cutting the log here would break what this node
    /// promised its peers.
    #[error(
        "log segment {} is damaged at offset {offset}, with acknowledged records there: remove \
         this node from the region and let it join again with an empty directory",
        segment.display()
    )]
    Damaged {
        /// The segment's file.
        segment: PathBuf,
        /// Where the last good group ends.
        offset: u64,
    },
    /// A file that must be there is gone.
    #[error(
        "log file {} is missing: put it back, or remove this node from the region and let it join \
         again with an empty directory",
        path.display()
    )]
    Missing {
        /// The missing file.
        path: PathBuf,
    },
    /// An option is out of its bounds.
    #[error("{option} must be at least {least}")]
    Options {
        /// Which option.
        option: &'static str,
        /// The least value.
        least: u64,
    },
    /// The files could not be read or written.
    #[error(transparent)]
    Fault(#[from] Fault),
}
