//! A log whose queue is full, or whose disk is.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use store::{Bounds, Done, Log, Mark, MemoryLog, MemoryRows, Record};
use tokio::time::Instant;

use super::node::{Disk, Settings};
use super::region::Region;
use super::{PATIENCE, eventually};
use crate::{Keep, Timing};

/// A log that takes appends only while there is room, and blocks whoever calls without it. Or it
/// takes them and lets their end wait, as for space on its disk.
#[derive(Default)]
struct Narrow {
    log: MemoryLog,
    gate: Mutex<Gate>,
    opened: Condvar,
    /// Appends that are not written yet; none while they are written at once.
    unwritten: Mutex<Option<Vec<Append>>>,
    /// Purges wait while it is held.
    purge_gate: tokio::sync::Mutex<()>,
    is_purging: AtomicBool,
}

type Append = (Vec<Record>, Done);

#[derive(Default)]
struct Gate {
    is_shut: bool,
    /// Calls that wait for it to open.
    waiting: usize,
}

impl Narrow {
    fn set_shut(&self, is_shut: bool) {
        self.gate.lock().unwrap().is_shut = is_shut;
        self.opened.notify_all();
    }

    fn fill_disk(&self) {
        *self.unwritten.lock().unwrap() = Some(Vec::new());
    }

    fn free_disk(&self) {
        let mut unwritten = self.unwritten.lock().unwrap();
        for (records, done) in unwritten.take().into_iter().flatten() {
            self.log.append(records, done);
        }
    }

    fn is_waited_for(&self) -> bool {
        self.gate.lock().unwrap().waiting > 0
    }
}

impl Log for Narrow {
    fn has_room(&self) -> bool {
        !self.gate.lock().unwrap().is_shut
    }

    fn wait_for_room(&self) {
        let mut gate = self.gate.lock().unwrap();
        gate.waiting += 1;
        let mut gate = self.opened.wait_while(gate, |gate| gate.is_shut).unwrap();
        gate.waiting -= 1;
    }

    fn append(&self, records: Vec<Record>, done: Done) {
        self.wait_for_room();
        match self.unwritten.lock().unwrap().as_mut() {
            Some(unwritten) => unwritten.push((records, done)),
            None => self.log.append(records, done),
        }
    }

    fn vote(&self) -> Result<Option<Vec<u8>>, store::Fault> {
        self.log.vote()
    }

    fn save_vote(&self, vote: &[u8]) -> Result<(), store::Fault> {
        self.log.save_vote(vote)
    }

    fn truncate_after(&self, last: Option<u64>) -> Result<(), store::Fault> {
        self.log.truncate_after(last)
    }

    fn purge(&self, upto: Mark) -> Result<(), store::Fault> {
        self.is_purging.store(true, Ordering::Release);
        drop(self.purge_gate.blocking_lock());
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
async fn a_full_queue_of_the_log_delays_writes_and_blocks_no_worker() {
    let log = Arc::new(Narrow::default());
    let lent: Arc<dyn Log> = Arc::<Narrow>::clone(&log);
    let disk = Disk::with(1, lent, Arc::new(MemoryRows::new()));
    let region = Region::on(disk, 1, Settings::default()).await;
    log.set_shut(true);
    let (uid, command) = super::region::create(None);
    let node = region.node(1);
    let write =
        node.run(move |consensus| super::region::propose(consensus, command, super::soon()));
    eventually("the append waits", || log.is_waited_for()).await;
    // The node has one worker: it answers only if nobody blocks it.
    let index = node.run(|consensus| async move {
        tokio::time::sleep(Duration::from_millis(1)).await;
        consensus.local_view().index()
    });
    let answered = tokio::time::timeout(PATIENCE / 2, index).await;
    log.set_shut(false);
    assert!(answered.is_ok(), "the worker was blocked");
    write.await.expect("committed").answer.expect("accepted");
    assert_eq!(region.shows(1, uid).await.ok(), Some(true));
}

/// A region of one node that purges often, on this log.
async fn purging(log: &Arc<Narrow>) -> Region {
    let lent: Arc<dyn Log> = Arc::<Narrow>::clone(log);
    let disk = Disk::with(1, lent, Arc::new(MemoryRows::new()));
    let keep = Keep {
        snapshot_entries: 20,
        log_entries: 5,
        ..Keep::default()
    };
    let settings = Settings {
        keep,
        ..Settings::default()
    };
    Region::on(disk, 1, settings).await
}

#[tokio::test]
async fn a_node_that_has_stopped_writes_no_more_to_its_log() {
    let log = Arc::new(Narrow::default());
    let region = purging(&log).await;
    let held = log.purge_gate.lock().await;
    while !log.is_purging.load(Ordering::Acquire) {
        region.write(1).await.expect("written");
    }
    let node = region.node(1);
    let stopping = node.run(|consensus| async move { consensus.shutdown().await });
    let mut stopping = std::pin::pin!(stopping);
    // Whoever opens the log once the node has stopped has it for himself.
    let early = tokio::time::timeout(Duration::from_millis(500), stopping.as_mut()).await;
    assert!(early.is_err(), "it stopped while the log was purged");
    drop(held);
    stopping.await;
    assert!(log.log.bounds().unwrap().purged.is_some());
}

#[tokio::test]
async fn a_purge_that_takes_long_holds_no_write_up() {
    let log = Arc::new(Narrow::default());
    let region = purging(&log).await;
    let held = log.purge_gate.lock().await;
    while !log.is_purging.load(Ordering::Acquire) {
        region.write(1).await.expect("written");
    }
    let written = region.write(1).await;
    drop(held);
    written.expect("written");
    let consensus = region.node(1).consensus.clone();
    eventually("the log is purged", || {
        log.log.bounds().unwrap().purged.is_some()
    })
    .await;
    assert!(consensus.status().purged.is_some());
}

#[tokio::test]
async fn a_follower_whose_log_waits_for_space_still_knows_its_leader_and_passes_writes_on() {
    let log = Arc::new(Narrow::default());
    let lent: Arc<dyn Log> = Arc::<Narrow>::clone(&log);
    let disk = Disk::with(1, lent, Arc::new(MemoryRows::new()));
    let region = Region::on(disk, 3, Settings::default()).await;
    region.node(1).consensus.tell_space_low(true);
    let leader = region.leader_among(&[2, 3]).await;
    log.fill_disk();
    // Longer than a leader may be silent.
    let filled = Instant::now();
    while filled.elapsed() < 2 * Timing::default().election_max {
        region.write(leader).await.expect("written");
    }
    let written = region.write(1).await;
    log.free_disk();
    written.expect("written");
    region.node(1).consensus.tell_space_low(false);
    region.agree().await;
}
