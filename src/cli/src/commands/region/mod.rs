//! `strongroom region`.

mod following;
mod live;
mod promote;
mod status;
mod words;

use client::Client;
use client::admin::v1::{
    CreateLinkTokenRequest, ListRegionsRequest, ListRegionsResponse, RegionEntry, RegionFeed,
    RegionScope, SetRegionScopeRequest, UnlinkRegionRequest,
};
use serde_json::{Value as Json, json};
use zeroize::Zeroizing;

use self::following::position_json;
use self::words::{age, milliseconds};
use super::connect;
use super::secret::show::date;
use super::token::Destination;
use crate::arguments::region::{Link, Region, Scope, SetScope, Unlink, Verb};
use crate::confirm::confirm;
use crate::failure::Failure;
use crate::output::{Answer, Format};

/// Carries out one verb.
pub fn run(region: &Region, format: Format) -> Result<(), Failure> {
    super::block_on(async {
        if let Verb::Unlink(unlink) = &region.verb {
            let question = format!(
                "Unlink {}? It is sent nothing any more, and its name is not used again.",
                unlink.region
            );
            confirm(&question, unlink.yes.yes)?;
        }
        let client = connect::client(&region.connection)?;
        match &region.verb {
            Verb::List => {
                let answer = client.list_regions(ListRegionsRequest {}).await?;
                regions(&answer).print(format)
            }
            Verb::Status(options) => status::status(&client, options, format).await,
            Verb::Link(options) => link(&client, options).await?.print(format),
            Verb::Unlink(options) => unlink(&client, options).await?.print(format),
            Verb::Promote(options) => promote::promote(&client, options, format).await,
            Verb::Scope(options) => scope(&client, options).await?.print(format),
        }
    })
}

async fn link(client: &Client, options: &Link) -> Result<Answer, Failure> {
    let place = Destination::open(options.output_file.as_deref())?;
    let request = CreateLinkTokenRequest {
        region: options.region.clone(),
        scope: wire_scope(options.scope).into(),
        lifetime: Some(client::Duration {
            seconds: i64::try_from(options.lifetime.as_secs()).unwrap_or(i64::MAX),
            nanos: 0,
        }),
    };
    let mut answer = client.create_link_token(request).await?;
    let token = Zeroizing::new(std::mem::take(&mut answer.token));
    let expires = answer.expires.map(|at| date(at.seconds, at.nanos));
    place.keep(&token, &expires.unwrap_or_default())
}

async fn unlink(client: &Client, options: &Unlink) -> Result<Answer, Failure> {
    let region = options.region.clone();
    let line = format!("{region} is unlinked; end its nodes, or they go on with what they have");
    let json = json!({ "unlinked": region });
    client.unlink_region(UnlinkRegionRequest { region }).await?;
    Ok(Answer::line(line, json))
}

async fn scope(client: &Client, options: &SetScope) -> Result<Answer, Failure> {
    let region = options.region.clone();
    let scope = wire_scope(options.scope);
    let said = scope_word(scope);
    let line = format!("{region} receives {said}");
    let json = json!({ "region": region, "scope": said });
    let request = SetRegionScopeRequest {
        region,
        scope: scope.into(),
    };
    client.set_region_scope(request).await?;
    Ok(Answer::line(line, json))
}

fn wire_scope(scope: Scope) -> RegionScope {
    match scope {
        Scope::Selected => RegionScope::Selected,
        Scope::All => RegionScope::All,
    }
}

fn scope_word(scope: RegionScope) -> &'static str {
    match scope {
        RegionScope::Selected => "selected",
        RegionScope::All => "all",
        // The first region: it receives what is shared with it, and may lead everything.
        RegionScope::Unspecified => "first",
    }
}

fn regions(answer: &ListRegionsResponse) -> Answer {
    let heading = vec!["NAME", "STATE", "SCOPE", "LEADS", "HEARD", "NODES"];
    let rows = answer.regions.iter().map(row).collect();
    Answer::rows(heading, rows, json!({ "regions": regions_json(answer) }))
}

fn row(entry: &RegionEntry) -> Vec<String> {
    let leads = entry.leads.iter().map(|feed| match feed.fenced_by_region {
        Some(_) => format!("{} (taken over)", feed.feed),
        None => feed.feed.clone(),
    });
    let nodes: Vec<&str> = entry
        .nodes
        .iter()
        .map(|node| node.api_address.as_str())
        .collect();
    vec![
        entry.name.clone(),
        state(entry).into(),
        scope_word(entry.scope()).into(),
        leads.collect::<Vec<_>>().join(" "),
        entry.last_heard.as_ref().map(age).unwrap_or_default(),
        nodes.join(" "),
    ]
}

fn state(entry: &RegionEntry) -> &'static str {
    match entry {
        RegionEntry { unlinked: true, .. } => "unlinked",
        RegionEntry { here: true, .. } => "here",
        RegionEntry {
            connected: true, ..
        } => "connected",
        _ => "not connected",
    }
}

/// Everything that is known of the regions, for programs.
fn regions_json(answer: &ListRegionsResponse) -> Vec<Json> {
    answer.regions.iter().map(region_json).collect()
}

fn region_json(entry: &RegionEntry) -> Json {
    let nodes: Vec<Json> = entry
        .nodes
        .iter()
        .map(|node| {
            json!({ "id": node.id, "api_address": node.api_address,
                    "peer_address": node.peer_address })
        })
        .collect();
    let leads: Vec<Json> = entry.leads.iter().map(feed_json).collect();
    let acknowledged: Vec<Json> = entry
        .acknowledged
        .iter()
        .map(|at| json!({ "feed": at.feed, "position": position_json(at) }))
        .collect();
    json!({
        "name": entry.name,
        "state": state(entry),
        "scope": scope_word(entry.scope()),
        "nodes": nodes,
        "leads": leads,
        "acknowledged": acknowledged,
        "last_heard_ms": entry.last_heard.as_ref().map(milliseconds),
        "received_bytes": entry.received_bytes,
        "received_bytes_per_second": entry.received_bytes_per_second,
        "received_changes_per_second": entry.received_changes_per_second,
    })
}

fn feed_json(feed: &RegionFeed) -> Json {
    json!({
        "feed": feed.feed,
        "here": feed.here.as_ref().map(position_json),
        "announced": feed.announced.as_ref().map(position_json),
        "fenced_by_epoch": feed.fenced_by_epoch,
        "fenced_by_region": feed.fenced_by_region,
        "staleness_ms": feed.staleness.as_ref().map(milliseconds),
        "differs": feed.differs,
        "trouble": feed.trouble,
    })
}
