//! The `file` seal provider on real files.

#![allow(
    clippy::unwrap_used,
    reason = "a test may take what it knows for granted"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use envelope::{FileProvider, Kek, ProviderError, SealProvider};
use strongroom_envelope as envelope;

fn write(path: &Path, text: &[u8], mode: u32) -> FileProvider {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    FileProvider::new(path)
}

#[test]
fn a_created_root_key_is_the_same_at_every_unseal() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let provider = FileProvider::create(&path).unwrap();
    assert_eq!(provider.name(), "file");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    let kek = Kek::generate([1; 16], 1).unwrap();
    let wrapped = provider
        .unseal()
        .unwrap()
        .wrap_kek(&kek, &[2; 16], "eu-west-1")
        .unwrap();
    let root = FileProvider::new(&path).unseal().unwrap();
    assert!(
        root.unwrap_kek(&[2; 16], "eu-west-1", [1; 16], 1, &wrapped)
            .is_ok()
    );
}

#[test]
fn a_root_key_is_never_overwritten() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    FileProvider::create(&path).unwrap();
    let before = fs::read(&path).unwrap();
    assert!(matches!(
        FileProvider::create(&path),
        Err(ProviderError::Exists { .. })
    ));
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_that_others_may_use_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    FileProvider::create(&path).unwrap();
    let text = fs::read(&path).unwrap();
    for mode in [0o640, 0o604, 0o620, 0o610, 0o602, 0o644, 0o666] {
        let unsealed = write(&path, &text, mode).unseal();
        assert!(
            matches!(unsealed, Err(ProviderError::OpenToOthers { .. })),
            "{mode:o}"
        );
    }
    for mode in [0o600, 0o400] {
        assert!(write(&path, &text, mode).unseal().is_ok(), "{mode:o}");
    }
}

#[test]
fn a_missing_or_malformed_file_is_a_typed_error_that_shows_no_key() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("root.key");
    let unsealed = FileProvider::new(&path).unseal();
    assert!(matches!(unsealed, Err(ProviderError::Missing { .. })));
    let long = "QUFB".repeat(100);
    let bad: [&[u8]; 6] = [
        b"",
        b"\n",
        b"not base64!",
        b"QUFB\n",
        &[0xff, 0xfe, 0],
        long.as_bytes(),
    ];
    for text in bad {
        let error = write(&path, text, 0o600).unseal().unwrap_err();
        assert!(matches!(error, ProviderError::Malformed { .. }), "{error}");
        assert!(!error.to_string().contains("QUFB"));
    }
    let unsealed = FileProvider::new(directory.path()).unseal();
    assert!(unsealed.is_err());
}
