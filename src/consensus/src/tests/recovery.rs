//! What is lost is rebuilt: from rows, snapshot, log or a peer.

use std::sync::Arc;

use bytes::Bytes;
use store::{Cipher, SnapshotDir, Stamped};
use wire::raft::v1;

use super::fabric::Link;
use super::node::{Disk, Plain, Running, Settings};
use super::region::{Region, create, value, version_id};
use super::{eventually, soon};
use crate::links::Lane;
use crate::{Fault, Keep, OpenError};

const SMALL: Settings = Settings {
    keep: Keep {
        value_memory_bytes: 20_000,
        snapshot_entries: 50,
        log_entries: 5,
    },
    reads: crate::Reads::Lease,
    danger: crate::Danger::NONE,
    scrub_interval: std::time::Duration::ZERO,
};

async fn snapshot(region: &Region, node: u64) {
    let consensus = region.node(node).consensus.clone();
    let applied = consensus.local_view().index();
    let deadline = soon();
    loop {
        let status = consensus.status();
        if status.snapshot >= Some(applied) && status.purged.is_some() {
            return;
        }
        assert!(
            tokio::time::Instant::now() < deadline,
            "no snapshot: {status:?}"
        );
        // Ignored while another one is being written.
        let asked = region
            .node(node)
            .run(|consensus| async move { consensus.snapshot().await });
        asked.await.expect("triggered");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_follower_that_was_away_past_the_purge_is_sent_a_snapshot_while_writes_go_on() {
    let region = Region::of(3, SMALL).await;
    let leader = region.leader().await;
    let ids = region.ids();
    let away = *ids
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    region.fabric.isolate(away, &ids, Link::Cut);
    let mut written = Vec::new();
    for number in 0..60 {
        let (uid, command) = create(Some(value(number, 2_000)));
        let committed = region.propose(leader, command).await.expect("committed");
        committed.answer.expect("accepted");
        written.push((uid, number));
    }
    snapshot(&region, leader).await;
    region.fabric.isolate(away, &ids, Link::Up);
    for _ in 0..20 {
        region.write(leader).await.expect("written");
    }
    region.agree().await;
    assert!(region.node(away).consensus.status().snapshot.is_some());
    let view = region.node(away).consensus.local_view();
    assert!(view.counts().resident_value_bytes <= SMALL.keep.value_memory_bytes);
    for (uid, number) in written {
        let value = view.value(&uid, &version_id(number)).expect("readable");
        assert_eq!(value.expect("there").ciphertext[0], number);
    }
}

#[tokio::test]
async fn lost_rows_are_rebuilt_from_snapshot_and_log() {
    let mut region = Region::of(1, SMALL).await;
    for number in 0..60 {
        let (_, command) = create(Some(value(number, 500)));
        region
            .propose(1, command)
            .await
            .expect("committed")
            .answer
            .expect("accepted");
    }
    snapshot(&region, 1).await;
    let after = region.write(1).await.expect("written");
    let hash = region.node(1).consensus.local_view().node_hash();
    let disk = region.nodes.remove(&1).expect("the node").crash();
    region.start(disk.without_rows()).await;
    assert_eq!(region.shows(1, after).await.ok(), Some(true));
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
}

#[tokio::test]
async fn loading_a_snapshot_keeps_no_more_values_in_memory_than_is_allowed() {
    let region = Region::of(1, SMALL).await;
    for number in 0..60 {
        let (_, command) = create(Some(value(number, 2_000)));
        let committed = region.propose(1, command).await.expect("committed");
        committed.answer.expect("accepted");
    }
    snapshot(&region, 1).await;
    let budget = SMALL.keep.value_memory_bytes;
    let loaded = region.node(1).run(move |consensus| async move {
        let snapshots = &consensus.inner.snapshots;
        let current = snapshots.current().expect("a snapshot");
        snapshots.load(current.snapshot, budget).await
    });
    let (state, applied) = loaded.await.expect("loaded");
    assert_eq!(state.node_hash().0.to_vec(), applied.node_hash);
    assert_eq!(state.counts().versions, 60);
    assert!(state.counts().resident_value_bytes <= budget);
}

/// A key that no row of the region has.
const STRAY: &[u8] = b"\x01stray";

/// Starts a node whose rows hold one that is not the state's, under this meta if any.
async fn start_on_stray_rows(meta: Option<&[u8]>) {
    let mut region = Region::of(1, SMALL).await;
    for number in 0..60 {
        let (_, command) = create(Some(value(number, 500)));
        let committed = region.propose(1, command).await.expect("committed");
        committed.answer.expect("accepted");
    }
    snapshot(&region, 1).await;
    let after = region.write(1).await.expect("written");
    let disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    let present = disk.rows.meta().expect("readable").expect("a meta");
    let batch = store::Batch {
        puts: vec![(STRAY.to_vec(), b"stray".to_vec())],
        deletes: Vec::new(),
        meta: meta.map_or(present, <[u8]>::to_vec),
    };
    disk.rows.write(batch).expect("written");
    region.start(disk).await;
    assert_eq!(region.shows(1, after).await.ok(), Some(true));
    let node = region.node(1);
    super::eventually("the rows have everything", || {
        node.consensus.inner.backlog.written() >= node.consensus.local_view().index().0
    })
    .await;
    let meta = node.disk.rows.meta().expect("readable").expect("a meta");
    let meta = crate::codec::Applied::decode(&meta).expect("decodes");
    let held = crate::state_rows::load_state(node.disk.rows.scan(), &meta.node_hash, u64::MAX);
    assert!(held.is_ok(), "{:?}", held.err());
    assert_eq!(node.disk.rows.row(STRAY).expect("readable"), None);
}

#[tokio::test]
async fn rows_that_do_not_add_up_are_cleared_before_the_log_is_replayed() {
    start_on_stray_rows(None).await;
}

#[tokio::test]
async fn rows_with_a_meta_that_does_not_decode_are_cleared_too() {
    start_on_stray_rows(Some(b"\xff\xff no meta")).await;
}

#[tokio::test]
async fn a_leader_that_restarts_is_elected_again_before_it_leads() {
    let mut region = Region::of(1, Settings::default()).await;
    let uid = region.write(1).await.expect("written");
    let term = region.node(1).consensus.status().term;
    let disk = region.nodes.remove(&1).expect("the node").crash();
    region.start(disk).await;
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    assert!(region.node(1).consensus.status().term > term);
}

#[tokio::test]
async fn a_node_that_lost_rows_and_snapshots_says_so() {
    let mut region = Region::of(1, SMALL).await;
    for _ in 0..60 {
        region.write(1).await.expect("written");
    }
    snapshot(&region, 1).await;
    let disk = region.nodes.remove(&1).expect("the node").crash();
    std::fs::remove_dir_all(&disk.snapshots).expect("removed");
    let opened = Running::start(disk.without_rows(), &region.fabric, SMALL).await;
    assert!(matches!(opened.err(), Some(OpenError::StateLost { .. })));
}

#[tokio::test]
async fn a_node_that_lost_its_log_but_not_its_rows_does_not_vote_again_under_its_id() {
    let mut region = Region::of(1, Settings::default()).await;
    region.write(1).await.expect("written");
    // Stopped in order: the rows are written.
    let disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    let without_log = Disk {
        log: Arc::new(store::MemoryLog::new()),
        ..disk
    };
    let refused = Running::start(without_log, &region.fabric, region.settings).await;
    assert!(matches!(refused.err(), Some(OpenError::VoteLost { .. })));
}

#[tokio::test]
async fn rows_beyond_a_log_that_lost_its_end_are_gone_on_from() {
    let mut region = Region::of(1, Settings::default()).await;
    region.write(1).await.expect("written");
    let node = region.node(1).consensus.clone();
    node.snapshot().await.expect("under way");
    eventually("a snapshot", || node.status().snapshot.is_some()).await;
    let snapshot = node.status().snapshot.expect("it").0;
    let uid = region.write(1).await.expect("written");
    drop(node);
    let disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    // Others had made it durable: this node applied what its own log was still to sync.
    disk.log.truncate_after(Some(snapshot)).expect("truncated");
    region.start(disk).await;
    region.leader().await;
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    region.write(1).await.expect("written");
    let status = region.node(1).consensus.status();
    assert!(
        status.snapshot > Some(machine::LogIndex(snapshot)),
        "{status:?}"
    );
}

#[tokio::test]
async fn a_wiped_node_rejoins_under_a_new_id() {
    let mut region = Region::of(3, SMALL).await;
    for _ in 0..60 {
        region.write(1).await.expect("written");
    }
    let leader = region.leader().await;
    snapshot(&region, leader).await;
    let lost = *region
        .ids()
        .iter()
        .find(|node| **node != leader)
        .expect("a follower");
    region.nodes.remove(&lost).expect("the node").crash();
    region.join(Disk::memory(4)).await;
    region.promote(4).await;
    region.fall_silent(leader, lost).await;
    region
        .node(leader)
        .run(move |consensus| async move {
            let node = machine::NodeId(lost);
            consensus.remove(node, super::region::audit(), soon()).await
        })
        .await
        .expect("removed");
    let uid = region.write(4).await.expect("written");
    assert_eq!(region.shows(4, uid).await.ok(), Some(true));
    region.agree().await;
}

#[tokio::test]
async fn a_snapshot_of_another_cluster_is_refused() {
    let region = Region::of(1, Settings::default()).await;
    let dir = tempfile::tempdir().expect("a directory");
    let foreign = Stamped {
        cluster: [9; 16],
        region: super::node::REGION.to_owned(),
        node: 2,
    };
    let cipher: Arc<dyn Cipher> = Arc::new(Plain);
    let foreign = SnapshotDir::open(dir.path(), &foreign, cipher).expect("a directory");
    let meta = crate::codec::Applied::default().encode();
    let file = foreign
        .write("1-2-3", &meta, std::iter::empty())
        .expect("written");
    let chunk = Bytes::from(file.chunk(0, 1 << 20).expect("read"));
    let id = file.id().to_owned();
    let refused = region
        .node(1)
        .run(move |consensus| async move {
            let links = &consensus.inner.links;
            let head = v1::SnapshotHead {
                origin: Some(links.origin()),
                vote: Some(v1::Ballot::default()),
                id,
            };
            let pieces = [
                v1::InstallSnapshotRequest {
                    head: Some(head),
                    chunk: Bytes::new(),
                },
                v1::InstallSnapshotRequest { head: None, chunk },
            ];
            let address = super::node::address(1);
            let mut client = links.client(1, &address, Lane::Bulk).expect("a client");
            client.install_snapshot(futures::stream::iter(pieces)).await
        })
        .await;
    let status = refused.expect_err("refused");
    assert_eq!(status.code(), tonic::Code::InvalidArgument, "{status}");
    assert!(region.node(1).consensus.faults().borrow().is_none());
}

#[tokio::test]
async fn an_unknown_command_stops_the_node() {
    let region = Region::of(1, Settings::default()).await;
    let raft = region.node(1).consensus.inner.raft.clone();
    let garbage = crate::types::Proposed(Bytes::from_static(b"\xff\xff\xff\xff"));
    let written = region
        .node(1)
        .run(move |_| async move { raft.client_write(garbage).await.map(drop) });
    let mut faults = region.node(1).consensus.faults();
    let fault = tokio::time::timeout(super::PATIENCE, faults.wait_for(Option::is_some)).await;
    let fault = fault.expect("in time").expect("a fault").clone();
    assert!(
        matches!(fault, Some(Fault::UnknownCommand { .. })),
        "{fault:?}"
    );
    assert!(written.await.is_err());
}
