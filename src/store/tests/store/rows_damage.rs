//! Whatever happens to sled's directory: the rows of the last checkpoint or a later batch, or none
//! and a flag; never others.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use proptest::prelude::{Strategy, any, prop_oneof, proptest};
use proptest::test_runner::Config;
use strongroom_store::{
    Batch, Cipher, CipherFault, Fault, FormatError, Place, Row, Rows, RowsError, RowsOptions,
    SledRows, Stamped,
};
use tempfile::{TempDir, tempdir};

use crate::support::{all_rows, copy_dir, open_packed_rows, open_rows, stamped, veil};

const BATCHES: u8 = 12;

/// A checkpointed directory, with the rows as they were after each batch.
struct Written {
    dir: TempDir,
    states: Vec<Vec<Row>>,
}

fn written() -> &'static Written {
    static WRITTEN: OnceLock<Written> = OnceLock::new();
    WRITTEN.get_or_init(|| {
        let dir = tempdir().unwrap();
        let live = tempdir().unwrap();
        let rows = open_packed_rows(live.path()).rows;
        // One half in packs, the other not.
        let key = |at: u8, low: u8| match at % 2 {
            0 => vec![1, at, low],
            _ => vec![at, low],
        };
        let mut states = vec![];
        for batch in 0..BATCHES {
            let row = |at: u8| (key(at, batch % 4), vec![batch ^ at; 40 * at as usize]);
            let puts = (0..30u8).map(row);
            let deletes = vec![key(batch, batch % 4), key(2, 2)];
            let batch = Batch {
                puts: puts.collect(),
                deletes,
                meta: vec![batch],
            };
            rows.write(batch).unwrap();
            states.push(all_rows(&rows));
        }
        rows.checkpoint().unwrap();
        copy_dir(live.path(), dir.path());
        Written { dir, states }
    })
}

/// A copy of the directory, and sled's data file in it.
fn copy() -> (TempDir, PathBuf) {
    let copy = tempdir().unwrap();
    copy_dir(written().dir.path(), copy.path());
    let db = copy.path().join("sled-00000001/db");
    (copy, db)
}

/// Opens, and insists on the rows of the last batch, or none and the flag. Answers the flag.
fn check(dir: &Path) -> bool {
    let opened = open_rows(dir);
    let rows = all_rows(&opened.rows);
    match opened.rows.meta().unwrap() {
        Some(meta) => {
            assert!(!opened.rebuilt);
            assert_eq!(meta, [BATCHES - 1], "older than the last checkpoint");
            assert_eq!(rows, written().states[usize::from(BATCHES) - 1]);
        }
        None => assert!(opened.rebuilt && rows.is_empty()),
    }
    // Whatever was found, writing goes on.
    let batch = Batch {
        puts: vec![(b"new".to_vec(), b"row".to_vec())],
        ..Batch::default()
    };
    opened.rows.write(batch).unwrap();
    assert_eq!(
        opened.rows.row(b"new").unwrap().as_deref(),
        Some(&b"row"[..])
    );
    opened.rebuilt
}

#[test]
fn an_undamaged_copy_has_the_last_rows() {
    let (dir, _) = copy();
    assert_eq!(
        all_rows(&open_rows(dir.path()).rows),
        written().states[usize::from(BATCHES) - 1]
    );
}

#[test]
fn a_deleted_directory_is_rebuilt() {
    let (dir, db) = copy();
    fs::remove_dir_all(db.parent().unwrap()).unwrap();
    assert!(check(dir.path()));
    assert!(!open_rows(dir.path()).rebuilt, "only once");
}

#[test]
fn a_deleted_or_damaged_header_is_rebuilt() {
    let (dir, _) = copy();
    fs::remove_file(dir.path().join("format")).unwrap();
    assert!(check(dir.path()));
    let (dir, _) = copy();
    fs::write(dir.path().join("format"), b"noise").unwrap();
    assert!(check(dir.path()));
}

#[test]
fn rows_of_a_damaged_directory_are_kept_aside_within_bounds() {
    let (dir, db) = copy();
    let content = fs::read(&db).unwrap();
    fs::write(&db, vec![0xaa; content.len()]).unwrap();
    assert!(check(dir.path()));
    assert!(dir.path().join("quarantine-00000001/db").exists());
    for generation in 2..6 {
        fs::remove_dir_all(dir.path().join(format!("sled-{generation:08}"))).unwrap();
        fs::create_dir(dir.path().join(format!("sled-{generation:08}"))).unwrap();
        fs::write(
            dir.path().join(format!("sled-{generation:08}/db")),
            [7; 99_999],
        )
        .unwrap();
        assert!(check(dir.path()));
    }
    let names = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name());
    assert_eq!(
        names
            .filter(|name| name.to_string_lossy().starts_with("quarantine"))
            .count(),
        2
    );
}

#[test]
fn a_torn_snapshot_of_sled_is_removed_before_opening() {
    let (dir, db) = copy();
    let torn = db.with_file_name("snap.00000000000000FF.generating");
    fs::write(&torn, b"half a snapshot").unwrap();
    assert!(!check(dir.path()));
    assert!(!torn.exists());
}

#[test]
fn a_directory_that_ended_the_process_twice_is_not_opened_a_third_time() {
    let (dir, _) = copy();
    fs::write(dir.path().join("opening"), b"x").unwrap();
    assert!(!check(dir.path()));
    fs::write(dir.path().join("opening"), b"xx").unwrap();
    assert!(check(dir.path()));
}

