//! When files begin, and when they are deleted.

use std::fs;

use strongroom_audit::{FILE_BYTES_MIN, Options, Record, Time, Why, verify};
use tempfile::tempdir;

use crate::support::{
    DAY, NOW, SECOND, all, each, files, open, open_with, options, record, record_all, wait_until,
    written,
};

#[test]
fn a_file_begins_when_one_is_full_and_the_chain_goes_on() {
    let temp = tempdir().unwrap();
    written(temp.path(), 500);
    let paths = files(temp.path());
    assert!(paths.len() > 3, "{paths:?}");
    for path in &paths {
        assert!(fs::metadata(path).unwrap().len() <= FILE_BYTES_MIN);
    }
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.records), (0, 500));
    assert_eq!((verified.first, verified.last), (Some(1), Some(500)));
    let found = all(temp.path());
    assert!(
        found
            .iter()
            .zip(1..)
            .all(|(found, seq)| found.entry.seq == seq)
    );
}

#[test]
fn a_file_begins_with_the_first_record_of_a_day() {
    let temp = tempdir().unwrap();
    let trail = open(temp.path());
    let midnight = (NOW.0 / DAY + 1) * DAY;
    let at = |nanos| Record {
        time: Time(nanos),
        ..record(0)
    };
    let recorded = |nanos| {
        // The day's end does not wait for a file that is not ready; this test does.
        wait_until(|| trail.has_spare_file());
        trail.record(&at(nanos)).unwrap();
        files(temp.path()).len()
    };
    assert_eq!(recorded(midnight - 1), 1);
    assert_eq!(recorded(midnight), 2);
    assert_eq!(recorded(midnight - SECOND), 2, "a call that ended late");
    assert_eq!(recorded(midnight + DAY - 1), 2);
    assert_eq!(recorded(midnight + 3 * DAY), 3);
    assert_eq!(recorded(midnight), 4, "a clock that was set right");
    drop(trail);
    let verified = verify(temp.path()).unwrap();
    assert_eq!(
        (verified.files, verified.records, verified.breaks),
        (4, 6, 0)
    );
}

#[test]
fn a_trail_that_is_opened_again_goes_on_in_its_file() {
    let temp = tempdir().unwrap();
    for round in 0..3 {
        let trail = open(temp.path());
        assert_eq!((trail.torn(), trail.broken()), (None, None));
        let ticket = trail.record(&record(round)).unwrap();
        assert_eq!(ticket.0, round + 1);
        trail.wait(ticket).unwrap();
    }
    assert_eq!(files(temp.path()).len(), 1);
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.records, verified.breaks), (3, 0));
}

#[test]
fn old_files_are_deleted_whole_and_the_rest_verifies() {
    let temp = tempdir().unwrap();
    let few = Options {
        keep_bytes: 6 * FILE_BYTES_MIN,
        ..options()
    };
    let trail = open_with(temp.path(), few).unwrap();
    record_all(&trail, 0..2000);
    let held = trail.held();
    assert!(held.bytes <= 6 * FILE_BYTES_MIN);
    assert_eq!(held.records, 2000);
    wait_until(|| files(temp.path()).len() as u64 <= held.files);
    drop(trail);
    let paths = files(temp.path());
    assert_eq!(paths.len() as u64, held.files);
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.last), (0, Some(2000)));
    assert!(verified.first > Some(1000), "{verified:?}");
    // The oldest that is kept is not to be taken away.
    fs::remove_file(&paths[0]).unwrap();
    let verified = verify(temp.path()).unwrap();
    assert_eq!(verified.breaks, 1);
    assert_eq!(verified.broken.unwrap().why, Why::Missing);
}

#[test]
fn files_of_another_time_are_deleted_by_age() {
    let temp = tempdir().unwrap();
    let week = Options {
        keep: std::time::Duration::from_nanos(7 * DAY),
        ..each()
    };
    let trail = open_with(temp.path(), week).unwrap();
    for day in 0..30 {
        wait_until(|| trail.has_spare_file());
        let record = Record {
            time: Time(NOW.0 + day * DAY),
            ..record(day)
        };
        trail.wait(trail.record(&record).unwrap()).unwrap();
    }
    let held = trail.held();
    assert_eq!((held.files, held.records), (9, 30));
    wait_until(|| files(temp.path()).len() == 9);
    drop(trail);
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.first), (0, Some(22)));
}

#[test]
fn old_files_that_a_crash_has_left_are_passed_over_and_deleted() {
    let temp = tempdir().unwrap();
    let few = || Options {
        keep_bytes: 4 * FILE_BYTES_MIN,
        ..options()
    };
    let trail = open_with(temp.path(), few()).unwrap();
    record_all(&trail, 0..100);
    let first = files(temp.path())[0].clone();
    let bytes = fs::read(&first).unwrap();
    record_all(&trail, 100..1000);
    wait_until(|| !first.exists());
    drop(trail);
    fs::write(&first, bytes).unwrap();
    let verified = verify(temp.path()).unwrap();
    assert_eq!((verified.breaks, verified.last), (0, Some(1000)));
    let trail = open_with(temp.path(), few()).unwrap();
    wait_until(|| !first.exists());
    assert_eq!(trail.broken(), None);
}
