//! Rows of which some lie in the base of their generation, and some in sled.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use strongroom_store::{Batch, Block, Fault, Row, Rows};
use tempfile::{TempDir, tempdir};

use crate::support::{Before, all_rows, open_packed_rows};

#[derive(Debug, Clone)]
enum Step {
    /// Writes rows by number, and deletes others.
    Write(BTreeMap<u8, u8>, Vec<u8>),
    /// Builds all rows anew, and writes these before a step of it.
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
        2 => (1..6_usize, puts(), deletes())
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

/// Builds all rows anew, and writes a batch before a step of the copy; tells whether it came to
/// that step.
fn renew(rows: &dyn Rows, before_step: usize, batch: &Batch) -> bool {
    rows.begin_renewal().unwrap();
    let mut steps = 0;
    let mut write = Before(|| {
        steps += 1;
        match steps == before_step {
            true => rows.write(batch.clone()),
            false => Ok(()),
        }
    });
    assert!(rows.renew(&mut write).unwrap());
    steps >= before_step
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
                    if renew(&rows, at, &batch) {
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
    assert!(!renew(&rows, usize::MAX, &Batch::default()));
    rows.checkpoint().unwrap();
    let all = all_rows(&rows);
    (dir, all)
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
