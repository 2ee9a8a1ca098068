//! One record: who asked for what, from where, what came of it and why.
//!
//! The record is closed: it has these fields and no others, each within its bound, and none of them
//! can hold the value of a secret. What is longer is cut and marked; see `text.rs`.

use std::fmt::Write;
use std::net::IpAddr;

use serde::Deserialize;
use serde::de::{Deserializer, Error};

use crate::limits::{
    CALLER_BYTES_MAX, ERROR_BYTES_MAX, FEED_BYTES_MAX, LISTENER_BYTES_MAX, METHOD_BYTES_MAX,
    REGION_BYTES_MAX, RESOURCE_BYTES_MAX, SESSION_BYTES_MAX, STAGE_BYTES_MAX, STATEMENT_BYTES_MAX,
    VERSION_BYTES_MAX,
};
use crate::link::{self, Hash};
use crate::text::put;
use crate::{Owner, Time};

/// What is put before the name of an error that would be taken for another result.
const NOT_A_NAME: &str = "Error.";

/// Something that was asked for, or done by the node itself. Texts are empty where there is
/// nothing to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// When it was decided, by the node's clock.
    pub time: Time,
    /// Whether somebody asked.
    pub kind: Kind,
    /// The ARN of the caller, or the identity its certificate has.
    pub caller: &'a str,
    /// The id of the caller's session, or the certificate by which it proved who it is.
    pub session: &'a str,
    /// Where the call came from.
    pub address: Option<IpAddr>,
    /// The listener that took it.
    pub listener: &'a str,
    /// The AWS operation, or the rpc.
    pub method: &'a str,
    /// The ARN it is about, or what the caller named if there is none.
    pub resource: &'a str,
    /// The version it is about.
    pub version: &'a str,
    /// The stage it is about.
    pub stage: &'a str,
    /// What came of it.
    pub outcome: Outcome<'a>,
    /// The statement of a policy that decided, in short.
    pub statement: &'a str,
    /// The request's id, as the caller was told.
    pub request: [u8; 16],
    /// Where the write stands in its feed, or what a read had seen.
    pub position: Option<Position<'a>>,
}

/// Whether somebody asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A caller did.
    Call,
    /// The node acted by itself.
    Internal,
}

/// What came of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome<'a> {
    /// It was allowed, and done.
    Allowed,
    /// It was not allowed.
    Denied,
    /// It failed with an error of this name, as `ResourceNotFoundException`. A name that does not
    /// begin with a capital letter is written behind `Error.`.
    Failed(&'a str),
}

/// A place in a feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position<'a> {
    /// The feed.
    pub feed: &'a str,
    /// The number of the epoch.
    pub epoch: u64,
    /// The region whose epoch it is.
    pub epoch_region: &'a str,
    /// The revision.
    pub revision: u64,
}

/// A record as read back, with what its line adds.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// When it was decided, to the microsecond.
    pub time: Time,
    /// Whether somebody asked.
    pub kind: Kind,
    /// The caller.
    pub caller: String,
    /// The caller's session, or its certificate.
    pub session: String,
    /// Where the call came from.
    pub address: Option<IpAddr>,
    /// The listener that took it.
    pub listener: String,
    /// The AWS operation, or the rpc.
    pub method: String,
    /// What it is about.
    pub resource: String,
    /// The version it is about.
    pub version: String,
    /// The stage it is about.
    pub stage: String,
    /// `allowed`, `denied`, or the name of an error.
    pub result: String,
    /// The statement that decided.
    pub statement: String,
    /// The request's id.
    #[serde(deserialize_with = "request")]
    pub request: [u8; 16],
    /// The region of the node that recorded it.
    pub region: String,
    /// The node that recorded it.
    pub node: u64,
    /// Where the write stands in its feed, or what a read had seen.
    pub position: Option<EntryPosition>,
    /// Counts the records of the node from one.
    #[serde(skip)]
    pub seq: u64,
    /// The hash of its line, and so of all lines before.
    #[serde(skip)]
    pub hash: Hash,
}

/// A place in a feed, as read back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EntryPosition {
    /// The feed.
    pub feed: String,
    /// The number of the epoch.
    pub epoch: u64,
    /// The region whose epoch it is.
    pub epoch_region: String,
    /// The revision.
    pub revision: u64,
}

