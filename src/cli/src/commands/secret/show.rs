//! Answers in words: dates, labels, tags, values.
//!
//! JSON answers use the member names of the AWS API, so that scripts written for it go on working.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::secrets::v1::{Tag, VersionStages};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::value::Value;

/// A date as RFC 3339, to the millisecond.
pub fn date(seconds: i64, nanos: i32) -> String {
    match Timestamp::new(seconds, nanos) {
        Ok(date) => format!("{date:.3}"),
        Err(_) => "(not a date)".into(),
    }
}

/// A date of which only the day is kept, in UTC.
pub fn day(seconds: i64) -> String {
    match Timestamp::from_second(seconds) {
        Ok(date) => date.strftime("%F").to_string(),
        Err(_) => "(not a date)".into(),
    }
}

/// Tags as people read them.
pub fn tags(tags: &[Tag]) -> String {
    tags.iter()
        .map(|tag| format!("{}={}", tag.key, tag.value))
        .collect::<Vec<_>>()
        .join(" ")
}

/// Tags as AWS writes them.
pub fn tags_json(tags: &[Tag]) -> Json {
    tags.iter()
        .map(|tag| json!({ "Key": tag.key, "Value": tag.value }))
        .collect()
}

/// The labelled versions as people read them.
pub fn stages(versions: &BTreeMap<String, VersionStages>) -> String {
    let line = |(version, stages): (&String, &VersionStages)| {
        format!("{version}: {}", stages.stages.join(" "))
    };
    versions.iter().map(line).collect::<Vec<_>>().join(", ")
}

/// The labelled versions as AWS writes them.
pub fn stages_json(versions: &BTreeMap<String, VersionStages>) -> Json {
    let members: Map<String, Json> = versions
        .iter()
        .map(|(version, stages)| (version.clone(), json!(stages.stages)))
        .collect();
    Json::Object(members)
}

/// What is said of a value that is not shown.
pub fn hidden(value: &Value) -> String {
    let kind = if value.is_text() { "text" } else { "binary" };
    format!("{kind}, {} bytes, not shown", value.as_bytes().len())
}

/// A value that was asked for, as people read it; bytes as base64.
pub fn shown(value: &Value) -> String {
    match value {
        Value::Text(text) => text.to_string(),
        Value::Binary(bytes) => STANDARD.encode(bytes),
    }
}

/// A value that was asked for, as AWS writes it: its member and what stands there.
pub fn shown_json(value: &Value) -> (&'static str, Json) {
    let member = if value.is_text() {
        "SecretString"
    } else {
        "SecretBinary"
    };
    (member, Json::String(shown(value)))
}

/// A JSON object without the members that have nothing to say.
pub fn object(members: Vec<(&'static str, Json)>) -> Json {
    let said = |value: &Json| match value {
        Json::Null => false,
        Json::String(text) => !text.is_empty(),
        Json::Array(items) => !items.is_empty(),
        Json::Object(members) => !members.is_empty(),
        _ => true,
    };
    let members: Map<String, Json> = members
        .into_iter()
        .filter(|(_, value)| said(value))
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_has_no_time() {
        assert_eq!(day(0), "1970-01-01");
        assert_eq!(day(1_795_996_799), "2026-11-29");
        assert_eq!(day(i64::MAX), "(not a date)");
    }
}
