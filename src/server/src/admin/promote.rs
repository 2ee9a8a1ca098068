//! PromoteRegion: this region takes over the feeds of one that is lost (R27).

use machine::Audit;
use replication::{PromoteError, PromoteReport, PromotedFeed};
use tonic::Status;
use wire::admin::v1 as api;

use super::Admin;
use super::link::region_name;
use super::member::{passed_on, refused_by_leader};
use super::regions::{feed_name, position};
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::times::duration;

impl Admin {
    /// The leader does it: it knows best what the lost region announced. `passed_on_for` names the
    /// caller for whom a member passed it on.
    pub(super) async fn promote_region(
        &self,
        call: &Call,
        passed_on_for: Option<String>,
        message: api::PromoteRegionRequest,
    ) -> Result<api::PromoteRegionResponse, Status> {
        let lost = region_name(&message.lost)?;
        if let Some(mut leader) = self.other_leader(passed_on_for.is_some())? {
            let promoted = leader.promote_region(passed_on(call, message)).await;
            let promoted = promoted.map_err(|status| refused_by_leader(status, true))?;
            // Whoever asked this node goes on with it.
            if let Err(error) = self.consensus.read(call.deadline).await {
                tracing::warn!(%error, "this node lags behind a promotion");
            }
            return Ok(promoted.into_inner());
        }
        let view = self.consensus.local_view();
        if !view.knows_region(&lost) {
            let unknown = format!("Region {lost} is not one of this cluster.");
            return Err(Refusal::new(Reason::ResourceNotFound, unknown).into());
        }
        drop(view);
        let audit = Audit {
            caller: passed_on_for.unwrap_or_else(|| call.caller.to_string()),
            ..call.audit()
        };
        let promoted = self
            .replication
            .promote(&lost, message.force, audit, call.deadline)
            .await;
        let report = promoted.map_err(|error| self.not_promoted(error))?;
        for feed in &report.feeds {
            tracing::warn!(
                feed = %feed.feed,
                epoch = %feed.epoch,
                revision = feed.last.revision.0,
                missing = feed.missing,
                "this region has taken over a feed"
            );
        }
        self.metrics.regions.promotions.inc();
        Ok(response(report))
    }

    fn not_promoted(&self, error: PromoteError) -> Refusal {
        match error {
            PromoteError::OwnRegion(_) => Refusal::parameter(format!("{}.", capital(&error))),
            PromoteError::LostAnswers { .. } => Refusal::request(format!("{}.", capital(&error))),
            PromoteError::Unavailable(error) => error.into(),
            PromoteError::Rejected(rejection) => self.refused(&rejection),
        }
    }
}

/// A sentence of an error's words.
fn capital(error: &PromoteError) -> String {
    let words = error.to_string();
    let mut chars = words.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars).collect()
}

fn response(report: PromoteReport) -> api::PromoteRegionResponse {
    api::PromoteRegionResponse {
        feeds: report.feeds.into_iter().map(promoted).collect(),
        left: report.left.iter().map(feed_name).collect(),
        unreached: report.unreached.iter().map(ToString::to_string).collect(),
        took: Some(duration(report.took)),
    }
}

fn promoted(feed: PromotedFeed) -> api::PromotedFeed {
    let further = feed.further;
    api::PromotedFeed {
        feed: feed_name(&feed.feed),
        last: Some(position(&feed.last)),
        epoch: feed.epoch.number,
        missing_changes: feed.missing,
        unheard: feed.unheard.map(duration),
        further_changes: further.as_ref().map_or(0, |further| further.changes),
        further: further.map_or_else(String::new, |further| further.region.to_string()),
        withheld_secrets: feed.withheld_secrets,
    }
}
