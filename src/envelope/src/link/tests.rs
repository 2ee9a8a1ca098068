//! The agreement's bytes, and what only the inside of the crate can try.
//!
//! `tests/fixtures/link_key.json`: seeds, shared secret, public key and encapsulation are the first
//! vector of draft-connolly-cfrg-xwing-kem-10. The link key was derived from that shared secret by
//! RFC 9180, and the DEK wrapped under it, with other implementations.

use serde::Deserialize;

use super::{LinkBinding, LinkFailed, LinkKey, LinkOffer};
use crate::error::{OpenFailed, SealFailed};
use crate::kek::{Kek, RewrapFailed};
use crate::locked::KeyBytes;
use crate::{EncryptionContext, LINK_ENCAPSULATED_BYTES, LINK_PUBLIC_KEY_BYTES};

#[derive(Deserialize)]
struct Vector {
    seed: String,
    encapsulation_seed: String,
    shared_secret: String,
    public_key: String,
    encapsulated: String,
    info: String,
    link_key: String,
    wrapped_dek: String,
}

// Regions run different versions while they are upgraded: a library that agrees on other keys than
// before must not come in unseen.
#[test]
fn both_ends_agree_on_the_pinned_key_and_wrap() {
    let vector = vector();
    assert_eq!(hex(&binding().info().unwrap()), vector.info);
    let offer = offer(&vector);
    assert_eq!(hex(offer.public_key()), vector.public_key);
    assert_eq!(offer.public_key().len(), LINK_PUBLIC_KEY_BYTES);

    let mut drawn = bytes(&vector.encapsulation_seed).into_iter();
    let fill = |bytes: &mut [u8]| {
        bytes.fill_with(|| drawn.next().unwrap());
        Ok(())
    };
    let (primary, encapsulated) =
        LinkKey::encapsulate_with(offer.public_key(), &binding(), fill).unwrap();
    assert_eq!(hex(&encapsulated), vector.encapsulated);
    assert_eq!(encapsulated.len(), LINK_ENCAPSULATED_BYTES);
    assert_eq!(hex(primary.0.bytes()), vector.link_key);
    assert_ne!(vector.link_key, vector.shared_secret);

    let follower = offer.accept(&encapsulated, &binding()).unwrap();
    assert_eq!(hex(follower.0.bytes()), vector.link_key);
    let dek = KeyBytes::copy_of(&[0x11; 32]);
    let wrapped = primary.wrap_dek(&context(), &dek, &[0xaa; 12]).unwrap();
    assert_eq!(hex(&wrapped), vector.wrapped_dek);
}

#[test]
fn without_random_bytes_there_is_no_key() {
    let offer = offer(&vector());
    let mut calls = 0;
    let fill = |bytes: &mut [u8]| {
        calls += 1;
        bytes.fill(7);
        Err(getrandom::Error::UNEXPECTED)
    };
    let made = LinkKey::encapsulate_with(offer.public_key(), &binding(), fill);
    let failed = made.err().unwrap();
    assert!(
        matches!(failed, LinkFailed::Randomness(SealFailed::Randomness(_))),
        "{failed}"
    );
    assert!(calls > 0);
}

#[test]
fn a_wrap_of_a_link_is_no_wrap_of_a_kek_even_when_both_keys_are_equal() {
    let key = [5; 32];
    let (link, kek) = (
        LinkKey(KeyBytes::copy_of(&key)),
        Kek::from_key([3; 16], 1, KeyBytes::copy_of(&key)),
    );
    let sealed = kek.seal(&context(), "eu-west-1", b"value").unwrap();
    let moved = link
        .rewrap_out(&kek, &context(), "eu-west-1", &sealed.wrapped_dek)
        .unwrap();
    let opened = kek.open(
        &context(),
        "eu-west-1",
        &sealed.nonce,
        &sealed.ciphertext,
        &moved,
    );
    assert_eq!(opened.err(), Some(OpenFailed::Unauthentic));
    let taken = link.rewrap_in(&kek, &context(), "eu-west-1", &sealed.wrapped_dek);
    assert!(matches!(
        taken,
        Err(RewrapFailed::Open(OpenFailed::Unauthentic))
    ));
}

fn offer(vector: &Vector) -> LinkOffer {
    let seed = bytes(&vector.seed).try_into().unwrap();
    LinkOffer::from_seed(KeyBytes::copy_of(&seed)).unwrap()
}

fn binding() -> LinkBinding {
    LinkBinding {
        cluster: *b"cluster-id-16-by",
        from: "eu-west-1".into(),
        to: "us-east-1".into(),
        stream: *b"stream-id-16-byt",
    }
}

fn context() -> EncryptionContext<'static> {
    EncryptionContext {
        cluster: *b"cluster-id-16-by",
        uid: *b"secret-uid-16-by",
        version_id: "6f1c6a3e-2d42-4f1b-9d0a-0c8f2f5f7a11",
    }
}

fn vector() -> Vector {
    serde_json::from_str(include_str!("../../tests/fixtures/link_key.json")).unwrap()
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(digits).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
