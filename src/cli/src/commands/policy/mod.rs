//! `strongroom policy`.

mod judge;

use client::Client;
use client::access::v1::{
    CreatePolicyRequest, DeletePolicyRequest, GetPolicyRequest, ListPoliciesRequest, Policy,
    UpdatePolicyRequest,
};
use serde_json::{Value as Json, json};

use super::connect;
use super::pages::Pages;
use super::principal::show::{document, when};
use super::secret::show::object;
use super::secret::validate_policy;
use crate::arguments::policy::{Create, List, Policy as Options, Update, Verb};
use crate::confirm::confirm;
use crate::document::DocumentError;
use crate::failure::Failure;
use crate::output::{Answer, Format, write_exactly};

/// Carries out one verb.
pub fn run(policy: &Options, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let connection = &policy.connection;
        let open = || connect::client(connection);
        // A file that cannot be read is said, and a question asked, before any node is asked.
        let answer = match &policy.verb {
            Verb::Create(new) => {
                let request = beginning(new)?;
                let answer = open()?.create_policy(request).await?;
                one(&answer.policy.unwrap_or_default())
            }
            Verb::Update(change) => {
                let request = update(change)?;
                let answer = open()?.update_policy(request).await?;
                one(&answer.policy.unwrap_or_default())
            }
            Verb::Get(get) => {
                let arn = get.arn.arn.clone();
                let answer = open()?.get_policy(GetPolicyRequest { arn }).await?;
                let policy = answer.policy.unwrap_or_default();
                if get.document {
                    return write_exactly(&policy.document);
                }
                one(&policy)
            }
            Verb::List(options) => list(&open()?, options).await?,
            Verb::Delete(delete) => {
                let arn = delete.arn.arn.clone();
                confirm(&format!("Delete {arn}?"), delete.yes.yes)?;
                let line = format!("deleted {arn}");
                open()?.delete_policy(DeletePolicyRequest { arn }).await?;
                Answer::line(line, json!({}))
            }
            Verb::Validate(check) => match &check.principal {
                Some(principal) => judge::validate(open, principal, &check.document).await?,
                None => {
                    let document = check.document.read()?;
                    return validate_policy(&open()?, None, document, format).await;
                }
            },
            Verb::Simulate(options) => judge::simulate(open, options).await?,
            Verb::WhoCan(options) => judge::who_can(&open()?, options).await?,
        };
        answer.print(format)
    })
}

fn beginning(new: &Create) -> Result<CreatePolicyRequest, DocumentError> {
    Ok(CreatePolicyRequest {
        account: new.account.digits(),
        name: new.name.clone(),
        path: new.path.clone().unwrap_or_default(),
        description: new.description.clone().unwrap_or_default(),
        document: new.document.read()?,
    })
}

fn update(change: &Update) -> Result<UpdatePolicyRequest, DocumentError> {
    Ok(UpdatePolicyRequest {
        arn: change.arn.arn.clone(),
        document: change.document.read()?,
    })
}

async fn list(client: &Client, options: &List) -> Result<Answer, Failure> {
    let mut pages = Pages::new(options.limit.limit);
    while let Some(page) = pages.next() {
        let request = ListPoliciesRequest {
            account: options.account.digits(),
            max_results: page.max_results,
            next_token: page.next_token,
        };
        let answer = client.list_policies(request).await?;
        pages.add(answer.policies, answer.next_token);
    }
    let policies = pages.entries();
    let row = |policy: &Policy| {
        vec![
            policy.name.clone(),
            policy.arn.clone(),
            policy.attachment_count.to_string(),
            when(policy.changed),
        ]
    };
    let rows = policies.iter().map(row).collect();
    let json: Vec<Json> = policies.iter().map(policy_json).collect();
    let heading = vec!["NAME", "ARN", "ATTACHED", "LAST CHANGED"];
    Ok(Answer::rows(heading, rows, json!({ "Policies": json })))
}

/// One policy, its document below.
fn one(policy: &Policy) -> Answer {
    let fields = vec![
        ("Name", policy.name.clone()),
        ("ARN", policy.arn.clone()),
        ("Description", policy.description.clone()),
        ("Attached to", policy.attachment_count.to_string()),
        ("Created", when(policy.created)),
        ("Last changed", when(policy.changed)),
    ];
    Answer::fields(fields, policy_json(policy)).noted(policy.document.trim_end())
}

fn policy_json(policy: &Policy) -> Json {
    object(vec![
        ("PolicyName", json!(policy.name)),
        ("Arn", json!(policy.arn)),
        ("Path", json!(policy.path)),
        ("Description", json!(policy.description)),
        ("AttachmentCount", json!(policy.attachment_count)),
        ("CreateDate", json!(when(policy.created))),
        ("UpdateDate", json!(when(policy.changed))),
        ("Document", document(&policy.document)),
    ])
}
