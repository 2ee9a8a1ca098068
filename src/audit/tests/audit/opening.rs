//! What opening says to torn, damaged, foreign and later files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use strongroom_audit::{
    FormatError, OpenError, Options, Owner, Place, Syncing, SystemDisk, Trail, Why, verify,
};
use tempfile::tempdir;

use crate::support::{
    NOW, Told, all, cipher, files, flip, line_starts, open, open_with, options, owner, reader,
    record, record_all, written,
};

#[test]
fn a_torn_end_is_cut_off_and_told() {
    let temp = tempdir().unwrap();
    written(temp.path(), 3);
    let path = files(temp.path())[0].clone();
    let bytes = fs::read(&path).unwrap();
    let last = line_starts(&path)[3];
    for end in (last + 1..bytes.len()).step_by(7) {
        fs::write(&path, &bytes[..end]).unwrap();
        let trail = open(temp.path());
        let torn = trail.torn().unwrap();
        assert_eq!(
            (torn.offset, torn.bytes),
            (last as u64, (end - last) as u64)
        );
        assert_eq!(trail.broken(), None);
        assert_eq!(trail.record(&record(9)).unwrap().0, 3);
        drop(trail);
        let verified = verify(temp.path()).unwrap();
        assert_eq!(
            (verified.records, verified.breaks, verified.torn_bytes),
            (3, 0, 0)
        );
    }
}

#[test]
fn zeros_that_a_power_cut_left_behind_the_end_are_cut_off() {
    let temp = tempdir().unwrap();
    written(temp.path(), 3);
    let path = files(temp.path())[0].clone();
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend([0; 300_000]);
    fs::write(&path, &bytes).unwrap();
    let trail = open(temp.path());
    assert_eq!(trail.torn().unwrap().bytes, 300_000);
    assert_eq!(trail.broken(), None);
    assert_eq!(trail.record(&record(9)).unwrap().0, 4);
}

#[test]
fn a_header_that_is_not_whole_is_written_again() {
    let temp = tempdir().unwrap();
    written(temp.path(), 200);
    let paths = files(temp.path());
    let (last, kept) = paths.split_last().unwrap();
    let records = all(temp.path())
        .iter()
        .filter(|f| f.place.file <= kept.len() as u64)
        .count();
    let bytes = fs::read(last).unwrap();
    fs::write(last, &bytes[..100]).unwrap();
    let trail = open(temp.path());
    assert_eq!(trail.torn().unwrap().bytes, 100);
    assert_eq!(trail.record(&record(9)).unwrap().0, records as u64 + 1);
    drop(trail);
    // A whole first file that is lost is begun again too.
    let temp = tempdir().unwrap();
    written(temp.path(), 0);
    let first = &files(temp.path())[0];
    fs::write(first, "{\"format\"").unwrap();
    let trail = open(temp.path());
    assert_eq!(trail.record(&record(9)).unwrap().0, 1);
    assert_eq!(verify(temp.path()).unwrap().breaks, 0);
}

#[test]
fn damage_in_the_middle_is_noted_for_ever_and_refuses_nothing() {
    let temp = tempdir().unwrap();
    written(temp.path(), 20);
    let path = files(temp.path())[0].clone();
    let at = line_starts(&path)[8];
    flip(&path, at + 50);
    let damaged = fs::read(&path).unwrap();
    let trail = open(temp.path());
    let broken = *trail.broken().unwrap();
    assert_eq!((broken.file, broken.offset, broken.seq), (1, at as u64, 8));
    assert_eq!(broken.why, Why::Unreadable);
    assert_eq!(trail.torn(), None);
    assert_eq!(trail.record(&record(20)).unwrap().0, 21);
    drop(trail);
    assert_eq!(fs::read(&path).unwrap(), damaged, "it is evidence");
    // It is told once when it is found, and by every later walk, whatever comes after it.
    let trail = open(temp.path());
    assert_eq!(trail.broken(), None);
    record_all(&trail, 21..200);
    drop(trail);
    assert!(files(temp.path()).len() >= 3);
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.broken), (1, Some(broken)));
    assert_eq!((verified.breaks_noted, verified.noted), (1, Some(broken)));
    assert_eq!(verified.records, 199);
}

