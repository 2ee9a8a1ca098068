//! The seam to the cipher: what is stored is sealed, and bound to the place where it lies.

use std::error::Error;

/// Names where a sealed block lies; the cipher binds the block to it, so it opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// The kind of block: `log`, `rows`, `meta` or `snapshot`.
    pub table: &'static str,
    /// The block's key in its table: an index, a row key, or a snapshot id with a block number.
    pub key: &'a [u8],
}

/// Seals blocks before they reach a disk and opens them on the way back.
pub trait Cipher: Send + Sync {
    /// Seals `plain` for `place`; fails only if no randomness or key is to be had.
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault>;

    /// Opens a block sealed for exactly `place`; fails if it was sealed elsewhere or changed.
    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault>;

    /// Whether a block says that it was sealed with the key that seals new ones; only opening it
    /// proves that. What was not is sealed anew when it is written anew, so that the older key can
    /// be let go (R14).
    fn is_current(&self, sealed: &[u8]) -> bool;
}

/// A block that could not be sealed or opened; opening tells no detail on purpose.
#[derive(Debug, thiserror::Error)]
pub enum CipherFault {
    /// No key or no randomness to seal with.
    #[error("the block could not be sealed")]
    Seal(#[source] Box<dyn Error + Send + Sync>),
    /// The block did not authenticate: wrong key, wrong place, or changed bytes.
    #[error("the sealed block did not authenticate")]
    Open,
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{Cipher, CipherFault, Place};

    /// Leaves everything as it is, for tests that look at none of it.
    pub(crate) struct Plain;

    impl Cipher for Plain {
        fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
            Ok(plain.to_vec())
        }

        fn open(&self, _: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
            Ok(sealed.to_vec())
        }

        fn is_current(&self, _: &[u8]) -> bool {
            true
        }
    }
}
