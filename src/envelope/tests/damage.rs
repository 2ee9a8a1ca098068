//! Changed, cut and arbitrary bytes never open and never panic.

#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

use envelope::{
    EncryptionContext, Kek, KeyringError, OpenFailed, RootKey, SealFailed, StorageKeyring,
    VALUE_BYTES_MAX,
};
use proptest::prelude::{any, prop_assert, proptest};
use strongroom_envelope as envelope;

const CLUSTER: [u8; 16] = [1; 16];
const REGION: &str = "eu-west-1";

fn context() -> EncryptionContext<'static> {
    EncryptionContext {
        cluster: CLUSTER,
        uid: [2; 16],
        version_id: "v".repeat(32).leak(),
    }
}

/// Every copy of `bytes` with one bit changed, and every shorter piece of it.
fn damaged(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let flips = (0..bytes.len() * 8).map(|bit| {
        let mut copy = bytes.to_vec();
        copy[bit / 8] ^= 1 << (bit % 8);
        copy
    });
    let cuts = (0..bytes.len()).map(|length| bytes[..length].to_vec());
    flips.chain(cuts).chain([[bytes, &[0]].concat()])
}

#[test]
fn no_changed_bit_or_cut_of_a_sealed_value_opens() {
    let kek = Kek::generate([3; 16], 1).unwrap();
    let context = context();
    let sealed = kek.seal(&context, REGION, b"correct horse").unwrap();
    let open = |nonce: &[u8; 12], ciphertext: &[u8], wrap: &[u8]| {
        kek.open(&context, REGION, nonce, ciphertext, wrap)
    };
    assert!(open(&sealed.nonce, &sealed.ciphertext, &sealed.wrapped_dek).is_ok());
    for ciphertext in damaged(&sealed.ciphertext) {
        assert!(open(&sealed.nonce, &ciphertext, &sealed.wrapped_dek).is_err());
    }
    for wrap in damaged(&sealed.wrapped_dek) {
        assert!(open(&sealed.nonce, &sealed.ciphertext, &wrap).is_err());
        assert!(kek.rewrap(&kek, &context, REGION, &wrap).is_err());
    }
    for nonce in damaged(&sealed.nonce).filter_map(|nonce| nonce.try_into().ok()) {
        assert!(open(&nonce, &sealed.ciphertext, &sealed.wrapped_dek).is_err());
    }
}

#[test]
fn no_changed_bit_or_cut_of_a_wrapped_key_opens() {
    let root = RootKey::generate().unwrap();
    let kek = Kek::generate([3; 16], 1).unwrap();
    let wrapped = root.wrap_kek(&kek, &CLUSTER, REGION).unwrap();
    for wrapped in damaged(&wrapped) {
        assert!(
            root.unwrap_kek(&CLUSTER, REGION, [3; 16], 1, &wrapped)
                .is_err()
        );
    }
}

#[test]
fn no_changed_bit_or_cut_of_a_keyring_file_opens() {
    let root = RootKey::generate().unwrap();
    let file = StorageKeyring::generate(CLUSTER)
        .unwrap()
        .to_sealed_bytes(&root)
        .unwrap();
    for file in damaged(&file) {
        assert!(StorageKeyring::from_sealed_bytes(&root, CLUSTER, &file).is_err());
    }
}

#[test]
fn no_changed_bit_or_cut_of_a_block_opens() {
    let mut keyring = StorageKeyring::generate(CLUSTER).unwrap();
    keyring.rotate().unwrap();
    let sealed = keyring.seal("rows", b"key", b"a row").unwrap();
    for sealed in damaged(&sealed) {
        assert!(keyring.open("rows", b"key", &sealed).is_err());
    }
}

#[test]
fn an_unknown_format_is_refused_by_name() {
    let root = RootKey::generate().unwrap();
    let kek = Kek::generate([3; 16], 1).unwrap();
    let future = |sealed: &[u8]| [&[9], &sealed[1..]].concat();
    let unknown = Some(OpenFailed::UnknownFormat { found: 9, known: 1 });

    let wrapped = root.wrap_kek(&kek, &CLUSTER, REGION).unwrap();
    let opened = root.unwrap_kek(&CLUSTER, REGION, [3; 16], 1, &future(&wrapped));
    assert_eq!(opened.err(), unknown);

    let sealed = kek.seal(&context(), REGION, b"").unwrap();
    let (value, wrap) = (future(&sealed.ciphertext), future(&sealed.wrapped_dek));
    let opened = kek.open(
        &context(),
        REGION,
        &sealed.nonce,
        &value,
        &sealed.wrapped_dek,
    );
    assert_eq!(opened.err(), unknown);
    let opened = kek.open(&context(), REGION, &sealed.nonce, &sealed.ciphertext, &wrap);
    assert_eq!(opened.err(), unknown);

    let keyring = StorageKeyring::generate(CLUSTER).unwrap();
    let block = keyring.seal("rows", b"key", b"").unwrap();
    assert_eq!(keyring.open("rows", b"key", &future(&block)).err(), unknown);

    let mut file = keyring.to_sealed_bytes(&root).unwrap();
    file[9] = 9;
    let read = StorageKeyring::from_sealed_bytes(&root, CLUSTER, &file);
    assert_eq!(
        read.err(),
        Some(KeyringError::UnknownFormat { found: 9, known: 1 })
    );
}

