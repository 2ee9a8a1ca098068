//! `strongroom role`.

use client::access::v1::{CreatePrincipalRequest, update_principal_request::Change};

use super::{Noun, Task, change};
use crate::arguments::principal::Kind;
use crate::arguments::role::{Create, Role, Verb};
use crate::commands::login;
use crate::document;
use crate::failure::Failure;
use crate::output::Format;

/// Carries out one verb.
pub fn run(role: &Role, format: Format) -> Result<(), Failure> {
    if let Verb::Assume(assume) = &role.verb {
        return login::assume(&role.connection, assume, format);
    }
    let noun = Noun::new(Kind::Role, &role.account);
    match task(&noun, &role.verb)? {
        Some(task) => super::run(&role.connection, task, format),
        None => Ok(()),
    }
}

/// What a verb asks of the nodes; none of the one that is no change of a role.
fn task(noun: &Noun<'_>, verb: &Verb) -> Result<Option<Task>, Failure> {
    Ok(Some(match verb {
        Verb::Assume(_) => return Ok(None),
        Verb::Create(new) => Task::Create(Box::new(beginning(noun, new)?)),
        Verb::Get(named) => Task::Get(noun.name(named)),
        Verb::List(list) => noun.list(list),
        Verb::Delete(delete) => noun.delete(delete)?,
        Verb::Enable(named) => noun.change(named, Change::Enabled(true)),
        Verb::Disable(named) => noun.change(named, Change::Enabled(false)),
        Verb::Trust(it) => noun.change(&it.named, Change::TrustPolicy(it.document.read()?)),
        Verb::SessionMax(it) => {
            noun.change(&it.named, Change::SessionMax(change::seconds(it.time)))
        }
        Verb::Attach(it) => noun.change(&it.named, Change::AttachPolicy(it.policy.clone())),
        Verb::Detach(it) => noun.change(&it.named, Change::DetachPolicy(it.policy.clone())),
        Verb::PutPolicy(put) => noun.change(&put.named, change::put_policy(put)?),
        Verb::DeletePolicy(delete) => noun.delete_policy(delete)?,
        Verb::Boundary(it) => noun.change(&it.named, change::boundary(it)),
        Verb::Tag(it) => noun.change(&it.named, change::tag(it)),
        Verb::Untag(it) => noun.change(&it.named, change::untag(it)),
        Verb::Regions(it) => noun.change(&it.named, change::regions(it)),
        Verb::RevokeSessions(revoke) => noun.revoke_sessions(revoke)?,
    }))
}

fn beginning(noun: &Noun<'_>, new: &Create) -> Result<CreatePrincipalRequest, Failure> {
    Ok(CreatePrincipalRequest {
        trust_policy: document::read(&new.trust_file)?,
        session_max: new.session_max.map(change::seconds),
        ..noun.beginning(&new.named, &new.beginnings)
    })
}
