//! The task that keeps this region's entry of the directory true: its nodes and their keys, the
//! certificates that issue theirs (R17), and the key by which it signs sessions (R20). It runs on
//! every node: one that joined and leads already is not known to other regions, which refuse its
//! calls. Then one that is known speaks for it.

use std::sync::Arc;

use bytes::Bytes;
use consensus::View;
use machine::limits::{AUTHORITIES_MAX, REGION_NODES_MAX};
use machine::{
    Command, Epoch, FeedId, Node, NodeId, Region, RegionName, Scope, State, UpdateRegion,
};
use tokio::time::sleep;
use wire::replication::v1;

use crate::codec;
use crate::follow::Following;
use crate::follow::failed::{Failed, in_time};
use crate::follow::line::client;
use crate::limits::{ANNOUNCE_INTERVAL, ANNOUNCE_PAUSE};

/// Runs until the node stops.
pub(crate) async fn run(following: Arc<Following>) {
    let stop = following.context.options.stop.clone();
    tokio::select! {
        () = stop.cancelled() => {}
        () = keep_true(&following) => {}
    }
}

async fn keep_true(following: &Arc<Following>) {
    loop {
        let view = following.view();
        let options = &following.context.options;
        let leader = options.consensus.status().leader;
        let primary = root_primary(&view, &options.epochs.claims(&view));
        let wanted = wanted(&view, options.own.authorities());
        let wanted = wanted.filter(|_| speaks(&view, options.node, leader, primary.as_ref()));
        let Some(region) = wanted else {
            drop(view);
            sleep(ANNOUNCE_INTERVAL).await;
            continue;
        };
        let is_own = primary.as_ref() == Some(&region.name);
        let told = match is_own {
            true => update(following, region).await,
            false => announce(following, view, region, primary).await,
        };
        match told {
            Ok(()) => tracing::info!("this region's entry of the directory is renewed"),
            Err(reason) => {
                tracing::warn!(%reason, "this region's entry of the directory is not renewed");
            }
        }
        // What another region was told is not seen here until it comes back with the root feed.
        sleep(if is_own {
            ANNOUNCE_INTERVAL
        } else {
            ANNOUNCE_PAUSE
        })
        .await;
    }
}

/// Who leads the root feed, by the highest ballot of it: a region that comes back, and was taken
/// over before all of its nodes were known, has to tell the new primary of them to be let in.
pub(super) fn root_primary(state: &State, claims: &[(FeedId, Epoch)]) -> Option<RegionName> {
    let mut claims = claims.iter().filter(|(feed, _)| *feed == FeedId::Root);
    let claimed = claims.next().map(|(_, epoch)| &epoch.region);
    claimed.or(state.primary_of(&FeedId::Root)).cloned()
}

/// Whether a node speaks for its region: the one that leads, if other regions know it or none is
/// to be asked, else the first of those that are known.
pub(super) fn speaks(
    state: &State,
    own: NodeId,
    leader: Option<NodeId>,
    root: Option<&RegionName>,
) -> bool {
    if root.is_some() && root == state.region() {
        return leader == Some(own);
    }
    let is_known = |id: &NodeId| {
        let entry = state.region().and_then(|region| state.linked(region));
        let mut nodes = entry.into_iter().flat_map(|entry| &entry.nodes);
        let member = state.node(*id);
        nodes.any(|node| member.is_some_and(|member| **member == *node))
    };
    let mut members = state.nodes().map(|node| node.id);
    let speaker = leader.filter(is_known).or_else(|| members.find(is_known));
    speaker == Some(own)
}

/// Gives what the directory should say of this region; none if it says so, and if it names no such
/// region at all: only an operator puts one in.
pub(crate) fn wanted(state: &State, authorities: Vec<Bytes>) -> Option<Region> {
    let own = state.region()?;
    let mut entries = state.directory();
    let (_, known) = entries.find(|(_, region)| region.name == *own && region.is_linked())?;
    let mut nodes: Vec<Node> = state.nodes().map(|node| Node::clone(node)).collect();
    nodes.sort_by_key(|node| node.id);
    nodes.truncate(REGION_NODES_MAX);
    let mut authorities = authorities;
    authorities.truncate(AUTHORITIES_MAX);
    let signing_key = state.signing_key().map(|key| key.public_key);
    let is_told = signing_key.is_none() || known.signing_key == signing_key;
    let is_true = known.nodes == nodes && known.authorities == authorities && is_told;
    let is_whole = !nodes.is_empty() && !authorities.is_empty();
    (is_whole && !is_true).then(|| Region {
        name: own.clone(),
        // What the region receives is not its own to say.
        scope: Scope::Founder,
        authorities,
        nodes,
        unlinked: None,
        signing_key,
    })
}

async fn update(following: &Following, region: Region) -> Result<(), Failed> {
    let command = Command::UpdateRegion(UpdateRegion { region });
    let committed = following.propose("announce", command).await;
    let committed = committed.map_err(Failed::lost)?;
    committed.answer.map(|_| ()).map_err(Failed::lost)
}

/// Tells the primary of the root feed, by whichever of its nodes answers.
async fn announce(
    following: &Following,
    view: View,
    region: Region,
    primary: Option<RegionName>,
) -> Result<(), Failed> {
    let primary = primary.ok_or_else(|| Failed::lost("the root feed is not here yet"))?;
    let entry = view.linked(&primary).cloned();
    let entry = entry.ok_or_else(|| Failed::Lost(format!("region {primary} is not linked")))?;
    let request = v1::AnnounceRequest {
        origin: Some(following.context.origin(&view)),
        authorities: region.authorities,
        nodes: region.nodes.iter().map(codec::node).collect(),
        signing_key: codec::verifying_key(region.signing_key.as_ref()),
    };
    drop(view);
    let mut refused = Failed::Lost(format!("region {} has no nodes", entry.name));
    for node in &entry.nodes {
        let told = async {
            let mut client = client(&following.context, &entry.name, node)?;
            in_time(client.announce(request.clone())).await
        };
        match told.await {
            Ok(_) => return Ok(()),
            Err(reason) => refused = reason,
        }
    }
    Err(refused)
}
