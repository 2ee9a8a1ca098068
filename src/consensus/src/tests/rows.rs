//! R12: what the rows hold, and for whom.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use machine::{Command, DeleteSecret, Ordinal, RowKey, Seen, Uid};
use store::{Batch, Fault, MemoryLog, Row, Rows, RowsOptions, SledRows};

use super::eventually;
use super::node::{Disk, Plain, Settings, stamped};
use super::region::{Region, create, value, version_id};
use super::storage::Watched;
use crate::Keep;
use crate::deferred::{Deferred, left_over};
use crate::view::Era;

/// Every value leaves memory as soon as it may.
const NOTHING_STAYS: Settings = Settings {
    keep: Keep {
        value_memory_bytes: 0,
        snapshot_entries: 10_000,
        log_entries: 5,
    },
    reads: crate::Reads::Lease,
    danger: crate::Danger::NONE,
    scrub_interval: std::time::Duration::ZERO,
};

/// A node on rows that can be watched.
async fn watched() -> (Region, Arc<Watched>) {
    let rows = Arc::new(Watched::default());
    let disk = Disk::with(1, Arc::new(MemoryLog::new()), Arc::<Watched>::clone(&rows));
    (Region::on(disk, 1, NOTHING_STAYS).await, rows)
}

async fn written(region: &Region) {
    let node = region.node(1);
    eventually("the rows have everything", || {
        node.consensus.inner.backlog.written() >= node.consensus.local_view().index().0
    })
    .await;
}

#[tokio::test]
async fn a_deleted_value_stays_readable_for_views_that_began_before() {
    let mut region = Region::of(1, NOTHING_STAYS).await;
    let (uid, command) = create(Some(value(5, 3_000)));
    region
        .propose(1, command)
        .await
        .expect("committed")
        .answer
        .expect("accepted");
    written(&region).await;
    region.write(1).await.expect("written");
    let before = region.node(1).consensus.local_view();
    assert_eq!(before.counts().resident_value_bytes, 0);
    let key = before
        .value_key(&uid, &version_id(5))
        .expect("a key")
        .encode();
    let delete = Command::DeleteSecret(DeleteSecret {
        uid,
        window_days: None,
        seen: Seen::default(),
    });
    region
        .propose(1, delete)
        .await
        .expect("committed")
        .answer
        .expect("accepted");
    written(&region).await;
    let value = before.value(&uid, &version_id(5)).expect("readable");
    assert_eq!(value.expect("still there").ciphertext.len(), 3_000);
    let after = region.node(1).consensus.local_view();
    assert!(
        after
            .value(&uid, &version_id(5))
            .expect("readable")
            .is_none()
    );
    let deleted = after.index();
    drop((before, after));
    // The last reader is gone: the row follows, whether or not anything is written.
    let rows = Arc::clone(&region.node(1).disk.rows);
    eventually("the row is gone", || {
        rows.row(&key).expect("readable").is_none()
    })
    .await;
    let index = region.node(1).consensus.local_view().index();
    assert_eq!(index, deleted, "nothing was written meanwhile");
    let hash = region.node(1).consensus.local_view().node_hash();
    let disk = region.nodes.remove(&1).expect("the node").crash();
    region.start(disk).await;
    region.leader().await;
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
}

#[tokio::test]
async fn values_that_are_gone_do_not_stay_on_the_list_of_those_in_memory() {
    let region = Region::of(1, Settings::default()).await;
    let accepted = async |command| {
        let committed = region.propose(1, command).await.expect("committed");
        committed.answer.expect("accepted");
    };
    // One that stays, and is the oldest.
    accepted(create(Some(value(1, 100))).1).await;
    for _ in 0..100 {
        let (uid, command) = create(Some(value(2, 100)));
        accepted(command).await;
        let delete = DeleteSecret {
            uid,
            window_days: None,
            seen: Seen::default(),
        };
        accepted(Command::DeleteSecret(delete)).await;
    }
    let consensus = &region.node(1).consensus;
    let listed = consensus.held().resident_values;
    assert!((1..10).contains(&listed), "{listed} are listed");
    assert_eq!(consensus.local_view().counts().versions, 1);
}

#[tokio::test]
async fn a_restart_forgets_the_values_kept_for_readers_and_trusts_the_rows() {
    let (mut region, watched) = watched().await;
    let (uid, command) = create(Some(value(5, 3_000)));
    region
        .propose(1, command)
        .await
        .expect("committed")
        .answer
        .expect("accepted");
    written(&region).await;
    region.write(1).await.expect("written");
    let before = region.node(1).consensus.local_view();
    let key = before
        .value_key(&uid, &version_id(5))
        .expect("a key")
        .encode();
    let delete = Command::DeleteSecret(DeleteSecret {
        uid,
        window_days: None,
        seen: Seen::default(),
    });
    region
        .propose(1, delete)
        .await
        .expect("committed")
        .answer
        .expect("accepted");
    written(&region).await;
    let hash = region.node(1).consensus.local_view().node_hash();
    let disk = region.nodes.remove(&1).expect("the node").crash();
    assert!(
        disk.rows.row(&key).expect("readable").is_some(),
        "kept for `before`"
    );
    region.start(disk).await;
    region.leader().await;
    assert!(watched.row(&key).expect("readable").is_none());
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
    assert_eq!(watched.replaced.load(Ordering::Acquire), 0, "trusted");
    drop(before);
}

