//! Nodes join, are promoted and removed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use machine::NodeId;
use openraft::errors::{ClientWriteError, RaftError};

use super::fabric::Link;
use super::node::{Disk, Settings, member};
use super::region::{Region, audit};
use super::{eventually, soon};
use crate::membership::Change;
use crate::types::{Membership, TypeConfig};
use crate::{MembershipError, Role, Unavailable};

async fn remove(region: &Region, via: u64, node: u64) -> Result<(), MembershipError> {
    region
        .node(via)
        .run(move |consensus| async move { consensus.remove(NodeId(node), audit(), soon()).await })
        .await
}

#[tokio::test]
async fn a_learner_receives_everything_and_does_not_vote() {
    let mut region = Region::of(1, Settings::default()).await;
    let uid = region.write(1).await.expect("written");
    region.join(Disk::memory(2)).await;
    assert_eq!(region.shows(2, uid).await.ok(), Some(true));
    let status = region.node(2).consensus.status();
    assert_eq!(status.role, Role::Learner);
    assert_eq!(status.voters, [NodeId(1)]);
}

#[tokio::test]
async fn a_node_that_never_ran_gets_no_vote() {
    let mut region = Region::of(1, Settings::default()).await;
    region.admit(2).await;
    let promote =
        |consensus: crate::Consensus| async move { consensus.promote(NodeId(2), soon()).await };
    let refused = region.node(1).run(promote).await;
    assert!(
        matches!(refused, Err(MembershipError::NotHeard { .. })),
        "{refused:?}"
    );
    region.write(1).await.expect("written");
    // It starts at last, and may vote as soon as it answers.
    region.start(Disk::memory(2)).await;
    region.promote(2).await;
    remove(&region, 1, 2).await.expect("removed");
}

#[tokio::test]
async fn a_learner_that_fell_silent_gets_no_vote_and_can_be_removed() {
    let mut region = Region::of(1, Settings::default()).await;
    region.join(Disk::memory(2)).await;
    let leader = region.node(1).consensus.clone();
    eventually("the learner has everything", || {
        leader.inner.members.lag(2) == 0
    })
    .await;
    region.nodes.remove(&2).expect("the learner").crash();
    // Promoted at once it might still count as one that answers.
    eventually("the leader notices the silence", || {
        !leader.inner.members.has_answered(2)
    })
    .await;
    let promote =
        |consensus: crate::Consensus| async move { consensus.promote(NodeId(2), soon()).await };
    let refused = region.node(1).run(promote).await;
    assert!(
        matches!(refused, Err(MembershipError::NotHeard { .. })),
        "{refused:?}"
    );
    remove(&region, 1, 2).await.expect("removed");
    region.write(1).await.expect("written");
}

#[tokio::test]
async fn a_removed_node_is_cut_at_once() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let ids = region.ids();
    let gone = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    remove(&region, leader, gone).await.expect("removed");
    let status = region.node(leader).consensus.status();
    assert!(!status.voters.contains(&NodeId(gone)));
    assert!(
        region
            .node(leader)
            .consensus
            .local_view()
            .node(NodeId(gone))
            .is_none()
    );
    // What it asks of the others is refused: it cannot read or write any more.
    let deadline = tokio::time::Instant::now() + Duration::from_millis(500);
    let read = region
        .node(gone)
        .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
        .await;
    assert!(read.is_err());
    eventually("it knows that it was removed", || {
        region.node(gone).consensus.status().removed
    })
    .await;
    assert!(!region.node(leader).consensus.status().removed);
}

#[tokio::test]
async fn a_leader_that_is_removed_hands_over_first() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    remove(&region, leader, leader).await.expect("removed");
    region.nodes.remove(&leader);
    let next = region.leader().await;
    assert_ne!(next, leader);
    region.write(next).await.expect("written");
    assert_eq!(region.node(next).consensus.status().voters.len(), 2);
}

#[tokio::test]
async fn a_node_can_be_removed_through_itself() {
    let mut region = Region::of(4, Settings::default()).await;
    let leader = region.leader().await;
    let follower = region.ids().into_iter().find(|node| *node != leader);
    for gone in [follower.expect("a follower"), leader] {
        remove(&region, gone, gone).await.expect("removed");
        // The answer was lost: others give the same again.
        let other = region.ids().into_iter().find(|node| *node != gone);
        let other = other.expect("another");
        remove(&region, other, gone).await.expect("still removed");
        region.nodes.remove(&gone);
    }
}

