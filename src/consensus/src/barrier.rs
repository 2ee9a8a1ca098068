//! The read barrier of R8, and the lease in front of it.
//!
//! Invariant: an index answered here is at least the index of every write acknowledged before the
//! read came. Why: the batch is closed first; the commit index and vote come from the core after
//! that; an entry of the own leadership (term and node) is committed, so the commit index covers
//! all earlier leaderships; and no later leadership can have acknowledged a write, because either
//! the lease, looked at after that, still holds, or a majority of the voters, asked after that,
//! still vote for this leadership.

use std::sync::Arc;
use std::time::Duration;

use machine::NodeId;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use wire::raft::v1;

use crate::core;
use crate::danger::Broken;
use crate::error::Unavailable;
use crate::limits::{BARRIER_ROUND_TIMEOUT, READS_WAITING_MAX, RETRY_PAUSE};
use crate::links::Lane;
use crate::rounds::Rounds;

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
    pub(crate) fn spawn(rounds: Arc<Rounds>) -> Barrier {
        let (waiting, queue) = mpsc::channel(READS_WAITING_MAX);
        tokio::spawn(Reads { rounds }.run(queue));
        Barrier { waiting }
    }

    /// Reads that wait for a round.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.max_capacity() - self.waiting.capacity()
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

/// Answers one batch after the other; reads that come during a round wait for the next batch.
struct Reads {
    rounds: Arc<Rounds>,
}

/// An index for a batch, and whether the lease was enough.
struct Led {
    index: u64,
    by_lease: bool,
}

/// Why a round gave no index.
enum Failed {
    /// Another node leads, or none.
    NotLeading(Option<u64>),
    /// Worth another round.
    Again(Unavailable),
    Final(Unavailable),
}

impl Reads {
    async fn run(self, mut queue: mpsc::Receiver<Waiting>) {
        let mut batch = Vec::new();
        loop {
            let is_checked = self.is_checked_early();
            if queue.recv_many(&mut batch, READS_WAITING_MAX).await == 0 {
                return;
            }
            self.serve(std::mem::take(&mut batch), is_checked).await;
        }
    }

    /// Never, but in a build that is broken.
    fn is_checked_early(&self) -> bool {
        self.rounds.danger.is(Broken::IndexAfterCheck) && self.rounds.lease.is_open()
    }

    /// The batch is closed now: whatever comes later is not in it.
    async fn serve(&self, mut batch: Vec<Waiting>, is_checked: bool) {
        loop {
            let now = Instant::now();
            batch.retain(|waiting| !waiting.answer.is_closed());
            let is_late = |waiting: &Waiting| waiting.deadline <= now;
            let (late, in_time) = batch.into_iter().partition(is_late);
            // One that is dropped without an answer takes this node to be stopping.
            answer(late, &Err(Unavailable::NoQuorum));
            batch = in_time;
            let Some(deadline) = batch.iter().map(|waiting| waiting.deadline).max() else {
                return;
            };
            let failed = match self.lead(deadline, is_checked).await {
                Ok(led) => {
                    self.rounds.lease.count(batch.len(), led.by_lease);
                    return answer(batch, &Ok(led.index));
                }
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

    /// As leader: by the lease when it holds, by a round otherwise.
    ///
    /// The order is the point of R8: the batch is closed, then the core tells its commit index,
    /// then the lease is looked at. While it holds, nobody else has written, so at the moment of
    /// the index nobody had.
    async fn lead(&self, deadline: Instant, is_checked: bool) -> Result<Led, Failed> {
        let rounds = &self.rounds;
        let before = core::ask(&rounds.raft, deadline)
            .await
            .map_err(Failed::Final)?;
        if !before.leads(rounds.node) {
            rounds.lease.lose();
            let voted = before.granted.then_some(before.leader_id.node_id);
            return Err(Failed::NotLeading(voted.or(core::leader(&rounds.raft))));
        }
        let index = match before.committed {
            Some((leader_id, index)) if leader_id == before.leader_id => index,
            // Its first entry is not yet committed: earlier leaderships may have more.
            _ => return Err(Failed::Again(Unavailable::NoQuorum)),
        };
        if rounds.lease.covers(&before) || is_checked {
            if rounds.lease.is_due() {
                rounds.renew();
            }
            let by_lease = true;
            return Ok(Led { index, by_lease });
        }
        let round_deadline = deadline.min(Instant::now() + BARRIER_ROUND_TIMEOUT);
        let confirmed = rounds.confirmed(&before, round_deadline).await;
        if confirmed.map_err(Failed::Final)? {
            let by_lease = false;
            Ok(Led { index, by_lease })
        } else {
            Err(Failed::Again(Unavailable::NoQuorum))
        }
    }

    /// Asks the leader for an index, by its barrier.
    async fn follow(&self, leader: Option<u64>, deadline: Instant) -> Result<u64, Unavailable> {
        let unknown = || Unavailable::NoLeader {
            leader: leader.map(NodeId),
        };
        let node = leader
            .filter(|node| *node != self.rounds.node)
            .ok_or_else(unknown)?;
        let address = self
            .rounds
            .links
            .address(&self.rounds.raft, node)
            .ok_or_else(unknown)?;
        let mut client = self
            .rounds
            .links
            .client(node, &address, Lane::Forward)
            .map_err(|_refused| unknown())?;
        let deadline = deadline.min(Instant::now() + BARRIER_ROUND_TIMEOUT);
        let request = v1::ReadIndexRequest {
            origin: Some(self.rounds.links.origin()),
            wait_ms: wait_ms(deadline),
        };
        tokio::select! {
            biased;
            answer = tokio::time::timeout_at(deadline, client.read_index(request)) => match answer {
                Ok(Ok(answer)) => Ok(answer.into_inner().index),
                Ok(Err(status)) => {
                    self.rounds.links.heed(&status);
                    Err(unknown())
                }
                Err(_late) => Err(Unavailable::NoQuorum),
            },
            // One that is lost without a word never answers, and the reads behind it wait too.
            () = core::until_other_leads(&self.rounds.raft, node) => Err(unknown()),
        }
    }
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
