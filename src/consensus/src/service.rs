//! Answers the peers of the region.
//!
//! Every message is checked before openraft sees it: the certificate's cluster, region and node,
//! the same in the message, and the key pinned in the applied state, asked each time, so that a
//! removed node is cut from the moment its removal is applied here (R17).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use machine::{Answer, Entry, NodeId, Token};
use openraft::raft::{AppendEntriesRequest, TransferLeaderError, TransferLeaderRequest};
use tokio::time::Instant;
use tonic::metadata::MetadataValue;
use tonic::{Extensions, Request, Response, Status, Streaming};
use wire::raft::v1;
use wire::raft::v1::raft_service_server::RaftService;

use crate::Inner;
use crate::codec::{self, DecodeError};
use crate::core;
use crate::error::Unavailable;
use crate::lag;
use crate::links::{REMOVED, Standing, standing};
use crate::membership::{Change, MembershipError, to_refusal};
use crate::promise::{Asked, Refused};
use crate::propose::{Failed, NO_SPACE, NOT_WRITTEN};
use crate::repair;
use crate::rounds::whole_ms;
use crate::types::TypeConfig;
use crate::work;

type Answered<T> = Result<Response<T>, Status>;
type Append = AppendEntriesRequest<TypeConfig>;

/// The Raft service of one node.
pub struct Service {
    pub(crate) inner: Arc<Inner>,
}

/// Who may make a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// A node of the region, pinned or not yet known here.
    Nodes,
    /// A node whose key is pinned here.
    Pinned,
}

impl Service {
    fn check(
        &self,
        extensions: &Extensions,
        origin: Option<&v1::Origin>,
        callers: Callers,
    ) -> Result<NodeId, Status> {
        let identity = match extensions.get::<wire::Caller>() {
            Some(wire::Caller::Peer(identity)) => identity,
            _ => return Err(denied("a node certificate is required")),
        };
        self.inner
            .check(identity, origin, callers == Callers::Pinned)
    }
}

impl Inner {
    /// Notes that a leader was heard, unless it was one of the past. When it speaks, not when it is
    /// answered: that takes a sync, and a log that waits for space answers nothing.
    fn hear(&self, append: &Append) {
        let known = core::metrics(&self.raft, |metrics| metrics.vote.leader_id);
        if append.vote.leader_id >= known {
            self.heard.now();
        }
    }

    fn check(
        &self,
        identity: &wire::PeerIdentity,
        origin: Option<&v1::Origin>,
        pinned_only: bool,
    ) -> Result<NodeId, Status> {
        let own = self.links.origin();
        let cluster = identity.cluster == self.cluster_hex;
        if !cluster || identity.region != own.region {
            return Err(denied("the certificate is of another cluster or region"));
        }
        let origin = origin.ok_or_else(|| Status::invalid_argument("origin is missing"))?;
        if origin.cluster != own.cluster || origin.region != own.region {
            return Err(denied("the message is of another cluster or region"));
        }
        if origin.node != identity.node {
            return Err(denied(
                "the message is of another node than the certificate",
            ));
        }
        let node = NodeId(identity.node);
        match standing(self.published.view().root(), node) {
            Standing::Pinned(key) if key.0 == identity.public_key => Ok(node),
            Standing::Pinned(_) => Err(denied("the node's key is not the pinned one")),
            Standing::Removed => Err(denied(REMOVED)),
            Standing::Unknown if pinned_only => Err(denied("the node is not known here")),
            Standing::Unknown => Ok(node),
        }
    }
}

