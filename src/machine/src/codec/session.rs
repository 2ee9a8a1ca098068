//! Keys of sessions, as rows and commands carry them.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::secret::wrap;
use crate::codec::{Body, DecodeError, array, copied, required, uid};
use crate::command::{KeepSigningKey, RewrapRoot, RotateSessionKey};
use crate::ids::Stamp;
use crate::row::{Kept, Row, RowKey};
use crate::secret::SealedValue;
use crate::session::{SessionKey, SigningKey, VerifyingKey};
use crate::storage;

/// Decodes what is sealed, with bytes of its own: a slice would keep the whole message in memory.
pub(super) fn sealed(sealed: Option<storage::Version>) -> Result<Arc<SealedValue>, DecodeError> {
    let sealed = required("sealed", sealed)?;
    let sealed = storage::Version {
        ciphertext: copied(&sealed.ciphertext),
        ..sealed
    };
    Ok(Arc::new(sealed.try_into()?))
}

impl Body for SessionKey {
    type Message = storage::SessionKey;

    fn message(&self) -> storage::SessionKey {
        storage::SessionKey {
            sealed: Some(self.sealed.as_ref().into()),
            created_ms: self.created.0,
        }
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<SessionKey, DecodeError> {
        let row = storage::SessionKey::decode(bytes.clone())?;
        Ok(SessionKey {
            uid: key.uid(),
            sealed: sealed(row.sealed)?,
            created: Stamp(row.created_ms),
        })
    }

    fn into_row(kept: Arc<Kept<SessionKey>>) -> Row {
        Row::SessionKey(kept)
    }
}

impl From<&SigningKey> for storage::SigningKeyRow {
    fn from(key: &SigningKey) -> storage::SigningKeyRow {
        storage::SigningKeyRow {
            public_key: copied(&key.public_key.0),
            sealed: Some(key.sealed.as_ref().into()),
            wrap: Some((&key.wrap).into()),
            created_ms: key.created.0,
        }
    }
}

impl TryFrom<storage::SigningKeyRow> for SigningKey {
    type Error = DecodeError;

    fn try_from(row: storage::SigningKeyRow) -> Result<SigningKey, DecodeError> {
        Ok(SigningKey {
            public_key: VerifyingKey(array("public key", &row.public_key)?),
            sealed: sealed(row.sealed)?,
            wrap: wrap(row.wrap)?,
            created: Stamp(row.created_ms),
        })
    }
}

impl Body for SigningKey {
    type Message = storage::SigningKeyRow;

    fn message(&self) -> storage::SigningKeyRow {
        self.into()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<SigningKey, DecodeError> {
        storage::SigningKeyRow::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<SigningKey>>) -> Row {
        Row::SigningKey(kept)
    }
}

impl From<&RewrapRoot> for storage::RewrapRoot {
    fn from(rewrap: &RewrapRoot) -> storage::RewrapRoot {
        storage::RewrapRoot {
            uid: copied(&rewrap.uid.0),
            wrap: Some((&rewrap.wrap).into()),
        }
    }
}

impl TryFrom<storage::RewrapRoot> for RewrapRoot {
    type Error = DecodeError;

    fn try_from(rewrap: storage::RewrapRoot) -> Result<RewrapRoot, DecodeError> {
        Ok(RewrapRoot {
            uid: uid(&rewrap.uid)?,
            wrap: wrap(rewrap.wrap)?,
        })
    }
}

impl From<&RotateSessionKey> for storage::RotateSessionKey {
    fn from(rotate: &RotateSessionKey) -> storage::RotateSessionKey {
        storage::RotateSessionKey {
            uid: copied(&rotate.uid.0),
            sealed: Some(rotate.sealed.as_ref().into()),
            wrap: Some((&rotate.wrap).into()),
            age_min_ms: rotate.age_min_ms,
        }
    }
}

impl TryFrom<storage::RotateSessionKey> for RotateSessionKey {
    type Error = DecodeError;

    fn try_from(rotate: storage::RotateSessionKey) -> Result<RotateSessionKey, DecodeError> {
        Ok(RotateSessionKey {
            uid: uid(&rotate.uid)?,
            sealed: sealed(rotate.sealed)?,
            wrap: wrap(rotate.wrap)?,
            age_min_ms: rotate.age_min_ms,
        })
    }
}

impl From<&KeepSigningKey> for storage::KeepSigningKey {
    fn from(keep: &KeepSigningKey) -> storage::KeepSigningKey {
        storage::KeepSigningKey {
            key: Some((&keep.key).into()),
        }
    }
}

impl TryFrom<storage::KeepSigningKey> for KeepSigningKey {
    type Error = DecodeError;

    fn try_from(keep: storage::KeepSigningKey) -> Result<KeepSigningKey, DecodeError> {
        Ok(KeepSigningKey {
            key: required("key", keep.key)?.try_into()?,
        })
    }
}
