//! What the directory says of regions: UnlinkRegion, SetRegionScope, and this region's own entry.

use machine::{Command, Node, Region, RegionName, Rejection, Scope, State, UnlinkRegion, UpdateRegion};
use wire::admin::v1 as api;

use super::Admin;
use super::link::region_name;
use crate::door::Call;
use crate::errors::Refusal;
use crate::limits::REGION_NODES_MAX;

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
        let name = region_name(&message.region)?;
        let scope = scope_of(message.scope())?;
        let view = self.view(call).await?;
        let known = entry(&view, &name).ok_or(Rejection::RegionUnknown(name))?;
        let region = Region {
            scope,
            ..known.clone()
        };
        drop(view);
        let command = Command::UpdateRegion(UpdateRegion { region });
        self.propose(call, command).await?;
        Ok(api::SetRegionScopeResponse {})
    }

    /// Puts what the directory says of this region right, on the primary of the root feed: nobody
    /// else announces it there.
    pub(super) async fn describe_own(&self, call: &Call) -> Result<(), Refusal> {
        let view = self.view(call).await?;
        let own = view.region().cloned().ok_or_else(Refusal::not_founded)?;
        let issuers = self.credentials.issuers().into_iter();
        let region = Region {
            name: own.clone(),
            // Keeps the one there is.
            scope: Scope::Founder,
            authorities: issuers.map(|der| der.to_vec().into()).collect(),
            nodes: own_nodes(&view),
            unlinked: None,
        };
        let is_said = entry(&view, &own).is_some_and(|known| {
            known.authorities == region.authorities && known.nodes == region.nodes
        });
        if is_said {
            return Ok(());
        }
        drop(view);
        let command = Command::UpdateRegion(UpdateRegion { region });
        self.propose(call, command).await.map(drop)
    }
}

/// The nodes of this region that others are told of, by id.
fn own_nodes(state: &State) -> Vec<Node> {
    let nodes = state.nodes().map(|node| Node::clone(node));
    nodes.take(REGION_NODES_MAX).collect()
}

/// What the directory has of a region, linked or not.
fn entry<'a>(state: &'a State, name: &RegionName) -> Option<&'a Region> {
    let mut entries = state.directory().map(|(_, region)| region.as_ref());
    entries.find(|region| region.name == *name)
}

/// A scope as a caller names it.
pub(super) fn scope_of(scope: api::RegionScope) -> Result<Scope, Refusal> {
    match scope {
        api::RegionScope::Selected => Ok(Scope::Selected),
        api::RegionScope::All => Ok(Scope::All),
        api::RegionScope::Unspecified => Err(Refusal::parameter(
            "The scope must be selected or all.",
        )),
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
