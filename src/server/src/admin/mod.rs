//! The admin API: status and membership of the region.

mod join;
mod nodes;
mod service;
mod status;

use std::sync::Arc;

use consensus::{Consensus, Proposal, View};
use machine::{Audit, Command, Outcome, RequestId};
use store::SnapshotDir;

use self::join::Attempts;
use crate::door::Call;
use crate::errors::Refusal;
use crate::status::NodeStatus;

/// The parts the admin service is made of.
#[derive(Clone)]
pub struct Admin {
    consensus: Consensus,
    status: Arc<NodeStatus>,
    snapshots: SnapshotDir,
    sealed_keyring: Arc<[u8]>,
    attempts: Arc<Attempts>,
}

impl Admin {
    /// The service over these parts; the keyring is given to nodes that join, sealed.
    pub fn new(
        consensus: Consensus,
        status: Arc<NodeStatus>,
        snapshots: SnapshotDir,
        sealed_keyring: Arc<[u8]>,
    ) -> Self {
        Self {
            consensus,
            status,
            snapshots,
            sealed_keyring,
            attempts: Arc::default(),
        }
    }

    async fn view(&self, call: &Call) -> Result<View, Refusal> {
        Ok(self.consensus.read(call.deadline).await?)
    }

    async fn propose(&self, call: &Call, command: Command) -> Result<Outcome, Refusal> {
        let proposal = Proposal {
            command,
            audit: audit(call),
            deadline: call.deadline,
        };
        Ok(self.consensus.propose(proposal).await?.answer?)
    }
}

/// The audit fields of a call.
fn audit(call: &Call) -> Audit {
    Audit {
        caller: call.caller.to_string(),
        request_id: RequestId(call.request),
    }
}
