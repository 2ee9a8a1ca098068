//! Keys of sessions: what seals them everywhere, and what signs those of this region.

use std::sync::Arc;

use envelope::{SessionKey, SigningKey};
use machine::{Region, State};

use super::Vault;

impl Vault {
    /// The cluster whose keys it opens.
    pub fn cluster(&self) -> [u8; 16] {
        self.cluster
    }

    /// The number of this region in the directory, and the key by which it signs.
    pub fn signer(&self, _: &State) -> Option<(u32, Arc<SigningKey>)> {
        None
    }

    /// The newest session key, with its id.
    pub fn newest_session_key(&self, _: &State) -> Option<([u8; 16], Arc<SessionKey>)> {
        None
    }

    /// The session key of an id.
    pub fn session_key(&self, _: &State, _: &[u8; 16]) -> Option<Arc<SessionKey>> {
        None
    }

    /// The public half of the key by which a region signs.
    pub fn public_key(&self, _: &Region) -> Option<[u8; 32]> {
        None
    }
}
