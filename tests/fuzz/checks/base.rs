//! The base of the rows, from disk: rows that are replaced are found there when they are opened;
//! with the base altered, under good checksums, they are the same or set aside.

use std::cell::RefCell;
use std::path::Path;

use store::{Packing, Row, Rows, RowsOptions, SledRows};

use crate::disk::{self, Scratch};
use crate::parts;

/// Where the base of the second generation is.
const BASE: &str = "sled-00000002/base";
/// Table, checksum, and the lengths of key and content.
const RECORD_HEAD_BYTES: usize = 13;

thread_local! {
    static ROWS: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Takes bytes for the end of the base, places to alter, and keys and values of rows.
pub fn check(input: &[u8]) {
    let mut parts = parts(input);
    let (end, places) = (parts.next().unwrap_or_default(), parts.next());
    let rest: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
    let (rows, _odd) = rest.as_chunks::<2>();
    let rows = disk::rows(rows);
    let dir = ROWS.with_borrow(|rows| rows.path().join("rows"));
    let _ = std::fs::remove_dir_all(&dir);
    let replaced = open(&dir)
        .rows
        .replace(&mut rows.iter().cloned().map(Ok), b"meta");
    if replaced.is_err() {
        // A key or a row is too large.
        return;
    }
    assert!(!is_set_aside(&dir, &rows), "what was written is read");
    alter(&dir.join(BASE), end, places.unwrap_or_default());
    is_set_aside(&dir, &rows);
}

/// Small keys that begin with a one are put into packs.
fn open(dir: &Path) -> store::Opened {
    let options = RowsOptions {
        cache_bytes: 1 << 20,
        packing: Some(Packing {
            first_byte: 1,
            key_bytes: 3,
        }),
    };
    let opened = SledRows::open(dir, &disk::stamped(), disk::plain(), options);
    opened.expect("damage is set aside")
}

fn is_set_aside(dir: &Path, rows: &[Row]) -> bool {
    let opened = open(dir);
    let found: Result<Vec<Row>, _> = opened.rows.scan().collect();
    let expected = if opened.rebuilt { &[] } else { rows };
    assert!(found.expect("what opens can be read") == expected);
    opened.rebuilt
}

fn alter(base: &Path, end: &[u8], places: &[u8]) {
    let mut bytes = std::fs::read(base).expect("a base");
    let (changes, _odd) = places.as_chunks::<3>();
    for [high, low, change] in changes {
        let place = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len();
        bytes[place] ^= change;
    }
    bytes.extend(end);
    mend(&mut bytes);
    std::fs::write(base, bytes).expect("a base");
}

/// Writes good checksums for the header and for every record that can be found.
fn mend(bytes: &mut [u8]) {
    let mut at = disk::mend_header(bytes);
    while let Some(rest) = bytes.get_mut(at..)
        && let Some((head, rest)) = rest.split_first_chunk_mut::<RECORD_HEAD_BYTES>()
    {
        let length = |at| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let length = (length(5) as usize).saturating_add(length(9) as usize);
        let Some(content) = rest.get(..length) else {
            return;
        };
        let crc = disk::crc32c(&[&head[..1], content].concat());
        head[1..5].copy_from_slice(&crc.to_le_bytes());
        at += RECORD_HEAD_BYTES + length;
    }
}
