//! FinalizeUpgrade: the newest rules that every node can run are turned on (R13).

use futures::future::try_join_all;
use machine::{Command, MACHINE_VERSION, MachineVersion, Node, SetMachineVersion};
use tokio::time::Instant;
use wire::admin::v1 as api;

use super::Admin;
use super::member::until;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::NODE_STATUS_TIMEOUT;

impl Admin {
    pub(super) async fn finalize_upgrade(
        &self,
        call: &Call,
    ) -> Result<api::FinalizeUpgradeResponse, Refusal> {
        let view = self.view(call).await?;
        let before = view.machine_version().ok_or_else(Refusal::not_founded)?;
        let own = self.consensus.status().node;
        let others = view.nodes().filter(|node| node.id != own);
        let deadline = call.deadline.min(Instant::now() + NODE_STATUS_TIMEOUT);
        let asked = others.map(|node| self.supported(node, deadline));
        let supported = try_join_all(asked).await?;
        let newest = supported.into_iter().min().unwrap_or(MACHINE_VERSION);
        let version = newest.min(MACHINE_VERSION);
        drop(view);
        if version > before {
            let command = Command::SetMachineVersion(SetMachineVersion { version });
            self.propose(call, command).await?;
        }
        let view = self.view(call).await?;
        let now = view.machine_version().unwrap_or(before);
        Ok(api::FinalizeUpgradeResponse {
            before: before.0,
            now: now.0,
        })
    }

    /// The newest rules a node can run, by its own word.
    async fn supported(&self, node: &Node, deadline: Instant) -> Result<MachineVersion, Refusal> {
        let mut member = self.member(node)?;
        let request = until(deadline, api::GetStatusRequest {});
        let status = match member.get_status(request).await {
            Ok(status) => status.into_inner().node,
            Err(status) => {
                tracing::warn!(%status, node = node.id.0, "a node does not say what it can run");
                None
            }
        };
        let said = status.map(|node| MachineVersion(node.machine_version_supported));
        said.ok_or_else(|| {
            Refusal::request(format!(
                "Node {} does not answer, so what it can run is not known: start it, or remove it.",
                node.id.0
            ))
        })
    }
}
