//! What came of an entry, in a form one node can forward to another.

use std::sync::Arc;

use bytes::Bytes;
use prost::Message as _;

use crate::change::Change;
use crate::codec::DecodeError;
use crate::command::Node;
use crate::identity::Entity;
use crate::names::VersionId;
use crate::position::Position;
use crate::region::{Region, TakenOver};
use crate::rejection::Rejection;
use crate::secret::Secret;
use crate::storage;

/// What an accepted entry answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing.
    None,
    /// A secret.
    Secret {
        /// The secret after the entry; of a purged one, the last there was.
        secret: Arc<Secret>,
        /// The version the entry added.
        version: Option<VersionId>,
        /// Whether the entry changed nothing.
        unchanged: bool,
    },
    /// A node.
    Node(Node),
    /// A region as the directory has it.
    Region(Region),
    /// What a promotion did.
    TakenOver(TakenOver),
    /// An identity, or what belongs to identities, after the entry; of a deleted one, the last
    /// there was.
    Entity(Entity),
}

/// What an entry did.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The outcome, or why it was rejected; a rejected entry changes nothing.
    pub answer: Result<Outcome, Rejection>,
    /// The changes, already evolved into the state.
    pub changes: Vec<Change>,
    /// Where every feed stands after the entry.
    pub positions: Vec<Position>,
}

/// What came of an entry, to be forwarded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer(pub Result<Outcome, Rejection>);

impl Answer {
    /// Encodes the answer.
    pub fn encode(&self) -> Vec<u8> {
        storage::Answer::from(self).encode_to_vec()
    }

    /// Decodes an answer.
    pub fn decode(bytes: &[u8]) -> Result<Answer, DecodeError> {
        Answer::try_from(storage::Answer::decode(Bytes::copy_from_slice(bytes))?)
    }
}
