//! Certificates of peers and of files: the identity in one is one of ours, or there is a typed
//! error; a PEM file is described, or refused.

use std::cell::RefCell;

use wire::certs;
use wire::{CertificateDer, CredentialFiles, Credentials, Identity, PublicKeyHash};

use crate::disk::Scratch;

thread_local! {
    static FILES: RefCell<Scratch> = RefCell::new(Scratch::default());
}

/// Takes a certificate in DER, or the text of a PEM file.
pub fn check(input: &[u8]) {
    let certificate = CertificateDer::from(input);
    if let Ok(identity) = Identity::of(&certificate) {
        assert!(identity.to_string().starts_with("strongroom://"));
        let key = PublicKeyHash::of(&certificate).expect("what has an identity has a key");
        if let Some(peer) = identity.peer() {
            assert_eq!(peer.public_key, key.0);
        }
    }
    if !input.starts_with(b"-----") {
        return;
    }
    let path = FILES.with_borrow_mut(|files| files.write("pem", input));
    if let Ok(found) = certs::status(&path) {
        assert_eq!(found.len(), 1);
    }
    let files = CredentialFiles {
        cert: path.clone(),
        key: path.clone(),
        ca: vec![path],
    };
    if let Err(error) = Credentials::load(files) {
        assert!(!error.to_string().is_empty());
    }
}
