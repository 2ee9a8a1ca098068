//! ListNodes, PromoteNode, RemoveNode, TransferLeader, TakeSnapshot.

use std::time::Duration;

use consensus::{Role, Status, View};
use machine::NodeId;
use tokio::time::Instant;
use wire::admin::v1 as api;

use super::Admin;
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::times::duration;

/// Pause between two looks whether what was asked for is so.
const PAUSE: Duration = Duration::from_millis(20);
const SNAPSHOT_AGAIN: Duration = Duration::from_secs(1);

impl Admin {
    pub(super) async fn list_nodes(&self, call: &Call) -> Result<api::ListNodesResponse, Refusal> {
        let view = self.view(call).await?;
        Ok(api::ListNodesResponse {
            nodes: nodes(&view, &self.consensus.status()),
        })
    }

    pub(super) async fn promote(
        &self,
        call: &Call,
        node: u64,
    ) -> Result<api::PromoteNodeResponse, Refusal> {
        self.consensus.promote(NodeId(node), call.deadline).await?;
        Ok(api::PromoteNodeResponse {
            nodes: self.members(call).await?,
        })
    }

    pub(super) async fn remove(
        &self,
        call: &Call,
        node: u64,
    ) -> Result<api::RemoveNodeResponse, Refusal> {
        let node = NodeId(node);
        self.consensus
            .remove(node, call.audit(), call.deadline)
            .await?;
        let nodes = match self.consensus.status() {
            // This node is cut now and would wait for a read in vain: it says what it knew.
            status if status.node == node => {
                let known = nodes(&self.consensus.local_view(), &status).into_iter();
                known.filter(|known| known.id != node.0).collect()
            }
            _ => self.members(call).await?,
        };
        Ok(api::RemoveNodeResponse { nodes })
    }

    pub(super) async fn transfer_leader(
        &self,
        call: &Call,
        to: Option<u64>,
    ) -> Result<api::TransferLeaderResponse, Refusal> {
        let before = self.consensus.status();
        let is_alone = before
            .voters
            .iter()
            .all(|voter| before.leader == Some(*voter));
        if to.is_none() && is_alone {
            let none = "There is no other voter to lead this region.";
            return Err(Refusal::request(none));
        }
        let to = to.map(NodeId);
        self.consensus.transfer_leader(to, call.deadline).await?;
        // The leader knows first; the caller may have asked another node.
        loop {
            let status = self.consensus.status();
            let is_it = |leader: NodeId| match to {
                Some(to) => leader == to,
                None => Some(leader) != before.leader,
            };
            if let Some(leader) = status.leader.filter(|leader| is_it(*leader)) {
                let (leader, term) = (leader.0, status.term);
                return Ok(api::TransferLeaderResponse { leader, term });
            }
            if Instant::now() + PAUSE >= call.deadline {
                let late = "No other node leads yet.";
                return Err(Refusal::new(Reason::RequestTimeout, late));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Waits until a snapshot that holds everything applied before the call has its name.
    pub(super) async fn take_snapshot(
        &self,
        call: &Call,
    ) -> Result<api::TakeSnapshotResponse, Refusal> {
        let wanted = self.consensus.local_view().index();
        let mut next = Instant::now();
        let index = loop {
            match self.consensus.status().snapshot {
                Some(index) if index >= wanted => break index,
                _ if Instant::now() + PAUSE >= call.deadline => {
                    let late = "The snapshot is still being written.";
                    return Err(Refusal::new(Reason::RequestTimeout, late));
                }
                // Again now and then: it is not begun while the rows are renewed.
                _ if Instant::now() >= next => {
                    self.consensus.snapshot().await?;
                    next = Instant::now() + SNAPSHOT_AGAIN;
                }
                _ => {}
            }
            tokio::time::sleep(PAUSE).await;
        };
        let snapshots = self.snapshots.clone();
        let latest = tokio::task::spawn_blocking(move || snapshots.latest()).await;
        let size_bytes = match latest {
            Ok(Ok(Some(file))) => file.size_bytes(),
            _ => return Err(Refusal::internal()),
        };
        Ok(api::TakeSnapshotResponse {
            index: index.0,
            size_bytes,
        })
    }

    async fn members(&self, call: &Call) -> Result<Vec<api::Node>, Refusal> {
        Ok(nodes(&self.view(call).await?, &self.consensus.status()))
    }
}

/// The nodes of the region, by id.
pub(super) fn nodes(view: &View, status: &Status) -> Vec<api::Node> {
    let progress = |node: NodeId| status.progress.iter().find(|of| of.node == node);
    let own = |node: NodeId| status.role == Role::Leader && status.node == node;
    view.nodes()
        .map(|node| api::Node {
            id: node.id.0,
            peer_address: node.peer_address.clone(),
            api_address: node.api_address.clone(),
            public_key_sha256: node.public_key.0.to_vec(),
            voter: status.voters.contains(&node.id),
            leader: status.leader == Some(node.id),
            matched_index: match progress(node.id) {
                Some(progress) => progress.matched,
                None => status.last_log.filter(|_| own(node.id)),
            }
            .map(|index| index.0),
            last_answer_age: progress(node.id)
                .and_then(|progress| progress.answer_age)
                .map(duration),
        })
        .collect()
}
