//! Snapshot files: written, sent, received, and damaged in every region.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use proptest::test_runner::Config;
use strongroom_store::{
    Fault, FormatError, Row, SnapshotDir, SnapshotError, SnapshotFile, Stamped,
};
use tempfile::tempdir;

use crate::support::{stamped, veil};

fn open(dir: &Path) -> SnapshotDir {
    SnapshotDir::open(dir, &stamped(), veil()).unwrap()
}

fn rows(count: u32, value_bytes: usize) -> Vec<Row> {
    let value = |key: u32| {
        (0..value_bytes)
            .map(|at| (at as u32 * 7 + key * 13) as u8)
            .collect()
    };
    (0..count)
        .map(|key| (key.to_be_bytes().to_vec(), value(key)))
        .collect()
}

fn write(dir: &SnapshotDir, id: &str, rows: &[Row]) -> Result<SnapshotFile, SnapshotError> {
    dir.write(id, b"meta", rows.iter().cloned().map(Ok))
}

fn read(dir: &SnapshotDir, file: &SnapshotFile) -> Result<(Vec<u8>, Vec<Row>), SnapshotError> {
    let reader = dir.read(file)?;
    Ok((reader.meta().to_vec(), reader.collect::<Result<_, _>>()?))
}

fn only_file(dir: &Path) -> PathBuf {
    let mut names = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let name = names.next().unwrap();
    assert!(names.next().is_none());
    name
}

#[test]
fn a_snapshot_reads_back_whole() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    for (id, rows) in [
        ("none", rows(0, 0)),
        ("few", rows(3, 9)),
        ("many", rows(900, 2000)),
    ] {
        write(&dir, id, &rows).unwrap();
        let latest = dir.latest().unwrap().unwrap();
        assert_eq!(latest.id(), id);
        assert_eq!(read(&dir, &latest).unwrap(), (b"meta".to_vec(), rows));
    }
}

#[test]
fn those_that_hold_the_most_are_kept_whenever_they_came() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    assert!(dir.latest().unwrap().is_none());
    let index = |meta: &[u8]| meta.first().map(|index| u64::from(*index));
    for (id, meta) in [("c", &[3][..]), ("none", b""), ("b-1", &[2]), ("a", &[1])] {
        dir.write(id, meta, rows(1, 1).into_iter().map(Ok)).unwrap();
    }
    let held = dir.latest().unwrap().unwrap();
    dir.remove_old(2, index).unwrap();
    let ids: Vec<_> = dir
        .list()
        .unwrap()
        .iter()
        .map(|file| file.id().to_owned())
        .collect();
    assert_eq!(ids, ["b-1", "none", "c"]);
    assert_eq!(
        read(&dir, &held).unwrap().1,
        rows(1, 1),
        "a held file stays readable"
    );
}

#[test]
fn a_removed_snapshot_stays_whole_while_it_is_held() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    write(&dir, "a", &rows(900, 2000)).unwrap();
    let held = dir.latest().unwrap().unwrap();
    dir.remove(&dir.latest().unwrap().unwrap()).unwrap();
    // What is removed later is let go of later: then the one that is held has had its turn.
    write(&dir, "b", &rows(900, 2000)).unwrap();
    let other = fs::File::open(only_file(temp.path())).unwrap();
    dir.remove(&dir.latest().unwrap().unwrap()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while other.metadata().unwrap().len() > 0 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(read(&dir, &held).unwrap().1, rows(900, 2000));
}

#[test]
fn a_snapshot_is_sent_in_chunks_and_received_by_another_node() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let sent = write(&open(from.path()), "s-1", &rows(300, 900)).unwrap();
    let peer = Stamped {
        node: 9,
        ..stamped()
    };
    let dir = SnapshotDir::open(to.path(), &peer, veil()).unwrap();
    let mut receiving = dir.receive("s-1").unwrap();
    while receiving.received_bytes() < sent.size_bytes() {
        receiving
            .push(&sent.chunk(receiving.received_bytes(), 1000).unwrap())
            .unwrap();
    }
    assert!(sent.chunk(sent.size_bytes(), 1000).unwrap().is_empty());
    assert!(
        dir.latest().unwrap().is_none(),
        "nothing shows before it is verified"
    );
    let received = receiving.finish().unwrap();
    assert_eq!(read(&dir, &received).unwrap().1, rows(300, 900));
}

#[test]
fn a_transfer_that_broke_off_does_not_disturb_the_one_that_follows_it() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let sent = write(&open(from.path()), "s-1", &rows(30, 90)).unwrap();
    let bytes = sent.chunk(0, usize::MAX).unwrap();
    let dir = open(to.path());
    let mut broken = dir.receive("s-1").unwrap();
    broken.push(&bytes[..10]).unwrap();
    let mut whole = dir.receive("s-1").unwrap();
    whole.push(&bytes).unwrap();
    broken.finish().unwrap_err();
    let received = whole.finish().unwrap();
    assert_eq!(read(&dir, &received).unwrap().1, rows(30, 90));
}

