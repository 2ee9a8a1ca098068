//! One region's replicated machine: propose, read, snapshot, membership.
//!
//! The only crate that knows openraft. A write goes `propose` → leader's stamp → log of a quorum →
//! `machine::apply` → answer; the rows follow behind. A read goes barrier → view. See R8, R10, R12
//! and R17 of the protocol for the rules each file keeps.

mod apply;
mod backlog;
mod barrier;
mod clock;
mod codec;
mod core;
mod danger;
mod deferred;
mod error;
mod fault;
mod finish;
mod hand_over;
mod headroom;
mod lag;
mod lease;
mod limits;
mod links;
mod log;
mod materialise;
mod membership;
mod messages;
mod network;
mod open;
mod options;
mod pace;
mod peer_set;
mod promise;
mod propose;
mod renewal;
mod repair;
mod residents;
mod rounds;
mod scrub;
mod service;
mod snapshot;
mod space;
mod status;
#[cfg(test)]
mod tests;
mod turn;
mod types;
mod upkeep;
mod values;
mod view;
mod work;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use machine::{Audit, Command, Found, LogIndex, Node, NodeId, RemoveNode};
use openraft::async_runtime::watch::WatchReceiver;
use tokio::sync::watch;
use tokio::time::Instant;
use wire::raft::v1::raft_service_server::RaftServiceServer;

use crate::backlog::Backlog;
use crate::barrier::Barrier;
use crate::clock::Clocks;
use crate::fault::Faults;
use crate::links::Links;
use crate::log::LogStore;
use crate::membership::{Change, Members};
use crate::propose::Proposer;
use crate::rounds::Rounds;
use crate::snapshot::Snapshots;
use crate::space::Space;
use crate::status::LeaderHeard;
use crate::types::Raft;
use crate::values::Values;
use crate::view::Published;

pub use crate::clock::{Clock, SystemClock};
pub use crate::codec::DecodeError;
pub use crate::danger::{Broken, Danger};
pub use crate::error::Unavailable;
pub use crate::fault::Fault;
pub use crate::lease::ReadCounts;
pub use crate::links::{Peer, PeerError, Peers};
pub use crate::membership::MembershipError;
pub use crate::messages::{MessageKind, reread};
pub use crate::open::OpenError;
pub use crate::options::{Keep, Options, Reads, Timing};
pub use crate::propose::{Committed, Proposal};
pub use crate::service::Service;
pub use crate::status::{Held, Progress, Role, Seats, Status};
pub use crate::types::Member;
pub use crate::upkeep::{Spent, Work};
pub use crate::values::RowHealth;
pub use crate::view::{ValueError, View};

/// One node's part in its region. Clones are handles of the same node.
#[derive(Clone)]
pub struct Consensus {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    node: u64,
    cluster_hex: String,
    raft: Raft,
    published: Arc<Published>,
    backlog: Arc<Backlog>,
    snapshots: Arc<Snapshots>,
    values: Arc<Values>,
    links: Arc<Links>,
    clocks: Arc<Clocks>,
    barrier: Barrier,
    proposer: Proposer,
    members: Members,
    rounds: Arc<Rounds>,
    heard: Arc<LeaderHeard>,
    faults: Faults,
    space: Arc<Space>,
    log: Arc<dyn store::Log>,
    tail: LogStore,
    stopping: AtomicBool,
    materialiser: Mutex<Option<std::thread::JoinHandle<()>>>,
}

impl Consensus {
    /// Makes this node the first of a new region and founds its machine. The same call may be
    /// repeated until it succeeds.
    pub async fn found(
        &self,
        found: Found,
        audit: Audit,
        deadline: Instant,
    ) -> Result<Committed, MembershipError> {
        let member = Member {
            peer_address: found.node.peer_address.clone(),
            api_address: found.node.api_address.clone(),
        };
        self.inner.members.initialize(member).await?;
        let proposal = Proposal {
            command: Command::Found(found),
            audit,
            deadline,
        };
        Ok(self.propose(proposal).await?)
    }

    /// Whether this node's applied state belongs to a founded region.
    pub fn is_founded(&self) -> bool {
        self.local_view().cluster().is_some()
    }

    /// Proposes a command and answers once it is committed and applied on the leader.
    ///
    /// From a node that does not lead, the command is forwarded. Tries are repeated within the
    /// deadline as long as nothing can have been written.
    pub async fn propose(&self, proposal: Proposal) -> Result<Committed, Unavailable> {
        self.inner.proposer.propose(proposal).await
    }

