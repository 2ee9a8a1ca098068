//! The files of the write-ahead log: opened, they give a log that can be read and written, and that
//! holds the same when it is opened again; or there is a typed error.

use store::{Log, LogError, Wal, WalOptions};

use crate::disk::{self, HEADER_BLOCK_BYTES};
use crate::parts;

/// Segments of one input.
const SEGMENTS_MAX: usize = 3;

/// Takes how to read the rest, an anchor and segments: the files as they are, or (1) what stands
/// in them, under good checksums.
pub fn check(input: &[u8]) {
    let mut parts = parts(input);
    let is_made = parts.next().is_some_and(|how| how.starts_with(&[1]));
    let dir = disk::directory();
    let anchor = parts.next().unwrap_or_default();
    match is_made {
        true => disk::write(dir.path(), "anchor", &disk::header(b"anch", anchor)),
        false => disk::write(dir.path(), "anchor", anchor),
    };
    for (number, part) in (1_u64..).zip(parts.take(SEGMENTS_MAX)) {
        let name = format!("{number:016x}.wal");
        match is_made {
            true => disk::write(dir.path(), &name, &segment(number, part)),
            false => disk::write(dir.path(), &name, part),
        };
    }
    let Ok(log) = open(dir.path()) else {
        return;
    };
    let mut before = contents(&log);
    if log.save_vote(b"vote").is_ok() {
        before.0 = Some(b"vote".to_vec());
    }
    drop(log);
    let log = open(dir.path()).expect("a log that was opened opens again");
    assert_eq!(contents(&log), before);
}

type Contents = (Option<Vec<u8>>, Option<(u64, u64)>, Option<Vec<u64>>);

/// The vote, the bounds, and the records that can be read.
fn contents(log: &Wal) -> Contents {
    let vote = log.vote().ok().flatten();
    let bounds = log.bounds().ok().map(|bounds| {
        let first = bounds.purged.map_or(0, |mark| mark.index.saturating_add(1));
        (
            first,
            bounds.last.map_or(0, |mark| mark.index.saturating_add(1)),
        )
    });
    let records = bounds.and_then(|(first, last)| log.read(first..last).ok());
    let indexes = records.map(|records| records.iter().map(|record| record.index).collect());
    (vote, bounds, indexes)
}

fn open(dir: &std::path::Path) -> Result<Wal, LogError> {
    let options = WalOptions {
        segment_bytes: 8192,
        cache_bytes: 4096,
    };
    Wal::open(dir, &disk::stamped(), disk::plain(), options)
}

/// A segment whose frames are spelt out: kind, group, index, frames that follow, length, payload.
fn segment(number: u64, mut frames: &[u8]) -> Vec<u8> {
    let mut file = disk::header(b"wlog", &number.to_le_bytes());
    file.resize(HEADER_BLOCK_BYTES, 0);
    while let Some((head, rest)) = frames.split_first_chunk::<5>() {
        let [kind, group, index, follow, length] = *head;
        let (payload, rest) = rest.split_at(usize::from(length).min(rest.len()));
        frames = rest;
        let mut checked = wide(group).to_le_bytes().to_vec();
        checked.extend(wide(index).to_le_bytes());
        checked.extend(u32::from(follow).to_le_bytes());
        checked.extend([kind, 0, 0, 0]);
        checked.extend(payload);
        let payload_bytes = (payload.len() as u32).to_le_bytes();
        let place = [number.to_le_bytes(), (file.len() as u64).to_le_bytes()].concat();
        let crc = disk::crc32c(&[&place, &payload_bytes[..], &checked].concat());
        file.extend(payload_bytes);
        file.extend(crc.to_le_bytes());
        file.extend(checked);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    file
}

/// A small number, or one of the greatest.
fn wide(byte: u8) -> u64 {
    match byte {
        0..=239 => u64::from(byte),
        240.. => u64::MAX - u64::from(u8::MAX - byte),
    }
}
