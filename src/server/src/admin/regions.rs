//! ListRegions: what the directory has of each region, who leads which feed, and how far this
//! region has them. What only the leader knows, it is asked for.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use consensus::View;
use machine::{Cursor, FeedId, Problem, Region, RegionName, State};
use replication::RegionProgress;
use tokio::time::Instant;
use tonic::Status;
use wire::admin::v1 as api;

use super::Admin;
use super::directory::{linked_node, wire_scope};
use super::member::{passed_on, refused_by_leader};
use crate::door::Call;
use crate::limits::REGION_WATCH_INTERVAL;
use crate::regions::failed_secrets;
use crate::times::duration;

impl Admin {
    /// `is_passed_on`: a member asks for its own caller.
    pub(super) async fn list_regions(
        &self,
        call: &Call,
        is_passed_on: bool,
    ) -> Result<api::ListRegionsResponse, Status> {
        match self.other_leader(is_passed_on)? {
            None => Ok(self.regions(&self.view(call).await?)),
            Some(mut leader) => {
                let request = passed_on(call, api::ListRegionsRequest {});
                let listed = leader.list_regions(request).await;
                let listed = listed.map_err(|status| refused_by_leader(status, false))?;
                Ok(listed.into_inner())
            }
        }
    }

    /// The regions as this node knows them.
    pub(super) fn regions(&self, view: &View) -> api::ListRegionsResponse {
        let mut known: Vec<&Region> = view.directory().map(|(_, region)| &**region).collect();
        if known.is_empty() {
            known = view.regions().collect();
        }
        let progress: HashMap<RegionName, RegionProgress> =
            self.replication.progress().all().into_iter().collect();
        let regions = known.into_iter();
        let regions = regions.map(|region| self.entry(view, region, &progress));
        api::ListRegionsResponse {
            regions: regions.collect(),
            incomplete_secrets: view.incomplete().count() as u64,
            failed_secrets: failed_secrets(view) as u64,
        }
    }

    fn entry(
        &self,
        view: &View,
        region: &Region,
        all: &HashMap<RegionName, RegionProgress>,
    ) -> api::RegionEntry {
        let name = &region.name;
        let progress = all.get(name);
        let heard = self.replication.heard().last_heard(name);
        let received_bytes = progress.map_or(0, |progress| progress.received_bytes);
        let imported = progress.map_or(0, |progress| progress.imported_changes);
        let [bytes, changes] = self.rates.per_second(name, [received_bytes, imported]);
        let follower = self.replication.followers().of(name);
        let acknowledged = follower.into_iter().flat_map(|follower| follower.feeds);
        let acknowledged = acknowledged.filter(|(feed, _)| view.is_primary(feed));
        let mut led: Vec<&FeedId> = view
            .epochs()
            .filter(|(_, epoch)| epoch.region == *name)
            .map(|(feed, _)| feed)
            .collect();
        led.sort_unstable();
        api::RegionEntry {
            name: name.to_string(),
            here: view.region() == Some(name),
            scope: wire_scope(region.scope).into(),
            unlinked: !region.is_linked(),
            nodes: region.nodes.iter().map(linked_node).collect(),
            leads: led
                .into_iter()
                .map(|feed| self.feed(view, feed, name, all))
                .collect(),
            connected: progress.is_some_and(|progress| progress.node.is_some()),
            last_heard: heard.map(|heard| duration(heard.elapsed())),
            received_bytes,
            received_bytes_per_second: bytes,
            received_changes_per_second: changes,
            acknowledged: acknowledged
                .filter_map(|(feed, acknowledged)| place(&feed, &acknowledged.cursor))
                .collect(),
        }
    }

    fn feed(
        &self,
        view: &View,
        feed: &FeedId,
        primary: &RegionName,
        progress: &HashMap<RegionName, RegionProgress>,
    ) -> api::RegionFeed {
        let is_led_here = view.is_primary(feed);
        let announced = self.replication.heard().announced(feed);
        let announced = announced.filter(|said| said.by == *primary && !is_led_here);
        let fenced = self.epochs.fenced(view, feed);
        let age = self.replication.staleness().age(feed);
        // It is asked for from whoever took it over.
        let asked = fenced.as_ref().map_or(primary, |epoch| &epoch.region);
        let progress = progress.get(asked);
        let trouble = progress.and_then(|progress| progress.troubles.get(feed));
        let problem: Option<&Problem> = view.problem(&feed.uid());
        api::RegionFeed {
            feed: feed_name(feed),
            primary: primary.to_string(),
            here: feed_position(view, feed),
            announced: announced.and_then(|said| place(feed, &said.cursor)),
            fenced_by_epoch: fenced.as_ref().map(|epoch| epoch.number),
            fenced_by_region: fenced.map(|epoch| epoch.region.to_string()),
            staleness: age.filter(|_| !is_led_here).map(duration),
            differs: problem.is_some(),
            trouble: trouble.map(ToString::to_string).unwrap_or_default(),
        }
    }
}

/// A feed as operators name it.
pub(super) fn feed_name(feed: &FeedId) -> String {
    match feed {
        FeedId::Root => "root".to_owned(),
        FeedId::Home(region) => region.to_string(),
    }
}

/// Where a state has a feed.
pub(super) fn feed_position(state: &State, id: &FeedId) -> Option<api::FeedPosition> {
    let feed = state.feed(id)?;
    let at = feed.position()?;
    Some(api::FeedPosition {
        feed_hash: feed.hash().0.to_vec(),
        ..position(&at)
    })
}

/// A position, without the hash that goes with it.
pub(super) fn position(at: &machine::Position) -> api::FeedPosition {
    api::FeedPosition {
        feed: feed_name(&at.feed),
        epoch: at.epoch.number,
        epoch_region: at.epoch.region.to_string(),
        revision: at.revision.0,
        feed_hash: Vec::new(),
    }
}

/// Where another region says that it has a feed.
fn place(feed: &FeedId, cursor: &Cursor) -> Option<api::FeedPosition> {
    Some(position(&machine::Position {
        feed: feed.clone(),
        epoch: cursor.epoch.clone()?,
        revision: cursor.revision,
    }))
}

/// What was counted of each region when it was last looked at, for rates.
#[derive(Default)]
pub(super) struct Rates {
    by_region: Mutex<HashMap<RegionName, Rate>>,
}

struct Rate {
    at: Instant,
    counts: [u64; 2],
    per_second: [u64; 2],
}

impl Rates {
    /// How much more there is each second since the last look that is a second ago; nothing at the
    /// first look.
    fn per_second(&self, region: &RegionName, counts: [u64; 2]) -> [u64; 2] {
        let mut rates = self
            .by_region
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let rate = rates.entry(region.clone()).or_insert(Rate {
            at: now,
            counts,
            per_second: [0; 2],
        });
        let passed = now.saturating_duration_since(rate.at);
        // A little less, for looks at a steady pace.
        if passed >= REGION_WATCH_INTERVAL - Duration::from_millis(100) {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
            let per_second = |now: u64, before: u64| {
                now.saturating_sub(before).saturating_mul(1000) / millis.max(1)
            };
            let ([bytes, changes], [old_bytes, old_changes]) = (counts, rate.counts);
            rate.per_second = [
                per_second(bytes, old_bytes),
                per_second(changes, old_changes),
            ];
            (rate.at, rate.counts) = (now, counts);
        }
        rate.per_second
    }
}
