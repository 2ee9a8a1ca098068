//! A disk that obeys orders, a watcher that remembers, and shorthands.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use strongroom_audit::{
    Cipher, CipherFault, Disk, DiskFile, FILE_BYTES_MIN, Fault, Found, Kind, OpenError, Options,
    Outcome, Owner, Position, Reader, Record, Room, Syncing, SystemDisk, Time, Trail, Watcher,
};

/// 2026-11-30, some time in the morning.
pub const NOW: Time = Time(1_796_030_999_123_456_789);
pub const SECOND: u64 = 1_000_000_000;
pub const DAY: u64 = 24 * 60 * 60 * SECOND;

/// Hides what it seals from a look, and binds it to its place; no more is asked of it here.
pub struct Turning;

impl Cipher for Turning {
    fn seal(&self, place: &[u8], plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let sum = Sha256::digest([place, plain].concat());
        Ok(plain.iter().map(|byte| !byte).chain(sum).collect())
    }

    fn open(&self, place: &[u8], sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let turned = sealed.len().checked_sub(32).ok_or(CipherFault::Open)?;
        let plain: Vec<u8> = sealed[..turned].iter().map(|byte| !byte).collect();
        match self.seal(place, &plain)? == sealed {
            true => Ok(plain),
            false => Err(CipherFault::Open),
        }
    }
}

pub fn cipher() -> Arc<dyn Cipher> {
    Arc::new(Turning)
}

pub fn reader(dir: &Path) -> Reader {
    Reader::new(dir, &owner(), cipher())
}

pub fn owner() -> Owner {
    Owner {
        cluster: [7; 16],
        region: "eu-west-1".into(),
        node: 3,
    }
}

/// Files as small as they may be.
pub fn options() -> Options {
    Options {
        file_bytes: FILE_BYTES_MIN,
        free_bytes_min: 0,
        ..Options::default()
    }
}

pub fn each() -> Options {
    Options {
        syncing: Syncing::Each,
        ..options()
    }
}

pub fn record(at: u64) -> Record<'static> {
    let mut request = [0; 16];
    request[..8].copy_from_slice(&at.to_be_bytes());
    Record {
        time: Time(NOW.0 + at * 1000),
        kind: Kind::Call,
        caller: "arn:aws:iam::123456789012:user/alice",
        session: "",
        address: Some([192, 0, 2, 7].into()),
        listener: "api",
        method: "GetSecretValue",
        resource: "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db/password-a1b2c3",
        version: "",
        stage: "AWSCURRENT",
        outcome: Outcome::Allowed,
        statement: "policy readers, statement 2",
        request,
        position: Some(Position {
            feed: "home:eu-west-1",
            epoch: 1,
            epoch_region: "eu-west-1",
            revision: at,
        }),
    }
}

pub fn open(dir: &Path) -> Trail {
    open_with(dir, options()).unwrap()
}

pub fn open_with(dir: &Path, options: Options) -> Result<Trail, OpenError> {
    let (disk, told) = (Arc::new(SystemDisk), Arc::new(Told::default()));
    Trail::open(dir, owner(), options, cipher(), disk, told, NOW)
}

/// A closed trail of `count` records.
pub fn written(dir: &Path, count: u64) {
    let trail = open(dir);
    record_all(&trail, 0..count);
}

/// Records some.
pub fn record_all(trail: &Trail, range: std::ops::Range<u64>) {
    for at in range {
        trail.record(&record(at)).unwrap();
    }
}

/// Every record there is.
pub fn all(dir: &Path) -> Vec<Found> {
    let (reader, mut found, mut place) = (reader(dir), Vec::new(), None);
    loop {
        let mut page = reader.follow(place).unwrap();
        found.append(&mut page.found);
        place = page.next;
        if page.is_end {
            return found;
        }
    }
}

/// The files with something in them, oldest first.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap());
    // One may be deleted meanwhile.
    let filled = entries.filter(|entry| entry.metadata().is_ok_and(|found| found.len() > 0));
    let mut paths: Vec<_> = filled.map(|entry| entry.path()).collect();
    paths.sort();
    paths
}

