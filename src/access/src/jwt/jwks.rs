//! The keys of an issuer: a JSON Web Key Set (RFC 7517).

use std::fmt;

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};
use serde_json::{Map, Value};
use thiserror::Error;

use super::header::{Algorithm, Header};
use super::{Why, json};
use crate::limits::{
    JWKS_BYTES_MAX, JWKS_KEY_ID_BYTES_MAX, JWKS_KEYS_MAX, JWKS_RSA_BITS_MAX, JWKS_RSA_BITS_MIN,
};

/// The keys an issuer signs with: at most [`JWKS_KEYS_MAX`], and at least one.
#[derive(Debug)]
pub struct Jwks {
    keys: Vec<Key>,
}

/// Why a text is no set of keys.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum JwksError {
    /// It is too long.
    #[error("the key set has {bytes} bytes, {JWKS_BYTES_MAX} are the limit")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It is no JSON object with a list `keys`.
    #[error("a key set is a JSON object with a list called keys, and no member stands twice")]
    Form,
    /// It has too many keys.
    #[error("the key set has {found} keys, {JWKS_KEYS_MAX} are the limit")]
    TooMany {
        /// How many.
        found: usize,
    },
    /// It has no key that signatures could be verified with.
    #[error("the key set has no key for signatures of the kinds RSA, P-256, P-384 or Ed25519")]
    Empty,
    /// Two keys for signatures have the same `kid`, or several have none.
    #[error(
        "keys[{at}] has the kid of another key, or none beside another without: give it its own"
    )]
    SameId {
        /// Which key, from 0.
        at: usize,
    },
    /// A key is wrong.
    #[error("keys[{at}] {flaw}")]
    Key {
        /// Which key, from 0.
        at: usize,
        /// What is wrong with it.
        flaw: KeyFlaw,
    },
}

/// What is wrong with one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFlaw {
    /// It is no JSON object, or a member is missing or of the wrong kind.
    #[error("is no JSON Web Key: its members are missing, or not what RFC 7518 says")]
    Form,
    /// Its `kid` is too long.
    #[error("has a kid of more than {JWKS_KEY_ID_BYTES_MAX} bytes")]
    Id,
    /// It holds the private half.
    #[error("holds a private key: replace it at the issuer, and give its public half only")]
    Private,
    /// It is too small or too large.
    #[error("is an RSA key of {bits} bits: {JWKS_RSA_BITS_MIN} to {JWKS_RSA_BITS_MAX} are taken")]
    Size {
        /// Its size.
        bits: usize,
    },
    /// Its numbers make no key.
    #[error("is not a valid public key")]
    Value,
}

/// One key.
pub(super) struct Key {
    id: Option<String>,
    /// The only one it may be used with, if it names one.
    algorithm: Option<Algorithm>,
    material: Material,
}

enum Material {
    Rsa(RsaPublicKeyComponents<Vec<u8>>),
    P256(ParsedPublicKey),
    P384(ParsedPublicKey),
    Ed25519(ParsedPublicKey),
}

impl Jwks {
    /// Parses a key set of at most [`JWKS_BYTES_MAX`] bytes. Keys of other kinds, or for other uses
    /// than signatures, are skipped; a key of ours that is weak or malformed is an error, as is one
    /// that is private.
    pub fn parse(text: &str) -> Result<Jwks, JwksError> {
        if text.len() > JWKS_BYTES_MAX {
            return Err(JwksError::TooLong { bytes: text.len() });
        }
        let members = json::object(text.as_bytes()).ok_or(JwksError::Form)?;
        let Some(Value::Array(entries)) = members.get("keys") else {
            return Err(JwksError::Form);
        };
        if entries.len() > JWKS_KEYS_MAX {
            let found = entries.len();
            return Err(JwksError::TooMany { found });
        }
        let mut keys: Vec<Key> = Vec::new();
        for (at, entry) in entries.iter().enumerate() {
            let key = Key::parse(entry).map_err(|flaw| JwksError::Key { at, flaw })?;
            let Some(key) = key else { continue };
            if keys.iter().any(|other| other.id == key.id) {
                return Err(JwksError::SameId { at });
            }
            keys.push(key);
        }
        match keys.is_empty() {
            true => Err(JwksError::Empty),
            false => Ok(Jwks { keys }),
        }
    }

    /// Finds the key of a header. Without a `kid` only a sole key can be meant; a sole key that has
    /// no `kid` itself is meant by every one.
    pub(super) fn pick(&self, header: &Header) -> Result<&Key, Why> {
        let key = match (&header.key_id, self.keys.as_slice()) {
            (None, [only]) => Some(only),
            (Some(_), [only]) if only.id.is_none() => Some(only),
            (None, _) => None,
            (id, keys) => keys.iter().find(|key| key.id == *id),
        };
        key.ok_or(Why::Key)
    }
}

impl Key {
    /// Parses a key; none if it is of another kind, or for another use.
    fn parse(entry: &Value) -> Result<Option<Key>, KeyFlaw> {
        let Value::Object(members) = entry else {
            return Err(KeyFlaw::Form);
        };
        let kind = text(members, "kty")?.ok_or(KeyFlaw::Form)?;
        let curve = text(members, "crv")?;
        let parse = match (kind, curve) {
            ("RSA", _) => rsa,
            ("EC", Some("P-256")) => p256,
            ("EC", Some("P-384")) => p384,
            ("OKP", Some("Ed25519")) => ed25519,
            _ => return Ok(None),
        };
        if members.contains_key("d") {
            return Err(KeyFlaw::Private);
        }
        if !is_for_signatures(members)? {
            return Ok(None);
        }
        let algorithm = match text(members, "alg")? {
            None => None,
            Some(name) => match Algorithm::named(name) {
                Some(algorithm) => Some(algorithm),
                None => return Ok(None),
            },
        };
        let id = text(members, "kid")?;
        if id.is_some_and(|id| id.len() > JWKS_KEY_ID_BYTES_MAX) {
            return Err(KeyFlaw::Id);
        }
        let material = parse(members)?;
        if algorithm.is_some_and(|algorithm| !material.suits(algorithm)) {
            return Err(KeyFlaw::Form);
        }
        Ok(Some(Key {
            id: id.map(str::to_owned),
            algorithm,
            material,
        }))
    }

