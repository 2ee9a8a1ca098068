//! Commitments, chains and feed hashes (R3, R4). Every use of SHA-256 has a domain of its own, and
//! what is hashed is length-prefixed or of fixed length, so no two inputs have the same bytes.

use imbl::Vector;
use sha2::{Digest, Sha256};

use crate::ids::{Hash, Uid};
use crate::position::FeedId;

const BLIND: &[u8] = b"strongroom/1/blind";
const COMMITMENT: &[u8] = b"strongroom/1/commitment";
const LOCAL: &[u8] = b"strongroom/1/local";
const CHAIN: &[u8] = b"strongroom/1/chain";
const BUCKET: &[u8] = b"strongroom/1/bucket";
const ROW: &[u8] = b"strongroom/1/row";
const SUMS: &[u8] = b"strongroom/1/sums";
const FEED: &[u8] = b"strongroom/1/feed";

/// How many sums a feed hash is made of.
pub const BUCKETS: usize = 4096;

/// One of the [`BUCKETS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u16);

impl Bucket {
    /// Takes a number below [`BUCKETS`].
    pub fn new(number: u16) -> Option<Bucket> {
        (usize::from(number) < BUCKETS).then_some(Bucket(number))
    }

    /// Finds the bucket that a row's encoded key belongs to.
    pub fn of(key: &[u8]) -> Bucket {
        let Hash([high, low, ..]) = digest(BUCKET, &[key]);
        Bucket(u16::from_be_bytes([high, low]) >> 4)
    }

    /// Gives its number.
    pub fn number(self) -> u16 {
        self.0
    }
}

/// Sums of row hashes modulo 2^256, by bucket. Adding and removing commute, so the sums depend on
/// the rows and not on the way to them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketSums {
    sums: Vector<[u64; 4]>,
}

/// Derives the blind of one change from an entry's seed.
pub(crate) fn blind(seed: &[u8; 32], number: u32) -> Hash {
    digest(BLIND, &[seed, &number.to_be_bytes()])
}

/// Commits to the body of a feed row.
pub(crate) fn commitment(blind: &Hash, body: &[u8]) -> Hash {
    digest(COMMITMENT, &[&blind.0, body])
}

/// Commits to a local row, which never leaves its region and needs no blind.
pub(crate) fn local_commitment(stored: &[u8]) -> Hash {
    digest(LOCAL, &[stored])
}

/// Adds a header to a chain.
pub(crate) fn chain(before: &Hash, header: &[u8]) -> Hash {
    digest(CHAIN, &[&before.0, header])
}

/// Derives the identifier a feed's own rows are kept under.
pub(crate) fn feed_uid(feed: &FeedId) -> Uid {
    let Hash(bytes) = digest(FEED, &[feed.to_string().as_bytes()]);
    let mut uid = [0; 16];
    uid.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
    Uid(uid)
}

impl BucketSums {
    /// Starts with no rows.
    pub fn new() -> BucketSums {
        BucketSums {
            sums: std::iter::repeat_n([0; 4], BUCKETS).collect(),
        }
    }

    /// Takes a row's old commitment out and its new one in.
    pub(crate) fn replace(&mut self, key: &[u8], old: Option<Hash>, new: Option<Hash>) {
        let bucket = usize::from(Bucket::of(key).number());
        let row = |commitment: Hash| words(&digest(ROW, &[key, &commitment.0]));
        let Some(sum) = self.sums.get_mut(bucket) else {
            return;
        };
        if let Some(old) = old {
            *sum = subtract(*sum, row(old));
        }
        if let Some(new) = new {
            *sum = add(*sum, row(new));
        }
    }

    /// Gives the sum of one bucket, to find where two states differ.
    pub fn bucket(&self, number: usize) -> Option<[u64; 4]> {
        self.sums.get(number).copied()
    }

    /// Hashes all sums.
    pub fn hash(&self) -> Hash {
        hash_of(self.sums.iter().copied())
    }

