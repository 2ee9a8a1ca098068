//! The keys of issuers: which are taken, and which of several a token means.

use strongroom_access::jwt::{Jwks, JwksError, KeyFlaw, Why, verify};

use super::signer::{NOW_MS, Signer, base64, claims, key_set, provider, why};

#[test]
fn keys_of_other_kinds_and_uses_are_skipped() {
    let signer = Signer::ed25519();
    let skipped = [
        r#"{"kty":"oct","k":"c2VjcmV0"}"#.to_owned(),
        r#"{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"X25519","x":"AA"}"#.to_owned(),
        r#"{"kty":"ML-DSA"}"#.to_owned(),
        Signer::p256().jwk(r#","use":"enc""#),
        Signer::p256().jwk(r#","key_ops":["deriveKey"]"#),
        Signer::shared_rsa().jwk(r#","alg":"RSA-OAEP""#),
    ];
    for key in &skipped {
        assert_eq!(
            Jwks::parse(&key_set(std::slice::from_ref(key))).unwrap_err(),
            JwksError::Empty,
            "{key}"
        );
    }
    let mut keys = skipped.to_vec();
    keys.push(signer.jwk(r#","use":"sig","key_ops":["verify"],"alg":"EdDSA","x5c":[]"#));
    verify(&signer.usual(&claims("")), &provider(&keys), NOW_MS).unwrap();
}

#[test]
fn of_several_keys_the_one_of_the_kid_is_meant() {
    let (a, b) = (Signer::ed25519(), Signer::ed25519());
    let both = provider(&[a.jwk(r#","kid":"a""#), b.jwk(r#","kid":"b""#)]);
    let named = |signer: &Signer, kid: &str| {
        signer.token(
            "EdDSA",
            &format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#),
            &claims(""),
        )
    };
    verify(&named(&a, "a"), &both, NOW_MS).unwrap();
    verify(&named(&b, "b"), &both, NOW_MS).unwrap();
    assert_eq!(why(verify(&named(&a, "b"), &both, NOW_MS)), Why::Signature);
    assert_eq!(why(verify(&named(&a, "A"), &both, NOW_MS)), Why::Key);
    assert_eq!(why(verify(&a.usual(&claims("")), &both, NOW_MS)), Why::Key);
    // A sole key is meant by a token without a kid, and by every token if it has none itself.
    let sole = provider(&[a.jwk(r#","kid":"a""#)]);
    verify(&a.usual(&claims("")), &sole, NOW_MS).unwrap();
    assert_eq!(why(verify(&named(&a, "b"), &sole, NOW_MS)), Why::Key);
    verify(&named(&a, "any"), &a.provider(), NOW_MS).unwrap();
    // Beside a key that has no kid, only a token with one says which it means.
    let mixed = provider(&[a.jwk(""), b.jwk(r#","kid":"b""#)]);
    verify(&named(&b, "b"), &mixed, NOW_MS).unwrap();
    assert_eq!(why(verify(&a.usual(&claims("")), &mixed, NOW_MS)), Why::Key);
}

#[test]
fn weak_malformed_and_private_keys_are_refused_by_name() {
    let p256 = Signer::p256().jwk("");
    let with = |key: &str, old: &str, new: &str| key.replace(old, new);
    let n = |bytes: usize| base64(&vec![0xff; bytes]);
    let rsa = |n: &str, e: &str| format!(r#"{{"kty":"RSA","n":"{n}","e":"{e}"}}"#);
    let leading_zero = base64(&[&[0], vec![0xff; 256].as_slice()].concat());
    let cases = [
        (rsa(&n(128), "AQAB"), KeyFlaw::Size { bits: 1024 }),
        (rsa(&n(255), "AQAB"), KeyFlaw::Size { bits: 2040 }),
        (rsa(&n(1025), "AQAB"), KeyFlaw::Size { bits: 8200 }),
        (rsa(&leading_zero, "AQAB"), KeyFlaw::Form),
        (rsa(&n(256), "AQ"), KeyFlaw::Value),
        (rsa(&n(256), "AQAA"), KeyFlaw::Value),
        (rsa(&n(256), &n(8)), KeyFlaw::Value),
        (rsa(&n(256), ""), KeyFlaw::Form),
        (rsa("", "AQAB"), KeyFlaw::Form),
        (r#"{"kty":"RSA","n":"AQAB"}"#.to_owned(), KeyFlaw::Form),
        (Signer::ed25519().jwk(r#","d":"AA""#), KeyFlaw::Private),
        (Signer::ed25519().jwk(r#","alg":"ES256""#), KeyFlaw::Form),
        (Signer::ed25519().jwk(r#","kid":5"#), KeyFlaw::Form),
        (
            Signer::ed25519().jwk(&format!(r#","kid":"{}""#, "k".repeat(257))),
            KeyFlaw::Id,
        ),
        (with(&p256, "P-256", "P-384"), KeyFlaw::Form),
        (point(&[0xff; 32]), KeyFlaw::Value),
        (point(&[0; 32]), KeyFlaw::Value),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#.to_owned(),
            KeyFlaw::Form,
        ),
        (
            r#"{"kty":"OKP","crv":"Ed25519","x":"A=="}"#.to_owned(),
            KeyFlaw::Form,
        ),
        ("7".to_owned(), KeyFlaw::Form),
        (r#"{"kid":"a"}"#.to_owned(), KeyFlaw::Form),
    ];
    for (key, flaw) in cases {
        let refused = Jwks::parse(&key_set(&[p256.clone(), key.clone()]));
        assert_eq!(
            refused.unwrap_err(),
            JwksError::Key { at: 1, flaw },
            "{key}"
        );
    }
}

#[test]
fn a_set_keeps_its_bounds_and_says_everything_once() {
    let key = |n: usize| Signer::ed25519().jwk(&format!(r#","kid":"{n}""#));
    let mut keys: Vec<String> = (0..64).map(key).collect();
    Jwks::parse(&key_set(&keys)).unwrap();
    keys.push(key(64));
    let refused = Jwks::parse(&key_set(&keys)).unwrap_err();
    assert_eq!(refused, JwksError::TooMany { found: 65 });
    let refused = Jwks::parse(&key_set(&[key(1), key(2), key(1)])).unwrap_err();
    assert_eq!(refused, JwksError::SameId { at: 2 });
    let bare = Signer::ed25519().jwk("");
    let refused = Jwks::parse(&key_set(&[bare.clone(), Signer::ed25519().jwk("")])).unwrap_err();
    assert_eq!(refused, JwksError::SameId { at: 1 });
    for text in ["", "[]", "{}", r#"{"keys":{}}"#, r#"{"keys":[],"keys":[]}"#] {
        assert_eq!(Jwks::parse(text).unwrap_err(), JwksError::Form, "{text}");
    }
    let twice = key_set(&[bare.replace(r#""kty""#, r#""x":"AA","kty""#)]);
    assert_eq!(Jwks::parse(&twice).unwrap_err(), JwksError::Form);
    assert_eq!(Jwks::parse(r#"{"keys":[]}"#).unwrap_err(), JwksError::Empty);
    let long = format!(r#"{{"keys":[],"x":"{}"}}"#, "x".repeat(65_536));
    let refused = Jwks::parse(&long).unwrap_err();
    assert_eq!(refused, JwksError::TooLong { bytes: long.len() });
}

fn point(coordinate: &[u8]) -> String {
    let text = base64(coordinate);
    format!(r#"{{"kty":"EC","crv":"P-256","x":"{text}","y":"{text}"}}"#)
}