#[tonic::async_trait]
impl RaftService for Service {
    async fn append_entries(
        &self,
        request: Request<v1::AppendEntriesRequest>,
    ) -> Answered<v1::AppendEntriesResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let append = message.append.ok_or(codec::missing("append"));
        let append = append.and_then(codec::from_append).map_err(invalid)?;
        let matched = append.entries.last().map(|entry| entry.log_id);
        let previous = append.prev_log_id;
        self.inner.hear(&append);
        let answer = self.inner.raft.append_entries(append).await;
        let answer = answer.map_err(|_stopped| stopping())?;
        let result = answer.into_stream_result(previous, matched.or(previous));
        Ok(Response::new(v1::AppendEntriesResponse {
            appended: Some(codec::appended(&result)),
            clock_ms: self.inner.clocks.now().0,
            lacks_space: self.inner.space.is_lacking(),
            lags: lag::is_behind(&self.inner.raft),
        }))
    }

    type StreamAppendStream =
        Pin<Box<dyn Stream<Item = Result<v1::StreamAppendResponse, Status>> + Send>>;

    async fn stream_append(
        &self,
        request: Request<Streaming<v1::StreamAppendRequest>>,
    ) -> Answered<Self::StreamAppendStream> {
        let (_, extensions, messages) = request.into_parts();
        let identity = match extensions.get::<wire::Caller>() {
            Some(wire::Caller::Peer(identity)) => identity.clone(),
            _ => return Err(denied("a node certificate is required")),
        };
        let inner = Arc::clone(&self.inner);
        // The first message that is refused or garbled ends the stream; the leader opens another
        // and reads the reason from a unary call.
        let appends = tokio_stream::StreamExt::map_while(messages, move |message| {
            let message = message.ok()?;
            let refused = inner.check(&identity, message.origin.as_ref(), false).err();
            if let Some(status) = refused {
                tracing::warn!(reason = status.message(), "append stream refused");
                return None;
            }
            let append = codec::from_append(message.append?).ok()?;
            inner.hear(&append);
            Some(append)
        });
        let answers = self.inner.raft.stream_append(appends);
        let answers = answers.map(move |answer| {
            let result = answer.map_err(|_stopped| stopping())?;
            Ok(v1::StreamAppendResponse {
                appended: Some(codec::appended(&result)),
            })
        });
        Ok(Response::new(Box::pin(answers)))
    }

    async fn vote(&self, request: Request<v1::VoteRequest>) -> Answered<v1::VoteResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let candidacy = codec::from_candidacy(message.candidacy).map_err(invalid)?;
        let raft = self.inner.raft.clone();
        let asked = async move { raft.vote(candidacy).await };
        let verdict = self.inner.rounds.promises.let_through(asked).await;
        let verdict = verdict.map_err(promised)?.map_err(|_stopped| stopping())?;
        Ok(Response::new(v1::VoteResponse {
            verdict: Some(codec::verdict(&verdict)),
            clock_ms: self.inner.clocks.now().0,
        }))
    }

    async fn pre_vote(
        &self,
        request: Request<v1::PreVoteRequest>,
    ) -> Answered<v1::PreVoteResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let candidacy = codec::from_candidacy(message.candidacy).map_err(invalid)?;
        let may = self.inner.rounds.promises.check().await;
        may.map_err(promised)?;
        let verdict = self.inner.raft.pre_vote(candidacy).await;
        let verdict = verdict.map_err(|_stopped| stopping())?;
        Ok(Response::new(v1::PreVoteResponse {
            verdict: Some(codec::verdict(&verdict)),
            clock_ms: self.inner.clocks.now().0,
        }))
    }

    async fn transfer_leader(
        &self,
        request: Request<v1::TransferLeaderRequest>,
    ) -> Answered<v1::TransferLeaderResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let from = message
            .from
            .ok_or(codec::missing("from"))
            .map_err(invalid)?;
        let transfer = TransferLeaderRequest::new(
            codec::from_vote(from),
            message.to,
            message.last_log_id.map(codec::from_log_id),
        );
        let may = self.inner.rounds.promises.check().await;
        may.map_err(promised)?;
        if lag::is_behind(&self.inner.raft) {
            // As for a log that is not as far: the one that leads goes on, or tries another.
            return Ok(Response::new(v1::TransferLeaderResponse {
                accepted: false,
                actual: None,
            }));
        }
        let result = self.inner.raft.handle_transfer_leader(transfer).await;
        let result = result.map_err(|_stopped| stopping())?;
        Ok(Response::new(match result {
            Ok(()) => v1::TransferLeaderResponse {
                accepted: true,
                actual: None,
            },
            Err(TransferLeaderError::VoteChanged { actual, .. }) => v1::TransferLeaderResponse {
                accepted: false,
                actual: Some(codec::vote(&actual)),
            },
            Err(TransferLeaderError::LogNotFlushed { .. }) => v1::TransferLeaderResponse {
                accepted: false,
                actual: None,
            },
        }))
    }

    async fn install_snapshot(
        &self,
        request: Request<Streaming<v1::InstallSnapshotRequest>>,
    ) -> Answered<v1::InstallSnapshotResponse> {
        let (_, extensions, mut messages) = request.into_parts();
        let first = messages.message().await?;
        let head = first.and_then(|first| first.head);
        let head = head.ok_or_else(|| Status::invalid_argument("the head is missing"))?;
        self.check(&extensions, head.origin.as_ref(), Callers::Nodes)?;
        let vote = head.vote.ok_or(codec::missing("vote")).map_err(invalid)?;
        let vote = codec::from_vote(vote);
        let received = self.inner.snapshots.receive(&head.id, messages).await?;
        let answer = self.inner.raft.install_full_snapshot(vote, received).await;
        let answer = answer.map_err(|_stopped| stopping())?;
        Ok(Response::new(v1::InstallSnapshotResponse {
            vote: Some(codec::vote(&answer.vote)),
        }))
    }

    async fn confirm(&self, request: Request<v1::ConfirmRequest>) -> Answered<v1::ConfirmResponse> {
        let (_, extensions, message) = request.into_parts();
        let node = self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let leader = message
            .leader
            .ok_or(codec::missing("leader"))
            .map_err(invalid)?;
        let leader_id = codec::from_vote(leader).leader_id;
        if leader_id.node_id != node.0 {
            return Err(denied("only the leader asks for itself"));
        }
        let asked = Asked {
            leader_id,
            round: message.round,
            lease: Duration::from_millis(message.lease_ms),
        };
        let deadline = Instant::now() + crate::limits::BARRIER_ROUND_TIMEOUT;
        let vote = core::ask_vote(&self.inner.raft, deadline);
        let yes = self.inner.rounds.promises.promise(asked, vote).await;
        Ok(Response::new(v1::ConfirmResponse {
            yes: yes.map_err(unavailable)?,
            clock_ms: self.inner.clocks.now().0,
        }))
    }

    async fn release(&self, request: Request<v1::ReleaseRequest>) -> Answered<v1::ReleaseResponse> {
        let (_, extensions, message) = request.into_parts();
        let node = self.check(&extensions, message.origin.as_ref(), Callers::Nodes)?;
        let leader = message
            .leader
            .ok_or(codec::missing("leader"))
            .map_err(invalid)?;
        let leader_id = codec::from_vote(leader).leader_id;
        if leader_id.node_id != node.0 {
            return Err(denied("only the leader releases its promises"));
        }
        let promises = &self.inner.rounds.promises;
        let left = promises.release(leader_id, message.round).await;
        let left_ms = whole_ms(left);
        Ok(Response::new(v1::ReleaseResponse { left_ms }))
    }

    async fn read_index(
        &self,
        request: Request<v1::ReadIndexRequest>,
    ) -> Answered<v1::ReadIndexResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Pinned)?;
        let deadline = deadline(message.wait_ms);
        let index = self.inner.barrier.index(deadline, true).await;
        let index = index.map_err(unavailable)?;
        Ok(Response::new(v1::ReadIndexResponse { index }))
    }

    async fn forward(&self, request: Request<v1::ForwardRequest>) -> Answered<v1::ForwardResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Pinned)
            .map_err(not_written)?;
        let mut entry = Entry::decode(&message.entry)
            .map_err(|error| not_written(Status::unimplemented(error.to_string())))?;
        let deadline = deadline(message.wait_ms);
        let appended = self.inner.proposer.append(&mut entry, deadline).await;
        let committed = appended.map_err(|failed| match failed {
            Failed::NotWritten(error) => not_written(unavailable(error)),
            Failed::Final(error @ Unavailable::NoSpace) => no_space(unavailable(error)),
            Failed::Final(Unavailable::OutcomeUnknown) => Status::aborted("outcome unknown"),
            Failed::Final(error) => unavailable(error),
        })?;
        Ok(Response::new(v1::ForwardResponse {
            index: committed.index.0,
            answer: Answer(committed.answer).encode().into(),
            positions: Token {
                positions: committed.positions,
            }
            .encode(),
        }))
    }

    async fn fetch_rows(
        &self,
        request: Request<v1::FetchRowsRequest>,
    ) -> Answered<v1::FetchRowsResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Pinned)?;
        let keys = repair::keys_of(&message).map_err(Status::invalid_argument)?;
        let root = Arc::clone(self.inner.published.view().root());
        let values = Arc::clone(&self.inner.values);
        let found = work::run(move || repair::own_rows(&values, &root, &keys));
        let rows = found.await.map_err(|_stopped| stopping())?;
        Ok(Response::new(v1::FetchRowsResponse { rows }))
    }

    async fn change_membership(
        &self,
        request: Request<v1::ChangeMembershipRequest>,
    ) -> Answered<v1::ChangeMembershipResponse> {
        let (_, extensions, message) = request.into_parts();
        self.check(&extensions, message.origin.as_ref(), Callers::Pinned)?;
        let change = message
            .change
            .ok_or(codec::missing("change"))
            .map_err(invalid)?;
        let change = Change::from_message(change);
        let made = self
            .inner
            .members
            .lead(&change, deadline(message.wait_ms))
            .await;
        let refusal = match made {
            Ok(()) => None,
            Err(MembershipError::Unavailable(error)) => return Err(unavailable(error)),
            Err(error) => to_refusal(&error),
        };
        Ok(Response::new(v1::ChangeMembershipResponse { refusal }))
    }
}

