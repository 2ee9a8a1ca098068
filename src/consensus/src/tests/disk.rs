//! Whole nodes on the real log and rows, and disks that fail.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use store::{Bounds, Done, Log, LogError, Mark, MemoryLog, MemoryRows, Record, Wal, WalOptions};

use super::node::{Disk, Plain, Settings, stamped};
use super::region::{Region, create, value};
use super::{eventually, suite};
use crate::{Fault, Keep};

const SETTINGS: Settings = Settings {
    keep: Keep {
        value_memory_bytes: 1 << 20,
        snapshot_entries: 40,
        log_entries: 5,
    },
    reads: crate::Reads::Lease,
    danger: crate::Danger::NONE,
    scrub_interval: std::time::Duration::ZERO,
};

fn open(dir: &Path, before: &Disk) -> Disk {
    let (log, rows) = suite::disk(dir);
    Disk {
        log,
        rows,
        ..before.clone()
    }
}

async fn fill(region: &Region) {
    for number in 0..60 {
        let (_, command) = create(Some(value(number, 500)));
        region
            .propose(1, command)
            .await
            .expect("committed")
            .answer
            .expect("accepted");
    }
    let consensus = region.node(1).consensus.clone();
    eventually("a snapshot and a purged log", || {
        let status = consensus.status();
        status.snapshot.is_some() && status.purged.is_some()
    })
    .await;
}

/// Stops the node and gives back what it kept, with its files closed.
async fn stop(region: &mut Region) -> Disk {
    let running = region.nodes.remove(&1).expect("the node");
    let disk = running.shutdown().await;
    // The last holders of the files are tasks that are being dropped.
    eventually("the files are closed", || {
        Arc::strong_count(&disk.log) == 1 && Arc::strong_count(&disk.rows) == 1
    })
    .await;
    Disk {
        log: Arc::new(MemoryLog::new()),
        rows: Arc::new(MemoryRows::new()),
        ..disk
    }
}

#[tokio::test]
async fn a_deleted_row_directory_is_rebuilt_from_snapshot_and_log() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path(), &Disk::memory(1));
    let mut region = Region::on(first, 1, SETTINGS).await;
    fill(&region).await;
    let uid = region.write(1).await.expect("written");
    let hash = region.node(1).consensus.local_view().node_hash();
    let closed = stop(&mut region).await;
    std::fs::remove_dir_all(dir.path().join("rows")).expect("removed");
    region.start(open(dir.path(), &closed)).await;
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
}

#[tokio::test]
async fn a_restart_on_the_real_store_keeps_everything() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path(), &Disk::memory(1));
    let mut region = Region::on(first, 1, SETTINGS).await;
    fill(&region).await;
    for _ in 0..3 {
        let uid = region.write(1).await.expect("written");
        let hash = region.node(1).consensus.local_view().node_hash();
        let closed = stop(&mut region).await;
        region.start(open(dir.path(), &closed)).await;
        assert_eq!(region.shows(1, uid).await.ok(), Some(true));
        assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
    }
}

#[tokio::test]
async fn a_log_damaged_in_the_middle_is_refused() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = open(dir.path(), &Disk::memory(1));
    let mut region = Region::on(first, 1, Settings::default()).await;
    for _ in 0..20 {
        region.write(1).await.expect("written");
    }
    stop(&mut region).await;
    damage_the_middle(&dir.path().join("log"));
    let options = WalOptions {
        segment_bytes: 1 << 20,
        ..WalOptions::default()
    };
    let opened = Wal::open(
        &dir.path().join("log"),
        &stamped(1),
        Arc::new(Plain),
        options,
    );
    assert!(matches!(opened.err(), Some(LogError::Damaged { .. })));
}

fn damage_the_middle(log: &Path) {
    for file in std::fs::read_dir(log).expect("listed") {
        let path = file.expect("a file").path();
        let mut bytes = std::fs::read(&path).expect("read");
        let is_body = |at: &usize| bytes[*at..].starts_with(b"eu-north-1") && *at > 4096;
        let place = (0..bytes.len()).find(is_body);
        // The founding entry names the region; twenty others follow it.
        if let Some(at) = place {
            bytes[at] ^= 0xff;
            std::fs::write(&path, bytes).expect("written");
            return;
        }
    }
    panic!("no segment holds the founding entry");
}

/// A log whose disk refuses to sync from some moment on.
struct Failing {
    log: MemoryLog,
    fails: Arc<AtomicBool>,
}

impl Log for Failing {
    fn vote(&self) -> Result<Option<Vec<u8>>, store::Fault> {
        self.log.vote()
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), store::Fault> {
        self.log.save_vote(vote)
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        if self.fails.load(Ordering::Relaxed) {
            done(Err(store::Fault::Closed));
        } else {
            self.log.append(records, done);
        }
    }

    fn truncate_after(&self, last: Option<u64>) -> Result<(), store::Fault> {
        self.log.truncate_after(last)
    }

    fn purge(&self, upto: Mark) -> Result<(), store::Fault> {
        self.log.purge(upto)
    }

    fn read(&self, range: Range<u64>) -> Result<Vec<Record>, store::Fault> {
        self.log.read(range)
    }

    fn bounds(&self) -> Result<Bounds, store::Fault> {
        self.log.bounds()
    }

    fn save_committed(&self, committed: Option<Mark>) -> Result<(), store::Fault> {
        self.log.save_committed(committed)
    }

    fn committed(&self) -> Result<Option<Mark>, store::Fault> {
        self.log.committed()
    }
}

#[tokio::test]
async fn a_failed_sync_is_a_fault_and_nothing_is_acknowledged() {
    let fails = Arc::new(AtomicBool::new(false));
    let log = Failing {
        log: MemoryLog::new(),
        fails: Arc::clone(&fails),
    };
    let disk = Disk::with(1, Arc::new(log), Arc::new(MemoryRows::new()));
    let region = Region::on(disk, 1, Settings::default()).await;
    region.write(1).await.expect("written");
    let mut faults = region.node(1).consensus.faults();
    assert!(faults.borrow().is_none());
    fails.store(true, Ordering::Relaxed);
    assert!(region.write(1).await.is_err());
    let fault = tokio::time::timeout(super::PATIENCE, faults.wait_for(Option::is_some)).await;
    let fault = fault.expect("in time").expect("a fault").clone();
    assert!(matches!(fault, Some(Fault::Log { .. })), "{fault:?}");
}
