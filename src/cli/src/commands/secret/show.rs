//! Answers in words: dates, labels, tags, values.
//!
//! JSON answers use the member names of the AWS API, so that scripts written for it go on working.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use client::secrets::v1::{ReplicationState, ReplicationStatus, Tag, VersionStages};
use client::{Behind, Shown};
use jiff::Timestamp;
use serde_json::{Map, Value as Json, json};

use crate::output::{Format, plain};
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

/// One replica as people read it.
pub fn replica(status: &ReplicationStatus) -> String {
    let mut words = format!("{}: {}", status.region, replication_state(status.status()));
    if let Some(message) = status
        .status_message
        .as_ref()
        .filter(|text| !text.is_empty())
    {
        words.push_str(&format!(" ({message})"));
    }
    if let Some(key) = &status.kms_key_id {
        words.push_str(&format!(", key {key}"));
    }
    if let Some(at) = status.last_accessed_date {
        words.push_str(&format!(", last accessed {}", date(at.seconds, at.nanos)));
    }
    words
}

/// The replicas as AWS writes them.
pub fn replicas_json(replicas: &[ReplicationStatus]) -> Json {
    let replica = |status: &ReplicationStatus| {
        let accessed = status.last_accessed_date;
        object(vec![
            ("Region", json!(status.region)),
            ("KmsKeyId", json!(status.kms_key_id)),
            ("Status", json!(replication_state(status.status()))),
            ("StatusMessage", json!(status.status_message)),
            (
                "LastAccessedDate",
                json!(accessed.map(|at| date(at.seconds, at.nanos))),
            ),
        ])
    };
    replicas.iter().map(replica).collect()
}

fn replication_state(state: ReplicationState) -> &'static str {
    match state {
        ReplicationState::InSync => "InSync",
        ReplicationState::Failed => "Failed",
        ReplicationState::InProgress => "InProgress",
        ReplicationState::Pending => "Pending",
        ReplicationState::Detached => "Detached",
        ReplicationState::Unspecified => "Unknown",
    }
}

/// Which state an answer shows, and how old it may be.
pub fn shown_state(shown: &Shown, format: Format) -> String {
    let milliseconds = |behind: &Behind| match behind {
        Behind::AtMost(time) => json!(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)),
        Behind::Unknown => json!("unknown"),
    };
    if format == Format::Json {
        let staleness = shown.staleness.as_ref().map(milliseconds);
        return json!({
            "position": shown.position,
            "staleness_ms": staleness,
            "age_ms": shown.age.as_ref().map(milliseconds),
        })
        .to_string();
    }
    let staleness = match shown.staleness {
        Some(behind) => format!("staleness: {behind}"),
        None => "staleness: none, this region is primary".to_owned(),
    };
    let age = shown.age.map(|age| format!("; age: {age}"));
    let position = shown.position.as_ref();
    let position = position.map(|position| format!("; position: {position}"));
    plain(
        &[Some(staleness), age, position]
            .map(Option::unwrap_or_default)
            .concat(),
    )
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

    #[test]
    fn a_replica_says_how_far_it_is_and_why_it_failed() {
        let status = ReplicationStatus {
            region: "eu-west-2".to_owned(),
            kms_key_id: Some("alias/orders".to_owned()),
            status: ReplicationState::Failed.into(),
            status_message: Some("the name is taken".to_owned()),
            last_accessed_date: None,
        };
        let said = "eu-west-2: Failed (the name is taken), key alias/orders";
        assert_eq!(replica(&status), said);
        let expected = json!([{ "Region": "eu-west-2", "KmsKeyId": "alias/orders",
                                "Status": "Failed", "StatusMessage": "the name is taken" }]);
        assert_eq!(replicas_json(&[status]), expected);
    }

    #[test]
    fn what_nothing_says_of_its_age_is_the_primarys() {
        let said = shown_state(&Shown::default(), Format::Table);
        assert_eq!(said, "staleness: none, this region is primary");
        let said = shown_state(&Shown::default(), Format::Json);
        assert_eq!(
            said,
            r#"{"age_ms":null,"position":null,"staleness_ms":null}"#
        );
    }
}