impl Record<'_> {
    /// Writes the record as what is sealed: a JSON object with the fields in this order.
    pub(crate) fn put(&self, line: &mut String, owner: &Owner) {
        // Writing to a string cannot fail.
        let _ = write!(line, "{{\"time\":\"{}\",\"kind\":\"", self.time);
        line.push_str(match self.kind {
            Kind::Call => "call\"",
            Kind::Internal => "internal\"",
        });
        field(line, "caller", self.caller, CALLER_BYTES_MAX);
        field(line, "session", self.session, SESSION_BYTES_MAX);
        let _ = match self.address {
            Some(address) => write!(line, ",\"address\":\"{address}\""),
            None => write!(line, ",\"address\":null"),
        };
        field(line, "listener", self.listener, LISTENER_BYTES_MAX);
        field(line, "method", self.method, METHOD_BYTES_MAX);
        field(line, "resource", self.resource, RESOURCE_BYTES_MAX);
        field(line, "version", self.version, VERSION_BYTES_MAX);
        field(line, "stage", self.stage, STAGE_BYTES_MAX);
        match self.outcome {
            Outcome::Allowed => line.push_str(",\"result\":\"allowed\""),
            Outcome::Denied => line.push_str(",\"result\":\"denied\""),
            Outcome::Failed(name) if name.starts_with(|first: char| first.is_ascii_uppercase()) => {
                field(line, "result", name, ERROR_BYTES_MAX);
            }
            Outcome::Failed(name) => {
                let name = format!("{NOT_A_NAME}{name}");
                field(line, "result", &name, ERROR_BYTES_MAX);
            }
        }
        field(line, "statement", self.statement, STATEMENT_BYTES_MAX);
        line.push_str(",\"request\":\"");
        link::put_hex(line, &self.request);
        line.push('"');
        field(line, "region", &owner.region, REGION_BYTES_MAX);
        let _ = write!(line, ",\"node\":{}", owner.node);
        match &self.position {
            Some(position) => position.put(line),
            None => line.push_str(",\"position\":null"),
        }
        line.push('}');
    }
}

impl Position<'_> {
    fn put(&self, line: &mut String) {
        line.push_str(",\"position\":{\"feed\":");
        put(line, self.feed, FEED_BYTES_MAX);
        let _ = write!(line, ",\"epoch\":{}", self.epoch);
        field(line, "epoch_region", self.epoch_region, REGION_BYTES_MAX);
        let _ = write!(line, ",\"revision\":{}}}", self.revision);
    }
}

impl Entry {
    /// Reads what was sealed, and adds what its line says.
    pub(crate) fn read(plain: &[u8], seq: u64, hash: Hash) -> Option<Entry> {
        let entry: Entry = serde_json::from_slice(plain).ok()?;
        Some(Entry { seq, hash, ..entry })
    }
}

/// Writes a further field.
pub(crate) fn field(line: &mut String, name: &str, text: &str, bytes_max: usize) {
    line.push_str(",\"");
    line.push_str(name);
    line.push_str("\":");
    put(line, text, bytes_max);
}

