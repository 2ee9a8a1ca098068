//! Leases over whole nodes (R8). The time since boot stands still unless a test moves it, so a
//! lease holds until the test says otherwise; elections go on by their own clock.
//!
//! Each scenario runs twice: as built, where no read may be stale, and without one guard, where one
//! is.

use std::time::Duration;

use machine::{NodeId, Uid};

use super::fabric::{Link, Way};
use super::node::{Disk, Settings};
use super::region::Region;
use super::{eventually, soon};
use crate::core;
use crate::promise::Asked;
use crate::{Broken, Danger, ReadCounts, Reads, Role, Timing};

/// Longer than a few elections.
const ELECTIONS: Duration = Duration::from_millis(1_500);

/// A region of three, whose leader's lease is yet to come.
struct Stage {
    region: Region,
    leader: u64,
    others: [u64; 2],
}

impl Stage {
    async fn of(danger: Danger) -> Stage {
        let settings = Settings {
            danger,
            ..Settings::default()
        };
        let region = Region::of(3, settings).await;
        let leader = region.leader().await;
        let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
        // What founding asked of the voters runs out.
        let stage = Stage {
            region,
            leader,
            others: [others[0], others[1]],
        };
        stage.region.agree().await;
        stage.stop_clocks();
        stage.advance(&[1, 2, 3], crate::limits::LEASE_MAX);
        stage
    }

    fn stop_clocks(&self) {
        self.region
            .nodes
            .values()
            .for_each(|node| node.clock.stop());
    }

    fn advance(&self, nodes: &[u64], by: Duration) {
        let nodes = nodes.iter().map(|node| self.region.node(*node));
        nodes.for_each(|node| node.clock.advance(by));
    }

    /// A read at the leader; the lease is open afterwards.
    async fn lease(&self) {
        let before = self.counts();
        self.read(soon()).await.expect("read");
        self.read(soon()).await.expect("read");
        assert!(self.counts().lease > before.lease, "{:?}", self.counts());
        // The node has one worker: what it did after its answer is done when this has run.
        let leader = self.region.node(self.leader);
        leader.run(settled).await;
    }

    fn counts(&self) -> ReadCounts {
        self.region.node(self.leader).consensus.read_counts()
    }

    async fn read(&self, deadline: tokio::time::Instant) -> Option<crate::View> {
        let read = self
            .region
            .node(self.leader)
            .run(move |consensus| async move { consensus.read(deadline).await });
        read.await.ok()
    }

    /// Whether the leader, cut off, answers without what was written by another.
    async fn is_stale(&self) -> bool {
        let all = self.region.ids();
        self.region.fabric.isolate(self.leader, &all, Link::Silent);
        match self.written_elsewhere(&self.others).await {
            Some(uid) => self.leader_lacks(uid).await,
            None => false,
        }
    }