    /// Answers a view that shows every write acknowledged before the call, on any node (R8).
    pub async fn read(&self, deadline: Instant) -> Result<View, Unavailable> {
        if let Some(read) = self.broken_read().await {
            return read;
        }
        let index = self.inner.barrier.index(deadline, false).await?;
        self.view_at(LogIndex(index), deadline).await
    }

    /// Answers a view of at least `index`, as soon as it is applied here.
    pub async fn view_at(&self, index: LogIndex, deadline: Instant) -> Result<View, Unavailable> {
        let mut applied = self.applied();
        let reached = applied.wait_for(|applied| *applied >= index);
        match tokio::time::timeout_at(deadline, reached).await {
            Ok(Ok(_)) => Ok(self.local_view()),
            Ok(Err(_)) => Err(Unavailable::Stopped),
            Err(_late) => Err(Unavailable::Behind),
        }
    }

    /// Answers what this node has applied. It may be behind.
    pub fn local_view(&self) -> View {
        self.inner.published.view()
    }

    /// Tells the last applied index, and each new one.
    pub fn applied(&self) -> watch::Receiver<LogIndex> {
        self.inner.published.index()
    }

    /// Lets a node, already admitted by `AdmitNode`, receive the log without a vote.
    pub async fn add_learner(&self, node: &Node, deadline: Instant) -> Result<(), MembershipError> {
        let member = Member {
            peer_address: node.peer_address.clone(),
            api_address: node.api_address.clone(),
        };
        let change = Change::AddLearner(node.id.0, member);
        self.inner.members.change(change, deadline).await
    }

    /// Gives a learner that has caught up a vote.
    pub async fn promote(&self, node: NodeId, deadline: Instant) -> Result<(), MembershipError> {
        self.inner
            .members
            .change(Change::Promote(node.0), deadline)
            .await
    }

    /// Takes a node out of the region and cuts its key. Refused when the voters that remain and
    /// answer would be fewer than a quorum.
    pub async fn remove(
        &self,
        node: NodeId,
        audit: Audit,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let removed = self
            .inner
            .members
            .change(Change::Remove(node.0), deadline)
            .await;
        let knew = |view: &View| view.node(node).is_some() || view.is_retired(node);
        match removed {
            // A removal that was interrupted between its two halves, or whose answer was lost.
            Err(MembershipError::UnknownNode { .. }) if knew(&self.local_view()) => {}
            result => result?,
        }
        let proposal = Proposal {
            command: Command::RemoveNode(RemoveNode { node }),
            audit,
            deadline,
        };
        // Rejected only when the node is unknown or retired: that is what was wanted.
        self.propose(proposal).await?;
        Ok(())
    }

    /// Hands leadership to a voter, or to the one that is best suited, and waits until it leads.
    pub async fn transfer_leader(
        &self,
        to: Option<NodeId>,
        deadline: Instant,
    ) -> Result<(), MembershipError> {
        let members = &self.inner.members;
        let to = to.map(|node| node.0);
        match members.change(Change::TransferTo(to), deadline).await {
            // A leader of release 0.1.0 has to be told whom.
            Err(MembershipError::NotAVoter { node: NodeId(0) }) if to.is_none() => {
                let heir = members.any_heir();
                members.change(Change::TransferTo(heir), deadline).await
            }
            handed_over => handed_over,
        }
    }

    /// Writes a snapshot of what is applied now; it is under way on return.
    pub async fn snapshot(&self) -> Result<(), Unavailable> {
        self.inner.snapshots.want();
        let triggered = self.inner.raft.trigger().snapshot().await;
        triggered.map_err(|_stopped| Unavailable::Stopped)
    }

    /// Answers what this node believes of itself and its region.
    pub fn status(&self) -> Status {
        let (removed, distance) = (self.inner.links.is_removed(), self.inner.clocks.distance());
        core::metrics(&self.inner.raft, |metrics| {
            Status::new(metrics, removed, distance, &self.inner.heard)
        })
    }

    /// Waits until who leads, votes and learns is not as `known`, and answers how it is then; at
    /// once when nothing is known, and `None` when the node has stopped.
    pub async fn seats(&self, known: Option<&Seats>) -> Option<Seats> {
        let mut receiver = self.inner.raft.server_metrics();
        loop {
            let now = Seats::of(&receiver.borrow_watched());
            if known != Some(&now) {
                return Some(now);
            }
            receiver.changed().await.ok()?;
        }
    }

