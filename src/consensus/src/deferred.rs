//! Deleted values that the rows keep for readers of older states (R12).
//!
//! What one batch of apply deleted goes together, oldest first, once its last reader has ended.
//! Until then a row of its own names it, and the meta says which such rows there are: so a restart
//! neither forgets a deleted value nor takes it for state, and a batch writes only what is new,
//! however much is kept.

use std::collections::{HashSet, VecDeque};
use std::ops::Range;

use prost::Message;
use store::{Batch, Fault, Row, Rows};
use wire::raft::v1;

use crate::limits::DEFERRED_GROUP_MAX;
use crate::view::EraWatch;

/// What the keys of such rows begin with; no row of the state does.
const KEY_KIND: u8 = 0xf0;

/// What is kept for readers.
#[derive(Default)]
pub(crate) struct Deferred {
    groups: VecDeque<Group>,
    /// The number of the next group: they are numbered without a gap.
    next: u64,
    keys: HashSet<Vec<u8>>,
}

struct Group {
    era: EraWatch,
    keys: Vec<Vec<u8>>,
    number: u64,
    /// Whether the row of this number says what it should.
    is_named: bool,
}

impl Deferred {
    /// Takes the keys that apply deleted at the end of an era.
    pub(crate) fn push(&mut self, era: &EraWatch, keys: &[Vec<u8>]) {
        for keys in keys.chunks(DEFERRED_GROUP_MAX) {
            self.keys.extend(keys.iter().cloned());
            self.groups.push_back(Group {
                era: era.clone(),
                keys: keys.to_vec(),
                number: self.next,
                is_named: false,
            });
            self.next += 1;
        }
    }

    /// Keeps nothing any more, because all rows are replaced.
    pub(crate) fn clear(&mut self) {
        *self = Deferred::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether the oldest may be freed.
    pub(crate) fn is_over(&self) -> bool {
        self.groups.front().is_some_and(|group| group.era.is_over())
    }

    /// Brings the rows up to date with a batch: values that are there again stay, and of those
    /// whose readers have ended so many are deleted as are reached with `max`.
    pub(crate) fn add_to(&mut self, batch: &mut Batch, max: usize) {
        self.keep_out(batch);
        let mut freed = 0;
        while freed < max && self.is_over() {
            let Some(group) = self.groups.pop_front() else {
                break;
            };
            freed += group.keys.len();
            for key in &group.keys {
                self.keys.remove(key);
            }
            batch.deletes.extend(group.keys);
            batch.deletes.push(row_key(group.number));
        }
        batch.puts.extend(self.new_rows());
    }

    /// Forgets the values that the batch puts.
    fn keep_out(&mut self, batch: &Batch) {
        let again = batch.puts.iter().map(|(key, _)| key);
        let again: HashSet<&Vec<u8>> = again.filter(|key| self.keys.remove(*key)).collect();
        if again.is_empty() {
            return;
        }
        for group in &mut self.groups {
            let before = group.keys.len();
            group.keys.retain(|key| !again.contains(key));
            group.is_named &= group.keys.len() == before;
        }
    }

    /// The rows that are not there yet, or say something else.
    fn new_rows(&mut self) -> impl Iterator<Item = Row> {
        let unnamed = self.groups.iter_mut().filter(|group| !group.is_named);
        unnamed.map(|group| {
            group.is_named = true;
            group.row()
        })
    }

    /// The numbers of the rows that name what is kept.
    pub(crate) fn numbers(&self) -> Range<u64> {
        let first = self.groups.front().map_or(self.next, |group| group.number);
        first..self.next
    }

    /// The keys of the values that are kept, and the rows that name them.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            keys: self.keys.iter().cloned().collect(),
            named: self.groups.iter().map(Group::row).collect(),
        }
    }
}

impl Group {
    fn row(&self) -> Row {
        let keys = self.keys.iter().cloned().map(Into::into).collect();
        (row_key(self.number), v1::Deferred { keys }.encode_to_vec())
    }
}

/// What rows that are written anew must keep beside those of the state.
pub(crate) struct Kept {
    keys: Vec<Vec<u8>>,
    named: Vec<Row>,
}

impl Kept {
    /// The rows; a value that is bad is lost to its last readers only.
    pub(crate) fn rows(self, rows: &dyn Rows) -> impl Iterator<Item = Result<Row, Fault>> + Send {
        let values = self.keys.into_iter().filter_map(|key| {
            let value = rows.row(&key).ok()??;
            Some((key, value))
        });
        values.chain(self.named).map(Ok)
    }
}

/// What is to be deleted before the rows are read: the values that rows with these numbers name,
/// and these rows. Nobody is left who reads them.
pub(crate) fn left_over(rows: &dyn Rows, numbers: Range<u64>) -> Result<Vec<Vec<u8>>, Fault> {
    let mut left = Vec::new();
    for number in numbers {
        let key = row_key(number);
        let row = match rows.row(&key) {
            Err(fault) if fault.is_damage() => None,
            read => read?,
        };
        // What a bad one named is taken for state, which then does not add up.
        let named = row.and_then(|row| v1::Deferred::decode(&row[..]).ok());
        let named = named.into_iter().flat_map(|named| named.keys);
        left.extend(named.map(Vec::from));
        left.push(key);
    }
    Ok(left)
}

fn row_key(number: u64) -> Vec<u8> {
    [&[KEY_KIND][..], &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use machine::{Ordinal, RowKey, Uid};
    use store::MemoryRows;

    use super::*;
    use crate::view::Era;

    fn keys(numbers: Range<u64>) -> Vec<Vec<u8>> {
        let key = |number| RowKey::Version(Uid([255; 16]), Ordinal(number)).encode();
        numbers.map(key).collect()
    }

    fn step(deferred: &mut Deferred, puts: &[Vec<u8>]) -> Batch {
        let mut batch = Batch::default();
        let puts = puts.iter().map(|key| (key.clone(), b"value".to_vec()));
        batch.puts.extend(puts);
        deferred.add_to(&mut batch, usize::MAX);
        batch
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
        assert_eq!(left, [keys(2..4), vec![row_key(1)]].concat());
        rows.write(Batch {
            deletes: left,
            ..Batch::default()
        })
        .expect("written");
        let rest: Result<Vec<Row>, Fault> = rows.scan().collect();
        let rest = rest.expect("read").into_iter().map(|(key, _)| key);
        assert!(rest.eq(keys(4..6)));
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
        assert_eq!(left, [keys(0..1), keys(2..3), vec![row_key(0)]].concat());
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
        deferred.add_to(&mut batch, 3);
        assert_eq!(deferred.len(), 4);
    }

    #[test]
    fn a_row_has_room_for_all_that_it_names() {
        let (mut deferred, era) = (Deferred::default(), Era::default());
        let most = u64::try_from(DEFERRED_GROUP_MAX).expect("a number");
        deferred.push(&era.watch(), &keys(u64::MAX - most - 1..u64::MAX));
        let batch = step(&mut deferred, &[]);
        assert_eq!(batch.puts.len(), 2);
        let longest = batch.puts.iter().map(|(_, row)| row.len()).max();
        assert!(longest < Some(store::ROW_BYTES_MAX), "{longest:?} bytes");
    }
}
