//! The bytes of version 1 of the format: they never change, only further versions come.

use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use strongroom_audit::{Kind, Outcome, Owner, Reader, Record, Time, verify};
use tempfile::tempdir;

use crate::support::{DAY, NOW, all, cipher, files, open, owner, reader, record, wait_until};

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
    let verified = verify(&golden()).unwrap();
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
fn nothing_that_a_record_says_is_in_the_files() {
    let temp = tempdir().unwrap();
    write(temp.path());
    let said = [
        "alice",
        "db/password",
        "GetSecretValue",
        "readers",
        "192.0.2.7",
        "AWSCURRENT",
    ];
    for path in files(temp.path()) {
        let text = fs::read_to_string(path).unwrap();
        for line in text.lines().skip(1) {
            said.iter()
                .for_each(|said| assert!(!line.contains(said), "{said}"));
            let (seq, rest) = line
                .strip_prefix("{\"seq\":")
                .unwrap()
                .split_once(',')
                .unwrap();
            assert!(seq.parse::<u64>().is_ok());
            let (sealed, _) = rest
                .strip_prefix("\"sealed\":\"")
                .unwrap()
                .split_once('"')
                .unwrap();
            let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
            assert!(sealed.bytes().all(is_base64));
        }
    }
}

#[test]
fn a_record_opens_only_where_it_was_written() {
    let temp = tempdir().unwrap();
    write(temp.path());
    let other = Owner { node: 4, ..owner() };
    let page = Reader::new(temp.path(), &other, cipher()).tail(9).unwrap();
    assert_eq!((page.found.len(), page.unopened), (0, 4));
    // Nor in another file, though its line is whole there.
    let paths = files(temp.path());
    fs::rename(&paths[1], temp.path().join("audit-0000000009.log")).unwrap();
    let page = reader(temp.path()).tail(9).unwrap();
    assert_eq!((page.found.len(), page.unopened), (3, 1));
    assert_eq!(verify(temp.path()).unwrap().records, 4);
}
