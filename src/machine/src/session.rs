//! Keys of sessions (R20): those that seal them are rows of the root feed, with which every region
//! opens what any has issued; the one by which a region signs those it issues is its own.

use std::sync::Arc;

use crate::ids::{Stamp, Uid};
use crate::secret::{SealedValue, Wrap};

/// A key that seals sessions in every region. The newest seals; the one before still opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionKey {
    /// Its identity, which each token names.
    pub uid: Uid,
    /// The key, sealed: at most 256 bytes. What wraps the key of that is a row of each region.
    pub sealed: Arc<SealedValue>,
    /// When it was made; later than the one before.
    pub created: Stamp,
}

/// The key by which a region signs the sessions it issues: a row of that region only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningKey {
    /// Its public half, which the directory tells.
    pub public_key: VerifyingKey,
    /// The seed of its private half, sealed: at most 256 bytes.
    pub sealed: Arc<SealedValue>,
    /// What wraps the key of that.
    pub wrap: Wrap,
    /// When it was made.
    pub created: Stamp,
}

/// The Ed25519 public key of a region's signatures under sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VerifyingKey(pub [u8; 32]);
