//! One suite for the log and its twin, and a random walk that compares the two.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};
use proptest::test_runner::Config;
use strongroom_store::{Bounds, Fault, Log, MemoryLog, Record, Wal};
use tempfile::tempdir;

use crate::support::{append, mark, open_wal, record, segments, wait_until};

/// Runs one scenario on both twins.
fn on_both(scenario: impl Fn(&dyn Log)) {
    scenario(&MemoryLog::new());
    let dir = tempdir().unwrap();
    scenario(&open_wal(&dir.path().join("log")).unwrap());
}

fn indexes(records: &[Record]) -> Vec<u64> {
    records.iter().map(|record| record.index).collect()
}

#[test]
fn a_new_log_is_empty() {
    on_both(|log| {
        assert_eq!(log.bounds().unwrap(), Bounds::default());
        assert_eq!(log.vote().unwrap(), None);
        assert_eq!(log.committed().unwrap(), None);
        assert_eq!(log.read(0..u64::MAX).unwrap(), vec![]);
    });
}

#[test]
fn appended_records_are_read_back() {
    on_both(|log| {
        let records: Vec<_> = (0..40).map(|index| record(index, 1, 500)).collect();
        for chunk in records.chunks(7) {
            append(log, chunk.to_vec()).unwrap();
        }
        assert_eq!(log.read(0..40).unwrap(), records);
        assert_eq!(log.read(5..8).unwrap(), records[5..8]);
        assert_eq!(log.read(38..99).unwrap(), records[38..]);
        assert_eq!(log.bounds().unwrap().last, Some(records[39].to_mark()));
    });
}

#[test]
fn records_are_readable_before_they_are_durable_and_done_in_order() {
    on_both(|log| {
        let (answer, answered) = channel();
        for index in 0..500 {
            let answer = answer.clone();
            let done =
                move |result: Result<(), Fault>| answer.send((index, result.is_ok())).unwrap();
            log.append(vec![record(index, 1, 50)], Box::new(done));
            assert_eq!(
                log.read(index..index + 1).unwrap(),
                vec![record(index, 1, 50)]
            );
        }
        drop(answer);
        assert!(answered.iter().eq((0..500).map(|index| (index, true))));
    });
}

#[test]
fn a_gap_is_refused() {
    on_both(|log| {
        append(log, vec![record(3, 1, 1)]).unwrap();
        let gap = append(log, vec![record(5, 1, 1)]).unwrap_err();
        assert!(
            matches!(
                gap,
                Fault::OutOfOrder {
                    expected: 4,
                    found: 5
                }
            ),
            "{gap}"
        );
        let again = append(log, vec![record(3, 1, 1)]).unwrap_err();
        assert!(
            matches!(
                again,
                Fault::OutOfOrder {
                    expected: 4,
                    found: 3
                }
            ),
            "{again}"
        );
        append(log, vec![record(4, 1, 1)]).unwrap();
        assert_eq!(indexes(&log.read(0..9).unwrap()), [3, 4]);
    });
}

#[test]
fn an_oversized_record_or_vote_is_refused_and_changes_nothing() {
    on_both(|log| {
        let large = record(0, 1, strongroom_store::RECORD_BYTES_MAX + 1);
        let refused = append(log, vec![large]).unwrap_err();
        assert!(matches!(refused, Fault::TooLarge { .. }), "{refused}");
        assert_eq!(log.bounds().unwrap(), Bounds::default());
        let vote = vec![0; strongroom_store::VOTE_BYTES_MAX + 1];
        assert!(matches!(log.save_vote(&vote), Err(Fault::TooLarge { .. })));
    });
}

#[test]
fn truncation_drops_the_end_and_the_log_goes_on_from_there() {
    on_both(|log| {
        append(log, (0..10).map(|index| record(index, 1, 300)).collect()).unwrap();
        log.truncate_after(Some(4)).unwrap();
        assert_eq!(log.bounds().unwrap().last, Some(record(4, 1, 0).to_mark()));
        append(log, vec![record(5, 2, 10)]).unwrap();
        assert_eq!(
            log.read(4..9).unwrap(),
            [record(4, 1, 300), record(5, 2, 10)]
        );
        log.truncate_after(Some(5)).unwrap();
        log.truncate_after(Some(99)).unwrap();
        assert_eq!(log.bounds().unwrap().last, Some(record(5, 2, 0).to_mark()));
        log.truncate_after(None).unwrap();
        assert_eq!(log.bounds().unwrap(), Bounds::default());
    });
}

