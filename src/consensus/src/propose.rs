//! Proposes a command: stamps and appends it on the leader, forwards it from anywhere else.
//!
//! A try is repeated only when nothing can have been written. Everything else ends as
//! [`Unavailable::OutcomeUnknown`], and the machine's own idempotency decides a later retry.

use std::error::Error as _;
use std::sync::Arc;

use bytes::Bytes;
use machine::{
    Answer, Audit, Command, Entry, LogIndex, NodeId, Outcome, Position, Rejection, Token,
};
use openraft::errors::{ClientWriteError, RaftError};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Status;
use wire::raft::v1;

use crate::barrier::wait_ms;
use crate::claims::from_claim;
use crate::clock::{ClockRefused, Clocks};
use crate::core;
use crate::danger::{Broken, Danger};
use crate::error::Unavailable;
use crate::limits::{ENTRY_BYTES_MAX, LATE_ANSWER_MAX, PROPOSALS_MAX, RETRY_PAUSE};
use crate::links::{Lane, Links};
use crate::membership::Members;
use crate::rounds::Rounds;
use crate::space::Space;
use crate::status::LeaderHeard;
use crate::types::{Answered, Proposed, Raft};

/// What a caller wants done.
#[derive(Debug)]
pub struct Proposal {
    /// The command, sealed where it carries values.
    pub command: Command,
    /// Who asked (R15).
    pub audit: Audit,
    /// When the caller stops waiting.
    pub deadline: Instant,
}

/// What became of a proposal, once committed and applied on the leader.
#[derive(Debug, Clone)]
pub struct Committed {
    /// The machine's decision.
    pub answer: Result<Outcome, Rejection>,
    /// The positions of its changes.
    pub positions: Vec<Position>,
    /// The entry's index: a view at it shows the changes.
    pub index: LogIndex,
}

/// Why a try failed.
pub(crate) enum Failed {
    /// Nothing was written: it may be tried again.
    NotWritten(Unavailable),
    Final(Unavailable),
}

pub(crate) struct Proposer {
    raft: Raft,
    links: Arc<Links>,
    clocks: Arc<Clocks>,
    members: Members,
    space: Arc<Space>,
    heard: Arc<LeaderHeard>,
    node: u64,
    danger: Danger,
    permits: Semaphore,
}

impl Proposer {
    pub(crate) fn new(
        rounds: &Rounds,
        members: &Members,
        space: &Arc<Space>,
        heard: &Arc<LeaderHeard>,
    ) -> Proposer {
        Proposer {
            raft: rounds.raft.clone(),
            links: Arc::clone(&rounds.links),
            clocks: Arc::clone(&rounds.clocks),
            members: members.clone(),
            space: Arc::clone(space),
            heard: Arc::clone(heard),
            node: rounds.node,
            danger: rounds.danger,
            permits: Semaphore::new(PROPOSALS_MAX),
        }
    }

    /// Proposals not yet answered.
    pub(crate) fn in_flight(&self) -> usize {
        PROPOSALS_MAX - self.permits.available_permits()
    }

    pub(crate) async fn propose(&self, proposal: Proposal) -> Result<Committed, Unavailable> {
        let Proposal {
            command,
            audit,
            deadline,
        } = proposal;
        let mut seed = [0; 32];
        // Without randomness no blind can be made; the entry must not exist.
        getrandom::fill(&mut seed).map_err(|_error| Unavailable::Stopped)?;
        // The leader sets its own stamp; this one makes the entry as long as it will be.
        let entry = Entry {
            stamp: self.clocks.now(),
            audit,
            seed,
            command,
        };
        let _permit = self
            .permits
            .try_acquire()
            .map_err(|_full| Unavailable::Overloaded)?;
        self.until(entry, deadline).await
    }

