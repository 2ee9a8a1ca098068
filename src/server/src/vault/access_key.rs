//! Secrets of access keys: sealed as the one version of a secret that has the uid of the
//! credential.

use std::sync::Arc;

use machine::{SealedValue, State, Uid, ValueKind, VersionId, Wrap};

use super::{Address, Vault};
use crate::errors::Refusal;

impl Vault {
    /// Seals the secret of an access key under the default key of this region.
    ///
    /// # Errors
    /// `EncryptionFailure` when that key does not unwrap.
    pub fn seal_access_key(
        &self,
        state: &State,
        uid: &Uid,
        plain: &[u8],
    ) -> Result<(Arc<SealedValue>, Wrap), Refusal> {
        let version = VersionId::of_access_key();
        let at = Address {
            uid,
            version: &version,
        };
        let sealed = self.seal(state, None, at, ValueKind::String, plain)?;
        Ok((sealed.sealed, sealed.wrap))
    }
}
