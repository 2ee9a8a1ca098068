//! Rows that are built anew while they are written and read.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_store::{
    Attendant, BadRow, Batch, Cipher, CipherFault, Fault, MemoryRows, Place, Row, Rows, SledRows,
};
use tempfile::tempdir;

use crate::support::{
    Before, Veil, all_rows, open_packed_rows, open_rows, packed_options, stamped,
};

fn on_both(scenario: impl Fn(&dyn Rows)) {
    scenario(&MemoryRows::new());
    let dir = tempdir().unwrap();
    scenario(&open_rows(&dir.path().join("rows")).rows);
}

fn batch(puts: &[(&[u8], &[u8])], deletes: &[&[u8]], meta: &[u8]) -> Batch {
    let owned = |(key, value): &(&[u8], &[u8])| (key.to_vec(), value.to_vec());
    Batch {
        puts: puts.iter().map(owned).collect(),
        deletes: deletes.iter().map(|key| key.to_vec()).collect(),
        meta: meta.to_vec(),
    }
}

fn three(rows: &dyn Rows) -> Vec<Row> {
    rows.write(batch(
        &[(b"a", b"1"), (b"b", b"2"), (b"c", b"3")],
        &[],
        b"m1",
    ))
    .unwrap();
    all_rows(rows)
}

#[test]
fn what_is_written_while_rows_are_renewed_wins_over_what_is_copied() {
    on_both(|rows| {
        three(rows);
        rows.begin_renewal().unwrap();
        let large = vec![7; 50_000];
        rows.write(batch(&[(b"b", &large), (b"d", b"4")], &[b"c"], b"m2"))
            .unwrap();
        // Between two steps of the copy, as from the writer's own thread.
        let mut write = Before(|| rows.write(batch(&[(b"e", b"5")], &[], b"m3")));
        assert!(rows.renew(&mut write).unwrap());
        let expected = batch(
            &[(b"a", b"1"), (b"b", &large), (b"d", b"4"), (b"e", b"5")],
            &[],
            b"",
        );
        assert_eq!(all_rows(rows), expected.puts);
        assert_eq!(rows.meta().unwrap().as_deref(), Some(&b"m3"[..]));
        assert_eq!(rows.checkpoint().unwrap().as_deref(), Some(&b"m3"[..]));
        assert_eq!(rows.space().unwrap().rows, 4);
    });
}

#[test]
fn renewed_rows_are_what_the_next_open_finds() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    three(&rows);
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    rows.write(batch(&[(b"d", b"4")], &[b"a"], b"m2")).unwrap();
    rows.checkpoint().unwrap();
    let expected = all_rows(&rows);
    drop(rows);
    assert!(!dir.path().join("sled-00000001").exists());
    let opened = open_rows(dir.path());
    assert!(!opened.rebuilt);
    assert_eq!(all_rows(&opened.rows), expected);
    assert_eq!(expected.len(), 3);
}

#[test]
fn a_renewal_gives_back_what_overwrites_have_left() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let puts = |round: u8| -> Vec<Row> {
        let row = |key: u8| (vec![key], vec![round ^ key; 20_000]);
        (0..100).map(row).collect()
    };
    for round in 0..20 {
        let batch = Batch {
            puts: puts(round),
            deletes: Vec::new(),
            meta: vec![round],
        };
        rows.write(batch).unwrap();
        rows.checkpoint().unwrap();
    }
    let before = rows.space().unwrap();
    assert!(before.disk_bytes > 6 * before.live_bytes, "{before:?}");
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    let after = rows.space().unwrap();
    assert_eq!(
        (after.rows, after.live_bytes),
        (before.rows, before.live_bytes)
    );
    assert!(after.disk_bytes < 3 * after.live_bytes, "{after:?}");
    assert_eq!(all_rows(&rows), puts(19));
}

#[test]
fn a_renewal_that_does_not_go_on_leaves_the_rows_as_they_are() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let present = three(&rows);
    rows.begin_renewal().unwrap();
    let mut steps = 0;
    let mut failing = Before(|| {
        steps += 1;
        if steps < 2 {
            Ok(())
        } else {
            Err(Fault::Closed)
        }
    });
    rows.renew(&mut failing).unwrap_err();
    assert_eq!(all_rows(&rows), present);
    assert!(!dir.path().join("sled-00000002").exists());
    // It may be tried again.
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    assert_eq!(all_rows(&rows), present);
}

