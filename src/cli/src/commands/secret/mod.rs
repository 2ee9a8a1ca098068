//! `strongroom secret`.

mod list;
mod read;
pub mod show;
mod watch;
mod write;

use client::Client;

use super::connect;
use crate::arguments::secret::{Secret, Verb};
use crate::failure::Failure;
use crate::output::Format;

/// What every verb needs.
struct Session {
    client: Client,
    format: Format,
}

/// Carries out one verb.
pub fn run(secret: &Secret, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        // A value that cannot be read is said before a node is asked anything.
        let verb = &secret.verb;
        match verb {
            Verb::Create(create) => {
                let value = create.source.read(create.binary)?;
                write::create(&open(secret, format)?, create, value).await
            }
            Verb::Put(put) => {
                let value = put.source.read(put.binary)?;
                write::put(&open(secret, format)?, put, value).await
            }
            Verb::Update(update) => {
                let value = update.source.read(update.binary)?;
                write::update(&open(secret, format)?, update, value).await
            }
            Verb::Delete(delete) => {
                write::confirm_delete(delete)?;
                write::delete(&open(secret, format)?, delete).await
            }
            _ => run_without_value(&open(secret, format)?, verb).await,
        }
    })
}

async fn run_without_value(session: &Session, verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Get(get) => read::get(session, get).await,
        Verb::BatchGet(batch) => read::batch_get(session, batch).await,
        Verb::RandomPassword(options) => read::random_password(session, options).await,
        Verb::Describe(secret) => list::describe(session, secret).await,
        Verb::List(options) => list::list(session, options).await,
        Verb::Versions(options) => list::versions(session, options).await,
        Verb::Watch(options) => watch::watch(session, options).await,
        Verb::Stage(stage) => write::stage(session, stage).await,
        Verb::Restore(secret) => write::restore(session, secret).await,
        Verb::Tag(tag) => write::tag(session, tag).await,
        Verb::Untag(untag) => write::untag(session, untag).await,
        // These read a value or ask a question first, and went another way.
        Verb::Create(_) | Verb::Put(_) | Verb::Update(_) | Verb::Delete(_) => Ok(()),
    }
}

fn open(secret: &Secret, format: Format) -> Result<Session, Failure> {
    let client = connect::client(&secret.connection)?;
    Ok(Session { client, format })
}
