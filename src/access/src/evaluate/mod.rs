//! The decision over all policies that a request meets.

use crate::context::Context;
use crate::document::Policy;
use crate::principal::Principal;
use crate::reason::{Layer, Reason};

/// A policy, and what a [`Reason`] calls it: `policy/readers`, `resource policy of app/db`.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'a> {
    /// The name.
    pub name: &'a str,
    /// The policy.
    pub policy: &'a Policy,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// Who asks.
    pub principal: &'a Principal,
    /// The action, such as `secretsmanager:GetSecretValue`. Compares without regard to case.
    pub action: &'a str,
    /// The ARN of the resource, or `*` for actions that have none.
    pub resource: &'a str,
    /// The account that owns the resource.
    pub resource_account: &'a str,
    /// What the request says of itself. [`Principal::describe`] sets the keys of the caller.
    pub context: &'a Context,
}

/// The policies that a request meets.
#[derive(Debug, Clone, Copy)]
pub struct Policies<'a> {
    /// Of the user with its groups, or of the role.
    pub identity: &'a [Attached<'a>],
    /// Of the user or role: the most it may be allowed.
    pub boundary: Option<Attached<'a>>,
    /// What the session was issued with; an empty list allows nothing.
    pub session: Option<&'a [Attached<'a>]>,
    /// Of the resource; of a role that is to be assumed, its trust policy.
    pub resource: Option<Attached<'a>>,
    /// Of the private listener that the request came in by.
    pub endpoint: Option<Attached<'a>>,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// The request is allowed.
    Allow,
    /// A statement denies it.
    ExplicitDeny,
    /// Nothing allows it.
    ImplicitDeny,
}

/// A decision with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is decided.
    pub effect: Effect,
    /// Why.
    pub reason: Reason,
}

/// Decides whether a request is allowed.
pub fn decide(policies: &Policies<'_>, request: &Request<'_>) -> Decision {
    let _ = (policies, request);
    Decision {
        effect: Effect::ImplicitDeny,
        reason: Reason::nothing_allows(Layer::Identity),
    }
}
