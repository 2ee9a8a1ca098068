//! A cipher that binds blocks to their place without being one, and shorthands.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::channel;

use strongroom_store::{
    Attendant, BadRow, Cipher, CipherFault, Fault, Log, LogError, Mark, Opened, Packing, Place,
    Record, Row, Rows, RowsOptions, SledRows, Stamped, Wal, WalOptions,
};

/// Flips every bit and adds a checksum over place and block.
pub struct Veil;

impl Cipher for Veil {
    fn seal(&self, place: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let mut sealed = tag(place, plain).to_le_bytes().to_vec();
        sealed.extend(plain.iter().map(|byte| !byte));
        Ok(sealed)
    }

    fn open(&self, place: Place<'_>, sealed: &[u8]) -> Result<Vec<u8>, CipherFault> {
        let (found, veiled) = sealed.split_first_chunk::<4>().ok_or(CipherFault::Open)?;
        let plain: Vec<u8> = veiled.iter().map(|byte| !byte).collect();
        let expected = tag(place, &plain);
        (*found == expected.to_le_bytes())
            .then_some(plain)
            .ok_or(CipherFault::Open)
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}

fn tag(place: Place<'_>, plain: &[u8]) -> u32 {
    let table = crc32c::crc32c(place.table.as_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(table, place.key), plain)
}

pub fn veil() -> Arc<dyn Cipher> {
    Arc::new(Veil)
}

pub fn stamped() -> Stamped {
    Stamped {
        cluster: [7; 16],
        region: "eu-west-1".into(),
        node: 3,
    }
}

pub fn open_wal(dir: &Path) -> Result<Wal, LogError> {
    let options = WalOptions {
        segment_bytes: 8 * 1024,
        cache_bytes: 2 * 1024,
    };
    Wal::open(dir, &stamped(), veil(), options)
}

pub fn open_rows(dir: &Path) -> Opened {
    SledRows::open(dir, &stamped(), veil(), options()).unwrap()
}

pub fn open_packed_rows(dir: &Path) -> Opened {
    SledRows::open(dir, &stamped(), veil(), packed_options()).unwrap()
}

/// Keys of three bytes that begin with a one are put into packs.
pub fn packed_options() -> RowsOptions {
    RowsOptions {
        packing: Some(Packing {
            first_byte: 1,
            key_bytes: 3,
        }),
        ..options()
    }
}

fn options() -> RowsOptions {
    RowsOptions {
        cache_bytes: 1 << 20,
        packing: None,
    }
}

pub fn all_rows(rows: &dyn Rows) -> Vec<Row> {
    rows.scan().collect::<Result<_, _>>().unwrap()
}

pub fn mark(index: u64) -> Mark {
    Mark {
        index,
        id: record(index, 0, 0).mark,
    }
}

/// A record whose body depends on index, term and length.
pub fn record(index: u64, term: u64, body_bytes: usize) -> Record {
    let body = (0..body_bytes)
        .map(|at| (at as u64 * 31 + index * 7 + term) as u8)
        .collect();
    Record {
        index,
        mark: [term.to_le_bytes(), index.to_le_bytes()].concat(),
        body,
    }
}

/// Appends and waits until durable.
pub fn append(log: &dyn Log, records: Vec<Record>) -> Result<(), Fault> {
    let (answer, answered) = channel();
    log.append(
        records,
        Box::new(move |result| answer.send(result).unwrap()),
    );
    answered.recv().unwrap()
}

/// The segment files of a log directory, oldest first.
pub fn segments(dir: &Path) -> Vec<PathBuf> {
    let paths = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|e| e == "wal"))
        .collect();
    paths.sort();
    paths
}

/// Copies the files of one directory into another.
pub fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        match path.is_dir() {
            true => copy_dir(&path, &target),
            false => drop(std::fs::copy(&path, target).unwrap()),
        }
    }
}

/// Waits for a condition that other threads bring about.
pub fn wait_until(condition: impl Fn() -> bool) {
    let start = std::time::Instant::now();
    while !condition() {
        assert!(
            start.elapsed().as_secs() < 30,
            "the condition did not come true"
        );
        std::thread::yield_now();
    }
}

/// Does something before each step of a renewal.
pub struct Before<F>(pub F);

impl<F: FnMut() -> Result<(), Fault>> Attendant for Before<F> {
    fn goes_on(&mut self) -> Result<(), Fault> {
        (self.0)()
    }

    fn are_bad(&mut self, rows: &[BadRow]) -> Result<(), Fault> {
        ().are_bad(rows)
    }

    fn waits(&mut self) -> bool {
        false
    }
}
