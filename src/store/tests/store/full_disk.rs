//! A file system without space, a real one: what is refused, what waits, and how each goes on.

use std::fs::{self, File};
use std::io::Write;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::channel;

use strongroom_store::{Batch, Fault, Log, Row, Rows, SnapshotDir, SnapshotError, Wal, WalOptions};
use tempfile::{TempDir, tempdir};

use crate::support::{all_rows, append, mark, open_rows, record, stamped, veil, wait_until};

/// Small enough to be filled at once, large enough for sled.
const DISK_BYTES: usize = 8 << 20;

/// A file system in memory, of a few megabytes.
struct Disk(TempDir);

impl Disk {
    fn mount() -> Disk {
        let dir = tempdir().unwrap();
        let size = format!("size={DISK_BYTES}");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "strongroom-test"]);
        assert!(mount.arg(dir.path()).status().unwrap().success());
        Disk(dir)
    }

    fn ballast(&self) -> PathBuf {
        self.0.path().join("ballast")
    }

    /// Takes all the space there is.
    fn fill(&self) {
        let mut file = File::options()
            .create(true)
            .append(true)
            .open(self.ballast())
            .unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn empty(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }
}

impl Deref for Disk {
    type Target = Path;

    fn deref(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let unmounted = Command::new("umount")
            .arg("--lazy")
            .arg(self.0.path())
            .status();
        assert!(unmounted.unwrap().success());
    }
}

fn row(number: u32) -> Row {
    (number.to_be_bytes().to_vec(), vec![number as u8; 2000])
}

fn batch(number: u32) -> Batch {
    Batch {
        puts: vec![row(number)],
        meta: number.to_be_bytes().to_vec(),
        ..Batch::default()
    }
}

#[test]
#[ignore = "needs root"]
fn rows_that_met_a_full_disk_are_replaced_once_there_is_space() {
    let disk = Disk::mount();
    let dir = disk.join("rows");
    let rows = open_rows(&dir).rows;
    (0..100).for_each(|number| rows.write(batch(number)).unwrap());
    rows.checkpoint().unwrap();
    disk.fill();
    let met = (100..9_999).find_map(|number| {
        let written = rows.write(batch(number)).and_then(|()| rows.checkpoint());
        Some((number, written.err()?))
    });
    let (met, fault) = met.unwrap();
    assert!(fault.is_no_space(), "{fault}");
    assert_eq!(rows.row(&row(7).0).unwrap(), Some(row(7).1), "reads go on");
    let mut all = (0..=met).map(|number| Ok(row(number)));
    assert!(rows.replace(&mut all, b"new").unwrap_err().is_no_space());
    disk.empty();
    let mut all = (0..=met).map(|number| Ok(row(number)));
    rows.replace(&mut all, b"new").unwrap();
    rows.write(batch(met + 1)).unwrap();
    rows.checkpoint().unwrap();
    let held = all_rows(&rows);
    drop(rows);
    let opened = open_rows(&dir);
    assert!(!opened.rebuilt);
    assert_eq!(all_rows(&opened.rows), held);
    assert_eq!(held.len() as u32, met + 2);
}

#[test]
#[ignore = "needs root"]
fn rows_that_met_a_full_disk_are_those_of_the_checkpoint_or_later_after_a_restart() {
    let disk = Disk::mount();
    let dir = disk.join("rows");
    let rows = open_rows(&dir).rows;
    (0..100).for_each(|number| rows.write(batch(number)).unwrap());
    rows.checkpoint().unwrap();
    disk.fill();
    let full = |number| rows.write(batch(number)).and_then(|()| rows.checkpoint());
    assert!((100..9_999).any(|number| full(number).is_err()));
    drop(rows);
    disk.empty();
    let opened = open_rows(&dir);
    assert!(!opened.rebuilt);
    assert!(all_rows(&opened.rows).len() >= 100);
}

fn open_wal(dir: &Path) -> Wal {
    let options = WalOptions {
        segment_bytes: 1 << 20,
        cache_bytes: 1 << 20,
    };
    Wal::open(dir, &stamped(), veil(), options).unwrap()
}

#[test]
#[ignore = "needs root"]
fn a_vote_and_a_purge_need_no_space() {
    let disk = Disk::mount();
    let dir = disk.join("log");
    let wal = open_wal(&dir);
    for index in 0..250 {
        append(&wal, vec![record(index, 0, 10_000)]).unwrap();
    }
    wait_until(|| wal.has_spare_segment());
    for vote in [b"one", b"two"] {
        disk.fill();
        wal.save_vote(vote).unwrap();
    }
    disk.fill();
    wal.purge(mark(240)).unwrap();
    for index in 250..400 {
        append(&wal, vec![record(index, 0, 10_000)]).unwrap();
    }
    drop(wal);
    let wal = open_wal(&dir);
    assert_eq!(wal.vote().unwrap().unwrap(), b"two");
    assert_eq!(wal.read(0..9_999).unwrap().len(), 400 - 241);
}

#[test]
#[ignore = "needs root"]
fn appends_to_a_full_disk_wait_and_are_all_there_once_there_is_space() {
    let disk = Disk::mount();
    let dir = disk.join("log");
    let wal = open_wal(&dir);
    disk.fill();
    let (answer, answers) = channel();
    for index in 0..300 {
        let answer = answer.clone();
        let done = Box::new(move |result| answer.send(result).unwrap_or_default());
        wal.append(vec![record(index, 0, 10_000)], done);
    }
    drop(answer);
    wait_until(|| wal.lacks_space());
    let durable = answers.try_iter().count();
    assert!(durable < 300, "there was room for all");
    disk.empty();
    let rest: Vec<Result<(), Fault>> = answers.iter().collect();
    assert!(rest.iter().all(Result::is_ok));
    wait_until(|| !wal.lacks_space());
    drop(wal);
    assert_eq!(open_wal(&dir).read(0..9_999).unwrap().len(), 300);
}

#[test]
#[ignore = "needs root"]
fn a_snapshot_that_finds_no_space_leaves_nothing_behind() {
    let disk = Disk::mount();
    let dir = disk.join("snapshots");
    let snapshots = SnapshotDir::open(&dir, &stamped(), veil()).unwrap();
    disk.fill();
    let rows = || (0..999).map(|number| Ok(row(number)));
    let error = snapshots.write("1", b"meta", rows()).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Fault(Fault::NoSpace { .. })),
        "{error}"
    );
    assert_eq!(fs::read_dir(&dir).unwrap().count(), 0);
    disk.empty();
    let file = snapshots.write("1", b"meta", rows()).unwrap();
    assert_eq!(snapshots.read(&file).unwrap().count(), 999);
}