    /// Verifies a signature, by an algorithm that this key allows.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        signed: &[u8],
        signature: &[u8],
    ) -> Result<(), Why> {
        let is_allowed = self.algorithm.is_none_or(|only| only == algorithm);
        if !is_allowed || !self.material.suits(algorithm) {
            return Err(Why::Algorithm);
        }
        let verified = match &self.material {
            Material::Rsa(key) => {
                let parameters = rsa_parameters(algorithm).ok_or(Why::Algorithm)?;
                key.verify(parameters, signed, signature)
            }
            Material::P256(key) | Material::P384(key) | Material::Ed25519(key) => {
                key.verify_sig(signed, signature)
            }
        };
        verified.map_err(|_| Why::Signature)
    }
}

impl Material {
    fn suits(&self, algorithm: Algorithm) -> bool {
        match self {
            Material::Rsa(_) => rsa_parameters(algorithm).is_some(),
            Material::P256(_) => algorithm == Algorithm::Es256,
            Material::P384(_) => algorithm == Algorithm::Es384,
            Material::Ed25519(_) => algorithm == Algorithm::EdDsa,
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

fn rsa_parameters(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::Ps256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::Ps384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::Ps512 => &RSA_PSS_2048_8192_SHA512,
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa => return None,
    })
}

/// Whether `use` and `key_ops`, where they are, let a key verify signatures.
fn is_for_signatures(members: &Map<String, Value>) -> Result<bool, KeyFlaw> {
    let may_verify = match members.get("key_ops") {
        None => true,
        Some(Value::Array(uses)) => uses.iter().any(|one| one == "verify"),
        Some(_) => return Err(KeyFlaw::Form),
    };
    Ok(may_verify && text(members, "use")?.is_none_or(|one| one == "sig"))
}

fn rsa(members: &Map<String, Value>) -> Result<Material, KeyFlaw> {
    let n = number(members, "n")?;
    let e = number(members, "e")?;
    let bits = bit_length(&n);
    if !(JWKS_RSA_BITS_MIN..=JWKS_RSA_BITS_MAX).contains(&bits) {
        return Err(KeyFlaw::Size { bits });
    }
    // 3 at least, and odd. The library takes no exponent above 33 bits, which would be slow.
    let is_odd = e.last().is_some_and(|last| last % 2 == 1);
    if !is_odd || !(2..=33).contains(&bit_length(&e)) {
        return Err(KeyFlaw::Value);
    }
    let components = RsaPublicKeyComponents { n, e };
    components
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .map_err(|_| KeyFlaw::Value)?;
    Ok(Material::Rsa(components))
}

fn p256(members: &Map<String, Value>) -> Result<Material, KeyFlaw> {
    let point = point(members, 32)?;
    parsed(&ECDSA_P256_SHA256_FIXED, &point).map(Material::P256)
}

fn p384(members: &Map<String, Value>) -> Result<Material, KeyFlaw> {
    let point = point(members, 48)?;
    parsed(&ECDSA_P384_SHA384_FIXED, &point).map(Material::P384)
}

fn ed25519(members: &Map<String, Value>) -> Result<Material, KeyFlaw> {
    let x = octets(members, "x")?;
    match x.len() {
        32 => parsed(&ED25519, &x).map(Material::Ed25519),
        _ => Err(KeyFlaw::Form),
    }
}

fn parsed(
    algorithm: &'static dyn VerificationAlgorithm,
    bytes: &[u8],
) -> Result<ParsedPublicKey, KeyFlaw> {
    ParsedPublicKey::new(algorithm, bytes).map_err(|_| KeyFlaw::Value)
}

/// A point of a curve, uncompressed (SEC 1): 4, then both coordinates.
fn point(members: &Map<String, Value>, coordinate_bytes: usize) -> Result<Vec<u8>, KeyFlaw> {
    let (x, y) = (octets(members, "x")?, octets(members, "y")?);
    if x.len() != coordinate_bytes || y.len() != coordinate_bytes {
        return Err(KeyFlaw::Form);
    }
    Ok([&[4], x.as_slice(), y.as_slice()].concat())
}

/// A positive number, in as few bytes as it needs.
fn number(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyFlaw> {
    let bytes = octets(members, name)?;
    match bytes.first() {
        None | Some(0) => Err(KeyFlaw::Form),
        Some(_) => Ok(bytes),
    }
}

fn octets(members: &Map<String, Value>, name: &str) -> Result<Vec<u8>, KeyFlaw> {
    let text = text(members, name)?.ok_or(KeyFlaw::Form)?;
    json::decode(text).map_err(|_| KeyFlaw::Form)
}

fn text<'a>(members: &'a Map<String, Value>, name: &str) -> Result<Option<&'a str>, KeyFlaw> {
    match members.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyFlaw::Form),
    }
}

fn bit_length(bytes: &[u8]) -> usize {
    let zeros = bytes.first().map_or(0, |first| first.leading_zeros());
    (bytes.len() * 8).saturating_sub(zeros as usize)
}
