//! What this node promised its leader: no vote for a while (R8).
//!
//! Invariant: from the moment a promise is made until it runs out or is released, no Vote, PreVote
//! or TransferLeader passes through this node's adapter, in either direction. So a leadership that
//! holds promises of a majority is followed by no other before they run out. Why: a promise is made
//! only while the core votes for that leadership, and a Vote that was let through holds the lock
//! until the core has answered it, so no vote moves between the look and the promise.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use crate::clock::Clocks;
use crate::danger::{Broken, Danger};
use crate::error::Unavailable;
use crate::limits::LEASE_MAX;
use crate::types::LeaderId;

/// A question of a leader: does this node still follow, and will it for a while?
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked {
    pub(crate) leader_id: LeaderId,
    /// Counts up within a leadership.
    pub(crate) round: u64,
    /// How long the promise is to last. Zero: none is asked for.
    pub(crate) lease: Duration,
}

/// Why a message about votes did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no vote for {} ms: this node promised its leader", left.as_millis())]
    Promised { left: Duration },
    #[error("this node is stopping")]
    Stopped,
}

pub(crate) struct Promises {
    clocks: Arc<Clocks>,
    danger: Danger,
    made: Mutex<Made>,
}

#[derive(Debug, Default)]
struct Made {
    /// The newest promise; the end is the latest of all that were not released. Ends are times
    /// since boot.
    promise: Option<(LeaderId, u64)>,
    until: Duration,
    /// The end of promises that an earlier process may have made: no release knows their rounds.
    quiet_until: Duration,
    /// Rounds of a leadership that were released: they get no promise any more.
    released: Option<(LeaderId, u64)>,
}

impl Promises {
    /// After a start with a stored vote nothing passes for the longest promise there is.
    pub(crate) fn new(clocks: Arc<Clocks>, has_voted: bool, danger: Danger) -> Promises {
        let mut made = Made::default();
        // openraft's lease knows no such refusal.
        let is_broken = danger.is(Broken::NoStartRefusal) || danger.is(Broken::OpenraftLease);
        if has_voted && !is_broken {
            made.quiet_until = clocks.since_boot() + LEASE_MAX;
        }
        Promises {
            clocks,
            danger,
            made: Mutex::new(made),
        }
    }

    /// Answers whether the core follows the leadership that asks, and if so promises.
    ///
    /// `vote` asks the core; it is polled under the lock.
    pub(crate) async fn promise(
        &self,
        asked: Asked,
        vote: impl Future<Output = Result<LeaderId, Unavailable>>,
    ) -> Result<bool, Unavailable> {
        let mut made = self.made.lock().await;
        let is_released = made.is_released(&asked) && !self.danger.is(Broken::ReleasedIsPromised);
        if asked.lease > LEASE_MAX || is_released {
            return Ok(false);
        }
        let follows = vote.await? == asked.leader_id;
        if !follows && !self.danger.is(Broken::PromisesAnyLeader) {
            return Ok(false);
        }
        if !asked.lease.is_zero() {
            made.promise(&asked, self.clocks.since_boot());
        }
        Ok(true)
    }

    /// Lets a Vote pass to the core, unless something is promised.
    pub(crate) async fn let_through<T: Send + 'static>(
        self: &Arc<Self>,
        vote: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, Refused> {
        let promises = Arc::clone(self);
        // A candidate that gives up must not end the lock before the core has answered.
        let passing = tokio::spawn(async move {
            let held = promises.open().await?;
            let held = (!promises.danger.is(Broken::NoPromiseLock)).then_some(held);
            let answer = vote.await;
            drop(held);
            Ok(answer)
        });
        passing.await.unwrap_or(Err(Refused::Stopped))
    }

    /// Answers whether a message that moves no vote of this node may pass.
    pub(crate) async fn check(&self) -> Result<(), Refused> {
        self.open().await.map(drop)
    }

    /// Cancels what was promised to rounds up to `round`, and answers how long something else
    /// still keeps this node from voting.
    pub(crate) async fn release(&self, leader_id: LeaderId, round: u64) -> Duration {
        let mut made = self.made.lock().await;
        let all = self.danger.is(Broken::ReleaseCancelsAll);
        if made
            .promise
            .is_some_and(|(to, at)| to == leader_id && (all || at <= round))
        {
            made.until = Duration::ZERO;
        }
        made.released = match made.released {
            Some((to, at)) if to == leader_id => Some((to, at.max(round))),
            Some((to, at)) if to > leader_id => Some((to, at)),
            _ => Some((leader_id, round)),
        };
        made.left(self.clocks.since_boot())
    }

    async fn open(&self) -> Result<MutexGuard<'_, Made>, Refused> {
        let made = self.made.lock().await;
        let left = made.left(self.clocks.since_boot());
        if left.is_zero() || self.danger.is(Broken::NoVoteGuard) {
            Ok(made)
        } else {
            Err(Refused::Promised { left })
        }
    }
}

impl Made {
    fn is_released(&self, asked: &Asked) -> bool {
        self.released
            .is_some_and(|(to, round)| to == asked.leader_id && asked.round <= round)
    }

    fn promise(&mut self, asked: &Asked, now: Duration) {
        let round = match self.promise {
            Some((to, round)) if to == asked.leader_id => round.max(asked.round),
            _ => asked.round,
        };
        self.promise = Some((asked.leader_id, round));
        self.until = self.until.max(now + asked.lease);
    }

    fn left(&self, now: Duration) -> Duration {
        self.until.max(self.quiet_until).saturating_sub(now)
    }
}
