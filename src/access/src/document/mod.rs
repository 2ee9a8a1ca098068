//! Policy documents, parsed.

mod error;
mod json;
mod list;
mod principal;
mod statement;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use crate::limits::{
    ENDPOINT_POLICY_CHARS_MAX, IDENTITY_POLICY_CHARS_MAX, POLICY_TEXT_BYTES_MAX,
    RESOURCE_POLICY_CHARS_MAX, SESSION_POLICY_CHARS_MAX, TRUST_POLICY_CHARS_MAX,
};

use json::Path;
use statement::Rules;

pub(crate) use error::Flaw;
pub use error::PolicyError;
pub(crate) use json::Json;
pub(crate) use principal::{Grant, Named, Principals};
pub(crate) use statement::Statement;

/// What a document is attached to, which says what elements it must or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// To a user, a group or a role: it names resources and no principals.
    Identity,
    /// To a resource: it names principals and resources.
    Resource,
    /// To a role, for who may assume it: it names principals and no resources.
    Trust,
    /// To a session, when it is issued: as an identity policy.
    Session,
    /// To a user or role, as the most it may be allowed: as an identity policy.
    Boundary,
    /// To a private listener: as a resource policy.
    Endpoint,
}

/// A policy, parsed and immutable. It may name secrets, so its `Debug` shows only how long it is.
pub struct Policy {
    kind: PolicyKind,
    statements: Vec<Statement>,
}

impl Policy {
    /// Parses a document. A key that stands twice is refused, and so is everything that the policy
    /// language does not have or that has no place in this kind of policy.
    ///
    /// Identity policies and boundaries have at most 6,144 characters and trust policies 4,096,
    /// white space not counted; resource and endpoint policies 20,480 and session policies 2,048,
    /// with it. No text has more than 131,072 bytes. Time and memory are linear in the text.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Policy, PolicyError> {
        kind.check_size(text)?;
        let json = Json::parse(text)?;
        let Json::Map(elements) = &json else {
            return Err(wrong_type(
                &Path::Top,
                "a policy, which is an object,",
                &json,
            ));
        };
        let (mut variables, mut found) = (false, None);
        for (name, value) in elements {
            let path = Path::Top.key(name);
            match name.as_str() {
                "Version" => {
                    variables = match self::text(value, &path)? {
                        "2012-10-17" => true,
                        "2008-10-17" => false,
                        _ => return Err(path.error(Flaw::Version)),
                    };
                }
                "Id" if kind.is_of_identity() => {
                    return Err(path.error(Flaw::Misplaced("Id")));
                }
                "Id" => drop(self::text(value, &path)?),
                "Statement" => found = Some(value),
                _ => return Err(path.error(Flaw::UnknownElement)),
            }
        }
        let found = found.ok_or_else(|| Path::Top.error(Flaw::Missing("Statement")))?;
        let statements = statements(found, Rules { kind, variables })?;
        Ok(Policy { kind, statements })
    }

    /// What the document is attached to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }

    pub(crate) fn statements(&self) -> &[Statement] {
        &self.statements
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Policy")
            .field("kind", &self.kind)
            .field("statements", &self.statements.len())
            .finish_non_exhaustive()
    }
}

impl PolicyKind {
    /// Whether every statement names principals.
    pub(crate) fn names_principals(self) -> bool {
        matches!(
            self,
            PolicyKind::Resource | PolicyKind::Trust | PolicyKind::Endpoint
        )
    }

    /// Whether it is attached to who calls.
    fn is_of_identity(self) -> bool {
        matches!(
            self,
            PolicyKind::Identity | PolicyKind::Boundary | PolicyKind::Session
        )
    }

    fn check_size(self, text: &str) -> Result<(), PolicyError> {
        let (max, is_counted): (_, fn(char) -> bool) = match self {
            PolicyKind::Identity | PolicyKind::Boundary => {
                (IDENTITY_POLICY_CHARS_MAX, |c| !c.is_whitespace())
            }
            PolicyKind::Trust => (TRUST_POLICY_CHARS_MAX, |c| !c.is_whitespace()),
            PolicyKind::Session => (SESSION_POLICY_CHARS_MAX, |_| true),
            PolicyKind::Resource => (RESOURCE_POLICY_CHARS_MAX, |_| true),
            PolicyKind::Endpoint => (ENDPOINT_POLICY_CHARS_MAX, |_| true),
        };
        let refuse = |flaw| Err(Path::Top.error(flaw));
        let (found, max_bytes) = (text.len(), POLICY_TEXT_BYTES_MAX);
        if found > max_bytes {
            let max = max_bytes;
            return refuse(Flaw::ValueTooLong { found, max });
        }
        let chars = text.chars().filter(|c| is_counted(*c)).count();
        match chars > max {
            true => refuse(Flaw::TooLong { chars, max }),
            false => Ok(()),
        }
    }
}

/// One statement, or a list of at least one. The size of a text bounds how many it has.
fn statements(json: &Json, rules: Rules) -> Result<Vec<Statement>, PolicyError> {
    let path = Path::Top.key("Statement");
    let items = match json {
        Json::List(items) => items,
        alone => return Ok(vec![Statement::parse(alone, rules, &path)?]),
    };
    if items.is_empty() {
        return Err(path.error(Flaw::Empty));
    }
    let mut statements: Vec<Statement> = Vec::with_capacity(items.len());
    let mut sids = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let path = path.index(at);
        let statement = Statement::parse(item, rules, &path)?;
        let is_new = statement.sid.clone().is_none_or(|sid| sids.insert(sid));
        if !is_new {
            return Err(path.key("Sid").error(Flaw::SidTwice));
        }
        statements.push(statement);
    }
    Ok(statements)
}

fn text<'a>(json: &'a Json, path: &Path<'_>) -> Result<&'a str, PolicyError> {
    match json {
        Json::Text(text) => Ok(text),
        other => Err(wrong_type(path, "a string", other)),
    }
}

fn wrong_type(path: &Path<'_>, wanted: &'static str, found: &Json) -> PolicyError {
    let found = found.kind();
    path.error(Flaw::Type { wanted, found })
}
