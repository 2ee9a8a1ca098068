//! The secret of an access key, and the signing key made of it.

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use zeroize::Zeroizing;

use super::Why;
use super::credential::Credential;

/// The secret of an access key. It is wiped when it is dropped.
pub struct SecretKey(Zeroizing<String>);

/// A key that signs for one day, region and service. The library wipes it.
pub(super) struct SigningKey(hmac::Key);

impl SecretKey {
    /// Takes a secret.
    pub fn new(secret: Zeroizing<String>) -> SecretKey {
        SecretKey(secret)
    }

    /// Makes the signing key: an HMAC of each part of the scope, keyed by the one before.
    pub(super) fn signing_key(&self, credential: &Credential) -> Option<SigningKey> {
        let first = Zeroizing::new([b"AWS4", self.0.as_bytes()].concat());
        let mut key = hmac::Key::new(HMAC_SHA256, &first);
        for step in credential.steps() {
            let mut next = Zeroizing::new([0; 32]);
            hmac::sign_to_buffer(&key, step.as_bytes(), next.as_mut_slice()).ok()?;
            key = hmac::Key::new(HMAC_SHA256, next.as_slice());
        }
        Some(SigningKey(key))
    }
}

impl SigningKey {
    /// Verifies a signature, in constant time.
    pub(super) fn verify(&self, signed: &[u8], signature: &[u8; 32]) -> Result<(), Why> {
        hmac::verify(&self.0, signed, signature).map_err(|_| Why::Signature)
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(redacted)")
    }
}
