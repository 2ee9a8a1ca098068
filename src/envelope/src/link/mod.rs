//! Link keys: how a DEK crosses from one region to another (R1, R22).
//!
//! ```text
//! follower                                           primary
//! LinkOffer::generate ─── public key ──────────────► LinkKey::encapsulate
//! LinkOffer::accept   ◄── encapsulated key ─────────
//! LinkKey::rewrap_in  ◄── DEKs under the link key ── LinkKey::rewrap_out
//! ```
//!
//! The ends of one stream agree on a key by HPKE (RFC 9180, base mode, export only) with the hybrid
//! KEM X-Wing (X25519 and ML-KEM-768) and HKDF-SHA256: one set-up per stream, then one symmetric
//! wrap per DEK. KEKs stay in their region and a DEK is never in clear outside the two rewraps.
//!
//! Invariants:
//!
//! - The follower's key pair is made for one set-up, and the link key lives as long as its stream.
//!   So no key that a region has later opens a recorded stream, and neither does a quantum
//!   computer: it breaks X25519, but not ML-KEM.
//! - HPKE's `info` is the whole [`LinkBinding`]: ends that do not agree on it have different keys.
//! - A changed encapsulation gives another key and no error, as ML-KEM is defined. That two ends
//!   have different keys shows at the first DEK.
//!
//! What is deliberately absent: base mode does not tell who made the encapsulation, the mutual TLS
//! of the stream does.

mod agreement;
mod call;
mod offer;
#[cfg(test)]
mod tests;

use std::fmt;

use thiserror::Error;

pub use call::CallPart;
pub use offer::LinkOffer;

use crate::aead;
use crate::context::EncryptionContext;
use crate::domain::Domain;
use crate::error::SealFailed;
use crate::kek::{Kek, RewrapFailed};
use crate::limits::{LINK_ENCAPSULATED_BYTES, LINK_PUBLIC_KEY_BYTES, LINK_REGION_BYTES_MAX};
use crate::locked::KeyBytes;

/// What a link key is for. Both ends name it on their own, and agree on a key only if all of it is
/// equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkBinding {
    /// The cluster's id.
    pub cluster: [u8; 16],
    /// The region whose DEKs leave, at most [`LINK_REGION_BYTES_MAX`] bytes.
    pub from: String,
    /// The region where they arrive, at most [`LINK_REGION_BYTES_MAX`] bytes.
    pub to: String,
    /// The stream's id, never used for another stream.
    pub stream: [u8; 16],
}

impl LinkBinding {
    /// HPKE's `info`: domain, cluster, both regions and stream, each behind its length.
    fn info(&self) -> Result<Vec<u8>, LinkFailed> {
        // HPKE has a bound on `info` too, and panics above it.
        for region in [&self.from, &self.to] {
            let bytes = region.len();
            if bytes > LINK_REGION_BYTES_MAX {
                return Err(LinkFailed::Region { bytes });
            }
        }
        let (from, to) = (self.from.as_bytes(), self.to.as_bytes());
        Ok(Domain::LinkKey.aad(&[&self.cluster, from, to, &self.stream]))
    }
}

/// The key of one stream between two regions, in locked memory and wiped when dropped: it wraps
/// DEKs on their way. One that is agreed upon for a call seals that call and its answer instead.
pub struct LinkKey(KeyBytes);

impl LinkKey {
    /// Makes the key of a stream to the end that offered `public_key`, which has
    /// [`LINK_PUBLIC_KEY_BYTES`] bytes. Gives the key, and for the other end
    /// [`LINK_ENCAPSULATED_BYTES`] bytes that tell nobody else what it is.
    ///
    /// Fails if the public key is none, if a region's name is too long, or without random bytes.
    pub fn encapsulate(
        public_key: &[u8],
        binding: &LinkBinding,
    ) -> Result<(Self, Vec<u8>), LinkFailed> {
        Self::encapsulate_with(public_key, binding, getrandom::fill)
    }

    /// Takes a DEK out of this region: opens its wrap under `kek`, as [`Kek::open`] does, and wraps
    /// it under the link key. The wrap (format byte, nonce, ciphertext, tag) opens only with this
    /// link key and the same context.
    pub fn rewrap_out(
        &self,
        kek: &Kek,
        context: &EncryptionContext<'_>,
        region: &str,
        wrapped_dek: &[u8],
    ) -> Result<Vec<u8>, RewrapFailed> {
        let dek = kek.unwrap_dek(context, region, wrapped_dek)?;
        Ok(self.wrap_dek(context, &dek, &aead::random()?)?)
    }

    /// Takes a DEK into this region: opens what [`LinkKey::rewrap_out`] made at the other end, and
    /// wraps it under `kek` for `region`. The value's ciphertext stays as it is.
    pub fn rewrap_in(
        &self,
        kek: &Kek,
        context: &EncryptionContext<'_>,
        region: &str,
        link_wrapped: &[u8],
    ) -> Result<Vec<u8>, RewrapFailed> {
        let dek = aead::unwrap(&self.0, &context.link_aad(), link_wrapped)?;
        Ok(kek.wrap_dek(context, region, &dek, &aead::random()?)?)
    }

    fn encapsulate_with(
        public_key: &[u8],
        binding: &LinkBinding,
        fill: impl FnMut(&mut [u8]) -> Result<(), getrandom::Error>,
    ) -> Result<(Self, Vec<u8>), LinkFailed> {
        let (key, encapsulated) = agreement::encapsulate(public_key, &binding.info()?, fill)?;
        Ok((Self(key), encapsulated))
    }

    fn wrap_dek(
        &self,
        context: &EncryptionContext<'_>,
        dek: &KeyBytes,
        nonce: &[u8; aead::NONCE_BYTES],
    ) -> Result<Vec<u8>, SealFailed> {
        aead::wrap(&self.0, nonce, &context.link_aad(), dek.bytes())
    }
}

impl fmt::Debug for LinkKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkKey(redacted)")
    }
}

/// Why an end of a stream has no link key. The stream cannot carry DEKs and is begun anew, with a
/// new offer.
#[derive(Debug, Error)]
pub enum LinkFailed {
    /// The public key has another length, or its bytes are no X-Wing public key.
    #[error(
        "{bytes} bytes are not an X-Wing public key, which has {LINK_PUBLIC_KEY_BYTES}: \
         the other end must make a new offer"
    )]
    PublicKey {
        /// The length that was given.
        bytes: usize,
    },
    /// The encapsulated key has another length.
    #[error(
        "{bytes} bytes are not an encapsulated key, which has {LINK_ENCAPSULATED_BYTES}: \
         make a new offer"
    )]
    Encapsulated {
        /// The length that was given.
        bytes: usize,
    },
    /// The name of a region in the binding is too long.
    #[error("the name of a region has {bytes} bytes: at most {LINK_REGION_BYTES_MAX} are allowed")]
    Region {
        /// Its length.
        bytes: usize,
    },
    /// The operating system gave no random bytes.
    #[error("no key could be made for the stream")]
    Randomness(#[from] SealFailed),
    /// HPKE failed where no input should make it fail.
    #[error("HPKE gave no key for the stream: make a new offer")]
    Hpke(#[from] hpke::HpkeError),
}
