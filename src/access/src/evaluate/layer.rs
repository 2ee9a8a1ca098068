//! What one layer of policies says to a request.

use super::{Attached, Request};
use crate::document::{Grant, Principals, Statement};
use crate::pattern::Pattern;
use crate::principal::Principal;
use crate::reason::StatementName;

/// A statement that applies, and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    policy: &'a str,
    index: usize,
    statement: &'a Statement,
    /// How directly it names the caller; the most direct where nobody is named.
    pub(super) grant: Grant,
}

/// The statements of a layer that count.
#[derive(Clone, Copy, Default)]
pub(super) struct Said<'a> {
    pub(super) denied: Option<Found<'a>>,
    /// The one that names the caller most directly.
    pub(super) allowed: Option<Found<'a>>,
}

impl Found<'_> {
    pub(super) fn name(&self) -> StatementName {
        StatementName {
            policy: self.policy.to_owned(),
            index: self.index,
            sid: self.statement.sid.clone(),
        }
    }
}

/// Asks all policies of a layer. A caller that has a boundary is exempt from no `NotPrincipal`.
pub(super) fn ask<'a>(
    policies: &[Attached<'a>],
    request: &Request<'_>,
    has_boundary: bool,
) -> Said<'a> {
    let mut said = Said::default();
    for attached in policies {
        for (index, statement) in attached.policy.statements().iter().enumerate() {
            let settled = said.allowed.map(|found| found.grant) == Some(Grant::Caller);
            if statement.allows && settled {
                continue;
            }
            let Some(grant) = statement.grant(request, has_boundary) else {
                continue;
            };
            let found = Found {
                policy: attached.name,
                index,
                statement,
                grant,
            };
            if !statement.allows {
                said.denied = Some(found);
                return said;
            }
            if said.allowed.is_none_or(|before| before.grant < grant) {
                said.allowed = Some(found);
            }
        }
    }
    said
}

impl Statement {
    /// How directly the statement names the caller, if it applies to the request.
    fn grant(&self, request: &Request<'_>, has_boundary: bool) -> Option<Grant> {
        let context = request.context;
        let is_asked = |one: &Pattern| one.matches(request.action, context);
        if !self.actions.cover(self.allows, is_asked) {
            return None;
        }
        let grant = match &self.principals {
            Some(principals) => principals.apply(request.principal, has_boundary)?,
            None => Grant::Caller,
        };
        let resources = self.resources.as_ref();
        let is_named = |one: &Pattern| match one.as_str() {
            // The only one that is no ARN, and stands for what is none as well.
            "*" => Some(true),
            _ => one.matches_arn(request.resource, context),
        };
        let is_meant = resources.is_none_or(|ours| ours.cover(self.allows, is_named));
        let holds = is_meant && self.conditions.iter().all(|one| one.holds(context));
        holds.then_some(grant)
    }
}

impl Principals {
    fn apply(&self, caller: &Principal, has_boundary: bool) -> Option<Grant> {
        if !self.negated {
            return self.grant(caller);
        }
        let is_entity = matches!(caller, Principal::User { .. } | Principal::Session { .. });
        let is_exempt = self.exempts(caller) && !(has_boundary && is_entity);
        (!is_exempt).then_some(Grant::Caller)
    }
}