#[tokio::test]
async fn a_node_taken_out_of_the_membership_finds_a_leader_it_never_heard_of() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let mut others = region.ids();
    others.retain(|node| *node != leader);
    let (out, heir) = (others[0], others[1]);
    // The first half of a removal: the key is not cut yet.
    let half = region.node(leader).run(move |consensus| async move {
        let members = &consensus.inner.members;
        members.change(Change::Remove(out), soon()).await
    });
    half.await.expect("taken out");
    let moved = region.node(leader).run(move |consensus| async move {
        consensus.transfer_leader(Some(NodeId(heir)), soon()).await
    });
    moved.await.expect("transferred");
    region.write(out).await.expect("written");
    remove(&region, out, out).await.expect("removed");
}

#[tokio::test]
async fn a_transfer_ends_when_somebody_else_has_won() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let mut others = region.ids();
    others.retain(|node| *node != leader);
    let (heir, winner) = (others[0], others[1]);
    let members = region.node(leader).consensus.clone();
    // The heir hears nothing; the other one gets elected meanwhile.
    region.fabric.isolate(heir, &region.ids(), Link::Silent);
    let transfer = region
        .node(leader)
        .run(move |_| async move { members.inner.members.transfer(heir, soon()).await });
    let moved = region.node(leader).run(move |consensus| async move {
        consensus
            .transfer_leader(Some(NodeId(winner)), soon())
            .await
    });
    moved.await.expect("transferred");
    let ended = transfer.await;
    let won = Unavailable::NoLeader {
        leader: Some(NodeId(winner)),
    };
    assert_eq!(
        ended.expect_err("not to the heir").to_string(),
        MembershipError::from(won).to_string()
    );
    region.fabric.isolate(heir, &region.ids(), Link::Up);
}

#[tokio::test]
async fn a_removal_below_quorum_is_refused() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let followers: Vec<u64> = region
        .ids()
        .into_iter()
        .filter(|node| *node != leader)
        .collect();
    region
        .nodes
        .remove(&followers[0])
        .expect("a follower")
        .crash();
    region.fall_silent(leader, followers[0]).await;
    let refused = remove(&region, leader, followers[1]).await;
    assert!(matches!(
        refused,
        Err(MembershipError::BelowQuorum {
            live: 1,
            needed: 2,
            ..
        })
    ));
    // The silent one may go: two remain and both answer.
    remove(&region, leader, followers[0])
        .await
        .expect("removed");
    region.write(leader).await.expect("written");
}

#[tokio::test]
async fn a_change_whose_caller_gave_up_is_finished_all_the_same() {
    let mut region = Region::of(1, Settings::default()).await;
    region.join(Disk::memory(2)).await;
    let leader = region.node(1).consensus.clone();
    eventually("the learner has everything", || {
        leader.inner.members.lag(2) == 0
    })
    .await;
    region.fabric.delay(Duration::from_millis(20));
    let hurried = region.node(1).run(|consensus| async move {
        let deadline = tokio::time::Instant::now() + Duration::from_millis(10);
        consensus.promote(NodeId(2), deadline).await
    });
    assert!(hurried.await.is_err());
    eventually("two voters, no longer joint", || {
        crate::core::metrics(&leader.inner.raft, |metrics| {
            let halves = metrics.membership_config.membership().get_joint_config();
            halves.len() == 1 && halves.iter().all(|voters| voters.len() == 2)
        })
    })
    .await;
}

/// Writes the first half of a change that gives `node` a vote, and answers who wrote it.
async fn half_promote(region: &Region, node: u64) -> u64 {
    loop {
        let leader = region.leader().await;
        match try_half_promote(region, leader, node).await {
            Ok(()) => return leader,
            // On a busy machine leadership may just have moved.
            Err(error) => assert!(error.forward_to_leader().is_some(), "{error}"),
        }
    }
}

async fn try_half_promote(
    region: &Region,
    leader: u64,
    node: u64,
) -> Result<(), RaftError<TypeConfig, ClientWriteError<TypeConfig>>> {
    let written = region.node(leader).run(move |consensus| async move {
        let raft = &consensus.inner.raft;
        let now = crate::core::metrics(raft, |metrics| {
            metrics.membership_config.membership().clone()
        });
        let voters: BTreeSet<u64> = now.voter_ids().collect();
        let mut more = voters.clone();
        more.insert(node);
        let members = now.nodes().map(|(node, member)| (*node, member.clone()));
        let joint = Membership::new(vec![voters, more], members.collect::<BTreeMap<_, _>>());
        let joint = joint.expect("a membership");
        let payload = openraft::EntryPayload::Blank;
        raft.append_membership(joint, payload, []).await.map(drop)
    });
    written.await
}

/// How many halves the membership has and how many vote, as `node` knows.
fn halves_and_voters(region: &Region, node: u64) -> (usize, usize) {
    let raft = &region.node(node).consensus.inner.raft;
    crate::core::metrics(raft, |metrics| {
        let membership = metrics.membership_config.membership();
        let halves = membership.get_joint_config().len();
        (halves, membership.voter_ids().count())
    })
}

