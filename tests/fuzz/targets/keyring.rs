//! The keyring file and sealed blocks: they open for their key, or are refused.
#![no_main]

use envelope::{RootKey, StorageKeyring};
use libfuzzer_sys::fuzz_target;
use strongroom_fuzz::parts;

fuzz_target!(|input: &[u8]| {
    let root = RootKey::from_bytes(&[9; 32]);
    let mut parts = parts(input);
    let file = parts.next().unwrap_or_default();
    let block = parts.next().unwrap_or_default();
    if let Ok(keyring) = StorageKeyring::from_sealed_bytes(&root, [1; 16], file) {
        drop(keyring.open("rows", b"key", block));
    }
});
