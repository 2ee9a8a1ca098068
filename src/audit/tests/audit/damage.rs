//! Any truncation and any flipped byte is found at the right record, or leaves a whole prefix.
//! `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::any;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use strongroom_audit::{Break, Verified, Why};
use tempfile::{TempDir, tempdir};

use crate::support::{files, line_starts, number, open_with, options, record, written};

/// Runs, unless `STRONGROOM_COUNT` says otherwise.
const COUNT: u64 = 300;
const RECORDS: u64 = 200;

/// A line of the trail.
#[derive(Debug, Clone, Copy)]
struct Line {
    file: usize,
    start: usize,
    end: usize,
    /// Its number, or that of the next record if it is a header.
    seq: u64,
}

/// What a line becomes, with the line before.
type Change = fn(&[u8], &[u8]) -> Vec<u8>;

struct Fixture {
    _dir: TempDir,
    paths: Vec<PathBuf>,
    lines: Vec<Line>,
}

impl Fixture {
    fn new() -> Fixture {
        let dir = tempdir().unwrap();
        written(dir.path(), RECORDS);
        let (paths, mut lines, mut seq) = (files(dir.path()), Vec::new(), 1);
        for (file, path) in paths.iter().enumerate() {
            for pair in line_starts(path).windows(2) {
                let (start, end) = (pair[0], pair[1]);
                let line = Line {
                    file,
                    start,
                    end,
                    seq,
                };
                // The first line is the header.
                seq += u64::from(start > 0);
                lines.push(line);
            }
        }
        assert_eq!(seq, RECORDS + 1);
        assert!(paths.len() >= 3);
        Fixture {
            _dir: dir,
            paths,
            lines,
        }
    }

    fn line_at(&self, file: usize, at: usize) -> Line {
        let holds = |line: &&Line| line.file == file && (line.start..line.end).contains(&at);
        *self.lines.iter().find(holds).unwrap()
    }

    fn is_last_file(&self, file: usize) -> bool {
        file + 1 == self.paths.len()
    }

    /// A copy with the bytes of one file changed.
    fn changed(&self, file: usize, change: impl FnOnce(&mut Vec<u8>)) -> TempDir {
        let copy = tempdir().unwrap();
        for path in &self.paths {
            fs::copy(path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
        let path = copy.path().join(self.paths[file].file_name().unwrap());
        let mut bytes = fs::read(&self.paths[file]).unwrap();
        change(&mut bytes);
        fs::write(path, bytes).unwrap();
        copy
    }
}

fn verify(dir: &Path) -> Verified {
    strongroom_audit::verify(dir).unwrap()
}

fn check_break(verified: &Verified, line: Line, why: Why) {
    let wanted = Break {
        file: line.file as u64 + 1,
        offset: line.start as u64,
        seq: line.seq,
        why,
    };
    assert_eq!((verified.breaks, verified.broken), (1, Some(wanted)));
}

fn check_flip(fixture: &Fixture, file: usize, at: usize, bit: u8) {
    let copy = fixture.changed(file, |bytes| bytes[at] ^= 1 << bit);
    let (verified, line) = (verify(copy.path()), fixture.line_at(file, at));
    let is_newline = at + 1 == line.end;
    let is_last = fixture.lines.last().unwrap().end == line.end && fixture.is_last_file(file);
    if is_newline && is_last {
        // As a crash would leave it: whole up to there.
        assert_eq!((verified.breaks, verified.records), (0, RECORDS - 1));
        assert_eq!(verified.torn_bytes, (line.end - line.start) as u64);
    } else {
        check_break(&verified, line, Why::Unreadable);
    }
    // Whatever it is, the node starts, and the trail goes on.
    let trail = open_with(copy.path(), options()).unwrap();
    let ticket = trail.record(&record(0)).unwrap();
    assert!(ticket.0 >= RECORDS);
}

fn check_cut(fixture: &Fixture, file: usize, at: usize) {
    let copy = fixture.changed(file, |bytes| bytes.truncate(at));
    let (verified, line) = (verify(copy.path()), fixture.line_at(file, at));
    if fixture.is_last_file(file) {
        assert_eq!(verified.breaks, 0);
        assert_eq!(verified.records, line.seq - 1);
        assert_eq!(verified.torn_bytes, (at - line.start) as u64);
    } else if at > line.start {
        check_break(&verified, line, Why::Unreadable);
    } else if at == 0 {
        check_break(&verified, line, Why::Missing);
    } else {
        let header = Line {
            file: file + 1,
            start: 0,
            ..line
        };
        check_break(&verified, header, Why::Unchained);
    }
    let trail = open_with(copy.path(), options()).unwrap();
    trail.record(&record(0)).unwrap();
}

#[test]
fn every_truncation_and_every_flipped_bit_is_found_at_its_record() {
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_130);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={seed} STRONGROOM_COUNT={count}");
    let fixture = Fixture::new();
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let place = (any::<u32>(), any::<u32>(), 0..8u8, any::<bool>());
    for _ in 0..count {
        let (file, at, bit, is_flip) = place.new_tree(&mut runner).unwrap().current();
        let file = file as usize % fixture.paths.len();
        let len = fs::metadata(&fixture.paths[file]).unwrap().len() as usize;
        let at = at as usize % len;
        println!(
            "file {file} at {at} bit {bit}: {}",
            if is_flip { "flip" } else { "cut" }
        );
        match is_flip {
            true => check_flip(&fixture, file, at, bit),
            false => check_cut(&fixture, file, at),
        }
    }
}

#[test]
fn damage_at_the_seams_is_found_too() {
    let fixture = Fixture::new();
    for file in 0..fixture.paths.len() {
        let lines: Vec<Line> = fixture
            .lines
            .iter()
            .filter(|l| l.file == file)
            .copied()
            .collect();
        let ends = [lines[0], lines[1], lines[lines.len() - 1]];
        for line in ends {
            for at in [line.start, line.start + 1, line.end - 2, line.end - 1] {
                check_flip(&fixture, file, at, 0);
                check_cut(&fixture, file, at);
            }
        }
    }
}

#[test]
fn a_line_that_is_left_out_doubled_or_moved_is_found() {
    let fixture = Fixture::new();
    let lines: Vec<Line> = fixture
        .lines
        .iter()
        .filter(|line| line.file == 1)
        .copied()
        .collect();
    let (before, line) = (lines[9], lines[10]);
    let cases: [Change; 3] = [
        |_, _| Vec::new(),
        |_, line| [line, line].concat(),
        |before, line| [line, before].concat(),
    ];
    for (at, case) in cases.iter().enumerate() {
        let copy = fixture.changed(1, |bytes| {
            let (first, second) = (before.start..before.end, line.start..line.end);
            let new = case(&bytes[first.clone()], &bytes[second.clone()]);
            let from = if at == 2 { first.start } else { second.start };
            bytes.splice(from..second.end, new);
        });
        let verified = verify(copy.path());
        let broken = verified.broken.unwrap();
        assert_eq!((broken.file, broken.why), (2, Why::Unchained));
        let wanted = [line.start, line.end, before.start][at];
        assert_eq!(broken.offset, wanted as u64, "case {at}");
    }
}

#[test]
fn files_that_are_exchanged_are_found() {
    let fixture = Fixture::new();
    let other = fs::read(&fixture.paths[1]).unwrap();
    let copy = fixture.changed(0, |bytes| *bytes = other);
    let broken = verify(copy.path()).broken.unwrap();
    assert_eq!(
        (broken.file, broken.offset, broken.why),
        (1, 0, Why::Unchained)
    );
}