#[tokio::test]
async fn a_change_left_half_made_is_finished_by_the_next_leader() {
    let mut region = Region::of(3, Settings::default()).await;
    region.join(Disk::memory(4)).await;
    let leader = half_promote(&region, 4).await;
    assert_eq!(halves_and_voters(&region, leader), (2, 4));
    region.nodes.remove(&leader).expect("the leader").crash();
    let next = region.leader().await;
    eventually("one half, with all voters", || {
        halves_and_voters(&region, next) == (1, 4)
    })
    .await;
    region.write(next).await.expect("written");
}

#[tokio::test]
async fn a_promotion_asked_for_while_the_membership_is_joint_is_made_whole() {
    let mut region = Region::of(1, Settings::default()).await;
    region.join(Disk::memory(2)).await;
    half_promote(&region, 2).await;
    assert_eq!(halves_and_voters(&region, 1), (2, 2));
    region.promote(2).await;
    assert_eq!(halves_and_voters(&region, 1), (1, 2));
}

#[tokio::test]
async fn the_last_voter_cannot_be_removed() {
    let region = Region::of(1, Settings::default()).await;
    assert!(matches!(
        remove(&region, 1, 1).await,
        Err(MembershipError::BelowQuorum { .. })
    ));
}

#[tokio::test]
async fn changes_asked_of_a_follower_are_made_by_the_leader() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = region
        .ids()
        .into_iter()
        .find(|node| *node != leader)
        .expect("one");
    region.join(Disk::memory(4)).await;
    let twice = region
        .node(follower)
        .run(|consensus| async move { consensus.add_learner(&member(4), soon()).await })
        .await;
    twice.expect("already there");
    let mut elsewhere = member(4);
    elsewhere.peer_address = "elsewhere:1".to_owned();
    let refused = region
        .node(follower)
        .run(move |consensus| async move { consensus.add_learner(&elsewhere, soon()).await })
        .await;
    assert!(matches!(
        refused,
        Err(MembershipError::AddressDiffers { .. })
    ));
    region
        .node(follower)
        .run(move |consensus| async move {
            consensus
                .transfer_leader(Some(NodeId(follower)), soon())
                .await
        })
        .await
        .expect("transferred");
    assert_eq!(region.leader().await, follower);
    let unknown = region
        .node(leader)
        .run(|consensus| async move { consensus.promote(NodeId(9), soon()).await })
        .await;
    assert!(matches!(unknown, Err(MembershipError::UnknownNode { .. })));
}

#[tokio::test]
async fn a_node_with_another_key_or_cluster_is_refused() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let ids = region.ids();
    let follower = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    let foreign = [
        |identity: &mut wire::PeerIdentity| identity.public_key = [99; 32],
        |identity: &mut wire::PeerIdentity| identity.cluster = "00".repeat(16),
        |identity: &mut wire::PeerIdentity| identity.region = "us-east-1".to_owned(),
    ];
    for change in foreign {
        let mut identity = wire::PeerIdentity {
            cluster: super::node::CLUSTER.to_string(),
            region: super::node::REGION.to_owned(),
            node: follower,
            public_key: member(follower).public_key.0,
        };
        change(&mut identity);
        // New connections carry the wrong identity.
        region.fabric.isolate(follower, &ids, Link::Cut);
        region.fabric.identify(follower, identity);
        region.fabric.isolate(follower, &ids, Link::Up);
        let deadline = tokio::time::Instant::now() + Duration::from_millis(400);
        let read = region
            .node(follower)
            .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
            .await;
        assert!(read.is_err());
    }
    assert_eq!(region.leader().await, leader);
}

#[tokio::test]
async fn leadership_is_not_offered_to_a_node_that_is_not_heard() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let silent = leader % 3 + 1;
    region.fabric.isolate(silent, &region.ids(), Link::Cut);
    let members = &region.node(leader).consensus.inner.members;
    eventually("it is not heard", || {
        !members.live_voters().contains(&silent)
    })
    .await;
    let term = region.node(leader).consensus.status().term;
    let refused = region.node(leader).run(move |consensus| async move {
        consensus
            .transfer_leader(Some(NodeId(silent)), soon())
            .await
    });
    let refused = refused.await;
    assert!(
        matches!(refused, Err(MembershipError::NotHeard { .. })),
        "{refused:?}"
    );
    assert_eq!(region.node(leader).consensus.status().term, term);
    region.write(leader).await.expect("written");
    region.fabric.isolate(silent, &region.ids(), Link::Up);
}
