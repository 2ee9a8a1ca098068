//! How rows lie in sled: one tree, values in pieces.
//!
//! A row's content (its sealed value) is cut into pieces of at most 4 KiB, so that no page of sled
//! ever reaches the 128 KiB above which it becomes a blob file that is never synced. The key of a
//! piece is a table byte, the row key (0x00 written as 0x00 0xFF, ended by 0x00 0x01, which keeps
//! the order), and the number of the piece. The first piece begins with a head: format, length of
//! the content, crc32c of table, key and content.

use crate::bytes::{Reader, put_bytes};
use crate::limits::PIECE_BYTES_MAX;

pub(super) const ROWS: u8 = b'r';
pub(super) const META: u8 = b'm';
pub(super) const PACKS: u8 = b'p';
/// Rows of the base that are there no more: a list of those of each batch, under its number.
pub(super) const GONE_ROWS: u8 = b'g';
/// Packs of the base that are there no more, each on its own: neighbours go one after the other.
pub(super) const GONE_PACKS: u8 = b'h';

const FORMAT: u8 = 1;
const HEAD_BYTES: usize = 9;

/// What the first piece of a row says of all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) content_bytes: u32,
    crc: u32,
}

/// Sums over all rows, kept with the meta; they tell a missing or stale row from a deleted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Tally {
    /// Counts the batches; what a checkpoint reached never comes back with fewer.
    pub(super) batches: u64,
    pub(super) rows: u64,
    pub(super) live_bytes: u64,
    sum: u64,
}

/// The key of a piece.
pub(super) fn piece_key(table: u8, key: &[u8], piece: u16) -> Vec<u8> {
    let mut out = row_prefix(table, key);
    out.extend_from_slice(&piece.to_be_bytes());
    out
}

/// What the keys of all pieces of a row begin with.
fn row_prefix(table: u8, key: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(key.len() + 8);
    out.push(table);
    for byte in key {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 1]);
    out
}

/// Reads table, row key and number from the key of a piece.
pub(super) fn split_piece_key(piece_key: &[u8]) -> Option<(u8, Vec<u8>, u16)> {
    let (table, rest) = piece_key.split_first()?;
    let (rest, piece) = rest.split_last_chunk::<2>()?;
    let mut escaped = rest.strip_suffix(&[0, 1])?.iter();
    let mut key = Vec::with_capacity(rest.len());
    while let Some(byte) = escaped.next() {
        key.push(*byte);
        if *byte == 0 && escaped.next() != Some(&0xff) {
            return None;
        }
    }
    Some((*table, key, u16::from_be_bytes(*piece)))
}

/// Cuts a row into its pieces.
pub(super) fn cut(table: u8, key: &[u8], content: &[u8]) -> (Head, Vec<Vec<u8>>) {
    let head = Head::of(table, key, content);
    let first_bytes = content.len().min(PIECE_BYTES_MAX - HEAD_BYTES);
    let (first, rest) = content.split_at(first_bytes);
    let mut piece = vec![FORMAT];
    piece.extend_from_slice(&head.content_bytes.to_le_bytes());
    piece.extend_from_slice(&head.crc.to_le_bytes());
    piece.extend_from_slice(first);
    let mut pieces = vec![piece];
    pieces.extend(rest.chunks(PIECE_BYTES_MAX).map(<[u8]>::to_vec));
    (head, pieces)
}

/// The keys of rows that are gone, in pieces that can each be read alone. Rows are deleted all over
/// the table: each with a piece of its own they would cost sled as much as rows that are written.
pub(super) fn list(keys: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut pieces: Vec<Vec<u8>> = Vec::new();
    for key in keys {
        let fits = |piece: &Vec<u8>| piece.len() + 4 + key.len() <= PIECE_BYTES_MAX;
        if !pieces.last().is_some_and(fits) {
            pieces.push(Vec::new());
        }
        if let Some(piece) = pieces.last_mut() {
            put_bytes(piece, key);
        }
    }
    pieces
}

/// Reads a piece of a list.
pub(super) fn listed(piece: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut keys, mut rest) = (Vec::new(), Reader::new(piece));
    while !rest.is_empty() {
        keys.push(rest.bytes()?.to_vec());
    }
    Some(keys)
}

impl Head {
    /// The head of a content.
    pub(super) fn of(table: u8, key: &[u8], content: &[u8]) -> Head {
        // The limits keep every content far below 4 GiB.
        let content_bytes = u32::try_from(content.len()).unwrap_or(u32::MAX);
        Head {
            content_bytes,
            crc: checksum(table, key, content),
        }
    }

    pub(super) fn crc(&self) -> u32 {
        self.crc
    }

    /// Reads the head of a first piece, and the content that follows it there.
    pub(super) fn read(piece: &[u8]) -> Option<(Head, &[u8])> {
        let mut fields = Reader::new(piece);
        if fields.u8()? != FORMAT {
            return None;
        }
        let head = Head {
            content_bytes: fields.u32()?,
            crc: fields.u32()?,
        };
        Some((head, piece.get(HEAD_BYTES..)?))
    }

