//! Writes and reads through any node, while nodes come and go.

use std::time::Duration;

use machine::{Command, Outcome};

use super::fabric::Link;
use super::node::{Disk, REGION, Settings};
use super::region::{Region, create, propose, uid_of, value, version_id};
use super::{eventually, soon};
use crate::{Keep, Unavailable};

#[tokio::test]
async fn one_node_founds_a_region_writes_and_reads() {
    let region = Region::of(1, Settings::default()).await;
    let (uid, command) = create(Some(value(1, 100)));
    let committed = region.propose(1, command).await.expect("committed");
    assert!(matches!(committed.answer, Ok(Outcome::Secret { .. })));
    assert!(!committed.positions.is_empty());
    let view = region
        .node(1)
        .run(|consensus| async move { consensus.read(soon()).await })
        .await
        .expect("a view");
    assert!(view.index() >= committed.index);
    let sealed = view.value(&uid, &version_id(1)).expect("readable");
    assert_eq!(sealed.expect("there").ciphertext.len(), 100);
}

#[tokio::test]
async fn a_follower_forwards_writes_and_shows_them_at_once() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    for via in region.ids() {
        let uid = region.write(via).await.expect("written");
        for at in region.ids() {
            assert_eq!(
                region.shows(at, uid).await.ok(),
                Some(true),
                "{via} then {at}"
            );
        }
    }
    assert_eq!(region.leader().await, leader);
    region.agree().await;
}

#[tokio::test]
async fn a_rejection_is_the_same_through_a_follower() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let follower = region
        .ids()
        .into_iter()
        .find(|node| *node != leader)
        .expect("one");
    let (uid, command) = create(None);
    region
        .propose(leader, command.clone())
        .await
        .expect("committed")
        .answer
        .expect("accepted");
    // The same name again, for another secret.
    let Command::CreateSecret(mut again) = command else {
        panic!("not a creation");
    };
    again.uid = uid_of(REGION, u64::from(uid.0[15]) << 32);
    let command = Command::CreateSecret(again);
    let here = region
        .propose(leader, command.clone())
        .await
        .expect("committed")
        .answer;
    let there = region
        .propose(follower, command)
        .await
        .expect("committed")
        .answer;
    assert_eq!(here.expect_err("rejected"), there.expect_err("rejected"));
}

#[tokio::test]
async fn an_entry_that_is_too_large_is_refused_as_such_by_a_follower_too() {
    let region = Region::of(2, Settings::default()).await;
    for via in region.ids() {
        let (_, command) = create(Some(value(1, crate::limits::ENTRY_BYTES_MAX)));
        let refused = region.propose(via, command).await;
        assert!(matches!(refused, Err(Unavailable::EntryTooLarge { .. })));
    }
}

#[tokio::test]
async fn a_leader_knows_a_clock_before_its_first_heartbeat_is_answered() {
    let region = Region::of(2, Settings::default()).await;
    let leader = region.leader().await;
    let next = region.ids().into_iter().find(|node| *node != leader);
    let next = next.expect("a follower");
    let stamped = region.node(next).run(move |consensus| async move {
        let node = machine::NodeId(next);
        consensus
            .transfer_leader(Some(node), soon())
            .await
            .map(|()| {
                let clocks = &consensus.inner.clocks;
                clocks.stamp(false).is_ok()
            })
    });
    assert!(stamped.await.expect("transferred"));
}

#[tokio::test]
async fn the_leader_stops_and_writes_go_on() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let before = region.write(leader).await.expect("written");
    let disk = region.nodes.remove(&leader).expect("the leader").crash();
    let survivor = region.ids()[0];
    let after = region.write(survivor).await.expect("written");
    for at in region.ids() {
        assert_eq!(region.shows(at, before).await.ok(), Some(true));
        assert_eq!(region.shows(at, after).await.ok(), Some(true));
    }
    region.start(disk).await;
    assert_eq!(region.shows(leader, after).await.ok(), Some(true));
    region.agree().await;
}

/// Three nodes whose connections do not end by themselves within the time of a proposal.
async fn slow_to_notice_silence() -> Region {
    let mut region = Region::of(1, Settings::default()).await;
    region.fabric.notice_silence_after(super::PATIENCE);
    for node in 2..=3 {
        region.join(Disk::memory(node)).await;
        region.promote(node).await;
    }
    region
}

#[tokio::test]
async fn nothing_is_sent_to_a_leader_that_has_been_silent_for_long() {
    let region = slow_to_notice_silence().await;
    let follower = region.leader().await % 3 + 1;
    region.write(follower).await.expect("a connection");
    region.fabric.isolate(follower, &[1, 2, 3], Link::Silent);
    eventually("the leader seems lost", || {
        let status = region.node(follower).consensus.status();
        status.leader_silence > Some(crate::Timing::default().election_max)
    })
    .await;
    let (_, command) = create(None);
    let deadline = tokio::time::Instant::now() + Duration::from_millis(200);
    let proposed = region
        .node(follower)
        .run(move |consensus| propose(consensus, command, deadline));
    let proposed = proposed.await.err();
    // Nothing was written: the caller may send it to another node at once.
    assert!(
        matches!(proposed, Some(Unavailable::NoLeader { .. })),
        "{proposed:?}"
    );
}

