//! JSON objects and base64url as tokens and key sets have them: one reading only, or none.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::Why;
use crate::document::Json;

/// Decodes base64url without padding. Bits beyond the last byte have to be zero, so that no two
/// texts stand for the same bytes.
pub(super) fn decode(text: &str) -> Result<Vec<u8>, Why> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Why::Form)
}

/// Parses an object in which no member stands twice, at any depth; parsers differ in which of two
/// they take. Values are nested [`JSON_DEPTH_MAX`](crate::limits::JSON_DEPTH_MAX) deep at most.
pub(super) fn object(bytes: &[u8]) -> Option<Map<String, Value>> {
    let text = std::str::from_utf8(bytes).ok()?;
    match value(Json::parse(text).ok()?)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

fn value(json: Json) -> Option<Value> {
    Some(match json {
        Json::Null => Value::Null,
        Json::Bool(value) => Value::Bool(value),
        Json::Number(text) => Value::Number(text.parse().ok()?),
        Json::Text(text) => Value::String(text),
        Json::List(items) => items.into_iter().map(value).collect::<Option<_>>()?,
        Json::Map(entries) => {
            let each = |(name, json)| Some((name, value(json)?));
            entries.into_iter().map(each).collect::<Option<_>>()?
        }
    })
}
