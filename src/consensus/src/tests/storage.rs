//! What opening the store, applying to it and taking snapshots of it must keep to.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures::{FutureExt, StreamExt};
use machine::{Entry, Stamp, State};
use openraft::storage::RaftStateMachine;
use store::{Attendant, Batch, Fault, MemoryLog, MemoryRows, Row, RowScan, Rows, Space};

use super::node::{Disk, Settings};
use super::region::{Region, audit, create, found, value};
use crate::limits::{BACKLOG_BYTES_MAX, DEFERRED_VALUES_MAX, LOG_ROOM_BYTES};
use crate::open::Storage;
use crate::turn::Turn;
use crate::types::{LeaderId, LogEntry, LogId, Proposed};
use crate::view::{Era, Root};

/// Rows that know what is not yet durable, and wait with writes while the gate is held.
#[derive(Default)]
pub(super) struct Watched {
    rows: MemoryRows,
    unsynced: AtomicBool,
    gate: Mutex<()>,
    /// How much of them is dead, as they say.
    pub(super) dead_bytes: AtomicU64,
    pub(super) renewals_begun: AtomicUsize,
    /// A renewal that has begun copies nothing while it is held.
    pub(super) renewal_gate: tokio::sync::Mutex<()>,
    pub(super) replaced: AtomicUsize,
}

impl Watched {
    pub(super) fn hold(&self) -> MutexGuard<'_, ()> {
        self.gate.lock().unwrap()
    }
}

impl Rows for Watched {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        drop(self.hold());
        self.unsynced.store(true, Ordering::Release);
        self.rows.write(batch)
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.row(key)
    }

    fn scan(&self) -> RowScan<'_> {
        self.rows.scan()
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.meta()
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.unsynced.store(false, Ordering::Release);
        self.rows.checkpoint()
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        self.replaced.fetch_add(1, Ordering::AcqRel);
        self.rows.replace(rows, meta)
    }

    fn begin_renewal(&self) -> Result<(), Fault> {
        self.renewals_begun.fetch_add(1, Ordering::AcqRel);
        self.rows.begin_renewal()
    }

    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        drop(self.renewal_gate.blocking_lock());
        self.dead_bytes.store(0, Ordering::Release);
        self.rows.renew(attendant)
    }

    fn space(&self) -> Result<Space, Fault> {
        let space = self.rows.space()?;
        let dead_bytes = self.dead_bytes.load(Ordering::Acquire);
        Ok(Space {
            disk_bytes: space.live_bytes + dead_bytes,
            ..space
        })
    }
}

pub(super) fn open(disk: &Disk) -> Storage {
    let (log, rows) = (Arc::clone(&disk.log), Arc::clone(&disk.rows));
    Storage::open(log, rows, disk.snapshot_dir(), u64::MAX, Turn::new(1, 1)).expect("an open store")
}

pub(super) fn id(index: u64) -> LogId {
    LogId::new(
        LeaderId {
            term: 1,
            node_id: 1,
        },
        index,
    )
}

fn root(index: u64) -> Arc<Root> {
    Arc::new(Root {
        state: State::new(),
        applied: Some(id(index)),
        membership: Default::default(),
        era: Era::default(),
    })
}

#[tokio::test]
async fn rows_found_at_the_start_are_durable_before_the_log_may_lose_them() {
    let rows = Arc::new(Watched::default());
    let disk = Disk::with(1, Arc::new(MemoryLog::new()), Arc::<Watched>::clone(&rows));
    let mut region = Region::on(disk, 1, Settings::default()).await;
    region.write(1).await.expect("written");
    let disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    // As a process leaves them that was killed between a batch and its checkpoint.
    rows.unsynced.store(true, Ordering::Release);
    let storage = open(&disk);
    storage.floor.raise_snapshot(u64::MAX);
    assert!(storage.floor.index() > 0, "the log may be purged so far");
    assert!(!rows.unsynced.load(Ordering::Acquire));
    storage.backlog.stop();
}

