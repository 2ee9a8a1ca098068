//! Asks the nodes of all linked regions where they stand, all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use consensus::View;
use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use machine::{Cursor, Epoch, FeedId, Node, RegionName};
use tokio::time::{Instant, timeout_at};
use wire::replication::v1;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;

use crate::codec::{self, Malformed};
use crate::context::Context;
use crate::limits::{ASK_TIMEOUT, ASKED_NODES_MAX, FEEDS_MAX, REQUEST_BYTES_MAX};

/// What a node answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Answer {
    /// The ballots it knows of.
    pub(super) claims: Vec<(FeedId, Epoch)>,
    /// Where it stands.
    pub(super) feeds: Vec<(FeedId, Cursor)>,
    /// The feeds that a quorum of its region confirmed to be led there.
    leads: Vec<FeedId>,
    /// Whether it is the node that leads its region.
    is_leader: bool,
}

/// What was answered in time.
#[derive(Debug, Default)]
pub(super) struct Answers {
    regions: BTreeMap<RegionName, Vec<Answer>>,
    unreached: Vec<RegionName>,
}

impl Answers {
    /// Gives all answers with their regions.
    pub(super) fn of_all(&self) -> impl Iterator<Item = (&RegionName, &Answer)> {
        let regions = self.regions.iter();
        regions.flat_map(|(region, answers)| answers.iter().map(move |answer| (region, answer)))
    }

    /// Gives what a region leads, if a quorum of it said so.
    pub(super) fn leads(&self, region: &RegionName) -> Option<Vec<FeedId>> {
        let mut answers = self.regions.get(region)?.iter();
        let led = answers.find(|answer| !answer.leads.is_empty())?;
        Some(led.leads.clone())
    }

    /// The regions of which no node answered.
    pub(super) fn unreached(&self) -> &[RegionName] {
        &self.unreached
    }
}

/// Asks every node of every linked region, and waits until each region has answered for itself, or
/// cannot any more, but no longer than [`ASK_TIMEOUT`].
pub(super) async fn ask_all(context: &Arc<Context>, view: &View, lost: &RegionName) -> Answers {
    let deadline = Instant::now() + ASK_TIMEOUT;
    let own = &context.options.region;
    let others = view.regions().filter(|region| region.name != *own);
    let mut asking: FuturesUnordered<_> = others
        .map(|region| {
            let nodes = region.nodes.iter().take(ASKED_NODES_MAX).cloned();
            let nodes: Vec<Node> = nodes.collect();
            let must_lead = region.name == *lost;
            let name = region.name.clone();
            let request = v1::AskRequest {
                origin: Some(context.origin(view)),
            };
            async move {
                let answers = ask_region(context, &name, nodes, &request, must_lead, deadline);
                (name.clone(), answers.await)
            }
        })
        .collect();
    let mut answers = Answers::default();
    while let Some((region, answered)) = asking.next().await {
        if answered.is_empty() {
            answers.unreached.push(region);
        } else {
            answers.regions.insert(region, answered);
        }
    }
    answers.unreached.sort();
    answers
}

/// Asks the nodes of one region, until the one that leads has answered. Of the lost region that is
/// not enough: another node may know of a quorum.
async fn ask_region(
    context: &Context,
    region: &RegionName,
    nodes: Vec<Node>,
    request: &v1::AskRequest,
    must_lead: bool,
    deadline: Instant,
) -> Vec<Answer> {
    let asked = nodes.into_iter();
    let mut asking: FuturesUnordered<_> = asked
        .map(|node| async move { ask_node(context, region, &node, request.clone()).await })
        .collect();
    let mut answers = Vec::new();
    while let Ok(Some(answered)) = timeout_at(deadline, asking.next()).await {
        let Some(answer) = answered else {
            continue;
        };
        let is_enough = match must_lead {
            true => !answer.leads.is_empty(),
            false => answer.is_leader,
        };
        answers.push(answer);
        if is_enough {
            break;
        }
    }
    answers
}

async fn ask_node(
    context: &Context,
    region: &RegionName,
    node: &Node,
    request: v1::AskRequest,
) -> Option<Answer> {
    let channel = context.options.regions.channel(region, node);
    let channel = channel.inspect_err(|error| {
        tracing::info!(%region, node = node.id.0, %error, "no channel to a node");
    });
    let client = ReplicationServiceClient::new(channel.ok()?);
    let mut client = client.max_decoding_message_size(REQUEST_BYTES_MAX);
    let response = client.ask(request).await;
    let response = response.inspect_err(|status| {
        tracing::info!(%region, node = node.id.0, %status, "a node did not say where it stands");
    });
    let answer = read(context, region, node, response.ok()?.into_inner());
    let answer = answer.inspect_err(|malformed| {
        tracing::warn!(%region, node = node.id.0, %malformed, "a node's answer is none");
    });
    answer.ok()
}

/// Takes an answer, which must be of the node that was asked.
fn read(
    context: &Context,
    region: &RegionName,
    node: &Node,
    response: v1::AskResponse,
) -> Result<Answer, Malformed> {
    let origin = response.origin.ok_or(Malformed::Missing("origin"))?;
    let cluster = Bytes::copy_from_slice(&context.options.cluster.0);
    let is_of =
        origin.cluster == cluster && origin.region == region.as_str() && origin.node == node.id.0;
    if !is_of {
        return Err(Malformed::Form("origin"));
    }
    let leads = codec::bounded("leads", response.leads, FEEDS_MAX)?;
    let leads: Result<Vec<FeedId>, _> = leads.iter().map(|feed| codec::from_feed(feed)).collect();
    Ok(Answer {
        claims: codec::from_claims(origin.epochs)?,
        feeds: codec::from_cursors(response.feeds)?,
        leads: leads?,
        is_leader: response.leader == node.id.0,
    })
}
