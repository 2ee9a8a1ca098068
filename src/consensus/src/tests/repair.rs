//! Rows that went bad: served from a peer, written again, and counted.

use std::collections::{BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use machine::{RowKey, Uid};
use store::{
    Attendant, BadRow, Batch, Block, Fault, MemoryLog, MemoryRows, Packing, Row, RowScan, Rows,
    RowsOptions, SledRows, Space,
};

use super::eventually;
use super::node::{Disk, Plain, Settings, stamped};
use super::region::{Region, create, value, version_id};
use super::storage::Watched;
use crate::limits::{RENEW_DEAD_BYTES_MIN, RENEW_PERCENT};
use crate::renewal::Watch;
use crate::{Inner, Keep, RowHealth, ValueError};

/// Every value leaves memory as soon as it may.
const NOTHING_STAYS: Settings = Settings {
    keep: Keep {
        value_memory_bytes: 0,
        snapshot_entries: 100_000,
        log_entries: 5,
    },
    reads: crate::Reads::Lease,
    danger: crate::Danger::NONE,
    scrub_interval: Duration::ZERO,
};

/// Rows of which some do not match their checksum until they are written again.
#[derive(Default)]
struct Rotting {
    rows: MemoryRows,
    bad: Mutex<BTreeSet<Vec<u8>>>,
}

impl Rotting {
    fn spoil(&self, key: &RowKey) {
        self.bad.lock().unwrap().insert(key.encode());
    }

    fn mend(&self) {
        self.bad.lock().unwrap().clear();
    }

    fn is_whole(&self) -> bool {
        self.bad.lock().unwrap().is_empty()
    }
}

impl Rows for Rotting {
    fn write(&self, batch: Batch) -> Result<(), Fault> {
        let mut bad = self.bad.lock().unwrap();
        for (key, _) in &batch.puts {
            bad.remove(key);
        }
        self.rows.write(batch)
    }

    fn row(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Fault> {
        if self.bad.lock().unwrap().contains(key) {
            let what = Block::Row(key.to_vec());
            return Err(Fault::Damaged { what });
        }
        self.rows.row(key)
    }

    fn scan(&self) -> RowScan<'_> {
        self.rows.scan()
    }

    fn meta(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.meta()
    }

    fn checkpoint(&self) -> Result<Option<Vec<u8>>, Fault> {
        self.rows.checkpoint()
    }

    fn replace(
        &self,
        rows: &mut (dyn Iterator<Item = Result<Row, Fault>> + Send),
        meta: &[u8],
    ) -> Result<(), Fault> {
        self.rows.replace(rows, meta)
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

/// A region of three, of which the first has its rows on disk.
async fn on_sled(dir: &Path) -> Region {
    let disk = Disk {
        rows: sled(dir, 1),
        ..Disk::memory(1)
    };
    let mut region = Region::on(disk, 1, NOTHING_STAYS).await;
    for node in 2..=3 {
        region.join(Disk::memory(node)).await;
        region.promote(node).await;
    }
    region
}

/// A region of nodes on rotting rows.
async fn rotting(size: u64, settings: Settings) -> (Region, Vec<Arc<Rotting>>) {
    let all: Vec<Arc<Rotting>> = (0..size).map(|_| Arc::default()).collect();
    let disk = |node: u64| {
        let rows: Arc<dyn Rows> = Arc::<Rotting>::clone(&all[node as usize - 1]);
        Disk {
            rows,
            ..Disk::memory(node)
        }
    };
    let mut region = Region::on(disk(1), 1, settings).await;
    for node in 2..=size {
        region.join(disk(node)).await;
        region.promote(node).await;
    }
    (region, all)
}

async fn created(region: &Region, number: u8, bytes: usize) -> Uid {
    let (uid, command) = create(Some(value(number, bytes)));
    let committed = region.propose(1, command).await.expect("committed");
    committed.answer.expect("accepted");
    uid
}

/// Waits until every node has everything in its rows, and no value in memory.
async fn settled(region: &Region) {
    region.agree().await;
    for node in region.nodes.values() {
        eventually("the rows have everything", || {
            node.consensus.inner.backlog.written() >= node.consensus.local_view().index().0
        })
        .await;
    }
    // Values leave memory with the next entry.
    region.write(1).await.expect("written");
    region.agree().await;
    for node in region.nodes.values() {
        assert_eq!(node.consensus.local_view().counts().resident_value_bytes, 0);
    }
}

/// Reads a value at a node, and answers its first byte.
async fn read(region: &Region, at: u64, uid: Uid, number: u8) -> Result<u8, ValueError> {
    let consensus = region.node(at).consensus.clone();
    let read = move || consensus.local_view().value(&uid, &version_id(number));
    let value = tokio::task::spawn_blocking(read).await.expect("no panic")?;
    Ok(value.expect("there").ciphertext[0])
}

fn health(region: &Region, at: u64) -> RowHealth {
    region.node(at).consensus.row_health()
}

fn key_of(region: &Region, uid: Uid, number: u8) -> RowKey {
    let view = region.node(1).consensus.local_view();
    view.value_key(&uid, &version_id(number)).expect("a key")
}

#[tokio::test]
async fn a_damaged_value_is_read_from_a_peer_and_written_again() {
    let (region, all) = rotting(3, NOTHING_STAYS).await;
    let uid = created(&region, 5, 3_000).await;
    settled(&region).await;
    let key = key_of(&region, uid, 5);
    for at in region.ids() {
        let rows = &all[at as usize - 1];
        rows.spoil(&key);
        assert_eq!(read(&region, at, uid, 5).await.expect("served"), 5);
        eventually("the row is whole again", || rows.is_whole()).await;
        eventually("it is counted", || health(&region, at).repaired == 1).await;
        assert_eq!(health(&region, at).damaged, 1);
        assert_eq!(read(&region, at, uid, 5).await.expect("served"), 5);
        assert_eq!(health(&region, at).damaged, 1, "read from its own rows");
    }
}

/// Tells a node's renewal of bad rows.
async fn told_of(inner: &Arc<Inner>, rows: &Arc<Rotting>, keys: Vec<RowKey>) -> Result<(), Fault> {
    let mut watch = Watch::of(inner);
    let bad = keys.into_iter().map(|key| BadRow {
        key: key.encode(),
        fault: rows.row(&key.encode()).err().unwrap_or(Fault::Closed),
    });
    let bad: Vec<BadRow> = bad.collect();
    // It asks peers, and waits for them.
    let tell = tokio::task::spawn_blocking(move || watch.are_bad(&bad));
    tell.await.expect("told")
}

#[tokio::test]
async fn rows_that_a_renewal_finds_bad_are_written_again_from_memory_or_from_a_peer() {
    let (region, all) = rotting(3, NOTHING_STAYS).await;
    let uid = created(&region, 5, 3_000).await;
    settled(&region).await;
    let (value, secret) = (key_of(&region, uid, 5), RowKey::Secret(uid));
    let inner = Arc::clone(&region.node(1).consensus.inner);
    all[0].spoil(&value);
    all[0].spoil(&secret);
    let keys = vec![value, secret, RowKey::Secret(Uid([9; 16]))];
    told_of(&inner, &all[0], keys).await.expect("they are had");
    eventually("the rows are whole again", || all[0].is_whole()).await;
    eventually("they are counted", || health(&region, 1).repaired == 2).await;
    assert_eq!(health(&region, 1).damaged, 2, "the third is gone");
    all.iter().for_each(|rows| rows.spoil(&value));
    let lost = told_of(&inner, &all[0], vec![value]).await;
    assert!(lost.is_err_and(|fault| fault.is_damage()), "nobody has it");
}

#[tokio::test]
async fn a_renewal_ends_when_its_node_stops_or_the_log_lacks_space() {
    let (region, _) = rotting(1, NOTHING_STAYS).await;
    let mut watch = Watch::of(&region.node(1).consensus.inner);
    watch.goes_on().expect("nothing is in the way");
    watch.disk.set_free_bytes(1, 0);
    watch.disk.set_low(true);
    assert!(watch.goes_on().is_err_and(|fault| fault.is_no_space()));
    watch.stop.store(true, Ordering::Release);
    assert!(matches!(watch.goes_on(), Err(Fault::Closed)));
    let bad = BadRow {
        key: RowKey::Clock.encode(),
        fault: Fault::Closed,
    };
    assert!(matches!(watch.are_bad(&[bad]), Err(Fault::Closed)));
}

#[tokio::test]
async fn rows_damaged_on_disk_are_repaired_and_renewed() {
    let dir = tempfile::tempdir().expect("a directory");
    let region = on_sled(dir.path()).await;
    let mut uids = Vec::new();
    for number in 0..40 {
        uids.push((created(&region, number, 20_000).await, number));
    }
    settled(&region).await;
    let inner = Arc::clone(&region.node(1).consensus.inner);
    let rows = Arc::clone(&region.node(1).disk.rows);
    // Once all of them lie in a base a few are damaged there.
    rows.begin_renewal().expect("begun");
    assert!(rows.renew(&mut ()).expect("renewed"));
    let generation = std::fs::read_dir(dir.path()).expect("listed");
    let paths = generation.map(|entry| entry.expect("a name").path().join("base"));
    paths
        .filter(|base| base.exists())
        .for_each(|base| flip(&base, 99_991));
    let mut watch = Watch::of(&inner);
    rows.begin_renewal().expect("begun");
    let renewed = tokio::task::spawn_blocking({
        let rows = Arc::clone(&rows);
        move || rows.renew(&mut watch)
    });
    assert!(renewed.await.expect("run").expect("repaired in time"));
    let found = health(&region, 1);
    assert!(found.damaged > 0 && found.unrepaired == 0, "{found:?}");
    for (uid, number) in uids {
        let key = key_of(&region, uid, number).encode();
        assert!(rows.row(&key).expect("whole").is_some());
    }
}

#[tokio::test]
async fn a_row_with_another_values_bytes_is_not_believed() {
    let (region, all) = rotting(3, NOTHING_STAYS).await;
    let uid = created(&region, 5, 3_000).await;
    let other = created(&region, 6, 3_000).await;
    settled(&region).await;
    let (key, from) = (key_of(&region, uid, 5), key_of(&region, other, 6));
    let rows = &all[0].rows;
    let bytes = rows.row(&from.encode()).expect("readable").expect("there");
    let batch = Batch {
        puts: vec![(key.encode(), bytes)],
        deletes: Vec::new(),
        meta: rows.meta().expect("readable").expect("a meta"),
    };
    rows.write(batch).expect("written");
    assert_eq!(read(&region, 1, uid, 5).await.expect("served"), 5);
    eventually("it is repaired", || health(&region, 1).repaired == 1).await;
    assert_eq!(read(&region, 1, uid, 5).await.expect("served"), 5);
    assert_eq!(health(&region, 1).damaged, 1);
}

#[tokio::test]
async fn a_value_damaged_everywhere_is_a_typed_error_and_stays_where_it_is() {
    let (region, all) = rotting(3, NOTHING_STAYS).await;
    let uid = created(&region, 5, 3_000).await;
    let other = created(&region, 6, 3_000).await;
    settled(&region).await;
    let key = key_of(&region, uid, 5);
    all.iter().for_each(|rows| rows.spoil(&key));
    let lost = read(&region, 2, uid, 5).await;
    assert!(matches!(lost, Err(ValueError::Damaged { .. })), "{lost:?}");
    assert_eq!(health(&region, 2).unrepaired, 1);
    assert_eq!(health(&region, 2).repaired, 0);
    assert_eq!(read(&region, 2, other, 6).await.expect("served"), 6);
    for node in region.nodes.values() {
        assert!(node.consensus.faults().borrow().is_none());
    }
    // One copy that can be read again serves them all.
    all[2].mend();
    assert_eq!(read(&region, 2, uid, 5).await.expect("served"), 5);
    eventually("the row is whole again", || all[1].is_whole()).await;
}

#[tokio::test]
async fn the_scrub_finds_bad_rows_before_they_are_read_and_writes_them_again() {
    let settings = Settings {
        scrub_interval: Duration::from_millis(50),
        ..NOTHING_STAYS
    };
    let (region, all) = rotting(3, settings).await;
    let uid = created(&region, 5, 3_000).await;
    settled(&region).await;
    let (value, secret) = (key_of(&region, uid, 5), RowKey::Secret(uid));
    all[1].spoil(&value);
    all[1].spoil(&secret);
    all[0].spoil(&RowKey::Machine);
    eventually("all rows are whole", || {
        all.iter().all(|rows| rows.is_whole())
    })
    .await;
    eventually("they are counted", || {
        (health(&region, 2).repaired, health(&region, 1).repaired) == (2, 1)
    })
    .await;
    assert!(health(&region, 2).scrubbed > 0);
    assert_eq!(health(&region, 3).damaged, 0);
}

/// Rows in sled whose cache holds almost nothing, so that reads go to the disk.
fn sled(dir: &Path, node: u64) -> Arc<dyn Rows> {
    let options = RowsOptions {
        cache_bytes: 64 * 1024,
        packing: Some(Packing {
            first_byte: RowKey::JOURNAL_KIND,
            key_bytes: RowKey::JOURNAL_BYTES,
        }),
    };
    let opened = SledRows::open(dir, &stamped(node), Arc::new(Plain), options);
    Arc::new(opened.expect("rows").rows)
}

#[tokio::test]
async fn bytes_flipped_on_disk_under_a_running_node_are_served_right_and_repaired() {
    let dir = tempfile::tempdir().expect("a directory");
    let region = on_sled(dir.path()).await;
    let mut uids = Vec::new();
    // sled keeps a page in each of 256 parts of its cache: most of these are on the disk only.
    for number in 0..250 {
        uids.push((created(&region, number, 60_000).await, number));
    }
    settled(&region).await;
    let consensus = region.node(1).consensus.clone();
    eventually("it is on disk", || {
        consensus.inner.backlog.durable() >= consensus.local_view().index().0
    })
    .await;
    for generation in std::fs::read_dir(dir.path()).expect("listed") {
        let path = generation.expect("a name").path();
        // They are in the base, if they were renewed meanwhile.
        for file in ["db", "base"].map(|name| path.join(name)) {
            if file.exists() {
                flip(&file, 4_099);
            }
        }
    }
    all_read(&region, &uids).await;
    let found = health(&region, 1);
    assert!(found.damaged > 0, "the damage was met: {found:?}");
    assert_eq!(found.unrepaired, 0);
    let rows = Arc::clone(&region.node(1).disk.rows);
    let view = consensus.local_view();
    let first_bad = || {
        let keys = uids
            .iter()
            .map(|(uid, n)| view.value_key(uid, &version_id(*n)));
        let mut keys = keys.map(|key| key.expect("a key").encode());
        keys.find_map(|key| rows.row(&key).err())
    };
    let deadline = super::soon();
    while let Some(bad) = first_bad() {
        let fault = consensus.faults().borrow().clone();
        assert!(fault.is_none(), "{fault:?}");
        let in_time = tokio::time::Instant::now() < deadline;
        assert!(in_time, "{bad:?} {:?}", health(&region, 1));
        // A page in sled's cache shows its damage only once it has left it, and nothing else here
        // reads it then: no scrub goes on.
        all_read(&region, &uids).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    eventually("it is counted", || health(&region, 1).repaired > 0).await;
    assert!(consensus.faults().borrow().is_none());
    created(&region, 251, 100).await;
    region.agree().await;
}

/// Reads all values through node 1.
async fn all_read(region: &Region, uids: &[(Uid, u8)]) {
    for (uid, number) in uids {
        let read = read(region, 1, *uid, *number).await;
        assert_eq!(read.expect("served"), *number);
    }
}

/// Changes one byte of the file in every so many.
fn flip(path: &Path, every: usize) {
    let file = OpenOptions::new().read(true).write(true).open(path);
    let file = file.expect("the file");
    let size = file.metadata().expect("its size").len();
    for at in (0..size).skip(every / 2).step_by(every) {
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("read");
        file.write_all_at(&[!byte[0]], at).expect("written");
    }
}

#[tokio::test]
async fn a_renewal_that_waits_for_its_turn_begins_when_space_gets_short_and_nothing_is_written() {
    let mut region = Region::on(Disk::memory(1), 1, NOTHING_STAYS).await;
    let rows = Arc::new(Watched::default());
    let lent = Arc::<Watched>::clone(&rows);
    let log = Arc::new(MemoryLog::new());
    region.join(Disk::with(2, log, lent)).await;
    region.promote(2).await;
    for number in 0..200 {
        created(&region, number, 60_000).await;
    }
    settled(&region).await;
    let live_bytes = rows.space().expect("its size").live_bytes;
    let percent = u64::try_from(RENEW_PERCENT + 1).expect("a share");
    let dead_bytes = live_bytes * (percent - 100) / 100 + live_bytes / 10;
    assert!(dead_bytes > RENEW_DEAD_BYTES_MIN, "it would not be due");
    rows.dead_bytes.store(dead_bytes, Ordering::Release);
    let consensus = &region.node(2).consensus;
    // The last checkpoint is one after which it was asked whether a renewal is due.
    for _ in 0..3 {
        region.write(1).await.expect("written");
        region.agree().await;
        eventually("it is on disk", || {
            consensus.inner.backlog.durable() >= consensus.local_view().index().0
        })
        .await;
    }
    let begun = || rows.renewals_begun.load(Ordering::Acquire);
    assert_eq!(begun(), 0, "it is the turn of node 1");
    // No checkpoint comes any more that would look for itself.
    consensus.tell_free_bytes(live_bytes * 3, live_bytes * 3);
    eventually("it is renewed", || health(&region, 2).renewed == 1).await;
    assert_eq!(begun(), 1);
}

#[tokio::test]
async fn dead_space_is_given_back_while_writes_and_reads_go_on() {
    let dir = tempfile::tempdir().expect("a directory");
    let disk = Disk {
        rows: sled(dir.path(), 1),
        ..Disk::memory(1)
    };
    let mut region = Region::on(disk, 1, NOTHING_STAYS).await;
    let kept = created(&region, 1, 60_000).await;
    let consensus = region.node(1).consensus.clone();
    let deadline = super::soon();
    let mut round = 0;
    let mut present = VecDeque::new();
    while consensus.row_health().renewed == 0 {
        assert!(tokio::time::Instant::now() < deadline, "never renewed");
        present.push_back(created(&region, round, 60_000).await);
        // What goes before it was written leaves no dead space.
        if present.len() > 40 {
            let uid = present.pop_front().expect("forty");
            region.delete(1, uid).await;
        }
        assert_eq!(read(&region, 1, kept, 1).await.expect("served"), 1);
        round = (round + 1) % 200;
    }
    eventually("the rows have everything", || {
        consensus.inner.backlog.written() >= consensus.local_view().index().0
    })
    .await;
    let hash = consensus.local_view().node_hash();
    drop(consensus);
    let mut disk = region.nodes.remove(&1).expect("the node").shutdown().await;
    eventually("the files are closed", || {
        Arc::strong_count(&disk.rows) == 1
    })
    .await;
    // The old rows are closed before they are opened again.
    disk.rows = Arc::new(MemoryRows::new());
    disk.rows = sled(dir.path(), 1);
    region.start(disk).await;
    region.leader().await;
    assert_eq!(region.node(1).consensus.local_view().node_hash(), hash);
    assert_eq!(read(&region, 1, kept, 1).await.expect("served"), 1);
}
