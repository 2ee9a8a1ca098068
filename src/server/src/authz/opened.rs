//! Tokens as they were opened, for as long as the region that signed them has the same key: a
//! signature is not verified for each call of a session.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use machine::{RegionName, State, VerifyingKey};
use sha2::{Digest, Sha256};

use super::proven::Bearer;
use crate::limits::TOKENS_MAX;
use crate::sessions::{Opened, Sessions, Unknown};

/// What a token says, and the key that its signature was verified by.
type Verified = (VerifyingKey, Arc<Bearer>);

/// Opened tokens by the SHA-256 of their text.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    opened: Mutex<HashMap<[u8; 32], Verified>>,
}

impl Tokens {
    /// Opens a token, or finds it as it was opened.
    pub(super) fn open(
        &self,
        sessions: &Sessions,
        state: &State,
        token: &str,
    ) -> Result<Arc<Bearer>, Unknown> {
        let digest: [u8; 32] = Sha256::digest(token).into();
        let lock = || self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let known = lock().get(&digest).cloned();
        if let Some((key, bearer)) = known
            && signing_key(state, &bearer.signed_by) == Some(key)
        {
            return Ok(bearer);
        }
        let Opened { session, issued_in } = sessions.open(state, token)?;
        let key = signing_key(state, &issued_in).ok_or(Unknown::Region)?;
        let bearer = Arc::new(Bearer {
            session,
            signed_by: issued_in,
        });
        let mut opened = lock();
        if opened.len() >= TOKENS_MAX {
            // Most of them are of sessions that have ended.
            opened.clear();
        }
        opened.insert(digest, (key, Arc::clone(&bearer)));
        Ok(bearer)
    }
}

/// The key by which a region signs that is linked, or is this one.
fn signing_key(state: &State, region: &RegionName) -> Option<VerifyingKey> {
    let (_, region) = state.entry(region)?;
    region.signing_key.filter(|_| region.is_linked())
}