    /// Writes through the next leader among `nodes`, if there comes one.
    async fn written_elsewhere(&self, nodes: &[u64]) -> Option<Uid> {
        let deadline = tokio::time::Instant::now() + ELECTIONS;
        let leads = |node: &u64| {
            let status = self.region.node(*node).consensus.status();
            let heard = status.last_quorum_ack_age;
            status.role == Role::Leader && heard.is_some_and(|age| age < ELECTIONS / 4)
        };
        loop {
            if let Some(next) = nodes.iter().copied().find(leads) {
                return Some(self.region.write(next).await.expect("written"));
            }
            if tokio::time::Instant::now() > deadline {
                return None;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn leader_lacks(&self, uid: Uid) -> bool {
        let soon = tokio::time::Instant::now() + Duration::from_millis(300);
        let view = self.read(soon).await;
        view.is_some_and(|view| view.secret(&uid).is_none())
    }
}

/// Asks every peer once more, for no promise: those asked before have promised or never will, so
/// no promise is made at a time the test has moved to since.
async fn settled(consensus: crate::Consensus) {
    let rounds = &consensus.inner.rounds;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    let state = core::ask(&rounds.raft, deadline).await.expect("a state");
    let asked = Asked {
        leader_id: state.leader_id,
        round: u64::MAX,
        lease: Duration::ZERO,
    };
    for (node, member) in state.membership.nodes() {
        if *node != rounds.node {
            let address = member.peer_address.clone();
            // Whoever is cut off has not been asked before, either.
            let _ = rounds.confirm(*node, address, asked, deadline).await;
        }
    }
}

fn lease() -> Duration {
    Timing::default().lease()
}

async fn cut_off(danger: Danger) -> bool {
    let stage = Stage::of(danger).await;
    stage.lease().await;
    stage.is_stale().await
}

#[tokio::test]
async fn a_leader_that_is_cut_off_reads_by_its_lease_and_is_not_replaced_before_it_ends() {
    assert!(!cut_off(Danger::NONE).await);
    assert!(cut_off(Danger::of(Broken::NoVoteGuard)).await);
}

#[tokio::test]
async fn a_leader_whose_lease_has_ended_is_replaced_and_reads_no_more() {
    let stage = Stage::of(Danger::NONE).await;
    stage.lease().await;
    let all = stage.region.ids();
    stage
        .region
        .fabric
        .isolate(stage.leader, &all, Link::Silent);
    stage.read(soon()).await.expect("read by the lease alone");
    stage.advance(&[1, 2, 3], lease());
    let uid = stage.written_elsewhere(&stage.others).await;
    assert!(!stage.leader_lacks(uid.expect("another leader")).await);
}

/// Only `others[0]` promises; then it starts anew.
async fn promiser_restarted(danger: Danger) -> bool {
    let mut stage = Stage::of(danger).await;
    let (promiser, third) = (stage.others[0], stage.others[1]);
    stage
        .region
        .fabric
        .isolate(third, &[stage.leader], Link::Cut);
    stage.lease().await;
    let disk = stage.region.nodes.remove(&promiser).expect("it").crash();
    stage
        .region
        .fabric
        .isolate(stage.leader, &[promiser, third], Link::Silent);
    stage.region.start(disk).await;
    stage.is_stale().await
}

#[tokio::test]
async fn a_promise_outlives_the_process_that_made_it() {
    assert!(!promiser_restarted(Danger::NONE).await);
    assert!(promiser_restarted(Danger::of(Broken::NoStartRefusal)).await);
}

/// A follower stands for election while its leader's lease lasts, and asks one that has just
/// restarted, and has forgotten how long it was to wait for its leader.
async fn openrafts_lease_is_stale() -> bool {
    let mut stage = Stage::of(Danger::of(Broken::OpenraftLease)).await;
    let (restarted, candidate) = (stage.others[0], stage.others[1]);
    let disk = stage.region.nodes.remove(&restarted).expect("it").crash();
    let fabric = std::sync::Arc::clone(&stage.region.fabric);
    fabric.isolate(stage.leader, &[restarted, candidate], Link::Silent);
    stage.region.start(disk).await;
    let standing = stage.region.node(candidate).run(|consensus| async move {
        while consensus.status().role != Role::Leader {
            let _ = consensus.inner.raft.trigger().elect(false).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    });
    standing.await;
    let uid = stage.region.write(candidate).await.expect("written");
    stage.leader_lacks(uid).await
}

#[tokio::test]
async fn openrafts_lease_answers_stale_reads_so_the_test_above_means_something() {
    // It ends by openraft's own clock, a moment before or after the election.
    for _ in 0..20 {
        if openrafts_lease_is_stale().await {
            return;
        }
    }
    panic!("openraft's lease was never stale: is ours still needed?");
}

/// The leader's clock runs slower than the others', by the most that is assumed.
async fn clocks_apart(danger: Danger) -> bool {
    let stage = Stage::of(danger).await;
    stage.lease().await;
    stage.advance(&stage.others, lease());
    stage.advance(&[stage.leader], lease() * 10 / 11);
    stage.is_stale().await
}

#[tokio::test]
async fn a_lease_ends_in_time_on_a_clock_that_runs_a_tenth_slower() {
    assert!(!clocks_apart(Danger::NONE).await);
    assert!(clocks_apart(Danger::of(Broken::NoLeaseMargin)).await);
}

/// A lease of two out of three, then five voters: the other three can elect.
async fn members_added(danger: Danger) -> bool {
    let mut stage = Stage::of(danger).await;
    for node in [4, 5] {
        let disk = Disk::memory(node);
        disk.clock.stop();
        stage.region.join(disk).await;
    }
    let (promiser, third) = (stage.others[0], stage.others[1]);
    let apart = [third, 4, 5];
    for node in apart {
        stage
            .region
            .fabric
            .isolate(node, &[stage.leader], Link::Cut);
    }
    stage.lease().await;
    for node in apart {
        stage.region.fabric.isolate(node, &[stage.leader], Link::Up);
    }
    for node in [4, 5] {
        stage.region.promote(node).await;
    }
    stage.region.agree().await;
    for node in [stage.leader, promiser] {
        stage.region.fabric.isolate(node, &apart, Link::Silent);
    }
    match stage.written_elsewhere(&apart).await {
        Some(uid) => stage.leader_lacks(uid).await,
        None => panic!("three of five elect nobody"),
    }
}

#[tokio::test]
async fn a_change_of_membership_closes_the_lease() {
    assert!(!members_added(Danger::NONE).await);
    assert!(members_added(Danger::of(Broken::NoCloseOnMembership)).await);
}

/// The leader hands over, and hears nothing of what becomes of it.
async fn handed_over(danger: Danger) -> bool {
    let stage = Stage::of(danger).await;
    stage.lease().await;
    for other in stage.others {
        for way in [Way::Asks, Way::Replies] {
            let fabric = &stage.region.fabric;
            fabric.set(other, stage.leader, way, Link::Silent);
        }
    }
    let heir = NodeId(stage.others[0]);
    let handing = stage
        .region
        .node(stage.leader)
        .run(move |consensus| async move { consensus.transfer_leader(Some(heir), soon()).await });
    let uid = stage.written_elsewhere(&stage.others).await;
    let stale = stage.leader_lacks(uid.expect("an heir")).await;
    drop(handing);
    stale
}

#[tokio::test]
async fn a_leader_that_hands_over_closes_its_lease_first() {
    assert!(!handed_over(Danger::NONE).await);
    assert!(handed_over(Danger::of(Broken::NoCloseOnTransfer)).await);
}

/// The lease ends between two reads.
async fn ended_between_reads(danger: Danger) -> bool {
    let stage = Stage::of(danger).await;
    stage.lease().await;
    stage.advance(&[1, 2, 3], lease());
    stage.is_stale().await
}

#[tokio::test]
async fn a_lease_that_was_looked_at_before_the_read_came_answers_nothing() {
    assert!(!ended_between_reads(Danger::NONE).await);
    assert!(ended_between_reads(Danger::of(Broken::IndexAfterCheck)).await);
}

#[tokio::test]
async fn a_leader_makes_the_promise_it_asks_for() {
    for (danger, promised) in [
        (Danger::NONE, true),
        (Danger::of(Broken::NoOwnPromise), false),
    ] {
        let stage = Stage::of(danger).await;
        stage.lease().await;
        let rounds = &stage.region.node(stage.leader).consensus.inner.rounds;
        assert_eq!(rounds.promises.check().await.is_err(), promised);
    }
}

#[tokio::test]
async fn promises_are_given_back_before_leadership_is_handed_over() {
    let stage = Stage::of(Danger::NONE).await;
    stage.lease().await;
    let heir = stage.others[1];
    let handed = stage
        .region
        .node(stage.leader)
        .run(move |consensus| async move {
            consensus.transfer_leader(Some(NodeId(heir)), soon()).await
        });
    handed.await.expect("handed over while all promises stand");
    assert_eq!(stage.region.leader().await, heir);
    assert_eq!(stage.counts().closed_by_transfer, 1);
}

#[tokio::test]
async fn a_lease_answers_any_number_of_reads_without_another_round() {
    let stage = Stage::of(Danger::NONE).await;
    stage.lease().await;
    let before = stage.counts();
    for _ in 0..100 {
        stage.read(soon()).await.expect("read");
    }
    let follower = stage.region.node(stage.others[0]);
    let forwarded = follower.run(|consensus| async move { consensus.read(soon()).await.map(drop) });
    forwarded.await.expect("read by the leader's lease");
    let after = stage.counts();
    assert_eq!(after.lease - before.lease, 101);
    assert_eq!(after.barrier, before.barrier);
}

#[tokio::test]
async fn a_lease_is_renewed_behind_the_reads_it_answers() {
    let stage = Stage::of(Danger::NONE).await;
    stage.lease().await;
    let before = stage.counts();
    for _ in 0..10 {
        stage.advance(&[1, 2, 3], lease() / 2);
        stage.read(soon()).await.expect("read");
        let rounds = &stage.region.node(stage.leader).consensus.inner.rounds;
        eventually("the renewal is through", || !rounds.lease.is_due()).await;
    }
    assert_eq!(stage.counts().barrier, before.barrier);
}

#[tokio::test]
async fn without_leases_nothing_is_promised_and_each_batch_costs_a_round() {
    let settings = Settings {
        reads: Reads::ReadIndex,
        ..Settings::default()
    };
    let region = Region::of(3, settings).await;
    let leader = region.leader().await;
    for _ in 0..10 {
        let read = region
            .node(leader)
            .run(|consensus| async move { consensus.read(soon()).await.map(drop) });
        read.await.expect("read");
    }
    let counts = region.node(leader).consensus.read_counts();
    assert_eq!((counts.lease, counts.barrier), (0, 10));
    for node in region.nodes.values() {
        let promises = &node.consensus.inner.rounds.promises;
        promises.check().await.expect("nothing promised");
    }
}
