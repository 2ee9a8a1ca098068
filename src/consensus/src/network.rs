//! Carries openraft's messages to one peer.

use std::sync::Arc;
use std::time::Duration;

use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::base::{BoxFuture, BoxStream};
use openraft::errors::{NetworkError, RPCError, ReplicationClosed, StreamingError, Unreachable};
use openraft::network::{Backoff, RPCOption, RaftNetworkFactory, RaftNetworkV2};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, TransferLeaderError,
    TransferLeaderRequest, TransferLeaderResponse, VoteRequest, VoteResponse,
};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use wire::raft::v1;

use crate::apply::SnapshotOf;
use crate::clock::Clocks;
use crate::codec::{self, DecodeError, StreamAppendResult};
use crate::limits::{DEAD_PEER_PAUSE, SNAPSHOT_CHUNKS_AHEAD_MAX};
use crate::links::{Client, Lane, Links};
use crate::peer_set::PeerSet;
use crate::promise::Promises;
use crate::snapshot::SnapshotFile;
use crate::space::Space;
use crate::types::{Member, TypeConfig, Vote};

type Rpc<T> = Result<T, RPCError<TypeConfig>>;
type AppendStream<'s> = BoxStream<'s, Rpc<StreamAppendResult>>;

/// Makes a [`Network`] for each peer and purpose.
pub(crate) struct Networks {
    pub(crate) links: Arc<Links>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) promises: Arc<Promises>,
    pub(crate) space: Arc<Space>,
    pub(crate) lagging: Arc<PeerSet>,
}

/// The way to one peer.
pub(crate) struct Network {
    links: Arc<Links>,
    clocks: Arc<Clocks>,
    promises: Arc<Promises>,
    space: Arc<Space>,
    lagging: Arc<PeerSet>,
    target: u64,
    member: Member,
    purpose: Purpose,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Replication,
    /// One append at a time, each answered with a reading of the peer's clock.
    Heartbeat,
    Snapshot,
}

impl RaftNetworkFactory<TypeConfig> for Networks {
    type Network = Network;

    async fn new_client(&mut self, target: u64, member: &Member) -> Network {
        self.network(target, member, Purpose::Replication)
    }

    async fn new_heartbeat_client(&mut self, target: u64, member: &Member) -> Network {
        self.network(target, member, Purpose::Heartbeat)
    }

    async fn new_snapshot_client(&mut self, target: u64, member: &Member) -> Network {
        self.network(target, member, Purpose::Snapshot)
    }
}

impl Networks {
    fn network(&self, target: u64, member: &Member, purpose: Purpose) -> Network {
        Network {
            links: Arc::clone(&self.links),
            clocks: Arc::clone(&self.clocks),
            promises: Arc::clone(&self.promises),
            space: Arc::clone(&self.space),
            lagging: Arc::clone(&self.lagging),
            target,
            member: member.clone(),
            purpose,
        }
    }
}

impl Network {
    fn client(&self) -> Rpc<Client> {
        let lane = match self.purpose {
            Purpose::Replication | Purpose::Heartbeat => Lane::Raft,
            Purpose::Snapshot => Lane::Bulk,
        };
        self.links
            .client(self.target, &self.member.peer_address, lane)
            .map_err(|refused| RPCError::Unreachable(Unreachable::new(&refused)))
    }

    /// Whether no promise keeps this node from asking for votes (R8).
    async fn may_ask(&self) -> Rpc<()> {
        let checked = self.promises.check().await;
        checked.map_err(|refused| RPCError::Network(NetworkError::new(&refused)))
    }

    /// As `failed`, of a call that a node makes which does not know yet that it was removed.
    fn refused(&self, status: Status) -> RPCError<TypeConfig> {
        self.links.heed(&status);
        failed(status)
    }

    async fn append_once(
        &self,
        request: AppendEntriesRequest<TypeConfig>,
    ) -> Rpc<StreamAppendResult> {
        let message = v1::AppendEntriesRequest {
            origin: Some(self.links.origin()),
            append: Some(codec::append(&request)),
        };
        let asked = Instant::now();
        let answer = self.client()?.append_entries(message).await;
        let answer = answer.map_err(failed)?.into_inner();
        self.clocks.read(self.target, asked, answer.clock_ms);
        self.space.peers.hear(self.target, answer.lacks_space);
        self.lagging.hear(self.target, answer.lags);
        codec::from_appended(answer.appended).map_err(garbled)
    }

    async fn open_stream<'s, S>(&'s self, input: S, wait: Duration) -> Rpc<AppendStream<'s>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        let origin = self.links.origin();
        let requests = input.map(move |request| v1::StreamAppendRequest {
            origin: Some(origin.clone()),
            append: Some(codec::append(&request)),
        });
        let mut client = self.client()?;
        let opened = tokio::time::timeout(wait, client.stream_append(requests)).await;
        let answers = match opened {
            Ok(opened) => opened.map_err(failed)?.into_inner(),
            Err(late) => return Err(RPCError::Network(NetworkError::new(&late))),
        };
        // A stream that breaks makes openraft call again at once; `calmed` pauses first.
        Ok(Box::pin(answers.then(|answer| async move {
            match answer {
                Ok(answer) => codec::from_appended(answer.appended).map_err(garbled),
                Err(status) => calmed(failed(status)).await,
            }
        })))
    }
}

impl RaftNetworkV2<TypeConfig> for Network {
    type SnapshotData = SnapshotFile;

    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<AppendEntriesResponse<TypeConfig>> {
        Ok(self.append_once(request).await?.into())
    }