#[tokio::test]
async fn a_value_that_is_deleted_while_rows_are_renewed_is_not_kept_for_that() {
    let (region, watched) = watched().await;
    let (uid, command) = create(Some(value(5, 3_000)));
    let committed = region.propose(1, command).await.expect("committed");
    committed.answer.expect("accepted");
    written(&region).await;
    region.write(1).await.expect("written");
    let key = {
        let view = region.node(1).consensus.local_view();
        view.value_key(&uid, &version_id(5))
            .expect("a key")
            .encode()
    };
    let held = watched.renewal_gate.lock().await;
    watched.dead_bytes.store(1 << 30, Ordering::Release);
    region.write(1).await.expect("written");
    eventually("a renewal", || {
        watched.renewals_begun.load(Ordering::Acquire) > 0
    })
    .await;
    region.delete(1, uid).await;
    eventually("the row is gone", || {
        watched.row(&key).expect("readable").is_none()
    })
    .await;
    assert!(watched.dead_bytes.load(Ordering::Acquire) > 0, "too late");
    drop(held);
    let consensus = &region.node(1).consensus;
    eventually("the rows are renewed", || {
        consensus.row_health().renewed > 0
    })
    .await;
}

#[test]
fn rows_that_are_renewed_take_along_what_is_kept_and_a_restart_deletes_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let open = || {
        let (at, owner) = (dir.path().join("rows"), stamped(1));
        let opened = SledRows::open(&at, &owner, Arc::new(Plain), RowsOptions::default());
        let opened = opened.expect("rows");
        assert!(!opened.rebuilt, "they add up");
        opened.rows
    };
    let key = |number| RowKey::Version(Uid([255; 16]), Ordinal(number)).encode();
    let keys = |numbers: Range<u64>| numbers.map(key).collect::<Vec<_>>();
    let all: Vec<Row> = keys(0..9).into_iter().map(|key| (key, vec![1])).collect();
    let (mut deferred, era) = (Deferred::default(), Era::default());
    let keep = |deferred: &mut Deferred, rows: &SledRows, kept: Vec<Vec<u8>>| {
        let mut batch = Batch::default();
        deferred.push(&era.watch(), &kept);
        deferred.add_to(&mut batch, Vec::new(), usize::MAX);
        rows.write(batch).expect("written");
    };
    let rows = open();
    let first = Batch {
        puts: all,
        ..Batch::default()
    };
    rows.write(first).expect("written");
    keep(&mut deferred, &rows, keys(0..2));
    rows.begin_renewal().expect("begun");
    keep(&mut deferred, &rows, keys(2..4));
    assert!(rows.renew(&mut ()).expect("renewed"));
    drop(rows);
    let rows = open();
    let left = left_over(&rows, deferred.numbers()).expect("read");
    assert_eq!(left.deletes.len(), 4 + 2, "and the rows that name them");
    rows.write(left).expect("written");
    drop(rows);
    let rest: Result<Vec<Row>, Fault> = open().scan().collect();
    let rest = rest.expect("read").into_iter().map(|(key, _)| key);
    assert!(rest.eq(keys(4..9)));
}

#[tokio::test]
async fn a_snapshot_holds_the_values_that_have_left_memory() {
    let region = Region::of(1, NOTHING_STAYS).await;
    let mut uids = Vec::new();
    for number in 0..30 {
        let (uid, command) = create(Some(value(number, 1_000)));
        region
            .propose(1, command)
            .await
            .expect("committed")
            .answer
            .expect("accepted");
        uids.push(uid);
    }
    written(&region).await;
    region.write(1).await.expect("written");
    let consensus = region.node(1).consensus.clone();
    assert_eq!(consensus.local_view().counts().resident_value_bytes, 0);
    let asked = region
        .node(1)
        .run(|consensus| async move { consensus.snapshot().await });
    asked.await.expect("triggered");
    eventually("a snapshot", || consensus.status().snapshot.is_some()).await;
    let dir = region.node(1).disk.snapshot_dir();
    let file = dir.latest().expect("listed").expect("there");
    let loaded = machine::State::load(dir.read(&file).expect("read").map_while(Result::ok));
    let loaded = loaded.expect("a state");
    assert_eq!(loaded.counts().versions, 30);
    assert_eq!(
        loaded.counts().resident_value_bytes,
        loaded.counts().value_bytes
    );
}
