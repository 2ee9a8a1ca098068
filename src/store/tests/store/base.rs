//! Rows of which some lie in the base of their generation, and some in sled.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use strongroom_store::{Batch, Block, Fault, Row, Rows};
use tempfile::{TempDir, tempdir};

use crate::support::{all_rows, open_packed_rows};

#[derive(Debug, Clone)]
enum Step {
    /// Writes rows by number, and deletes others.
    Write(BTreeMap<u8, u8>, Vec<u8>),
    /// Builds all rows anew, and writes these when so many were copied.
    Renew(usize, BTreeMap<u8, u8>, Vec<u8>),
    /// Replaces all rows by what they are.
    Replace,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let puts = || proptest::collection::btree_map(0..60u8, any::<u8>(), 0..12);
    let deletes = || proptest::collection::vec(0..60u8, 0..12);
    prop_oneof![
        4 => (puts(), deletes()).prop_map(|(puts, gone)| Step::Write(puts, gone)),
        2 => (0..40usize, puts(), deletes())
            .prop_map(|(at, puts, gone)| Step::Renew(at, puts, gone)),
        1 => Just(Step::Replace),
        2 => Just(Step::Reopen),
    ]
}

/// Half of the keys are put into packs; some rows take several pieces.
fn row(number: u8, seed: u8) -> Row {
    let bytes = if seed > 250 { 9_000 } else { usize::from(seed) };
    (vec![number % 2, 0, number / 2], vec![seed; bytes])
}

fn batch(puts: &BTreeMap<u8, u8>, deletes: &[u8]) -> Batch {
    let deletes = deletes.iter().filter(|number| !puts.contains_key(number));
    Batch {
        puts: puts
            .iter()
            .map(|(number, seed)| row(*number, *seed))
            .collect(),
        deletes: deletes.map(|number| row(*number, 0).0).collect(),
        meta: b"m".to_vec(),
    }
}

fn follow(model: &mut BTreeMap<Vec<u8>, Vec<u8>>, batch: &Batch) {
    for key in &batch.deletes {
        model.remove(key);
    }
    model.extend(batch.puts.iter().cloned());
}

/// A row that ends a step of the copy, and is not copied itself: it has been deleted meanwhile.
fn filler() -> Row {
    (b"filler".to_vec(), vec![0; 256 * 1024])
}

/// Builds all rows anew, and writes a batch when so many are copied and the others are not.
fn renew(rows: &dyn Rows, written_at: usize, batch: &Batch) -> bool {
    let copied = all_rows(rows);
    rows.begin_renewal().unwrap();
    let passed = Batch {
        deletes: vec![filler().0],
        meta: b"m".to_vec(),
        ..Batch::default()
    };
    rows.write(passed).unwrap();
    let written_at = written_at.min(copied.len());
    let (before, after) = copied.split_at(written_at);
    let write = || {
        if !after.is_empty() {
            rows.write(batch.clone()).unwrap();
        }
        None
    };
    let before = before.iter().cloned().chain([filler()]);
    let all = before
        .chain(std::iter::from_fn(write))
        .chain(after.iter().cloned());
    rows.renew(&mut all.map(Ok)).unwrap()
}

proptest! {
    #[test]
    fn rows_are_those_that_were_written_however_often_they_are_renewed_and_opened(
        steps in proptest::collection::vec(step(), 1..12),
    ) {
        let dir = tempdir().unwrap();
        let mut rows = open_packed_rows(dir.path()).rows;
        let mut model = BTreeMap::new();
        for step in steps {
            match step {
                Step::Write(puts, deletes) => {
                    let batch = batch(&puts, &deletes);
                    follow(&mut model, &batch);
                    rows.write(batch).unwrap();
                }
                Step::Renew(at, puts, deletes) => {
                    let batch = batch(&puts, &deletes);
                    let is_written = at < model.len();
                    assert!(renew(&rows, at, &batch));
                    if is_written {
                        follow(&mut model, &batch);
                    }
                }
                Step::Replace => {
                    let all = all_rows(&rows);
                    rows.replace(&mut all.into_iter().map(Ok), b"m").unwrap();
                }
                Step::Reopen => {
                    rows.checkpoint().unwrap();
                    drop(rows);
                    let opened = open_packed_rows(dir.path());
                    assert!(!opened.rebuilt);
                    rows = opened.rows;
                }
            }
            let expected: Vec<Row> = model.clone().into_iter().collect();
            prop_assert_eq!(all_rows(&rows), expected);
            prop_assert_eq!(rows.space().unwrap().rows, model.len() as u64);
        }
    }
}

