//! The parts of an authorization, each parsed strictly.

use crate::limits::{SIGV4_ACCESS_KEY_CHARS_MAX, SIGV4_HEADERS_MAX, SIGV4_SCOPE_BYTES_MAX};

const TERMINATOR: &str = "aws4_request";

/// `KEY/20150830/eu-west-1/secretsmanager/aws4_request`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Credential {
    pub(super) access_key: String,
    /// Eight digits.
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
}

/// The names of the signed headers: in lower case, in order, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedHeaders(Vec<String>);

impl Credential {
    pub(super) fn parse(text: &str) -> Option<Credential> {
        let mut parts = text.split('/');
        let mut next = || parts.next();
        let (access_key, date, region) = (next()?, next()?, next()?);
        let (service, terminator) = (next()?, next()?);
        let is_key = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
        let is_name = |text: &str| {
            let is_name_byte = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
            (1..=SIGV4_SCOPE_BYTES_MAX).contains(&text.len()) && text.bytes().all(is_name_byte)
        };
        let is_good = (1..=SIGV4_ACCESS_KEY_CHARS_MAX).contains(&access_key.len())
            && access_key.bytes().all(is_key)
            && date.len() == 8
            && date.bytes().all(|b| b.is_ascii_digit())
            && is_name(region)
            && is_name(service)
            && terminator == TERMINATOR
            && parts.next().is_none();
        is_good.then(|| Credential {
            access_key: access_key.to_owned(),
            date: date.to_owned(),
            region: region.to_owned(),
            service: service.to_owned(),
        })
    }

    /// The scope: all of it but the key.
    pub(super) fn scope(&self) -> String {
        format!(
            "{}/{}/{}/{TERMINATOR}",
            self.date, self.region, self.service
        )
    }

    /// What the steps of the signing key are made of, after the secret.
    pub(super) fn steps(&self) -> [&str; 4] {
        [&self.date, &self.region, &self.service, TERMINATOR]
    }
}

impl SignedHeaders {
    pub(super) fn parse(text: &str) -> Option<SignedHeaders> {
        let names: Vec<String> = text.split(';').map(str::to_owned).collect();
        let is_name = |name: &String| {
            let is_lower = |b: u8| b.is_ascii_graphic() && !b.is_ascii_uppercase() && b != b':';
            !name.is_empty() && name.bytes().all(is_lower)
        };
        let is_good = names.len() <= SIGV4_HEADERS_MAX
            && names.iter().all(is_name)
            && names.is_sorted_by(|a, b| a < b);
        is_good.then_some(SignedHeaders(names))
    }

    pub(super) fn names(&self) -> &[String] {
        &self.0
    }

    pub(super) fn contains(&self, name: &str) -> bool {
        self.0.iter().any(|signed| signed == name)
    }
}

/// 32 bytes of 64 digits in lower case.
pub(super) fn unhex(text: &str) -> Option<[u8; 32]> {
    let digit = |b: &u8| match b {
        b'0'..=b'9' => Some(b - b'0'),
        b'a'..=b'f' => Some(b - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if pairs.len() != 32 || !rest.is_empty() {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(high)? << 4 | digit(low)?;
    }
    Some(bytes)
}

/// Digits in lower case.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
