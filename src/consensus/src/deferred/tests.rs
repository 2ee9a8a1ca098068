//! What becomes of values that are gone, and of what stands in their place.

use machine::{Ordinal, RowKey, Uid};
use store::MemoryRows;

use super::*;
use crate::view::Era;

/// No row that stands for a value is longer: it has a feed's name, a revision and a hash.
const HIDDEN_BYTES_MAX: usize = 256;

fn keys(numbers: Range<u64>) -> Vec<Vec<u8>> {
    let key = |number| RowKey::Version(Uid([255; 16]), Ordinal(number)).encode();
    numbers.map(key).collect()
}

fn step(deferred: &mut Deferred, puts: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    let puts = puts.iter().map(|key| (key.clone(), b"value".to_vec()));
    batch.puts.extend(puts);
    deferred.add_to(&mut batch, Vec::new(), usize::MAX);
    batch
}

/// The same, with rows that stand for values.
fn hide(deferred: &mut Deferred, keys: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    let hidden = keys.iter().map(|key| (key.clone(), b"hidden".to_vec()));
    deferred.add_to(&mut batch, hidden.collect(), usize::MAX);
    batch
}

/// The same, with keys that are gone.
fn delete(deferred: &mut Deferred, keys: &[Vec<u8>]) -> Batch {
    let mut batch = Batch::default();
    batch.deletes.extend(keys.iter().cloned());
    deferred.add_to(&mut batch, Vec::new(), usize::MAX);
    batch
}

/// What rows hold after a restart, beside what names the kept values.
fn restarted(rows: &MemoryRows, deferred: &Deferred) -> Vec<Row> {
    let left = left_over(rows, deferred.numbers()).expect("read");
    rows.write(left).expect("written");
    let rest: Result<Vec<Row>, Fault> = rows.scan().collect();
    rest.expect("read")
}

fn all(keys: &[Vec<u8>], row: &[u8]) -> Vec<Row> {
    keys.iter().map(|key| (key.clone(), row.to_vec())).collect()
}

#[test]
fn a_batch_names_only_what_was_not_kept_before() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    deferred.push(&era.watch(), &keys(0..1_000));
    assert_eq!(step(&mut deferred, &[]).puts.len(), 1);
    deferred.push(&era.watch(), &keys(1_000..1_002));
    let batch = step(&mut deferred, &[]);
    let bytes: usize = batch.puts.iter().map(|(_, row)| row.len()).sum();
    assert!(bytes < 2 * 32, "{bytes} bytes");
    assert_eq!((deferred.len(), deferred.numbers()), (1_002, 0..2));
    assert_eq!(step(&mut deferred, &[]), Batch::default());
}

#[test]
fn values_without_readers_are_deleted_at_once_and_unnamed() {
    let mut deferred = Deferred::default();
    deferred.push(&Era::default().watch(), &keys(0..2));
    let batch = step(&mut deferred, &[]);
    assert_eq!(batch.puts, []);
    assert_eq!(batch.deletes[..2], keys(0..2));
    assert_eq!((deferred.len(), deferred.numbers()), (0, 1..1));
}

#[test]
fn a_restart_finds_and_deletes_what_was_kept_and_nothing_else() {
    let (mut deferred, era, over) = (Deferred::default(), Era::default(), Era::default());
    let rows = MemoryRows::default();
    deferred.push(&over.watch(), &keys(0..2));
    deferred.push(&era.watch(), &keys(2..4));
    rows.write(step(&mut deferred, &keys(4..6)))
        .expect("written");
    drop(over);
    rows.write(step(&mut deferred, &[])).expect("written");
    let left = left_over(&rows, deferred.numbers()).expect("read");
    assert_eq!(left.deletes, [keys(2..4), vec![row_key(1)]].concat());
    assert_eq!(restarted(&rows, &deferred), all(&keys(4..6), b"value"));
}

#[test]
fn a_value_that_is_there_again_is_neither_freed_nor_deleted_after_a_restart() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    let rows = MemoryRows::default();
    deferred.push(&era.watch(), &keys(0..3));
    rows.write(step(&mut deferred, &[])).expect("written");
    rows.write(step(&mut deferred, &keys(1..2)))
        .expect("written");
    let left = left_over(&rows, deferred.numbers()).expect("read");
    let named = [keys(0..1), keys(2..3), vec![row_key(0)]].concat();
    assert_eq!(left.deletes, named);
    drop(era);
    let freed = step(&mut deferred, &[]).deletes;
    assert_eq!(freed, [keys(0..1), keys(2..3), vec![row_key(0)]].concat());
    assert_eq!(deferred.len(), 0);
}

#[test]
fn values_are_freed_in_steps() {
    let mut deferred = Deferred::default();
    for number in 0..4 {
        deferred.push(&Era::default().watch(), &keys(number * 2..number * 2 + 2));
    }
    let mut batch = Batch::default();
    deferred.add_to(&mut batch, Vec::new(), 3);
    assert_eq!(deferred.len(), 4);
}

