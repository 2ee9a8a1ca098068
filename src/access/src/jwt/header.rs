//! The header of a token: which key and algorithm it is signed with.

use serde_json::Value;

use super::{Why, json};
use crate::limits::JWKS_KEY_ID_BYTES_MAX;

/// What a header says that matters here.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) algorithm: Algorithm,
    pub(super) key_id: Option<String>,
}

/// The signatures that are taken. There is no symmetric one, and not `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    /// Of Ed25519 only.
    EdDsa,
}

impl Algorithm {
    /// By its registered name (RFC 7518, 8037 and 9864).
    pub(super) fn named(name: &str) -> Option<Algorithm> {
        Some(match name {
            "RS256" => Algorithm::Rs256,
            "RS384" => Algorithm::Rs384,
            "RS512" => Algorithm::Rs512,
            "PS256" => Algorithm::Ps256,
            "PS384" => Algorithm::Ps384,
            "PS512" => Algorithm::Ps512,
            "ES256" => Algorithm::Es256,
            "ES384" => Algorithm::Es384,
            "EdDSA" | "Ed25519" => Algorithm::EdDsa,
            _ => return None,
        })
    }
}

impl Header {
    pub(super) fn parse(bytes: &[u8]) -> Result<Header, Why> {
        let members = json::object(bytes).ok_or(Why::Header)?;
        let text = |name| match members.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(Why::Header),
        };
        if members.contains_key("crit") {
            return Err(Why::Critical);
        }
        // Others are logout tokens, security events and the like, which an issuer signs with the
        // same keys for the same audience.
        let is_ours = |kind: &str| {
            ["jwt", "at+jwt"]
                .iter()
                .any(|ours| kind.eq_ignore_ascii_case(ours))
        };
        if text("typ")?.is_some_and(|kind| !is_ours(kind)) {
            return Err(Why::Type);
        }
        let name = text("alg")?.ok_or(Why::Algorithm)?;
        let key_id = text("kid")?.map(str::to_owned);
        if key_id
            .as_ref()
            .is_some_and(|id| id.len() > JWKS_KEY_ID_BYTES_MAX)
        {
            return Err(Why::Key);
        }
        Ok(Header {
            algorithm: Algorithm::named(name).ok_or(Why::Algorithm)?,
            key_id,
        })
    }
}
