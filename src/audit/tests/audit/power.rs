//! A power cut at any moment, with any part of what was not synced: what was settled is there.
//! `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use proptest::prelude::Rng;
use proptest::test_runner::{RngAlgorithm, TestRng};
use strongroom_audit::{Disk, DiskFile, FILE_BYTES_MIN, Options, SystemDisk, Trail, Why, verify};
use tempfile::tempdir;

use crate::support::{NOW, Told, all, cipher, each, number, open, owner, record};

/// Cuts, unless `STRONGROOM_COUNT` says otherwise.
const COUNT: u64 = 40;
const RECORDS: u64 = 700;
/// Records are settled in groups of up to so many.
const GROUP_MAX: u64 = 12;

/// What happened to the disk, in order, and what was settled between.
#[derive(Debug, Clone)]
enum Happened {
    Opened(PathBuf),
    Wrote(PathBuf, u64, Vec<u8>),
    Truncated(PathBuf, u64),
    /// What had happened to the file by then is durable.
    Synced(PathBuf, usize),
    Removed(PathBuf),
    Settled(u64),
}

type Events = Arc<Mutex<Vec<Happened>>>;

/// The real disk, and a diary.
struct Diary(Events);

impl Disk for Diary {
    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let file = SystemDisk.open(path)?;
        note(&self.0, Happened::Opened(path.into()));
        Ok(Box::new(DiaryFile(file, path.into(), Arc::clone(&self.0))))
    }

    fn free_bytes(&self, dir: &Path) -> io::Result<u64> {
        SystemDisk.free_bytes(dir)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        note(&self.0, Happened::Removed(path.into()));
        SystemDisk.remove(path)
    }
}

struct DiaryFile(Box<dyn DiskFile>, PathBuf, Events);

impl DiskFile for DiaryFile {
    fn reserve(&self, bytes: u64) -> io::Result<()> {
        self.0.reserve(bytes)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        note(
            &self.2,
            Happened::Wrote(self.1.clone(), offset, bytes.to_vec()),
        );
        self.0.write_at(bytes, offset)
    }

    fn truncate(&self, bytes: u64) -> io::Result<()> {
        note(&self.2, Happened::Truncated(self.1.clone(), bytes));
        self.0.truncate(bytes)
    }

    fn sync(&self) -> io::Result<()> {
        let upto = self.2.lock().unwrap().len();
        self.0.sync()?;
        note(&self.2, Happened::Synced(self.1.clone(), upto));
        Ok(())
    }
}

fn note(events: &Events, happened: Happened) {
    events.lock().unwrap().push(happened);
}

/// The diary of a trail that also deletes.
fn happened(rng: &mut TestRng) -> Vec<Happened> {
    let (temp, events) = (tempdir().unwrap(), Events::default());
    let options = Options {
        keep_bytes: 4 * FILE_BYTES_MIN,
        ..each()
    };
    let (disk, told) = (
        Arc::new(Diary(Arc::clone(&events))),
        Arc::new(Told::default()),
    );
    let trail = Trail::open(temp.path(), owner(), options, cipher(), disk, told, NOW).unwrap();
    let mut at = 0;
    while at < RECORDS {
        let mut last = None;
        for _ in 0..1 + u64::from(rng.next_u32()) % GROUP_MAX {
            last = Some(trail.record(&record(at)).unwrap());
            at += 1;
        }
        let last = last.unwrap();
        trail.wait(last).unwrap();
        note(&events, Happened::Settled(last.0));
    }
    drop(trail);
    let events = events.lock().unwrap();
    events.clone()
}

/// Writes into `dir` what a cut after `events` may leave; answers the last record settled.
fn cut(events: &[Happened], dir: &Path, rng: &mut TestRng) -> u64 {
    let mut durable: BTreeMap<&Path, usize> = BTreeMap::new();
    for event in events {
        if let Happened::Synced(path, upto) = event {
            durable.insert(path, *upto);
        }
    }
    let (mut files, mut settled) = (BTreeMap::<&Path, Vec<u8>>::new(), 0);
    for (at, event) in events.iter().enumerate() {
        match event {
            Happened::Opened(path) => drop(files.entry(path).or_default()),
            Happened::Removed(path) => drop(files.remove(path.as_path())),
            Happened::Settled(seq) => settled = *seq,
            Happened::Synced(..) => {}
            Happened::Truncated(path, bytes) => {
                files.entry(path).or_default().truncate(*bytes as usize);
            }
            Happened::Wrote(path, offset, bytes) => {
                let is_durable = durable.get(path.as_path()).is_some_and(|upto| at < *upto);
                let kept = match rng.next_u32() % 3 {
                    _ if is_durable => bytes.len(),
                    0 => bytes.len(),
                    1 => rng.next_u32() as usize % bytes.len(),
                    _ => continue,
                };
                let (file, start) = (files.entry(path).or_default(), *offset as usize);
                file.resize(file.len().max(start + kept), 0);
                file[start..start + kept].copy_from_slice(&bytes[..kept]);
            }
        }
    }
    for (path, bytes) in files {
        fs::write(dir.join(path.file_name().unwrap()), bytes).unwrap();
    }
    settled
}

#[test]
fn what_was_settled_survives_a_power_cut_at_any_moment() {
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_130);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={seed} STRONGROOM_COUNT={count}");
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let mut rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let events = happened(&mut rng);
    for round in 0..count {
        let (end, temp) = (
            rng.next_u32() as usize % (events.len() + 1),
            tempdir().unwrap(),
        );
        let settled = cut(&events[..end], temp.path(), &mut rng);
        println!("round {round}: cut after {end} events, {settled} settled");
        let trail = open(temp.path());
        assert!(trail.record(&record(0)).unwrap().0 > settled);
        drop(trail);
        let verified = verify(temp.path()).unwrap();
        assert_ne!(verified.broken.map(|broken| broken.why), Some(Why::Missing));
        // Files that are given up may still be there.
        let first = verified.first.unwrap();
        let seqs = all(temp.path()).into_iter().map(|found| found.entry.seq);
        let found: Vec<u64> = seqs.skip_while(|seq| *seq < first).collect();
        assert!(
            found.starts_with(&(first..=settled).collect::<Vec<_>>()),
            "{found:?}"
        );
    }
}
