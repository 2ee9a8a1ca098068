//! SimulatePolicy: what policies come to for requests that nobody makes.

use std::sync::Arc;

use access::{Effect, Policy, PolicyKind};
use tokio::time::Instant;
use wire::access::v1 as api;

use super::basis::{Basis, On};
use super::parse::Named;
use super::{Identities, parse, question};
use crate::authz::{Asked, Unreadable, Who};
use crate::errors::{Reason, Refusal};
use crate::limits::{ASKED_ACTIONS_MAX, ASKED_PAIRS_MAX, ASKED_POLICIES_MAX, ASKED_RESOURCES_MAX};
use crate::secrets::ask::{Answer, Ask};

/// All that a question is of.
struct Question {
    actions: Vec<(String, Asked)>,
    resources: Vec<String>,
    deadline: Instant,
}

impl Identities {
    pub(super) async fn simulate_policy(
        &self,
        ask: Ask<api::SimulatePolicyRequest>,
    ) -> Result<Answer<api::SimulatePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let named = Named::of(message.principal)?.that_acts()?;
        let question = Question {
            actions: actions(message.actions, &message.context)?,
            resources: resources(message.resources)?,
            deadline: call.deadline,
        };
        if question.actions.len() * question.resources.len() > ASKED_PAIRS_MAX {
            let many = format!("More than {ASKED_PAIRS_MAX} pairs of an action and a resource.");
            return Err(Refusal::parameter(many));
        }
        let more = policies(&message.policies)?;
        let view = self.view(&call, &reading).await?;
        let asked = Asked::of("iam:SimulatePrincipalPolicy");
        let identity = Arc::clone(view.principal(&named, &asked)?);
        view.permit(&asked, &On::Identity(identity.uid))?;
        let simulate = move || {
            let who = view.authz.imagine(&view, &identity);
            let who = who.map_err(|Unreadable| unreadable())?.with_policies(more);
            let results = question.results(&view, &who)?;
            view.answer(api::SimulatePolicyResponse { results })
        };
        let simulated = tokio::task::spawn_blocking(simulate).await;
        simulated.map_err(|_| Refusal::internal())?
    }
}

impl Question {
    fn results(&self, view: &Basis, who: &Who) -> Result<Vec<api::Simulated>, Refusal> {
        let around = view.nowhere();
        let mut results = Vec::with_capacity(self.actions.len() * self.resources.len());
        for (action, asked) in &self.actions {
            for resource in &self.resources {
                if Instant::now() >= self.deadline {
                    return Err(Refusal::new(Reason::RequestTimeout, "The deadline passed."));
                }
                let thing = view.thing(who.account(), resource)?;
                let decided = view.authz.decide(view, who, asked, &around, thing.target());
                let decision = decided.map_err(|Unreadable| unreadable())?.decision;
                let shown = match decision.effect {
                    Effect::Allow => "allowed",
                    Effect::ExplicitDeny => "explicitDeny",
                    Effect::ImplicitDeny => "implicitDeny",
                };
                results.push(api::Simulated {
                    action: action.clone(),
                    resource: resource.clone(),
                    decision: shown.to_owned(),
                    reason: decision.reason.to_string(),
                });
            }
        }
        Ok(results)
    }
}

fn actions(
    texts: Vec<String>,
    context: &[api::ContextEntry],
) -> Result<Vec<(String, Asked)>, Refusal> {
    if texts.is_empty() || texts.len() > ASKED_ACTIONS_MAX {
        let constraint = format!("have length between 1 and {ASKED_ACTIONS_MAX}");
        return Err(Refusal::constraint("actions", &constraint));
    }
    let asked = texts.into_iter().map(|text| {
        let asked = question::asked(&text, context)?;
        Ok((text, asked))
    });
    asked.collect()
}

fn resources(texts: Vec<String>) -> Result<Vec<String>, Refusal> {
    if texts.len() > ASKED_RESOURCES_MAX {
        let constraint = format!("have length less than or equal to {ASKED_RESOURCES_MAX}");
        return Err(Refusal::constraint("resources", &constraint));
    }
    for text in &texts {
        question::bounded("resources", text)?;
    }
    match texts.is_empty() {
        true => Ok(vec!["*".to_owned()]),
        false => Ok(texts),
    }
}

fn policies(documents: &[String]) -> Result<Vec<(String, Arc<Policy>)>, Refusal> {
    if documents.len() > ASKED_POLICIES_MAX {
        let constraint = format!("have length less than or equal to {ASKED_POLICIES_MAX}");
        return Err(Refusal::constraint("policies", &constraint));
    }
    let policies = documents.iter().enumerate().map(|(index, text)| {
        let (_, policy) = parse::document(text, PolicyKind::Identity)?;
        Ok((format!("policy {index} of the question"), Arc::new(policy)))
    });
    policies.collect()
}

/// `InternalServiceError`: what is kept was written by a release that knows more.
fn unreadable() -> Refusal {
    Refusal::new(
        Reason::InternalService,
        "A policy that counts cannot be read by this release: nothing is allowed by it here.",
    )
}