#[test]
fn a_purge_drops_the_beginning_and_may_reach_beyond_the_end() {
    on_both(|log| {
        append(log, (0..10).map(|index| record(index, 0, 300)).collect()).unwrap();
        log.purge(mark(3)).unwrap();
        assert_eq!(indexes(&log.read(0..99).unwrap()), [4, 5, 6, 7, 8, 9]);
        assert_eq!(
            log.bounds().unwrap(),
            Bounds {
                purged: Some(mark(3)),
                last: Some(mark(9))
            }
        );
        log.purge(mark(2)).unwrap();
        assert_eq!(log.bounds().unwrap().purged, Some(mark(3)));
        log.purge(mark(50)).unwrap();
        assert_eq!(
            log.bounds().unwrap(),
            Bounds {
                purged: Some(mark(50)),
                last: Some(mark(50))
            }
        );
        append(log, vec![record(51, 0, 1)]).unwrap();
        assert_eq!(indexes(&log.read(0..99).unwrap()), [51]);
    });
}

#[test]
fn the_vote_and_the_commit_mark_are_kept() {
    on_both(|log| {
        log.save_vote(b"one").unwrap();
        log.save_vote(b"two").unwrap();
        assert_eq!(log.vote().unwrap().as_deref(), Some(&b"two"[..]));
        append(log, vec![record(0, 0, 9), record(1, 0, 9)]).unwrap();
        log.save_committed(Some(mark(1))).unwrap();
        assert_eq!(log.committed().unwrap(), Some(mark(1)));
        log.save_committed(Some(mark(7))).unwrap();
        assert_eq!(log.committed().unwrap(), None, "beyond the log");
    });
}

#[test]
fn purging_deletes_whole_segments() {
    let dir = tempdir().unwrap();
    let wal = open_wal(dir.path()).unwrap();
    for index in 0..100 {
        append(&wal, vec![record(index, 0, 1000)]).unwrap();
    }
    assert!(segments(dir.path()).len() > 10);
    wal.purge(mark(97)).unwrap();
    drop(wal);
    let wal = open_wal(dir.path()).unwrap();
    assert_eq!(
        wal.read(0..200).unwrap(),
        [record(98, 0, 1000), record(99, 0, 1000)]
    );
    drop(wal);
    assert!(
        segments(dir.path()).len() <= 3,
        "{:?}",
        segments(dir.path())
    );
}

#[test]
fn a_record_larger_than_a_segment_is_kept() {
    let dir = tempdir().unwrap();
    let wal = open_wal(dir.path()).unwrap();
    let records = [record(0, 0, 10), record(1, 0, 100_000), record(2, 0, 10)];
    for record in &records {
        append(&wal, vec![record.clone()]).unwrap();
    }
    drop(wal);
    let wal = open_wal(dir.path()).unwrap();
    assert!(wal.torn().is_none());
    assert_eq!(wal.read(0..9).unwrap(), records);
}

#[test]
fn after_the_first_failure_every_call_fails() {
    let dir = tempdir().unwrap();
    let path = dir.path().join("log");
    let wal = open_wal(&path).unwrap();
    append(&wal, vec![record(0, 0, 10)]).unwrap();
    wait_until(|| wal.has_spare_segment());
    fs::remove_dir_all(&path).unwrap();
    let failed = (1..99).find(|index| append(&wal, vec![record(*index, 0, 3000)]).is_err());
    assert!(failed.is_some());
    let next = failed.unwrap() + 1;
    assert!(matches!(
        append(&wal, vec![record(next, 0, 1)]),
        Err(Fault::Io { .. })
    ));
    assert!(wal.save_vote(b"vote").is_err());
    assert!(wal.truncate_after(None).is_err());
    assert!(wal.purge(mark(0)).is_err());
    assert!(wal.read(0..1).is_err());
    assert!(wal.bounds().is_err());
    assert!(wal.save_committed(None).is_err());
}

