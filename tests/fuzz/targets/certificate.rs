//! The identity in a certificate: one of ours, or a typed error.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rustls_pki_types::CertificateDer;
use wire::Identity;

fuzz_target!(|input: &[u8]| {
    if let Ok(identity) = Identity::of(&CertificateDer::from(input)) {
        assert!(identity.to_string().starts_with("strongroom://"));
    }
});
