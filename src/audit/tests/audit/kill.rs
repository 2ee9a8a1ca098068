//! A process that is killed while it records: what it said it answered is recorded.
//! `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose.

use std::collections::HashMap;
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use strongroom_audit::{FILE_BYTES_MIN, Options, SystemDisk, Trail, verify};
use tempfile::tempdir;

use crate::support::{NOW, Told, all, cipher, each, number, open, options, owner, record};

/// Kills, unless `STRONGROOM_COUNT` says otherwise.
const COUNT: u64 = 5;
/// Answers after which the process is killed, at most.
const ANSWERS_MAX: u64 = 3_000;
const THREADS: u64 = 3;
const DIR: &str = "STRONGROOM_AUDIT_KILL_DIR";

#[test]
fn nothing_that_was_answered_is_lost_when_the_process_is_killed() {
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_130);
    let count = number("STRONGROOM_COUNT").unwrap_or(COUNT);
    println!("STRONGROOM_SEED={seed} STRONGROOM_COUNT={count}");
    let mut state = seed | 1;
    for round in 0..count {
        // An odd factor visits every odd number.
        state = state.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let temp = tempdir().unwrap();
        let answered = run_and_kill(temp.path(), 1 + (state >> 32) % ANSWERS_MAX, round);
        let recorded: HashMap<u64, u64> = all(temp.path())
            .iter()
            .map(|found| (found.entry.seq, request(&found.entry.request)))
            .collect();
        let is_lost = |(seq, request): &&(u64, u64)| recorded.get(seq) != Some(request);
        let lost = answered.iter().filter(is_lost).count();
        let (was_answered, was_recorded) = (answered.len(), recorded.len());
        println!("round {round}: {was_answered} answered, {was_recorded} recorded, {lost} lost");
        assert_eq!(lost, 0);
        let verified = verify(temp.path()).unwrap();
        assert_eq!(verified.breaks, 0);
        // And the next process goes on.
        let trail = open(temp.path());
        assert_eq!(trail.broken(), None);
        let seq = trail.record(&record(0)).unwrap().0;
        assert_eq!(seq, verified.records + 1);
    }
}

fn request(bytes: &[u8; 16]) -> u64 {
    u64::from_be_bytes(*bytes.first_chunk().unwrap())
}

/// Answers what the process had answered when it was killed.
fn run_and_kill(dir: &Path, answers: u64, round: u64) -> Vec<(u64, u64)> {
    let mut child = spawn(dir, round);
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let answered = lines.map_while(Result::ok).filter_map(|line| {
        let mut words = line.strip_prefix("answered ")?.split(' ');
        let mut next = || words.next()?.parse::<u64>().ok();
        let (seq, request) = (next()?, next()?);
        // A line that was cut has no end.
        (next()? == 0).then_some((seq, request))
    });
    let mut found = Vec::new();
    for answer in answered {
        found.push(answer);
        if found.len() as u64 == answers {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(found.len() as u64 >= answers, "the child ended by itself");
    found
}

fn spawn(dir: &Path, round: u64) -> Child {
    Command::new(env::current_exe().unwrap())
        .args(["--exact", "kill::a_process_records_until_it_is_killed"])
        .args(["--ignored", "--nocapture"])
        .env(DIR, dir)
        .env("STRONGROOM_AUDIT_KILL_EACH", (round % 2).to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
#[ignore = "the process that the test above kills"]
fn a_process_records_until_it_is_killed() {
    let Some(dir) = env::var_os(DIR).map(PathBuf::from) else {
        return;
    };
    let is_each = number("STRONGROOM_AUDIT_KILL_EACH") == Some(1);
    let options = Options {
        file_bytes: 4 * FILE_BYTES_MIN,
        ..if is_each { each() } else { options() }
    };
    let (disk, told) = (
        std::sync::Arc::new(SystemDisk),
        std::sync::Arc::new(Told::default()),
    );
    let trail = Trail::open(&dir, owner(), options, cipher(), disk, told, NOW).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let trail = &trail;
            scope.spawn(move || {
                for at in 0.. {
                    let request = at * THREADS + thread;
                    let ticket = trail.record(&record(request)).unwrap();
                    trail.wait(ticket).unwrap();
                    let line = format!("answered {} {request} 0\n", ticket.0);
                    // One write: lines of several threads stay whole.
                    std::io::stdout().lock().write_all(line.as_bytes()).unwrap();
                }
            });
        }
    });
}
