//! The one file that calls the cipher: AES-256-GCM-SIV (RFC 8452), random nonces, comparison in
//! constant time.
//!
//! GCM-SIV derives fresh keys from every nonce and survives a repeated one, so random 96-bit nonces
//! are safe for far more than 2^32 sealings under one key.

use aes_gcm_siv::aead::{Aead, Payload};
use aes_gcm_siv::{Aes256GcmSiv, KeyInit, Nonce};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::error::{OpenFailed, SealFailed};
use crate::locked::KeyBytes;

/// Bytes of every key.
pub(crate) const KEY_BYTES: usize = 32;

/// Bytes of every nonce.
pub(crate) const NONCE_BYTES: usize = 12;

/// Bytes that sealing adds behind the plaintext.
pub(crate) const TAG_BYTES: usize = 16;

/// The format byte of everything sealed by this build.
pub(crate) const FORMAT: u8 = 1;

/// Compares two secret values in a time that depends on their lengths only.
pub fn values_equal(a: &[u8], b: &[u8]) -> bool {
    a.ct_eq(b).into()
}

/// Random bytes from the operating system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], SealFailed> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(SealFailed::Randomness)?;
    Ok(bytes)
}

/// A new random key.
pub(crate) fn random_key() -> Result<KeyBytes, SealFailed> {
    KeyBytes::fill(|bytes| getrandom::fill(bytes).map_err(SealFailed::Randomness))
}

/// Seals: the ciphertext with its tag behind it.
pub(crate) fn seal(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    plain: &[u8],
    bytes_max: usize,
) -> Result<Vec<u8>, SealFailed> {
    let too_large = || SealFailed::TooLarge {
        bytes: plain.len(),
        bytes_max,
    };
    if plain.len() > bytes_max {
        return Err(too_large());
    }
    let cipher = Aes256GcmSiv::new(key.into());
    cipher
        .encrypt(&Nonce::from(*nonce), Payload { msg: plain, aad })
        .map_err(|_| too_large())
}

/// Opens what [`seal`] made.
pub(crate) fn open(
    key: &[u8; KEY_BYTES],
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    ciphertext: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
    let cipher = Aes256GcmSiv::new(key.into());
    cipher
        .decrypt(
            &Nonce::from(*nonce),
            Payload {
                msg: ciphertext,
                aad,
            },
        )
        .map(Zeroizing::new)
        .map_err(|_| OpenFailed::Unauthentic)
}

/// Wraps a key: format ‖ nonce ‖ sealed key.
pub(crate) fn wrap(
    key: &KeyBytes,
    nonce: &[u8; NONCE_BYTES],
    aad: &[u8],
    wrapped: &[u8],
) -> Result<Vec<u8>, SealFailed> {
    let sealed = seal(key.bytes(), nonce, aad, wrapped, KEY_BYTES)?;
    Ok([&[FORMAT], nonce.as_slice(), &sealed].concat())
}

/// Unwraps what [`wrap`] made.
pub(crate) fn unwrap(key: &KeyBytes, aad: &[u8], wrapped: &[u8]) -> Result<KeyBytes, OpenFailed> {
    let (nonce, sealed) = split_nonce(strip_format(wrapped)?)?;
    let opened = open(key.bytes(), nonce, aad, sealed)?;
    KeyBytes::fill(|bytes| {
        bytes.copy_from_slice(
            opened
                .first_chunk::<KEY_BYTES>()
                .ok_or(OpenFailed::Unauthentic)?,
        );
        Ok(())
    })
}

/// Checks and removes the format byte.
pub(crate) fn strip_format(sealed: &[u8]) -> Result<&[u8], OpenFailed> {
    match sealed.split_first() {
        Some((&FORMAT, rest)) => Ok(rest),
        Some((&found, _)) => Err(OpenFailed::UnknownFormat {
            found,
            known: FORMAT,
        }),
        None => Err(OpenFailed::Unauthentic),
    }
}

/// Splits the nonce from what follows it.
pub(crate) fn split_nonce(sealed: &[u8]) -> Result<(&[u8; NONCE_BYTES], &[u8]), OpenFailed> {
    sealed.split_first_chunk().ok_or(OpenFailed::Unauthentic)
}

#[cfg(test)]
mod tests {
    use super::{open, seal, values_equal};

    #[test]
    fn rfc_8452_appendix_c_2_vector_seals_and_opens() {
        // Appendix C.2, plaintext 0100000000000000, no associated data.
        let mut key = [0; 32];
        key[0] = 1;
        let mut nonce = [0; 12];
        nonce[0] = 3;
        let sealed = seal(&key, &nonce, b"", &[1, 0, 0, 0, 0, 0, 0, 0], 8).unwrap();
        let expected = [
            0xc2, 0xef, 0x32, 0x8e, 0x5c, 0x71, 0xc8, 0x3b, 0x84, 0x31, 0x22, 0x13, 0x0f, 0x73,
            0x64, 0xb7, 0x61, 0xe0, 0xb9, 0x74, 0x27, 0xe3, 0xdf, 0x28,
        ];
        assert_eq!(sealed, expected);
        let opened = open(&key, &nonce, b"", &sealed).unwrap();
        assert_eq!(*opened, [1, 0, 0, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn values_are_equal_only_when_every_byte_is() {
        assert!(values_equal(b"one", b"one"));
        assert!(!values_equal(b"one", b"onf"));
        assert!(!values_equal(b"one", b"one "));
        assert!(values_equal(b"", b""));
    }
}
