//! The read barrier of R8.
//!
//! Invariant: an index answered here is at least the index of every write acknowledged before the
//! read came. Why: the batch is closed first; the commit index and vote come from the core after
//! that; an entry of the own leadership (term and node) is committed, so the commit index covers
//! all earlier leaderships; and a majority of the voters, asked after that, still vote for this
//! leadership, so no later one can have acknowledged a write.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use machine::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::raft::v1;

use crate::clock::Clocks;
use crate::codec;
use crate::core::{self, CoreState};
use crate::error::Unavailable;
use crate::limits::{BARRIER_ROUND_TIMEOUT, READS_WAITING_MAX, RETRY_PAUSE};
use crate::links::{Lane, Links};
use crate::types::{LeaderId, Raft};

/// Queues reads for the next round. Clones share the queue.
#[derive(Clone)]
pub(crate) struct Barrier {
    waiting: mpsc::Sender<Waiting>,
}

struct Waiting {
    deadline: Instant,
    /// Asked by a follower: answered only if this node leads, never passed on.
    from_peer: bool,
    answer: oneshot::Sender<Result<u64, Unavailable>>,
}

impl Barrier {
    pub(crate) fn spawn(raft: Raft, links: Arc<Links>, clocks: Arc<Clocks>, node: u64) -> Barrier {
        let (waiting, queue) = mpsc::channel(READS_WAITING_MAX);
        let rounds = Rounds {
            raft,
            links,
            clocks,
            node,
            round: AtomicU64::new(0),
        };
        tokio::spawn(rounds.run(queue));
        Barrier { waiting }
    }

    /// Answers an index that covers every write acknowledged before the call.
    pub(crate) async fn index(
        &self,
        deadline: Instant,
        from_peer: bool,
    ) -> Result<u64, Unavailable> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting {
            deadline,
            from_peer,
            answer,
        };
        match self.waiting.try_send(waiting) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(Unavailable::Overloaded),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Unavailable::Stopped),
        }
        match tokio::time::timeout_at(deadline, answered).await {
            Ok(Ok(result)) => result,
            Ok(Err(_dropped)) => Err(Unavailable::Stopped),
            Err(_late) => Err(Unavailable::NoQuorum),
        }
    }
}

/// Runs one round after the other; reads that come during a round wait for the next.
struct Rounds {
    raft: Raft,
    links: Arc<Links>,
    clocks: Arc<Clocks>,
    node: u64,
    round: AtomicU64,
}

/// Why a round gave no index.
enum Failed {
    /// Another node leads, or none.
    NotLeading(Option<u64>),
    /// Worth another round.
    Again(Unavailable),
    Final(Unavailable),
}

