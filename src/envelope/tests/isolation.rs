//! I8: what is sealed for one place, identity or key opens under no other, and not when changed.

#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

use envelope::{EncryptionContext, Kek, KeyringError, OpenFailed, RootKey, StorageKeyring};
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, proptest};
use strongroom_envelope as envelope;

/// All that decides whether a value opens.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Identity {
    cluster: [u8; 16],
    uid: [u8; 16],
    version_id: String,
    region: String,
    key: u8,
}

impl Identity {
    fn context(&self) -> EncryptionContext<'_> {
        EncryptionContext {
            cluster: self.cluster,
            uid: self.uid,
            version_id: &self.version_id,
        }
    }
}

/// The keys an [`Identity`] can name: two versions of one KMS key, and another one.
fn keks() -> [Kek; 3] {
    let kek = |id, version| Kek::generate([id; 16], version).unwrap();
    [kek(1, 1), kek(1, 2), kek(2, 1)]
}

/// Few values each, so that two identities often share all fields but one, or all.
fn identities() -> impl Strategy<Value = Identity> {
    let id = || proptest::sample::select(vec![[0_u8; 16], [1; 16]]);
    let version_id = proptest::sample::select(vec!["a".repeat(32), "a".repeat(33), "b".repeat(32)]);
    let region = proptest::sample::select(vec!["eu-west-1", "eu-west-2"]);
    (id(), id(), version_id, region, 0..3_u8).prop_map(|(cluster, uid, version_id, region, key)| {
        Identity {
            cluster,
            uid,
            version_id,
            region: region.into(),
            key,
        }
    })
}

proptest! {
    #[test]
    fn a_value_opens_only_for_the_identity_it_was_sealed_for(
        own in identities(),
        other in identities(),
        plain in any::<Vec<u8>>(),
    ) {
        let keks = keks();
        let key_of = |identity: &Identity| &keks[usize::from(identity.key)];
        let sealed = key_of(&own).seal(&own.context(), &own.region, &plain).unwrap();
        let opened = key_of(&other).open(
            &other.context(),
            &other.region,
            &sealed.nonce,
            &sealed.ciphertext,
            &sealed.wrapped_dek,
        );
        prop_assert_eq!(opened.is_ok(), own == other);
        if let Ok(opened) = opened {
            prop_assert_eq!(&*opened, &plain);
        }
    }

    #[test]
    fn a_value_does_not_open_with_the_wrap_of_another(
        own in identities(),
        other in identities(),
        plain in any::<Vec<u8>>(),
    ) {
        let keks = keks();
        let kek = &keks[usize::from(own.key)];
        let a = kek.seal(&own.context(), &own.region, &plain).unwrap();
        let b = kek.seal(&other.context(), &own.region, &plain).unwrap();
        let opened = kek.open(&own.context(), &own.region, &a.nonce, &a.ciphertext, &b.wrapped_dek);
        prop_assert_eq!(opened.err(), Some(OpenFailed::Unauthentic));
    }

    #[test]
    fn a_rewrapped_value_opens_under_the_new_key_version_only(
        own in identities(),
        plain in any::<Vec<u8>>(),
    ) {
        let [old, new, _] = keks();
        let sealed = old.seal(&own.context(), &own.region, &plain).unwrap();
        let moved = old.rewrap(&new, &own.context(), &own.region, &sealed.wrapped_dek).unwrap();
        let open = |kek: &Kek, wrap: &[u8]| {
            kek.open(&own.context(), &own.region, &sealed.nonce, &sealed.ciphertext, wrap)
        };
        prop_assert_eq!(&*open(&new, &moved).unwrap(), &plain);
        prop_assert!(open(&old, &moved).is_err());
        prop_assert!(open(&new, &sealed.wrapped_dek).is_err());
        prop_assert!(new.rewrap(&old, &own.context(), "eu-west-3", &moved).is_err());
    }

    #[test]
    fn a_key_unwraps_only_for_its_own_row(
        cluster in 0..2_u8,
        region in proptest::sample::select(vec!["eu-west-1", "eu-west-2"]),
        id in 1..3_u8,
        version in 1..3_u32,
        other_root in any::<bool>(),
    ) {
        let roots = [RootKey::generate().unwrap(), RootKey::generate().unwrap()];
        let kek = Kek::generate([1; 16], 1).unwrap();
        let wrapped = roots[0].wrap_kek(&kek, &[0; 16], "eu-west-1").unwrap();
        let opened = roots[usize::from(other_root)]
            .unwrap_kek(&[cluster; 16], region, [id; 16], version, &wrapped);
        let own = (cluster, region, id, version, other_root) == (0, "eu-west-1", 1, 1, false);
        prop_assert_eq!(opened.is_ok(), own);
    }

    #[test]
    fn a_block_opens_only_in_its_table_under_its_key(
        table in proptest::sample::select(vec!["log", "rows", "ro"]),
        key in proptest::sample::select(vec![b"".to_vec(), b"a".to_vec(), b"ws".to_vec()]),
        other_cluster in any::<bool>(),
        plain in any::<Vec<u8>>(),
    ) {
        let root = RootKey::generate().unwrap();
        let keyring = StorageKeyring::generate([1; 16]).unwrap();
        let file = keyring.to_sealed_bytes(&root).unwrap();
        let read = StorageKeyring::from_sealed_bytes(&root, [1; 16], &file).unwrap();
        let stranger = StorageKeyring::generate([1; 16]).unwrap();
        let opener = if other_cluster { &stranger } else { &read };
        let sealed = keyring.seal("rows", b"a", &plain).unwrap();
        let own = (table, key.as_slice(), other_cluster) == ("rows", b"a".as_slice(), false);
        let opened = opener.open(table, &key, &sealed);
        prop_assert_eq!(opened.is_ok(), own);
        if let Ok(opened) = opened {
            prop_assert_eq!(opened, plain);
        }
    }

    #[test]
    fn a_wrap_of_one_use_opens_for_no_other(plain in Just([7_u8; 32])) {
        // The same root key and the same bytes: only the domain tells the uses apart.
        let root = RootKey::from_bytes(&plain);
        let keyring = StorageKeyring::generate([1; 16]).unwrap();
        let file = keyring.to_sealed_bytes(&root).unwrap();
        let sealed_list = [&[1], &file[26..]].concat();
        prop_assert!(root.unwrap_kek(&[1; 16], "eu-west-1", [1; 16], 1, &sealed_list).is_err());
        let kek = Kek::generate([1; 16], 1).unwrap();
        let wrapped = root.wrap_kek(&kek, &[1; 16], "eu-west-1").unwrap();
        let forged = [&file[..26], &wrapped[1..]].concat();
        let read = StorageKeyring::from_sealed_bytes(&root, [1; 16], &forged);
        prop_assert!(matches!(read, Err(KeyringError::Open(OpenFailed::Unauthentic))));
    }
}
