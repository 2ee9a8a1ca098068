//! The access API: accounts, principals, policies, credentials, providers and revocations, what the
//! policies come to, and sessions.
//!
//! Every call takes the same road: parse, one view (barrier first, R9), say whether its caller may
//! do this to that, then either answer from that view or propose one command and answer from its
//! outcome. All of it is in the root feed, which one region leads.

mod accounts;
pub(crate) mod arn;
mod assume;
mod basis;
mod caller;
mod changes;
mod credentials;
mod mint;
mod pages;
mod parse;
mod policies;
mod principals;
mod providers;
mod question;
mod revocations;
mod service;
mod shown;
mod simulate;
mod web;
mod who_can;
mod write;

use std::sync::Arc;

use consensus::Consensus;
use machine::FeedId;

use crate::attempts::Attempts;
use crate::authz::Authz;
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::issuers::Issuers;
use crate::limits::LOGIN_ATTEMPTS_MAX;
use crate::sessions::Sessions;
use crate::vault::Vault;

/// The parts the access service is made of.
#[derive(Clone)]
pub struct Identities {
    consensus: Consensus,
    vault: Arc<Vault>,
    fence: Fence,
    authz: Arc<Authz>,
    sessions: Arc<Sessions>,
    issuers: Arc<Issuers>,
    logins: Arc<Attempts>,
}

/// What the service is made with.
pub struct IdentitiesOptions {
    /// Reads and writes.
    pub consensus: Consensus,
    /// Seals access keys.
    pub vault: Arc<Vault>,
    /// Looks for other regions that have taken over.
    pub fence: Fence,
    /// Knows who may do what.
    pub authz: Arc<Authz>,
    /// Seals and signs sessions.
    pub sessions: Arc<Sessions>,
    /// Knows the keys of issuers.
    pub issuers: Arc<Issuers>,
}

impl Identities {
    /// The service over these parts.
    pub fn new(options: IdentitiesOptions) -> Self {
        Self {
            consensus: options.consensus,
            vault: options.vault,
            fence: options.fence,
            authz: options.authz,
            sessions: options.sessions,
            issuers: options.issuers,
            logins: Arc::new(Attempts::of_each(LOGIN_ATTEMPTS_MAX)),
        }
    }
}

/// A uid for something new in the root feed.
fn new_uid() -> Result<machine::Uid, Refusal> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|error| {
        tracing::error!(%error, "the system gives no random bytes");
        Refusal::internal()
    })?;
    Ok(FeedId::Root.uid_of(bytes))
}