/// Damages a row that is all of one byte, in the file itself.
fn spoil(base: &Path, byte: u8) {
    let bytes = fs::read(base).unwrap();
    let sealed = [!byte; 20];
    let at = bytes.windows(sealed.len()).position(|at| at == sealed);
    let file = fs::OpenOptions::new().write(true).open(base).unwrap();
    file.write_all_at(b"?", at.unwrap() as u64).unwrap();
}

/// The generation that there is.
fn generation(dir: &Path) -> PathBuf {
    let mut paths = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_generation = |path: &PathBuf| path.to_string_lossy().contains("sled-");
    paths.find(is_generation).unwrap()
}

/// Notes bad rows, and writes them again, if it is to, while the renewal waits: of a bad pack all
/// in one batch, as none of it can be read.
struct Mending<'a> {
    rows: &'a dyn Rows,
    /// What it was told at once.
    bad: Vec<Vec<u8>>,
    mends: bool,
}

impl Attendant for Mending<'_> {
    fn goes_on(&mut self) -> Result<(), Fault> {
        Ok(())
    }

    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault> {
        assert!(rows.iter().all(|bad| bad.fault.is_damage()), "{rows:?}");
        assert!(self.bad.is_empty(), "told one by one");
        self.bad.extend(rows.iter().map(|bad| bad.key.clone()));
        Ok(())
    }

    fn waits(&mut self) -> bool {
        if self.mends {
            let keys = self.bad.iter();
            let puts: Vec<_> = keys.map(|key| (key.as_slice(), &b"mended"[..])).collect();
            self.rows.write(batch(&puts, &[], b"m")).unwrap();
        }
        self.mends
    }
}

#[test]
fn rows_are_renewed_once_every_bad_one_was_written_again() {
    let dir = tempdir().unwrap();
    let rows = open_packed_rows(dir.path()).rows;
    // The last two are in one pack.
    let keys: [&[u8]; 4] = [b"a", b"b", &[1, 0, 1], &[1, 0, 2]];
    let values: [&[u8]; 4] = [&[10; 40], &[20; 40], &[30; 40], &[40; 40]];
    let puts: Vec<_> = keys.into_iter().zip(values).collect();
    rows.write(batch(&puts, &[], b"m")).unwrap();
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    for (byte, bad) in [(20, &keys[1..2]), (30, &keys[2..4])] {
        let generation = generation(dir.path());
        spoil(&generation.join("base"), byte);
        let mut watching = Mending {
            rows: &rows,
            bad: Vec::new(),
            mends: false,
        };
        rows.begin_renewal().unwrap();
        assert!(rows.renew(&mut watching).unwrap_err().is_damage());
        assert_eq!(std::mem::take(&mut watching.bad), bad);
        watching.mends = true;
        rows.begin_renewal().unwrap();
        assert!(rows.renew(&mut watching).unwrap());
        assert_eq!(watching.bad, bad);
    }
    let mended = keys
        .into_iter()
        .zip([values[0], b"mended", b"mended", b"mended"]);
    let mut expected: Vec<Row> = mended
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    expected.sort();
    assert_eq!(all_rows(&rows), expected);
    drop(rows);
    let opened = open_packed_rows(dir.path());
    assert!(!opened.rebuilt);
    assert_eq!(all_rows(&opened.rows), expected);
}

/// A cipher whose key was rotated: it opens what the one before sealed.
struct Rotated;

impl Cipher for Rotated {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let sealed = Veil.seal(place, plain)?;
        Ok([b"2", sealed.as_slice()].concat())
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let current = sealed.strip_prefix(b"2");
        let opened = current.map(|sealed| Veil.open(place, sealed));
        opened
            .and_then(Result::ok)
            .map_or_else(|| Veil.open(place, sealed), Ok)
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        sealed.first() == Some(&b'2')
    }
}

/// The same without the key before.
struct Retired;

impl Cipher for Retired {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Rotated.seal(place, plain)
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let current = sealed.strip_prefix(b"2").ok_or(CipherFault::Open)?;
        Veil.open(place, current)
    }

    fn is_current(&self, sealed: &[u8]) -> bool {
        Rotated.is_current(sealed)
    }
}

