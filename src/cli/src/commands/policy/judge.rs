//! The verbs that say what policies come to.

use std::path::PathBuf;

use client::Client;
use client::access::v1::{Able, ContextEntry, SimulatePolicyRequest, Simulated, WhoCanRequest};
use serde_json::{Value as Json, json};

use crate::arguments::policy::{Context, Simulate, WhoCan};
use crate::arguments::principal::Principal;
use crate::commands::pages::Pages;
use crate::commands::principal::named;
use crate::commands::secret::show::object;
use crate::document::{self, DocumentError, PolicyFile};
use crate::failure::Failure;
use crate::output::Answer;

/// What is asked of a document that is only to be checked; the answer does not matter.
const ANY_ACTION: &str = "secretsmanager:GetSecretValue";

/// Checks a document as a policy of a user or role, which a node does before it is asked about it.
pub async fn validate(
    open: impl Fn() -> Result<Client, Failure>,
    principal: &Principal,
    file: &PolicyFile,
) -> Result<Answer, Failure> {
    let request = SimulatePolicyRequest {
        principal: Some(named(principal, "")),
        actions: vec![ANY_ACTION.to_owned()],
        policies: vec![file.read()?],
        ..Default::default()
    };
    open()?.simulate_policy(request).await?;
    let json = json!({ "PolicyValidationPassed": true, "ValidationErrors": [] });
    Ok(Answer::line("the policy passes", json))
}

pub async fn simulate(
    open: impl Fn() -> Result<Client, Failure>,
    options: &Simulate,
) -> Result<Answer, Failure> {
    let request = SimulatePolicyRequest {
        principal: Some(named(&options.principal, "")),
        actions: options.actions.clone(),
        resources: options.resource.clone(),
        context: context(&options.context),
        policies: documents(&options.with_file)?,
    };
    let answer = open()?.simulate_policy(request).await?;
    Ok(simulated(&answer.results))
}

fn documents(files: &[PathBuf]) -> Result<Vec<String>, DocumentError> {
    files.iter().map(|file| document::read(file)).collect()
}

fn simulated(results: &[Simulated]) -> Answer {
    let row = |result: &Simulated| {
        vec![
            result.decision.clone(),
            result.action.clone(),
            result.resource.clone(),
            result.reason.clone(),
        ]
    };
    let rows = results.iter().map(row).collect();
    let json = |result: &Simulated| {
        object(vec![
            ("EvalActionName", json!(result.action)),
            ("EvalResourceName", json!(result.resource)),
            ("EvalDecision", json!(result.decision)),
            ("Reason", json!(result.reason)),
        ])
    };
    let json: Vec<Json> = results.iter().map(json).collect();
    let heading = vec!["DECISION", "ACTION", "RESOURCE", "REASON"];
    Answer::rows(heading, rows, json!({ "EvaluationResults": json }))
}

pub async fn who_can(client: &Client, options: &WhoCan) -> Result<Answer, Failure> {
    let mut pages = Pages::new(options.limit.limit);
    while let Some(page) = pages.next() {
        let request = WhoCanRequest {
            action: options.action.clone(),
            secret_id: options.secret.clone(),
            context: context(&options.context),
            max_results: page.max_results,
            next_token: page.next_token,
        };
        let answer = client.who_can(request).await?;
        pages.add(answer.principals, answer.next_token);
    }
    let able = pages.entries();
    let row = |able: &Able| vec![able.arn.clone(), able.reason.clone()];
    let rows = able.iter().map(row).collect();
    let json = |able: &Able| json!({ "Arn": able.arn, "Reason": able.reason });
    let json: Vec<Json> = able.iter().map(json).collect();
    Ok(Answer::rows(
        vec!["WHO", "REASON"],
        rows,
        json!({ "Principals": json }),
    ))
}

/// What a request would say of itself: each key once, in the order of its first value.
fn context(context: &Context) -> Vec<ContextEntry> {
    let mut entries: Vec<ContextEntry> = Vec::new();
    for (key, value) in &context.context {
        match entries.iter_mut().find(|entry| entry.key == *key) {
            Some(entry) => entry.values.push(value.clone()),
            None => entries.push(ContextEntry {
                key: key.clone(),
                values: vec![value.clone()],
            }),
        }
    }
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_given_again_has_several_values() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let given = Context {
            context: vec![pair("a", "1"), pair("b", "2"), pair("a", "3")],
        };
        let entry = |key: &str, values: &[&str]| ContextEntry {
            key: key.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        assert_eq!(
            context(&given),
            [entry("a", &["1", "3"]), entry("b", &["2"])]
        );
    }
}
