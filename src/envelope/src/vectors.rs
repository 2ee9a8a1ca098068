//! Golden vectors: the bytes of every sealing, pinned in `tests/fixtures/envelope`.
//!
//! `tests/envelope_vectors.py` opens the same files with another implementation. To pin new bytes,
//! run this test with `UPDATE_GOLDENFILES=1` and review the difference.

use std::path::PathBuf;

use serde::Serialize;

use crate::aead::KEY_BYTES;
use crate::domain::Domain;
use crate::locked::KeyBytes;
use crate::{EncryptionContext, Kek, RootKey, StorageKeyring};

const CLUSTER: [u8; 16] = *b"cluster-id-16-by";
const UID: [u8; 16] = *b"secret-uid-16-by";
const VERSION_ID: &str = "6f1c6a3e-2d42-4f1b-9d0a-0c8f2f5f7a11";
const REGION: &str = "eu-west-1";
const KEY_ID: [u8; 16] = *b"kms-key-id-16-by";

/// One sealing with all its inputs, in hex where they are bytes.
#[derive(Serialize)]
struct Vector {
    /// The domain, the first field of the associated data.
    domain: &'static str,
    /// The key that seals.
    key: String,
    nonce: String,
    /// Every further field of the associated data, in order.
    fields: Vec<Field>,
    /// The whole associated data.
    aad: String,
    plaintext: String,
    /// The clear bytes in front of the ciphertext, format byte included; the nonce is among them
    /// where `nonce_in_front`.
    header: String,
    nonce_in_front: bool,
    /// All that is stored.
    sealed: String,
}

#[derive(Serialize)]
struct Field {
    name: &'static str,
    bytes: String,
}

#[test]
fn value_bytes_are_as_pinned() {
    let plaintexts = [
        Vec::new(),
        b"correct horse battery staple".to_vec(),
        (0..=255).collect(),
    ];
    let vectors = plaintexts.iter().map(|plain| {
        let dek = [0x11; KEY_BYTES];
        let nonces = [[0x21; 12], [0x22; 12]];
        let kek = kek();
        let dek_key = KeyBytes::copy_of(&dek);
        let sealed = kek
            .seal_with(&context(), REGION, plain, &dek_key, &nonces)
            .unwrap();
        let opened = kek.open(
            &context(),
            REGION,
            &sealed.nonce,
            &sealed.ciphertext,
            &sealed.wrapped_dek,
        );
        assert_eq!(*opened.unwrap(), *plain);
        Vector {
            domain: Domain::Value.name(),
            key: hex(&dek),
            nonce: hex(&nonces[0]),
            fields: identity(),
            aad: hex(&context().aad()),
            plaintext: hex(plain),
            header: "01".into(),
            nonce_in_front: false,
            sealed: hex(&sealed.ciphertext),
        }
    });
    check("value", &vectors.collect::<Vec<_>>());
}

#[test]
fn dek_wrap_bytes_are_as_pinned() {
    let dek = [0x11; KEY_BYTES];
    let nonce = [0x22; 12];
    let wrapped = kek()
        .wrap_dek(&context(), REGION, &KeyBytes::copy_of(&dek), &nonce)
        .unwrap();
    let mut fields = identity();
    fields.extend([field("region", REGION.as_bytes()), field("key id", &KEY_ID)]);
    fields.push(field("key version", &7_u32.to_be_bytes()));
    check(
        "dek_wrap",
        &[Vector {
            domain: Domain::DekWrap.name(),
            key: hex(&[0x33; KEY_BYTES]),
            nonce: hex(&nonce),
            fields,
            aad: hex(&context().wrap_aad(REGION, &KEY_ID, 7)),
            plaintext: hex(&dek),
            header: "01".into(),
            nonce_in_front: true,
            sealed: hex(&wrapped),
        }],
    );
}

