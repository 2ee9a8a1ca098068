//! `strongroom group`.

use client::access::v1::{CreatePrincipalRequest, update_principal_request::Change};

use super::{Noun, Task, change};
use crate::arguments::group::{Create, Group, Verb};
use crate::arguments::principal::Kind;
use crate::failure::Failure;
use crate::output::Format;

/// Carries out one verb.
pub fn run(group: &Group, format: Format) -> Result<(), Failure> {
    let noun = Noun::new(Kind::Group, &group.account);
    super::run(&group.connection, task(&noun, &group.verb)?, format)
}

fn task(noun: &Noun<'_>, verb: &Verb) -> Result<Task, Failure> {
    Ok(match verb {
        Verb::Create(new) => Task::Create(Box::new(beginning(noun, new))),
        Verb::Get(named) => Task::Get(noun.name(named)),
        Verb::List(list) => noun.list(list),
        Verb::Delete(delete) => noun.delete(delete)?,
        Verb::Attach(it) => noun.change(&it.named, Change::AttachPolicy(it.policy.clone())),
        Verb::Detach(it) => noun.change(&it.named, Change::DetachPolicy(it.policy.clone())),
        Verb::PutPolicy(put) => noun.change(&put.named, change::put_policy(put)?),
        Verb::DeletePolicy(delete) => noun.delete_policy(delete)?,
    })
}

fn beginning(noun: &Noun<'_>, new: &Create) -> CreatePrincipalRequest {
    CreatePrincipalRequest {
        principal: Some(noun.name(&new.named)),
        path: new.path.clone().unwrap_or_default(),
        ..Default::default()
    }
}
