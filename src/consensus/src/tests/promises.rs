//! R8, guard by guard, without a network: each test fails when its guard is left out.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::FutureExt;
use openraft::vote::RaftLeaderId;
use tokio::sync::oneshot;

use super::node::TestClock;
use crate::Danger;
use crate::clock::Clocks;
use crate::core::CoreState;
use crate::danger::Broken;
use crate::lease::{Lease, Reason};
use crate::limits::LEASE_MAX;
use crate::promise::{Asked, Promises};
use crate::types::{LeaderId, LogId, Membership};

const LEASE: Duration = Duration::from_millis(100);

fn clocks(danger: Danger) -> (TestClock, Arc<Clocks>) {
    let clock = TestClock::default();
    clock.stop();
    let clocks = Clocks::new(Arc::new(clock.clone()), danger);
    (clock, Arc::new(clocks))
}

fn leader(term: u64) -> LeaderId {
    LeaderId::new(term, 1)
}

/// Asks for a promise of a node whose core votes for `vote`.
async fn ask(promises: &Promises, term: u64, round: u64, vote: u64) -> bool {
    let asked = Asked {
        leader_id: leader(term),
        round,
        lease: LEASE,
    };
    let core = async move { Ok(leader(vote)) };
    promises.promise(asked, core).await.expect("an answer")
}

async fn may_vote(promises: &Arc<Promises>) -> bool {
    promises.let_through(async {}).await.is_ok()
}

#[tokio::test]
async fn a_node_neither_votes_nor_asks_for_votes_during_its_promise() {
    for (danger, refuses) in [
        (Danger::NONE, true),
        (Danger::of(Broken::NoVoteGuard), false),
    ] {
        let (clock, clocks) = clocks(danger);
        let promises = Arc::new(Promises::new(clocks, false, danger));
        assert!(may_vote(&promises).await);
        assert!(ask(&promises, 1, 1, 1).await);
        clock.advance(LEASE - Duration::from_millis(1));
        assert_eq!(may_vote(&promises).await, !refuses);
        assert_eq!(promises.check().await.is_err(), refuses);
        clock.advance(Duration::from_millis(1));
        assert!(may_vote(&promises).await && promises.check().await.is_ok());
    }
}

#[tokio::test]
async fn only_the_leader_the_core_votes_for_gets_a_promise_and_none_too_long() {
    for (danger, promised) in [
        (Danger::NONE, false),
        (Danger::of(Broken::PromisesAnyLeader), true),
    ] {
        let (_, clocks) = clocks(danger);
        let promises = Arc::new(Promises::new(clocks, false, danger));
        assert_eq!(ask(&promises, 1, 1, 2).await, promised);
    }
    let (_, clocks) = clocks(Danger::NONE);
    let promises = Arc::new(Promises::new(clocks, false, Danger::NONE));
    let asked = Asked {
        leader_id: leader(1),
        round: 1,
        lease: LEASE_MAX + Duration::from_millis(1),
    };
    let promised = promises.promise(asked, async { Ok(leader(1)) }).await;
    assert_eq!(promised.ok(), Some(false));
    assert!(may_vote(&promises).await);
}

/// A Vote is let through; before the core has answered it, its candidate gives up and a leader asks
/// for a promise. Answers whether the promise was made although the vote was given.
async fn promised_behind_a_vote(danger: Danger) -> bool {
    let (_, clocks) = clocks(danger);
    let promises = Arc::new(Promises::new(clocks, false, danger));
    let voted = Arc::new(AtomicU64::new(1));
    let (answer, answered) = oneshot::channel::<()>();
    let core = Arc::clone(&voted);
    let candidate = tokio::spawn({
        let promises = Arc::clone(&promises);
        async move {
            let vote = async move {
                answered.await.expect("answered");
                core.store(2, Ordering::SeqCst);
            };
            promises.let_through(vote).await
        }
    });
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
    candidate.abort();
    let asked = Asked {
        leader_id: leader(1),
        round: 1,
        lease: LEASE,
    };
    let core = async { Ok(leader(voted.load(Ordering::SeqCst))) };
    let mut promise = pin!(promises.promise(asked, core).fuse());
    let early = promise.as_mut().now_or_never();
    answer.send(()).expect("the vote still waits");
    match early {
        Some(promised) => promised.expect("an answer"),
        None => promise.await.expect("an answer"),
    }
}

#[tokio::test]
async fn no_promise_is_made_while_the_core_has_yet_to_answer_a_vote() {
    assert!(!promised_behind_a_vote(Danger::NONE).await);
    assert!(promised_behind_a_vote(Danger::of(Broken::NoPromiseLock)).await);
}

#[tokio::test]
async fn a_node_that_starts_with_a_vote_keeps_out_for_the_longest_promise_there_is() {
    for (danger, refuses) in [
        (Danger::NONE, true),
        (Danger::of(Broken::NoStartRefusal), false),
    ] {
        let (clock, clocks) = clocks(danger);
        let promises = Arc::new(Promises::new(Arc::clone(&clocks), true, danger));
        // No release knows what was promised before the start.
        promises.release(leader(9), u64::MAX).await;
        clock.advance(LEASE_MAX - Duration::from_millis(1));
        assert_eq!(may_vote(&promises).await, !refuses);
        clock.advance(Duration::from_millis(1));
        assert!(may_vote(&promises).await);
        let first = Arc::new(Promises::new(clocks, false, danger));
        assert!(
            may_vote(&first).await,
            "a node that never voted promised nothing"
        );
    }
}