    /// Hashes the sums of several sets of rows as if they were one.
    pub(crate) fn hash_together(parts: &[&BucketSums]) -> Hash {
        let mut total = vec![[0; 4]; BUCKETS];
        for part in parts {
            for (sum, other) in total.iter_mut().zip(part.sums.iter()) {
                *sum = add(*sum, *other);
            }
        }
        hash_of(total.into_iter())
    }
}

impl Default for BucketSums {
    fn default() -> BucketSums {
        BucketSums::new()
    }
}

fn hash_of(sums: impl Iterator<Item = [u64; 4]>) -> Hash {
    let mut hasher = Sha256::new_with_prefix(SUMS);
    for sum in sums {
        let mut bytes = [0; 32];
        for (to, word) in bytes.chunks_exact_mut(8).zip(sum) {
            to.copy_from_slice(&word.to_le_bytes());
        }
        hasher.update(bytes);
    }
    Hash(hasher.finalize().into())
}

/// Only the last part may have a length that varies: the domain fixes how many parts there are.
fn digest(domain: &[u8], parts: &[&[u8]]) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update([u8::try_from(domain.len()).unwrap_or(u8::MAX)]);
    hasher.update(domain);
    for part in parts {
        hasher.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hasher.update(part);
    }
    Hash(hasher.finalize().into())
}

fn words(hash: &Hash) -> [u64; 4] {
    let mut words = [0; 4];
    for (word, bytes) in words.iter_mut().zip(hash.0.chunks_exact(8)) {
        *word = bytes
            .iter()
            .rev()
            .fold(0, |word, byte| (word << 8) | u64::from(*byte));
    }
    words
}

fn add(left: [u64; 4], right: [u64; 4]) -> [u64; 4] {
    let mut sum = [0; 4];
    let mut carry = false;
    for ((to, a), b) in sum.iter_mut().zip(left).zip(right) {
        let (partial, first) = a.overflowing_add(b);
        let (whole, second) = partial.overflowing_add(u64::from(carry));
        *to = whole;
        carry = first || second;
    }
    sum
}

fn subtract(left: [u64; 4], right: [u64; 4]) -> [u64; 4] {
    let mut difference = [0; 4];
    let mut borrow = false;
    for ((to, a), b) in difference.iter_mut().zip(left).zip(right) {
        let (partial, first) = a.overflowing_sub(b);
        let (whole, second) = partial.overflowing_sub(u64::from(borrow));
        *to = whole;
        borrow = first || second;
    }
    difference
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removing_undoes_adding_in_any_order() {
        let mut sums = BucketSums::new();
        let empty = sums.hash();
        let rows: Vec<(Vec<u8>, Hash)> = (0..200u32)
            .map(|n| (n.to_be_bytes().to_vec(), blind(&[7; 32], n)))
            .collect();
        rows.iter()
            .for_each(|(key, commitment)| sums.replace(key, None, Some(*commitment)));
        assert_ne!(sums.hash(), empty);
        rows.iter()
            .rev()
            .for_each(|(key, commitment)| sums.replace(key, Some(*commitment), None));
        assert_eq!(sums.hash(), empty);
    }

    #[test]
    fn carries_travel_through_all_words() {
        let most = [u64::MAX; 4];
        assert_eq!(add(most, [1, 0, 0, 0]), [0; 4]);
        assert_eq!(subtract([0; 4], [1, 0, 0, 0]), most);
    }

    #[test]
    fn parts_hash_like_one_whole() {
        let (mut left, mut right, mut whole) =
            (BucketSums::new(), BucketSums::new(), BucketSums::new());
        for n in 0..100u32 {
            let commitment = blind(&[1; 32], n);
            let part = if n % 3 == 0 { &mut left } else { &mut right };
            part.replace(&n.to_be_bytes(), None, Some(commitment));
            whole.replace(&n.to_be_bytes(), None, Some(commitment));
        }
        assert_eq!(BucketSums::hash_together(&[&left, &right]), whole.hash());
    }
}
