//! An issuer's keys, and the tokens it signs.

use std::sync::OnceLock;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding, RsaKeyPair, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use strongroom_access::jwt::{Denied, Jwks, Provider, Why};

pub const ISSUER: &str = "https://oidc.example.com/cluster";
pub const AUDIENCE: &str = "strongroom";
/// 2026-11-30T00:00:00Z.
pub const NOW_S: i64 = 1_795_996_800;
pub const NOW_MS: i64 = NOW_S * 1000;

/// A key of an issuer.
pub enum Signer {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn rsa() -> Signer {
        Signer::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    pub fn p256() -> Signer {
        Signer::P256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    pub fn p384() -> Signer {
        Signer::P384(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    pub fn ed25519() -> Signer {
        Signer::Ed25519(Ed25519KeyPair::generate().unwrap())
    }

    /// One RSA key for all tests: making one takes long.
    pub fn shared_rsa() -> &'static Signer {
        static RSA: OnceLock<Signer> = OnceLock::new();
        RSA.get_or_init(Signer::rsa)
    }

    /// The public half, with more members: `,"kid":"a"`.
    pub fn jwk(&self, more: &str) -> String {
        let members = match self {
            Signer::Rsa(key) => {
                let public = RsaPublicKeyComponents::<Vec<u8>>::from(key.public_key());
                let (n, e) = (base64(&public.n), base64(&public.e));
                format!(r#""kty":"RSA","n":"{n}","e":"{e}""#)
            }
            Signer::P256(key) => point("P-256", key.public_key().as_ref()),
            Signer::P384(key) => point("P-384", key.public_key().as_ref()),
            Signer::Ed25519(key) => {
                let x = base64(key.public_key().as_ref());
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{x}""#)
            }
        };
        format!("{{{members}{more}}}")
    }

    /// The only algorithm of this key, or the usual one of an RSA key.
    pub fn algorithm(&self) -> &'static str {
        match self {
            Signer::Rsa(_) => "RS256",
            Signer::P256(_) => "ES256",
            Signer::P384(_) => "ES384",
            Signer::Ed25519(_) => "EdDSA",
        }
    }

    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Signer::Rsa(key) => {
                let encoding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature)
                    .unwrap();
                signature
            }
            Signer::P256(key) | Signer::P384(key) => {
                key.sign(&random, message).unwrap().as_ref().to_vec()
            }
            Signer::Ed25519(key) => key.sign(message).as_ref().to_vec(),
        }
    }

    /// Signs a token of just this header and these claims.
    pub fn token(&self, algorithm: &str, header: &str, claims: &str) -> String {
        let signed = format!(
            "{}.{}",
            base64(header.as_bytes()),
            base64(claims.as_bytes())
        );
        let signature = self.sign(algorithm, signed.as_bytes());
        format!("{signed}.{}", base64(&signature))
    }

    /// Signs a token of these claims by the usual algorithm.
    pub fn usual(&self, claims: &str) -> String {
        let algorithm = self.algorithm();
        self.token(algorithm, &format!(r#"{{"alg":"{algorithm}"}}"#), claims)
    }

    /// The issuer, with this key alone.
    pub fn provider(&self) -> Provider {
        provider(&[self.jwk("")])
    }
}

/// The issuer with these keys.
pub fn provider(keys: &[String]) -> Provider {
    Provider {
        issuer: ISSUER.to_owned(),
        audiences: vec!["other".to_owned(), AUDIENCE.to_owned()],
        jwks: Jwks::parse(&key_set(keys)).unwrap(),
    }
}

pub fn key_set(keys: &[String]) -> String {
    format!(r#"{{"keys":[{}]}}"#, keys.join(","))
}

/// Claims that are accepted, with more members: `,"azp":"b"`.
pub fn claims(more: &str) -> String {
    let (issued, expires) = (NOW_S - 10, NOW_S + 600);
    format!(
        r#"{{"iss":"{ISSUER}","sub":"me","aud":"{AUDIENCE}","iat":{issued},"exp":{expires}{more}}}"#
    )
}

/// Why a token was refused.
pub fn why<T: std::fmt::Debug>(verified: Result<T, Denied>) -> Why {
    let denied = verified.expect_err("the token is refused");
    assert_eq!(denied.to_string(), "the web identity token is not accepted");
    denied.why()
}

pub fn base64(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Coordinates of an uncompressed point.
fn point(curve: &str, bytes: &[u8]) -> String {
    let (x, y) = bytes[1..].split_at(bytes.len() / 2);
    format!(
        r#""kty":"EC","crv":"{curve}","x":"{}","y":"{}""#,
        base64(x),
        base64(y)
    )
}