#[tokio::test]
async fn a_proposal_on_its_way_to_a_leader_that_fell_silent_ends_with_the_next_leader() {
    let region = slow_to_notice_silence().await;
    let leader = region.leader().await;
    let others: Vec<u64> = (1..=3).filter(|node| *node != leader).collect();
    region.write(others[0]).await.expect("a connection");
    region.fabric.isolate(leader, &others, Link::Silent);
    let (_, command) = create(None);
    let deadline = soon();
    let proposed = region
        .node(others[0])
        .run(move |consensus| propose(consensus, command, deadline));
    let proposed = proposed.await.err();
    assert!(tokio::time::Instant::now() < deadline);
    assert!(
        matches!(proposed, Some(Unavailable::OutcomeUnknown)),
        "{proposed:?}"
    );
    region.write(others[0]).await.expect("written");
}

#[tokio::test]
async fn a_shutdown_hands_leadership_over_first() {
    let mut region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let term = region.node(leader).consensus.status().term;
    region
        .nodes
        .remove(&leader)
        .expect("the leader")
        .shutdown()
        .await;
    let next = region.leader().await;
    assert_ne!(next, leader);
    assert_eq!(region.node(next).consensus.status().term, term + 1);
}

#[tokio::test]
async fn an_isolated_follower_that_returns_does_not_depose_the_leader() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let term = region.node(leader).consensus.status().term;
    let ids = region.ids();
    let alone = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    region.fabric.isolate(alone, &ids, Link::Cut);
    let missed = region.write(leader).await.expect("written");
    // Several rounds of both others asked in vain: without pre-vote its term would have grown.
    let refused = region.fabric.refused(alone);
    eventually("it has asked for votes", || {
        region.fabric.refused(alone) >= refused + 8
    })
    .await;
    region.fabric.isolate(alone, &ids, Link::Up);
    assert_eq!(region.shows(alone, missed).await.ok(), Some(true));
    assert_eq!(region.leader().await, leader);
    assert_eq!(region.node(leader).consensus.status().term, term);
}

#[tokio::test]
async fn an_isolated_leader_answers_no_read_and_no_write() {
    let region = Region::of(3, Settings::default()).await;
    let leader = region.leader().await;
    let ids = region.ids();
    region.fabric.isolate(leader, &ids, Link::Silent);
    let others: Vec<u64> = ids.iter().copied().filter(|node| *node != leader).collect();
    region.leader_among(&others).await;
    let deadline = tokio::time::Instant::now() + Duration::from_millis(300);
    let read = region
        .node(leader)
        .run(move |consensus| async move { consensus.read(deadline).await.map(drop) })
        .await;
    assert!(read.expect_err("no quorum").is_safe_to_retry());
    let (_, command) = create(None);
    let written = region
        .node(leader)
        .run(move |consensus| super::region::propose(consensus, command, deadline))
        .await;
    assert!(matches!(
        written,
        Err(Unavailable::OutcomeUnknown | Unavailable::NoLeader { .. })
    ));
    region.fabric.isolate(leader, &ids, Link::Up);
    region.agree().await;
}

#[tokio::test]
async fn values_beyond_the_budget_leave_memory_and_stay_readable() {
    let keep = Keep {
        value_memory_bytes: 10_000,
        ..Keep::default()
    };
    let settings = Settings {
        keep,
        ..Settings::default()
    };
    let region = Region::of(1, settings).await;
    let mut uids = Vec::new();
    for _ in 0..40 {
        let (uid, command) = create(Some(value(3, 1_000)));
        region
            .propose(1, command)
            .await
            .expect("committed")
            .answer
            .expect("accepted");
        uids.push(uid);
    }
    let node = region.node(1);
    eventually("the rows have everything", || {
        node.consensus.inner.backlog.written() >= node.consensus.local_view().index().0
    })
    .await;
    // Eviction follows the next entry.
    region.write(1).await.expect("written");
    let view = node.consensus.local_view();
    assert!(view.counts().resident_value_bytes <= 10_000);
    for uid in uids {
        let value = view.value(&uid, &version_id(3)).expect("readable");
        assert_eq!(value.expect("there").ciphertext.len(), 1_000);
    }
}

#[tokio::test]
async fn a_restart_loads_the_rows_and_replays_the_log() {
    let mut region = Region::of(1, Settings::default()).await;
    let uid = region.write(1).await.expect("written");
    let hash = region.node(1).consensus.local_view().node_hash();
    let disk: Disk = region.nodes.remove(&1).expect("the node").crash();
    region.start(disk).await;
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
}