#[test]
fn a_last_file_that_does_not_follow_the_one_before_is_noted_once() {
    for is_missing in [false, true] {
        let temp = tempdir().unwrap();
        written(temp.path(), 200);
        let paths = files(temp.path());
        let before = &paths[paths.len() - 2];
        match is_missing {
            true => fs::remove_file(before).unwrap(),
            false => {
                let starts = line_starts(before);
                let bytes = fs::read(before).unwrap();
                fs::write(before, &bytes[..starts[starts.len() - 2]]).unwrap();
            }
        }
        let trail = open(temp.path());
        let broken = *trail.broken().unwrap();
        assert_eq!(broken.file, paths.len() as u64 - 1);
        let why = if is_missing {
            Why::Missing
        } else {
            Why::Unchained
        };
        assert_eq!(broken.why, why);
        drop(trail);
        assert_eq!(open(temp.path()).broken(), None);
        let verified = verify(temp.path()).unwrap();
        assert_eq!((verified.breaks, verified.noted), (1, Some(broken)));
    }
}

#[test]
fn a_second_break_is_counted_beside_the_first() {
    let temp = tempdir().unwrap();
    for round in 1..=3 {
        let trail = open(temp.path());
        assert_eq!(trail.broken().is_some(), round > 1);
        record_all(&trail, 0..10);
        drop(trail);
        let last = files(temp.path()).pop().unwrap();
        flip(&last, line_starts(&last)[4] + 9);
    }
    drop(open(temp.path()));
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.breaks_noted), (3, 3));
    assert_eq!(verified.broken.unwrap().file, 1);
    assert_eq!(verified.noted.unwrap().file, 3);
}

#[test]
fn a_trail_of_another_node_or_a_later_release_is_refused_by_name() {
    let temp = tempdir().unwrap();
    written(temp.path(), 1);
    let other = Owner { node: 4, ..owner() };
    let (disk, told) = (Arc::new(SystemDisk), Arc::new(Told::default()));
    let opened = Trail::open(temp.path(), other, options(), cipher(), disk, told, NOW);
    let Err(OpenError::Format { source, .. }) = opened else {
        panic!("{opened:?}");
    };
    assert_eq!(source.to_string(), "the file belongs to node 3, not 4");
    let later = "{\"format\":\"strongroom-audit\",\"version\":2";
    fs::write(&files(temp.path())[0], sealed(later)).unwrap();
    match open_with(temp.path(), options()) {
        Err(OpenError::Format { source, .. }) => {
            assert_eq!(source, FormatError::Future { found: 2 });
        }
        opened => panic!("{opened:?}"),
    }
    assert!(verify(temp.path()).is_err());
}

/// A line with its end, as the first one of a trail.
fn sealed(line: &str) -> String {
    use sha2::{Digest, Sha256};

    let line = format!("{line},\"prev\":\"{}\"", "0".repeat(64));
    let hash = Sha256::digest([&[0; 32], line.as_bytes()].concat());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{line},\"hash\":\"{hash}\"}}\n")
}

#[test]
fn only_the_nodes_user_may_read_a_trail() {
    let temp = tempdir().unwrap();
    let dir = temp.path().join("audit");
    written(&dir, 1);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&dir), 0o700);
    assert_eq!(mode(&files(&dir)[0]), 0o600);
}

#[test]
fn a_trail_that_a_process_has_open_is_refused_to_others() {
    let temp = tempdir().unwrap();
    let trail = open(temp.path());
    let opened = open_with(temp.path(), options());
    assert!(
        matches!(opened, Err(OpenError::Locked { .. })),
        "{opened:?}"
    );
    drop(trail);
    open_with(temp.path(), options()).unwrap();
}

#[test]
fn options_out_of_bounds_are_refused_by_name() {
    let temp = tempdir().unwrap();
    let default = Options::default;
    let bad = [
        (
            "file_bytes",
            Options {
                file_bytes: 1,
                ..default()
            },
        ),
        (
            "keep_bytes",
            Options {
                keep_bytes: 1 << 20,
                ..default()
            },
        ),
        (
            "interval",
            Options {
                syncing: Syncing::Interval(Duration::from_millis(101)),
                ..default()
            },
        ),
    ];
    for (name, options) in bad {
        let refused = open_with(temp.path(), options).unwrap_err().to_string();
        assert!(refused.starts_with(name), "{refused}");
    }
}

#[test]
fn a_trail_without_records_reads_as_empty() {
    let temp = tempdir().unwrap();
    let reader = reader(temp.path());
    assert_eq!(verify(temp.path()).unwrap().files, 0);
    assert_eq!(reader.tail(10).unwrap().next, None);
    written(temp.path(), 0);
    let page = reader.tail(10).unwrap();
    assert!(page.found.is_empty());
    assert!(page.next > Some(Place { file: 1, offset: 0 }));
    assert_eq!(verify(temp.path()).unwrap().records, 0);
    assert!(verify(&temp.path().join("none")).is_err());
}
