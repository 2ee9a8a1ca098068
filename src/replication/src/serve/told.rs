//! Calls that are answered at once: where this region stands, and what others say of themselves.

use std::collections::BTreeSet;
use std::sync::Arc;

use consensus::View;
use machine::{Command, FeedId, Region, ReportReplicas, Scope, State, UpdateRegion};
use prost::Message as _;
use tokio::time::Instant;
use tonic::Request;
use wire::certs::Holder;
use wire::replication::v1;
use wire::{CertificateDer, PublicKeyHash};

use crate::codec::{self, Malformed, bounded};
use crate::context::Context;
use crate::error::Refused;
use crate::issuers::issuers_of_others;
use crate::limits::ASK_CONFIRM_TIMEOUT;
use crate::serve::door::{Caller, Door};

/// Says where this region stands in every feed, with a quorum or without.
pub(super) async fn ask(
    context: &Arc<Context>,
    door: &Door,
    request: Request<v1::AskRequest>,
) -> Result<v1::AskResponse, Refused> {
    let (_, extensions, asked) = request.into_parts();
    let caller = door.check(&extensions, asked.origin)?;
    let _place = door.call(&caller)?;
    let options = &context.options;
    let confirmed = options.consensus.read(Instant::now() + ASK_CONFIRM_TIMEOUT);
    let (view, leads) = match confirmed.await {
        Ok(view) => {
            let leads = led(context, &view);
            (view, leads)
        }
        Err(_unavailable) => (options.consensus.local_view(), Vec::new()),
    };
    Ok(v1::AskResponse {
        origin: Some(context.origin(&view)),
        feeds: stands(&view),
        leads,
        leader: context.leader(),
        machine_version: options.own.machine_version().0,
    })
}

/// The feeds this region is primary of.
fn led(context: &Context, view: &View) -> Vec<String> {
    let feeds = view.feeds().filter_map(|feed| feed.state());
    let led = feeds.filter(|state| context.leads(view, &state.feed).is_ok());
    led.map(|state| state.feed.to_string()).collect()
}

fn stands(state: &State) -> Vec<v1::FeedCursor> {
    let feeds = state.feeds().filter_map(|feed| {
        let state = feed.state()?;
        Some(codec::cursor(&state.feed, &feed.cursor()))
    });
    feeds.collect()
}

/// Lets a region say which authorities and nodes it has, and the key by which it signs sessions. It
/// receives what it received before.
pub(super) async fn announce(
    context: &Arc<Context>,
    door: &Door,
    request: Request<v1::AnnounceRequest>,
) -> Result<(), Refused> {
    let (_, extensions, said) = request.into_parts();
    let bytes = said.encoded_len();
    let caller = door.check(&extensions, said.origin)?;
    let _place = door.call(&caller)?;
    let view = context.options.consensus.local_view();
    context.leads(&view, &FeedId::Root)?;
    let authorities = bounded(
        "authorities",
        said.authorities,
        machine::limits::AUTHORITIES_MAX,
    )?;
    let others = issuers_of_others(&view, &caller.region);
    let mut issuers = authorities.iter();
    if !issuers.all(|der| issues_for(context, &caller, der, &others)) {
        return Err(Malformed::Form("authorities").into());
    }
    let nodes = bounded("nodes", said.nodes, machine::limits::REGION_NODES_MAX)?;
    let nodes: Result<Vec<_>, _> = nodes.into_iter().map(codec::from_node).collect();
    let mut nodes = nodes?;
    nodes.sort_by_key(|node| node.id);
    let region = Region {
        name: caller.region.clone(),
        scope: Scope::Founder,
        authorities,
        nodes,
        unlinked: None,
        signing_key: codec::from_verifying_key(&said.signing_key)?,
    };
    let known = view.linked(&region.name);
    // Rules that know no keys of sessions keep none.
    let keeps_key = view.machine_version() >= Some(machine::ACCESS);
    let is_told = |known: &Region| {
        let key = region.signing_key.filter(|_| keeps_key);
        key.is_none() || known.signing_key == key
    };
    let is_known = known.is_some_and(|known| {
        known.authorities == region.authorities && known.nodes == region.nodes && is_told(known)
    });
    if is_known {
        return Ok(());
    }
    door.spend(&caller, bytes)?;
    let command = Command::UpdateRegion(UpdateRegion { region });
    propose(context, &caller, command).await
}

/// Whether a certificate is one that a region's nodes may have theirs from, and no other region's.
fn issues_for(
    context: &Context,
    caller: &Caller,
    der: &[u8],
    others: &BTreeSet<PublicKeyHash>,
) -> bool {
    let issuer = wire::check_issuer(&CertificateDer::from(der));
    issuer.is_ok_and(|issuer| match issuer.holder {
        _ if others.contains(&issuer.public_key) => false,
        Holder::Issuer { cluster, region } => {
            region == caller.region.as_str() && cluster == context.options.cluster.to_string()
        }
        _ => true,
    })
}

/// Takes in what a region says of its copies.
pub(super) async fn report(
    context: &Arc<Context>,
    door: &Door,
    request: Request<v1::ReportRequest>,
) -> Result<(), Refused> {
    let (_, extensions, said) = request.into_parts();
    let bytes = said.encoded_len();
    let caller = door.check(&extensions, said.origin)?;
    let _place = door.call(&caller)?;
    let replicas = codec::from_reports(said.replicas)?;
    if replicas.is_empty() {
        return Ok(());
    }
    door.spend(&caller, bytes)?;
    let report = ReportReplicas {
        region: caller.region.clone(),
        replicas,
    };
    propose(context, &caller, Command::ReportReplicas(report)).await
}

/// Proposes what a caller asked for.
async fn propose(context: &Context, caller: &Caller, command: Command) -> Result<(), Refused> {
    let name = caller.name(context.options.cluster);
    let committed = context.propose(name, command).await?;
    committed.answer?;
    Ok(())
}
