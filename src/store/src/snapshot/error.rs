use std::path::PathBuf;

use crate::{CipherFault, Fault, FormatError};

/// Why a snapshot could not be written, received or read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The header was refused: damaged, of a later release, or another cluster's.
    #[error("could not open snapshot {}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with its header.
        #[source]
        source: FormatError,
    },
    /// The file ends early, goes on too long, or a block does not match its checksum.
    #[error(
        "snapshot {} is damaged at offset {offset}: use an older one, or fetch one from a peer",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Where the damaged block begins.
        offset: u64,
    },
    /// A block could not be sealed, or did not open.
    #[error("cipher failure at block {block} of snapshot {}", path.display())]
    Cipher {
        /// The file.
        path: PathBuf,
        /// Number of the block.
        block: u64,
        /// Whether sealing or opening failed.
        #[source]
        source: CipherFault,
    },
    /// The file holds another snapshot than the one it should be.
    #[error("the file holds snapshot {found}, not {expected}")]
    OtherSnapshot {
        /// The id in the file.
        found: String,
        /// The id that was asked for.
        expected: String,
    },
    /// The rows to be written do not ascend.
    #[error("rows of a snapshot must be in the order of their keys")]
    OutOfOrder,
    /// The id is empty, too long, or has other characters than letters, digits, `-`, `_` and `.`.
    #[error("a snapshot id is 1 to 128 letters, digits, '-', '_' or '.'")]
    Id,
    /// The files could not be read or written, or a row to be written could not be had.
    #[error(transparent)]
    Fault(#[from] Fault),
}
