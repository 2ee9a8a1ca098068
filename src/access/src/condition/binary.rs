//! Bytes.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::document::Flaw;

/// Parses base64 with its padding.
pub(super) fn parse(text: &str) -> Result<Vec<u8>, Flaw> {
    let decoded = STANDARD.decode(text);
    decoded.map_err(|_| Flaw::ConditionValue("base64"))
}
