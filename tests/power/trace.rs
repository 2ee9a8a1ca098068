//! The recorded calls of one process, in their order.

use std::path::{Path, PathBuf};

/// One call, after it had its effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    Open {
        fd: i32,
        truncates: bool,
        path: PathBuf,
    },
    Close {
        fd: i32,
    },
    Duplicate {
        fd: i32,
        to: i32,
    },
    Write {
        fd: i32,
        offset: u64,
        bytes: Vec<u8>,
    },
    Truncate {
        fd: i32,
        length: u64,
    },
    /// Space was reserved; the file reaches at least to `end`.
    Allocate {
        fd: i32,
        end: u64,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// A file or an empty directory lost its name.
    Unlink {
        path: PathBuf,
    },
    MakeDirectory {
        path: PathBuf,
    },
    SyncBegins {
        fd: i32,
        number: i64,
    },
    /// What the file held when sync `number` began is durable now.
    SyncEnds {
        number: i64,
    },
    /// What the workload reported at this place.
    Mark {
        line: String,
    },
}

/// Reads the trace that `recorder.c` wrote.
pub fn read(path: &Path) -> Vec<Event> {
    let bytes = std::fs::read(path).unwrap();
    let mut rest = bytes.as_slice();
    let mut events = Vec::new();
    // The layout of `struct event`.
    while let Some((header, behind)) = rest.split_first_chunk::<32>() {
        let number = |at: usize| i64::from_ne_bytes(header[at..at + 8].try_into().unwrap());
        let fd = i32::from_ne_bytes(header[4..8].try_into().unwrap());
        let (data, behind) = behind.split_at(number(24) as usize);
        events.push(decode(header[0], fd, number(8), number(16), data));
        rest = behind;
    }
    assert!(rest.is_empty(), "the trace ends within an event");
    events
}

fn decode(op: u8, fd: i32, a: i64, b: i64, data: &[u8]) -> Event {
    let text = || String::from_utf8(data.to_vec()).unwrap();
    let path = || PathBuf::from(text());
    match op {
        b'O' => Event::Open {
            fd,
            truncates: a & TRUNCATE != 0,
            path: path(),
        },
        b'C' => Event::Close { fd },
        b'D' => Event::Duplicate { fd, to: a as i32 },
        b'W' => Event::Write {
            fd,
            offset: a as u64,
            bytes: data.to_vec(),
        },
        b'T' => Event::Truncate {
            fd,
            length: a as u64,
        },
        b'A' => {
            assert_eq!(b, 0, "fallocate is modelled without its modes");
            Event::Allocate { fd, end: a as u64 }
        }
        b'R' => {
            assert_eq!(a, 0, "renameat2 is modelled without its flags");
            let text = text();
            let (from, to) = text.split_once('\0').unwrap();
            Event::Rename {
                from: from.into(),
                to: to.into(),
            }
        }
        b'U' => Event::Unlink { path: path() },
        b'K' => Event::MakeDirectory { path: path() },
        b'S' => Event::SyncBegins { fd, number: a },
        b'E' => Event::SyncEnds { number: a },
        b'M' => Event::Mark {
            line: text().trim_end().into(),
        },
        other => panic!("the recorder wrote an unknown event {other}"),
    }
}

/// `O_TRUNC` of Linux.
const TRUNCATE: i64 = 0o1000;
