//! Bodies of the rows of identities.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::{Body, DecodeError};
use crate::identity::{Account, Credential, Identity, Policy, Provider, Revocation};
use crate::row::{Kept, Row, RowKey};
use crate::storage;

impl Body for Account {
    type Message = storage::Account;

    fn message(&self) -> storage::Account {
        self.into()
    }

    fn from_bytes(_: &RowKey, bytes: &Bytes) -> Result<Account, DecodeError> {
        storage::Account::decode(bytes.clone())?.try_into()
    }

    fn into_row(kept: Arc<Kept<Account>>) -> Row {
        Row::Account(kept)
    }
}

impl Body for Identity {
    type Message = storage::Identity;

    fn message(&self) -> storage::Identity {
        self.into()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Identity, DecodeError> {
        storage::Identity::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Identity>>) -> Row {
        Row::Identity(kept)
    }
}

impl Body for Policy {
    type Message = storage::ManagedPolicy;

    fn message(&self) -> storage::ManagedPolicy {
        self.into()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Policy, DecodeError> {
        storage::ManagedPolicy::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Policy>>) -> Row {
        Row::Policy(kept)
    }
}

impl Body for Credential {
    type Message = storage::Credential;

    fn message(&self) -> storage::Credential {
        self.into()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Credential, DecodeError> {
        storage::Credential::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Credential>>) -> Row {
        Row::Credential(kept)
    }
}

impl Body for Provider {
    type Message = storage::Provider;

    fn message(&self) -> storage::Provider {
        self.into()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Provider, DecodeError> {
        storage::Provider::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Provider>>) -> Row {
        Row::Provider(kept)
    }
}

impl Body for Revocation {
    type Message = storage::Revocation;

    fn message(&self) -> storage::Revocation {
        self.into()
    }

    fn from_bytes(key: &RowKey, bytes: &Bytes) -> Result<Revocation, DecodeError> {
        storage::Revocation::decode(bytes.clone())?.with_uid(key.uid())
    }

    fn into_row(kept: Arc<Kept<Revocation>>) -> Row {
        Row::Revocation(kept)
    }
}
