//! Secrets of access keys: sealed as the one version of a secret that has the uid of the credential.

use std::sync::Arc;

use machine::{SealedValue, State, Uid, ValueKind, VersionId, Wrap};

use super::{Address, Vault, seal_failed};
use crate::errors::Refusal;

/// The version that such a secret is sealed as. Uids of credentials and of secrets differ: nothing
/// else is sealed for the same address.
const VERSION: &str = "secret-access-key-00000000000001";

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
        let version = VersionId::new(VERSION).map_err(|_| seal_failed())?;
        let at = Address {
            uid,
            version: &version,
        };
        let sealed = self.seal(state, None, at, ValueKind::String, plain)?;
        Ok((sealed.sealed, sealed.wrap))
    }
}
