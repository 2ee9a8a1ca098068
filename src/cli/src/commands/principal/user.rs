//! `strongroom user`.

use client::access::v1::update_principal_request::Change;

use super::{Noun, Task, change};
use crate::arguments::principal::Kind;
use crate::arguments::user::{User, Verb};
use crate::failure::Failure;
use crate::output::Format;

/// Carries out one verb.
pub fn run(user: &User, format: Format) -> Result<(), Failure> {
    let noun = Noun::new(Kind::User, &user.account);
    super::run(&user.connection, task(&noun, &user.verb)?, format)
}

fn task(noun: &Noun<'_>, verb: &Verb) -> Result<Task, Failure> {
    Ok(match verb {
        Verb::Create(new) => {
            let request = noun.beginning(&new.named, &new.beginnings);
            Task::Create(Box::new(request))
        }
        Verb::Get(named) => Task::Get(noun.name(named)),
        Verb::List(list) => noun.list(list),
        Verb::Delete(delete) => noun.delete(delete)?,
        Verb::Enable(named) => noun.change(named, Change::Enabled(true)),
        Verb::Disable(named) => noun.change(named, Change::Enabled(false)),
        Verb::Attach(it) => noun.change(&it.named, Change::AttachPolicy(it.policy.clone())),
        Verb::Detach(it) => noun.change(&it.named, Change::DetachPolicy(it.policy.clone())),
        Verb::PutPolicy(put) => noun.change(&put.named, change::put_policy(put)?),
        Verb::DeletePolicy(delete) => noun.delete_policy(delete)?,
        Verb::Boundary(it) => noun.change(&it.named, change::boundary(it)),
        Verb::Join(it) => noun.change(&it.named, Change::JoinGroup(it.group.clone())),
        Verb::Leave(it) => noun.change(&it.named, Change::LeaveGroup(it.group.clone())),
        Verb::Tag(it) => noun.change(&it.named, change::tag(it)),
        Verb::Untag(it) => noun.change(&it.named, change::untag(it)),
        Verb::Regions(it) => noun.change(&it.named, change::regions(it)),
        Verb::RevokeSessions(revoke) => noun.revoke_sessions(revoke)?,
    })
}
