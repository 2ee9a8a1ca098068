//! What the directory says of regions: UnlinkRegion, SetRegionScope, and this region's own entry.

use machine::{Command, Node, Region, Scope, UnlinkRegion, UpdateRegion};
use wire::admin::v1 as api;

use super::Admin;
use super::link::region_name;
use crate::door::Call;
use crate::errors::Refusal;

impl Admin {
    pub(super) async fn unlink_region(
        &self,
        call: &Call,
        message: api::UnlinkRegionRequest,
    ) -> Result<api::UnlinkRegionResponse, Refusal> {
        let region = region_name(&message.region)?;
        let command = Command::UnlinkRegion(UnlinkRegion { region });
        self.propose(call, command).await?;
        Ok(api::UnlinkRegionResponse {})
    }

    pub(super) async fn set_region_scope(
        &self,
        call: &Call,
        message: api::SetRegionScopeRequest,
    ) -> Result<api::SetRegionScopeResponse, Refusal> {
        let region = Region {
            name: region_name(&message.region)?,
            scope: scope_of(message.scope())?,
            // Those there are stay: one that was removed meanwhile must not come back.
            authorities: Vec::new(),
            nodes: Vec::new(),
            unlinked: None,
            signing_key: None,
        };
        let command = Command::UpdateRegion(UpdateRegion { region });
        self.propose(call, command).await?;
        Ok(api::SetRegionScopeResponse {})
    }

    /// Puts what the directory says of this region right now: by itself that takes a while.
    pub(super) async fn describe_own(&self, call: &Call) -> Result<(), Refusal> {
        let view = self.view(call).await?;
        let Some(region) = self.replication.own_entry(&view) else {
            return Ok(());
        };
        drop(view);
        let command = Command::UpdateRegion(UpdateRegion { region });
        self.propose(call, command).await.map(drop)
    }
}

/// A scope as a caller names it.
pub(super) fn scope_of(scope: api::RegionScope) -> Result<Scope, Refusal> {
    match scope {
        api::RegionScope::Selected => Ok(Scope::Selected),
        api::RegionScope::All => Ok(Scope::All),
        api::RegionScope::Unspecified => {
            Err(Refusal::parameter("The scope must be selected or all."))
        }
    }
}

/// A scope as callers are told it.
pub(super) fn wire_scope(scope: Scope) -> api::RegionScope {
    match scope {
        Scope::Founder => api::RegionScope::Unspecified,
        Scope::Selected => api::RegionScope::Selected,
        Scope::All => api::RegionScope::All,
    }
}

/// A node as callers are told it.
pub(super) fn linked_node(node: &Node) -> api::LinkedNode {
    api::LinkedNode {
        id: node.id.0,
        peer_address: node.peer_address.clone(),
        api_address: node.api_address.clone(),
        public_key_sha256: node.public_key.0.to_vec(),
    }
}
