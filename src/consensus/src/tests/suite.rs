//! openraft's own storage suite, on the real store and on its twin in memory.

use std::path::Path;
use std::sync::Arc;

use openraft::StorageError;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage};
use openraft::testing::log::{StoreBuilder, Suite};
use openraft::testing::log_id;
use store::{
    Log, MemoryLog, MemoryRows, Rows, RowsOptions, SledRows, SnapshotDir, Wal, WalOptions,
};

use super::node::{Plain, stamped};
use crate::apply::Machine;
use crate::backlog::Backlog;
use crate::log::LogStore;
use crate::open::Storage;
use crate::turn::Turn;
use crate::types::TypeConfig;

type Open = fn(&Path) -> (Arc<dyn Log>, Arc<dyn Rows>);

struct Builder(Open);

/// Keeps the directory, and ends the materialiser with it.
struct Guard {
    backlog: Arc<Backlog>,
    _dir: tempfile::TempDir,
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.backlog.stop();
    }
}

impl StoreBuilder<TypeConfig, LogStore, Machine, Guard> for Builder {
    async fn build(&self) -> Result<(Guard, LogStore, Machine), StorageError<TypeConfig>> {
        let dir = tempfile::tempdir().expect("a directory");
        let (log, rows) = (self.0)(dir.path());
        let cipher = Arc::new(Plain);
        let snapshots = SnapshotDir::open(&dir.path().join("snapshots"), &stamped(1), cipher);
        let storage = Storage::open(
            log,
            rows,
            snapshots.expect("snapshots"),
            u64::MAX,
            Turn::new(1, 1),
        );
        let storage = storage.expect("an open store");
        // The suite purges logs of which it has no snapshot.
        storage.floor.raise_snapshot(u64::MAX);
        storage.floor.raise_rows(u64::MAX);
        let guard = Guard {
            backlog: storage.backlog,
            _dir: dir,
        };
        Ok((guard, storage.log, storage.machine))
    }
}

fn memory(_: &Path) -> (Arc<dyn Log>, Arc<dyn Rows>) {
    (Arc::new(MemoryLog::new()), Arc::new(MemoryRows::new()))
}

pub(super) fn disk(dir: &Path) -> (Arc<dyn Log>, Arc<dyn Rows>) {
    let options = WalOptions {
        segment_bytes: 1 << 20,
        ..WalOptions::default()
    };
    let log = Wal::open(&dir.join("log"), &stamped(1), Arc::new(Plain), options);
    let rows = SledRows::open(
        &dir.join("rows"),
        &stamped(1),
        Arc::new(Plain),
        RowsOptions::default(),
    );
    (
        Arc::new(log.expect("a log")),
        Arc::new(rows.expect("rows").rows),
    )
}

#[tokio::test]
async fn the_twin_in_memory_passes_openrafts_suite() {
    Suite::test_all(Builder(memory)).await.expect("passed");
}

#[tokio::test]
async fn the_real_store_passes_openrafts_suite() {
    Suite::test_all(Builder(disk)).await.expect("passed");
}

#[tokio::test]
async fn a_range_whose_beginning_is_purged_is_not_answered_with_a_gap() {
    let built = Builder(memory).build().await;
    let (_guard, mut log, _machine) = built.expect("a store");
    let entries = (1..=9).map(|index| openraft::Entry {
        log_id: log_id::<TypeConfig>(1, 1, index),
        payload: openraft::EntryPayload::Blank,
    });
    log.append(entries, IOFlushed::noop())
        .await
        .expect("appended");
    log.purge(log_id::<TypeConfig>(1, 1, 5))
        .await
        .expect("purged");
    let read = log.limited_get_log_entries(3, 9).await.expect("read");
    assert!(read.is_empty(), "a follower at 2 would be sent {read:?}");
    assert_eq!(
        log.limited_get_log_entries(6, 9).await.expect("read").len(),
        3
    );
}
