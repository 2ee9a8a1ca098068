//! The small files of a data directory: whose it is, the root key, the keyring; and blocks sealed
//! by that keyring. Each is taken, or refused with a typed error.

use std::cell::RefCell;

use envelope::{FileProvider, RootKey, SealProvider, StorageKeyring};
use server::DataDir;
use wire::PeerIdentity;

use crate::disk::Scratch;
use crate::parts;

thread_local! {
    static FILES: RefCell<(Scratch, DataDir)> = RefCell::new({
        let files = Scratch::default();
        let data = DataDir::open(files.path()).expect("a directory of our own");
        (files, data)
    });
}

/// Takes `node.toml`, the root key's file, the keyring's and a block.
pub fn check(input: &[u8]) {
    let mut parts = parts(input);
    let mut next = || parts.next().unwrap_or_default();
    let (node, root_key, keyring, block) = (next(), next(), next(), next());
    FILES.with_borrow_mut(|(files, data)| {
        files.write("node.toml", node);
        let owner = PeerIdentity {
            cluster: "01".repeat(16),
            region: "eu-west-1".to_owned(),
            node: 1,
            public_key: [0; 32],
        };
        if let Err(error) = data.belongs_to(&owner) {
            assert!(!error.to_string().is_empty());
        }
        let provider = FileProvider::new(files.write("root.key", root_key));
        if let Err(error) = provider.unseal() {
            assert!(!error.to_string().is_empty());
        }
    });
    let root = RootKey::from_bytes(&[9; 32]);
    if let Ok(keyring) = StorageKeyring::from_sealed_bytes(&root, [1; 16], keyring) {
        drop(keyring.open("rows", b"key", block));
        let again = keyring.to_sealed_bytes(&root).expect("it can be sealed");
        let again = StorageKeyring::from_sealed_bytes(&root, [1; 16], &again);
        assert_eq!(
            again.map(|it| it.active_version()),
            Ok(keyring.active_version())
        );
    }
}
