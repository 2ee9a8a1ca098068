//! Rows that are built anew while they are written and read.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use strongroom_store::{Batch, Fault, MemoryRows, Row, Rows};
use tempfile::tempdir;

use crate::support::{all_rows, open_rows};

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
        let mut copied = three(rows).into_iter().map(Ok);
        rows.begin_renewal().unwrap();
        let large = vec![7; 50_000];
        rows.write(batch(&[(b"b", &large), (b"d", b"4")], &[b"c"], b"m2"))
            .unwrap();
        let mut copied = std::iter::from_fn(|| {
            let row = copied.next()?;
            // Between two rows of the copy, as from the writer's own thread.
            rows.write(batch(&[(b"e", b"5")], &[], b"m3")).unwrap();
            Some(row)
        });
        assert!(rows.renew(&mut copied).unwrap());
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
    let mut copied = three(&rows).into_iter().map(Ok);
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut copied).unwrap());
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
    assert!(rows.renew(&mut puts(19).into_iter().map(Ok)).unwrap());
    let after = rows.space().unwrap();
    assert_eq!(
        (after.rows, after.live_bytes),
        (before.rows, before.live_bytes)
    );
    assert!(after.disk_bytes < 3 * after.live_bytes, "{after:?}");
    assert_eq!(all_rows(&rows), puts(19));
}

#[test]
fn a_renewal_whose_source_fails_leaves_the_rows_as_they_are() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let present = three(&rows);
    rows.begin_renewal().unwrap();
    let mut failing = [Ok(present[0].clone()), Err(Fault::Closed)].into_iter();
    rows.renew(&mut failing).unwrap_err();
    assert_eq!(all_rows(&rows), present);
    assert!(!dir.path().join("sled-00000002").exists());
    // It may be tried again.
    rows.begin_renewal().unwrap();
    assert!(
        rows.renew(&mut present.clone().into_iter().map(Ok))
            .unwrap()
    );
    assert_eq!(all_rows(&rows), present);
}

#[test]
fn a_replacement_gives_a_renewal_up() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    let present = three(&rows);
    rows.begin_renewal().unwrap();
    let other = vec![(b"x".to_vec(), b"9".to_vec())];
    rows.replace(&mut other.clone().into_iter().map(Ok), b"m2")
        .unwrap();
    assert!(!rows.renew(&mut present.into_iter().map(Ok)).unwrap());
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
                assert!(rows.renew(&mut source.clone().into_iter().map(Ok)).unwrap());
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
