//! Rows in packs: what is written in the order of its keys and deleted from the front.

use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use strongroom_store::{
    Batch, Block, Cipher, CipherFault, Fault, Place, Row, Rows, RowsOptions, SledRows,
};
use tempfile::tempdir;

use crate::support::{Before, Veil, all_rows, open_packed_rows, open_rows, stamped};

fn key(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![1, high, low]
}

fn row(number: u16) -> Row {
    (key(number), vec![number as u8; usize::from(number % 700)])
}

fn batch(puts: impl Iterator<Item = Row>, deletes: impl Iterator<Item = u16>) -> Batch {
    Batch {
        puts: puts.collect(),
        deletes: deletes.map(key).collect(),
        meta: b"m".to_vec(),
    }
}

/// How many entries sled has. One that was dropped gives up its lock a little later.
fn entries(dir: &Path) -> usize {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match sled::open(dir.join("sled-00000001")) {
            Ok(db) => return db.iter().count(),
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::yield_now();
    }
}

#[test]
fn a_journal_that_grows_and_is_trimmed_stays_whole_and_takes_few_entries_of_sled() {
    let dir = tempdir().unwrap();
    let mut rows = open_packed_rows(dir.path()).rows;
    let (mut first, mut next) = (0, 0);
    for step in [1, 37, 5, 16, 100, 2, 260, 40, 40, 40] {
        // A trim that ends within a pack, and one that takes rows of several.
        let trimmed = first..(first + step / 2).min(next);
        first = trimmed.end;
        rows.write(batch((next..next + step).map(row), trimmed))
            .unwrap();
        next += step;
        assert_eq!(all_rows(&rows), (first..next).map(row).collect::<Vec<_>>());
        assert_eq!(rows.row(&key(first)).unwrap(), Some(row(first).1));
        assert_eq!(rows.row(&key(next)).unwrap(), None);
        assert_eq!(rows.space().unwrap().rows, u64::from(next - first));
        rows.checkpoint().unwrap();
        drop(rows);
        let opened = open_packed_rows(dir.path());
        assert!(!opened.rebuilt);
        rows = opened.rows;
    }
    drop(rows);
    // Of less than 16 rows of at most 700 bytes; each on its own would be one.
    assert!(entries(dir.path()) < usize::from(next - first) / 4);
}

#[test]
fn rows_from_before_there_were_packs_are_read_and_go_as_they_are() {
    let dir = tempdir().unwrap();
    let rows = open_rows(dir.path()).rows;
    rows.write(batch((0..40).map(row), 0..0)).unwrap();
    rows.checkpoint().unwrap();
    drop(rows);
    let rows = open_packed_rows(dir.path()).rows;
    assert_eq!(all_rows(&rows), (0..40).map(row).collect::<Vec<_>>());
    // One of them is written anew, which moves it to the pack of those that follow.
    rows.write(batch((39..50).map(row), 0..20)).unwrap();
    assert_eq!(all_rows(&rows), (20..50).map(row).collect::<Vec<_>>());
    rows.write(batch((50..51).map(row), 20..40)).unwrap();
    assert_eq!(all_rows(&rows), (40..51).map(row).collect::<Vec<_>>());
    drop(rows);
    assert_eq!(entries(dir.path()), 3, "two packs, and the meta");
}

#[test]
fn packed_rows_written_while_they_are_renewed_win_over_what_is_copied() {
    let dir = tempdir().unwrap();
    let rows = open_packed_rows(dir.path()).rows;
    rows.write(batch((0..30).map(row), 0..0)).unwrap();
    rows.begin_renewal().unwrap();
    // Of a pack that is not yet copied, the renewed rows have only what comes now.
    rows.write(batch([(key(7), b"new".to_vec())].into_iter(), 8..12))
        .unwrap();
    let mut next = 30;
    let mut write = Before(|| {
        next += 1;
        rows.write(batch([row(next - 1)].into_iter(), 0..0))
    });
    assert!(rows.renew(&mut write).unwrap());
    let expected = (0..next).filter(|number| !(8..12).contains(number));
    let mut expected: Vec<Row> = expected.map(row).collect();
    expected[7].1 = b"new".to_vec();
    assert_eq!(all_rows(&rows), expected);
    assert_eq!(rows.space().unwrap().rows, expected.len() as u64);
    drop(rows);
    assert_eq!(all_rows(&open_rows(dir.path()).rows), expected);
}

/// Opens no pack.
struct Blind;

impl Cipher for Blind {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Veil.seal(place, plain)
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        match place.table {
            "packs" => Err(CipherFault::Open),
            _ => Veil.open(place, sealed),
        }
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}

#[test]
fn a_bad_pack_is_damage_that_names_the_row_asked_for_and_replacing_cures_it() {
    let dir = tempdir().unwrap();
    let rows = open_packed_rows(dir.path()).rows;
    rows.write(batch((0..40).map(row), 0..0)).unwrap();
    rows.checkpoint().unwrap();
    drop(rows);
    let blind = SledRows::open(
        dir.path(),
        &stamped(),
        Arc::new(Blind),
        RowsOptions::default(),
    );
    let rows = blind.unwrap().rows;
    let fault = rows.row(&key(21)).unwrap_err();
    assert!(fault.is_damage(), "{fault}");
    assert!(
        matches!(&fault, Fault::Cipher { what: Block::Row(named), .. } if *named == key(21)),
        "{fault}"
    );
    assert!(rows.scan().any(|row| row.is_err()));
    // Whole packs go unread; of one that goes in part the rest is lost.
    rows.write(batch(std::iter::empty(), 0..16)).unwrap();
    let fault = rows.write(batch(std::iter::empty(), 16..20)).unwrap_err();
    assert!(fault.is_damage(), "{fault}");
    rows.replace(&mut (20..40).map(|number| Ok(row(number))), b"m")
        .unwrap();
    assert_eq!(all_rows(&rows), (20..40).map(row).collect::<Vec<_>>());
}
