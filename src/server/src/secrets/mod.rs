//! The secrets API: the operations of AWS Secrets Manager over the machine's state.
//!
//! Every operation takes the same road: parse, one view (barrier first, R9), decide what is asked,
//! then either answer from that view or propose one command and answer from its outcome.

pub(crate) mod ask;
mod basis;
mod batch;
mod changed;
mod create;
mod delete;
mod describe;
mod detach;
mod filter;
mod forwarded;
mod get;
mod list;
mod not_yet;
pub(crate) mod page;
pub(crate) mod parse;
mod password;
mod permit;
mod policy;
mod put;
pub(crate) mod regions;
mod replicate;
mod service;
mod stage;
mod tags;
mod update;
mod versions;
mod watch;
mod words;

use std::sync::Arc;
use std::time::Duration;

use consensus::{Committed, Consensus, ValueError, View};
use machine::{RegionName, Rejection, RowKey, SealedValue, Secret, State, Uid, Value, VersionId};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use self::ask::Reading;
use self::basis::{About, Basis, Views};
use self::changed::{Changed, Others};
use self::parse::Plain;
use self::permit::Write;
use crate::accesses::Accesses;
use crate::authz::Authz;
use crate::danger::Danger;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::fence::Fence;
use crate::forward::Forwarder;
use crate::freshness::Freshness;
use crate::metrics::Metrics;
use crate::staleness::Staleness;
use crate::vault::{Address, Vault};

/// The parts the secrets service is made of.
#[derive(Clone)]
pub struct Secrets {
    consensus: Consensus,
    vault: Arc<Vault>,
    accesses: Arc<Accesses>,
    freshness: Arc<Freshness>,
    staleness: Arc<Staleness>,
    fence: Fence,
    authz: Arc<Authz>,
    danger: Danger,
    forwarder: Option<Arc<Forwarder>>,
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
    /// How much older than in the regions that lead them feeds may be.
    pub staleness: Arc<Staleness>,
    /// Looks for other regions that have taken over.
    pub fence: Fence,
    /// Says who callers are and what they may do.
    pub authz: Arc<Authz>,
    /// What a broken build leaves out.
    pub danger: Danger,
    /// Hands writes on to the regions that lead what they are about; none refuses them.
    pub forwarder: Option<Arc<Forwarder>>,
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
            staleness: options.staleness,
            fence: options.fence,
            authz: options.authz,
            danger: options.danger,
            forwarder: options.forwarder,
            watches: Arc::new(Semaphore::new(options.watches_max)),
            metrics: options.metrics,
            young_protection_ms: protection.unwrap_or(u64::MAX),
            stop: options.stop,
        }
    }

    /// A refusal that names another region, with where that is called.
    fn located(&self, refusal: Refusal) -> Refusal {
        refusal.with_addresses(&self.consensus.local_view())
    }

    fn changed(&self, committed: Committed, region: &RegionName) -> Result<Changed, Refusal> {
        let view = self.consensus.local_view();
        Changed::of(committed, &view, region).map_err(|refusal| refusal.with_addresses(&view))
    }

    /// Makes a write whose outcome is a secret.
    async fn change(
        &self,
        call: &Call,
        reading: &Reading,
        write: Write,
    ) -> Result<Changed, Refusal> {
        let (committed, region) = self.propose(call, reading, write).await?;
        self.changed(committed, &region)
    }

    /// Makes a write with a new version. A token used before with the same value is answered as it
    /// was then (R11): the stored version is opened and compared in constant time, and what else
    /// the command would have stored with it.
    async fn change_value(
        &self,
        call: &Call,
        reading: &Reading,
        write: Write,
        plain: &Plain,
    ) -> Result<Changed, Refusal> {
        let others = Others::of(&write.command);
        let (committed, region) = self.propose(call, reading, write).await?;
        let Err(Rejection::VersionExists { uid, version, .. }) = &committed.answer else {
            return self.changed(committed, &region);
        };
        let (uid, version) = (*uid, version.clone());
        let at = self.consensus.view_at(committed.index, call.deadline);
        let (mut view, mut views) = (at.await?, Views::default());
        let (secret, is_same) = loop {
            let secret = view.secret(&uid).cloned();
            let secret = secret.ok_or_else(Refusal::no_secret)?;
            if !others.are_in(&secret) {
                break (secret, false);
            }
            let held = self.holds_same_value(&view, &secret, &version, plain);
            let held = held.await;
            if !views.again(&held) {
                break (secret, held?);
            }
            view = self.consensus.local_view();
        };
        match is_same {
            true => Ok(Changed::again(committed, secret, version, &view, &region)),
            false => self.changed(committed, &region),
        }
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

/// The sealed value of a version: from memory, or else from disk, or from a peer when the copy on
/// disk is bad, on a thread that may wait.
async fn value(
    view: &View,
    uid: &Uid,
    version: &VersionId,
) -> Result<Option<Arc<SealedValue>>, Refusal> {
    match State::value(view, uid, version) {
        None if is_on_the_way(view, uid, version) => return Err(Refusal::on_the_way()),
        None => return Ok(None),
        Some(Value::Here(value)) => return Ok(Some(value)),
        Some(Value::Evicted) => {}
    }
    let (view, uid, version) = (view.clone(), *uid, version.clone());
    let read = tokio::task::spawn_blocking(move || view.value(&uid, &version)).await;
    let read = read.map_err(|_| Refusal::internal())?;
    read.map_err(|error| match error {
        ValueError::Superseded => Refusal::superseded(error.to_string()),
        error => {
            tracing::error!(%error, %uid, "a stored value is lost here, and no peer has it");
            Refusal::new(Reason::DecryptionFailure, "The stored value is damaged.")
        }
    })
}

/// Whether a value that is not here is still to come from the region that leads its secret.
fn is_on_the_way(state: &State, uid: &Uid, version: &VersionId) -> bool {
    let is_followed = state
        .feed_of_secret(uid)
        .is_some_and(|feed| !state.is_primary(feed));
    let secret = state.secret(uid);
    let ordinal = secret.and_then(|secret| Some(secret.version(version)?.ordinal));
    let is_withheld = |ordinal| state.is_withheld(&RowKey::Version(*uid, ordinal));
    is_followed && ordinal.is_some_and(is_withheld)
}
