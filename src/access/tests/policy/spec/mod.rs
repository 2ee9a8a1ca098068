//! The specification: policy evaluation a second time, as AWS documents it, written to be read and
//! not to be fast. It shares no line with the engine. Each rule names the page it is from.

mod condition;
mod document;
mod json;
mod pattern;
mod principal;
mod values;

use crate::case::{CallerKind, Case, Outcome, text};
use document::{Document, Kind, Statement};
use pattern::Scene;
use principal::Grant;

/// The documents of a case, read.
struct Layers {
    identity: Vec<Document>,
    boundary: Option<Document>,
    session: Option<Vec<Document>>,
    resource: Option<Document>,
    endpoint: Option<Document>,
}

/// What must come of a case.
pub fn outcome(case: &Case) -> Outcome {
    match read(case) {
        Ok(layers) => decide(case, &layers),
        Err(_) => Outcome::Invalid,
    }
}

/// Why a document of the case is refused, if one is.
pub fn refusal(case: &Case) -> Option<String> {
    read(case).err()
}

fn read(case: &Case) -> Result<Layers, String> {
    let one = |document: &serde_json::Value, kind| document::parse(&text(document), kind);
    let many = |documents: &[serde_json::Value], kind| -> Result<Vec<Document>, String> {
        documents.iter().map(|each| one(each, kind)).collect()
    };
    let of_resource = if case.is_trust() {
        Kind::Trust
    } else {
        Kind::Resource
    };
    let optional = |document: &Option<serde_json::Value>, kind| -> Result<_, String> {
        document.as_ref().map(|each| one(each, kind)).transpose()
    };
    let session = case.session.as_ref();
    Ok(Layers {
        identity: many(&case.identity, Kind::Identity)?,
        boundary: optional(&case.boundary, Kind::Boundary)?,
        session: session
            .map(|documents| many(documents, Kind::Session))
            .transpose()?,
        resource: optional(&case.resource_policy, of_resource)?,
        endpoint: optional(&case.endpoint_policy, Kind::Endpoint)?,
    })
}

/// The order of the decision: an explicit deny of any policy, then every layer that must allow.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
fn decide(case: &Case, layers: &Layers) -> Outcome {
    let mut all: Vec<&Document> = layers.identity.iter().collect();
    all.extend(&layers.boundary);
    all.extend(layers.session.iter().flatten());
    all.extend(&layers.resource);
    all.extend(&layers.endpoint);
    let denied = all
        .iter()
        .any(|document| !grants(case, layers, document, false).is_empty());
    if denied {
        return Outcome::ExplicitDeny;
    }
    // An endpoint policy does not grant anything; it must allow too.
    // https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    let past_endpoint = match &layers.endpoint {
        Some(document) => !grants(case, layers, document, true).is_empty(),
        None => true,
    };
    if past_endpoint && allowed(case, layers) {
        Outcome::Allow
    } else {
        Outcome::ImplicitDeny
    }
}

fn allowed(case: &Case, layers: &Layers) -> bool {
    let by_resource = match &layers.resource {
        Some(document) => grants(case, layers, document, true),
        None => Vec::new(),
    };
    match case.principal.kind {
        // Who is in no account has no policies of their own: the policy of the resource decides.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
        CallerKind::Service | CallerKind::Federated | CallerKind::Anonymous => {
            !by_resource.is_empty()
        }
        _ if case.principal.account != case.resource_account => {
            // Both accounts are evaluated, and both must allow.
            // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html#policy-eval-cross-account
            by_own_account(case, layers) && !by_resource.is_empty()
        }
        _ if case.is_trust() => within_account_by_trust(case, layers, &by_resource),
        _ => within_account(case, layers, &by_resource),
    }
}

/// What the caller's own account allows it: its identity policies, as far as its permissions
/// boundary and its session policies allow the same; the root user everything.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
fn by_own_account(case: &Case, layers: &Layers) -> bool {
    let root = case.principal.kind == CallerKind::Root;
    root || (any_allows(case, layers, &layers.identity) && within_limits(case, layers))
}

/// Within an account either side suffices. A grant that names the user, the session or everybody
/// is limited by nothing but an explicit deny; one that names the role by the permissions boundary
/// and the session policies. One that names the account is delegated to it, which has to grant it
/// on: within the account that is what its own policies say anyway.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html#principal-roles
fn within_account(case: &Case, layers: &Layers, by_resource: &[Grant]) -> bool {
    let direct = by_resource.contains(&Grant::Direct);
    let role = by_resource.contains(&Grant::Role) && within_limits(case, layers);
    by_own_account(case, layers) || direct || role
}

/// A trust policy must allow, whatever the identity policies say. If it names the account, that is
/// delegated: an identity policy has to allow it too.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_create_for-user.html
fn within_account_by_trust(case: &Case, layers: &Layers, by_resource: &[Grant]) -> bool {
    let direct = by_resource.contains(&Grant::Direct);
    let role = by_resource.contains(&Grant::Role) && within_limits(case, layers);
    let delegated = by_resource.contains(&Grant::Account) && by_own_account(case, layers);
    direct || role || delegated
}

/// https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html#access_policies_boundaries-eval-logic
fn within_limits(case: &Case, layers: &Layers) -> bool {
    let boundary = layers.boundary.as_slice();
    let by_boundary = boundary.is_empty() || any_allows(case, layers, boundary);
    let by_session = match &layers.session {
        Some(documents) => any_allows(case, layers, documents),
        None => true,
    };
    by_boundary && by_session
}

fn any_allows(case: &Case, layers: &Layers, documents: &[Document]) -> bool {
    documents
        .iter()
        .any(|document| !grants(case, layers, document, true).is_empty())
}

/// How each statement of one effect that applies to the request reaches the caller.
fn grants(case: &Case, layers: &Layers, document: &Document, allow: bool) -> Vec<Grant> {
    let of_effect = document
        .statements
        .iter()
        .filter(|statement| statement.allow == allow);
    of_effect
        .filter_map(|statement| applies(case, layers, document, statement))
        .collect()
}

/// A statement applies if its principal, action, resource and conditions all do.
/// https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements.html
fn applies(
    case: &Case,
    layers: &Layers,
    document: &Document,
    statement: &Statement,
) -> Option<Grant> {
    let scene = Scene {
        context: &case.context,
        variables: document.variables,
    };
    let grant = match &statement.who {
        Some(who) => principal::reached(who, &case.principal, layers.boundary.is_some())?,
        None => Grant::Direct,
    };
    let action = statement.actions.covers(|pattern| {
        // The prefix and the action name are case insensitive.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_action.html
        pattern::wildcard(
            &pattern.to_ascii_lowercase(),
            &case.action.to_ascii_lowercase(),
        )
    });
    let resource = match &statement.resources {
        // "The resource that includes a policy variable with no value will not match any resource."
        // Of NotResource that can be read in two ways; the safer one is that an allow covers
        // nothing then, and a deny excepts nothing.
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value
        Some(list) if list.not && statement.allow && !list.has_values(&scene) => false,
        Some(list) => list.covers(|pattern| pattern::resource(pattern, &case.resource, &scene)),
        None => true,
    };
    let conditions = statement
        .conditions
        .iter()
        .all(|each| condition::holds(each, &scene));
    (action && resource && conditions).then_some(grant)
}
