//! The bytes of version 1 of the format: they never change, only further versions come.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use strongroom_audit::{Kind, Outcome, Reader, Record, Time};
use tempfile::tempdir;

use crate::support::{DAY, NOW, all, files, open, record, wait_until};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/version-1")
}

/// Two files: reads, a denial, an error, an act of the node, and texts that need care.
fn write(dir: &Path) {
    let trail = open(dir);
    let records = [
        record(1),
        Record {
            outcome: Outcome::Denied,
            statement: "no statement allows it",
            position: None,
            ..record(2)
        },
        Record {
            method: "DescribeSecret",
            outcome: Outcome::Failed("ResourceNotFoundException"),
            resource: "a\u{1b}[31mname\n\"\u{202e}\u{e9}",
            address: "2001:db8::7".parse().ok(),
            version: "0f0e0d0c-0b0a-0908-0706-050403020100",
            ..record(3)
        },
        Record {
            kind: Kind::Internal,
            caller: "CN=node-3",
            address: None,
            listener: "",
            method: "DeleteSecretVersion",
            outcome: Outcome::Failed("allowed"),
            statement: "",
            time: Time(NOW.0 + DAY),
            ..record(4)
        },
    ];
    for record in &records {
        wait_until(|| trail.has_spare_file());
        trail.record(record).unwrap();
    }
}

#[test]
fn a_trail_has_the_bytes_of_its_version() {
    let temp = tempdir().unwrap();
    write(temp.path());
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        fs::create_dir_all(golden()).unwrap();
        for path in files(temp.path()) {
            fs::copy(&path, golden().join(path.file_name().unwrap())).unwrap();
        }
    }
    let (written, wanted) = (files(temp.path()), files(&golden()));
    assert_eq!(written.len(), 2);
    assert_eq!(written.len(), wanted.len());
    for (written, wanted) in written.iter().zip(&wanted) {
        assert_eq!(written.file_name(), wanted.file_name());
        let read = |path| fs::read_to_string(path).unwrap();
        assert_eq!(read(written), read(wanted));
    }
}

#[test]
fn what_earlier_releases_wrote_is_read() {
    let verified = Reader::new(&golden()).verify().unwrap();
    assert_eq!(
        (verified.files, verified.records, verified.breaks),
        (2, 4, 0)
    );
    let found = all(&golden());
    let results: Vec<_> = found
        .iter()
        .map(|found| found.entry.result.as_str())
        .collect();
    let wanted = [
        "allowed",
        "denied",
        "ResourceNotFoundException",
        "Error.allowed",
    ];
    assert_eq!(results, wanted);
    assert_eq!(found[2].entry.resource, "a\u{1b}[31mname\n\"\u{202e}\u{e9}");
    assert_eq!(found[3].entry.kind, Kind::Internal);
}

#[test]
fn the_chain_can_be_checked_with_nothing_but_sha_256() {
    let mut before = "0".repeat(64);
    for path in files(&golden()) {
        for line in fs::read_to_string(path).unwrap().lines() {
            let (hashed, hash) = line.split_once(",\"hash\":\"").unwrap();
            let hash = hash.strip_suffix("\"}").unwrap();
            let (_, prev) = hashed.split_once(",\"prev\":\"").unwrap();
            assert_eq!(prev.strip_suffix('"'), Some(before.as_str()));
            let pairs = before
                .as_bytes()
                .chunks(2)
                .map(|pair| str::from_utf8(pair).unwrap());
            let bytes = pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap());
            let digest = Sha256::digest([bytes.collect::<Vec<_>>(), hashed.into()].concat());
            let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(digest, hash);
            before = digest;
        }
    }
}

#[test]
fn a_record_has_its_fields_and_no_others() {
    let fields = [
        "address",
        "caller",
        "hash",
        "kind",
        "listener",
        "method",
        "node",
        "position",
        "prev",
        "region",
        "request",
        "resource",
        "result",
        "seq",
        "session",
        "stage",
        "statement",
        "time",
        "version",
    ];
    for found in all(&golden()) {
        let line: serde_json::Map<_, _> = serde_json::from_str(&found.line).unwrap();
        let mut names: Vec<_> = line.keys().collect();
        names.sort();
        assert_eq!(names, fields);
    }
}
