//! The root key of a region: it wraps KEKs and seals the keyring, and does nothing else.

use std::fmt;

use crate::aead;
use crate::domain::Domain;
use crate::error::{OpenFailed, SealFailed};
use crate::kek::Kek;
use crate::locked::KeyBytes;

/// A region's root key: 32 bytes in locked memory, wiped when dropped. It leaves the process only
/// in a seal provider's own form.
pub struct RootKey(pub(crate) KeyBytes);

impl RootKey {
    /// Makes a new random root key.
    pub fn generate() -> Result<Self, SealFailed> {
        aead::random_key().map(Self)
    }

    /// Takes a copy of 32 bytes that a seal provider holds; the provider wipes its own.
    pub fn from_bytes(bytes: &[u8; 32]) -> Self {
        Self(KeyBytes::copy_of(bytes))
    }

    /// Tells whether the key's page is locked in memory. The system refuses beyond RLIMIT_MEMLOCK.
    pub fn is_locked(&self) -> bool {
        self.0.is_locked()
    }

    /// Wraps a KEK for its row. The wrap opens only under the same cluster, region, key id and
    /// version.
    pub fn wrap_kek(
        &self,
        kek: &Kek,
        cluster: &[u8; 16],
        region: &str,
    ) -> Result<Vec<u8>, SealFailed> {
        self.wrap_kek_with(kek, cluster, region, &aead::random()?)
    }

    /// Unwraps a KEK from its row.
    pub fn unwrap_kek(
        &self,
        cluster: &[u8; 16],
        region: &str,
        id: [u8; 16],
        version: u32,
        wrapped: &[u8],
    ) -> Result<Kek, OpenFailed> {
        let key = aead::unwrap(&self.0, &kek_aad(cluster, region, &id, version), wrapped)?;
        Ok(Kek::from_key(id, version, key))
    }

    pub(crate) fn wrap_kek_with(
        &self,
        kek: &Kek,
        cluster: &[u8; 16],
        region: &str,
        nonce: &[u8; aead::NONCE_BYTES],
    ) -> Result<Vec<u8>, SealFailed> {
        let aad = kek_aad(cluster, region, &kek.id(), kek.version());
        aead::wrap(&self.0, nonce, &aad, kek.key().bytes())
    }
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RootKey(redacted)")
    }
}

fn kek_aad(cluster: &[u8; 16], region: &str, id: &[u8; 16], version: u32) -> Vec<u8> {
    Domain::KekWrap.aad(&[cluster, region.as_bytes(), id, &version.to_be_bytes()])
}