    async fn until(&self, mut entry: Entry, deadline: Instant) -> Result<Committed, Unavailable> {
        let mut tries = 0;
        loop {
            let tried = match core::whom_to_ask(&self.raft, self.node, tries) {
                Some(node) if node == self.node => self.append(&mut entry, deadline).await,
                // It would not come back from there: the next leader is waited for.
                Some(node) if self.is_silent(node) => Err(no_leader(node)),
                Some(node) => self.forward(node, &entry, deadline).await,
                None => Err(Failed::NotWritten(Unavailable::NoLeader { leader: None })),
            };
            let error = match tried {
                Ok(committed) => return Ok(committed),
                Err(Failed::Final(error)) => return Err(error),
                Err(Failed::NotWritten(error)) => error,
            };
            if Instant::now() + RETRY_PAUSE >= deadline {
                return Err(error);
            }
            tries += 1;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// Whether a node leads, as far as is known, but has been silent so long that it seems lost.
    fn is_silent(&self, node: u64) -> bool {
        core::leader(&self.raft) == Some(node) && self.heard.is_silent()
    }

    /// Stamps the entry and appends it, on the leader.
    pub(crate) async fn append(
        &self,
        entry: &mut Entry,
        deadline: Instant,
    ) -> Result<Committed, Failed> {
        self.check_space(&entry.command)?;
        self.check_fence(&entry.command)?;
        let is_only_voter = core::metrics(&self.raft, |metrics| {
            let halves = metrics.membership_config.membership().get_joint_config();
            halves.iter().all(|voters| voters.len() <= 1)
        });
        let stamp = self.clocks.stamp(is_only_voter);
        entry.stamp = stamp.map_err(|refused| self.not_stamped(&refused))?;
        let bytes = encode(entry)?;
        let written = self.raft.client_write(Proposed(bytes));
        let response = match tokio::time::timeout_at(deadline, written).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(write_failed(error)),
            Err(_late) => return Err(Failed::Final(Unavailable::OutcomeUnknown)),
        };
        let index = LogIndex(response.log_id.index);
        match response.data.0 {
            Some(Answered { answer, positions }) => Ok(Committed {
                answer,
                positions,
                index,
            }),
            // Every proposed entry is answered; a blank one is not ours.
            None => Err(Failed::Final(Unavailable::OutcomeUnknown)),
        }
    }

    fn not_stamped(&self, refused: &ClockRefused) -> Failed {
        let leader = core::leader(&self.raft);
        if leader != Some(self.node) {
            // Asked by a peer that took it for the leader: its clock does not matter.
            let leader = leader.map(NodeId);
            return Failed::NotWritten(Unavailable::NoLeader { leader });
        }
        Failed::NotWritten(match refused {
            ClockRefused::Skewed { .. } => {
                tracing::error!(%refused, "did not stamp an entry");
                Unavailable::ClockSkewed
            }
            // So begins every leader of a busy machine: its peers answer a moment later.
            ClockRefused::Unproven => {
                tracing::warn!(%refused, "did not stamp an entry");
                Unavailable::NoQuorum
            }
        })
    }

    /// Refuses an entry for want of space: at once when nobody else could take it.
    fn check_space(&self, command: &Command) -> Result<(), Failed> {
        let is_needed = match command {
            // What founds a region, or mends one by other nodes, is little.
            Command::Found(_)
            | Command::IssueJoinToken(_)
            | Command::AdmitNode(_)
            | Command::RemoveNode(_)
            // So is what says which region leads.
            | Command::TakeOver(_)
            | Command::FenceFeed(_) => true,
            // What deletes gives back more than it takes, if the log takes it.
            Command::DeleteSecret(_)
            | Command::RestoreSecret(_)
            | Command::PurgeSecret(_)
            | Command::TrimFeed(_)
            | Command::ForgetStaged(_) => self.space.has_room(0),
            _ => false,
        };
        let leads = || core::leader(&self.raft) == Some(self.node);
        if is_needed || !self.space.is_lacking() || !leads() {
            return Ok(());
        }
        Err(match self.members.heir_with_space() {
            Some(_) => Failed::NotWritten(Unavailable::NoSpace),
            None => Failed::Final(Unavailable::NoSpace),
        })
    }

    /// Refuses what would be written to a feed that another region leads, as was heard (R28).
    fn check_fence(&self, command: &Command) -> Result<(), Failed> {
        let fenced = self.links.fenced(command);
        match fenced.filter(|_| !self.danger.is(Broken::FenceUnchecked)) {
            None => Ok(()),
            Some((feed, epoch)) => Err(Failed::Final(Unavailable::Fenced { feed, epoch })),
        }
    }

    async fn forward(
        &self,
        leader: u64,
        entry: &Entry,
        deadline: Instant,
    ) -> Result<Committed, Failed> {
        let unknown = || no_leader(leader);
        let address = self.links.address(&self.raft, leader).ok_or_else(unknown)?;
        let mut client = self
            .links
            .client(leader, &address, Lane::Forward)
            .map_err(|_refused| unknown())?;
        let request = v1::ForwardRequest {
            origin: Some(self.links.origin()),
            entry: encode(entry)?,
            wait_ms: wait_ms(deadline),
        };
        let answered = tokio::select! {
            biased;
            answered = tokio::time::timeout_at(deadline, client.forward(request)) => answered.ok(),
            () = replaced(&self.raft, leader) => None,
        };
        let response = match answered {
            Some(Ok(response)) => response.into_inner(),
            Some(Err(status)) if has_no_space(&status) => {
                return Err(Failed::Final(Unavailable::NoSpace));
            }
            Some(Err(status)) if was_not_written(&status) => {
                self.links.heed(&status);
                return Err(unknown());
            }
            Some(Err(_)) | None => return Err(Failed::Final(Unavailable::OutcomeUnknown)),
        };
        self.links.hear(leader, &response.epochs);
        if let Some(claim) = response.fenced {
            let fenced = from_claim(&claim).ok_or_else(unknown)?;
            let (feed, epoch) = fenced;
            return Err(Failed::Final(Unavailable::Fenced { feed, epoch }));
        }
        let answer = Answer::decode(&response.answer)
            .map_err(|_malformed| Failed::Final(Unavailable::OutcomeUnknown))?;
        let token = Token::decode(&response.positions)
            .map_err(|_malformed| Failed::Final(Unavailable::OutcomeUnknown))?;
        Ok(Committed {
            answer: answer.0,
            positions: token.positions,
            index: LogIndex(response.index),
        })
    }
}

/// The node that is said to lead cannot be asked.
fn no_leader(leader: u64) -> Failed {
    Failed::NotWritten(Unavailable::NoLeader {
        leader: Some(NodeId(leader)),
    })
}

/// Waits until another leads, and then as long as an answer of the old leader may still take. One
/// that is lost without a word never answers, and its connection takes seconds to end.
async fn replaced(raft: &Raft, leader: u64) {
    core::until_other_leads(raft, leader).await;
    tokio::time::sleep(LATE_ANSWER_MAX).await;
}

fn encode(entry: &Entry) -> Result<Bytes, Failed> {
    let bytes = Bytes::from(entry.encode());
    if bytes.len() > ENTRY_BYTES_MAX {
        return Err(Failed::Final(Unavailable::EntryTooLarge {
            bytes: bytes.len(),
            limit_bytes: ENTRY_BYTES_MAX,
        }));
    }
    Ok(bytes)
}

fn write_failed(
    error: RaftError<crate::types::TypeConfig, ClientWriteError<crate::types::TypeConfig>>,
) -> Failed {
    match error {
        RaftError::APIError(ClientWriteError::ForwardToLeader(forward)) => {
            Failed::NotWritten(Unavailable::NoLeader {
                leader: forward.leader_id.map(NodeId),
            })
        }
        _ => Failed::Final(Unavailable::OutcomeUnknown),
    }
}

/// What `service.rs` puts into a status to say that it has appended nothing. The code alone is no
/// proof: tonic answers RESOURCE_EXHAUSTED itself when a connection or an answer is too much for
/// it.
pub(crate) const NOT_WRITTEN: &str = "strongroom-not-written";

/// What stands there when no voter that answers has disk space: to try again is of no use.
pub(crate) const NO_SPACE: &str = "no-space";

fn has_no_space(status: &Status) -> bool {
    let mark = status.metadata().get(NOT_WRITTEN);
    mark.is_some_and(|mark| mark == NO_SPACE)
}

/// Whether the answer proves that nothing was written.
fn was_not_written(status: &Status) -> bool {
    status.metadata().contains_key(NOT_WRITTEN) || never_connected(status)
}

/// A request is not sent before its connection stands.
fn never_connected(status: &Status) -> bool {
    let mut cause = status.source();
    while let Some(error) = cause {
        if error.is::<tonic::ConnectError>() {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_alone_does_not_prove_that_nothing_was_written() {
        assert!(!was_not_written(&Status::resource_exhausted(
            "too many resets"
        )));
        let mut marked = Status::resource_exhausted("too many calls");
        let mark = tonic::metadata::MetadataValue::from_static("1");
        marked.metadata_mut().insert(NOT_WRITTEN, mark);
        assert!(was_not_written(&marked));
    }
}
