//! One suite for the rows and their twin, and a random walk compared with a plain map.

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::{Config, TestCaseError};
use strongroom_store::{Batch, Fault, MemoryRows, Row, Rows};
use tempfile::tempdir;

use crate::support::{all_rows, open_packed_rows, open_rows};

fn on_both(scenario: impl Fn(&dyn Rows)) {
    scenario(&MemoryRows::new());
    let dir = tempdir().unwrap();
    scenario(&open_rows(&dir.path().join("rows")).rows);
    scenario(&open_packed_rows(&dir.path().join("packed")).rows);
}

fn puts(rows: &[(&[u8], &[u8])], meta: &[u8]) -> Batch {
    let puts = rows
        .iter()
        .map(|(key, value)| (key.to_vec(), value.to_vec()))
        .collect();
    Batch {
        puts,
        deletes: Vec::new(),
        meta: meta.to_vec(),
    }
}

#[test]
fn new_rows_are_empty() {
    on_both(|rows| {
        assert_eq!(rows.meta().unwrap(), None);
        assert_eq!(rows.row(b"key").unwrap(), None);
        assert!(all_rows(rows).is_empty());
        assert_eq!(rows.checkpoint().unwrap(), None);
        assert_eq!(rows.space().unwrap().rows, 0);
    });
}

#[test]
fn a_batch_is_read_back_in_the_order_of_keys() {
    on_both(|rows| {
        rows.write(puts(
            &[(b"b", b"2"), (b"a\0", b"1"), (b"a", b""), (b"", b"0")],
            b"m1",
        ))
        .unwrap();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"", b"0"), (b"a", b""), (b"a\0", b"1"), (b"b", b"2")];
        assert_eq!(all_rows(rows), puts(&expected, b"").puts);
        assert_eq!(rows.row(b"a").unwrap().as_deref(), Some(&b""[..]));
        assert_eq!(rows.meta().unwrap().as_deref(), Some(&b"m1"[..]));
        assert_eq!(rows.checkpoint().unwrap().as_deref(), Some(&b"m1"[..]));
        assert_eq!(rows.space().unwrap().rows, 4);
    });
}

#[test]
fn rows_are_replaced_and_deleted_whatever_their_size() {
    on_both(|rows| {
        for bytes in [10, 4087, 4088, 50_000, 9000, 1, 0, 3_000_000, 5] {
            rows.write(puts(&[(b"key", &vec![7; bytes])], b"m"))
                .unwrap();
            assert_eq!(rows.row(b"key").unwrap().unwrap().len(), bytes);
            assert_eq!(all_rows(rows).len(), 1);
        }
        let deletes = vec![b"key".to_vec(), b"unknown".to_vec()];
        rows.write(Batch {
            puts: vec![],
            deletes,
            meta: b"n".to_vec(),
        })
        .unwrap();
        assert!(all_rows(rows).is_empty());
        assert_eq!(rows.space().unwrap().live_bytes, 0);
    });
}

#[test]
fn an_oversized_row_is_refused_and_changes_nothing() {
    on_both(|rows| {
        let large = vec![0; strongroom_store::ROW_BYTES_MAX + 1];
        let refused = rows
            .write(puts(&[(b"a", b"1"), (b"key", &large)], b"m"))
            .unwrap_err();
        assert!(matches!(refused, Fault::TooLarge { .. }));
        assert!(all_rows(rows).is_empty());
        rows.write(puts(&[(b"a", b"1")], b"m")).unwrap();
    });
}

#[test]
fn replacing_swaps_all_rows_or_none() {
    on_both(|rows| {
        rows.write(puts(&[(b"old", b"1"), (b"both", b"2")], b"m1"))
            .unwrap();
        let new = puts(&[(b"both", b"3"), (b"new", b"4")], b"").puts;
        let failing = [Ok(new[0].clone()), Err(Fault::Closed)];
        rows.replace(&mut failing.into_iter(), b"m2").unwrap_err();
        assert_eq!(rows.row(b"old").unwrap().as_deref(), Some(&b"1"[..]));
        rows.replace(&mut new.clone().into_iter().map(Ok), b"m3")
            .unwrap();
        assert_eq!(all_rows(rows), new);
        assert_eq!(rows.meta().unwrap().as_deref(), Some(&b"m3"[..]));
        rows.write(puts(&[(b"more", b"5")], b"m4")).unwrap();
        assert_eq!(all_rows(rows).len(), 3);
    });
}

#[test]
fn the_largest_rows_make_no_blob_files() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let value = vec![3; 8 * 1024 * 1024];
    rows.write(puts(&[(b"largest", &value)], b"m")).unwrap();
    for round in 0..20u8 {
        let batch: Vec<Row> = (0..60u8)
            .map(|key| (vec![key, round % 3], vec![key; 66_000]))
            .collect();
        rows.write(Batch {
            puts: batch,
            deletes: vec![],
            meta: vec![round],
        })
        .unwrap();
    }
    rows.checkpoint().unwrap();
    let blobs = dir.path().join("sled-00000001/blobs");
    assert_eq!(std::fs::read_dir(blobs).unwrap().count(), 0);
    drop(rows);
    let rows = open_rows(dir.path());
    assert!(!rows.rebuilt);
    assert_eq!(rows.rows.row(b"largest").unwrap().unwrap(), value);
    assert_eq!(all_rows(&rows.rows).len(), 181);
}

