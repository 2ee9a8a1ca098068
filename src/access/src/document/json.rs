//! JSON as it stands in a text: with keys that stand twice, so that they can be refused.

use std::collections::BTreeSet;
use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::error::{Flaw, PolicyError};
use crate::limits::JSON_DEPTH_MAX;

/// A JSON value. Numbers are text: integers of 64 bits as they stand, others as the shortest text
/// that gives the same double.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(String),
    Text(String),
    List(Vec<Json>),
    /// In the order of the text, with every key once: [`Json::parse`] refuses others.
    Map(Vec<(String, Json)>),
}

/// Where a value stands, for errors.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Path<'a> {
    Top,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl Json {
    /// Parses a text. Values are nested [`JSON_DEPTH_MAX`] deep at most.
    pub(crate) fn parse(text: &str) -> Result<Json, PolicyError> {
        let mut parser = serde_json::Deserializer::from_str(text);
        let parsed = Depth(0)
            .deserialize(&mut parser)
            .and_then(|json| parser.end().map(|()| json));
        let json =
            parsed.map_err(|error| PolicyError::new("policy", Flaw::Json(error.to_string())))?;
        json.refuse_duplicates(&Path::Top)?;
        Ok(json)
    }

    /// What kind of value this is, in words.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Json::Null => "null",
            Json::Bool(_) => "a boolean",
            Json::Number(_) => "a number",
            Json::Text(_) => "a string",
            Json::List(_) => "a list",
            Json::Map(_) => "an object",
        }
    }

    fn refuse_duplicates(&self, path: &Path<'_>) -> Result<(), PolicyError> {
        match self {
            Json::List(items) => {
                for (at, item) in items.iter().enumerate() {
                    item.refuse_duplicates(&path.index(at))?;
                }
            }
            Json::Map(entries) => {
                let mut seen = BTreeSet::new();
                for (key, value) in entries {
                    let path = path.key(key);
                    if !seen.insert(key.as_str()) {
                        return Err(path.error(Flaw::Duplicate));
                    }
                    value.refuse_duplicates(&path)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl<'a> Path<'a> {
    pub(crate) fn key(&'a self, key: &'a str) -> Path<'a> {
        Path::Key(self, key)
    }

    pub(crate) fn index(&'a self, at: usize) -> Path<'a> {
        Path::Index(self, at)
    }

    pub(crate) fn error(&self, flaw: Flaw) -> PolicyError {
        PolicyError::new(self.to_string(), flaw)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Path::Top => f.write_str("policy"),
            Path::Key(Path::Top, key) => f.write_str(key),
            Path::Key(above, key) => write!(f, "{above}.{key}"),
            Path::Index(above, at) => write!(f, "{above}[{at}]"),
        }
    }
}

/// Reads a value that stands so deep.
#[derive(Clone, Copy)]
struct Depth(usize);

impl Depth {
    fn below<E: de::Error>(self) -> Result<Depth, E> {
        match self.0 < JSON_DEPTH_MAX {
            true => Ok(Depth(self.0 + 1)),
            false => Err(E::custom("too many lists and objects within each other")),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Depth {
    type Value = Json;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Json, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Depth {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Number(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Json, E> {
        Ok(Json::Text(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut items = Vec::new();
        while let Some(item) = access.next_element_seed(below)? {
            items.push(item);
        }
        Ok(Json::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Json, A::Error> {
        let below = self.below()?;
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<String>()? {
            entries.push((key, access.next_value_seed(below)?));
        }
        Ok(Json::Map(entries))
    }
}
