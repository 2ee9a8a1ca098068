//! Packs: up to sixteen rows with neighbouring keys that lie in sled as one.
//!
//! Rows that are written once, in the order of their keys, and deleted from the front would each
//! cost sled a change of a page, twice; as packs they cost it a sixteenth of that. A pack's key is
//! its rows' key with the low half of the last byte zero. Its content begins, in clear, with two
//! bytes that have a bit for each row; the rows follow, each behind its length, sealed together.
//!
//! What lies where follows from nothing but what was written last: a row is in a pack or on its
//! own, never both, so that rows from before there were packs are read, and go, as they are.

use std::collections::BTreeMap;

use crate::bytes::{Reader, put_bytes};
use crate::limits::PACKED_ROW_BYTES_MAX;

use super::index::Entry;

/// Which rows are put into packs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packing {
    /// What their keys begin with.
    pub first_byte: u8,
    /// How long their keys are.
    pub key_bytes: usize,
}

/// What is known of a pack without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pack {
    pub(super) entry: Entry,
    pub(super) members: Members,
}

/// The rows of a pack: a bit for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Members(u16);

/// The rows of a pack, by the low half of their last byte.
pub(super) type Rows = BTreeMap<u8, Vec<u8>>;

const LOW_HALF: u8 = 0x0f;

impl Packing {
    pub(super) fn takes(&self, key: &[u8], row_bytes: usize) -> bool {
        key.first() == Some(&self.first_byte)
            && key.len() == self.key_bytes
            && row_bytes <= PACKED_ROW_BYTES_MAX
    }
}

/// The pack a key would be in, and its number there.
pub(super) fn place(key: &[u8]) -> Option<(Vec<u8>, u8)> {
    let mut pack = key.to_vec();
    let last = pack.last_mut()?;
    let number = *last & LOW_HALF;
    *last &= !LOW_HALF;
    Some((pack, number))
}

/// The key of a row in a pack.
pub(super) fn row_key(pack: &[u8], number: u8) -> Vec<u8> {
    let mut key = pack.to_vec();
    if let Some(last) = key.last_mut() {
        *last |= number;
    }
    key
}

impl Members {
    pub(super) fn of(numbers: impl IntoIterator<Item = u8>) -> Members {
        let bits = numbers.into_iter().map(|number| 1 << (number & LOW_HALF));
        Members(bits.fold(0, |all, bit| all | bit))
    }

    pub(super) fn has(self, number: u8) -> bool {
        self.0 & (1 << (number & LOW_HALF)) != 0
    }

    pub(super) fn is_empty(self) -> bool {
        self.0 == 0
    }

    pub(super) fn count(self) -> u64 {
        self.0.count_ones().into()
    }

    pub(super) fn without(self, others: Members) -> Members {
        Members(self.0 & !others.0)
    }

    fn numbers(self) -> impl Iterator<Item = u8> {
        (0..=LOW_HALF).filter(move |number| self.has(*number))
    }

    /// The keys of these rows of a pack.
    pub(super) fn row_keys(self, pack: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        self.numbers().map(|number| row_key(pack, number))
    }

    /// Puts the members before what was sealed.
    pub(super) fn join(self, sealed: &[u8]) -> Vec<u8> {
        [&self.0.to_le_bytes(), sealed].concat()
    }

    /// Reads what [`Members::join`] wrote.
    pub(super) fn split(content: &[u8]) -> Option<(Members, &[u8])> {
        let (bits, sealed) = content.split_first_chunk()?;
        Some((Members(u16::from_le_bytes(*bits)), sealed))
    }
}

/// Writes the rows one behind the other.
pub(super) fn encode(rows: &Rows) -> Vec<u8> {
    let bytes = rows.values().map(|row| row.len() + size_of::<u32>()).sum();
    let mut out = Vec::with_capacity(bytes);
    rows.values().for_each(|row| put_bytes(&mut out, row));
    out
}

/// Reads what [`encode`] wrote of these members; `None` if it is not that.
pub(super) fn decode(members: Members, plain: &[u8]) -> Option<Rows> {
    let mut fields = Reader::new(plain);
    let mut rows = Rows::new();
    for number in members.numbers() {
        rows.insert(number, fields.bytes()?.to_vec());
    }
    fields.is_empty().then_some(rows)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn packs_read_back_under_the_keys_of_their_rows(
            rows in proptest::collection::btree_map(
                0..=LOW_HALF,
                proptest::collection::vec(any::<u8>(), 0..50),
                1..16,
            ),
            prefix in proptest::collection::vec(any::<u8>(), 1..5),
        ) {
            let members = Members::of(rows.keys().copied());
            let joined = members.join(&encode(&rows));
            let (found, plain) = Members::split(&joined).unwrap();
            prop_assert_eq!(found, members);
            prop_assert_eq!(members.count(), rows.len() as u64);
            prop_assert_eq!(decode(found, plain), Some(rows.clone()));
            let (pack, _) = place(&prefix).unwrap();
            for number in rows.into_keys() {
                prop_assert!(members.has(number));
                prop_assert_eq!(place(&row_key(&pack, number)), Some((pack.clone(), number)));
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Some((members, plain)) = Members::split(&bytes) {
                decode(members, plain);
            }
        }
    }
}