#[test]
fn a_keyring_of_another_cluster_or_root_key_is_refused() {
    let root = RootKey::generate().unwrap();
    let file = StorageKeyring::generate(CLUSTER)
        .unwrap()
        .to_sealed_bytes(&root)
        .unwrap();
    let read = StorageKeyring::from_sealed_bytes(&root, [9; 16], &file);
    assert_eq!(read.err(), Some(KeyringError::OtherCluster));
    let other = RootKey::generate().unwrap();
    let read = StorageKeyring::from_sealed_bytes(&other, CLUSTER, &file);
    assert_eq!(
        read.err(),
        Some(KeyringError::Open(OpenFailed::Unauthentic))
    );
    let read = StorageKeyring::from_sealed_bytes(&root, CLUSTER, b"[cluster]\n");
    assert_eq!(read.err(), Some(KeyringError::NotAKeyring));
}

#[test]
fn a_retired_storage_key_opens_nothing_more() {
    let mut keyring = StorageKeyring::generate(CLUSTER).unwrap();
    let old = keyring.seal("rows", b"key", b"old").unwrap();
    assert_eq!(keyring.rotate().unwrap(), 2);
    let new = keyring.seal("rows", b"key", b"new").unwrap();
    assert_eq!(keyring.open("rows", b"key", &old).unwrap(), b"old");
    assert!(keyring.is_by_active(&new) && !keyring.is_by_active(&old));
    assert!(!keyring.is_by_active(&new[..4]) && !keyring.is_by_active(b""));
    keyring.retire_below(9);
    assert_eq!(keyring.open("rows", b"key", &new).unwrap(), b"new");
    let opened = keyring.open("rows", b"key", &old);
    assert_eq!(
        opened.err(),
        Some(OpenFailed::UnknownKeyVersion { version: 1 })
    );
}

#[test]
fn a_value_may_be_empty_or_of_the_greatest_length_but_not_longer() {
    let kek = Kek::generate([3; 16], 1).unwrap();
    for length in [0, VALUE_BYTES_MAX] {
        let plain = vec![5; length];
        let sealed = kek.seal(&context(), REGION, &plain).unwrap();
        let opened = kek.open(
            &context(),
            REGION,
            &sealed.nonce,
            &sealed.ciphertext,
            &sealed.wrapped_dek,
        );
        assert_eq!(*opened.unwrap(), plain);
    }
    let refused = kek.seal(&context(), REGION, &vec![5; VALUE_BYTES_MAX + 1]);
    assert!(matches!(
        refused,
        Err(SealFailed::TooLarge {
            bytes: 65_537,
            bytes_max: 65_536
        })
    ));
}

#[test]
fn no_debug_output_shows_a_key_or_a_value() {
    let root = RootKey::from_bytes(&[0xab; 32]);
    let kek = Kek::generate([3; 16], 1).unwrap();
    let keyring = StorageKeyring::generate(CLUSTER).unwrap();
    let sealed = kek.seal(&context(), REGION, b"canary").unwrap();
    assert_eq!(format!("{root:?}"), "RootKey(redacted)");
    assert_eq!(format!("{kek:?}"), "Kek(version 1, redacted)");
    assert_eq!(
        format!("{keyring:?}"),
        "StorageKeyring(versions [1], redacted)"
    );
    assert_eq!(format!("{sealed:?}"), "Sealed(23 bytes)");
}

#[test]
fn two_sealings_of_one_value_share_nothing() {
    let kek = Kek::generate([3; 16], 1).unwrap();
    let a = kek.seal(&context(), REGION, b"value").unwrap();
    let b = kek.seal(&context(), REGION, b"value").unwrap();
    assert!(a.nonce != b.nonce);
    assert!(a.ciphertext != b.ciphertext);
    assert!(a.wrapped_dek != b.wrapped_dek);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_open_and_never_panic(
        bytes in any::<Vec<u8>>(),
        more in any::<Vec<u8>>(),
        nonce in any::<[u8; 12]>(),
        prefixed in any::<bool>(),
    ) {
        let root = RootKey::from_bytes(&[4; 32]);
        let kek = Kek::generate([3; 16], 1).unwrap();
        let keyring = StorageKeyring::generate(CLUSTER).unwrap();
        let front: &[u8] = if prefixed { &[1] } else { &[] };
        let bytes = [front, &bytes].concat();
        let more = [front, &more].concat();
        prop_assert!(root.unwrap_kek(&CLUSTER, REGION, [3; 16], 1, &bytes).is_err());
        prop_assert!(kek.open(&context(), REGION, &nonce, &bytes, &more).is_err());
        prop_assert!(kek.rewrap(&kek, &context(), REGION, &bytes).is_err());
        prop_assert!(keyring.open("rows", b"key", &bytes).is_err());
        let block = [&[1, 0, 0, 0, 1], bytes.as_slice()].concat();
        prop_assert!(keyring.open("rows", b"key", &block).is_err());
        prop_assert!(StorageKeyring::from_sealed_bytes(&root, CLUSTER, &bytes).is_err());
        let file = [b"SRKEYRNG\0\x01", CLUSTER.as_slice(), &bytes].concat();
        prop_assert!(StorageKeyring::from_sealed_bytes(&root, CLUSTER, &file).is_err());
    }
}