#[tokio::test]
async fn a_release_cancels_promises_to_its_rounds_and_no_later_ones() {
    for (danger, cancels_all) in [
        (Danger::NONE, false),
        (Danger::of(Broken::ReleaseCancelsAll), true),
    ] {
        let (_, clocks) = clocks(danger);
        let promises = Arc::new(Promises::new(clocks, false, danger));
        assert!(ask(&promises, 1, 4, 1).await);
        assert_eq!(promises.release(leader(1), 3).await.is_zero(), cancels_all);
        assert_eq!(may_vote(&promises).await, cancels_all);
        assert!(promises.release(leader(1), 4).await.is_zero());
        assert!(may_vote(&promises).await);
    }
}

#[tokio::test]
async fn a_confirmation_that_its_release_overtook_gets_no_promise() {
    for (danger, promised) in [
        (Danger::NONE, false),
        (Danger::of(Broken::ReleasedIsPromised), true),
    ] {
        let (_, clocks) = clocks(danger);
        let promises = Arc::new(Promises::new(clocks, false, danger));
        promises.release(leader(1), 4).await;
        // A release of an older leadership that comes late forgets nothing.
        promises.release(leader(0), 9).await;
        assert_eq!(ask(&promises, 1, 4, 1).await, promised);
        assert_eq!(may_vote(&promises).await, !promised);
        assert!(ask(&promises, 1, 5, 1).await);
        assert!(
            ask(&promises, 2, 1, 2).await,
            "another leadership counts anew"
        );
    }
}

fn core_state(term: u64, membership: u64) -> CoreState {
    CoreState {
        leader_id: leader(term),
        granted: true,
        committed: None,
        membership: Membership::default(),
        membership_id: Some(LogId::new(leader(1), membership)),
    }
}

fn lease(danger: Danger) -> (TestClock, Arc<Lease>) {
    let (clock, clocks) = clocks(danger);
    (clock, Lease::new(clocks, LEASE, danger))
}

#[test]
fn a_lease_ends_a_tenth_before_the_promises_counted_from_before_they_were_asked() {
    for (danger, covers) in [
        (Danger::NONE, false),
        (Danger::of(Broken::NoLeaseMargin), true),
        (Danger::of(Broken::CountsFromAnswer), true),
    ] {
        let (clock, lease) = lease(danger);
        let state = core_state(1, 1);
        let round = lease.begin();
        clock.advance(LEASE / 2);
        lease.grant(&round, &state);
        clock.advance(LEASE * 4 / 10 - Duration::from_millis(1));
        assert!(lease.covers(&state));
        clock.advance(Duration::from_millis(1));
        assert_eq!(lease.covers(&state), covers);
        clock.advance(LEASE / 2);
        assert!(!lease.covers(&state));
    }
}

#[tokio::test]
async fn a_wall_clock_that_is_set_moves_neither_lease_nor_promise() {
    for (danger, moves) in [
        (Danger::NONE, false),
        (Danger::of(Broken::LeaseByWallClock), true),
    ] {
        let (clock, clocks) = clocks(danger);
        let lease = Lease::new(Arc::clone(&clocks), LEASE, danger);
        let promises = Arc::new(Promises::new(clocks, false, danger));
        let state = core_state(1, 1);
        lease.grant(&lease.begin(), &state);
        assert!(ask(&promises, 1, 1, 1).await);
        // Back: a lease must still end. Ahead: a promise must still hold.
        clock.set_off(-3_600_000);
        clock.advance(LEASE);
        assert_eq!(lease.covers(&state), moves);
        clock.set_off(3_600_000);
        assert!(ask(&promises, 1, 2, 1).await);
        clock.set_off(7_200_000);
        assert_eq!(may_vote(&promises).await, moves);
    }
}

#[test]
fn a_yes_to_a_round_that_was_closed_in_the_meantime_opens_nothing() {
    for (danger, covers) in [
        (Danger::NONE, false),
        (Danger::of(Broken::LateYesCounts), true),
    ] {
        let (_, lease) = lease(danger);
        let state = core_state(1, 1);
        let round = lease.begin();
        drop(lease.hold(Reason::Transfer));
        lease.grant(&round, &state);
        assert_eq!(lease.covers(&state), covers);
    }
}

#[test]
fn a_lease_covers_one_leadership_and_one_membership() {
    let (_, lease) = lease(Danger::NONE);
    for other in [core_state(2, 1), core_state(1, 2)] {
        let state = core_state(1, 1);
        lease.grant(&lease.begin(), &state);
        assert!(lease.covers(&state));
        assert!(!lease.covers(&other));
        assert!(!lease.covers(&state), "it was closed");
    }
    let counts = lease.counts();
    assert_eq!(
        (counts.closed_by_leadership, counts.closed_by_membership),
        (1, 1)
    );
}

#[test]
fn a_lease_is_held_closed_while_members_change_or_leadership_moves() {
    for reason in [Reason::Membership, Reason::Transfer] {
        let (_, lease) = lease(Danger::NONE);
        let state = core_state(1, 1);
        lease.grant(&lease.begin(), &state);
        let held = lease.hold(reason);
        assert!(!lease.covers(&state));
        let round = lease.begin();
        assert!(round.lease.is_zero(), "no promise is asked for");
        lease.grant(&round, &state);
        assert!(!lease.covers(&state));
        drop(held);
        lease.grant(&round, &state);
        assert!(!lease.covers(&state), "none was promised");
        lease.grant(&lease.begin(), &state);
        assert!(lease.covers(&state));
    }
}