#[tokio::test]
async fn a_slow_build_does_not_replace_a_newer_snapshot() {
    let disk = Disk::memory(1);
    let storage = open(&disk);
    let slow = storage.snapshots.write(&root(5)).expect("written");
    let newer = storage.snapshots.write(&root(9)).expect("written");
    storage.snapshots.accept(newer).await.expect("accepted");
    storage.snapshots.accept(slow).await.expect("accepted");
    assert_eq!(storage.snapshots.index(), 9);
    let current = storage.snapshots.current().expect("a snapshot");
    assert_eq!(current.meta.last_log_id, Some(id(9)));
    storage.backlog.stop();
}

#[tokio::test]
async fn no_snapshot_holds_the_state_while_it_waits_for_a_renewal_or_for_space() {
    let mut storage = open(&Disk::memory(1));
    let renewing = storage.snapshots.upkeep().try_rewriting();
    assert!(renewing.is_some());
    let begun = storage.machine.try_create_snapshot_builder(false).await;
    assert!(begun.is_none(), "all rows are written anew");
    drop(renewing);
    storage.space.set_low(true);
    storage.space.set_free_bytes(LOG_ROOM_BYTES, 0);
    let begun = storage.machine.try_create_snapshot_builder(false).await;
    assert!(begun.is_none(), "there is no space");
    storage.space.set_free_bytes(2 * LOG_ROOM_BYTES, 0);
    let begun = storage.machine.try_create_snapshot_builder(false).await;
    assert!(begun.is_some(), "the log is purged behind it");
    drop(begun);
    storage.space.set_low(false);
    let begun = storage.machine.try_create_snapshot_builder(false).await;
    assert!(begun.is_some());
    assert!(storage.snapshots.upkeep().try_rewriting().is_none());
    storage.backlog.stop();
}

#[tokio::test]
async fn a_snapshot_rests_unless_it_is_waited_for_and_ends_with_its_node() {
    let storage = open(&Disk::memory(1));
    let pause = Duration::from_millis(5);
    let rest = || storage.snapshots.rest_of(pause);
    assert_eq!(rest().expect("goes on"), pause);
    storage.space.set_low(true);
    assert_eq!(rest().expect("goes on"), Duration::ZERO);
    storage.space.set_low(false);
    storage.backlog.set_deferred(DEFERRED_VALUES_MAX);
    assert_eq!(rest().expect("goes on"), Duration::ZERO);
    storage.backlog.set_deferred(0);
    assert_eq!(rest().expect("goes on"), pause);
    storage.backlog.stop();
    assert!(matches!(rest(), Err(Fault::Closed)));
}

#[tokio::test]
async fn what_apply_runs_ahead_of_the_rows_stays_within_its_bound() {
    let rows = Arc::new(Watched::default());
    let disk = Disk::with(1, Arc::new(MemoryLog::new()), Arc::<Watched>::clone(&rows));
    let mut storage = open(&disk);
    let held = rows.hold();
    let founded = machine::Command::Found(found());
    let large = |_| create(Some(value(1, 65_536))).1;
    let commands = std::iter::once(founded).chain((0..500).map(large));
    let entries = commands.zip(1..).map(|(command, index)| {
        let entry = Entry {
            stamp: Stamp(index),
            audit: audit(),
            seed: [0; 32],
            command,
        };
        let payload = openraft::EntryPayload::Normal(Proposed(entry.encode().into()));
        let log_id = id(index);
        Ok((LogEntry { log_id, payload }, None))
    });
    let mut applying = Box::pin(
        storage
            .machine
            .apply(futures::stream::iter(entries).boxed()),
    );
    // Everything that can be done without the rows is done at once.
    assert!(applying.as_mut().now_or_never().is_none(), "it must wait");
    let ahead = storage.backlog.bytes();
    assert!(ahead <= BACKLOG_BYTES_MAX, "{ahead} bytes ahead");
    drop(held);
    applying.await.expect("applied");
    assert_eq!(storage.published.view().counts().secrets, 500);
    storage.backlog.stop();
}