#[test]
fn a_row_has_room_for_all_that_it_names() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    let most = u64::try_from(DEFERRED_GROUP_MAX).expect("a number");
    deferred.push(&era.watch(), &keys(u64::MAX - most - 1..u64::MAX));
    let hidden = keys(u64::MAX - most - 1..u64::MAX);
    let hidden = hidden
        .into_iter()
        .map(|key| (key, vec![0; HIDDEN_BYTES_MAX]));
    let mut batch = Batch::default();
    deferred.add_to(&mut batch, hidden.collect(), usize::MAX);
    assert_eq!(batch.puts.len(), 2);
    let longest = batch.puts.iter().map(|(_, row)| row.len()).max();
    assert!(longest < Some(store::ROW_BYTES_MAX), "{longest:?} bytes");
}

#[test]
fn what_stands_for_a_value_waits_until_the_last_reader_of_the_value_has_ended() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    let rows = MemoryRows::default();
    rows.write(step(&mut deferred, &keys(0..2)))
        .expect("written");
    deferred.push(&era.watch(), &keys(0..2));
    rows.write(hide(&mut deferred, &keys(0..2)))
        .expect("written");
    for key in keys(0..2) {
        assert_eq!(rows.row(&key).expect("read"), Some(b"value".to_vec()));
    }
    drop(era);
    let batch = step(&mut deferred, &[]);
    assert_eq!(batch.puts, all(&keys(0..2), b"hidden"));
    assert_eq!(batch.deletes, [row_key(0)]);
    // Where no value is kept it does not wait.
    let batch = hide(&mut deferred, &keys(2..3));
    assert_eq!(batch.puts, all(&keys(2..3), b"hidden"));
}

#[test]
fn a_restart_puts_what_stands_for_a_value_in_the_place_of_the_value() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    let rows = MemoryRows::default();
    rows.write(step(&mut deferred, &keys(0..3)))
        .expect("written");
    deferred.push(&era.watch(), &keys(0..3));
    rows.write(hide(&mut deferred, &keys(0..2)))
        .expect("written");
    // One of them is gone altogether since.
    rows.write(delete(&mut deferred, &keys(1..2)))
        .expect("written");
    assert_eq!(deferred.len(), 3, "readers want all of them");
    assert_eq!(restarted(&rows, &deferred), all(&keys(0..1), b"hidden"));
}

#[test]
fn a_value_that_goes_comes_and_goes_again_is_kept_for_its_last_readers() {
    let (mut deferred, first, last) = (Deferred::default(), Era::default(), Era::default());
    let rows = MemoryRows::default();
    rows.write(step(&mut deferred, &keys(0..1)))
        .expect("written");
    // It came again in between, before the rows were told.
    deferred.push(&first.watch(), &keys(0..1));
    deferred.push(&last.watch(), &keys(0..1));
    rows.write(hide(&mut deferred, &keys(0..1)))
        .expect("written");
    drop(first);
    rows.write(step(&mut deferred, &[])).expect("written");
    let [key] = &keys(0..1)[..] else {
        panic!("one key")
    };
    assert_eq!(rows.row(key).expect("read"), Some(b"value".to_vec()));
    assert_eq!((deferred.len(), deferred.numbers()), (1, 1..2));
    assert_eq!(restarted(&rows, &deferred), all(&keys(0..1), b"hidden"));
}

#[test]
fn a_value_in_the_place_of_one_that_was_kept_twice_is_never_deleted() {
    let (mut deferred, first, last) = (Deferred::default(), Era::default(), Era::default());
    let rows = MemoryRows::default();
    deferred.push(&first.watch(), &keys(0..1));
    deferred.push(&last.watch(), &keys(0..1));
    drop(first);
    rows.write(step(&mut deferred, &[])).expect("written");
    rows.write(step(&mut deferred, &keys(0..1)))
        .expect("written");
    drop(last);
    rows.write(step(&mut deferred, &[])).expect("written");
    assert_eq!(restarted(&rows, &deferred), all(&keys(0..1), b"value"));
}

#[test]
fn a_value_that_came_again_is_not_deleted_by_what_named_it_before_it_was_kept_once_more() {
    let (mut deferred, first, last) = (Deferred::default(), Era::default(), Era::default());
    let rows = MemoryRows::default();
    deferred.push(&first.watch(), &keys(0..2));
    rows.write(step(&mut deferred, &[])).expect("written");
    deferred.push(&last.watch(), &keys(0..1));
    rows.write(step(&mut deferred, &[])).expect("written");
    rows.write(step(&mut deferred, &keys(0..1)))
        .expect("written");
    assert_eq!(deferred.numbers(), 0..2);
    assert_eq!(restarted(&rows, &deferred), all(&keys(0..1), b"value"));
}

#[test]
fn readers_are_told_when_a_value_is_written_over_the_one_they_want_and_only_then() {
    let (mut deferred, era) = (Deferred::default(), Era::default());
    deferred.push(&era.watch(), &keys(0..1));
    let mut overwrites = |puts: Vec<Row>, hidden: Vec<Row>| {
        let mut batch = Batch {
            puts,
            ..Batch::default()
        };
        deferred.add_to(&mut batch, hidden, usize::MAX)
    };
    let other = |numbers| all(&keys(numbers), b"other");
    assert!(!overwrites(other(1..2), other(0..1)));
    assert!(overwrites(other(0..1), Vec::new()));
    assert!(!overwrites(other(0..1), Vec::new()), "it is kept no more");
    assert_eq!(deferred.len(), 0);
}
