//! `strongroom secret policy`.

use client::Client;
use client::secrets::v1::{
    DeleteResourcePolicyRequest, GetResourcePolicyRequest, PutResourcePolicyRequest,
    ValidateResourcePolicyRequest, ValidationError,
};
use serde_json::{Value as Json, json};

use super::Session;
use super::show::object;
use crate::arguments::resource_policy::{Delete, Get, Put};
use crate::commands::principal::show::document;
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format, write_exactly};

pub async fn put(session: &Session, put: &Put, policy: String) -> Result<(), Failure> {
    let request = PutResourcePolicyRequest {
        secret_id: put.secret.name.clone(),
        resource_policy: policy,
        block_public_policy: put.block_public_policy,
        ..Default::default()
    };
    let answer = session.client.put_resource_policy(request).await?;
    session.governed(&answer.arn, &answer.name, None)
}

pub async fn get(session: &Session, get: &Get) -> Result<(), Failure> {
    let request = GetResourcePolicyRequest {
        secret_id: get.secret.name.clone(),
        ..Default::default()
    };
    let answer = session.client.get_resource_policy(request).await?;
    let policy = answer.resource_policy.as_deref();
    if get.document {
        return write_exactly(policy.unwrap_or_default());
    }
    session.governed(&answer.arn, &answer.name, Some(policy.unwrap_or_default()))
}

/// Asks whether the policy is to be removed.
pub fn confirm_delete(delete: &Delete) -> Result<(), Failure> {
    let question = format!("Delete the resource policy of {}?", delete.secret.name);
    Ok(confirm(&question, delete.yes.yes)?)
}

pub async fn delete(session: &Session, delete: &Delete) -> Result<(), Failure> {
    let request = DeleteResourcePolicyRequest {
        secret_id: delete.secret.name.clone(),
        ..Default::default()
    };
    let answer = session.client.delete_resource_policy(request).await?;
    session.governed(&answer.arn, &answer.name, None)
}

/// Checks a resource policy, for a secret or by itself, and fails if a check fails.
pub async fn validate(
    client: &Client,
    secret: Option<&str>,
    policy: String,
    format: Format,
) -> Result<(), Failure> {
    let request = ValidateResourcePolicyRequest {
        secret_id: secret.map(str::to_owned),
        resource_policy: policy,
    };
    let answer = client.validate_resource_policy(request).await?;
    let (passes, found) = (answer.policy_validation_passed, &answer.validation_errors);
    checked(passes, found).print(format)?;
    match passes {
        true => Ok(()),
        false => Err(Failure::PolicyFails),
    }
}

fn checked(passes: bool, found: &[ValidationError]) -> Answer {
    let error = |error: &ValidationError| {
        let (name, message) = (&error.check_name, &error.error_message);
        json!({ "CheckName": name, "ErrorMessage": message })
    };
    let errors: Vec<Json> = found.iter().map(error).collect();
    let json = json!({ "PolicyValidationPassed": passes, "ValidationErrors": errors });
    if found.is_empty() {
        return Answer::line("the policy passes", json);
    }
    let row = |error: &ValidationError| vec![error.check_name.clone(), error.error_message.clone()];
    let rows = found.iter().map(row).collect();
    let answer = Answer::rows(vec!["CHECK", "WHAT IT FOUND"], rows, json);
    match passes {
        true => answer.noted("the policy passes"),
        false => answer,
    }
}

impl Session {
    /// Prints a secret and, if that was asked for, its resource policy.
    fn governed(&self, arn: &str, name: &str, policy: Option<&str>) -> Result<(), Failure> {
        let json = object(vec![
            ("ARN", json!(arn)),
            ("Name", json!(name)),
            ("ResourcePolicy", policy.map(document).unwrap_or_default()),
        ]);
        let fields = vec![("Name", name.to_owned()), ("ARN", arn.to_owned())];
        let answer = Answer::fields(fields, json);
        match policy {
            None => answer,
            Some("") => answer.noted("it has no resource policy"),
            Some(policy) => answer.noted(policy.trim_end()),
        }
        .print(self.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_passes_may_have_something_said_of_it() {
        let said = |passes, found: &[ValidationError]| checked(passes, found).text.render(false);
        assert_eq!(said(true, &[]), "the policy passes");
        let found = [ValidationError {
            check_name: "BROAD".to_owned(),
            error_message: "everybody".to_owned(),
        }];
        assert!(said(true, &found).ends_with("\n\nthe policy passes"));
        assert!(!said(false, &found).contains("passes"));
    }
}
