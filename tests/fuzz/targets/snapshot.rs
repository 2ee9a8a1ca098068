//! A snapshot file from disk or a peer: read to its end, or refused with a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::SnapshotDir;
use strongroom_fuzz::disk;

fuzz_target!(|input: &[u8]| {
    let dir = disk::directory();
    disk::write(dir.path(), "0000000000000001-fuzz.snap", input);
    let Ok(snapshots) = SnapshotDir::open(dir.path(), &disk::stamped(), disk::plain()) else {
        return;
    };
    let Ok(Some(file)) = snapshots.latest() else {
        return;
    };
    if let Ok(reader) = snapshots.read(&file) {
        drop(reader.collect::<Result<Vec<_>, _>>());
    }
});
