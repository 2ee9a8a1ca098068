//! Policy variables: `${key}` and `${key, 'default'}`.

use crate::context::{Context, Value};
use crate::document::Flaw;

/// A place in a value that the request fills in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    /// In lower case.
    key: String,
    default: Option<String>,
}

/// What stands between `${` and `}`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Filled {
    /// One of `*`, `?` and `$`, meant as it is.
    Literal(char),
    Variable(Variable),
}

impl Filled {
    /// Parses what stands behind `${`; gives what follows the `}` too.
    pub(crate) fn parse(text: &str) -> Result<(Filled, &str), Flaw> {
        let end = closing(text).ok_or(Flaw::Variable("a variable begins here, close it by }"))?;
        let (body, rest) = text.split_at(end);
        let rest = rest.strip_prefix('}').unwrap_or(rest);
        if let "*" | "?" | "$" = body {
            return Ok((Filled::Literal(body.chars().next().unwrap_or('$')), rest));
        }
        let (key, default) = match body.split_once(',') {
            Some((key, default)) => (key, Some(unquoted(default)?)),
            None => (body, None),
        };
        let (key, named) = (
            key.trim(),
            "name a key in the variable, such as aws:username",
        );
        if key.is_empty() || key.contains(['$', '{', '*', '?', '\'', ' ']) || !key.contains(':') {
            return Err(Flaw::Variable(named));
        }
        let key = key.to_lowercase();
        Ok((Filled::Variable(Variable { key, default }), rest))
    }
}

impl Variable {
    /// The value in this request; none if it has no single one and there is no default.
    pub(crate) fn value<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match context.find(&self.key) {
            Some(Value::One(value)) => Some(value),
            Some(Value::Many(_)) | None => self.default.as_deref(),
        }
    }
}

/// Where the variable ends; a brace in a quoted default does not end it.
fn closing(text: &str) -> Option<usize> {
    let mut quoted = false;
    text.char_indices().find_map(|(at, c)| {
        quoted ^= c == '\'';
        (c == '}' && !quoted).then_some(at)
    })
}

fn unquoted(text: &str) -> Result<String, Flaw> {
    let inner = text.trim().strip_prefix('\'');
    let inner = inner.and_then(|text| text.strip_suffix('\''));
    match inner {
        Some(inner) if !inner.contains('\'') => Ok(inner.to_owned()),
        _ => Err(Flaw::Variable(
            "put the default of the variable between single quotes",
        )),
    }
}