#[test]
fn replacing_rows_by_themselves_gives_back_space() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    for round in 0..100u8 {
        rows.write(puts(&[(b"key", &vec![round; 100_000])], &[round]))
            .unwrap();
    }
    rows.checkpoint().unwrap();
    let before = rows.space().unwrap();
    let present = all_rows(&rows);
    rows.replace(&mut present.into_iter().map(Ok), b"m")
        .unwrap();
    let after = rows.space().unwrap();
    assert_eq!(
        (after.rows, after.live_bytes),
        (before.rows, before.live_bytes)
    );
    assert!(
        after.disk_bytes <= before.disk_bytes,
        "{before:?} {after:?}"
    );
}

#[derive(Debug, Clone)]
enum Step {
    Write {
        puts: Vec<Row>,
        deletes: Vec<Vec<u8>>,
    },
    Replace(Vec<Row>),
    Renew,
    Checkpoint,
    /// With packs from here on, or without.
    Reopen(bool),
}

fn key() -> impl Strategy<Value = Vec<u8>> {
    // As many that are put into packs as others.
    let packed = (0..3u8, 0..40u8).prop_map(|(middle, last)| vec![1, middle, last]);
    prop_oneof![proptest::collection::vec(0..3u8, 0..4), packed]
}

fn row() -> impl Strategy<Value = Row> {
    let value = prop_oneof![0..20usize, 0..9000usize, Just(70_000usize)];
    (key(), value, any::<u8>()).prop_map(|(key, bytes, fill)| (key, vec![fill; bytes]))
}

fn step() -> impl Strategy<Value = Step> {
    let rows = || proptest::collection::vec(row(), 0..8);
    let deletes = proptest::collection::vec(key(), 0..5);
    prop_oneof![
        6 => (rows(), deletes).prop_map(|(puts, deletes)| Step::Write { puts, deletes }),
        1 => rows().prop_map(Step::Replace),
        1 => Just(Step::Renew),
        1 => Just(Step::Checkpoint),
        1 => any::<bool>().prop_map(Step::Reopen),
    ]
}

fn check_walk(dir: &Path, steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut model = BTreeMap::new();
    let twin = MemoryRows::new();
    let mut opened = open_packed_rows(dir);
    for (at, step) in steps.into_iter().enumerate() {
        let meta = at.to_le_bytes().to_vec();
        match step {
            Step::Write { puts, deletes } => {
                deletes.iter().for_each(|key| drop(model.remove(key)));
                model.extend(puts.clone());
                let batch = Batch {
                    puts,
                    deletes,
                    meta,
                };
                twin.write(batch.clone()).unwrap();
                opened.rows.write(batch).unwrap();
            }
            Step::Replace(rows) => {
                model = rows.into_iter().collect();
                let rows: Vec<Row> = model.clone().into_iter().collect();
                twin.replace(&mut rows.clone().into_iter().map(Ok), &meta)
                    .unwrap();
                opened
                    .rows
                    .replace(&mut rows.into_iter().map(Ok), &meta)
                    .unwrap();
            }
            Step::Renew => {
                opened.rows.begin_renewal().unwrap();
                prop_assert!(opened.rows.renew(&mut ()).unwrap());
            }
            Step::Checkpoint => {
                prop_assert_eq!(opened.rows.checkpoint().unwrap(), twin.meta().unwrap());
            }
            Step::Reopen(packs) => {
                drop(opened);
                opened = if packs {
                    open_packed_rows(dir)
                } else {
                    open_rows(dir)
                };
                prop_assert!(!opened.rebuilt);
            }
        }
        let expected: Vec<Row> = model.clone().into_iter().collect();
        prop_assert_eq!(&all_rows(&opened.rows), &expected);
        for (key, row) in &expected {
            let found = opened.rows.row(key).unwrap();
            prop_assert_eq!(found.as_ref(), Some(row));
        }
        prop_assert_eq!(opened.rows.row(&[1, 1, 40]).unwrap(), None);
        prop_assert_eq!(&all_rows(&twin), &expected);
        prop_assert_eq!(opened.rows.meta().unwrap(), twin.meta().unwrap());
        prop_assert_eq!(opened.rows.space().unwrap().rows, expected.len() as u64);
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 48, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_rows_on_disk_and_their_twin_agree_on_every_walk(
        steps in proptest::collection::vec(step(), 1..16),
    ) {
        let dir = tempdir().unwrap();
        check_walk(dir.path(), steps)?;
    }
}
