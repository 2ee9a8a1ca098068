//! Entries that change very much at once: what comes from other regions.

use std::sync::Arc;

use machine::{Command, Scope, State};
use openraft::storage::{IOFlushed, RaftLogStorage};

use super::comes_again::root;
use super::eventually;
use super::linked::{OTHER, Remote, home};
use super::node::{Disk, Settings};
use super::region::{Region, value, version_id};
use super::storage::{id, open};
use super::suite::disk;
use crate::Keep;
use crate::backlog::RowChange;
use crate::limits::{BACKLOG_ROOM_BYTES, DEFERRED_GROUP_MAX};
use crate::types::{LogEntry, Proposed};

/// Few enough that a busy node, with its one worker, is not given up while it applies them.
const SECRETS: u64 = 40;

/// The other region with many secrets, which the test region receives.
fn with_secrets() -> Remote {
    let mut remote = Remote::new(Scope::All);
    for number in 0..SECRETS {
        let uid = remote.creates(number, value(1, 300));
        remote.puts(uid, value(2, 300));
    }
    remote
}

fn settings() -> Settings {
    Settings {
        keep: Keep {
            value_memory_bytes: 10_000,
            snapshot_entries: 20,
            log_entries: 5,
        },
        ..Settings::default()
    }
}

/// Waits until every node has what the other region has, and the values.
async fn has_all(region: &Region, remote: &Remote) {
    region.agree().await;
    let feed = home(OTHER);
    let hash = remote.state.feed(&feed).expect("a feed").hash();
    for node in region.nodes.values() {
        let view = node.consensus.local_view();
        assert_eq!(view.feed(&feed).expect("a feed").hash(), hash);
        let uid = super::region::uid_of(OTHER, 0);
        let value = view.value(&uid, &version_id(2)).expect("readable");
        assert_eq!(value.expect("there").ciphertext.len(), 300);
        assert!(node.consensus.faults().borrow().is_none());
    }
}

#[tokio::test]
async fn a_feed_that_comes_in_one_entry_is_the_same_on_all_nodes_and_in_a_snapshot() {
    let mut remote = with_secrets();
    let mut region = Region::linked(&remote, Disk::memory(1), 3, settings()).await;
    region.follow(&remote, &home(OTHER)).await;
    has_all(&region, &remote).await;
    remote.creates(SECRETS, value(3, 300));
    region.follow(&remote, &home(OTHER)).await;
    // One that joins gets a snapshot of it.
    for _ in 0..30 {
        region.write(1).await.expect("written");
    }
    let leader = region.leader().await;
    let consensus = region.node(leader).consensus.clone();
    eventually("the log is purged", || consensus.status().purged.is_some()).await;
    region.join(Disk::memory(4)).await;
    has_all(&region, &remote).await;
}

#[tokio::test]
async fn a_feed_that_a_snapshot_takes_the_place_of_is_the_same_on_all_nodes() {
    let mut remote = with_secrets();
    let region = Region::linked(&remote, Disk::memory(1), 3, settings()).await;
    region.follow(&remote, &home(OTHER)).await;
    for number in 0..SECRETS {
        remote.puts(super::region::uid_of(OTHER, number), value(3, 300));
    }
    // Snapshots are written meanwhile, and readers look on.
    region.agree().await;
    let before = region.node(1).consensus.local_view();
    let (stage, activate) = remote.snapshot();
    region.accepts(Command::StageRows(stage)).await;
    region.accepts(Command::ActivateSnapshot(activate)).await;
    has_all(&region, &remote).await;
    let uid = super::region::uid_of(OTHER, 7);
    let value = before.value(&uid, &version_id(1)).expect("readable");
    assert_eq!(value.expect("there").ciphertext.len(), 300);
}

#[tokio::test]
async fn one_entry_that_changes_a_hundred_thousand_rows_is_written_while_readers_keep_many() {
    const ROWS: u32 = 100_000;
    const VALUES: u32 = 40_000;
    let dir = tempfile::tempdir().expect("a directory");
    let (log, rows) = disk(dir.path());
    let at = Disk::with(1, log, rows);
    let storage = open(&at);
    let key = |number: u32| [&[0x49][..], &number.to_be_bytes()].concat();
    let put = |number, row: &'static [u8]| RowChange::Put(key(number), row.into());
    let values = |count| (0..count).map(move |number| put(number, &[1; 200]));
    let (before, after) = (root(State::new(), 1), root(State::new(), 2));
    let (over, none) = (before.era.watch(), || root(State::new(), 0));
    let backlog = &storage.backlog;
    backlog.push(
        values(VALUES).collect(),
        over.clone(),
        Arc::clone(&before),
        none(),
    );
    backlog.written_at(1).await;
    let gone = (0..VALUES).flat_map(|number| {
        let hidden = RowChange::PutHidden(key(number), vec![2; 60].into());
        [RowChange::DeleteValue(key(number)), hidden]
    });
    let others = (VALUES..ROWS).map(|number| put(number, &[3; 600]));
    let changes: Vec<RowChange> = gone.chain(others).collect();
    let bytes: usize = changes.iter().map(RowChange::bytes).sum();
    assert!(bytes > BACKLOG_ROOM_BYTES, "more than there is room for");
    backlog.push(changes, over, Arc::clone(&after), none());
    backlog.written_at(2).await;
    let deferred = || u32::try_from(backlog.held().deferred_values).expect("few");
    assert_eq!(deferred(), VALUES, "kept for readers");
    let row = |number| at.rows.row(&key(number)).expect("readable").expect("there");
    assert_eq!(row(7), [1; 200]);
    assert_eq!(row(ROWS - 1), [3; 600]);
    let named = usize::try_from(VALUES)
        .expect("few")
        .div_ceil(DEFERRED_GROUP_MAX);
    let count = at.rows.space().expect("its size").rows;
    assert_eq!(count, u64::from(ROWS) + named as u64);
    assert!(!backlog.is_full(), "the next entry is applied");
    drop((before, after));
    eventually("nothing is kept", || deferred() == 0).await;
    assert_eq!(row(7), [2; 60]);
    assert!(storage.faults.subscribe().borrow().is_none());
    backlog.stop();
}

#[tokio::test]
async fn the_log_knows_how_much_there_is_to_apply() {
    let at = Disk::memory(1);
    let mut storage = open(&at);
    let entries = (1..=9).map(|index| LogEntry {
        log_id: id(index),
        payload: openraft::EntryPayload::Normal(Proposed(vec![0; 1 << 20].into())),
    });
    let log = &mut storage.log;
    log.append(entries, IOFlushed::noop())
        .await
        .expect("appended");
    let mib = |after, last| log.bytes_between(after, last) >> 20;
    assert_eq!((mib(0, 9), mib(3, 9), mib(3, 5), mib(9, 9)), (9, 6, 2, 0));
    storage.backlog.stop();
}