    /// How many pieces the row takes.
    pub(super) fn pieces(&self) -> u16 {
        let rest = (self.content_bytes as usize).saturating_sub(PIECE_BYTES_MAX - HEAD_BYTES);
        u16::try_from(1 + rest.div_ceil(PIECE_BYTES_MAX)).unwrap_or(u16::MAX)
    }

    /// Whether `content` is what was written under `key`.
    pub(super) fn matches(&self, table: u8, key: &[u8], content: &[u8]) -> bool {
        content.len() == self.content_bytes as usize && self.crc == checksum(table, key, content)
    }
}

impl Tally {
    pub(super) fn add(&mut self, key: &[u8], head: Head) {
        self.rows = self.rows.wrapping_add(1);
        self.live_bytes = self.live_bytes.wrapping_add(row_bytes(key, head));
        self.sum = self.sum.wrapping_add(digest(key, head));
    }

    pub(super) fn remove(&mut self, key: &[u8], head: Head) {
        self.rows = self.rows.wrapping_sub(1);
        self.live_bytes = self.live_bytes.wrapping_sub(row_bytes(key, head));
        self.sum = self.sum.wrapping_sub(digest(key, head));
    }

    /// Whether both count the same rows, after however many batches.
    pub(super) fn same_rows(&self, other: &Tally) -> bool {
        let other = Tally {
            batches: self.batches,
            ..*other
        };
        *self == other
    }

    /// Writes the tally before the sealed meta, if there is one yet.
    pub(super) fn join(&self, sealed_meta: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::with_capacity(40 + sealed_meta.map_or(0, <[u8]>::len));
        for field in [self.batches, self.rows, self.live_bytes, self.sum] {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.push(u8::from(sealed_meta.is_some()));
        out.extend_from_slice(sealed_meta.unwrap_or_default());
        out
    }

    /// Reads what [`Tally::join`] wrote.
    pub(super) fn split(content: &[u8]) -> Option<(Tally, Option<&[u8]>)> {
        let mut fields = Reader::new(content);
        let tally = Tally {
            batches: fields.u64()?,
            rows: fields.u64()?,
            live_bytes: fields.u64()?,
            sum: fields.u64()?,
        };
        let some = fields.u8()? == 1;
        let sealed_meta = content.get(fields.at()..)?;
        Some((tally, some.then_some(sealed_meta)))
    }
}

fn row_bytes(key: &[u8], head: Head) -> u64 {
    key.len() as u64 + u64::from(head.content_bytes)
}

/// Spreads key and checksum over 64 bits (the finalizer of splitmix64), so that sums of rows that
/// differ differ.
fn digest(key: &[u8], head: Head) -> u64 {
    let mut mixed = u64::from(head.crc) << 32 | u64::from(crc32c::crc32c(key));
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

fn checksum(table: u8, key: &[u8], content: &[u8]) -> u32 {
    let table_and_key = crc32c::crc32c_append(crc32c::crc32c(&[table]), key);
    crc32c::crc32c_append(table_and_key, content)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

    use super::*;

    proptest! {
        #[test]
        fn piece_keys_read_back_and_keep_the_order(
            a in proptest::collection::vec(0..3u8, 0..6),
            b in proptest::collection::vec(0..3u8, 0..6),
            pieces in (any::<u16>(), any::<u16>()),
        ) {
            let (left, right) = (piece_key(ROWS, &a, pieces.0), piece_key(ROWS, &b, pieces.1));
            prop_assert_eq!(left.cmp(&right), (&a, pieces.0).cmp(&(&b, pieces.1)));
            prop_assert_eq!(split_piece_key(&left), Some((ROWS, a, pieces.0)));
        }

        #[test]
        fn arbitrary_keys_and_pieces_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            split_piece_key(&bytes);
            Head::read(&bytes);
            Tally::split(&bytes);
            listed(&bytes);
        }

        #[test]
        fn keys_that_are_gone_are_listed_in_small_pieces_and_read_again(
            lengths in proptest::collection::vec(0..1_025_usize, 0..20),
        ) {
            let keys: Vec<_> = lengths.into_iter().map(|length| vec![b'k'; length]).collect();
            let pieces = list(&keys);
            prop_assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
            let read = pieces.iter().flat_map(|piece| listed(piece).unwrap());
            prop_assert_eq!(read.collect::<Vec<_>>(), keys);
        }

        #[test]
        fn a_row_is_cut_into_small_pieces_and_joined_again(
            content in proptest::collection::vec(any::<u8>(), 0..20_000),
        ) {
            let (head, pieces) = cut(ROWS, b"key", &content);
            prop_assert_eq!(usize::from(head.pieces()), pieces.len());
            prop_assert!(pieces.iter().all(|piece| piece.len() <= PIECE_BYTES_MAX));
            let (read, first) = Head::read(&pieces[0]).unwrap();
            let joined = [first, &pieces[1..].concat()].concat();
            prop_assert!(read == head && read.matches(ROWS, b"key", &joined));
            prop_assert!(!read.matches(ROWS, b"other", &joined));
        }
    }
}
