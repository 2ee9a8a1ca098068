//! The frame of a session token: what its carrier holds.
//!
//! ```text
//! srs1.BASE64URL( key id 16 ‖ nonce 12 ‖ sealed session ‖ region 4 ‖ signature 64 )
//! ```
//!
//! The session is sealed with the cluster's session key of that id, so that no carrier reads or
//! makes one, and signed by the region of that number (big-endian) in the directory, so that no
//! region issues one in another's name. What is sealed with it and what is signed is defined here:
//! each begins with the name of its use, and fields stand behind their lengths, so that nothing
//! made for one use passes for another.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::limits::{SESSION_BYTES_MAX, SESSION_SEAL_BYTES_MAX};

/// What a token begins with, which tells the version too.
const PREFIX: &str = "srs1.";
const SEAL: &[u8] = b"strongroom/session-seal/v1";
const SIGNATURE: &[u8] = b"strongroom/session-signature/v1";

const KEY_ID_BYTES: usize = 16;
const NONCE_BYTES: usize = 12;
const REGION_BYTES: usize = 4;
const SIGNATURE_BYTES: usize = 64;
/// What is not the sealed session.
const FIXED_BYTES: usize = KEY_ID_BYTES + NONCE_BYTES + REGION_BYTES + SIGNATURE_BYTES;
const SEALED_BYTES_MAX: usize = SESSION_BYTES_MAX + SESSION_SEAL_BYTES_MAX;

/// A token, taken apart. Nothing in it is proved yet.
#[derive(Clone, PartialEq, Eq)]
pub struct Frame {
    /// The session key that it is sealed with.
    pub key_id: [u8; KEY_ID_BYTES],
    /// The nonce that it is sealed with.
    pub nonce: [u8; NONCE_BYTES],
    /// The sealed session with the tag of the cipher: 1 to 5,152 bytes.
    pub sealed: Vec<u8>,
    /// The number of the region that issued it.
    pub region: u32,
    /// That region's Ed25519 signature over [`Frame::signed_bytes`].
    pub signature: [u8; SIGNATURE_BYTES],
}

/// The text is no session token, or the frame has no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum FrameError {
    /// It does not begin as a session token of this version.
    #[error("a session token begins with {PREFIX}")]
    Prefix,
    /// It is too short or too long.
    #[error("a session token seals 1 to {SEALED_BYTES_MAX} bytes")]
    Length,
    /// It is no base64url without padding.
    #[error("a session token is base64url without padding behind {PREFIX}")]
    Base64,
}

impl Frame {
    /// Parses a token; takes time linear in it, and none if it is longer than a token can be.
    pub fn parse(token: &str) -> Result<Frame, FrameError> {
        let encoded = token.strip_prefix(PREFIX).ok_or(FrameError::Prefix)?;
        if encoded.len() > (FIXED_BYTES + SEALED_BYTES_MAX).div_ceil(3) * 4 {
            return Err(FrameError::Length);
        }
        let bytes = URL_SAFE_NO_PAD.decode(encoded);
        let bytes = Zeroizing::new(bytes.map_err(|_| FrameError::Base64)?);
        let frame = Frame::from_bytes(&bytes).ok_or(FrameError::Length)?;
        frame.validate()?;
        Ok(frame)
    }

    /// Writes the token: whoever has the text is the holder of the session.
    pub fn to_text(&self) -> Result<Zeroizing<String>, FrameError> {
        self.validate()?;
        let bytes = [
            self.key_id.as_slice(),
            &self.nonce,
            &self.sealed,
            &self.region.to_be_bytes(),
            &self.signature,
        ];
        let bytes = Zeroizing::new(bytes.concat());
        // Long enough from the start: a text that grows leaves copies behind.
        let chars = bytes.len().div_ceil(3).saturating_mul(4);
        let mut text = Zeroizing::new(String::with_capacity(PREFIX.len().saturating_add(chars)));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(bytes.as_slice(), &mut text);
        Ok(text)
    }

    /// The associated data to seal a session with.
    pub fn aad(cluster: &[u8; 16], key_id: &[u8; 16], region: u32) -> Vec<u8> {
        fields(&[SEAL, cluster, key_id, &region.to_be_bytes()])
    }

    /// The bytes that the issuing region signs: the cluster, and the frame without the signature.
    pub fn signed_bytes(&self, cluster: &[u8; 16]) -> Vec<u8> {
        fields(&[
            SIGNATURE,
            cluster,
            &self.key_id,
            &self.nonce,
            &self.sealed,
            &self.region.to_be_bytes(),
        ])
    }

    fn from_bytes(bytes: &[u8]) -> Option<Frame> {
        let (key_id, rest) = bytes.split_first_chunk()?;
        let (nonce, rest) = rest.split_first_chunk()?;
        let (rest, signature) = rest.split_last_chunk()?;
        let (sealed, region) = rest.split_last_chunk()?;
        Some(Frame {
            key_id: *key_id,
            nonce: *nonce,
            sealed: sealed.to_vec(),
            region: u32::from_be_bytes(*region),
            signature: *signature,
        })
    }

    fn validate(&self) -> Result<(), FrameError> {
        match (1..=SEALED_BYTES_MAX).contains(&self.sealed.len()) {
            true => Ok(()),
            false => Err(FrameError::Length),
        }
    }
}

/// Not the token: whoever reads it in a log could carry it.
impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("region", &self.region)
            .finish_non_exhaustive()
    }
}

/// Each field behind its length (u32, big-endian).
fn fields(fields: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for field in fields {
        // A frame is bounded far below what the prefix can say.
        let length = u32::try_from(field.len()).unwrap_or(u32::MAX);
        bytes.extend(length.to_be_bytes());
        bytes.extend_from_slice(field);
    }
    bytes
}
