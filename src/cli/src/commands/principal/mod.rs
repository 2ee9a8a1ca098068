//! What `strongroom user`, `strongroom group` and `strongroom role` do.

pub mod change;
pub mod group;
pub mod role;
pub mod show;
pub mod user;

use client::Client;
use client::access::v1::{
    CreatePrincipalRequest, DeletePrincipalRequest, GetPrincipalRequest, ListPrincipalsRequest,
    PrincipalKind, PrincipalName, UpdatePrincipalRequest, update_principal_request::Change,
};
use serde_json::json;

use super::connect;
use super::pages::Pages;
use crate::arguments::Connection;
use crate::arguments::principal::{
    Account, Beginnings, DeletePolicy, Kind, ListNamed, Named, NamedYes, Principal,
};
use crate::confirm::{ConfirmError, confirm};
use crate::failure::Failure;
use crate::output::{Answer, Format};

pub use self::change::chosen;

/// What is to be asked of a node, once every file was read and every question answered.
enum Task {
    /// Make one.
    Create(Box<CreatePrincipalRequest>),
    /// Show one.
    Get(PrincipalName),
    /// Show all, up to a number of them.
    List(ListPrincipalsRequest, Option<u32>),
    /// Change one.
    Change(PrincipalName, Change),
    /// Delete one.
    Delete(PrincipalName),
}

fn run(connection: &Connection, task: Task, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let client = connect::client(connection)?;
        perform(&client, task).await?.print(format)
    })
}

async fn perform(client: &Client, task: Task) -> Result<Answer, Failure> {
    let shown = match task {
        Task::Create(request) => client.create_principal(*request).await?.principal,
        Task::Get(principal) => {
            let principal = Some(principal);
            let request = GetPrincipalRequest { principal };
            client.get_principal(request).await?.principal
        }
        Task::Change(principal, change) => {
            let request = UpdatePrincipalRequest {
                principal: Some(principal),
                change: Some(change),
            };
            client.update_principal(request).await?.principal
        }
        Task::List(request, limit) => return list(client, request, limit).await,
        Task::Delete(principal) => {
            let line = format!("deleted {}", words(&principal));
            let principal = Some(principal);
            let request = DeletePrincipalRequest { principal };
            client.delete_principal(request).await?;
            return Ok(Answer::line(line, json!({})));
        }
    };
    Ok(show::principal(&shown.unwrap_or_default()))
}

async fn list(
    client: &Client,
    request: ListPrincipalsRequest,
    limit: Option<u32>,
) -> Result<Answer, Failure> {
    let mut pages = Pages::new(limit);
    while let Some(page) = pages.next() {
        let request = ListPrincipalsRequest {
            max_results: page.max_results,
            next_token: page.next_token,
            ..request.clone()
        };
        let answer = client.list_principals(request).await?;
        pages.add(answer.principals, answer.next_token);
    }
    Ok(show::principals(&pages.entries()))
}

/// What the verbs of one noun are about.
struct Noun<'a> {
    kind: Kind,
    account: &'a Account,
}

impl<'a> Noun<'a> {
    fn new(kind: Kind, account: &'a Account) -> Self {
        Self { kind, account }
    }

    fn name(&self, named: &Named) -> PrincipalName {
        PrincipalName {
            kind: wire_kind(self.kind).into(),
            account: self.account.digits(),
            name: named.name.clone(),
        }
    }

    fn beginning(&self, named: &Named, begins: &Beginnings) -> CreatePrincipalRequest {
        CreatePrincipalRequest {
            principal: Some(self.name(named)),
            path: begins.path.clone().unwrap_or_default(),
            tags: change::tags(&begins.tag),
            permissions_boundary: begins.boundary.clone().unwrap_or_default(),
            regions: begins.region.clone(),
            ..Default::default()
        }
    }

    fn list(&self, list: &ListNamed) -> Task {
        let request = ListPrincipalsRequest {
            kind: wire_kind(self.kind).into(),
            account: self.account.digits(),
            path_prefix: list.path_prefix.clone().unwrap_or_default(),
            ..Default::default()
        };
        Task::List(request, list.limit.limit)
    }

    fn change(&self, named: &Named, change: Change) -> Task {
        Task::Change(self.name(named), change)
    }

    fn delete(&self, delete: &NamedYes) -> Result<Task, ConfirmError> {
        let principal = self.name(&delete.named);
        let question = format!("Delete {}?", words(&principal));
        confirm(&question, delete.yes.yes)?;
        Ok(Task::Delete(principal))
    }

    fn delete_policy(&self, delete: &DeletePolicy) -> Result<Task, ConfirmError> {
        let (principal, policy) = (self.name(&delete.named), &delete.policy);
        let question = format!("Delete the policy {policy} of {}?", words(&principal));
        confirm(&question, delete.yes.yes)?;
        let change = Change::DeleteInlinePolicy(policy.clone());
        Ok(Task::Change(principal, change))
    }

    fn revoke_sessions(&self, revoke: &NamedYes) -> Result<Task, ConfirmError> {
        let principal = self.name(&revoke.named);
        let question = format!("End all sessions of {}?", words(&principal));
        confirm(&question, revoke.yes.yes)?;
        Ok(Task::Change(principal, Change::RevokeSessions(true)))
    }
}

/// A principal of any kind as the API wants it: in the account that it says itself, else in the one
/// that is said beside it.
pub fn named(principal: &Principal, account: &str) -> PrincipalName {
    let own = principal.account.as_deref();
    PrincipalName {
        kind: wire_kind(principal.kind).into(),
        account: own.unwrap_or(account).to_owned(),
        name: principal.name.clone(),
    }
}

/// A principal in words, as `user alice`.
pub fn words(principal: &PrincipalName) -> String {
    format!("{} {}", show::kind(principal.kind()), principal.name)
}

fn wire_kind(kind: Kind) -> PrincipalKind {
    match kind {
        Kind::User => PrincipalKind::User,
        Kind::Group => PrincipalKind::Group,
        Kind::Role => PrincipalKind::Role,
    }
}
