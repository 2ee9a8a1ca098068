//! The engine's answer to a case: the one place of these tests that knows the engine.

use serde_json::Value;
use strongroom_access::{
    Attached, Context, Effect, Policies, Policy, PolicyError, PolicyKind, Principal, Request,
    decide,
};

use crate::case::{Caller, CallerKind, Case, Given, Outcome, text};

/// What the engine says.
#[derive(Debug)]
pub struct Answer {
    /// The outcome.
    pub outcome: Outcome,
    /// The layer that decided; empty if a document was refused.
    pub layer: String,
    /// The reason or the refusal, for people.
    pub sentence: String,
}

/// The documents of a case, parsed.
struct Parsed {
    identity: Vec<Policy>,
    boundary: Option<Policy>,
    session: Option<Vec<Policy>>,
    resource: Option<Policy>,
    endpoint: Option<Policy>,
}

/// Asks the engine.
pub fn answer(case: &Case) -> Answer {
    let parsed = match parse(case) {
        Ok(parsed) => parsed,
        Err(error) => {
            return Answer {
                outcome: Outcome::Invalid,
                layer: String::new(),
                sentence: error.to_string(),
            };
        }
    };
    let identity = attached("identity policy", &parsed.identity);
    let session = parsed
        .session
        .as_deref()
        .map(|policies| attached("session policy", policies));
    let policies = Policies {
        identity: &identity,
        boundary: one("boundary", parsed.boundary.as_ref()),
        session: session.as_deref(),
        resource: one("resource policy", parsed.resource.as_ref()),
        endpoint: one("endpoint policy", parsed.endpoint.as_ref()),
    };
    let principal = principal(&case.principal);
    let context = context(case);
    let request = Request {
        principal: &principal,
        action: &case.action,
        resource: &case.resource,
        resource_account: &case.resource_account,
        context: &context,
    };
    let decision = decide(&policies, &request);
    Answer {
        outcome: match decision.effect {
            Effect::Allow => Outcome::Allow,
            Effect::ExplicitDeny => Outcome::ExplicitDeny,
            Effect::ImplicitDeny => Outcome::ImplicitDeny,
        },
        layer: decision.reason.layer().to_string(),
        sentence: decision.reason.to_string(),
    }
}

fn parse(case: &Case) -> Result<Parsed, PolicyError> {
    let one = |document: &Value, kind| Policy::parse(&text(document), kind);
    let many = |documents: &[Value], kind| -> Result<Vec<Policy>, PolicyError> {
        documents.iter().map(|each| one(each, kind)).collect()
    };
    let optional = |document: &Option<Value>, kind| -> Result<Option<Policy>, PolicyError> {
        document.as_ref().map(|each| one(each, kind)).transpose()
    };
    let of_resource = if case.is_trust() {
        PolicyKind::Trust
    } else {
        PolicyKind::Resource
    };
    let session = case.session.as_ref();
    Ok(Parsed {
        identity: many(&case.identity, PolicyKind::Identity)?,
        boundary: optional(&case.boundary, PolicyKind::Boundary)?,
        session: session
            .map(|documents| many(documents, PolicyKind::Session))
            .transpose()?,
        resource: optional(&case.resource_policy, of_resource)?,
        endpoint: optional(&case.endpoint_policy, PolicyKind::Endpoint)?,
    })
}

fn attached<'a>(name: &'a str, policies: &'a [Policy]) -> Vec<Attached<'a>> {
    let each = |policy| Attached { name, policy };
    policies.iter().map(each).collect()
}

fn one<'a>(name: &'a str, policy: Option<&'a Policy>) -> Option<Attached<'a>> {
    policy.map(|policy| Attached { name, policy })
}

fn principal(caller: &Caller) -> Principal {
    let Caller {
        account,
        arn,
        role,
        id,
        name,
        provider,
        ..
    } = caller.clone();
    match caller.kind {
        CallerKind::Root => Principal::Root { account },
        CallerKind::User => Principal::User { account, arn, id },
        CallerKind::Session => Principal::Session {
            account,
            role,
            arn,
            id,
        },
        CallerKind::Service => Principal::Service { name },
        CallerKind::Federated => Principal::Federated { account, provider },
        CallerKind::Anonymous => Principal::Anonymous,
    }
}

fn context(case: &Case) -> Context {
    let mut context = Context::new();
    for (key, given) in &case.context {
        match given {
            Given::One(value) => context.set(key, value.as_str()),
            Given::Many(values) => context.set_many(key, values.iter().map(String::as_str)),
        }
    }
    context
}