fn deadline(wait_ms: u64) -> Instant {
    Instant::now() + Duration::from_millis(wait_ms).min(crate::limits::FORWARD_WAIT_MAX)
}

fn denied(reason: &'static str) -> Status {
    Status::permission_denied(reason)
}

#[allow(clippy::needless_pass_by_value)]
fn promised(refused: Refused) -> Status {
    Status::failed_precondition(refused.to_string())
}

fn stopping() -> Status {
    Status::unavailable("this node is stopping")
}

#[allow(clippy::needless_pass_by_value)]
fn invalid(error: DecodeError) -> Status {
    Status::invalid_argument(error.to_string())
}

/// Marks an answer to a forwarded entry that was not appended: it may be tried again.
fn not_written(mut status: Status) -> Status {
    let mark = MetadataValue::from_static("1");
    status.metadata_mut().insert(NOT_WRITTEN, mark);
    status
}

/// Marks an answer to a forwarded entry for which nobody has disk space.
fn no_space(mut status: Status) -> Status {
    let mark = MetadataValue::from_static(NO_SPACE);
    status.metadata_mut().insert(NOT_WRITTEN, mark);
    status
}

#[allow(clippy::needless_pass_by_value)]
fn unavailable(error: Unavailable) -> Status {
    let message = error.to_string();
    match error {
        Unavailable::NoLeader { .. } => Status::failed_precondition(message),
        Unavailable::OutcomeUnknown => Status::aborted(message),
        Unavailable::ClockSkewed | Unavailable::Overloaded | Unavailable::NoSpace => {
            Status::resource_exhausted(message)
        }
        Unavailable::EntryTooLarge { .. } => Status::invalid_argument(message),
        Unavailable::NoQuorum | Unavailable::Behind | Unavailable::Stopped => {
            Status::unavailable(message)
        }
    }
}
