//! Nodes whose disks are full: who leads, who writes, what is answered, and how it goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use store::{Attendant, Batch, Fault, MemoryLog, MemoryRows, Row, RowScan, Rows, Space};
use tokio::time::Instant;

use super::node::{Disk, Settings};
use super::region::{Region, create, propose};
use super::{PATIENCE, eventually};
use crate::limits::{DEFERRED_VALUES_MAX, LOG_ROOM_BYTES};
use crate::{Keep, Unavailable};

/// A deadline that a refusal for want of space does not wait for.
const LONG: Duration = Duration::from_secs(600);

async fn write_until(region: &Region, via: u64) -> Result<crate::Committed, Unavailable> {
    let (_, command) = create(None);
    let deadline = Instant::now() + LONG;
    let written = region
        .node(via)
        .run(move |consensus| propose(consensus, command, deadline));
    let in_time = tokio::time::timeout(PATIENCE, written).await;
    in_time.expect("an answer long before the deadline")
}

#[tokio::test]
async fn a_leader_without_space_hands_over_to_a_voter_that_has_some_and_writes_go_on() {
    let region = Region::of(3, Settings::default()).await;
    let first = region.leader().await;
    let second = region.ids().into_iter().find(|node| *node != first);
    let second = second.expect("another");
    for full in [second, first] {
        region.node(full).consensus.tell_space_low(true);
    }
    let third = 6 - first - second;
    eventually("the one with space leads", || {
        let status = region.node(third).consensus.status();
        status.role == crate::Role::Leader
    })
    .await;
    for via in region.ids() {
        let uid = region.write(via).await.expect("written");
        assert_eq!(region.shows(via, uid).await.ok(), Some(true));
    }
    region.agree().await;
}

#[tokio::test]
async fn a_region_without_space_refuses_writes_at_once_reads_and_goes_on_by_itself() {
    let region = Region::of(3, Settings::default()).await;
    let uid = region.write(1).await.expect("written");
    for node in region.ids() {
        region.node(node).consensus.tell_space_low(true);
    }
    for via in region.ids() {
        let leader = region.leader().await;
        let members = &region.node(leader).consensus.inner.members;
        eventually("it is known that nobody has space", || {
            members.heir_with_space().is_none()
        })
        .await;
        let refused = write_until(&region, via).await;
        let error = refused.expect_err("there is no space");
        assert!(matches!(error, Unavailable::NoSpace), "{error}");
        assert!(error.is_safe_to_retry());
        assert_eq!(region.shows(via, uid).await.ok(), Some(true));
    }
    for node in region.ids() {
        region.node(node).consensus.tell_space_low(false);
    }
    for via in region.ids() {
        region.write(via).await.expect("written");
    }
}

/// Nodes that write snapshots only when they are asked to.
fn asked_for_snapshots() -> Settings {
    Settings {
        keep: Keep {
            snapshot_entries: 1_000_000,
            ..Keep::default()
        },
        ..Settings::default()
    }
}

/// Rows on a disk that can be full. As sled, they take nothing after that until they are replaced.
#[derive(Default)]
struct Tight {
    rows: MemoryRows,
    is_full: AtomicBool,
    is_dead: AtomicBool,
    refused: AtomicUsize,
}

impl Tight {
    fn set_full(&self, is_full: bool) {
        self.is_full.store(is_full, Ordering::Release);
    }

    fn check(&self) -> Result<(), Fault> {
        if self.is_full.load(Ordering::Acquire) {
            self.refused.fetch_add(1, Ordering::AcqRel);
            return Err(no_space());
        }
        Ok(())
    }

    fn check_alive(&self) -> Result<(), Fault> {
        if self.is_full.load(Ordering::Acquire) {
            self.is_dead.store(true, Ordering::Release);
        }
        if self.is_dead.load(Ordering::Acquire) {
            self.refused.fetch_add(1, Ordering::AcqRel);
            return Err(no_space());
        }
        Ok(())
    }
}

fn no_space() -> Fault {
    Fault::NoSpace {
        action: "write",
        path: "rows".into(),
    }
}

impl Rows for Tight {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        self.check_alive()?;
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
        self.check_alive()?;
        self.rows.checkpoint()
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        self.check()?;
        self.rows.replace(rows, meta)?;
        self.is_dead.store(false, Ordering::Release);
        Ok(())
    }

    fn begin_renewal(&self) -> Result<(), Fault> {
        self.rows.begin_renewal()
    }

    fn renew(&self, attendant: &mut dyn Attendant) -> Result<bool, Fault> {
        self.rows.renew(attendant)
    }

    fn space(&self) -> Result<Space, Fault> {
        self.rows.space()
    }
}

async fn on_tight_rows(size: u64) -> (Region, Arc<Tight>) {
    let rows = Arc::new(Tight::default());
    let lent = Arc::<Tight>::clone(&rows);
    let disk = Disk::with(1, Arc::new(MemoryLog::new()), lent);
    let region = Region::on(disk, size, Settings::default()).await;
    // What founded the region is not to meet the full disk.
    let consensus = &region.node(1).consensus;
    eventually("the rows have everything", || {
        consensus.inner.backlog.written() == consensus.local_view().index().0
    })
    .await;
    (region, rows)
}

