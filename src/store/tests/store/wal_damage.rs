//! What a log says to torn, flipped, missing, foreign and future files.

use std::fs;
use std::path::Path;

use proptest::prelude::{any, proptest};
use proptest::test_runner::Config;
use strongroom_store::{FormatError, Log, LogError, Record, Stamped, Wal, WalOptions};
use tempfile::{TempDir, tempdir};

use crate::support::{append, copy_dir, mark, open_wal, record, segments, stamped, veil};

/// Where the first frame lies.
const HEADER: usize = 4096;

/// A log of `count` groups of one record, closed.
fn written(count: u64, body_bytes: usize) -> TempDir {
    let dir = tempdir().unwrap();
    let wal = open_wal(dir.path()).unwrap();
    wal.save_vote(b"vote").unwrap();
    for index in 0..count {
        append(&wal, vec![record(index, 0, body_bytes)]).unwrap();
    }
    dir
}

fn all(wal: &Wal) -> Vec<Record> {
    wal.read(0..u64::MAX).unwrap()
}

fn expected(count: u64, body_bytes: usize) -> Vec<Record> {
    (0..count)
        .map(|index| record(index, 0, body_bytes))
        .collect()
}

/// The length of a frame with a body of `body_bytes`: header, mark with its length, veil's tag.
fn frame_bytes(body_bytes: usize) -> usize {
    (32 + 4 + 16 + 4 + body_bytes).next_multiple_of(8)
}

#[test]
fn a_log_cut_anywhere_in_its_last_group_opens_without_it() {
    let dir = written(3, 100);
    let segment = segments(dir.path())[0].clone();
    let bytes = fs::read(&segment).unwrap();
    let last = HEADER + 2 * frame_bytes(100);
    for len in last..last + 32 + 4 + 16 + 4 + 100 {
        fs::write(&segment, &bytes[..len]).unwrap();
        let wal = open_wal(dir.path()).unwrap();
        assert_eq!(all(&wal), expected(2, 100), "cut at {len}");
        assert_eq!(wal.vote().unwrap().as_deref(), Some(&b"vote"[..]));
        // What was cut off does not come back, and the log goes on.
        append(&wal, vec![record(2, 9, 7)]).unwrap();
        drop(wal);
        let wal = open_wal(dir.path()).unwrap();
        assert!(wal.torn().is_none());
        assert_eq!(all(&wal)[2], record(2, 9, 7));
    }
}