#[test]
fn renewed_rows_need_no_key_before_the_last() {
    let dir = tempdir().unwrap();
    let open = |cipher: Arc<dyn Cipher>| {
        let options = packed_options();
        SledRows::open(dir.path(), &stamped(), cipher, options)
            .unwrap()
            .rows
    };
    let rows = open(Arc::new(Veil));
    let keys: [&[u8]; 3] = [b"a", &[1, 0, 1], &[1, 0, 2]];
    let puts: Vec<_> = keys.into_iter().map(|key| (key, key)).collect();
    rows.write(batch(&puts, &[], b"m")).unwrap();
    rows.checkpoint().unwrap();
    let all = all_rows(&rows);
    drop(rows);
    let rows = open(Arc::new(Rotated));
    assert_eq!(all_rows(&rows), all);
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    drop(rows);
    assert_eq!(all_rows(&open(Arc::new(Retired))), all);
}

#[test]
fn a_row_that_is_sealed_anew_stays_on_its_own_and_its_pack_is_laid_once() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let (alone, packed): (&[u8], &[u8]) = (&[1, 0, 1], &[1, 0, 2]);
    rows.write(batch(&[(alone, b"1")], &[], b"m")).unwrap();
    rows.checkpoint().unwrap();
    drop(rows);
    let open = || {
        let cipher = Arc::new(Rotated);
        SledRows::open(dir.path(), &stamped(), cipher, packed_options()).unwrap()
    };
    let rows = open().rows;
    rows.write(batch(&[(packed, b"2")], &[], b"m")).unwrap();
    rows.begin_renewal().unwrap();
    // Rows were copied, packs not yet: the row goes that today would be in the pack.
    let mut steps = 0;
    let mut delete = Before(|| {
        steps += 1;
        match steps {
            2 => rows.write(batch(&[], &[alone], b"m")),
            _ => Ok(()),
        }
    });
    assert!(rows.renew(&mut delete).unwrap());
    drop(rows);
    let opened = open();
    assert!(!opened.rebuilt);
    assert_eq!(all_rows(&opened.rows), [(packed.to_vec(), b"2".to_vec())]);
}

#[test]
fn a_replacement_gives_a_renewal_up() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    three(&rows);
    rows.begin_renewal().unwrap();
    let other = vec![(b"x".to_vec(), b"9".to_vec())];
    rows.replace(&mut other.clone().into_iter().map(Ok), b"m2")
        .unwrap();
    assert!(!rows.renew(&mut ()).unwrap());
    assert_eq!(all_rows(&rows), other);
    drop(rows);
    let opened = open_rows(dir.path());
    assert!(!opened.rebuilt);
    assert_eq!(all_rows(&opened.rows), other);
}

#[test]
fn batches_and_reads_go_on_on_other_threads() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let mut model = BTreeMap::new();
    let mut write = |round: u32| {
        let row = |at: u32| {
            let key = (round.wrapping_mul(17) + at) % 400;
            (key.to_be_bytes().to_vec(), vec![round as u8; 3_000])
        };
        let puts: Vec<Row> = (0..20).map(row).collect();
        model.extend(puts.iter().cloned());
        let meta = round.to_be_bytes().to_vec();
        let deletes = Vec::new();
        rows.write(Batch {
            puts,
            deletes,
            meta,
        })
        .unwrap();
    };
    (0..40).for_each(&mut write);
    for first in [40, 80, 120] {
        let source = all_rows(&rows);
        rows.begin_renewal().unwrap();
        let done = AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                assert!(rows.renew(&mut ()).unwrap());
                done.store(true, Ordering::Release);
            });
            scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    for (key, _) in &source {
                        assert!(rows.row(key).unwrap().is_some());
                    }
                }
            });
            for round in first..first + 40 {
                write(round);
                if round % 8 == 0 {
                    rows.checkpoint().unwrap();
                }
            }
        });
    }
    drop(rows);
    let opened = open_rows(dir.path());
    assert!(!opened.rebuilt);
    assert_eq!(
        all_rows(&opened.rows),
        model.into_iter().collect::<Vec<_>>()
    );
}
