//! Data keys on their way between regions: opened under a key of this region, and wrapped under
//! that of one stream, or the other way round. The value stays as it is.

use envelope::{Kek, LinkKey, RewrapFailed};
use machine::{KeyId, State, Uid, VersionId, Wrap};
use replication::{Keys, TakeFailed};

use super::{Address, Vault};
use crate::keys;

impl Keys for Vault {
    fn send(
        &self,
        state: &State,
        uid: &Uid,
        version: &VersionId,
        wrap: &Wrap,
        link: &LinkKey,
    ) -> Option<Vec<u8>> {
        let kek = self.kek(state, &wrap.key_id, wrap.key_version)?;
        let context = self.context(Address { uid, version });
        let wrapped = link.rewrap_out(&kek, &context, &self.region, &wrap.wrapped_dek);
        wrapped
            .inspect_err(|error| {
                tracing::error!(%error, %uid, "a data key cannot be sent to another region");
            })
            .ok()
    }

    fn take(
        &self,
        state: &State,
        key_name: Option<&str>,
        uid: &Uid,
        version: &VersionId,
        link: &LinkKey,
        wrapped: &[u8],
    ) -> Result<Wrap, TakeFailed> {
        let kek = self.named(state, key_name).map_err(TakeFailed::Key)?;
        let context = self.context(Address { uid, version });
        let wrapped = link.rewrap_in(&kek, &context, &self.region, wrapped);
        let wrapped = wrapped.map_err(|error| {
            tracing::error!(%error, %uid, "a data key of another region cannot be taken");
            match error {
                RewrapFailed::Open(_) => TakeFailed::Link,
                RewrapFailed::Seal(_) => {
                    TakeFailed::Key("The data key could not be wrapped.".to_owned())
                }
            }
        })?;
        Ok(wrap_of(&kek, wrapped))
    }

    fn rewrap(
        &self,
        state: &State,
        key_name: Option<&str>,
        uid: &Uid,
        version: &VersionId,
        wrap: &Wrap,
    ) -> Result<Option<Wrap>, String> {
        let new = self.named(state, key_name)?;
        if KeyId(new.id()) == wrap.key_id {
            return Ok(None);
        }
        let unusable = || "The key that wraps the data key does not open.".to_owned();
        let kek = self.kek(state, &wrap.key_id, wrap.key_version);
        let kek = kek.ok_or_else(unusable)?;
        let context = self.context(Address { uid, version });
        let wrapped = kek.rewrap(&new, &context, &self.region, &wrap.wrapped_dek);
        let wrapped = wrapped.map_err(|error| {
            tracing::error!(%error, %uid, "a data key cannot be wrapped under another key");
            unusable()
        })?;
        Ok(Some(wrap_of(&new, wrapped)))
    }
}

impl Vault {
    /// The newest version of a key of this region, by the name a caller gave it elsewhere.
    fn named(&self, state: &State, name: Option<&str>) -> Result<std::sync::Arc<Kek>, String> {
        let key = keys::resolve(state, name);
        let kek = key.and_then(|key| self.newest(state, key.as_ref()));
        kek.map_err(|refusal| refusal.message().to_owned())
    }
}

fn wrap_of(kek: &Kek, wrapped: Vec<u8>) -> Wrap {
    Wrap {
        key_id: KeyId(kek.id()),
        key_version: kek.version(),
        wrapped_dek: wrapped.into(),
    }
}
