//! The access API: accounts, principals, policies, credentials, providers and revocations, and what
//! the policies come to.
//!
//! Every call takes the same road: parse, one view (barrier first, R9), say whether its caller may
//! do this to that, then either answer from that view or propose one command and answer from its
//! outcome. All of it is in the root feed, which one region leads.

mod accounts;
mod arn;
mod basis;
mod caller;
mod changes;
mod credentials;
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
mod who_can;
mod write;

use std::sync::Arc;

use consensus::Consensus;
use machine::FeedId;

use crate::authz::Authz;
use crate::errors::Refusal;
use crate::fence::Fence;
use crate::vault::Vault;

/// The parts the access service is made of.
#[derive(Clone)]
pub struct Identities {
    consensus: Consensus,
    vault: Arc<Vault>,
    fence: Fence,
    authz: Arc<Authz>,
}

impl Identities {
    /// The service over these parts: reads and writes, the sealing of access keys, the look for
    /// other regions that have taken over, and who may do what.
    pub fn new(consensus: Consensus, vault: Arc<Vault>, fence: Fence, authz: Arc<Authz>) -> Self {
        Self {
            consensus,
            vault,
            fence,
            authz,
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
