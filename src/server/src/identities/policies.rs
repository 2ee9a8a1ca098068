//! Managed policies.

use std::sync::Arc;

use access::PolicyKind;
use machine::{
    Command, CreatePolicy, DeletePolicy, Entity, EntityKind, EntityName, Policy, Seen, UpdatePolicy,
};
use wire::access::v1 as api;

use super::basis::{Basis, On, none};
use super::write::Done;
use super::{Identities, arn, new_uid, pages, parse, shown};
use crate::authz::Asked;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::POLICY_DESCRIPTION_CHARS_MAX;
use crate::secrets::ask::{Answer, Ask};
use crate::secrets::parse::at_most;

impl Identities {
    pub(super) async fn create_policy(
        &self,
        ask: Ask<api::CreatePolicyRequest>,
    ) -> Result<Answer<api::CreatePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let account = parse::account("account", &message.account)?;
        let name = parse::name(&message.name)?;
        let path = parse::path(&message.path)?;
        at_most(
            "description",
            &message.description,
            POLICY_DESCRIPTION_CHARS_MAX,
        )?;
        let (document, _) = parse::document(&message.document, PolicyKind::Identity)?;
        let view = self.view_to_change(&call, &reading).await?;
        let account = view.account(account);
        let arn = arn::named(EntityKind::Policy, &account, &path, &name);
        let asked = Asked::of("iam:CreatePolicy");
        let on = On::Named(arn, account.clone());
        // Whoever may not make it is not told what there is.
        view.permit(&asked, &on)?;
        if !view.has_account(&account) {
            return Err(view.refuse(none(EntityKind::Account)));
        }
        let command = Command::CreatePolicy(CreatePolicy {
            uid: new_uid()?,
            account,
            path,
            name,
            document,
            description: message.description,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let policy = Some(self.shown_policy(&call, &done).await?);
        Ok(done.answer(api::CreatePolicyResponse { policy }))
    }

    /// A policy as a change left it.
    async fn shown_policy(&self, call: &Call, done: &Done) -> Result<api::Policy, Refusal> {
        let Some(Entity::Policy(policy)) = &done.entity else {
            tracing::error!("a command on a policy answered without one");
            return Err(Refusal::internal());
        };
        let view = self.consensus.view_at(done.index, call.deadline).await?;
        Ok(shown::policy(&view, policy))
    }

    pub(super) async fn get_policy(
        &self,
        ask: Ask<api::GetPolicyRequest>,
    ) -> Result<Answer<api::GetPolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::policy_at("arn", &message.arn)?;
        let view = self.view(&call, &reading).await?;
        let asked = Asked::of("iam:GetPolicy");
        let (policy, on) = view.policy_that_is_meant(&at, message.arn, &asked)?;
        view.permit(&asked, &on)?;
        let policy = Some(shown::policy(&view, policy));
        view.answer(api::GetPolicyResponse { policy })
    }

    pub(super) async fn list_policies(
        &self,
        ask: Ask<api::ListPoliciesRequest>,
    ) -> Result<Answer<api::ListPoliciesResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let account = parse::account("account", &message.account)?;
        let items = pages::items(message.max_results)?;
        let view = self.view(&call, &reading).await?;
        let account = view.account(account);
        view.permit(&Asked::of("iam:ListPolicies"), &On::All(account.clone()))?;
        let query = pages::query(&view, "ListPolicies", &[account.as_str().as_bytes()]);
        let after = pages::after(&query, &message.next_token, |place| {
            EntityName::new(pages::text(place)?).ok()
        })?;
        let mut found = view.policies_after(&account, after.as_ref());
        let page: Vec<&Arc<Policy>> = found.by_ref().take(items).collect();
        let last = page.last().filter(|_| found.next().is_some());
        let next_token = last.map(|policy| query.token(policy.name.as_str().as_bytes()));
        let policies = page
            .iter()
            .map(|policy| shown::policy_in_list(&view, policy));
        view.answer(api::ListPoliciesResponse {
            policies: policies.collect(),
            next_token: next_token.unwrap_or_default(),
        })
    }

    pub(super) async fn update_policy(
        &self,
        ask: Ask<api::UpdatePolicyRequest>,
    ) -> Result<Answer<api::UpdatePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::policy_at("arn", &message.arn)?;
        let (document, _) = parse::document(&message.document, PolicyKind::Identity)?;
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:CreatePolicyVersion");
        let (policy, on) = view.policy_that_is_meant(&at, message.arn, &asked)?;
        let command = Command::UpdatePolicy(UpdatePolicy {
            uid: policy.uid,
            document: Some(document),
            description: None,
            seen: Seen::default(),
        });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        let policy = Some(self.shown_policy(&call, &done).await?);
        Ok(done.answer(api::UpdatePolicyResponse { policy }))
    }

    pub(super) async fn delete_policy(
        &self,
        ask: Ask<api::DeletePolicyRequest>,
    ) -> Result<Answer<api::DeletePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let at = arn::policy_at("arn", &message.arn)?;
        let view = self.view_to_change(&call, &reading).await?;
        let asked = Asked::of("iam:DeletePolicy");
        let (policy, on) = view.policy_that_is_meant(&at, message.arn, &asked)?;
        let (uid, seen) = (policy.uid, Seen::default());
        let command = Command::DeletePolicy(DeletePolicy { uid, seen });
        let write = view.grant(asked, on, command)?;
        let done = self.change(&call, &reading, write).await?;
        Ok(done.answer(api::DeletePolicyResponse {}))
    }
}

impl Basis {
    /// Finds the policy that an ARN means, and what a call on it is asked on.
    fn policy_that_is_meant(
        &self,
        at: &arn::At,
        arn: String,
        asked: &Asked,
    ) -> Result<(&Arc<Policy>, On), Refusal> {
        let found = self.policy_at(at);
        let missing = (arn, &at.account);
        let policy = self.found(found, asked, missing, EntityKind::Policy)?;
        Ok((policy, On::Named(arn::policy(policy), at.account.clone())))
    }
}
