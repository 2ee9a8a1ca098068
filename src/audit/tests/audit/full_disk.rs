//! A file system without space: room is short before a record is refused, and comes back.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use strongroom_audit::{FILE_BYTES_MIN, Fault, Options, Room, SystemDisk, Trail, verify};
use tempfile::tempdir;

use crate::support::{
    NOW, Orders, Told, cipher, files, open_on, open_ordered, options, owner, record, record_all,
    wait_until,
};

/// Records until one is refused; answers how many were not.
fn fill(trail: &Trail, from: u64) -> u64 {
    for at in from.. {
        match trail.record(&record(at)) {
            Ok(_) => {}
            Err(Fault::NoSpace { .. }) => return at - from,
            Err(fault) => panic!("{fault}"),
        }
    }
    0
}

#[test]
fn room_is_short_a_file_before_a_record_is_refused() {
    let temp = tempdir().unwrap();
    let (orders, told) = (Arc::new(Orders::default()), Arc::new(Told::default()));
    // Room for three files, one of them set aside.
    orders
        .free
        .store(3 * FILE_BYTES_MIN + 100, Ordering::SeqCst);
    let trail = open_on(temp.path(), options(), &orders, &told);
    let mut count = 0;
    while trail.held().files < 3 {
        assert_eq!(told.rooms(), []);
        trail.record(&record(count)).unwrap();
        count += 1;
    }
    wait_until(|| trail.room() == Room::Short);
    wait_until(|| told.rooms() == [Room::Short]);
    let more = fill(&trail, count);
    assert!(more > 50, "only {more} records after room was short");
    assert_eq!(told.rooms(), [Room::Short, Room::Full]);
    assert!(fill(&trail, 0) == 0, "and nothing fits any more");
    // What was recorded is there, and what was refused is not.
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.records, verified.breaks), (count + more, 0));
    // Space comes back, and so does room.
    orders.free.store(1 << 40, Ordering::SeqCst);
    wait_until(|| trail.room() == Room::Enough);
    wait_until(|| told.rooms() == [Room::Short, Room::Full, Room::Enough]);
    trail.record(&record(0)).unwrap();
    assert_eq!(verify(temp.path()).unwrap().breaks, 0);
    assert_eq!(told.faults(), [""; 0]);
}

#[test]
fn room_is_short_when_the_file_system_has_less_than_it_should() {
    let temp = tempdir().unwrap();
    let floor = Options {
        free_bytes_min: 1 << 30,
        ..options()
    };
    let (trail, orders, told) = open_ordered(temp.path(), floor);
    trail.record(&record(0)).unwrap();
    orders.free.store((1 << 30) - 1, Ordering::SeqCst);
    wait_until(|| told.rooms() == [Room::Short]);
    // It goes on for all of a file and the one set aside.
    record_all(&trail, 1..150);
    orders.free.store(1 << 31, Ordering::SeqCst);
    wait_until(|| told.rooms() == [Room::Short, Room::Enough]);
}

#[test]
fn a_record_that_was_written_by_half_leaves_no_trace() {
    let temp = tempdir().unwrap();
    let (trail, orders, told) = open_ordered(temp.path(), options());
    trail.record(&record(0)).unwrap();
    let bytes = fs::read(&files(temp.path())[0]).unwrap();
    orders.is_full.store(true, Ordering::SeqCst);
    assert!(trail.record(&record(1)).unwrap_err().may_pass());
    assert_eq!(fs::read(&files(temp.path())[0]).unwrap(), bytes);
    assert_eq!(told.rooms(), [Room::Full]);
    orders.is_full.store(false, Ordering::SeqCst);
    assert_eq!(trail.record(&record(1)).unwrap().0, 2);
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.records, verified.breaks), (2, 0));
}

#[test]
fn a_day_that_ends_on_a_full_disk_refuses_nothing() {
    let temp = tempdir().unwrap();
    let (orders, told) = (Arc::new(Orders::default()), Arc::new(Told::default()));
    orders.free.store(FILE_BYTES_MIN + 100, Ordering::SeqCst);
    let trail = open_on(temp.path(), options(), &orders, &told);
    wait_until(|| told.rooms() == [Room::Short]);
    let mut record = record(0);
    record.time.0 += crate::support::DAY;
    trail.record(&record).unwrap();
    assert_eq!(trail.held().files, 1);
}

/// A small file system in memory.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn new(bytes: u64) -> Mounted {
        let dir = tempdir().unwrap();
        let size = format!("size={bytes}");
        let mut mount = Command::new("mount");
        let mount = mount.args(["-t", "tmpfs", "-o", &size, "strongroom-test"]);
        assert!(mount.arg(dir.path()).status().unwrap().success());
        Mounted(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let mut unmount = Command::new("umount");
        let status = unmount.arg("--lazy").arg(self.0.path()).status();
        assert!(status.unwrap().success());
    }
}

#[test]
#[ignore = "needs root"]
fn on_a_real_file_system_that_others_fill_what_was_set_aside_can_be_used() {
    let disk = Mounted::new(8 << 20);
    let (dir, told) = (disk.path().join("audit"), Arc::new(Told::default()));
    let options = Options {
        file_bytes: 1 << 20,
        ..options()
    };
    let watcher = Arc::clone(&told);
    let trail = Trail::open(
        &dir,
        owner(),
        options,
        cipher(),
        Arc::new(SystemDisk),
        watcher,
        NOW,
    )
    .unwrap();
    wait_until(|| trail.has_spare_file());
    let mut ballast = File::create(disk.path().join("ballast")).unwrap();
    while ballast.write_all(&[0; 4096]).is_ok() {}
    let count = fill(&trail, 0);
    assert!(count > 2_000, "{count} records in two files of a MiB");
    assert_eq!(told.rooms(), [Room::Short, Room::Full]);
    let verified = verify(&dir).unwrap();
    assert_eq!((verified.records, verified.breaks), (count, 0));
    drop(ballast);
    fs::remove_file(disk.path().join("ballast")).unwrap();
    wait_until(|| trail.room() == Room::Enough);
    trail.record(&record(0)).unwrap();
}