#[test]
fn what_is_received_incomplete_or_changed_is_refused_and_removed() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let sent = write(&open(from.path()), "s-1", &rows(30, 90)).unwrap();
    let bytes = sent.chunk(0, usize::MAX).unwrap();
    let dir = open(to.path());
    let mut changed = bytes.clone();
    changed[bytes.len() / 2] ^= 1;
    for bytes in [&bytes[..bytes.len() - 1], &bytes[..10], &[], &changed[..]] {
        let mut receiving = dir.receive("s-1").unwrap();
        receiving.push(bytes).unwrap();
        receiving.finish().unwrap_err();
        assert_eq!(fs::read_dir(to.path()).unwrap().count(), 0);
    }
    let mut receiving = dir.receive("other").unwrap();
    receiving.push(&bytes).unwrap();
    assert!(matches!(
        receiving.finish(),
        Err(SnapshotError::OtherSnapshot { .. })
    ));
}

#[test]
fn a_snapshot_of_another_cluster_or_region_is_refused() {
    let (from, to) = (tempdir().unwrap(), tempdir().unwrap());
    let sent = write(&open(from.path()), "s-1", &rows(3, 9)).unwrap();
    let foreign = [
        Stamped {
            cluster: [8; 16],
            ..stamped()
        },
        Stamped {
            region: "us-east-1".into(),
            ..stamped()
        },
    ];
    for foreign in foreign {
        let dir = SnapshotDir::open(to.path(), &foreign, veil()).unwrap();
        let mut receiving = dir.receive("s-1").unwrap();
        receiving.push(&sent.chunk(0, usize::MAX).unwrap()).unwrap();
        let refused = receiving.finish().unwrap_err();
        let SnapshotError::Format { source, .. } = refused else {
            panic!("{refused}")
        };
        assert!(matches!(source, FormatError::Foreign { .. }));
    }
}

#[test]
fn a_snapshot_of_a_later_release_is_refused() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    let file = write(&dir, "s", &rows(3, 9)).unwrap();
    let path = only_file(temp.path());
    let mut bytes = fs::read(&path).unwrap();
    bytes[12..16].copy_from_slice(&7u32.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let refused = dir.read(&file).unwrap_err();
    let SnapshotError::Format { source, .. } = refused else {
        panic!("{refused}")
    };
    assert_eq!(
        source,
        FormatError::Future {
            found: 7,
            supported: 1
        }
    );
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    write(&dir, "s", &rows(20, 30)).unwrap();
    let path = only_file(temp.path());
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 4;
        for content in [&flipped[..], &bytes[..at]] {
            fs::write(&path, content).unwrap();
            let latest = dir.latest().unwrap().unwrap();
            assert!(
                read(&dir, &latest).is_err(),
                "byte {at}, length {}",
                content.len()
            );
        }
    }
    fs::write(&path, [&bytes[..], b"more"].concat()).unwrap();
    assert!(read(&dir, &dir.latest().unwrap().unwrap()).is_err());
}

#[test]
fn unsorted_rows_bad_ids_and_failing_rows_leave_nothing_behind() {
    let temp = tempdir().unwrap();
    let dir = open(temp.path());
    let mut unsorted = rows(3, 3);
    unsorted.swap(0, 1);
    assert!(matches!(
        write(&dir, "s", &unsorted),
        Err(SnapshotError::OutOfOrder)
    ));
    for id in ["", "a/b", "ü", &"x".repeat(129)] {
        assert!(matches!(write(&dir, id, &[]), Err(SnapshotError::Id)));
    }
    let failing = [Ok(rows(1, 1).remove(0)), Err(Fault::Closed)];
    let refused = dir.write("s", b"", failing.into_iter()).unwrap_err();
    assert!(matches!(refused, SnapshotError::Fault(Fault::Closed)));
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

#[test]
fn unfinished_files_are_removed_on_open() {
    let temp = tempdir().unwrap();
    fs::write(temp.path().join("0000000000000001-s.new"), b"half").unwrap();
    open(temp.path());
    assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 0);
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn any_rows_read_back(
        rows in proptest::collection::btree_map(
            proptest::collection::vec(any::<u8>(), 0..40),
            proptest::collection::vec(any::<u8>(), 0..9000),
            0..60,
        ),
    ) {
        let temp = tempdir().unwrap();
        let dir = open(temp.path());
        let rows: Vec<Row> = rows.into_iter().collect();
        let file = write(&dir, "s", &rows).unwrap();
        prop_assert_eq!(read(&dir, &file).unwrap().1, rows);
    }

    #[test]
    fn no_content_of_a_file_makes_reading_panic(
        noise in proptest::collection::vec(any::<u8>(), 1..400),
        at in 0..1000usize,
    ) {
        let temp = tempdir().unwrap();
        let dir = open(temp.path());
        let file = write(&dir, "s", &rows(20, 30)).unwrap();
        let path = only_file(temp.path());
        let mut bytes = fs::read(&path).unwrap();
        let at = at.min(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        let same = bytes[at..end] == noise[..];
        bytes.splice(at..end, noise);
        fs::write(&path, bytes).unwrap();
        prop_assert!(same || read(&dir, &file).is_err());
    }
}
