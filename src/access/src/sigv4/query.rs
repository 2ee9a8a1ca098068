//! Percent-encoding, and the parameters of a query.

use std::fmt::Write;

use super::Why;
use crate::limits::SIGV4_PARAMETERS_MAX;

/// The parameters of a query, decoded, in the order of the query.
#[derive(Debug)]
pub(super) struct Query(Vec<(Vec<u8>, Vec<u8>)>);

impl Query {
    /// Parses a query. A plus sign is a plus sign.
    pub(super) fn parse(text: &str) -> Result<Query, Why> {
        let wrong = Why::Form("the query");
        let mut parameters = Vec::new();
        for part in text.split('&').filter(|part| !part.is_empty()) {
            if parameters.len() == SIGV4_PARAMETERS_MAX {
                return Err(wrong);
            }
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let name = decode(name).ok_or(wrong)?;
            parameters.push((name, decode(value).ok_or(wrong)?));
        }
        Ok(Query(parameters))
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(found, _)| found == name.as_bytes())
    }

    /// The value of a parameter that may stand once.
    pub(super) fn single(&self, name: &'static str) -> Result<Option<&str>, Why> {
        let mut values = self.0.iter().filter(|(found, _)| found == name.as_bytes());
        match (values.next(), values.next()) {
            (None, _) => Ok(None),
            (Some((_, value)), None) => match std::str::from_utf8(value) {
                Ok(value) => Ok(Some(value)),
                Err(_) => Err(Why::Form(name)),
            },
            (Some(_), Some(_)) => Err(Why::Form(name)),
        }
    }

    /// The canonical form: encoded, then in order, without the signature.
    pub(super) fn canonical(&self) -> String {
        let mut parameters: Vec<(String, String)> = Vec::new();
        for (name, value) in &self.0 {
            if name != b"X-Amz-Signature" {
                parameters.push((encode(name), encode(value)));
            }
        }
        parameters.sort();
        let joined: Vec<String> = parameters
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        joined.join("&")
    }
}

/// Encodes every byte but letters, digits and `-._~`.
pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for byte in bytes {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(char::from(*byte));
            }
            // A string takes everything.
            _ => _ = write!(text, "%{byte:02X}"),
        }
    }
    text
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: Option<u8>| {
        char::from(byte?)
            .to_digit(16)
            .and_then(|d| u8::try_from(d).ok())
    };
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b'%' => digit(bytes.next())? << 4 | digit(bytes.next())?,
            _ => byte,
        });
    }
    Some(decoded)
}
