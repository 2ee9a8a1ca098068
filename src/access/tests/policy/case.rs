//! A case: who asks for what, under which policies, and what must come of it. Cases are JSON, so
//! that files, the generator and the program that judges mutants all speak of the same thing.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a request comes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// It is allowed.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// Too few statements allow it.
    #[default]
    ImplicitDeny,
    /// A document is refused when it is read.
    Invalid,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CallerKind {
    /// The account itself.
    Root,
    /// A user of an account.
    User,
    /// A session of a role.
    Session,
    /// A service.
    Service,
    /// Somebody whom an identity provider vouches for.
    Federated,
    /// Anybody.
    #[default]
    Anonymous,
}

/// Who asks, with the fields that their kind has; the others are empty.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Caller {
    /// Which of the fields below mean something.
    pub kind: CallerKind,
    /// Twelve digits.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub account: String,
    /// ARN of the user or of the session.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub arn: String,
    /// ARN of the role that a session is of.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub role: String,
    /// The unique id, which a policy here never names.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub id: String,
    /// Name of a service.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// ARN or issuer of an identity provider.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub provider: String,
}

/// The value of a request key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Given {
    /// Of a single-valued key.
    One(String),
    /// Of a multivalued key; may be none.
    Many(Vec<String>),
}

/// A request, the policies that meet it, and the outcome.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// A sentence that the case proves; empty if generated.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Where it is documented.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// What the documents leave open, and what was chosen.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// Who asks.
    pub principal: Caller,
    /// `service:Name`.
    pub action: String,
    /// An ARN, or `*` where the action has no resource.
    pub resource: String,
    /// Twelve digits.
    pub resource_account: String,
    /// Request keys.
    #[serde(default)]
    pub context: BTreeMap<String, Given>,
    /// Policies of the user with its groups, or of the role.
    #[serde(default)]
    pub identity: Vec<Value>,
    /// What the user or role may have at most.
    #[serde(default)]
    pub boundary: Option<Value>,
    /// Policies that the session was issued with.
    #[serde(default)]
    pub session: Option<Vec<Value>>,
    /// Policy of the secret, or trust policy of the role.
    #[serde(default)]
    pub resource_policy: Option<Value>,
    /// Policy of the listener that the request came in by.
    #[serde(default)]
    pub endpoint_policy: Option<Value>,
    /// What must come of it.
    #[serde(default)]
    pub expect: Outcome,
    /// Who decides, where that is one: a word that the reason must hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
}

impl Case {
    /// Whether the policy of the resource is the trust policy of a role: so it is for every action
    /// by which a role is assumed.
    pub fn is_trust(&self) -> bool {
        self.action
            .to_ascii_lowercase()
            .starts_with("sts:assumerole")
    }
}

/// The text of a document: as it is if a case gives text, which may hold what a JSON value cannot.
pub fn text(document: &Value) -> String {
    match document {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    }
}
