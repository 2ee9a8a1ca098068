//! What is wrong with a document.

use thiserror::Error;

/// Why a text is no policy: where, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{at}: {flaw}")]
pub struct PolicyError {
    at: String,
    flaw: Flaw,
}

/// What is wrong at one place of a document.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum Flaw {
    #[error("{chars} characters are too many, {max} are the limit for this kind of policy")]
    TooLong { chars: usize, max: usize },
    #[error("this is no JSON, {0}: mend its syntax")]
    Json(String),
    #[error("{wanted} is expected here, and this is {found}")]
    Type {
        wanted: &'static str,
        found: &'static str,
    },
    #[error("the key stands here twice: keep one of them")]
    Duplicate,
    #[error("no element has this name: remove it, or correct its spelling and case")]
    UnknownElement,
    #[error("{0} is missing: add it")]
    Missing(&'static str),
    #[error("{0} has no place in this kind of policy: remove it")]
    Misplaced(&'static str),
    #[error("only one of the two may be given: remove {0}")]
    Both(&'static str),
    #[error("a list here needs at least one entry")]
    Empty,
    #[error("{found} entries are too many, {max} are the limit")]
    TooMany { found: usize, max: usize },
    #[error("{found} bytes are too many, {max} are the limit")]
    ValueTooLong { found: usize, max: usize },
    #[error("the version has to be 2012-10-17 or 2008-10-17")]
    Version,
    #[error("an effect is Allow or Deny, in this case")]
    Effect,
    #[error("a Sid in this kind of policy has letters and digits only")]
    Sid,
    #[error("another statement has this Sid: give each its own")]
    SidTwice,
    #[error("an action is a service, a colon and a name, such as secretsmanager:Get*, or *")]
    Action,
    #[error("a resource is an ARN of a named service, or *")]
    Resource,
    #[error("a variable may only stand behind the fifth colon of a resource")]
    VariablePlace,
    #[error("{0}")]
    Variable(&'static str),
    #[error(
        "a principal is *, or under AWS an account, or the full ARN of a user, role or session \
         without wildcards, under Service or Federated a name without wildcards"
    )]
    Principal,
    #[error("principals stand under AWS, Service or Federated")]
    PrincipalKind,
    #[error("NotPrincipal goes with the effect Deny: name those who are allowed instead")]
    NotPrincipalAllows,
    #[error("no condition operator has this name: correct its spelling and case")]
    Operator,
    #[error("a condition key is a prefix, a colon and a name, such as aws:SourceIp")]
    ConditionKey,
    #[error("another condition has this key in another case: write both alike")]
    ConditionKeyCase,
    #[error("{0} is expected as the value of this operator")]
    ConditionValue(&'static str),
}

impl PolicyError {
    pub(crate) fn new(at: impl Into<String>, flaw: Flaw) -> PolicyError {
        let at = at.into();
        PolicyError { at, flaw }
    }

    /// Says where: a path such as `Statement[0].Condition.StringLike`, or `policy` for all of it.
    pub fn at(&self) -> &str {
        &self.at
    }

    /// Says what is wrong there, and what to do about it.
    pub fn what(&self) -> String {
        self.flaw.to_string()
    }
}
