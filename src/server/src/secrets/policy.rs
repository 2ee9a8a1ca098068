//! Resource policies: PutResourcePolicy, GetResourcePolicy, DeleteResourcePolicy and
//! ValidateResourcePolicy.

use access::{Check, Effect, Policy, PolicyKind};
use machine::{Command, DeleteResourcePolicy, Document, PutResourcePolicy};
use wire::secrets::v1::{
    DeleteResourcePolicyRequest, DeleteResourcePolicyResponse, GetResourcePolicyRequest,
    GetResourcePolicyResponse, PutResourcePolicyRequest, PutResourcePolicyResponse,
    ValidateResourcePolicyRequest, ValidateResourcePolicyResponse, ValidationError,
};

use super::ask::{Answer, Ask};
use super::permit::{Granted, Write};
use super::{About, Basis, Secrets, parse};
use crate::authz::Asked;
use crate::errors::{Reason, Refusal};
use crate::limits::POLICY_NAME_CHARS_MAX;

const PUT: &str = "secretsmanager:PutResourcePolicy";

impl Secrets {
    pub(super) async fn put_policy(
        &self,
        ask: Ask<PutResourcePolicyRequest>,
    ) -> Result<Answer<PutResourcePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let policy_name = policy_name(message.policy_name)?;
        let policy = parsed(&message.resource_policy)?;
        let blocks = message.block_public_policy;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of(PUT).with("secretsmanager:BlockPublicPolicy", blocks.to_string());
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        if blocks && access::is_public(&policy) {
            return Err(Refusal::new(
                Reason::PublicPolicy,
                "You can't attach this policy: it gives broad access, and BlockPublicPolicy \
                 refuses that. Name principals, or add a condition.",
            ));
        }
        let mut findings = access::validate(&policy).into_iter();
        if let Some(locks) = findings.find(|finding| finding.check == Check::LockOut) {
            return Err(Refusal::new(
                Reason::MalformedResourcePolicy,
                locks.to_string(),
            ));
        }
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::PutResourcePolicy(PutResourcePolicy {
            uid,
            document: Document::new(&message.resource_policy),
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = PutResourcePolicyResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            policy_name,
        };
        Ok(changed.answer(message))
    }

    pub(super) async fn get_policy(
        &self,
        ask: Ask<GetResourcePolicyRequest>,
    ) -> Result<Answer<GetResourcePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let policy_name = policy_name(message.policy_name)?;
        let about = About::Secrets(std::slice::from_ref(&id));
        let view = self.view(&call, &reading, about).await?;
        let secret = view.find_live(&Asked::of("secretsmanager:GetResourcePolicy"), &id)?;
        let policy = secret.policy.as_ref();
        let message = GetResourcePolicyResponse {
            arn: view.arn(secret),
            name: secret.name.to_string(),
            resource_policy: policy.map(|policy| policy.as_str().to_owned()),
            policy_name,
        };
        view.answer(message)
    }

    pub(super) async fn delete_policy(
        &self,
        ask: Ask<DeleteResourcePolicyRequest>,
    ) -> Result<Answer<DeleteResourcePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let id = parse::secret_id(&message.secret_id)?;
        let policy_name = policy_name(message.policy_name)?;
        let view = self.view(&call, &reading, About::Change).await?;
        let asked = Asked::of("secretsmanager:DeleteResourcePolicy");
        let Granted { secret, grant } = view.find_live_led(asked, &id)?;
        let uid = secret.uid;
        let region = view.into_region();
        let command = Command::DeleteResourcePolicy(DeleteResourcePolicy {
            uid,
            seen: grant.seen(),
        });
        let write = Write {
            region,
            grant,
            command,
        };
        let changed = self.change(&call, &reading, write).await?;
        let message = DeleteResourcePolicyResponse {
            arn: changed.arn.clone(),
            name: changed.secret.name.to_string(),
            policy_name,
        };
        Ok(changed.answer(message))
    }

    pub(super) async fn validate_policy(
        &self,
        ask: Ask<ValidateResourcePolicyRequest>,
    ) -> Result<Answer<ValidateResourcePolicyResponse>, Refusal> {
        let Ask {
            call,
            reading,
            message,
        } = ask;
        let ids: Vec<_> = match &message.secret_id {
            None => Vec::new(),
            Some(id) => vec![parse::secret_id(id)?],
        };
        let policy = parsed(&message.resource_policy)?;
        let view = self.view(&call, &reading, About::Secrets(&ids)).await?;
        let asked = Asked::of("secretsmanager:ValidateResourcePolicy");
        let findings = access::validate(&policy);
        let mut failed = findings.iter().any(|finding| finding.check.is_failure());
        let errors = findings.iter().map(|finding| ValidationError {
            check_name: finding.check.name().to_owned(),
            error_message: finding.to_string(),
        });
        let mut validation_errors: Vec<ValidationError> = errors.collect();
        match ids.first() {
            None => view.may(&asked)?,
            Some(id) => {
                let secret = view.find(&asked, id)?;
                let locks_out = findings
                    .iter()
                    .any(|finding| finding.check == Check::LockOut);
                if !locks_out && !view.could_replace(secret, &policy) {
                    failed = true;
                    validation_errors.insert(0, would_lock_out_the_caller());
                }
            }
        }
        let message = ValidateResourcePolicyResponse {
            policy_validation_passed: !failed,
            validation_errors,
        };
        view.answer(message)
    }
}

impl Basis {
    /// Whether the caller could put another policy in the place of this one, if a secret had it.
    fn could_replace(&self, secret: &machine::Secret, policy: &Policy) -> bool {
        let (asked, arn) = (Asked::of(PUT), self.arn(secret));
        let authz = &self.authz;
        let decision = authz.decide_under(
            &self.view,
            &self.who,
            &asked,
            &self.around,
            (secret, &arn),
            policy,
        );
        decision.effect == Effect::Allow
    }
}

fn would_lock_out_the_caller() -> ValidationError {
    ValidationError {
        check_name: Check::LockOut.name().to_owned(),
        error_message: "you could not replace this policy any more: allow yourself \
                        secretsmanager:PutResourcePolicy"
            .to_owned(),
    }
}

fn parsed(text: &str) -> Result<Policy, Refusal> {
    if text.is_empty() {
        return Err(Refusal::parameter(
            "You must provide a ResourcePolicy value.",
        ));
    }
    Policy::parse(text, PolicyKind::Resource)
        .map_err(|error| Refusal::new(Reason::MalformedResourcePolicy, error.to_string()))
}

/// The name of a policy, which an answer shows only if it was given: a secret has one policy.
fn policy_name(name: Option<String>) -> Result<Option<String>, Refusal> {
    if let Some(name) = &name {
        if name.is_empty() {
            let constraint = "have length greater than or equal to 1";
            return Err(Refusal::constraint("policyName", constraint));
        }
        parse::at_most("policyName", name, POLICY_NAME_CHARS_MAX)?;
    }
    Ok(name)
}
