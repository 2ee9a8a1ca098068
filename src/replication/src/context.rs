//! What serving and following share.

use std::time::Duration;

use bytes::Bytes;
use consensus::{Committed, Proposal, Role, Status, Unavailable};
use machine::{Audit, Command, RequestId, State};
use tokio::time::Instant;
use wire::replication::v1;

use crate::codec;
use crate::followers::Followers;
use crate::heard::Heard;
use crate::limits::{PROPOSE_TIMEOUT, QUORUM_SILENCE_MAX};
use crate::options::Options;

/// One node's part in the traffic between regions.
pub(crate) struct Context {
    pub(crate) options: Options,
    pub(crate) followers: Followers,
    pub(crate) heard: Heard,
}

impl Context {
    pub(crate) fn new(options: Options) -> Context {
        Context {
            options,
            followers: Followers::default(),
            heard: Heard::default(),
        }
    }

    /// Who sends a message, with the ballots it knows of.
    pub(crate) fn origin(&self, state: &State) -> v1::Origin {
        let Options {
            cluster,
            region,
            node,
            epochs,
            ..
        } = &self.options;
        v1::Origin {
            cluster: Bytes::copy_from_slice(&cluster.0),
            region: region.to_string(),
            node: node.0,
            epochs: codec::claims(&epochs.claims(state)),
        }
    }

    /// Proposes a command of a task of this node.
    pub(crate) async fn propose_as_task(
        &self,
        task: &str,
        command: Command,
    ) -> Result<Committed, Unavailable> {
        self.propose(format!("task/{task}"), command).await
    }

    /// Proposes a command for a caller, and waits no longer than for one call.
    pub(crate) async fn propose(
        &self,
        caller: String,
        command: Command,
    ) -> Result<Committed, Unavailable> {
        let mut request = [0; 16];
        // Without randomness nothing can be proposed anyway.
        getrandom::fill(&mut request).map_err(|_error| Unavailable::Stopped)?;
        let audit = Audit {
            caller,
            request_id: RequestId(request),
        };
        let proposal = Proposal {
            command,
            audit,
            deadline: Instant::now() + PROPOSE_TIMEOUT,
        };
        self.options.consensus.propose(proposal).await
    }

    /// The node that leads here, as far as this one knows; 0 when it hears none, or when it leads
    /// itself and no quorum hears it.
    pub(crate) fn leader(&self) -> u64 {
        let status = self.options.consensus.status();
        let is_heard = silence(&status).is_some_and(|silence| silence <= QUORUM_SILENCE_MAX);
        let leader = status.leader.filter(|_| is_heard);
        leader.map_or(0, |leader| leader.0)
    }
}

/// The time since this node, if it leads, had an answer of a quorum, else since it heard a leader.
fn silence(status: &Status) -> Option<Duration> {
    match status.role {
        Role::Leader if status.voters == [status.node] => Some(Duration::ZERO),
        Role::Leader => status.last_quorum_ack_age,
        _ => status.leader_silence,
    }
}
