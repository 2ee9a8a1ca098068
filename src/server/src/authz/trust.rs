//! Who may become a role: what its trust policy says, with the policies of whoever asks.

use access::jwt::Claims;
use access::session::Tags;
use access::{Attached, Context, Effect, PolicyKind, Principal, Request};
use machine::{Identity, Nature, RowKey, State};

use super::{Asked, Authz, Surroundings, Unreadable, Who};
use crate::errors::Refusal;
use crate::identities::arn;

/// Where the trust policy of a role stands among the documents of its row: behind all others.
const TRUST: usize = usize::MAX;

/// Who would become a role.
#[derive(Clone, Copy)]
pub enum Applicant<'a> {
    /// A caller that is known here, for a session with these tags.
    Known(&'a Who, &'a Tags),
    /// Somebody with a token of a provider.
    Federated(&'a Principal, &'a Claims),
}

impl Authz {
    /// Lets somebody become a role, if that may do all of these actions on it.
    ///
    /// # Errors
    /// The same for everything that is not allowed.
    pub fn may_become(
        &self,
        state: &State,
        applicant: Applicant<'_>,
        role: &Identity,
        asked: &[Asked],
        around: &Surroundings,
    ) -> Result<(), Refusal> {
        let allowed = asked.iter().map(|asked| {
            let effect = self.trusts(state, applicant, role, asked, around);
            effect.is_ok_and(|effect| effect == Effect::Allow)
        });
        // All are asked, so that a refusal takes the same time for each.
        match allowed.fold(!asked.is_empty(), |all, one| all & one) {
            true => Ok(()),
            false => Err(Refusal::denied()),
        }
    }

    fn trusts(
        &self,
        state: &State,
        applicant: Applicant<'_>,
        role: &Identity,
        asked: &Asked,
        around: &Surroundings,
    ) -> Result<Effect, Unreadable> {
        let Nature::Role { trust, .. } = &role.nature else {
            return Ok(Effect::ImplicitDeny);
        };
        let revision = state.revision_of(&RowKey::Identity(role.uid));
        let place = (role.uid, revision.ok_or(Unreadable)?, TRUST);
        let trust = self.documents.policy(place, PolicyKind::Trust, trust)?;
        let mut context = Context::new();
        around.describe(&mut context);
        for tag in &role.tags {
            context.set(&format!("aws:ResourceTag/{}", tag.key), tag.value.as_str());
        }
        context.set("aws:ResourceAccount", role.account.as_str());
        let (principal, who) = match applicant {
            Applicant::Known(who, tags) => {
                who.describe(&mut context);
                tags.describe_request(&mut context);
                (who.principal(), Some(who))
            }
            Applicant::Federated(principal, claims) => {
                principal.describe(&mut context);
                claims.describe(&mut context);
                (principal, None)
            }
        };
        asked.describe(&mut context);
        let identity = who.map(Who::policies).unwrap_or_default();
        let confining = who.and_then(Who::confining);
        let policies = access::Policies {
            identity: &identity,
            boundary: who.and_then(Who::boundary),
            session: confining.as_deref(),
            resource: Some(Attached {
                name: "the trust policy of the role",
                policy: &trust,
            }),
            endpoint: None,
        };
        let request = Request {
            principal,
            action: asked.action(),
            resource: &arn::identity(role),
            resource_account: role.account.as_str(),
            context: &context,
        };
        let decision = access::decide(&policies, &request);
        let (is_allowed, reason) = (
            decision.effect == Effect::Allow,
            decision.reason.to_string(),
        );
        around.notes.decided(request.resource, is_allowed, reason);
        if decision.effect != Effect::Allow {
            tracing::info!(role = %role.uid, reason = %decision.reason, "a role was not assumed");
        }
        Ok(decision.effect)
    }
}
