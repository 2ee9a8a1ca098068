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

#[cfg(test)]
mod opened {
    use machine::{Credential, State, VersionId};
    use zeroize::Zeroizing;

    use crate::errors::Refusal;
    use crate::vault::{Address, Vault, open_failed};

    impl Vault {
        /// Opens the secret of an access key.
        ///
        /// # Errors
        /// `DecryptionFailure` when the credential is no access key, when the key of its secret has
        /// not come here yet, and when the secret does not authenticate.
        pub fn open_access_key(
            &self,
            state: &State,
            credential: &Credential,
        ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
            let sealed = credential.proof.sealed().ok_or_else(open_failed)?;
            let wrap = state.root_wrap(&credential.uid).ok_or_else(open_failed)?;
            let version = VersionId::of_access_key();
            let at = Address {
                uid: &credential.uid,
                version: &version,
            };
            self.open_under(state, at, sealed, wrap)
        }
    }
}