#[test]
fn kek_wrap_bytes_are_as_pinned() {
    let nonce = [0x44; 12];
    let root = RootKey::from_bytes(&[0x55; KEY_BYTES]);
    let wrapped = root
        .wrap_kek_with(&kek(), &CLUSTER, REGION, &nonce)
        .unwrap();
    let unwrapped = root
        .unwrap_kek(&CLUSTER, REGION, KEY_ID, 7, &wrapped)
        .unwrap();
    assert_eq!(unwrapped.key().bytes(), &[0x33; KEY_BYTES]);
    let fields = vec![
        field("cluster", &CLUSTER),
        field("region", REGION.as_bytes()),
        field("key id", &KEY_ID),
        field("key version", &7_u32.to_be_bytes()),
    ];
    check(
        "kek_wrap",
        &[Vector {
            domain: Domain::KekWrap.name(),
            key: hex(&[0x55; KEY_BYTES]),
            nonce: hex(&nonce),
            aad: hex(&Domain::KekWrap.aad(&[
                &CLUSTER,
                REGION.as_bytes(),
                &KEY_ID,
                &7_u32.to_be_bytes(),
            ])),
            fields,
            plaintext: hex(&[0x33; KEY_BYTES]),
            header: "01".into(),
            nonce_in_front: true,
            sealed: hex(&wrapped),
        }],
    );
}

#[test]
fn storage_block_bytes_are_as_pinned() {
    let nonce = [0x66; 12];
    let keyring = keyring();
    let index = 42_u64.to_be_bytes();
    let places: [(&str, &[u8], &[u8]); 2] = [
        ("log", &index, b"an entry of the log"),
        ("rows", b"row key", b""),
    ];
    let vectors = places.map(|(table, key, plain)| {
        let sealed = keyring.seal_with(table, key, plain, &nonce).unwrap();
        assert_eq!(keyring.open(table, key, &sealed).unwrap(), plain);
        let version = 2_u32.to_be_bytes();
        Vector {
            domain: Domain::StorageBlock.name(),
            key: hex(&[0x88; KEY_BYTES]),
            nonce: hex(&nonce),
            fields: vec![
                field("cluster", &CLUSTER),
                field("table", table.as_bytes()),
                field("key", key),
                field("key version", &version),
            ],
            aad: hex(&Domain::StorageBlock.aad(&[&CLUSTER, table.as_bytes(), key, &version])),
            plaintext: hex(plain),
            header: "0100000002".into(),
            nonce_in_front: true,
            sealed: hex(&sealed),
        }
    });
    check("storage_block", &vectors);
}

#[test]
fn keyring_file_bytes_are_as_pinned() {
    let nonce = [0x99; 12];
    let root = RootKey::from_bytes(&[0x55; KEY_BYTES]);
    let file = keyring().to_sealed_bytes_with(&root, &nonce).unwrap();
    let read = StorageKeyring::from_sealed_bytes(&root, CLUSTER, &file).unwrap();
    assert_eq!(read.active_version(), 2);
    let header = [b"SRKEYRNG".as_slice(), &1_u16.to_be_bytes(), &CLUSTER].concat();
    let list = [
        &1_u32.to_be_bytes(),
        [0x77; KEY_BYTES].as_slice(),
        &2_u32.to_be_bytes(),
        &[0x88; KEY_BYTES],
    ];
    check(
        "keyring",
        &[Vector {
            domain: Domain::Keyring.name(),
            key: hex(&[0x55; KEY_BYTES]),
            nonce: hex(&nonce),
            fields: vec![field("header", &header)],
            aad: hex(&Domain::Keyring.aad(&[&header])),
            plaintext: hex(&list.concat()),
            header: hex(&header),
            nonce_in_front: true,
            sealed: hex(&file),
        }],
    );
}

fn kek() -> Kek {
    Kek::from_key(KEY_ID, 7, KeyBytes::copy_of(&[0x33; KEY_BYTES]))
}

fn keyring() -> StorageKeyring {
    StorageKeyring::from_keys(CLUSTER, &[(1, [0x77; KEY_BYTES]), (2, [0x88; KEY_BYTES])])
}

fn context() -> EncryptionContext<'static> {
    EncryptionContext {
        cluster: CLUSTER,
        uid: UID,
        version_id: VERSION_ID,
    }
}

fn identity() -> Vec<Field> {
    vec![
        field("cluster", &CLUSTER),
        field("uid", &UID),
        field("version id", VERSION_ID.as_bytes()),
    ]
}

fn field(name: &'static str, bytes: &[u8]) -> Field {
    Field {
        name,
        bytes: hex(bytes),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Compares with the pinned file, or pins when asked to.
fn check(name: &str, vectors: &[Vector]) {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/envelope");
    let path = directory.join(format!("{name}.json"));
    let found = serde_json::to_string_pretty(vectors).unwrap() + "\n";
    if std::env::var_os("UPDATE_GOLDENFILES").is_some() {
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(&path, &found).unwrap();
    }
    let pinned = std::fs::read_to_string(&path).unwrap();
    assert!(
        pinned == found,
        "{} differs from what this build seals",
        path.display()
    );
}
