//! Key-encryption keys, and values sealed under them.

use std::fmt;

use zeroize::Zeroizing;

use crate::aead::{self, FORMAT, NONCE_BYTES};
use crate::context::EncryptionContext;
use crate::error::{OpenFailed, SealFailed};
use crate::limits::VALUE_BYTES_MAX;
use crate::locked::KeyBytes;

/// One version of a KMS key: it wraps DEKs, and only them.
pub struct Kek {
    id: [u8; 16],
    version: u32,
    key: KeyBytes,
}

/// A sealed value and its DEK, wrapped. `nonce` and `ciphertext` are the same in every region;
/// `wrapped_dek` is the region's own.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The value's nonce.
    pub nonce: [u8; 12],
    /// The format byte, the ciphertext, the tag.
    pub ciphertext: Vec<u8>,
    /// The value's DEK under the KEK: format byte, nonce, ciphertext, tag.
    pub wrapped_dek: Vec<u8>,
}

impl Kek {
    /// Makes a new random key for this id and version.
    pub fn generate(id: [u8; 16], version: u32) -> Result<Self, SealFailed> {
        Ok(Self::from_key(id, version, aead::random_key()?))
    }

    /// The id of the KMS key.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// The version within the KMS key, counted from 1.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Seals a value under a fresh DEK. At most [`VALUE_BYTES_MAX`] bytes.
    pub fn seal(
        &self,
        context: &EncryptionContext<'_>,
        region: &str,
        plain: &[u8],
    ) -> Result<Sealed, SealFailed> {
        let dek = aead::random_key()?;
        self.seal_with(
            context,
            region,
            plain,
            &dek,
            &[aead::random()?, aead::random()?],
        )
    }

    /// Opens a value. It opens only with the context it was sealed with, in the region and under
    /// the key version that wraps its DEK.
    pub fn open(
        &self,
        context: &EncryptionContext<'_>,
        region: &str,
        nonce: &[u8; 12],
        ciphertext: &[u8],
        wrapped_dek: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
        let ciphertext = aead::strip_format(ciphertext)?;
        let dek = self.unwrap_dek(context, region, wrapped_dek)?;
        aead::open(dek.bytes(), nonce, &context.aad(), ciphertext)
    }

    /// Rewraps a DEK from this key to another, or to a newer version of it, within a region. The
    /// value stays as it is and is not opened.
    pub fn rewrap(
        &self,
        new: &Kek,
        context: &EncryptionContext<'_>,
        region: &str,
        wrapped_dek: &[u8],
    ) -> Result<Vec<u8>, RewrapFailed> {
        let dek = self.unwrap_dek(context, region, wrapped_dek)?;
        Ok(new.wrap_dek(context, region, &dek, &aead::random()?)?)
    }

    pub(crate) fn from_key(id: [u8; 16], version: u32, key: KeyBytes) -> Self {
        Self { id, version, key }
    }

    pub(crate) fn key(&self) -> &KeyBytes {
        &self.key
    }

    pub(crate) fn seal_with(
        &self,
        context: &EncryptionContext<'_>,
        region: &str,
        plain: &[u8],
        dek: &KeyBytes,
        [nonce, wrap_nonce]: &[[u8; NONCE_BYTES]; 2],
    ) -> Result<Sealed, SealFailed> {
        let sealed = aead::seal(dek.bytes(), nonce, &context.aad(), plain, VALUE_BYTES_MAX)?;
        Ok(Sealed {
            nonce: *nonce,
            ciphertext: [&[FORMAT], sealed.as_slice()].concat(),
            wrapped_dek: self.wrap_dek(context, region, dek, wrap_nonce)?,
        })
    }

    pub(crate) fn wrap_dek(
        &self,
        context: &EncryptionContext<'_>,
        region: &str,
        dek: &KeyBytes,
        nonce: &[u8; NONCE_BYTES],
    ) -> Result<Vec<u8>, SealFailed> {
        let aad = context.wrap_aad(region, &self.id, self.version);
        aead::wrap(&self.key, nonce, &aad, dek.bytes())
    }

    pub(crate) fn unwrap_dek(
        &self,
        context: &EncryptionContext<'_>,
        region: &str,
        wrapped_dek: &[u8],
    ) -> Result<KeyBytes, OpenFailed> {
        let aad = context.wrap_aad(region, &self.id, self.version);
        aead::unwrap(&self.key, &aad, wrapped_dek)
    }
}

impl fmt::Debug for Kek {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Kek(version {}, redacted)", self.version)
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.ciphertext.len())
    }
}

/// Why a DEK was not rewrapped.
#[derive(Debug, thiserror::Error)]
pub enum RewrapFailed {
    /// The DEK does not open under the old key.
    #[error("the wrapped key does not open under the old key")]
    Open(#[from] OpenFailed),
    /// The new wrap could not be made.
    #[error("the new wrap could not be made")]
    Seal(#[from] SealFailed),
}
