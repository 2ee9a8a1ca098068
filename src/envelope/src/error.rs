//! What can go wrong when something is sealed or opened.

use thiserror::Error;

/// Why bytes were not sealed.
#[derive(Debug, Error)]
pub enum SealFailed {
    /// The plaintext is longer than the bound of its kind.
    #[error("{bytes} bytes are too many to seal: at most {bytes_max} are allowed")]
    TooLarge {
        /// The length that was offered.
        bytes: usize,
        /// The longest length allowed.
        bytes_max: usize,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes: nothing was sealed")]
    Randomness(#[source] getrandom::Error),
    /// The keyring holds as many key versions as it may.
    #[error("the keyring holds {versions} key versions: retire old ones before a new one is made")]
    KeyVersions {
        /// How many versions it holds.
        versions: usize,
    },
}

/// Why sealed bytes did not open. It never tells what in them was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenFailed {
    /// The bytes did not authenticate.
    #[error("the sealed bytes do not open: they were changed, moved, or sealed by another key")]
    Unauthentic,
    /// The format byte is not one that this build knows.
    #[error("sealed format {found} is unknown (known: {known}): use the version that wrote it")]
    UnknownFormat {
        /// The format found in the clear first byte.
        found: u8,
        /// The newest format known here.
        known: u8,
    },
    /// The block names a version of the storage key that the keyring does not hold.
    #[error("the keyring holds no version {version} of the storage key: restore the keyring")]
    UnknownKeyVersion {
        /// The version that the block names in clear.
        version: u32,
    },
}
