//! Session tokens: the key that seals what they say, and the key by which a region signs them
//! (R20). What is sealed with it and what is signed is the caller's to define: here are the ciphers
//! only, and neither key is used for anything else.

use std::fmt;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::aead::{self, KEY_BYTES, NONCE_BYTES};
use crate::error::{OpenFailed, SealFailed};
use crate::limits::SESSION_PLAIN_BYTES_MAX;
use crate::locked::KeyBytes;

/// A key that seals sessions, in locked memory and wiped when dropped.
pub struct SessionKey(KeyBytes);

/// A session, sealed.
pub struct SealedSession {
    /// Its nonce.
    pub nonce: [u8; NONCE_BYTES],
    /// The ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

/// Makes 32 random bytes, of which a session key or a signing key is made. Fails if the operating
/// system gives none.
pub fn random_seed() -> Result<Zeroizing<[u8; KEY_BYTES]>, SealFailed> {
    let mut seed = Zeroizing::new([0; KEY_BYTES]);
    getrandom::fill(seed.as_mut_slice()).map_err(SealFailed::Randomness)?;
    Ok(seed)
}

impl SessionKey {
    /// Takes a key of its 32 bytes; none for another length. The caller wipes its own.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; KEY_BYTES] = bytes.try_into().ok()?;
        Some(Self(KeyBytes::copy_of(bytes)))
    }

    /// Seals a session of at most [`SESSION_PLAIN_BYTES_MAX`] bytes. Fails if it is longer, or
    /// without random bytes.
    pub fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<SealedSession, SealFailed> {
        let nonce = aead::random()?;
        let key = self.0.bytes();
        let ciphertext = aead::seal(key, &nonce, aad, plain, SESSION_PLAIN_BYTES_MAX)?;
        Ok(SealedSession { nonce, ciphertext })
    }

    /// Opens what [`SessionKey::seal`] made with the same associated data.
    pub fn open(
        &self,
        aad: &[u8],
        sealed: &SealedSession,
    ) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
        aead::open(self.0.bytes(), &sealed.nonce, aad, &sealed.ciphertext)
    }
}

/// The Ed25519 key pair by which a region signs the sessions it issues. The cipher wipes it when it
/// is dropped.
pub struct SigningKey(Ed25519KeyPair);

impl SigningKey {
    /// Makes the pair of its seed, 32 bytes; none for another length. The caller wipes its own.
    pub fn from_seed(seed: &[u8]) -> Option<Self> {
        Ed25519KeyPair::from_seed_unchecked(seed).ok().map(Self)
    }

    /// Gives the public half.
    pub fn public_key(&self) -> [u8; 32] {
        let mut public_key = [0; 32];
        let bytes = self.0.public_key().as_ref().iter();
        public_key
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        public_key
    }

    /// Signs.
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        let mut signature = [0; 64];
        let signed = self.0.sign(bytes);
        let bytes = signed.as_ref().iter();
        signature
            .iter_mut()
            .zip(bytes)
            .for_each(|(to, from)| *to = *from);
        signature
    }
}

/// Says whether a signature over these bytes is that of the private half.
pub fn is_signed(public_key: &[u8; 32], bytes: &[u8], signature: &[u8; 64]) -> bool {
    let key = UnparsedPublicKey::new(&ED25519, public_key);
    key.verify(bytes, signature).is_ok()
}

impl fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SessionKey(redacted)")
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::{SessionKey, SigningKey, is_signed, random_seed};

    fn bytes(hex: &str) -> Vec<u8> {
        let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        (0..hex.len()).step_by(2).map(digits).collect()
    }

    #[test]
    fn rfc_8032_section_7_1_test_2_signs_and_verifies() {
        let seed = bytes("4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
        let public_key = bytes("3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
        let signature = bytes(
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da\
             085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        );
        let key = SigningKey::from_seed(&seed).unwrap();
        assert_eq!(key.public_key(), *public_key);
        assert_eq!(key.sign(&[0x72]), *signature);
        let signature = key.sign(&[0x72]);
        assert!(is_signed(&key.public_key(), &[0x72], &signature));
        assert!(!is_signed(&key.public_key(), &[0x73], &signature));
        assert!(!is_signed(&[7; 32], &[0x72], &signature));
        assert!(!is_signed(&key.public_key(), &[0x72], &[0; 64]));
        assert!(SigningKey::from_seed(&seed[1..]).is_none());
    }

    #[test]
    fn a_session_opens_with_its_key_and_associated_data_only() {
        let key = SessionKey::new(random_seed().unwrap().as_slice()).unwrap();
        let mut sealed = key.seal(b"place", b"session").unwrap();
        assert_eq!(**key.open(b"place", &sealed).unwrap(), *b"session");
        assert!(key.open(b"elsewhere", &sealed).is_err());
        let other = SessionKey::new(random_seed().unwrap().as_slice()).unwrap();
        assert!(other.open(b"place", &sealed).is_err());
        sealed.nonce = [0; 12];
        assert!(key.open(b"place", &sealed).is_err());
        assert!(SessionKey::new(&[1; 31]).is_none());
        assert!(key.seal(b"", &[0; 8193]).is_err());
    }

    #[test]
    fn keys_are_never_printed() {
        let seed = [7; 32];
        let (key, signing) = (SessionKey::new(&seed), SigningKey::from_seed(&seed));
        let shown = format!("{:?} {:?}", key.unwrap(), signing.unwrap());
        assert_eq!(shown, "SessionKey(redacted) SigningKey(redacted)");
    }
}
