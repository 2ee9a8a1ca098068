//! An entry of the log: a command, who asked, when, and what `decide` may draw from.

use std::fmt;

use bytes::Bytes;
use prost::Message as _;

use crate::codec::DecodeError;
use crate::command::Command;
use crate::ids::{RequestId, Stamp};
use crate::storage;

/// A committed command.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The leader's clock when it appended the entry.
    pub stamp: Stamp,
    /// Who asked.
    pub audit: Audit,
    /// Random bytes of the proposer; the blinds of the commitments are derived from them.
    pub seed: [u8; 32],
    /// What was asked.
    pub command: Command,
}

/// Who asked for an entry: the log is the audit record of writes (R15).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The caller's identity as its certificate named it.
    pub caller: String,
    /// The request's id.
    pub request_id: RequestId,
}

impl Entry {
    /// Encodes the entry for the log.
    pub fn encode(&self) -> Vec<u8> {
        storage::Entry::from(self).encode_to_vec()
    }

    /// Decodes an entry. An unknown command is an error, upon which a node stops (R13): a leader
    /// decodes what it is asked to append before it appends it.
    pub fn decode(bytes: &[u8]) -> Result<Entry, DecodeError> {
        Entry::decode_bytes(Bytes::copy_from_slice(bytes))
    }

    /// Decodes an entry without copying its values.
    pub fn decode_bytes(bytes: Bytes) -> Result<Entry, DecodeError> {
        Entry::try_from(storage::Entry::decode(bytes)?)
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry")
            .field("stamp", &self.stamp)
            .field("audit", &self.audit)
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}
