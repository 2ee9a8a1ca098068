//! What peers say and what of it stands on disk, read without a node: for tools and tests that have
//! the bytes only. Nothing is known here but how a receiver reads them.

use prost::Message;
use wire::raft::v1;

use crate::claims::{claim, from_claims};
use crate::codec::{self, Applied, DecodeError};
use crate::freshness::Said;
use crate::membership::{Change, from_refusal, to_refusal};

/// What bytes are said to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// An `Append`: entries that a leader sends.
    Append,
    /// An `Appended`: what became of them.
    Appended,
    /// A `Candidacy`: what a candidate asks.
    Candidacy,
    /// A `Verdict`: what a voter answers.
    Verdict,
    /// A `ChangeMembershipRequest`.
    Change,
    /// A `ChangeMembershipResponse`.
    Changed,
    /// A `LogEntry`, as a record of the log holds it.
    LogEntry,
    /// A `LogId`, as a mark of the log holds it.
    LogId,
    /// A `Ballot`, as the log holds the vote.
    Vote,
    /// An `Applied`: the meta of rows and snapshots.
    Applied,
    /// A `Deferred`: a row that names values that are kept for readers.
    Deferred,
    /// An `Origin`: what its sender has heard of ballots.
    Origin,
    /// A `FreshnessResponse`: how old a leader says feeds are.
    Freshness,
}

impl MessageKind {
    /// Every kind there is.
    pub const ALL: [MessageKind; 13] = [
        MessageKind::Append,
        MessageKind::Appended,
        MessageKind::Candidacy,
        MessageKind::Verdict,
        MessageKind::Change,
        MessageKind::Changed,
        MessageKind::LogEntry,
        MessageKind::LogId,
        MessageKind::Vote,
        MessageKind::Applied,
        MessageKind::Deferred,
        MessageKind::Origin,
        MessageKind::Freshness,
    ];
}

/// Reads a message as its receiver does, and writes down what was understood.
pub fn reread(kind: MessageKind, bytes: &[u8]) -> Result<Vec<u8>, DecodeError> {
    Ok(match kind {
        MessageKind::Append => {
            let read = codec::from_append(codec::decode("append", bytes)?)?;
            codec::append(&read).encode_to_vec()
        }
        MessageKind::Appended => {
            let read = codec::from_appended(Some(codec::decode("appended", bytes)?))?;
            codec::appended(&read).encode_to_vec()
        }
        MessageKind::Candidacy => {
            let read = codec::from_candidacy(Some(codec::decode("candidacy", bytes)?))?;
            codec::candidacy(&read).encode_to_vec()
        }
        MessageKind::Verdict => {
            let read = codec::from_verdict(Some(codec::decode("verdict", bytes)?))?;
            codec::verdict(&read).encode_to_vec()
        }
        MessageKind::Change => {
            let mut message: v1::ChangeMembershipRequest = codec::decode("change", bytes)?;
            let change = message.change.take().ok_or(codec::missing("change"))?;
            message.change = Some(Change::from_message(change).to_message());
            message.encode_to_vec()
        }
        MessageKind::Changed => {
            let message: v1::ChangeMembershipResponse = codec::decode("change's answer", bytes)?;
            let read = message.refusal.map(from_refusal);
            let refusal = read.as_ref().and_then(to_refusal);
            v1::ChangeMembershipResponse { refusal }.encode_to_vec()
        }
        MessageKind::LogEntry => {
            let read = codec::from_entry(codec::decode("log entry", bytes)?)?;
            codec::entry(&read).encode_to_vec()
        }
        MessageKind::LogId => {
            let read = codec::from_log_id(codec::decode("log id", bytes)?);
            codec::log_id(&read).encode_to_vec()
        }
        MessageKind::Vote => {
            let read = codec::from_vote(codec::decode("vote", bytes)?);
            codec::vote(&read).encode_to_vec()
        }
        MessageKind::Applied => Applied::decode(bytes)?.encode(),
        MessageKind::Deferred => codec::decode::<v1::Deferred>("deferred", bytes)?.encode_to_vec(),
        MessageKind::Origin => {
            let message: v1::Origin = codec::decode("origin", bytes)?;
            let read = from_claims(&message.epochs).into_iter();
            let epochs = read.map(claim).collect();
            v1::Origin { epochs, ..message }.encode_to_vec()
        }
        MessageKind::Freshness => {
            let message = codec::decode("freshness", bytes)?;
            Said::from_message(&message).to_message().encode_to_vec()
        }
    })
}
