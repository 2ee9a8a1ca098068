//! Handing leadership over, and to whom.

use machine::NodeId;
use tokio::time::Instant;

use crate::core;
use crate::error::Unavailable;
use crate::lease::Held;
use crate::limits::{RETRY_PAUSE, TRANSFER_AGAIN, VOTER_SILENCE_MAX};
use crate::membership::{Members, MembershipError};
use crate::types::Metrics;

impl Members {
    /// Hands leadership to the voter that is best suited, or sees another one take it.
    pub(crate) async fn transfer_to_best(&self, deadline: Instant) -> Result<(), MembershipError> {
        let heir = self.heir().await;
        let heir = heir.ok_or(self.below_quorum(self.node, 0, 1))?;
        match self.transfer(heir, deadline).await {
            Err(MembershipError::Unavailable(Unavailable::NoLeader { leader }))
                if leader.is_some_and(|leader| core::leader(&self.raft) == Some(leader.0))
                    && leader != Some(NodeId(self.node)) =>
            {
                Ok(())
            }
            handed_over => handed_over,
        }
    }

    /// Hands leadership to `to` and waits until it leads.
    pub(crate) async fn transfer(&self, to: u64, deadline: Instant) -> Result<(), MembershipError> {
        if !self.membership().voter_ids().any(|voter| voter == to) {
            return Err(MembershipError::NotAVoter { node: NodeId(to) });
        }
        self.can_lead(to, deadline).await?;
        let mut closed = Some(self.rounds.give_back(to, deadline).await?);
        let offered = core::metrics(&self.raft, leadership);
        // The heir may not get the word, or lose its election: then it is told again.
        while Instant::now() < deadline {
            match core::leader(&self.raft) {
                Some(node) if node == to => return Ok(()),
                // Somebody else has won: this node has nothing to hand over any more.
                Some(node) if node != self.node => {
                    let leader = Some(NodeId(node));
                    return Err(Unavailable::NoLeader { leader }.into());
                }
                // It has lost its leadership and won another one, which it has not given back.
                Some(_) if core::metrics(&self.raft, leadership) != offered => {
                    return Err(Unavailable::NoLeader { leader: None }.into());
                }
                _ => {}
            }
            if let Some(closed) = closed.take() {
                self.keep_closed(closed);
            }
            let asked = self.raft.trigger().transfer_leader(to).await;
            asked.map_err(|_stopped| Unavailable::Stopped)?;
            let again = deadline.min(Instant::now() + TRANSFER_AGAIN);
            let moved = core::until(&self.raft, |metrics| {
                metrics
                    .current_leader
                    .is_some_and(|leader| leader != self.node)
            });
            if let Ok(result) = tokio::time::timeout_at(again, moved).await {
                result?;
            }
        }
        let leader = Some(NodeId(to));
        Err(Unavailable::NoLeader { leader }.into())
    }

    /// Waits until a node is heard, and until one that has much to apply has done so: it would not
    /// take the leadership, and that would be over all the same.
    async fn can_lead(&self, node: u64, deadline: Instant) -> Result<(), MembershipError> {
        let heard_by = deadline.min(Instant::now() + VOTER_SILENCE_MAX);
        loop {
            let is_heard = node == self.node || self.live_voters().contains(&node);
            let lags = self.lagging.has(node);
            if is_heard && !lags {
                return Ok(());
            }
            let next = Instant::now() + RETRY_PAUSE;
            let node = NodeId(node);
            if !is_heard && next >= heard_by {
                return Err(MembershipError::NotHeard { node });
            }
            if next >= deadline {
                return Err(MembershipError::Lags { node });
            }
            tokio::time::sleep_until(next).await;
        }
    }

    /// Keeps the lease closed for as long as this leadership lasts. Once it was offered, the core
    /// proposes nothing in it and sends no heartbeat, whatever the heir said; and promises to a
    /// leader that does nothing would keep all others from standing for election.
    fn keep_closed(&self, closed: Held) {
        let offered = core::metrics(&self.raft, leadership);
        let raft = self.raft.clone();
        tokio::spawn(async move {
            let _stopped = core::until(&raft, |metrics| leadership(metrics) != offered).await;
            drop(closed);
        });
    }

    /// A voter that does not lead, as far as this node knows.
    pub(crate) fn any_heir(&self) -> Option<u64> {
        let leader = core::leader(&self.raft);
        let voters = self.membership();
        let mut others = voters.voter_ids().filter(|voter| Some(*voter) != leader);
        others.next()
    }

    /// A voter to lead next, once one has been heard; `None` when none is.
    pub(crate) async fn heir(&self) -> Option<u64> {
        let until = Instant::now() + VOTER_SILENCE_MAX;
        loop {
            let alone = self
                .membership()
                .voter_ids()
                .all(|voter| voter == self.node);
            let heir = self.best_heir();
            if heir.is_some() || alone || Instant::now() >= until {
                return heir;
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    /// The voter that answers and is nearest to this leader's log; one without disk space last,
    /// before it those that have much to apply, and before them those whose clocks are off.
    pub(crate) fn best_heir(&self) -> Option<u64> {
        let live = self.live_voters().into_iter();
        live.filter(|voter| *voter != self.node)
            .min_by_key(|voter| {
                let lacks_space = self.space.peers.has(*voter);
                let clock = self.rounds.clocks.grade_of(*voter);
                let lags = self.lagging.has(*voter);
                (lacks_space, lags, clock, self.lag(*voter))
            })
    }

    /// On the leader: the best heir, if that one's clock is better than this node's, and it has
    /// disk space or this node has none either. Else to hand over would only pass a fault around.
    pub(crate) fn heir_with_better_clock(&self) -> Option<u64> {
        let heir = self.heir_at_once()?;
        let (clocks, space) = (&self.rounds.clocks, &self.space);
        let is_better = clocks.grade_of(heir) < clocks.grade();
        let comes_back = space.peers.has(heir) && !space.is_lacking();
        (is_better && !comes_back).then_some(heir)
    }

    /// On the leader: the best heir, if that one has disk space.
    pub(crate) fn heir_with_space(&self) -> Option<u64> {
        let heir = self.heir_at_once()?;
        (!self.space.peers.has(heir)).then_some(heir)
    }

    /// On the leader: the best heir, if that one can lead now.
    fn heir_at_once(&self) -> Option<u64> {
        let leads = core::leader(&self.raft) == Some(self.node);
        let heir = self.best_heir().filter(|_| leads)?;
        (!self.lagging.has(heir)).then_some(heir)
    }
}

/// Which leadership this node knows of.
fn leadership(metrics: &Metrics) -> (u64, Option<u64>) {
    (metrics.current_term, metrics.current_leader)
}