#[tokio::test]
async fn rows_that_met_a_full_disk_are_written_anew_and_no_fault() {
    let (mut region, rows) = on_tight_rows(1).await;
    rows.set_full(true);
    let uid = region.write(1).await.expect("the log has it");
    let consensus = region.node(1).consensus.clone();
    eventually("the rows wait for space", || consensus.waits_for_space()).await;
    let refused = write_until(&region, 1).await;
    assert!(matches!(refused, Err(Unavailable::NoSpace)), "{refused:?}");
    assert_eq!(region.shows(1, uid).await.ok(), Some(true), "reads go on");
    let before = rows.refused.load(Ordering::Acquire);
    eventually("they were tried again", || {
        rows.refused.load(Ordering::Acquire) > before
    })
    .await;
    rows.set_full(false);
    eventually("they have space again", || !consensus.waits_for_space()).await;
    let later = region.write(1).await.expect("written");
    assert!(consensus.faults().borrow().is_none());
    drop(consensus);
    // What was written while the disk was full is in the rows.
    let disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    region.start(disk).await;
    for uid in [uid, later] {
        assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    }
}

#[tokio::test]
async fn values_that_were_deleted_before_the_disk_was_full_hold_nothing_up_after_it() {
    let (region, rows) = on_tight_rows(1).await;
    rows.set_full(true);
    region.write(1).await.expect("the log has it");
    let consensus = &region.node(1).consensus;
    eventually("the rows wait for space", || consensus.waits_for_space()).await;
    // As the batch that met the full disk left it: it was to free them.
    let backlog = &consensus.inner.backlog;
    backlog.set_deferred(DEFERRED_VALUES_MAX + 1);
    rows.set_full(false);
    eventually("they have space again", || !consensus.waits_for_space()).await;
    region.write(1).await.expect("written");
}

#[tokio::test]
async fn a_leader_whose_rows_met_a_full_disk_lets_another_lead() {
    let (region, rows) = on_tight_rows(3).await;
    rows.set_full(true);
    let mut written = Vec::new();
    for via in [1, 2, 3] {
        written.push(region.write(via).await.expect("written"));
    }
    eventually("the rows wait for space", || {
        region.node(1).consensus.waits_for_space()
    })
    .await;
    let others = region.leader_among(&[2, 3]).await;
    written.push(region.write(others).await.expect("written"));
    rows.set_full(false);
    for uid in written {
        assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    }
    region.agree().await;
    assert!(region.node(1).consensus.faults().borrow().is_none());
}

#[tokio::test]
async fn a_node_stops_in_time_while_its_rows_wait_for_space() {
    let (mut region, rows) = on_tight_rows(1).await;
    rows.set_full(true);
    let uid = region.write(1).await.expect("the log has it");
    let consensus = region.node(1).consensus.clone();
    eventually("the rows wait for space", || consensus.waits_for_space()).await;
    drop(consensus);
    let stopped = region.nodes.remove(&1).expect("the node").shutdown();
    let disk = tokio::time::timeout(PATIENCE, stopped)
        .await
        .expect("in time");
    rows.set_full(false);
    rows.is_dead.store(false, Ordering::Release);
    region.start(disk).await;
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
}

#[tokio::test]
async fn a_snapshot_that_finds_no_space_is_written_once_there_is_some() {
    let region = Region::of(1, asked_for_snapshots()).await;
    region.write(1).await.expect("written");
    let node = region.node(1);
    let consensus = node.consensus.clone();
    let status = consensus.status();
    let index = status.applied.expect("something").0;
    let name = format!("{:016x}-{}-1-{index}.new", 1, status.term);
    let first = node.disk.snapshots.join(name);
    std::os::unix::fs::symlink("/dev/full", &first).expect("a link");
    let asked = node.run(|consensus| async move { consensus.snapshot().await });
    asked.await.expect("under way");
    eventually("it met the full disk", || {
        std::fs::symlink_metadata(&first).is_err()
    })
    .await;
    eventually("a snapshot", || consensus.status().snapshot.is_some()).await;
    let names = std::fs::read_dir(&node.disk.snapshots).expect("listed");
    let mut names = names.map(|entry| entry.expect("a file").file_name());
    let name = names.next().expect("a snapshot").into_string();
    assert!(name.expect("a name").starts_with("0000000000000002-"));
    assert!(consensus.faults().borrow().is_none());
}

#[tokio::test]
async fn a_snapshot_that_finds_no_space_is_taken_again_of_a_later_state() {
    let region = Region::of(1, asked_for_snapshots()).await;
    let node = region.node(1);
    let consensus = node.consensus.clone();
    let ask = || node.run(|consensus| async move { consensus.snapshot().await });
    region.write(1).await.expect("written");
    ask().await.expect("under way");
    eventually("a snapshot", || consensus.status().snapshot.is_some()).await;
    region.write(1).await.expect("written");
    let status = consensus.status();
    let index = status.applied.expect("something").0;
    let name = format!("{:016x}-{}-1-{index}.new", 2, status.term);
    let second = node.disk.snapshots.join(name);
    std::os::unix::fs::symlink("/dev/full", &second).expect("a link");
    ask().await.expect("under way");
    eventually("it met the full disk", || {
        std::fs::symlink_metadata(&second).is_err()
    })
    .await;
    region.write(1).await.expect("written");
    // It kept nothing of the state that it was to be taken of.
    eventually("a snapshot of all that was written", || {
        consensus.status().snapshot > status.applied
    })
    .await;
    assert!(consensus.faults().borrow().is_none());
}

#[tokio::test]
async fn a_node_that_gets_low_on_space_writes_a_snapshot_behind_which_the_log_goes() {
    let region = Region::of(1, asked_for_snapshots()).await;
    region.write(1).await.expect("written");
    let consensus = &region.node(1).consensus;
    consensus.tell_free_bytes(2 * LOG_ROOM_BYTES, 0);
    consensus.tell_space_low(true);
    eventually("a snapshot", || consensus.status().snapshot.is_some()).await;
}
