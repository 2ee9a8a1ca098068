//! Directories that earlier releases wrote, in `tests/fixtures/storage`: this one reads them.
//!
//! `UPDATE_GOLDENFILES=1` writes the directory of the present version if there is none yet; one
//! that was released is never written again.

use std::fs;
use std::path::{Path, PathBuf};

use strongroom_store::{Batch, Log, Row, Rows, SnapshotDir};
use tempfile::tempdir;

use crate::support::{
    all_rows, append, copy_dir, mark, open_packed_rows, open_wal, record, stamped, veil,
};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/storage")
}

/// Small rows, one of several pieces, and keys that need escaping.
fn rows() -> Vec<Row> {
    let row = |at: u8| {
        (
            vec![at, 0, at],
            vec![at; usize::from(at) * usize::from(at) * 20],
        )
    };
    (0..20).map(row).collect()
}

/// Those, and from the second release on some that lie in packs.
fn rows_of(release: &Path) -> Vec<Row> {
    let mut rows = rows();
    if !release.ends_with("0.1.0") {
        rows.extend((0..40).map(|at| (vec![1, 9, at], vec![at; 30])));
        rows.sort();
    }
    rows
}

fn write(dir: &Path) {
    let wal = open_wal(&dir.join("log")).unwrap();
    wal.save_vote(b"golden vote").unwrap();
    append(&wal, (0..12).map(|index| record(index, 0, 700)).collect()).unwrap();
    wal.truncate_after(Some(8)).unwrap();
    append(&wal, (9..12).map(|index| record(index, 1, 30)).collect()).unwrap();
    wal.purge(mark(3)).unwrap();
    wal.save_committed(Some(mark(7))).unwrap();
    drop(wal);
    let rows = open_packed_rows(&dir.join("rows")).rows;
    let write = |puts: Vec<Row>, deletes: Vec<Vec<u8>>| {
        let meta = b"golden meta".to_vec();
        let batch = Batch {
            puts,
            deletes,
            meta,
        };
        rows.write(batch).unwrap();
    };
    let gone: Row = (b"gone".to_vec(), b"soon".to_vec());
    // Most lie in a base, some of it is no more, and the rest was written after it was made.
    let (mut first, rest): (Vec<Row>, Vec<Row>) = rows_of(dir)
        .into_iter()
        .partition(|(key, _)| key.last().is_some_and(|last| last % 3 > 0));
    first.push(gone.clone());
    write(first, vec![]);
    rows.begin_renewal().unwrap();
    assert!(rows.renew(&mut ()).unwrap());
    write(rest, vec![gone.0]);
    rows.checkpoint().unwrap();
    drop(rows);
    let snapshots = SnapshotDir::open(&dir.join("snapshots"), &stamped(), veil()).unwrap();
    snapshots
        .write("golden-1", b"golden meta", rows_of(dir).into_iter().map(Ok))
        .unwrap();
}

fn check(dir: &Path, rows: &[Row]) {
    let wal = open_wal(&dir.join("log")).unwrap();
    assert_eq!(wal.torn(), None);
    assert_eq!(wal.vote().unwrap().as_deref(), Some(&b"golden vote"[..]));
    assert_eq!(wal.bounds().unwrap().purged, Some(mark(3)));
    assert_eq!(wal.committed().unwrap(), Some(mark(7)));
    let kept = (4..9).map(|index| record(index, 0, 700));
    let records: Vec<_> = kept
        .chain((9..12).map(|index| record(index, 1, 30)))
        .collect();
    assert_eq!(wal.read(0..99).unwrap(), records);
    let opened = open_packed_rows(&dir.join("rows"));
    assert!(!opened.rebuilt);
    assert_eq!(
        opened.rows.meta().unwrap().as_deref(),
        Some(&b"golden meta"[..])
    );
    assert_eq!(all_rows(&opened.rows), rows);
    let snapshots = SnapshotDir::open(&dir.join("snapshots"), &stamped(), veil()).unwrap();
    let latest = snapshots.latest().unwrap().unwrap();
    assert_eq!(latest.id(), "golden-1");
    let reader = snapshots.read(&latest).unwrap();
    assert_eq!(reader.meta(), b"golden meta");
    assert_eq!(reader.collect::<Result<Vec<_>, _>>().unwrap(), rows);
}

#[test]
fn directories_of_every_release_open_with_everything_in_them() {
    let own = fixtures().join(env!("CARGO_PKG_VERSION"));
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() && !own.exists() {
        write(&own);
    }
    assert!(
        own.is_dir(),
        "run with UPDATE_GOLDENFILES=1 to write {}",
        own.display()
    );
    for release in fs::read_dir(fixtures()).unwrap() {
        let (copy, release) = (tempdir().unwrap(), release.unwrap().path());
        copy_dir(&release, copy.path());
        check(copy.path(), &rows_of(&release));
    }
}
