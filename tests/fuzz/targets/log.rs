//! The files of the write-ahead log: opened, they give a log that can be read and written, or a
//! typed error. The first part is the anchor, the next ones are segments.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::{Log as _, Wal, WalOptions};
use strongroom_fuzz::{disk, parts};

fuzz_target!(|input: &[u8]| {
    let dir = disk::directory();
    let mut parts = parts(input);
    disk::write(dir.path(), "anchor", parts.next().unwrap_or_default());
    for (number, part) in (1..).zip(parts.take(3)) {
        disk::write(dir.path(), &format!("{number:016}.wal"), part);
    }
    let options = WalOptions {
        segment_bytes: 8192,
        cache_bytes: 4096,
    };
    let Ok(log) = Wal::open(dir.path(), &disk::stamped(), disk::plain(), options) else {
        return;
    };
    drop(log.vote());
    if let Ok(bounds) = log.bounds() {
        let first = bounds.purged.map_or(0, |mark| mark.index.saturating_add(1));
        let last = bounds.last.map_or(0, |mark| mark.index.saturating_add(1));
        drop(log.read(first..last));
    }
    drop(log.save_vote(b"vote"));
});
