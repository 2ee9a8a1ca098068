//! A call that one region hands on to another: sealed under a key that is agreed for it alone.
//!
//! Invariant: a call does not open as an answer, nor an answer as a call, and neither as a DEK.

use zeroize::Zeroizing;

use super::LinkKey;
use crate::aead::{self, FORMAT};
use crate::domain::Domain;
use crate::error::{OpenFailed, SealFailed};
use crate::limits::LINK_CALL_BYTES_MAX;

/// What of a call is sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPart {
    /// What is asked.
    Call,
    /// What came of it.
    Answer,
}

impl CallPart {
    fn aad(self) -> Vec<u8> {
        match self {
            CallPart::Call => Domain::LinkCall.aad(&[]),
            CallPart::Answer => Domain::LinkAnswer.aad(&[]),
        }
    }
}

impl LinkKey {
    /// Seals one part of a call, at most [`LINK_CALL_BYTES_MAX`] bytes: format byte, nonce,
    /// ciphertext, tag. Fails if it is longer, or without random bytes.
    pub fn seal_call(&self, part: CallPart, plain: &[u8]) -> Result<Vec<u8>, SealFailed> {
        let nonce = aead::random()?;
        let sealed = aead::seal(
            self.0.bytes(),
            &nonce,
            &part.aad(),
            plain,
            LINK_CALL_BYTES_MAX,
        )?;
        Ok([&[FORMAT], nonce.as_slice(), &sealed].concat())
    }

    /// Opens what [`LinkKey::seal_call`] made at the other end, as the same part.
    pub fn open_call(
        &self,
        part: CallPart,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, OpenFailed> {
        let (nonce, sealed) = aead::split_nonce(aead::strip_format(sealed)?)?;
        aead::open(self.0.bytes(), nonce, &part.aad(), sealed)
    }
}
