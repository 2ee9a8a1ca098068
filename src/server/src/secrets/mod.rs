//! The secrets API: the operations of AWS Secrets Manager over the machine's state.
//!
//! Every operation takes the same road: parse, one view (barrier first, R9), decide what is asked,
//! then either answer from that view or propose one command and answer from its outcome.

mod ask;
mod batch;
mod create;
mod delete;
mod describe;
mod filter;
mod get;
mod list;
mod not_yet;
mod page;
mod parse;
mod password;
mod put;
mod service;
mod stage;
mod tags;
mod update;
mod versions;
mod watch;
mod words;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use consensus::{Committed, Consensus, Proposal, Unavailable, ValueError, View};
use machine::{
    Audit, Command, KeyId, NotHeld, Outcome, Rejection, RequestId, SealedValue, Secret, SecretId,
    State, Tag, Token, Uid, Value, VersionId,
};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::ask::{Age, Answer, Reading};
use self::parse::Plain;
use crate::accesses::Accesses;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::freshness::Freshness;
use crate::metrics::Metrics;
use crate::vault::{Address, Vault};

/// The parts the secrets service is made of.
#[derive(Clone)]
pub struct Secrets {
    consensus: Consensus,
    vault: Arc<Vault>,
    accesses: Arc<Accesses>,
    freshness: Arc<Freshness>,
    watches: Arc<Semaphore>,
    metrics: Metrics,
    young_protection_ms: u64,
    stop: CancellationToken,
}

/// What the service is made with.
pub struct SecretsOptions {
    /// Reads and writes.
    pub consensus: Consensus,
    /// Seals and opens values.
    pub vault: Arc<Vault>,
    /// Notes reads.
    pub accesses: Arc<Accesses>,
    /// How old the local state may be.
    pub freshness: Arc<Freshness>,
    /// Counts watches.
    pub metrics: Metrics,
    /// Watches open at once.
    pub watches_max: usize,
    /// Age below which an unlabelled version is never pruned.
    pub young_version_protection: Duration,
    /// Ends the watches when the node stops.
    pub stop: CancellationToken,
}

impl Secrets {
    /// The service over these parts.
    pub fn new(options: SecretsOptions) -> Self {
        let protection = u64::try_from(options.young_version_protection.as_millis());
        Self {
            consensus: options.consensus,
            vault: options.vault,
            accesses: options.accesses,
            freshness: options.freshness,
            watches: Arc::new(Semaphore::new(options.watches_max)),
            metrics: options.metrics,
            young_protection_ms: protection.unwrap_or(u64::MAX),
            stop: options.stop,
        }
    }

    /// The view a call is answered from: after a barrier unless the caller waives it.
    async fn view(&self, call: &Call, reading: &Reading) -> Result<Basis, Refusal> {
        let began = Instant::now();
        let (view, age) = match reading.eventual {
            true => (
                self.consensus.local_view(),
                Some(Age(self.freshness.age(began))),
            ),
            false => (self.consensus.read(call.deadline).await?, None),
        };
        if age.is_none() {
            self.freshness.confirm(began);
        }
        let view = match &reading.min_position {
            None => view,
            Some(token) => self.view_holding(call, view, token).await?,
        };
        Ok(Basis { view, age })
    }

    /// Waits until the local state holds the positions a caller has seen.
    async fn view_holding(
        &self,
        call: &Call,
        mut view: View,
        token: &Token,
    ) -> Result<View, Refusal> {
        let mut applied = self.consensus.applied();
        loop {
            applied.borrow_and_update();
            match view.holds(token) {
                Ok(()) => return Ok(view),
                Err(NotHeld::Ahead { .. }) => {}
                Err(lost) => return Err(lost.into()),
            }
            let changed = tokio::time::timeout_at(call.deadline, applied.changed()).await;
            if !matches!(changed, Ok(Ok(()))) {
                return Err(Unavailable::Behind.into());
            }
            view = self.consensus.local_view();
        }
    }

    /// Proposes a command on behalf of a call and waits for its outcome.
    async fn propose(&self, call: &Call, command: Command) -> Result<Committed, Refusal> {
        let audit = Audit {
            caller: call.caller.to_string(),
            request_id: RequestId(call.request),
        };
        let proposal = Proposal {
            command,
            audit,
            deadline: call.deadline,
        };
        Ok(self.consensus.propose(proposal).await?)
    }

    /// Proposes a command whose outcome is a secret.
    async fn change(&self, call: &Call, command: Command) -> Result<Changed, Refusal> {
        let committed = self.propose(call, command).await?;
        Changed::of(committed)
    }

    /// Proposes a command with a new version. A token used before with the same value is answered
    /// as it was then (R11): the stored version is opened and compared in constant time, and what
    /// else the command would have stored with it.
    async fn change_value(
        &self,
        call: &Call,
        command: Command,
        plain: &Plain,
    ) -> Result<Changed, Refusal> {
        let others = Others::of(&command);
        let committed = self.propose(call, command).await?;
        let Err(Rejection::VersionExists { uid, version, .. }) = &committed.answer else {
            return Changed::of(committed);
        };
        let (uid, version) = (*uid, version.clone());
        let view = self
            .consensus
            .view_at(committed.index, call.deadline)
            .await?;
        let secret = view.secret(&uid).ok_or_else(Refusal::no_secret)?;
        let is_same = others.are_in(secret)
            && self
                .holds_same_value(&view, secret, &version, plain)
                .await?;
        if !is_same {
            return Err(Changed::of(committed)
                .err()
                .unwrap_or_else(Refusal::internal));
        }
        let position = Token {
            positions: committed.positions,
        };
        Ok(Changed {
            secret: Arc::clone(secret),
            version: Some(version),
            position,
        })
    }