    fn stream_append<'s, S>(
        &'s mut self,
        mut input: S,
        option: RPCOption,
    ) -> BoxFuture<'s, Rpc<AppendStream<'s>>>
    where
        S: Stream<Item = AppendEntriesRequest<TypeConfig>> + OptionalSend + Unpin + 'static,
    {
        async move {
            if self.purpose == Purpose::Heartbeat {
                let Some(request) = input.next().await else {
                    return Ok(futures::stream::empty().boxed());
                };
                let answer = self.append_once(request).await;
                return Ok(futures::stream::once(async { answer }).boxed());
            }
            // openraft's limit is one heartbeat, meant for one answer; opening may take longer.
            match self.open_stream(input, option.hard_ttl() * 10).await {
                Ok(answers) => Ok(answers),
                Err(error) => calmed(error).await,
            }
        }
        .boxed()
    }

    async fn vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let message = v1::VoteRequest {
            origin: Some(self.links.origin()),
            candidacy: Some(codec::candidacy(&request)),
        };
        self.may_ask().await?;
        let asked = Instant::now();
        let answer = self.client()?.vote(message).await;
        let answer = answer.map_err(|status| self.refused(status))?.into_inner();
        self.clocks.read(self.target, asked, answer.clock_ms);
        codec::from_verdict(answer.verdict).map_err(garbled)
    }

    async fn pre_vote(
        &mut self,
        request: VoteRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<VoteResponse<TypeConfig>> {
        let message = v1::PreVoteRequest {
            origin: Some(self.links.origin()),
            candidacy: Some(codec::candidacy(&request)),
        };
        self.may_ask().await?;
        let asked = Instant::now();
        let answer = self.client()?.pre_vote(message).await;
        let answer = answer.map_err(|status| self.refused(status))?.into_inner();
        self.clocks.read(self.target, asked, answer.clock_ms);
        codec::from_verdict(answer.verdict).map_err(garbled)
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: SnapshotOf,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<TypeConfig>, StreamingError<TypeConfig>> {
        let (pieces, messages) = tokio::sync::mpsc::channel(SNAPSHOT_CHUNKS_AHEAD_MAX);
        let head = v1::SnapshotHead {
            origin: Some(self.links.origin()),
            vote: Some(codec::vote(&vote)),
            id: snapshot.snapshot.id().to_owned(),
        };
        tokio::spawn(snapshot.snapshot.send(head, pieces));
        let mut client = self.client()?;
        let sent = client.install_snapshot(ReceiverStream::new(messages));
        let answer = tokio::select! {
            closed = cancel => return Err(closed.into()),
            answer = sent => answer,
        };
        let answer = match answer {
            Ok(answer) => answer.into_inner(),
            Err(status) => {
                pause().await;
                return Err(failed(status).into());
            }
        };
        let ballot = answer.vote.ok_or(codec::missing("vote")).map_err(garbled)?;
        Ok(SnapshotResponse::new(codec::from_vote(ballot)))
    }

    async fn transfer_leader(
        &mut self,
        request: TransferLeaderRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Rpc<TransferLeaderResponse<TypeConfig>> {
        let message = v1::TransferLeaderRequest {
            origin: Some(self.links.origin()),
            from: Some(codec::vote(request.from_leader())),
            to: *request.to_node_id(),
            last_log_id: request.last_log_id().map(codec::log_id),
        };
        self.may_ask().await?;
        let answer = self.client()?.transfer_leader(message).await;
        let answer = answer.map_err(failed)?.into_inner();
        if answer.accepted {
            return Ok(Ok(()));
        }
        Ok(Err(match answer.actual {
            Some(actual) => TransferLeaderError::VoteChanged {
                expected: *request.from_leader(),
                actual: codec::from_vote(actual),
            },
            None => TransferLeaderError::LogNotFlushed {
                expected: request.last_log_id().copied(),
                actual: None,
            },
        }))
    }

    fn backoff(&self) -> Option<Backoff> {
        let steps = [50_u64, 100, 200, 400].into_iter();
        let all = steps.chain(std::iter::repeat(500));
        Some(Backoff::new(all.map(Duration::from_millis)))
    }
}

/// Unreachable makes openraft back off; anything else it tries again at once.
#[allow(clippy::needless_pass_by_value)]
fn failed(status: Status) -> RPCError<TypeConfig> {
    match status.code() {
        Code::Unavailable | Code::PermissionDenied | Code::Unauthenticated => {
            RPCError::Unreachable(Unreachable::new(&status))
        }
        _ => RPCError::Network(NetworkError::new(&status)),
    }
}

#[allow(clippy::needless_pass_by_value)]
fn garbled(error: DecodeError) -> RPCError<TypeConfig> {
    RPCError::Network(NetworkError::new(&error))
}

/// An error that reaches openraft only after a pause: it calls again without one of its own.
async fn calmed<T>(error: RPCError<TypeConfig>) -> Rpc<T> {
    pause().await;
    Err(error)
}

async fn pause() {
    let (min, max) = DEAD_PEER_PAUSE;
    let mut byte = [0_u8];
    // Without randomness the pause is the shortest; peers then fall into step, no worse.
    let _ = getrandom::fill(&mut byte);
    let share = f64::from(byte[0]) / f64::from(u8::MAX);
    tokio::time::sleep(min + (max - min).mul_f64(share)).await;
}
