//! `strongroom secret`.

mod list;
mod policy;
mod read;
mod replicas;
pub mod show;
mod watch;
mod write;

use std::io::Write;
use std::time::Duration;

use client::{Client, Consistency, LastShown};

use super::connect;
use crate::arguments::resource_policy::ResourcePolicy;
use crate::arguments::secret::{Secret, Verb};
use crate::failure::Failure;
use crate::output::Format;

pub use self::policy::validate as validate_policy;

/// What every verb needs.
struct Session {
    client: Client,
    format: Format,
    /// What is to be said of the state that was shown; none if nobody wants to know.
    last_shown: Option<LastShown>,
}

/// Carries out one verb.
pub fn run(secret: &Secret, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        let session = carry_out(secret, format).await?;
        session.say_what_was_shown();
        Ok(())
    })
}

async fn carry_out(secret: &Secret, format: Format) -> Result<Session, Failure> {
    // A value that cannot be read is said, and a question asked, before a node is asked anything.
    match &secret.verb {
        Verb::Create(create) => {
            replicas::confirm_overwrite(&create.name, &create.replicas.overwrite)?;
            let value = create.source.read(create.binary)?;
            let session = open(secret, format)?;
            write::create(&session, create, value).await?;
            Ok(session)
        }
        Verb::Put(put) => {
            let value = put.source.read(put.binary)?;
            let session = open(secret, format)?;
            write::put(&session, put, value).await?;
            Ok(session)
        }
        Verb::Update(update) => {
            let value = update.source.read(update.binary)?;
            let session = open(secret, format)?;
            write::update(&session, update, value).await?;
            Ok(session)
        }
        Verb::Policy(ResourcePolicy::Put(put)) => {
            let document = put.document.read()?;
            let session = open(secret, format)?;
            policy::put(&session, put, document).await?;
            Ok(session)
        }
        Verb::Policy(ResourcePolicy::Validate(check)) => {
            let document = check.document.read()?;
            let session = open(secret, format)?;
            let name = check.name.as_deref();
            policy::validate(&session.client, name, document, format).await?;
            Ok(session)
        }
        verb => {
            confirm(verb)?;
            let session = open(secret, format)?;
            ask(&session, verb).await?;
            Ok(session)
        }
    }
}

fn confirm(verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Delete(delete) => write::confirm_delete(delete),
        Verb::Replicate(replicate) => {
            replicas::confirm_overwrite(&replicate.name, &replicate.overwrite)
        }
        Verb::RemoveRegions(remove) => replicas::confirm_remove(remove),
        Verb::Policy(ResourcePolicy::Delete(delete)) => policy::confirm_delete(delete),
        _ => Ok(()),
    }
}

async fn ask(session: &Session, verb: &Verb) -> Result<(), Failure> {
    match verb {
        Verb::Get(get) => read::get(session, get).await,
        Verb::BatchGet(batch) => read::batch_get(session, batch).await,
        Verb::RandomPassword(options) => read::random_password(session, options).await,
        Verb::Describe(secret) => list::describe(session, secret).await,
        Verb::List(options) => list::list(session, options).await,
        Verb::Versions(options) => list::versions(session, options).await,
        Verb::Watch(options) => watch::watch(session, options).await,
        Verb::Delete(delete) => write::delete(session, delete).await,
        Verb::Stage(stage) => write::stage(session, stage).await,
        Verb::Restore(secret) => write::restore(session, secret).await,
        Verb::Tag(tag) => write::tag(session, tag).await,
        Verb::Untag(untag) => write::untag(session, untag).await,
        Verb::Replicate(replicate) => replicas::replicate(session, replicate).await,
        Verb::RemoveRegions(remove) => replicas::remove(session, remove).await,
        Verb::StopReplication(secret) => replicas::stop(session, secret).await,
        Verb::Policy(ResourcePolicy::Get(get)) => policy::get(session, get).await,
        Verb::Policy(ResourcePolicy::Delete(delete)) => policy::delete(session, delete).await,
        // These read a value or a document, and went another way.
        Verb::Create(_)
        | Verb::Put(_)
        | Verb::Update(_)
        | Verb::Policy(ResourcePolicy::Put(_) | ResourcePolicy::Validate(_)) => Ok(()),
    }
}

fn open(secret: &Secret, format: Format) -> Result<Session, Failure> {
    let (mut client, last_shown) = connect::client(&secret.connection)?.showing();
    let regions = &secret.regions;
    if let Some(region) = &regions.region {
        client = client.with_region(region)?;
    }
    if let Some(position) = &regions.at_least {
        client.at_least(position);
    }
    if let Some(milliseconds) = regions.max_staleness_ms {
        client = client.with_max_staleness(Duration::from_millis(milliseconds));
    }
    if regions.eventual {
        client = client.with_consistency(Consistency::Eventual);
    }
    Ok(Session {
        client,
        format,
        last_shown: regions.verbose.then_some(last_shown),
    })
}

impl Session {
    /// Says on standard error which state the answer shows: standard output may be a value.
    fn say_what_was_shown(&self) {
        let shown = self.last_shown.as_ref().and_then(LastShown::shown);
        let Some(shown) = shown else {
            return;
        };
        let text = show::shown_state(&shown, self.format);
        // Nobody is left to tell when standard error is closed.
        let _ = writeln!(std::io::stderr(), "{text}");
    }
}