    async fn holds_same_value(
        &self,
        view: &View,
        secret: &Secret,
        version: &VersionId,
        plain: &Plain,
    ) -> Result<bool, Refusal> {
        let stored = secret.version(version).ok_or_else(Refusal::no_secret)?;
        let Some(sealed) = value(view, &secret.uid, version).await? else {
            return Ok(false);
        };
        let at = Address {
            uid: &secret.uid,
            version,
        };
        let opened = self.vault.open(view, at, &sealed)?;
        Ok(envelope::values_equal(&opened, &plain.bytes) && stored.kind == plain.kind)
    }
}

/// What a command stores beside a new version. Labels are not among it: they move on by themselves.
struct Others {
    description: Option<String>,
    kms_key: Option<Option<KeyId>>,
    tags: Option<Vec<Tag>>,
}

impl Others {
    fn of(command: &Command) -> Self {
        let (description, kms_key, tags) = match command {
            Command::CreateSecret(create) => (
                Some(create.description.clone()),
                Some(create.kms_key),
                Some(create.tags.clone()),
            ),
            Command::UpdateSecret(update) => (update.description.clone(), update.kms_key, None),
            _ => (None, None, None),
        };
        Self {
            description,
            kms_key,
            tags,
        }
    }

    fn are_in(&self, secret: &Secret) -> bool {
        let is = |asked: Option<bool>| asked.unwrap_or(true);
        is(self
            .description
            .as_ref()
            .map(|text| *text == secret.description))
            && is(self.kms_key.map(|key| key == secret.kms_key))
            && is(self.tags.as_ref().map(|tags| *tags == secret.tags))
    }
}

/// The view of one call, and how old it may be when the caller waived the barrier.
#[derive(Clone)]
struct Basis {
    view: View,
    age: Option<Age>,
}

impl Deref for Basis {
    type Target = View;

    fn deref(&self) -> &View {
        &self.view
    }
}

impl Basis {
    /// The answer made from this view.
    fn answer<T>(&self, message: T) -> Answer<T> {
        Answer {
            message,
            position: self.view.token(),
            age: self.age,
        }
    }
}

/// A secret after a command changed it.
struct Changed {
    secret: Arc<Secret>,
    version: Option<VersionId>,
    position: Token,
}

impl Changed {
    fn of(committed: Committed) -> Result<Self, Refusal> {
        let position = Token {
            positions: committed.positions,
        };
        match committed.answer? {
            Outcome::Secret {
                secret, version, ..
            } => Ok(Self {
                secret,
                version,
                position,
            }),
            _ => {
                tracing::error!("a command on a secret answered without one");
                Err(Refusal::internal())
            }
        }
    }

    fn answer<T>(self, message: impl FnOnce(&Secret, Option<&VersionId>) -> T) -> Answer<T> {
        let message = message(&self.secret, self.version.as_ref());
        Answer {
            message,
            position: self.position,
            age: None,
        }
    }
}

/// Finds the secret a caller names.
fn find<'a>(view: &'a View, id: &SecretId) -> Result<&'a Arc<Secret>, Refusal> {
    let account = view.account().ok_or_else(Refusal::not_founded)?;
    view.resolve(account, id).ok_or_else(Refusal::no_secret)
}

/// Finds a secret that is not scheduled for deletion.
fn find_live<'a>(view: &'a View, id: &SecretId) -> Result<&'a Arc<Secret>, Refusal> {
    let secret = find(view, id)?;
    match secret.is_scheduled() {
        false => Ok(secret),
        true => Err(Refusal::request(
            "You can't perform this operation on the secret because it was marked for deletion.",
        )),
    }
}

/// The sealed value of a version: from memory, or else from disk, or from a peer when the copy on
/// disk is bad, on a thread that may wait.
async fn value(
    view: &View,
    uid: &Uid,
    version: &VersionId,
) -> Result<Option<Arc<SealedValue>>, Refusal> {
    match State::value(view, uid, version) {
        None => return Ok(None),
        Some(Value::Here(value)) => return Ok(Some(value)),
        Some(Value::Evicted) => {}
    }
    let (view, uid, version) = (view.clone(), *uid, version.clone());
    let read = tokio::task::spawn_blocking(move || view.value(&uid, &version)).await;
    let read = read.map_err(|_| Refusal::internal())?;
    read.map_err(|error| match error {
        ValueError::Superseded => Refusal::new(Reason::ServiceUnavailable, error.to_string()),
        error => {
            tracing::error!(%error, %uid, "a stored value is lost here, and no peer has it");
            Refusal::new(Reason::DecryptionFailure, "The stored value is damaged.")
        }
    })
}
