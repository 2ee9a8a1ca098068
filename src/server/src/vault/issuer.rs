//! Private keys of the region's issuers: sealed as the one version of a secret that no region has,
//! whose uid follows from the issuer's public key.

use std::sync::Arc;

use machine::{Hash, Issuer, SealedValue, State, Uid, ValueKind, VersionId, Wrap};
use zeroize::Zeroizing;

use super::{Address, Vault, open_failed, seal_failed};
use crate::errors::Refusal;

impl Vault {
    /// Seals the private key of the issuer with this public key, under the default key.
    ///
    /// # Errors
    /// `EncryptionFailure` when that key does not unwrap, or the region is not founded.
    pub fn seal_issuer(
        &self,
        state: &State,
        public_key: &Hash,
        plain: &[u8],
    ) -> Result<(Arc<SealedValue>, Wrap), Refusal> {
        let uid = state.issuer_uid(public_key).ok_or_else(seal_failed)?;
        let version = VersionId::of_issuer();
        let sealed = self.seal(state, None, at(&uid, &version), ValueKind::Binary, plain)?;
        Ok((sealed.sealed, sealed.wrap))
    }

    /// Opens the private key of an issuer.
    ///
    /// # Errors
    /// `DecryptionFailure` when it does not authenticate as that of this issuer.
    pub fn open_issuer(
        &self,
        state: &State,
        issuer: &Issuer,
    ) -> Result<Zeroizing<Vec<u8>>, Refusal> {
        let uid = state.issuer_uid(&issuer.certificate.public_key);
        let uid = uid.ok_or_else(open_failed)?;
        self.open_under(
            state,
            at(&uid, &VersionId::of_issuer()),
            &issuer.key,
            &issuer.wrap,
        )
    }
}

fn at<'a>(uid: &'a Uid, version: &'a VersionId) -> Address<'a> {
    Address { uid, version }
}