/// A log whose third segment finds the disk full: the second is ready, the first is filled.
fn nearly_full(dir: &Path) -> (Wal, u64) {
    let wal = open_wal(dir).unwrap();
    wait_until(|| wal.has_spare_segment());
    fill_disk(dir);
    let mut next = 0;
    while wal.has_spare_segment() {
        append(&wal, vec![record(next, 0, 1000)]).unwrap();
        next += 1;
    }
    wait_until(|| fs::symlink_metadata(dir.join(THIRD)).is_err());
    (wal, next)
}

const THIRD: &str = "0000000000000003.new";

/// Makes the third segment's writes fail for lack of space, once.
fn fill_disk(dir: &Path) {
    match std::os::unix::fs::symlink("/dev/full", dir.join(THIRD)) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => panic!("{error}"),
        _ => {}
    }
}

#[test]
fn appends_go_on_when_space_comes_back_in_time() {
    let dir = tempdir().unwrap();
    let (wal, next) = nearly_full(dir.path());
    for index in next..next + 30 {
        append(&wal, vec![record(index, 0, 1000)]).unwrap();
    }
    assert_eq!(wal.read(0..999).unwrap().len() as u64, next + 30);
}

/// Keeps the disk full until told otherwise; counts the attempts that failed.
fn keep_full(dir: &Path, full: &AtomicBool, failed: &AtomicUsize) {
    while full.load(Ordering::Acquire) {
        if fs::symlink_metadata(dir.join(THIRD)).is_err() {
            failed.fetch_add(1, Ordering::AcqRel);
            fill_disk(dir);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Queues more than fits into the second segment, and answers what becomes of each.
fn overfill(wal: &Wal, next: u64) -> Receiver<Result<(), Fault>> {
    let (answer, answers) = channel();
    for index in next..next + 30 {
        let answer = answer.clone();
        let done = Box::new(move |result| answer.send(result).unwrap_or_default());
        wal.append(vec![record(index, 0, 1000)], done);
    }
    answers
}

#[test]
fn appends_wait_while_the_disk_is_full_and_are_answered_when_it_is_not() {
    let dir = tempdir().unwrap();
    let (wal, next) = nearly_full(dir.path());
    let (full, failed) = (AtomicBool::new(true), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| keep_full(dir.path(), &full, &failed));
        let answers = overfill(&wal, next);
        let before = failed.load(Ordering::Acquire);
        wait_until(|| failed.load(Ordering::Acquire) >= before + 2);
        assert!(wal.lacks_space());
        let fitted = answers
            .try_iter()
            .collect::<Result<Vec<()>, Fault>>()
            .unwrap();
        assert!(fitted.len() < 30, "there was room for all");
        full.store(false, Ordering::Release);
        let rest: Result<Vec<()>, Fault> = answers.iter().collect();
        assert_eq!(fitted.len() + rest.unwrap().len(), 30);
    });
    wait_until(|| !wal.lacks_space());
    assert_eq!(wal.read(0..999).unwrap().len() as u64, next + 30);
}

#[test]
fn a_log_closed_on_a_full_disk_loses_nothing_acknowledged() {
    let dir = tempdir().unwrap();
    let (wal, next) = nearly_full(dir.path());
    let (full, failed) = (AtomicBool::new(true), AtomicUsize::new(0));
    let fitted = std::thread::scope(|scope| {
        scope.spawn(|| keep_full(dir.path(), &full, &failed));
        let answers = overfill(&wal, next);
        wait_until(|| failed.load(Ordering::Acquire) >= 2);
        drop(wal);
        full.store(false, Ordering::Release);
        let answers: Vec<Result<(), Fault>> = answers.iter().collect();
        let fitted = answers.iter().take_while(|answer| answer.is_ok()).count();
        assert!(fitted < answers.len(), "there was room for all");
        let mut refused = answers[fitted..].iter();
        assert!(refused.all(|answer| matches!(answer, Err(Fault::NoSpace { .. }))));
        fitted as u64
    });
    fs::remove_file(dir.path().join(THIRD)).unwrap_or_default();
    let wal = open_wal(dir.path()).unwrap();
    assert!(!wal.lacks_space());
    assert_eq!(
        indexes(&wal.read(0..999).unwrap()),
        (0..next + fitted).collect::<Vec<_>>()
    );
}

#[derive(Debug, Clone)]
enum Step {
    Append { count: u64, body_bytes: usize },
    Truncate { back: u64 },
    TruncateAll,
    Purge { back: u64 },
    PurgeBeyond { ahead: u64 },
    Vote(Vec<u8>),
    Commit { back: u64 },
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6u64, 0..3000usize)
            .prop_map(|(count, body_bytes)| Step::Append { count, body_bytes }),
        2 => (0..6u64).prop_map(|back| Step::Truncate { back }),
        1 => Just(Step::TruncateAll),
        2 => (0..9u64).prop_map(|back| Step::Purge { back }),
        1 => (1..9u64).prop_map(|ahead| Step::PurgeBeyond { ahead }),
        1 => proptest::collection::vec(any::<u8>(), 0..40).prop_map(Step::Vote),
        2 => (0..3u64).prop_map(|back| Step::Commit { back }),
        2 => Just(Step::Reopen),
    ]
}

