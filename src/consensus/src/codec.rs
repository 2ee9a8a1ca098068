//! Turns openraft's types into the messages of `raft.proto` and back.
//!
//! The same messages stand in the log, in the meta of rows and snapshots, and on the wire: there is
//! one encoding of each thing. Decoding refuses a missing field rather than guess it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use openraft::EntryPayload;
use openraft::entry::RaftEntry;
use openraft::raft::{AppendEntriesRequest, StreamAppendError, VoteRequest, VoteResponse};
use openraft::vote::RaftLeaderId;
use prost::Message;
use wire::raft::v1;

use crate::types::{
    LeaderId, LogEntry, LogId, Member, Membership, Proposed, StoredMembership, TypeConfig, Vote,
};

/// A message that is not what it should be.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are no such message.
    #[error("not a valid {what}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// prost's words.
        #[source]
        source: prost::DecodeError,
    },
    /// A required field is absent.
    #[error("{what} is missing")]
    Missing {
        /// Which field.
        what: &'static str,
    },
    /// A membership without voters, or with voters that are no members.
    #[error("not a valid membership: {reason}")]
    Membership {
        /// openraft's words.
        reason: String,
    },
}

pub(crate) type StreamAppendResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

pub(crate) fn log_id(id: &LogId) -> v1::LogId {
    v1::LogId {
        term: id.leader_id.term,
        node: id.leader_id.node_id,
        index: id.index,
    }
}

pub(crate) fn from_log_id(id: v1::LogId) -> LogId {
    LogId::new(LeaderId::new(id.term, id.node), id.index)
}

pub(crate) fn vote(vote: &Vote) -> v1::Ballot {
    v1::Ballot {
        term: vote.leader_id.term,
        node: vote.leader_id.node_id,
        committed: vote.committed,
    }
}

pub(crate) fn leader_id(leader_id: LeaderId) -> v1::Ballot {
    vote(&Vote {
        leader_id,
        committed: false,
    })
}

pub(crate) fn from_vote(ballot: v1::Ballot) -> Vote {
    Vote {
        leader_id: LeaderId::new(ballot.term, ballot.node),
        committed: ballot.committed,
    }
}

pub(crate) fn membership(membership: &Membership) -> v1::Membership {
    v1::Membership {
        voters: membership
            .get_joint_config()
            .iter()
            .map(|voters| v1::Voters {
                nodes: voters.iter().copied().collect(),
            })
            .collect(),
        members: membership
            .nodes()
            .map(|(node, member)| self::member(*node, member))
            .collect(),
    }
}

pub(crate) fn member(node: u64, member: &Member) -> v1::Member {
    v1::Member {
        node,
        peer_address: member.peer_address.clone(),
        api_address: member.api_address.clone(),
    }
}

pub(crate) fn from_membership(message: v1::Membership) -> Result<Membership, DecodeError> {
    let voters: Vec<BTreeSet<u64>> = message
        .voters
        .into_iter()
        .map(|voters| voters.nodes.into_iter().collect())
        .collect();
    let members: BTreeMap<u64, Member> = message
        .members
        .into_iter()
        .map(|member| {
            let node = member.node;
            (node, from_member(member))
        })
        .collect();
    if voters.is_empty() {
        return Ok(Membership::default());
    }
    Membership::new(voters, members).map_err(|error| DecodeError::Membership {
        reason: error.to_string(),
    })
}

pub(crate) fn from_member(member: v1::Member) -> Member {
    Member {
        peer_address: member.peer_address,
        api_address: member.api_address,
    }
}

pub(crate) fn entry(entry: &LogEntry) -> v1::LogEntry {
    let payload = match &entry.payload {
        EntryPayload::Blank => v1::log_entry::Payload::Blank(v1::Blank {}),
        EntryPayload::Normal(Proposed(bytes)) => v1::log_entry::Payload::Command(bytes.clone()),
        EntryPayload::Membership(voters) => v1::log_entry::Payload::Membership(membership(voters)),
    };
    v1::LogEntry {
        log_id: Some(log_id(&entry.log_id)),
        payload: Some(payload),
    }
}

pub(crate) fn from_entry(message: v1::LogEntry) -> Result<LogEntry, DecodeError> {
    let id = from_log_id(message.log_id.ok_or(missing("log_id"))?);
    let payload = match message.payload.ok_or(missing("payload"))? {
        v1::log_entry::Payload::Blank(_) => EntryPayload::Blank,
        v1::log_entry::Payload::Command(bytes) => EntryPayload::Normal(Proposed(bytes)),
        v1::log_entry::Payload::Membership(voters) => {
            EntryPayload::Membership(from_membership(voters)?)
        }
    };
    Ok(LogEntry::new(id, payload))
}

pub(crate) fn append(request: &AppendEntriesRequest<TypeConfig>) -> v1::Append {
    v1::Append {
        vote: Some(vote(&request.vote)),
        previous: request.prev_log_id.as_ref().map(log_id),
        committed: request.leader_commit.as_ref().map(log_id),
        entries: request.entries.iter().map(entry).collect(),
    }
}

