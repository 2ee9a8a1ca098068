//! What a request says of itself: the keys that conditions ask for and variables stand for.

use std::collections::BTreeMap;
use std::fmt;

/// The keys of a request. Their names compare without regard to case.
///
/// Tag keys are part of a name (`aws:ResourceTag/Team`), so tags that differ only in case are one
/// key here, and the one set last counts. `Debug` shows no values: names and tags are among them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// By name in lower case.
    values: BTreeMap<String, Value>,
}

/// What a key holds. `Debug` shows only how many values.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// One value. Binary ones are in base64, times in ISO 8601 or as seconds since 1970.
    One(String),
    /// A set, which may be empty.
    Many(Vec<String>),
}

impl Context {
    /// Makes a context without any key.
    pub fn new() -> Context {
        Context::default()
    }

    /// Sets a single-valued key.
    pub fn set(&mut self, key: &str, value: impl Into<String>) {
        self.put(key, Value::One(value.into()));
    }

    /// Sets a multivalued key. To conditions an empty set is as good as an absent key.
    pub fn set_many<V: Into<String>>(&mut self, key: &str, values: impl IntoIterator<Item = V>) {
        self.put(key, Value::Many(values.into_iter().map(V::into).collect()));
    }

    /// Looks a key up, by a name in any case.
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.find(&key.to_lowercase())
    }

    /// Looks a key up whose name is in lower case already.
    pub(crate) fn find(&self, lowered: &str) -> Option<&Value> {
        self.values.get(lowered)
    }

    fn put(&mut self, key: &str, value: Value) {
        self.values.insert(key.to_lowercase(), value);
    }
}

impl Value {
    /// Shows the values: one, or as many as there are.
    pub fn as_slice(&self) -> &[String] {
        match self {
            Value::One(value) => std::slice::from_ref(value),
            Value::Many(values) => values,
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::One(_) => f.write_str("One(redacted)"),
            Value::Many(values) => write!(f, "Many({} redacted)", values.len()),
        }
    }
}
