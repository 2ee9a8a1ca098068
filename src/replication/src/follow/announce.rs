//! The task that keeps this region's entry of the directory true: its nodes and their keys, and the
//! certificates that issue theirs (R17).

use std::sync::Arc;

use bytes::Bytes;
use machine::limits::{AUTHORITIES_MAX, REGION_NODES_MAX};
use machine::{Command, FeedId, Node, Region, Scope, State, UpdateRegion};
use tokio::time::{sleep, timeout};
use wire::replication::v1;

use crate::codec;
use crate::follow::Following;
use crate::follow::line::client;
use crate::follow::supervisor::Lines;
use crate::limits::{ANNOUNCE_INTERVAL, ANNOUNCE_PAUSE, MESSAGE_TIMEOUT};

/// Runs until it is dropped.
pub(crate) async fn run(following: Arc<Following>, lines: Lines) {
    loop {
        let view = following.view();
        let authorities = following.context.options.own.authorities();
        let Some(region) = wanted(&view, authorities) else {
            sleep(ANNOUNCE_INTERVAL).await;
            continue;
        };
        let told = match view.is_primary(&FeedId::Root) {
            true => update(&following, region).await,
            false => announce(&following, &lines, &view, region).await,
        };
        match told {
            Ok(()) => tracing::info!("this region's entry of the directory is renewed"),
            Err(reason) => {
                tracing::warn!(
                    reason,
                    "this region's entry of the directory is not renewed"
                );
            }
        }
        // Until it comes back with the root feed it is not seen here.
        sleep(ANNOUNCE_PAUSE).await;
    }
}

/// Gives what the directory should say of this region; none if it says so, and if it names no such
/// region at all: only an operator puts one in.
pub(super) fn wanted(state: &State, authorities: Vec<Bytes>) -> Option<Region> {
    let own = state.region()?;
    let mut entries = state.directory();
    let (_, known) = entries.find(|(_, region)| region.name == *own && region.is_linked())?;
    let mut nodes: Vec<Node> = state.nodes().map(|node| Node::clone(node)).collect();
    nodes.sort_by_key(|node| node.id);
    nodes.truncate(REGION_NODES_MAX);
    let mut authorities = authorities;
    authorities.truncate(AUTHORITIES_MAX);
    let is_true = known.nodes == nodes && known.authorities == authorities;
    let is_whole = !nodes.is_empty() && !authorities.is_empty();
    (is_whole && !is_true).then(|| Region {
        name: own.clone(),
        // What the region receives is not its own to say.
        scope: Scope::Founder,
        authorities,
        nodes,
        unlinked: None,
    })
}

async fn update(following: &Following, region: Region) -> Result<(), String> {
    let command = Command::UpdateRegion(UpdateRegion { region });
    let committed = following.propose("announce", command).await;
    let committed = committed.map_err(|error| error.to_string())?;
    committed
        .answer
        .map(|_| ())
        .map_err(|error| error.to_string())
}

async fn announce(
    following: &Following,
    lines: &Lines,
    state: &State,
    region: Region,
) -> Result<(), String> {
    let primary = state.primary_of(&FeedId::Root);
    let primary = primary.ok_or("the root feed is not here yet")?;
    let line = lines.borrow().get(primary).cloned();
    let line = line.ok_or_else(|| format!("region {primary} is not linked"))?;
    let node = line.node.borrow().clone();
    let node = node.ok_or_else(|| format!("no stream to region {primary} is open"))?;
    let context = &following.context;
    let channel = context.options.regions.channel(&line.region, &node);
    let mut client = client(channel.map_err(|error| error.to_string())?);
    let request = v1::AnnounceRequest {
        origin: Some(context.origin(state)),
        authorities: region.authorities,
        nodes: region.nodes.iter().map(codec::node).collect(),
    };
    match timeout(MESSAGE_TIMEOUT, client.announce(request)).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(format!("{:?}: {}", status.code(), status.message())),
        Err(_late) => Err("the node did not answer in time".to_owned()),
    }
}