/// Does one step; the term makes rewritten records differ.
fn walk(log: &dyn Log, step: &Step, term: u64) {
    let last = log.bounds().unwrap().last.map(|last| last.index);
    let next = last.map_or(0, |last| last + 1);
    match step {
        Step::Append { count, body_bytes } => {
            let records = (next..next + count).map(|index| record(index, term, *body_bytes));
            append(log, records.collect()).unwrap();
        }
        Step::Truncate { back } => log
            .truncate_after(last.and_then(|l| l.checked_sub(*back)))
            .unwrap(),
        Step::TruncateAll => log.truncate_after(None).unwrap(),
        Step::Purge { back } => {
            if let Some(upto) = last.and_then(|last| last.checked_sub(*back)) {
                log.purge(mark(upto)).unwrap();
            }
        }
        Step::PurgeBeyond { ahead } => log.purge(mark(next + ahead)).unwrap(),
        Step::Vote(vote) => log.save_vote(vote).unwrap(),
        Step::Commit { back } => {
            // A commit mark only moves forward, and what is committed is never truncated.
            let upto = last.and_then(|last| last.checked_sub(*back)).map(mark);
            let known = log.committed().unwrap();
            if upto.as_ref().map(|upto| upto.index) > known.map(|known| known.index) {
                log.save_committed(upto).unwrap();
            }
        }
        Step::Reopen => {}
    }
}

fn check_walk(dir: &Path, steps: &[Step]) -> Result<(), proptest::test_runner::TestCaseError> {
    let model = MemoryLog::new();
    let mut wal = open_wal(dir).unwrap();
    for (term, step) in steps.iter().enumerate() {
        walk(&model, step, term as u64);
        walk(&wal, step, term as u64);
        if matches!(step, Step::Reopen) {
            drop(wal);
            wal = open_wal(dir).unwrap();
            prop_assert_eq!(wal.torn(), None);
        }
        prop_assert_eq!(wal.bounds().unwrap(), model.bounds().unwrap());
        prop_assert_eq!(wal.vote().unwrap(), model.vote().unwrap());
        prop_assert_eq!(
            wal.read(0..u64::MAX).unwrap(),
            model.read(0..u64::MAX).unwrap()
        );
        if !steps
            .iter()
            .any(|step| matches!(step, Step::Truncate { .. } | Step::TruncateAll))
        {
            prop_assert_eq!(wal.committed().unwrap(), model.committed().unwrap());
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(Config { cases: 64, failure_persistence: None, ..Config::default() })]

    #[test]
    fn the_log_on_disk_and_its_twin_agree_on_every_walk(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let dir = tempdir().unwrap();
        check_walk(dir.path(), &steps)?;
    }
}
