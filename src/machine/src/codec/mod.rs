//! Between our types and the messages of storage/v1: parsed once here, trusted everywhere else.

mod answer;
mod command;
mod entry;
mod feed;
mod follow;
mod identity;
mod identity_answers;
mod identity_commands;
mod identity_rows;
mod issuer;
mod local;
mod node_commands;
mod region;
mod row;
mod secret;
mod session;

use bytes::Bytes;
use thiserror::Error;

use crate::ids::{ClusterId, Hash, KeyId, RequestId, Uid};
use crate::names::NameError;

pub(crate) use row::{Body, feed_row};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// They are no message.
    #[error("the bytes are not a message of storage/v1")]
    Message(#[from] prost::DecodeError),
    /// A field is missing or has a form it cannot have.
    #[error("the field {0:?} is missing or malformed")]
    Field(&'static str),
    /// An entry holds no command this build knows; a node stops upon it.
    #[error("the entry holds a command this build does not know: install a newer one")]
    UnknownCommand,
    /// A row has a kind this build does not know; a node stops upon it.
    #[error("rows of kind {0:#04x} are not known to this build: install a newer one")]
    UnknownRow(u8),
    /// The rules of a newer build are asked for or in force; a node stops upon it.
    #[error("machine version {wanted} needs a newer build: this one knows up to {known}")]
    FutureVersion {
        /// The version asked for or in force.
        wanted: u32,
        /// The newest version this build knows.
        known: u32,
    },
    /// A row's body is not what its commitment says.
    #[error("a row of kind {0:#04x} does not match its commitment: it was damaged")]
    Commitment(u8),
}

fn array<const N: usize>(field: &'static str, bytes: &[u8]) -> Result<[u8; N], DecodeError> {
    bytes.try_into().map_err(|_| DecodeError::Field(field))
}

fn uid(bytes: &[u8]) -> Result<Uid, DecodeError> {
    array("uid", bytes).map(Uid)
}

fn key_id(bytes: &[u8]) -> Result<KeyId, DecodeError> {
    array("key id", bytes).map(KeyId)
}

fn cluster(bytes: &[u8]) -> Result<ClusterId, DecodeError> {
    array("cluster", bytes).map(ClusterId)
}

fn request_id(bytes: &[u8]) -> Result<RequestId, DecodeError> {
    array("request id", bytes).map(RequestId)
}

fn hash(field: &'static str, bytes: &[u8]) -> Result<Hash, DecodeError> {
    array(field, bytes).map(Hash)
}

fn required<T>(field: &'static str, value: Option<T>) -> Result<T, DecodeError> {
    value.ok_or(DecodeError::Field(field))
}

fn parsed<T>(field: &'static str, word: Result<T, NameError>) -> Result<T, DecodeError> {
    word.map_err(|_| DecodeError::Field(field))
}

fn copied(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}
