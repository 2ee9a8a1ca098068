//! Values that are gone from the state and that the rows keep for readers of older states (R12).
//!
//! What one batch of apply took away goes together, oldest first, once its last reader has ended.
//! Until then a row of its own names it, and the meta says which such rows there are: so a restart
//! neither forgets such a value nor takes it for state, and a batch writes only what is new,
//! however much is kept.
//!
//! A key is kept once, for the last readers that may want it. What is to stand there afterwards may
//! change meanwhile, and waits with it: nothing, or what stands for a value that this region is not
//! to have. A value that comes does not wait: it is written over the one that is kept, whose
//! readers are told to read again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::ops::Range;

use bytes::Bytes;
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
    keys: HashMap<Vec<u8>, Place>,
}

struct Group {
    era: EraWatch,
    /// Those that were taken in together; some may be in another group by now, or in none.
    keys: Vec<Vec<u8>>,
    number: u64,
    /// Whether the row of this number says what it should.
    is_named: bool,
}

/// Where a kept value belongs.
struct Place {
    group: u64,
    /// What is to stand in its place afterwards.
    after: Option<Bytes>,
}

impl Deferred {
    /// Takes the keys of values that apply took away at the end of an era.
    pub(crate) fn push(&mut self, era: &EraWatch, keys: &[Vec<u8>]) {
        for keys in keys.chunks(DEFERRED_GROUP_MAX) {
            let number = self.next;
            self.groups.push_back(Group {
                era: era.clone(),
                keys: keys.to_vec(),
                number,
                is_named: false,
            });
            self.next += 1;
            for key in keys {
                let group = number;
                let place = Place { group, after: None };
                if let Some(before) = self.keys.insert(key.clone(), place) {
                    self.rename(before.group);
                }
            }
        }
    }

    /// Keeps nothing any more, because all rows are replaced.
    pub(crate) fn clear(&mut self) {
        *self = Deferred::default();
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether a value is kept under a key, whatever the state has there.
    pub(crate) fn keeps(&self, key: &[u8]) -> bool {
        self.keys.contains_key(key)
    }

    /// Whether the oldest may be freed.
    pub(crate) fn is_over(&self) -> bool {
        self.groups.front().is_some_and(|group| group.era.is_over())
    }

    /// Brings the rows up to date with a batch. Of the values whose readers have ended so many are
    /// freed as are reached with `max`. `hidden` are rows that stand for values kept from this
    /// region: they wait where a value is kept. Answers whether values that are kept are written
    /// over, so that their readers must be told.
    pub(crate) fn add_to(&mut self, batch: &mut Batch, hidden: Vec<Row>, max: usize) -> bool {
        let overwrites = self.forget_put(batch);
        let waits = |key: &Vec<u8>| self.keys.contains_key(key);
        let (wait, deletes) = std::mem::take(&mut batch.deletes)
            .into_iter()
            .partition(waits);
        batch.deletes = deletes;
        for key in wait {
            self.set_after(&key, None);
        }
        for (key, row) in hidden {
            match self.keeps(&key) {
                true => self.set_after(&key, Some(row.into())),
                false => batch.puts.push((key, row)),
            }
        }
        self.free(batch, max);
        batch.puts.extend(self.new_rows());
        overwrites
    }

    /// Forgets the values in whose place the batch puts others, or the same again.
    fn forget_put(&mut self, batch: &Batch) -> bool {
        let mut overwrites = false;
        for (key, _) in &batch.puts {
            if let Some(place) = self.keys.remove(key) {
                self.rename(place.group);
                overwrites = true;
            }
        }
        overwrites
    }

    fn set_after(&mut self, key: &[u8], after: Option<Bytes>) {
        let Some(place) = self.keys.get_mut(key).filter(|at| at.after != after) else {
            return;
        };
        place.after = after;
        let group = place.group;
        self.rename(group);
    }

    /// Frees the oldest groups whose readers have ended.
    fn free(&mut self, batch: &mut Batch, max: usize) {
        let mut freed = 0;
        while freed < max && self.is_over() {
            let Some(group) = self.groups.pop_front() else {
                break;
            };
            freed += group.keys.len();
            for key in group.keys {
                let is_here = self.keys.get(&key).map(|at| at.group) == Some(group.number);
                let Some(place) = is_here.then(|| self.keys.remove(&key)).flatten() else {
                    continue;
                };
                match place.after {
                    Some(row) => batch.puts.push((key, row.to_vec())),
                    None => batch.deletes.push(key),
                }
            }
            batch.deletes.push(row_key(group.number));
        }
    }

    /// The row of a group no longer says what it should.
    fn rename(&mut self, number: u64) {
        let first = self.groups.front().map_or(number, |group| group.number);
        let at = number.checked_sub(first).map(usize::try_from);
        if let Some(Ok(at)) = at
            && let Some(group) = self.groups.get_mut(at)
        {
            group.is_named = false;
        }
    }

    /// The rows that are not there yet, or say something else.
    fn new_rows(&mut self) -> Vec<Row> {
        let unnamed = self.groups.iter().filter(|group| !group.is_named);
        let rows = unnamed.map(|group| self.row_of(group)).collect();
        self.groups
            .iter_mut()
            .for_each(|group| group.is_named = true);
        rows
    }

    fn row_of(&self, group: &Group) -> Row {
        let mut message = v1::Deferred::default();
        for key in &group.keys {
            let place = self.keys.get(key).filter(|at| at.group == group.number);
            let Some(place) = place else { continue };
            let key = Bytes::from(key.clone());
            match place.after.clone() {
                Some(row) => message.replaced.push(v1::Replaced { key, row }),
                None => message.keys.push(key),
            }
        }
        (row_key(group.number), message.encode_to_vec())
    }

    /// The numbers of the rows that name what is kept.
    pub(crate) fn numbers(&self) -> Range<u64> {
        let first = self.groups.front().map_or(self.next, |group| group.number);
        first..self.next
    }

    /// The keys of the values that are kept, and the rows that name them.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            keys: self.keys.keys().cloned().collect(),
            named: self.groups.iter().map(|group| self.row_of(group)).collect(),
        }
    }
}

/// What rows that are written anew must keep beside those of the state, and instead of them.
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

/// What is to be done before the rows are read: what rows with these numbers say of the values that
/// they name, and that these rows are deleted. Nobody is left who reads such a value. Without meta.
pub(crate) fn left_over(rows: &dyn Rows, numbers: Range<u64>) -> Result<Batch, Fault> {
    let mut left: BTreeMap<Vec<u8>, Option<Bytes>> = BTreeMap::new();
    for number in numbers {
        let key = row_key(number);
        let row = match rows.row(&key) {
            Err(fault) if fault.is_damage() => None,
            read => read?,
        };
        // What a bad one named is taken for state, which then does not add up.
        let named = row.and_then(|row| v1::Deferred::decode(&row[..]).ok());
        let v1::Deferred { keys, replaced } = named.unwrap_or_default();
        left.extend(keys.into_iter().map(|key| (Vec::from(key), None)));
        let replaced = replaced.into_iter();
        left.extend(replaced.map(|at| (Vec::from(at.key), Some(at.row))));
        left.insert(key, None);
    }
    let mut batch = Batch::default();
    for (key, row) in left {
        match row {
            Some(row) => batch.puts.push((key, row.into())),
            None => batch.deletes.push(key),
        }
    }
    Ok(batch)
}

fn row_key(number: u64) -> Vec<u8> {
    [&[KEY_KIND][..], &number.to_be_bytes()].concat()
}

#[cfg(test)]
mod tests;
