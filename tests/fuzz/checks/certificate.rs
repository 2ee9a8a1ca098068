//! Certificates of peers, of regions and of files: the identity in one is one of ours, or there is
//! a typed error; an issuer is taken, or refused; a PEM file is described, or refused.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::SystemTime;

use wire::certs::{self, Holder};
use wire::{
    Authorities, CertificateDer, CredentialFiles, Credentials, Identity, PublicKeyHash,
    check_issuer, verify_node,
};

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
    issuer(&certificate);
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

/// What a region says of its issuer, and of a node that it may have made.
fn issuer(certificate: &CertificateDer<'_>) {
    let issuers = vec![certificate.clone().into_owned()];
    let node = verify_node(certificate, &[], &issuers, SystemTime::UNIX_EPOCH);
    assert!(node.is_err(), "nothing is valid then");
    let set = BTreeMap::from([("eu-west-1".to_owned(), issuers)]);
    let refused = Authorities::default().set(set);
    assert!(refused.iter().all(|error| !error.to_string().is_empty()));
    match check_issuer(certificate) {
        Ok(issuer) => {
            let signs = matches!(issuer.holder, Holder::Issuer { .. } | Holder::Foreign);
            assert!(signs, "{:?}", issuer.holder);
            assert_eq!(PublicKeyHash::of(certificate), Ok(issuer.public_key));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !refused.is_empty()),
    }
}
