//! Calls to another node of this region, as one of its members.

use std::sync::Arc;

use machine::{Node, NodeId};
use tokio::time::Instant;
use tonic::{Request, Status};
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::{Channel, Expected};

use super::Admin;
use crate::door::Call;
use crate::errors::{Reason, Refusal};

/// Who makes a call that a member passes on; believed of members only.
pub(super) const CALLER: &str = "strongroom-caller";

/// The admin service of another node.
pub(super) type Member = AdminServiceClient<Channel>;

impl Admin {
    /// The node that leads, to pass a call on to; none if it is this one.
    ///
    /// # Errors
    /// Nobody leads, or a member passed the call on to this node, which does not lead any more:
    /// nothing was done.
    pub(super) fn other_leader(&self, is_passed_on: bool) -> Result<Option<Member>, Refusal> {
        let status = self.consensus.status();
        let leader = match status.leader {
            Some(leader) if leader == status.node => return Ok(None),
            Some(leader) if !is_passed_on => leader,
            leader => return Err(consensus::Unavailable::NoLeader { leader }.into()),
        };
        let view = self.consensus.local_view();
        let node = view.node(leader).map(Arc::clone);
        let node = node.ok_or(consensus::Unavailable::NoLeader {
            leader: Some(leader),
        })?;
        self.member(&node).map(Some)
    }

    /// A member of this region.
    pub(super) fn member(&self, node: &Node) -> Result<Member, Refusal> {
        let expected = Expected::Peer {
            node: node.id.0,
            public_key: node.public_key.0,
        };
        let channel = self.dialer.channel(&node.api_address, expected);
        let channel = channel.map_err(|error| {
            tracing::warn!(%error, node = node.id.0, "a member cannot be called");
            unreachable(node.id)
        })?;
        Ok(AdminServiceClient::new(channel))
    }
}

/// A request that is passed on for a caller, who waits no longer than this.
pub(super) fn passed_on<T>(call: &Call, message: T) -> Request<T> {
    let mut request = until(call.deadline, message);
    if let Ok(caller) = call.caller.parse() {
        request.metadata_mut().insert(CALLER, caller);
    }
    request
}

/// A request with a deadline.
pub(super) fn until<T>(deadline: Instant, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(deadline.saturating_duration_since(Instant::now()));
    request
}

/// What the leader's refusal is to the caller: its own words, if it got so far as to have some.
/// Without, whether anything was done is not known.
pub(super) fn refused_by_leader(status: Status, writes: bool) -> Status {
    if !status.details().is_empty() {
        return status;
    }
    tracing::warn!(%status, "the leader did not answer");
    let reason = match writes {
        true => Reason::OutcomeUnknown,
        false => Reason::ServiceUnavailable,
    };
    Refusal::new(reason, "The leader did not answer.").into()
}

/// A member that did not answer.
pub(super) fn unreachable(node: NodeId) -> Refusal {
    Refusal::new(
        Reason::ServiceUnavailable,
        format!("Node {} cannot be reached.", node.0),
    )
}