pub(crate) fn from_append(
    message: v1::Append,
) -> Result<AppendEntriesRequest<TypeConfig>, DecodeError> {
    Ok(AppendEntriesRequest {
        vote: from_vote(message.vote.ok_or(missing("vote"))?),
        prev_log_id: message.previous.map(from_log_id),
        leader_commit: message.committed.map(from_log_id),
        entries: message
            .entries
            .into_iter()
            .map(from_entry)
            .collect::<Result<_, _>>()?,
    })
}

pub(crate) fn appended(result: &StreamAppendResult) -> v1::Appended {
    let result = match result {
        Ok(matched) => v1::appended::Result::Matched(v1::Matched {
            log_id: matched.as_ref().map(log_id),
        }),
        Err(StreamAppendError::Conflict(id)) => v1::appended::Result::Conflict(log_id(id)),
        Err(StreamAppendError::HigherVote(higher)) => v1::appended::Result::Higher(vote(higher)),
    };
    v1::Appended {
        result: Some(result),
    }
}

pub(crate) fn from_appended(
    message: Option<v1::Appended>,
) -> Result<StreamAppendResult, DecodeError> {
    let result = message.and_then(|appended| appended.result);
    Ok(match result.ok_or(missing("result"))? {
        v1::appended::Result::Matched(matched) => Ok(matched.log_id.map(from_log_id)),
        v1::appended::Result::Conflict(id) => Err(StreamAppendError::Conflict(from_log_id(id))),
        v1::appended::Result::Higher(higher) => {
            Err(StreamAppendError::HigherVote(from_vote(higher)))
        }
    })
}

/// What rows or a snapshot contain, as it stands in their meta.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Applied {
    pub(crate) log_id: Option<LogId>,
    pub(crate) membership: StoredMembership,
    pub(crate) node_hash: Vec<u8>,
    /// Value rows to be deleted, as release 0.1.0 named them.
    pub(crate) deferred: Vec<Vec<u8>>,
    /// The numbers of the rows that name them since.
    pub(crate) deferred_rows: Range<u64>,
}

impl Applied {
    pub(crate) fn to_message(&self) -> v1::Applied {
        v1::Applied {
            log_id: self.log_id.as_ref().map(log_id),
            membership_log_id: self.membership.log_id().as_ref().map(log_id),
            membership: Some(membership(self.membership.membership())),
            node_hash: self.node_hash.clone().into(),
            deferred: self.deferred.iter().cloned().map(Into::into).collect(),
            deferred_first: self.deferred_rows.start,
            deferred_end: self.deferred_rows.end,
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        self.to_message().encode_to_vec()
    }

    pub(crate) fn from_message(message: v1::Applied) -> Result<Applied, DecodeError> {
        let voters = from_membership(message.membership.ok_or(missing("membership"))?)?;
        let set_at = message.membership_log_id.map(from_log_id);
        Ok(Applied {
            log_id: message.log_id.map(from_log_id),
            membership: StoredMembership::new(set_at, voters),
            node_hash: message.node_hash.into(),
            deferred: message.deferred.into_iter().map(Into::into).collect(),
            deferred_rows: message.deferred_first..message.deferred_end,
        })
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Applied, DecodeError> {
        Applied::from_message(decode("applied", bytes)?)
    }
}

pub(crate) fn candidacy(request: &VoteRequest<TypeConfig>) -> v1::Candidacy {
    v1::Candidacy {
        vote: Some(vote(&request.vote)),
        last_log_id: request.last_log_id.as_ref().map(log_id),
        leadership_transfer: request.leadership_transfer,
    }
}

pub(crate) fn from_candidacy(
    message: Option<v1::Candidacy>,
) -> Result<VoteRequest<TypeConfig>, DecodeError> {
    let message = message.ok_or(missing("candidacy"))?;
    let ballot = message.vote.ok_or(missing("vote"))?;
    let last_log_id = message.last_log_id.map(from_log_id);
    let mut request = VoteRequest::new(from_vote(ballot), last_log_id);
    request.leadership_transfer = message.leadership_transfer;
    Ok(request)
}

pub(crate) fn verdict(response: &VoteResponse<TypeConfig>) -> v1::Verdict {
    v1::Verdict {
        vote: Some(vote(&response.vote)),
        granted: response.vote_granted,
        last_log_id: response.last_log_id.as_ref().map(log_id),
    }
}

pub(crate) fn from_verdict(
    message: Option<v1::Verdict>,
) -> Result<VoteResponse<TypeConfig>, DecodeError> {
    let message = message.ok_or(missing("verdict"))?;
    let ballot = message.vote.ok_or(missing("vote"))?;
    let last_log_id = message.last_log_id.map(from_log_id);
    Ok(VoteResponse::new(
        from_vote(ballot),
        last_log_id,
        message.granted,
    ))
}

pub(crate) fn missing(what: &'static str) -> DecodeError {
    DecodeError::Missing { what }
}

pub(crate) fn decode<M: Message + Default>(
    what: &'static str,
    bytes: &[u8],
) -> Result<M, DecodeError> {
    M::decode(bytes).map_err(|source| DecodeError::Malformed { what, source })
}