fn request<'de, D: Deserializer<'de>>(deserializer: D) -> Result<[u8; 16], D::Error> {
    let text = <&str>::deserialize(deserializer)?;
    link::read_hex(text.as_bytes()).ok_or_else(|| D::Error::custom("not a request id"))
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::{Just, Strategy, any, prop_assert_eq, prop_oneof, proptest};

    use super::*;
    use crate::cipher::line_bytes_max;
    use crate::limits::LINE_BYTES_MAX;
    use crate::text::shown;

    fn owner() -> Owner {
        Owner {
            cluster: [7; 16],
            region: "eu-west-1".into(),
            node: 3,
        }
    }

    fn plain(record: &Record<'_>, owner: &Owner) -> String {
        let mut plain = String::new();
        record.put(&mut plain, owner);
        plain
    }

    fn read(plain: &str) -> Option<Entry> {
        Entry::read(plain.as_bytes(), 41, Hash([9; 32]))
    }

    #[test]
    fn a_record_has_its_fields_and_no_others() {
        let plain = plain(&record(), &owner());
        let fields: serde_json::Map<_, _> = serde_json::from_str(&plain).unwrap();
        let mut names: Vec<_> = fields.keys().collect();
        names.sort();
        let wanted = [
            "address",
            "caller",
            "kind",
            "listener",
            "method",
            "node",
            "position",
            "region",
            "request",
            "resource",
            "result",
            "session",
            "stage",
            "statement",
            "time",
            "version",
        ];
        assert_eq!(names, wanted);
        let more = plain.replacen('{', "{\"value\":\"x\",", 1);
        assert!(read(&plain).is_some() && read(&more).is_none());
    }

    fn record() -> Record<'static> {
        Record {
            time: Time(1),
            kind: Kind::Call,
            caller: "",
            session: "",
            address: None,
            listener: "",
            method: "GetSecretValue",
            resource: "",
            version: "",
            stage: "",
            outcome: Outcome::Allowed,
            statement: "",
            request: [0; 16],
            position: None,
        }
    }

    #[test]
    fn the_longest_record_keeps_the_bound_of_a_line() {
        let text = "\u{1}".repeat(5000);
        let position = Position {
            feed: &text,
            epoch: u64::MAX,
            epoch_region: &text,
            revision: u64::MAX,
        };
        let record = Record {
            time: Time(u64::MAX),
            kind: Kind::Internal,
            caller: &text,
            session: &text,
            address: "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255".parse().ok(),
            listener: &text,
            method: &text,
            resource: &text,
            version: &text,
            stage: &text,
            outcome: Outcome::Failed(&text),
            statement: &text,
            request: [255; 16],
            position: Some(position),
        };
        let owner = Owner {
            region: text.clone(),
            node: u64::MAX,
            ..owner()
        };
        let plain = plain(&record, &owner);
        let bytes = line_bytes_max(plain.len());
        assert!(bytes <= LINE_BYTES_MAX, "{bytes} bytes");
        assert!(read(&plain).is_some());
    }

    fn outcome() -> impl Strategy<Value = Option<Option<String>>> {
        prop_oneof![
            Just(None),
            Just(Some(None)),
            "[a-zA-Z]{0,80}".prop_map(|name| Some(Some(name)))
        ]
    }

    proptest! {
        #[test]
        fn a_record_reads_back_as_it_is_shown(
            time in any::<u64>(),
            texts in proptest::collection::vec(any::<String>(), 10),
            address in option::of(any::<IpAddr>()),
            outcome in outcome(),
            request in any::<[u8; 16]>(),
            place in option::of(any::<(u64, u64)>()),
        ) {
            let record = Record {
                time: Time(time),
                kind: if time % 2 == 0 { Kind::Call } else { Kind::Internal },
                caller: &texts[0],
                session: &texts[1],
                address,
                listener: &texts[2],
                method: &texts[3],
                resource: &texts[4],
                version: &texts[5],
                stage: &texts[6],
                outcome: match &outcome {
                    None => Outcome::Allowed,
                    Some(None) => Outcome::Denied,
                    Some(Some(name)) => Outcome::Failed(name),
                },
                statement: &texts[7],
                request,
                position: place.map(|(epoch, revision)| Position {
                    feed: &texts[8],
                    epoch,
                    epoch_region: &texts[9],
                    revision,
                }),
            };
            let entry = read(&plain(&record, &owner())).unwrap();
            prop_assert_eq!(entry.time, Time(time / 1000 * 1000));
            prop_assert_eq!(entry.kind, record.kind);
            prop_assert_eq!(entry.caller, shown(&texts[0], CALLER_BYTES_MAX));
            prop_assert_eq!(entry.session, shown(&texts[1], SESSION_BYTES_MAX));
            prop_assert_eq!(entry.address, address);
            prop_assert_eq!(entry.listener, shown(&texts[2], LISTENER_BYTES_MAX));
            prop_assert_eq!(entry.method, shown(&texts[3], METHOD_BYTES_MAX));
            prop_assert_eq!(entry.resource, shown(&texts[4], RESOURCE_BYTES_MAX));
            prop_assert_eq!(entry.version, shown(&texts[5], VERSION_BYTES_MAX));
            prop_assert_eq!(entry.stage, shown(&texts[6], STAGE_BYTES_MAX));
            prop_assert_eq!(entry.statement, shown(&texts[7], STATEMENT_BYTES_MAX));
            prop_assert_eq!(entry.request, request);
            prop_assert_eq!((entry.region.as_str(), entry.node), ("eu-west-1", 3));
            let place_read = entry.position.as_ref().map(|p| (p.epoch, p.revision));
            prop_assert_eq!(place_read, place);
            prop_assert_eq!((entry.seq, entry.hash), (41, Hash([9; 32])));
            let (is_allowed, is_denied) = (entry.result == "allowed", entry.result == "denied");
            prop_assert_eq!((is_allowed, is_denied), (outcome.is_none(), outcome == Some(None)));
        }

        #[test]
        fn no_text_makes_reading_panic(text in "(\\{\"time\":\")?.{0,200}") {
            let _ = read(&text);
        }
    }
}
