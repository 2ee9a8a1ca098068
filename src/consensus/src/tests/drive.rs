//! A real disk under a node: the write-ahead log and the rows in a directory, with real syncs.

use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

use store::{Bounds, Done, Log, Mark, Record, Rows, RowsOptions, SledRows, Wal, WalOptions};
use strongroom_tests::stalls::Stalls;

use super::eventually;
use super::node::{Disk, Plain, stamped};

/// What a node keeps in files. It outlives the node.
pub(super) struct Drive {
    node: u64,
    dir: tempfile::TempDir,
    /// How long what the node appended took to become durable.
    pub(super) syncs: Arc<Stalls>,
}

impl Drive {
    pub(super) fn new(node: u64) -> Drive {
        Drive {
            node,
            dir: tempfile::tempdir().expect("a directory"),
            syncs: Arc::default(),
        }
    }

    /// Opens the files as a node does that starts.
    pub(super) fn mount(&self) -> Disk {
        let (stamped, dir) = (stamped(self.node), self.dir.path());
        let options = WalOptions::default();
        let log = Wal::open(&dir.join("log"), &stamped, Arc::new(Plain), options);
        let log = TimedLog {
            log: log.expect("a log"),
            syncs: Arc::clone(&self.syncs),
        };
        let options = RowsOptions::default();
        let opened = SledRows::open(&dir.join("rows"), &stamped, Arc::new(Plain), options);
        let disk = Disk::with(
            self.node,
            Arc::new(log),
            Arc::new(opened.expect("rows").rows),
        );
        Disk {
            snapshots: dir.join("snapshots"),
            ..disk
        }
    }

    /// Waits until nothing of a node that has crashed holds the files, and closes them.
    pub(super) async fn unmount(&self, disk: Disk) {
        let (log, rows): (Arc<dyn Log>, Arc<dyn Rows>) = (disk.log, disk.rows);
        // The last holders are tasks that are being dropped.
        eventually("the files are closed", || {
            Arc::strong_count(&log) == 1 && Arc::strong_count(&rows) == 1
        })
        .await;
    }
}

/// The real log, which notes how long each append and each vote took to become durable.
struct TimedLog {
    log: Wal,
    syncs: Arc<Stalls>,
}

impl Log for TimedLog {
    fn vote(&self) -> Result<Option<Vec<u8>>, store::Fault> {
        self.log.vote()
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), store::Fault> {
        let began = Instant::now();
        let saved = self.log.save_vote(vote);
        self.syncs.note(began.elapsed());
        saved
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        let (began, syncs) = (Instant::now(), Arc::clone(&self.syncs));
        let timed: Done = Box::new(move |synced| {
            syncs.note(began.elapsed());
            done(synced);
        });
        self.log.append(records, timed);
    }

    fn has_room(&self) -> bool {
        self.log.has_room()
    }

    fn wait_for_room(&self) {
        self.log.wait_for_room();
    }

    fn give_up_waiting(&self) {
        self.log.give_up_waiting();
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
