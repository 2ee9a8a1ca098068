//! What nobody signed so, in great number. `STRONGROOM_SEED` and `STRONGROOM_COUNT` choose.

use strongroom_access::jwt::{Jwks, unverified_issuer, verify};
use strongroom_access::session::{Frame, Session};
use strongroom_access::sigv4::{Authorization, Request};

use super::signer::{NOW_MS, Signer, claims, key_set};

const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=+/ ";

#[test]
fn any_change_of_one_character_of_a_token_is_refused() {
    let mut dice = Dice::new();
    let count = number("STRONGROOM_COUNT").unwrap_or(3);
    for signer in [&Signer::ed25519(), &Signer::p256(), Signer::shared_rsa()] {
        let trusted = signer.provider();
        let token = signer.usual(&claims(""));
        verify(&token, &trusted, NOW_MS).unwrap();
        for at in 0..token.len() {
            for _ in 0..count {
                let other = dice.pick(ALPHABET.as_bytes());
                let mut changed = token.clone().into_bytes();
                if changed[at] == other {
                    continue;
                }
                changed[at] = other;
                let changed = String::from_utf8(changed).unwrap();
                assert!(
                    verify(&changed, &trusted, NOW_MS).is_err(),
                    "{at}: {changed}"
                );
            }
            let (before, after) = token.split_at(at);
            let cut = format!("{before}{}", &after[1..]);
            assert!(verify(&cut, &trusted, NOW_MS).is_err(), "{at} cut: {cut}");
        }
    }
}

/// What an issuer signs may be garbage too, and its key set as well.
#[test]
fn nothing_that_is_signed_or_not_makes_anything_panic() {
    let mut dice = Dice::new();
    let count = number("STRONGROOM_COUNT").unwrap_or(2000);
    let signer = Signer::ed25519();
    let (trusted, honest) = (signer.provider(), signer.usual(&claims("")));
    let rich = claims(
        r#","nbf":1.5,"amr":["a"],"kubernetes.io":{"namespace":"a","serviceaccount":{"name":"b"}},
        "https://aws.amazon.com/tags":{"principal_tags":{"a":["b"]},"transitive_tag_keys":["a"]}"#,
    );
    let keys = key_set(&[
        Signer::p256().jwk(r#","kid":"a""#),
        Signer::shared_rsa().jwk(""),
    ]);
    verify(&signer.usual(&rich), &trusted, NOW_MS).unwrap();
    for _ in 0..count {
        let spoilt = dice.spoil(honest.as_bytes());
        assert!(spoilt == honest || verify(&spoilt, &trusted, NOW_MS).is_err());
        let _ = unverified_issuer(&spoilt);
        let signed = signer.usual(&dice.spoil(rich.as_bytes()));
        if let Ok(accepted) = verify(&signed, &trusted, NOW_MS) {
            accepted.describe(&mut strongroom_access::Context::new());
        }
        let header = dice.spoil(br#"{"alg":"EdDSA","kid":"a","typ":"JWT"}"#);
        let _ = verify(&signer.token("EdDSA", &header, &rich), &trusted, NOW_MS);
        let _ = Jwks::parse(&dice.spoil(keys.as_bytes()));
        let _ = Frame::parse(&format!("srs1.{}", dice.spoil(honest.as_bytes())));
        let _ = Session::decode(dice.spoil(&[1; 90]).as_bytes());
    }
}

#[test]
fn no_request_makes_the_reading_of_its_signature_panic() {
    let mut dice = Dice::new();
    let header = "AWS4-HMAC-SHA256 Credential=AK/20150830/us-east-1/sts/aws4_request, \
        SignedHeaders=host;x-amz-date, Signature=\
        5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AK%2F20150830%2Fr%2Fs%2F\
        aws4_request&X-Amz-Date=20150830T123600Z&X-Amz-Expires=60&X-Amz-SignedHeaders=host&\
        X-Amz-Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
    for _ in 0..number("STRONGROOM_COUNT").unwrap_or(2000) {
        let header = dice.spoil(header.as_bytes());
        let query = dice.spoil(query.as_bytes());
        let time = dice.spoil(b"20150830T123600Z");
        let path = dice.spoil(b"/a/../b//c%20/.");
        let signed = [
            ("authorization", header.as_str()),
            ("x-amz-date", &time),
            ("Host", "h"),
        ];
        for (query, headers) in [("", signed.as_slice()), (&query, &signed[2..])] {
            let request = Request {
                method: "GET",
                path: &path,
                query,
                headers,
                body: b"",
            };
            let Ok(Some(read)) = Authorization::read(&request) else {
                continue;
            };
            let secret = strongroom_access::sigv4::SecretKey::new("secret".to_owned().into());
            let service = read.service().to_owned();
            assert!(read.verify(&request, &service, &secret, NOW_MS).is_err());
        }
    }
}

/// A generator of numbers (splitmix64) that says its seed.
struct Dice(u64);

impl Dice {
    fn new() -> Dice {
        let seed = number("STRONGROOM_SEED").unwrap_or(20_261_130);
        println!("STRONGROOM_SEED={seed}");
        Dice(seed)
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((mixed ^ (mixed >> 31)) % bound as u64) as usize
    }

    fn pick(&mut self, from: &[u8]) -> u8 {
        from[self.below(from.len())]
    }

    /// Changes, cuts, doubles and inserts, a few times.
    fn spoil(&mut self, honest: &[u8]) -> String {
        const HARD: &[&str] = &[
            "\"", "{", "[[[", "}", "\\u0000", "9e999", "-", "\u{ff}", "ß", "%", "",
        ];
        let mut bytes = honest.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len() + 1);
            match self.below(4) {
                0 => bytes.truncate(at),
                1 => bytes.extend_from_within(..at),
                2 => {
                    let hard = HARD[self.below(HARD.len())];
                    bytes.splice(at..at, hard.bytes());
                }
                _ => bytes
                    .get_mut(at)
                    .into_iter()
                    .for_each(|byte| *byte = self.below(256) as u8),
            }
        }
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}
