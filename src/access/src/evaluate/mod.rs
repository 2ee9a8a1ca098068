//! The decision over all policies that a request meets.
//!
//! 1. A statement of any layer that denies the request denies it.
//! 2. In the account of the resource, the policy of the caller or of the resource has to allow:
//!    - A resource policy that names the very caller (a user, a session, a service, everyone) is
//!      limited by nothing.
//!    - One that names a role is limited by boundary and session policies, as what the policies of
//!      the caller allow is.
//!    - One that names an account delegates to it: the policies of the caller have to allow too.
//!
//!    A trust policy has to allow, whatever the policies of the caller say.
//! 3. In another account both have to allow, with the caller's boundary and session policies.
//! 4. The root of an account needs no policy of its own.
//! 5. The policy of a private listener has to allow as well, whoever calls.

mod layer;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::context::Context;
use crate::document::{Grant, Policy, PolicyKind};
use crate::principal::Principal;
use crate::reason::{Layer, Reason};

use layer::{Found, Said, ask};

/// A policy, and what a [`Reason`] calls it: `policy/readers`, `resource policy of app/db`.
#[derive(Debug, Clone, Copy)]
pub struct Attached<'a> {
    /// The name.
    pub name: &'a str,
    /// The policy.
    pub policy: &'a Policy,
}

/// What is asked for. `Debug` does not show the resource, which may name a secret.
#[derive(Clone, Copy)]
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
#[derive(Debug, Clone, Copy, Default)]
pub struct Policies<'a> {
    /// Of the user with its groups, or of the role.
    pub identity: &'a [Attached<'a>],
    /// Of the user or role: the most it may be allowed.
    pub boundary: Option<Attached<'a>>,
    /// What the session was issued with, if with any; an empty list allows nothing.
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
///
/// Takes time in proportion to the patterns of the policies and the length of what they are
/// compared with: the resource and the values of the context, which the caller has to bound.
pub fn decide(policies: &Policies<'_>, request: &Request<'_>) -> Decision {
    let said = Layers::ask(policies, request);
    if let Some((layer, found)) = said.denied() {
        return Decision {
            effect: Effect::ExplicitDeny,
            reason: Reason::denied(layer, found.name()),
        };
    }
    let allowed = said.allowed(request).and_then(|reason| {
        let is_let_in = said.endpoint.is_none_or(|said| said.allowed.is_some());
        is_let_in.then_some(reason).ok_or(Layer::Endpoint)
    });
    match allowed {
        Ok(reason) => Decision {
            effect: Effect::Allow,
            reason: reason.into_reason(),
        },
        Err(layer) => Decision {
            effect: Effect::ImplicitDeny,
            reason: Reason::nothing_allows(layer),
        },
    }
}

impl fmt::Debug for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("principal", self.principal)
            .field("action", &self.action)
            .field("resource_account", &self.resource_account)
            .field("context", self.context)
            .finish_non_exhaustive()
    }
}

/// What each layer says; none where there is no such layer.
struct Layers<'a> {
    identity: Said<'a>,
    boundary: Option<Said<'a>>,
    session: Option<Said<'a>>,
    resource: Option<Said<'a>>,
    endpoint: Option<Said<'a>>,
    /// The policy of the resource is a trust policy.
    is_trust: bool,
}

/// What allows a request.
enum Allowed<'a> {
    Identity(Found<'a>),
    Resource(Found<'a>),
    Root,
}

impl<'a> Layers<'a> {
    fn ask(policies: &Policies<'a>, request: &Request<'_>) -> Layers<'a> {
        let has_boundary = policies.boundary.is_some();
        let ask = |policies: &[Attached<'a>]| ask(policies, request, has_boundary);
        let ask_one = |attached: Attached<'a>| ask(&[attached]);
        let trusts = |attached: Attached<'_>| attached.policy.kind() == PolicyKind::Trust;
        Layers {
            identity: ask(policies.identity),
            boundary: policies.boundary.map(ask_one),
            session: policies.session.map(ask),
            resource: policies.resource.map(ask_one),
            endpoint: policies.endpoint.map(ask_one),
            is_trust: policies.resource.is_some_and(trusts),
        }
    }

    fn denied(&self) -> Option<(Layer, Found<'a>)> {
        let layers = [
            (Layer::Identity, Some(self.identity)),
            (Layer::Boundary, self.boundary),
            (Layer::Session, self.session),
            (Layer::Resource, self.resource),
            (Layer::Endpoint, self.endpoint),
        ];
        layers
            .into_iter()
            .find_map(|(layer, said)| Some((layer, said?.denied?)))
    }

    /// What allows the request, leaving the listener aside, or the layer that does not.
    fn allowed(&self, request: &Request<'_>) -> Result<Allowed<'a>, Layer> {
        let granted = self.resource.and_then(|said| said.allowed);
        match request.principal.account() {
            None => granted.map(Allowed::Resource).ok_or(Layer::Resource),
            Some(account) if account == request.resource_account => {
                self.allowed_within(request, granted)
            }
            Some(_) => {
                let allowed = self.allowed_by_caller(request)?;
                granted.map(|_| allowed).ok_or(Layer::Resource)
            }
        }
    }

    fn allowed_within(
        &self,
        request: &Request<'_>,
        granted: Option<Found<'a>>,
    ) -> Result<Allowed<'a>, Layer> {
        if self.is_trust && granted.is_none() {
            return Err(Layer::Resource);
        }
        match granted {
            Some(found) if found.grant == Grant::Caller && !self.is_federated_user(request) => {
                Ok(Allowed::Resource(found))
            }
            Some(found) if found.grant != Grant::Account => {
                self.limit().map(|()| Allowed::Resource(found))
            }
            _ => self.allowed_by_caller(request),
        }
    }

    /// A user that comes with session policies has made itself a session: who names the user, and
    /// not the session, is limited as who names a role.
    fn is_federated_user(&self, request: &Request<'_>) -> bool {
        self.session.is_some() && matches!(request.principal, Principal::User { .. })
    }

    fn allowed_by_caller(&self, request: &Request<'_>) -> Result<Allowed<'a>, Layer> {
        let allowed = match (request.principal, self.identity.allowed) {
            (Principal::Root { .. }, _) => Allowed::Root,
            (_, Some(found)) => Allowed::Identity(found),
            (_, None) => return Err(Layer::Identity),
        };
        self.limit().map(|()| allowed)
    }

    /// Boundary and session policies have to allow, where there are any.
    fn limit(&self) -> Result<(), Layer> {
        let limits = [
            (Layer::Boundary, self.boundary),
            (Layer::Session, self.session),
        ];
        for (layer, said) in limits {
            if said.is_some_and(|said| said.allowed.is_none()) {
                return Err(layer);
            }
        }
        Ok(())
    }
}

impl Allowed<'_> {
    fn into_reason(self) -> Reason {
        match self {
            Allowed::Identity(found) => Reason::allowed(Layer::Identity, found.name()),
            Allowed::Resource(found) => Reason::allowed(Layer::Resource, found.name()),
            Allowed::Root => Reason::root(),
        }
    }
}
