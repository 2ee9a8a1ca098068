//! Snapshot files from disk or a peer: received in chunks and read to their end, or refused with a
//! typed error. A file that is written of rows gives the same rows back; altered, under good
//! checksums, it gives them or an error.

use std::cell::RefCell;

use store::{Row, SnapshotDir};

use crate::disk::{self, Scratch};
use crate::parts;

/// The id of every snapshot that is written here.
const ID: &str = "fuzz";
/// Bytes of one chunk.
const CHUNK_BYTES: usize = 512;

thread_local! {
    static FILES: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Takes how to read the rest, and: a snapshot's id and its file; or (1) places to alter, and keys
/// and values of rows.
pub fn check(input: &[u8]) {
    let mut parts = parts(input);
    let is_made = parts.next().is_some_and(|how| how.starts_with(&[1]));
    let first = parts.next().unwrap_or_default();
    let dir = FILES.with_borrow(|files| files.path().to_path_buf());
    let dir = SnapshotDir::open(&dir, &disk::stamped(), disk::plain());
    let dir = dir.expect("a directory of our own");
    match is_made {
        false => {
            let id = std::str::from_utf8(first).unwrap_or_default();
            receive(&dir, id, parts.next().unwrap_or_default());
        }
        true => {
            let rest: Vec<Vec<u8>> = parts.map(<[u8]>::to_vec).collect();
            let (rows, meta) = rest.as_chunks::<2>();
            let meta = meta.first().cloned().unwrap_or_default();
            let rows = disk::rows(rows);
            write(&dir, &rows, &meta, first);
        }
    }
    for file in dir.list().expect("the directory can be listed") {
        dir.remove(&file).expect("a file can be removed");
    }
}

/// Takes a file from a peer. What is taken has been verified, so it can be read.
fn receive(dir: &SnapshotDir, id: &str, bytes: &[u8]) {
    let Ok(mut receiving) = dir.receive(id) else {
        return;
    };
    for chunk in bytes.chunks(CHUNK_BYTES) {
        receiving.push(chunk).expect("there is room");
    }
    if let Ok(file) = receiving.finish() {
        let reader = dir.read(&file).expect("a verified file opens");
        for row in reader {
            row.expect("a verified file can be read");
        }
    }
}

fn write(dir: &SnapshotDir, rows: &[Row], meta: &[u8], places: &[u8]) {
    let Ok(file) = dir.write(ID, meta, rows.iter().cloned().map(Ok)) else {
        // A key or a row is too large.
        return;
    };
    let reader = dir.read(&file).expect("what was written opens");
    assert_eq!(reader.meta(), meta);
    let read: Result<Vec<Row>, _> = reader.collect();
    assert!(read.expect("what was written can be read") == rows);
    let length = usize::try_from(file.size_bytes()).expect("it is small");
    let mut bytes = file.chunk(0, length).expect("it can be read");
    let (changes, _odd) = places.as_chunks::<3>();
    for [high, low, change] in changes {
        let place = usize::from(u16::from_be_bytes([*high, *low])) % bytes.len();
        bytes[place] ^= change;
    }
    mend(&mut bytes);
    receive(dir, ID, &bytes);
}

/// Writes good checksums for the header and for every block that can be found.
fn mend(bytes: &mut [u8]) {
    let mut at = disk::mend_header(bytes);
    while let Some(block) = bytes.get_mut(at..)
        && let Some((head, rest)) = block.split_first_chunk_mut::<8>()
    {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]) as usize;
        let Some(sealed) = rest.get(..length) else {
            return;
        };
        head[..4].copy_from_slice(&disk::crc32c(sealed).to_le_bytes());
        at += head.len() + length;
    }
}