/// Renewed rows, of which none lies in sled.
fn renewed() -> (TempDir, Vec<Row>) {
    let dir = tempdir().unwrap();
    let rows = open_packed_rows(dir.path()).rows;
    let puts = (0..60).map(|number| (number, number)).collect();
    rows.write(batch(&puts, &[])).unwrap();
    assert!(renew(&rows, usize::MAX, &Batch::default()));
    rows.checkpoint().unwrap();
    let all = all_rows(&rows);
    (dir, all)
}

#[test]
fn a_pack_whose_copied_rows_are_deleted_before_the_others_are_copied_comes_back() {
    let dir = tempdir().unwrap();
    let rows = open_packed_rows(dir.path()).rows;
    let row = |number: u8| (vec![1, 0, number], vec![number; 100]);
    let first = Batch {
        puts: (0..48).map(row).collect(),
        meta: b"m".to_vec(),
        ..Batch::default()
    };
    rows.write(first).unwrap();
    let trimmed = Batch {
        deletes: (0..33).map(|number| row(number).0).collect(),
        meta: b"m".to_vec(),
        ..Batch::default()
    };
    assert!(renew(&rows, 33, &trimmed));
    rows.checkpoint().unwrap();
    let left: Vec<Row> = (33..48).map(row).collect();
    assert!(all_rows(&rows) == left);
    drop(rows);
    let opened = open_packed_rows(dir.path());
    assert!(!opened.rebuilt && all_rows(&opened.rows) == left);
}

fn base(dir: &Path) -> std::path::PathBuf {
    dir.join("sled-00000002/base")
}

#[test]
fn rows_with_a_damaged_or_lost_base_are_set_aside() {
    let (dir, all) = renewed();
    let whole = fs::read(base(dir.path())).unwrap();
    let opened = open_packed_rows(dir.path());
    assert_eq!((opened.rebuilt, all_rows(&opened.rows)), (false, all));
    drop(opened);
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let (dir, _) = renewed();
        let mut changed = whole.clone();
        changed[at] ^= 4;
        fs::write(base(dir.path()), changed).unwrap();
        let opened = open_packed_rows(dir.path());
        assert!(opened.rebuilt && all_rows(&opened.rows).is_empty(), "{at}");
    }
    fs::remove_file(base(dir.path())).unwrap();
    assert!(open_packed_rows(dir.path()).rebuilt);
}

#[test]
fn a_row_whose_bytes_in_the_base_went_bad_is_named_and_cured_by_writing_it() {
    let (dir, all) = renewed();
    let rows = open_packed_rows(dir.path()).rows;
    let path = base(dir.path());
    let mut bytes = fs::read(&path).unwrap();
    let (key, value) = all[20].clone();
    // The length of the key, that of the content, and the key.
    let is_record = |at: &[u8]| at.starts_with(&[3, 0, 0, 0]) && at.ends_with(&key);
    let at = bytes.windows(8 + key.len()).position(is_record).unwrap();
    bytes[at + 8 + key.len()] ^= 1;
    fs::write(&path, bytes).unwrap();
    let fault = rows.row(&key).unwrap_err();
    assert!(
        matches!(&fault, Fault::Damaged { what: Block::Row(named) } if *named == key),
        "{fault}"
    );
    let cure = Batch {
        puts: vec![(key.clone(), value.clone())],
        meta: b"m".to_vec(),
        ..Batch::default()
    };
    rows.write(cure).unwrap();
    assert_eq!(rows.row(&key).unwrap(), Some(value));
    assert_eq!(all_rows(&rows), all);
}
