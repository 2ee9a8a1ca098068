//! What serving and following share.

use std::time::Duration;

use bytes::Bytes;
use consensus::{Role, Status};
use machine::State;
use wire::replication::v1;

use crate::codec;
use crate::followers::Followers;
use crate::heard::Heard;
use crate::limits::QUORUM_SILENCE_MAX;
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
