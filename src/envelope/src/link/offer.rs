//! The follower's half of an agreement on a link key.

use std::fmt;

use super::{LinkBinding, LinkFailed, LinkKey, agreement};
use crate::aead;
use crate::locked::KeyBytes;

/// A key pair for one agreement. The private half is in locked memory, never leaves, and is wiped
/// with the offer, whether that is accepted or dropped.
pub struct LinkOffer {
    /// X-Wing's private key, from which it derives both pairs.
    seed: KeyBytes,
    public_key: Vec<u8>,
}

impl LinkOffer {
    /// Makes a new random key pair. Fails without random bytes.
    pub fn generate() -> Result<Self, LinkFailed> {
        Self::from_seed(aead::random_key()?)
    }

    /// The X-Wing public key for the other end,
    /// [`LINK_PUBLIC_KEY_BYTES`](crate::LINK_PUBLIC_KEY_BYTES) bytes. It is no secret.
    pub fn public_key(&self) -> &[u8] {
        &self.public_key
    }

    /// Opens the key that the other end made for this offer's public key; `encapsulated` has
    /// [`LINK_ENCAPSULATED_BYTES`](crate::LINK_ENCAPSULATED_BYTES) bytes. An offer is good for one
    /// try, so that a key pair never outlives its set-up.
    ///
    /// Fails if the length is another or a region's name is too long. Bytes that were made for
    /// another offer or another binding, or were changed, give a key that nobody else has: with it
    /// no DEK opens.
    pub fn accept(self, encapsulated: &[u8], binding: &LinkBinding) -> Result<LinkKey, LinkFailed> {
        agreement::decapsulate(&self.seed, encapsulated, &binding.info()?).map(LinkKey)
    }

    pub(super) fn from_seed(seed: KeyBytes) -> Result<Self, LinkFailed> {
        let public_key = agreement::public_key(&seed)?;
        Ok(Self { seed, public_key })
    }
}

impl fmt::Debug for LinkOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkOffer(redacted)")
    }
}
