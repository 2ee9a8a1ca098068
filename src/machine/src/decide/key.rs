//! KMS keys: rows of their region only.

use std::sync::Arc;

use crate::command::{KeyState, KmsKey};
use crate::decide::bounded;
use crate::ids::KeyId;
use crate::limits::{KEY_ALIAS_CHARS_MAX, KEY_VERSIONS_MAX, WRAPPED_KEY_BYTES_MAX};
use crate::rejection::{Field, Rejection};
use crate::state::State;

/// Finds a key that may seal; none means the default key.
pub(super) fn usable(state: &State, id: Option<&KeyId>) -> Result<Arc<KmsKey>, Rejection> {
    let default = state.machine().ok_or(Rejection::NotFounded)?.default_key;
    let id = id.copied().unwrap_or(default);
    let key = state.kms_key(&id).ok_or(Rejection::KeyNotFound(id))?;
    if key.state != KeyState::Enabled {
        return Err(Rejection::KeyUnavailable(id));
    }
    Ok(Arc::clone(key))
}

/// Checks a key that is to be kept.
pub(super) fn checked(key: &KmsKey) -> Result<(), Rejection> {
    bounded(
        Field::KeyAlias,
        key.alias.chars().count(),
        KEY_ALIAS_CHARS_MAX,
    )?;
    bounded(Field::KeyVersions, key.versions.len(), KEY_VERSIONS_MAX)?;
    for version in &key.versions {
        bounded(
            Field::WrappedKey,
            version.wrapped.len(),
            WRAPPED_KEY_BYTES_MAX,
        )?;
    }
    if key.versions.is_empty() {
        Err(Rejection::KeyEmpty(key.id))
    } else {
        Ok(())
    }
}
