//! A node whose disk lost or changed something: the rows are rebuilt, the log is never guessed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use strongroom_tests::Region;
use strongroom_tests::shell::strongroom_with;

/// Enough writes for a log with a middle.
const SECRETS: usize = 60;

#[test]
#[ignore = "long"]
fn rows_deleted_flipped_or_cut_are_rebuilt_to_the_right_state() {
    let mut region = filled();
    for damage in [delete_rows, flip_rows, cut_rows] {
        let node = region.follower();
        region.stop(node);
        damage(&region.data(node).join("rows"));
        region.start(node, &[]);
        region.wait_for(node);
        region.wait_for_equal_hashes();
        let api = region.api(node);
        for at in [0, SECRETS / 2, SECRETS - 1] {
            let name = format!("kept/{at}");
            let get = ["secret", "get", &name, "--raw", "--endpoint", &api];
            assert_eq!(region.call(&get).done().output, format!("value-{at}"));
        }
    }
}

#[test]
#[ignore = "long"]
fn a_damaged_middle_of_the_log_is_refused_and_the_node_rejoins_under_a_new_id() {
    let mut region = filled();
    let node = 3;
    region.stop(node);
    damage_log(&region.data(node).join("log"));
    region.start(node, &[]);
    let status = region.process(node).ended();
    assert_ne!(status.code(), Some(0));
    let log = region.log(node);
    assert!(log.contains("damaged"), "{log}");
    assert!(log.contains("join"), "says what to do: {log}");

    region.forget(node);
    region.call(&["node", "remove", "3", "--yes"]).done();
    region.configure(4);
    region.join(4);
    region.wait_for_equal_hashes();
    let get = [
        "secret",
        "get",
        "kept/7",
        "--raw",
        "--endpoint",
        &region.api(4),
    ];
    assert_eq!(region.call(&get).done().output, "value-7");
}

/// A region of three with secrets in it.
fn filled() -> Region {
    let region = Region::founded();
    for at in 0..SECRETS {
        let create = [
            "secret",
            "create",
            &format!("kept/{at}"),
            "--value-file",
            "-",
        ];
        strongroom_with(&region.environment(), &create, &format!("value-{at}")).done();
    }
    region
}

fn delete_rows(rows: &Path) {
    std::fs::remove_dir_all(rows).unwrap();
}

/// Changes bytes all over the file that holds the rows.
fn flip_rows(rows: &Path) {
    let file = open(&largest(rows));
    let size = file.metadata().unwrap().len();
    for at in (0..size).step_by(997) {
        flip(&file, at);
    }
}

fn cut_rows(rows: &Path) {
    let file = open(&largest(rows));
    let size = file.metadata().unwrap().len();
    file.set_len(size / 3).unwrap();
}

/// Changes one byte of a record that has records after it.
fn damage_log(log: &Path) {
    let segment = segments(log).into_iter().next().unwrap();
    let bytes = std::fs::read(&segment).unwrap();
    // A segment is prepared with zeros: the middle of what is written lies before the last byte
    // that is not zero.
    let written = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    let header = 4096;
    assert!(written > header + 2048, "the log has a middle");
    flip(&open(&segment), ((header + written) / 2) as u64);
}

fn segments(log: &Path) -> Vec<PathBuf> {
    let files = log.read_dir().unwrap().map(|entry| entry.unwrap().path());
    let mut segments: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|ending| ending == "wal"))
        .collect();
    segments.sort();
    segments
}

fn largest(directory: &Path) -> PathBuf {
    let entries = walkdir::WalkDir::new(directory)
        .into_iter()
        .map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap()
        .into_path()
}

fn open(path: &Path) -> File {
    OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap()
}

fn flip(file: &File, at: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[!byte[0]], at).unwrap();
}