#[test]
fn a_start_that_the_machine_refuses_does_not_count_against_the_rows() {
    let (dir, _) = copy();
    let held = open_rows(dir.path());
    fs::write(dir.path().join("opening"), b"x").unwrap();
    // Somebody else has them open.
    let refused = SledRows::open(dir.path(), &stamped(), veil(), RowsOptions::default());
    assert!(refused.is_err());
    drop(held);
    assert!(!check(dir.path()));
}

#[test]
fn a_start_that_was_interrupted_is_no_rebuild() {
    let dir = tempdir().unwrap();
    drop(open_rows(dir.path()));
    let header = dir.path().join("format");
    let mut bytes = fs::read(&header).unwrap();
    // As if only the first of the two headers had been written: its checkpoint is zero.
    let (head, body_at) = (24, 28);
    let end = bytes.len();
    bytes[end - 8..].fill(0);
    let crc = crc32c::crc32c(&bytes[body_at..]);
    bytes[head - 4..head].copy_from_slice(&crc.to_le_bytes());
    fs::write(&header, bytes).unwrap();
    fs::write(dir.path().join("sled-00000001/db"), b"torn").unwrap();
    assert!(!open_rows(dir.path()).rebuilt);
    fs::remove_dir_all(dir.path().join("sled-00000001")).unwrap();
    assert!(open_rows(dir.path()).rebuilt);
}

#[test]
fn what_an_interrupted_replacement_left_is_removed() {
    let (dir, db) = copy();
    copy_dir(db.parent().unwrap(), &dir.path().join("sled-00000002"));
    assert!(!check(dir.path()));
    assert!(!dir.path().join("sled-00000002").exists());
}

#[test]
fn foreign_and_future_rows_are_refused_and_left_alone() {
    let (dir, db) = copy();
    let before = fs::read(&db).unwrap();
    let foreign = Stamped {
        node: 4,
        ..stamped()
    };
    let refused = SledRows::open(dir.path(), &foreign, veil(), RowsOptions::default()).unwrap_err();
    let RowsError::Format { source, .. } = refused else {
        panic!("{refused}")
    };
    assert!(matches!(source, FormatError::Foreign { .. }));
    let header = dir.path().join("format");
    let mut bytes = fs::read(&header).unwrap();
    bytes[12..16].copy_from_slice(&2u32.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..16]);
    bytes[16..20].copy_from_slice(&crc.to_le_bytes());
    fs::write(&header, bytes).unwrap();
    let refused = SledRows::open(dir.path(), &stamped(), veil(), RowsOptions::default());
    let RowsError::Format { source, .. } = refused.unwrap_err() else {
        panic!()
    };
    assert_eq!(
        source,
        FormatError::Future {
            found: 2,
            supported: 1
        }
    );
    assert_eq!(fs::read(&db).unwrap(), before);
}

/// A cipher with another key: it opens nothing.
struct Stranger;

impl Cipher for Stranger {
    fn seal(&self, _: Place<'_>, plain: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Ok(plain.to_vec())
    }

    fn open(&self, _: Place<'_>, _: &[u8]) -> Result<Vec<u8>, CipherFault> {
        Err(CipherFault::Open)
    }

    fn is_current(&self, _: &[u8]) -> bool {
        true
    }
}

#[test]
fn a_wrong_storage_key_is_a_fault_and_sets_nothing_aside() {
    let (dir, _) = copy();
    let options = RowsOptions::default();
    let refused = SledRows::open(dir.path(), &stamped(), Arc::new(Stranger), options).unwrap_err();
    assert!(
        matches!(refused, RowsError::Fault(Fault::Cipher { .. })),
        "{refused}"
    );
    assert!(!check(dir.path()));
}

#[derive(Debug, Clone)]
enum Damage {
    Flip { at: usize, bit: u8 },
    Cut { at: usize },
    Zero { at: usize, bytes: usize },
    Noise { at: usize, noise: Vec<u8> },
}

fn damage() -> impl Strategy<Value = Damage> {
    let noise = proptest::collection::vec(any::<u8>(), 1..300);
    prop_oneof![
        4 => (any::<usize>(), 0..8u8).prop_map(|(at, bit)| Damage::Flip { at, bit }),
        1 => any::<usize>().prop_map(|at| Damage::Cut { at }),
        1 => (any::<usize>(), 1..9000usize).prop_map(|(at, bytes)| Damage::Zero { at, bytes }),
        1 => (any::<usize>(), noise).prop_map(|(at, noise)| Damage::Noise { at, noise }),
    ]
}

fn inflict(path: &Path, damage: &Damage) {
    let mut bytes = fs::read(path).unwrap();
    let len = bytes.len().max(1);
    match damage {
        Damage::Flip { at, bit } => bytes[at % len] ^= 1 << bit,
        Damage::Cut { at } => bytes.truncate(at % len),
        Damage::Zero { at, bytes: zeros } => {
            bytes
                .iter_mut()
                .skip(at % len)
                .take(*zeros)
                .for_each(|byte| *byte = 0);
        }
        Damage::Noise { at, noise } => {
            bytes
                .iter_mut()
                .skip(at % len)
                .zip(noise)
                .for_each(|(byte, noise)| *byte = *noise);
        }
    }
    fs::write(path, bytes).unwrap();
}

proptest! {
    #![proptest_config(Config { cases: 128, failure_persistence: None, ..Config::default() })]

    #[test]
    fn damage_anywhere_in_sleds_files_never_yields_wrong_rows(
        damage in damage(),
        which in any::<usize>(),
    ) {
        let (dir, db) = copy();
        let names = fs::read_dir(db.parent().unwrap()).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = names.filter(|path| path.is_file()).collect();
        files.sort();
        // Most of the damage goes to the data file.
        let path = if which % 4 == 0 { &files[which / 4 % files.len()] } else { &db };
        inflict(path, &damage);
        check(dir.path());
    }
}