impl Rounds {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        while queue.recv_many(&mut batch, READS_WAITING_MAX).await > 0 {
            self.serve(std::mem::take(&mut batch)).await;
        }
    }

    /// The batch is closed now: whatever comes later is not in it.
    async fn serve(&self, mut batch: Vec<Waiting>) {
        loop {
            let now = Instant::now();
            batch.retain(|waiting| waiting.deadline > now && !waiting.answer.is_closed());
            let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else {
                return;
            };
            let failed = match self.lead(deadline).await {
                Ok(index) => return answer(batch, &Ok(index)),
                Err(Failed::NotLeading(leader)) => {
                    let (peers, own) = batch.into_iter().partition(|waiting| waiting.from_peer);
                    let elsewhere = Unavailable::NoLeader {
                        leader: leader.map(NodeId),
                    };
                    answer(peers, &Err(elsewhere));
                    batch = own;
                    if batch.is_empty() {
                        return;
                    }
                    match self.follow(leader, deadline).await {
                        Ok(index) => return answer(batch, &Ok(index)),
                        Err(error) => Failed::Again(error),
                    }
                }
                Err(failed) => failed,
            };
            match failed {
                Failed::Again(error) if Instant::now() + RETRY_PAUSE >= deadline => {
                    return answer(batch, &Err(error));
                }
                Failed::Final(error) => return answer(batch, &Err(error)),
                Failed::Again(_) | Failed::NotLeading(_) => tokio::time::sleep(RETRY_PAUSE).await,
            }
        }
    }

    /// One round as leader.
    async fn lead(&self, deadline: Instant) -> Result<u64, Failed> {
        let before = core::ask(&self.raft, deadline)
            .await
            .map_err(Failed::Final)?;
        if !before.leads(self.node) {
            let voted = before.granted.then_some(before.leader_id.node_id);
            return Err(Failed::NotLeading(voted.or(core::leader(&self.raft))));
        }
        let index = match before.committed {
            Some((leader_id, index)) if leader_id == before.leader_id => index,
            // Its first entry is not yet committed: earlier leaderships may have more.
            _ => return Err(Failed::Again(Unavailable::NoQuorum)),
        };
        let round_deadline = deadline.min(Instant::now() + BARRIER_ROUND_TIMEOUT);
        if self.confirmed(&before, round_deadline).await? {
            Ok(index)
        } else {
            Err(Failed::Again(Unavailable::NoQuorum))
        }
    }

    /// Asks the voters whether they still follow; the own core last, after the others answered.
    async fn confirmed(&self, before: &CoreState, deadline: Instant) -> Result<bool, Failed> {
        let round = self.round.fetch_add(1, Ordering::Relaxed) + 1;
        let mut asked: FuturesUnordered<_> = before
            .membership
            .nodes()
            .filter(|(node, _)| **node != self.node)
            .map(|(node, member)| {
                let address = member.peer_address.clone();
                self.confirm(*node, address, before.leader_id, round, deadline)
            })
            .collect();
        let mut yes = vec![self.node];
        loop {
            if is_quorum(before, &yes) {
                let after = core::ask(&self.raft, deadline)
                    .await
                    .map_err(Failed::Final)?;
                let leads = after.leads(self.node) && after.leader_id == before.leader_id;
                return Ok(leads);
            }
            match asked.next().await {
                Some(Some(node)) => yes.push(node),
                Some(None) => {}
                None => return Ok(false),
            }
        }
    }

    async fn confirm(
        &self,
        node: u64,
        address: String,
        leader_id: LeaderId,
        round: u64,
        deadline: Instant,
    ) -> Option<u64> {
        let mut client = self.links.client(node, &address, Lane::Raft).ok()?;
        let request = v1::ConfirmRequest {
            origin: Some(self.links.origin()),
            leader: Some(codec::leader_id(leader_id)),
            round,
            lease_ms: 0,
        };
        let asked = Instant::now();
        let answer = tokio::time::timeout_at(deadline, client.confirm(request)).await;
        let answer = answer.ok()?.ok()?.into_inner();
        self.clocks.read(node, asked, answer.clock_ms);
        answer.yes.then_some(node)
    }

    /// Asks the leader for an index, by its barrier.
    async fn follow(&self, leader: Option<u64>, deadline: Instant) -> Result<u64, Unavailable> {
        let unknown = || Unavailable::NoLeader {
            leader: leader.map(NodeId),
        };
        let node = leader
            .filter(|node| *node != self.node)
            .ok_or_else(unknown)?;
        let address = self.links.address(&self.raft, node).ok_or_else(unknown)?;
        let mut client = self
            .links
            .client(node, &address, Lane::Forward)
            .map_err(|_refused| unknown())?;
        let deadline = deadline.min(Instant::now() + BARRIER_ROUND_TIMEOUT);
        let request = v1::ReadIndexRequest {
            origin: Some(self.links.origin()),
            wait_ms: wait_ms(deadline),
        };
        match tokio::time::timeout_at(deadline, client.read_index(request)).await {
            Ok(Ok(answer)) => Ok(answer.into_inner().index),
            Ok(Err(_status)) => Err(unknown()),
            Err(_late) => Err(Unavailable::NoQuorum),
        }
    }
}

/// A majority of the voters, and of both halves while the membership is joint.
fn is_quorum(state: &CoreState, yes: &[u64]) -> bool {
    state.membership.get_joint_config().iter().all(|voters| {
        let granted = voters.iter().filter(|voter| yes.contains(voter)).count();
        granted > voters.len() / 2
    })
}

fn answer(batch: Vec<Waiting>, result: &Result<u64, Unavailable>) {
    for waiting in batch {
        // A caller that gave up needs no answer.
        let _ = waiting.answer.send(result.clone());
    }
}

pub(crate) fn wait_ms(deadline: Instant) -> u64 {
    let left: Duration = deadline.saturating_duration_since(Instant::now());
    u64::try_from(left.as_millis()).unwrap_or(u64::MAX)
}