pub fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Where each line of a file begins, and at last where the file ends.
pub fn line_starts(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).unwrap();
    let newlines = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    let mut starts: Vec<_> = newlines.map(|(at, _)| at + 1).collect();
    starts.insert(0, 0);
    starts
}

/// Waits for a condition that other threads bring about.
pub fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        let waited = start.elapsed().as_secs();
        assert!(waited < 30, "the condition did not come true");
        std::thread::yield_now();
    }
}

/// Remembers what it was told.
#[derive(Default)]
pub struct Told {
    pub rooms: Mutex<Vec<Room>>,
    pub faults: Mutex<Vec<String>>,
}

impl Told {
    pub fn rooms(&self) -> Vec<Room> {
        self.rooms.lock().unwrap().clone()
    }

    pub fn faults(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }
}

impl Watcher for Told {
    fn room_changed(&self, room: Room) {
        self.rooms.lock().unwrap().push(room);
    }

    fn failed(&self, fault: &Fault) {
        self.faults.lock().unwrap().push(fault.to_string());
    }
}

/// What a disk is ordered to do; shared with the test.
pub struct Orders {
    /// Bytes that can still be set aside.
    pub free: AtomicU64,
    /// Writes find no space, whatever was set aside, and write a half.
    pub is_full: AtomicBool,
    /// Writes fail.
    pub fails_writes: AtomicBool,
    /// Syncs fail.
    pub fails_syncs: AtomicBool,
    /// Syncs wait.
    pub holds_syncs: AtomicBool,
    /// Syncs that were asked for.
    pub syncs: AtomicU64,
}

impl Default for Orders {
    fn default() -> Orders {
        Orders {
            free: AtomicU64::new(1 << 40),
            is_full: AtomicBool::default(),
            fails_writes: AtomicBool::default(),
            fails_syncs: AtomicBool::default(),
            holds_syncs: AtomicBool::default(),
            syncs: AtomicU64::default(),
        }
    }
}

/// The real disk, unless it is ordered otherwise.
pub struct OrderedDisk(pub Arc<Orders>);

impl Disk for OrderedDisk {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = SystemDisk.open(path)?;
        Ok(Box::new(OrderedFile(file, Arc::clone(&self.0))))
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.0.free.load(Ordering::SeqCst))
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
}

struct OrderedFile(Box<dyn DiskFile>, Arc<Orders>);

impl DiskFile for OrderedFile {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        let take = |free: u64| free.checked_sub(bytes);
        let taken = (self.1.free).fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
        taken.map_err(|_| ErrorKind::StorageFull)?;
        self.0.reserve(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if self.1.is_full.load(Ordering::SeqCst) {
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(ErrorKind::StorageFull.into());
        }
        if self.1.fails_writes.load(Ordering::SeqCst) {
            return Err(io::Error::other("the medium is gone"));
        }
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        self.0.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        wait_until(|| !self.1.holds_syncs.load(Ordering::SeqCst));
        match self.1.fails_syncs.load(Ordering::SeqCst) {
            true => Err(io::Error::other("the medium is gone")),
            false => self.0.sync(),
        }
    }
}

pub fn open_ordered(dir: &Path, options: Options) -> (Trail, Arc<Orders>, Arc<Told>) {
    let (orders, told) = (Arc::new(Orders::default()), Arc::new(Told::default()));
    let trail = open_on(dir, options, &orders, &told);
    (trail, orders, told)
}

pub fn open_on(dir: &Path, options: Options, orders: &Arc<Orders>, told: &Arc<Told>) -> Trail {
    let disk = Arc::new(OrderedDisk(Arc::clone(orders)));
    Trail::open(
        dir,
        owner(),
        options,
        cipher(),
        disk,
        Arc::clone(told) as _,
        NOW,
    )
    .unwrap()
}

/// A number from the environment.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