#[test]
fn every_flipped_byte_is_refused_or_cuts_only_the_last_group() {
    let dir = written(4, 60);
    let segment = segments(dir.path())[0].clone();
    let bytes = fs::read(&segment).unwrap();
    let frame = frame_bytes(60);
    for at in HEADER..HEADER + 4 * frame {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x10;
        fs::write(&segment, &bytes).unwrap();
        let padding = (at - HEADER) % frame >= 32 + 4 + 16 + 4 + 60;
        match open_wal(dir.path()) {
            Ok(wal) if padding => assert_eq!(all(&wal), expected(4, 60)),
            Ok(wal) => {
                assert!(at >= HEADER + 3 * frame, "byte {at} was noticed by nobody");
                assert_eq!(all(&wal), expected(3, 60));
                assert_eq!(wal.torn().unwrap().offset, (HEADER + 3 * frame) as u64);
            }
            Err(LogError::Damaged {
                segment: named,
                offset,
            }) => {
                assert!(at < HEADER + 3 * frame);
                assert_eq!(named, segment);
                assert_eq!(offset as usize, HEADER + (at - HEADER) / frame * frame);
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
}

#[test]
fn pages_of_an_unsynced_group_may_be_lost_in_any_order() {
    let dir = written(2, 100);
    let wal = open_wal(dir.path()).unwrap();
    append(&wal, (2..6).map(|index| record(index, 0, 300)).collect()).unwrap();
    drop(wal);
    let segment = segments(dir.path())[0].clone();
    let bytes = fs::read(&segment).unwrap();
    let group = HEADER + 2 * frame_bytes(100);
    for lost in 0..4 {
        let mut bytes = bytes.clone();
        bytes[group + lost * frame_bytes(300)..][..frame_bytes(300)].fill(0);
        fs::write(&segment, &bytes).unwrap();
        let wal = open_wal(dir.path()).unwrap();
        assert_eq!(all(&wal), expected(2, 100), "frame {lost} lost");
        append(&wal, vec![record(2, 5, 8)]).unwrap();
        drop(wal);
        assert_eq!(all(&open_wal(dir.path()).unwrap())[2], record(2, 5, 8));
    }
}

#[test]
fn damage_before_another_segment_is_refused() {
    let dir = written(20, 1000);
    let names = segments(dir.path());
    assert!(names.len() > 3);
    for (at, name) in names[..names.len() - 2].iter().enumerate() {
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let damaged = copy.path().join(name.file_name().unwrap());
        let mut bytes = fs::read(&damaged).unwrap();
        let last = HEADER + frame_bytes(1000) * 2;
        bytes[last + 40] ^= 1;
        fs::write(&damaged, bytes).unwrap();
        let refused = open_wal(copy.path()).unwrap_err();
        assert!(
            matches!(refused, LogError::Damaged { .. }),
            "segment {at}: {refused}"
        );
    }
}

#[test]
fn zeros_in_the_middle_are_refused() {
    let dir = written(3, 100);
    let segment = segments(dir.path())[0].clone();
    let mut bytes = fs::read(&segment).unwrap();
    bytes[HEADER + frame_bytes(100)..][..frame_bytes(100)].fill(0);
    fs::write(&segment, bytes).unwrap();
    assert!(matches!(
        open_wal(dir.path()),
        Err(LogError::Damaged { .. })
    ));
}

#[test]
fn a_missing_segment_or_anchor_is_refused_by_name() {
    let dir = written(20, 1000);
    let names = segments(dir.path());
    for name in &names[..names.len() - 1] {
        let copy = tempdir().unwrap();
        copy_dir(dir.path(), copy.path());
        let gone = copy.path().join(name.file_name().unwrap());
        fs::remove_file(&gone).unwrap();
        match open_wal(copy.path()) {
            Err(LogError::Missing { path }) => assert_eq!(path, gone),
            other => panic!("{other:?}"),
        }
    }
    fs::remove_file(dir.path().join("anchor")).unwrap();
    assert!(matches!(
        open_wal(dir.path()),
        Err(LogError::Missing { .. })
    ));
}

#[test]
fn a_flipped_byte_of_the_anchor_is_refused() {
    let dir = written(1, 10);
    let path = dir.path().join("anchor");
    let bytes = fs::read(&path).unwrap();
    for at in 0..bytes.len() {
        let mut bytes = bytes.clone();
        bytes[at] ^= 0x40;
        fs::write(&path, bytes).unwrap();
        let refused = open_wal(dir.path()).unwrap_err();
        assert!(
            matches!(refused, LogError::Format { .. }),
            "byte {at}: {refused}"
        );
    }
}

#[test]
fn a_start_that_was_interrupted_starts_again() {
    let dir = tempdir().unwrap();
    drop(open_wal(dir.path()).unwrap());
    fs::remove_file(dir.path().join("anchor")).unwrap();
    fs::write(dir.path().join("0000000000000002.new"), b"half").unwrap();
    segments(dir.path())[1..]
        .iter()
        .for_each(|spare| fs::remove_file(spare).unwrap());
    let wal = open_wal(dir.path()).unwrap();
    append(&wal, vec![record(0, 0, 1)]).unwrap();
}

#[test]
fn files_of_another_owner_are_refused() {
    let dir = written(1, 10);
    let foreign = [
        Stamped {
            cluster: [8; 16],
            ..stamped()
        },
        Stamped {
            region: "eu-west-2".into(),
            ..stamped()
        },
        Stamped {
            node: 4,
            ..stamped()
        },
    ];
    for foreign in foreign {
        let refused = Wal::open(dir.path(), &foreign, veil(), WalOptions::default()).unwrap_err();
        let LogError::Format { source, .. } = refused else {
            panic!("{refused}")
        };
        assert!(matches!(source, FormatError::Foreign { .. }), "{source}");
    }
}

#[test]
fn files_of_a_later_release_are_refused_and_left_alone() {
    for name in ["anchor", "0000000000000001.wal"] {
        let dir = written(1, 10);
        let path = dir.path().join(name);
        let mut bytes = fs::read(&path).unwrap();
        bytes[12..16].copy_from_slice(&2u32.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..16]);
        bytes[16..20].copy_from_slice(&crc.to_le_bytes());
        fs::write(&path, &bytes).unwrap();
        let refused = open_wal(dir.path()).unwrap_err();
        let LogError::Format { source, .. } = refused else {
            panic!("{refused}")
        };
        assert_eq!(
            source,
            FormatError::Future {
                found: 2,
                supported: 1
            }
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn a_damaged_record_found_at_read_is_a_fault_that_names_it() {
    let dir = written(6, 1000);
    let wal = open_wal(dir.path()).unwrap();
    flip(&segments(dir.path())[0], HEADER + 60);
    let fault = wal.read(0..1).unwrap_err();
    assert!(fault.to_string().contains("log record 0"), "{fault}");
    assert_eq!(wal.read(1..2).unwrap(), [record(1, 0, 1000)]);
}

#[test]
fn a_segment_purged_by_the_anchor_but_not_deleted_is_deleted_on_open() {
    let dir = written(20, 1000);
    let copy = tempdir().unwrap();
    copy_dir(dir.path(), copy.path());
    let wal = open_wal(dir.path()).unwrap();
    wal.purge(mark(18)).unwrap();
    drop(wal);
    // As if the deletions had not reached the disk.
    fs::copy(dir.path().join("anchor"), copy.path().join("anchor")).unwrap();
    let wal = open_wal(copy.path()).unwrap();
    assert_eq!(all(&wal), [record(19, 0, 1000)]);
    assert_eq!(wal.bounds().unwrap().purged, Some(mark(18)));
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn no_content_of_the_files_makes_opening_panic(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        at in 0..6000usize,
        which in 0..3usize,
    ) {
        let dir = written(12, 700);
        let mut paths = segments(dir.path());
        paths.insert(0, dir.path().join("anchor"));
        let mut bytes = fs::read(&paths[which]).unwrap();
        let at = at.min(bytes.len());
        let end = (at + noise.len()).min(bytes.len());
        bytes.splice(at..end, noise);
        fs::write(&paths[which], bytes).unwrap();
        if let Ok(wal) = open_wal(dir.path()) {
            let records = all(&wal);
            assert_eq!(records, expected(records.len() as u64, 700));
        }
    }
}