    /// Counts what this node holds in queues and lists.
    pub fn held(&self) -> Held {
        let inner = &self.inner;
        Held {
            proposals: inner.proposer.in_flight() as u64,
            reads_waiting: inner.barrier.waiting() as u64,
            resident_values: inner.published.residents() as u64,
            tail_bytes: inner.tail.tail_bytes() as u64,
            ..inner.backlog.held()
        }
    }

    /// Counts what was found and done about the stored rows since the start.
    pub fn row_health(&self) -> RowHealth {
        self.inner.values.health()
    }

    /// How long the node has worked on its store, by kind of work, since the start.
    pub fn spent(&self, work: Work) -> Spent {
        self.inner.values.upkeep().spent(work)
    }

    /// Counts how reads were answered here, and why leases ended.
    pub fn read_counts(&self) -> ReadCounts {
        self.inner.rounds.lease.counts()
    }

    /// Takes whether less space is free than this node may go down to. While that is so it hands
    /// leadership over, refuses new entries with [`Unavailable::NoSpace`], and goes on as follower.
    pub fn tell_space_low(&self, is_low: bool) {
        let was_low = self.inner.space.set_low(is_low);
        if is_low && !was_low {
            // The log can be purged behind it.
            self.inner.snapshots.want();
        }
    }

    /// Takes how many bytes are free, and how many of them above what this node may go down to.
    /// What needs much space for a while, as building the rows anew does, does not begin without
    /// it.
    pub fn tell_free_bytes(&self, free_bytes: u64, spare_bytes: u64) {
        self.inner.space.set_free_bytes(free_bytes, spare_bytes);
    }

    /// Whether the rows met a full disk. They are written anew once there is space, and until then
    /// this node applies no more than the backlog takes: its reads may come too late.
    pub fn waits_for_space(&self) -> bool {
        self.inner.space.do_rows_wait()
    }

    /// Tells the first fault: the process must stop with it.
    pub fn faults(&self) -> watch::Receiver<Option<Fault>> {
        self.inner.faults.subscribe()
    }

    /// The service that peers call; serve it on the peer listener only.
    pub fn raft_service(&self) -> RaftServiceServer<Service> {
        let service = Service {
            inner: Arc::clone(&self.inner),
        };
        RaftServiceServer::new(service)
            .max_decoding_message_size(limits::MESSAGE_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }

    /// Tries to hand leadership over, stops the core, and has the rows written and checkpointed.
    ///
    /// What fails on the way is logged and costs no acknowledged write: the log has them all. Only
    /// the first call does this and waits; others return at once.
    pub async fn shutdown(&self) {
        if self.inner.stopping.swap(true, Ordering::AcqRel) {
            return;
        }
        self.hand_over().await;
        self.inner.log.give_up_waiting();
        if let Err(error) = self.inner.raft.shutdown().await {
            tracing::warn!(%error, "the consensus core did not stop in order");
        }
        self.inner.tail.settle().await;
        self.inner.backlog.stop();
        let thread = self
            .inner
            .materialiser
            .lock()
            .ok()
            .and_then(|mut at| at.take());
        if let Some(thread) = thread {
            // It raises its own faults, and a panic ends the process.
            let _ = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }

    async fn hand_over(&self) {
        if core::leader(&self.inner.raft) != Some(self.inner.node) {
            return;
        }
        if let Some(heir) = self.inner.members.heir().await {
            self.hand_over_to(heir).await;
        }
    }

    async fn hand_over_to(&self, heir: u64) {
        let deadline = Instant::now() + limits::TRANSFER_TIMEOUT;
        if let Err(error) = self.inner.members.transfer(heir, deadline).await {
            tracing::warn!(heir, %error, "leadership was not handed over");
        }
    }

    /// A read past the barrier, in a build that is broken on purpose.
    async fn broken_read(&self) -> Option<Result<View, Unavailable>> {
        let danger = self.inner.rounds.danger;
        let policy = if danger.is(Broken::NoBarrier) {
            return Some(Ok(self.local_view()));
        } else if danger.is(Broken::OpenraftReadIndex) {
            openraft::ReadPolicy::ReadIndex
        } else if danger.is(Broken::OpenraftLease) {
            openraft::ReadPolicy::LeaseRead
        } else {
            return None;
        };
        let read = self.inner.raft.ensure_linearizable(policy).await;
        let read = read.map_err(|_error| Unavailable::NoQuorum);
        Some(read.map(|_index| self.local_view()))
    }
}
