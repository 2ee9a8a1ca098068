//! Rounds of confirmations: the leader asks the voters whether they still follow, and for their
//! promise (R8).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::time::Instant;
use wire::raft::v1;

use crate::clock::Clocks;
use crate::codec;
use crate::core::{self, CoreState};
use crate::danger::{Broken, Danger};
use crate::error::Unavailable;
use crate::lease::{Held, Lease, Reason, Round};
use crate::limits::{BARRIER_ROUND_TIMEOUT, RELEASE_TIMEOUT};
use crate::links::{Lane, Links};
use crate::promise::{Asked, Promises};
use crate::types::{LeaderId, Raft};

pub(crate) struct Rounds {
    pub(crate) raft: Raft,
    pub(crate) links: Arc<Links>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) promises: Arc<Promises>,
    pub(crate) lease: Arc<Lease>,
    pub(crate) node: u64,
    pub(crate) danger: Danger,
    is_renewing: AtomicBool,
}

impl Rounds {
    pub(crate) fn new(
        raft: Raft,
        links: Arc<Links>,
        clocks: Arc<Clocks>,
        promises: Arc<Promises>,
        lease: Arc<Lease>,
        node: u64,
        danger: Danger,
    ) -> Arc<Rounds> {
        Arc::new(Rounds {
            raft,
            links,
            clocks,
            promises,
            lease,
            node,
            danger,
            is_renewing: AtomicBool::new(false),
        })
    }

    /// Asks the voters of the membership the core told in `before` whether they follow its
    /// leadership; the own core last, after the others answered. A yes of a majority opens the
    /// lease.
    pub(crate) async fn confirmed(
        &self,
        before: &CoreState,
        deadline: Instant,
    ) -> Result<bool, Unavailable> {
        let round = self.lease.begin();
        let asked = Asked {
            leader_id: before.leader_id,
            round: round.number,
            lease: round.lease,
        };
        if !self.promise_first(asked, deadline).await? {
            return Ok(false);
        }
        let mut answers: FuturesUnordered<_> = before
            .membership
            .nodes()
            .filter(|(node, _)| **node != self.node)
            .map(|(node, member)| self.confirm(*node, member.peer_address.clone(), asked, deadline))
            .collect();
        let mut yes = vec![self.node];
        while !is_quorum(before, &yes) {
            match answers.next().await {
                Some(Some(node)) => yes.push(node),
                Some(None) => {}
                None => return Ok(false),
            }
        }
        self.still_leads(before, &round, deadline).await
    }

    /// The own promise, before anybody else's. Without a lease there is none to make.
    async fn promise_first(&self, asked: Asked, deadline: Instant) -> Result<bool, Unavailable> {
        if asked.lease.is_zero() || self.danger.is(Broken::NoOwnPromise) {
            return Ok(true);
        }
        let vote = core::ask_vote(&self.raft, deadline);
        self.promises.promise(asked, vote).await
    }

    async fn still_leads(
        &self,
        before: &CoreState,
        round: &Round,
        deadline: Instant,
    ) -> Result<bool, Unavailable> {
        let after = core::ask(&self.raft, deadline).await?;
        let leads = after.leads(self.node) && after.leader_id == before.leader_id;
        if leads {
            self.lease.grant(round, before);
        }
        Ok(leads)
    }

    pub(crate) async fn confirm(
        &self,
        node: u64,
        address: String,
        asked: Asked,
        deadline: Instant,
    ) -> Option<u64> {
        let mut client = self.links.client(node, &address, Lane::Raft).ok()?;
        let request = v1::ConfirmRequest {
            origin: Some(self.links.origin()),
            leader: Some(codec::leader_id(asked.leader_id)),
            round: asked.round,
            lease_ms: whole_ms(asked.lease),
        };
        let began = Instant::now();
        let answer = tokio::time::timeout_at(deadline, client.confirm(request)).await;
        let answer = answer.ok()?.ok()?.into_inner();
        self.clocks.read(node, began, answer.clock_ms);
        self.links.hear(node, &answer.epochs);
        answer.yes.then_some(node)
    }

    /// Prolongs the lease behind the reads it answers, one round at a time.
    pub(crate) fn renew(self: &Arc<Rounds>) {
        if self.is_renewing.swap(true, Ordering::AcqRel) {
            return;
        }
        let rounds = Arc::clone(self);
        tokio::spawn(async move {
            let deadline = Instant::now() + BARRIER_ROUND_TIMEOUT;
            if let Ok(state) = core::ask(&rounds.raft, deadline).await
                && state.leads(rounds.node)
            {
                // A round that fails is tried again by the next read.
                let _ = rounds.confirmed(&state, deadline).await;
            }
            rounds.is_renewing.store(false, Ordering::Release);
        });
    }

    /// Gives the lease back before a transfer: closes it, releases every promise, and waits until
    /// the heir may ask for votes. The lease stays closed until the answer is dropped.
    pub(crate) async fn give_back(
        &self,
        heir: u64,
        deadline: Instant,
    ) -> Result<Held, Unavailable> {
        let held = self.lease.hold(Reason::Transfer);
        let state = core::ask(&self.raft, deadline).await?;
        if !state.leads(self.node) {
            return Ok(held);
        }
        self.promises.release(state.leader_id, held.round).await;
        let releases: FuturesUnordered<_> = state
            .membership
            .nodes()
            .filter(|(node, _)| **node != self.node)
            .map(|(node, member)| {
                let address = member.peer_address.clone();
                self.release(*node, address, state.leader_id, held.round)
            })
            .collect();
        let answers: Vec<_> = releases.collect().await;
        let left = answers
            .into_iter()
            .flatten()
            .find_map(|(node, left)| (node == heir).then_some(left))
            .unwrap_or(Duration::ZERO);
        // Promises the heir may have made before it started: it could not ask for a vote.
        tokio::time::sleep_until(deadline.min(Instant::now() + left)).await;
        Ok(held)
    }

    async fn release(
        &self,
        node: u64,
        address: String,
        leader_id: LeaderId,
        round: u64,
    ) -> Option<(u64, Duration)> {
        let mut client = self.links.client(node, &address, Lane::Raft).ok()?;
        let request = v1::ReleaseRequest {
            origin: Some(self.links.origin()),
            leader: Some(codec::leader_id(leader_id)),
            round,
        };
        // Whoever is not reached is free a lease later.
        let answer = tokio::time::timeout(RELEASE_TIMEOUT, client.release(request)).await;
        let answer = answer.ok()?.ok()?.into_inner();
        Some((node, Duration::from_millis(answer.left_ms)))
    }
}

/// A majority of the voters, and of both halves while the membership is joint.
fn is_quorum(state: &CoreState, yes: &[u64]) -> bool {
    state.membership.get_joint_config().iter().all(|voters| {
        let granted = voters.iter().filter(|voter| yes.contains(voter)).count();
        granted > voters.len() / 2
    })
}

/// Rounded up, so that no promise is shorter than the leader counts on.
pub(crate) fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros().div_ceil(1_000)).unwrap_or(u64::MAX)
}
