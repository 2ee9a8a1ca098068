//! The leader's side of the promises (R8): until when no other can lead.
//!
//! Invariant: while a lease covers a leadership and a membership, no other leadership has been
//! granted, so no other has acknowledged a write. Why: a majority promised this leadership, and
//! the lease ends, counted from before the round was sent and with a tenth off for clocks that run
//! apart, before any of their promises does; and it is closed before anything else may end them.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::Clocks;
use crate::core::CoreState;
use crate::danger::{Broken, Danger};
use crate::types::{LeaderId, LogId};

/// How often reads were answered in which way, and leases closed, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReadCounts {
    /// Reads answered by the lease of this leader, those of its followers included.
    pub lease: u64,
    /// Reads answered after a round to a majority.
    pub barrier: u64,
    /// Leases that ended early because the membership changed.
    pub closed_by_membership: u64,
    /// Leases that ended early to hand leadership over.
    pub closed_by_transfer: u64,
    /// Leases that ended early because this node no longer led.
    pub closed_by_leadership: u64,
}

/// Why a lease ends before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Membership,
    Transfer,
    Leadership,
}

/// One round of confirmations.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) number: u64,
    /// Time since boot before anything was sent.
    began: Duration,
    /// The promise it asks for; zero when leases are off or held closed.
    pub(crate) lease: Duration,
}

pub(crate) struct Lease {
    clocks: Arc<Clocks>,
    /// How long a promise is asked for; zero turns leases off.
    length: Duration,
    danger: Danger,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last round begun.
    round: u64,
    /// Rounds up to this one open no lease any more.
    void: u64,
    /// Changes under way that keep the lease closed.
    holds: u32,
    open: Option<Open>,
    counts: ReadCounts,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    leader_id: LeaderId,
    membership: Option<LogId>,
    /// Times since boot.
    began: Duration,
    until: Duration,
}

impl Lease {
    pub(crate) fn new(clocks: Arc<Clocks>, length: Duration, danger: Danger) -> Arc<Lease> {
        Arc::new(Lease {
            clocks,
            length,
            danger,
            state: Mutex::default(),
        })
    }

    /// Numbers a round that begins now.
    pub(crate) fn begin(&self) -> Round {
        let mut state = self.lock();
        state.round += 1;
        let is_held = state.holds > 0;
        Round {
            number: state.round,
            began: self.clocks.since_boot(),
            lease: if is_held { Duration::ZERO } else { self.length },
        }
    }

    /// Opens the lease, or prolongs it, after a majority of that membership said yes to the round.
    pub(crate) fn grant(&self, round: &Round, confirmed: &CoreState) {
        let mut state = self.lock();
        let is_void = round.number <= state.void && !self.danger.is(Broken::LateYesCounts);
        if round.lease.is_zero() || is_void || state.holds > 0 {
            return;
        }
        let length = match self.danger.is(Broken::NoLeaseMargin) {
            true => round.lease,
            false => round.lease * 9 / 10,
        };
        let began = match self.danger.is(Broken::CountsFromAnswer) {
            true => self.clocks.since_boot(),
            false => round.began,
        };
        let next = Open {
            leader_id: confirmed.leader_id,
            membership: confirmed.membership_id,
            began,
            until: began + length,
        };
        let is_newer = state.open.is_none_or(|open| open.until < next.until);
        if is_newer {
            state.open = Some(next);
        }
    }

    /// Whether the lease covers the leadership and membership of `asked`, which the core told
    /// before this call.
    pub(crate) fn covers(&self, asked: &CoreState) -> bool {
        let now = self.clocks.since_boot();
        let mut state = self.lock();
        let Some(open) = state.open else {
            return false;
        };
        if open.leader_id != asked.leader_id {
            state.close(Reason::Leadership, now);
            return false;
        }
        let is_same = open.membership == asked.membership_id;
        if !is_same && !self.danger.is(Broken::NoCloseOnMembership) {
            state.close(Reason::Membership, now);
            return false;
        }
        now < open.until
    }

    /// Whether a lease is open, for whatever leadership.
    pub(crate) fn is_open(&self) -> bool {
        let now = self.clocks.since_boot();
        self.lock().open.is_some_and(|open| now < open.until)
    }

    /// Whether half of the lease is over.
    pub(crate) fn is_due(&self) -> bool {
        let now = self.clocks.since_boot();
        let open = self.lock().open;
        open.is_none_or(|open| now >= open.began + (open.until - open.began) / 2)
    }

    /// Ends the lease because this node does not lead.
    pub(crate) fn lose(&self) {
        let now = self.clocks.since_boot();
        self.lock().close(Reason::Leadership, now);
    }

    /// Ends the lease, voids the yeses of every round begun so far, and keeps it closed until the
    /// answer is dropped.
    pub(crate) fn hold(self: &Arc<Self>, reason: Reason) -> Held {
        let mut state = self.lock();
        let is_broken = match reason {
            Reason::Membership => self.danger.is(Broken::NoCloseOnMembership),
            Reason::Transfer => self.danger.is(Broken::NoCloseOnTransfer),
            Reason::Leadership => false,
        };
        if !is_broken {
            state.close(reason, self.clocks.since_boot());
            state.holds += 1;
        }
        Held {
            round: state.round,
            lease: (!is_broken).then(|| Arc::clone(self)),
        }
    }

    pub(crate) fn count(&self, reads: usize, by_lease: bool) {
        let mut state = self.lock();
        let counts = &mut state.counts;
        let kind = if by_lease {
            &mut counts.lease
        } else {
            &mut counts.barrier
        };
        *kind += reads as u64;
    }

    pub(crate) fn counts(&self) -> ReadCounts {
        self.lock().counts
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn close(&mut self, reason: Reason, now: Duration) {
        self.void = self.round;
        let Some(open) = self.open.take() else {
            return;
        };
        if now >= open.until {
            return;
        }
        *match reason {
            Reason::Membership => &mut self.counts.closed_by_membership,
            Reason::Transfer => &mut self.counts.closed_by_transfer,
            Reason::Leadership => &mut self.counts.closed_by_leadership,
        } += 1;
    }
}

/// Keeps the lease closed.
pub(crate) struct Held {
    /// The last round that was begun before.
    pub(crate) round: u64,
    lease: Option<Arc<Lease>>,
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(lease) = &self.lease {
            lease.lock().holds -= 1;
        }
    }
}
