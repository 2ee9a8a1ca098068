//! R12: what the rows hold, and for whom.

use std::sync::Arc;

use machine::{Command, DeleteSecret, Seen};
use store::Batch;

use super::eventually;
use super::node::Settings;
use super::region::{Region, create, value, version_id};
use crate::Keep;
use crate::renewal::present_rows;

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
async fn a_restart_forgets_the_values_kept_for_readers() {
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
    let rows = &region.node(1).disk.rows;
    assert!(rows.row(&key).expect("readable").is_none());
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
    drop(before);
}

#[tokio::test]
async fn a_renewal_keeps_no_deleted_values_but_misses_those_that_should_be_there() {
    let region = Region::of(1, NOTHING_STAYS).await;
    let propose = async |command| {
        let committed = region.propose(1, command).await.expect("committed");
        committed.answer.expect("accepted");
    };
    let (uid, command) = create(Some(value(5, 3_000)));
    let (other, and_another) = create(Some(value(6, 3_000)));
    propose(command).await;
    propose(and_another).await;
    written(&region).await;
    region.write(1).await.expect("written");
    let consensus = &region.node(1).consensus;
    let state = consensus.local_view().root().state.clone();
    let key_of = |uid, version| state.value_key(uid, &version).expect("a key").encode();
    let (key, other_key) = (key_of(&uid, version_id(5)), key_of(&other, version_id(6)));
    let window_days = None;
    let seen = Seen::default();
    propose(Command::DeleteSecret(DeleteSecret {
        uid,
        window_days,
        seen,
    }))
    .await;
    let rows = Arc::clone(&region.node(1).disk.rows);
    eventually("the row is gone", || {
        rows.row(&key).expect("readable").is_none()
    })
    .await;
    let present = || {
        let (inner, state) = (Arc::clone(&consensus.inner), state.clone());
        // It asks peers for what is bad, and waits for them.
        let present = move || {
            let rows = present_rows(&state, &inner.values, &inner.published);
            rows.collect::<Result<Vec<store::Row>, _>>()
        };
        async { tokio::task::spawn_blocking(present).await.expect("run") }
    };
    let has = |rows: &[store::Row], wanted: &[u8]| rows.iter().any(|(key, _)| key == wanted);
    let found = present().await.expect("what is left");
    assert!(!has(&found, &key) && has(&found, &other_key));
    let meta = rows.meta().expect("readable").expect("there");
    let lost = Batch {
        deletes: vec![other_key],
        meta,
        ..Batch::default()
    };
    rows.write(lost).expect("written");
    present().await.expect_err("a value is missing");
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
