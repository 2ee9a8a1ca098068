//! What records and rows hold: all of it follows from index and term, so it can be told at any
//! time what a store must answer.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng, RngExt, SeedableRng};
use store::{Batch, Mark, Record};

/// All rows.
pub type Table = BTreeMap<Vec<u8>, Vec<u8>>;

/// The term that stands at each index of the log.
pub type Terms = BTreeMap<u64, u64>;

/// The record of an index and a term.
pub fn record(index: u64, term: u64) -> Record {
    let mut random = random(index, term);
    // Mostly small; now and then larger than a page, or than half a segment.
    let length = match random.random_range(0..20) {
        0 => random.random_range(10_000..40_000),
        1..4 => random.random_range(2_000..9_000),
        _ => random.random_range(0..600),
    };
    let mut body = vec![0; length];
    random.fill_bytes(&mut body);
    Record {
        index,
        mark: mark(index, term).id,
        body,
    }
}

/// The mark of an index and a term.
pub fn mark(index: u64, term: u64) -> Mark {
    let id = [term.to_be_bytes(), index.to_be_bytes()].concat();
    Mark { index, id }
}

/// The term and the index that a mark, or the meta of rows, names.
pub fn read_mark(id: &[u8]) -> Option<(u64, u64)> {
    let (term, index) = id.split_first_chunk()?;
    Some((
        u64::from_be_bytes(*term),
        u64::from_be_bytes(index.try_into().ok()?),
    ))
}

/// The batch that takes rows from index `after` to index `upto`.
pub fn batch(terms: &Terms, after: u64, upto: u64) -> Batch {
    let mut changed: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    for (index, term) in terms.range(after + 1..=upto) {
        changed.extend(changes(*index, *term));
    }
    let mut batch = Batch {
        meta: mark(upto, terms[&upto]).id,
        ..Batch::default()
    };
    for (key, value) in changed {
        match value {
            Some(value) => batch.puts.push((key, value)),
            None => batch.deletes.push(key),
        }
    }
    batch
}

/// The rows after the record of index `upto`.
pub fn table(terms: &Terms, upto: u64) -> Table {
    let mut table = Table::new();
    for (index, term) in terms.range(..=upto) {
        apply(&mut table, *index, *term);
    }
    table
}

/// Applies the record of an index.
pub fn apply(table: &mut Table, index: u64, term: u64) {
    for (key, value) in changes(index, term) {
        match value {
            Some(value) => table.insert(key, value),
            None => table.remove(&key),
        };
    }
}

fn changes(index: u64, term: u64) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let mut random = random(index, term);
    let count = random.random_range(1..4);
    let mut change = || {
        let number = random.random_range(0..90);
        // One half is put into packs.
        let kind = ["row", "own"][number % 2];
        let key = format!("{kind}-{number:03}").into_bytes();
        let length = match random.random_range(0..30) {
            0 => random.random_range(5_000..20_000),
            _ => random.random_range(0..1_500),
        };
        let mut value = vec![0; length];
        random.fill_bytes(&mut value);
        (key, (random.random_range(0..5) > 0).then_some(value))
    };
    (0..count).map(|_| change()).collect()
}

fn random(index: u64, term: u64) -> StdRng {
    StdRng::seed_from_u64(index << 20 ^ term)
}
