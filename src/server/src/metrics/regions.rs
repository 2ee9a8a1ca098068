//! The traffic between regions. Only the node that leads follows and is followed: of the others it
//! says what was.

use machine::{FeedId, State};
use prometheus::{GaugeVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use replication::Replication;

use crate::regions::failed_secrets;

/// What other regions have of this one, and it of them.
#[derive(Clone)]
pub struct RegionMetrics {
    /// Regions that asked to be linked, by outcome.
    pub links: IntCounterVec,
    /// Calls that other regions handed on to this one, by outcome.
    pub forwards: IntCounterVec,
    /// Promotions of this region by this node.
    pub promotions: IntCounter,
    /// Reads that were refused because the state was older than asked for.
    pub too_stale: IntCounter,
    lag: IntGaugeVec,
    follower_lag: IntGaugeVec,
    staleness: GaugeVec,
    received: IntCounterVec,
    queued: IntGaugeVec,
    sent: IntCounterVec,
    streams: IntGaugeVec,
    trouble: IntGaugeVec,
    faults: IntCounterVec,
    failed: IntGauge,
    incomplete: IntGauge,
    /// Keys of sessions that are here, and regions that sign sessions.
    sessions: [IntGauge; 2],
}

impl RegionMetrics {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let made = Self::unregistered()?;
        let [session_keys, session_signers] = made.sessions.clone();
        let single: [Box<dyn prometheus::core::Collector>; 6] = [
            Box::new(made.promotions.clone()),
            Box::new(made.too_stale.clone()),
            Box::new(made.failed.clone()),
            Box::new(made.incomplete.clone()),
            Box::new(session_keys),
            Box::new(session_signers),
        ];
        let labelled: [Box<dyn prometheus::core::Collector>; 11] = [
            Box::new(made.links.clone()),
            Box::new(made.forwards.clone()),
            Box::new(made.lag.clone()),
            Box::new(made.follower_lag.clone()),
            Box::new(made.staleness.clone()),
            Box::new(made.received.clone()),
            Box::new(made.queued.clone()),
            Box::new(made.sent.clone()),
            Box::new(made.streams.clone()),
            Box::new(made.trouble.clone()),
            Box::new(made.faults.clone()),
        ];
        for collector in single.into_iter().chain(labelled) {
            registry.register(collector)?;
        }
        Ok(made)
    }

    fn unregistered() -> Result<Self, prometheus::Error> {
        let gauges = |name, help, label| IntGaugeVec::new(Opts::new(name, help), &[label]);
        let counters = |name, help, label| IntCounterVec::new(Opts::new(name, help), &[label]);
        let [promotions, too_stale] = single_counters()?;
        let [failed, incomplete] = single_gauges()?;
        Ok(Self {
            links: counters(
                "strongroom_server_links_total",
                "regions that asked to be linked, by outcome",
                "outcome",
            )?,
            forwards: counters(
                "strongroom_server_forwards_total",
                "calls that other regions handed on to this one, by outcome",
                "outcome",
            )?,
            promotions,
            too_stale,
            lag: gauges(
                "strongroom_replication_lag_changes",
                "changes of a followed feed that its primary has announced and that are not here",
                "feed",
            )?,
            follower_lag: gauges(
                "strongroom_replication_follower_lag_changes",
                "changes of the feeds led here that a region has not acknowledged",
                "region",
            )?,
            staleness: GaugeVec::new(
                Opts::new(
                    "strongroom_replication_staleness_seconds",
                    "how much older than its primary's a followed feed may be here",
                ),
                &["feed"],
            )?,
            received: counters(
                "strongroom_replication_received_bytes_total",
                "bytes received from a region",
                "region",
            )?,
            queued: gauges(
                "strongroom_replication_queued_bytes",
                "bytes of changes that came from a region and are not imported yet",
                "region",
            )?,
            sent: counters(
                "strongroom_replication_sent_bytes_total",
                "bytes of changes and rows sent to a region",
                "region",
            )?,
            streams: gauges(
                "strongroom_replication_streams_open",
                "streams with a region, from it and to it",
                "region",
            )?,
            trouble: gauges(
                "strongroom_replication_feed_trouble",
                "1 while a feed is not followed although its primary is reached",
                "feed",
            )?,
            faults: counters(
                "strongroom_replication_faults_total",
                "streams and answers given up because of what nodes of a region sent",
                "region",
            )?,
            failed,
            incomplete,
            sessions: session_gauges()?,
        })
    }

    /// Sets the gauges to what is true now, and raises the counters to what was counted.
    pub fn set(&self, state: &State, replication: &Replication) {
        self.set_feeds(state, replication);
        self.set_regions(state, replication);
        self.failed.set(count(failed_secrets(state)));
        self.incomplete.set(count(state.incomplete().count()));
        let keys = state.session_keys();
        let usable = keys.filter(|key| state.root_wrap(&key.uid).is_some());
        let [held, signing] = &self.sessions;
        held.set(count(usable.count()));
        let signers = state.directory();
        let signers = signers.filter(|(_, region)| region.signing_key.is_some());
        signing.set(count(signers.count()));
    }

    fn set_feeds(&self, state: &State, replication: &Replication) {
        self.lag.reset();
        self.staleness.reset();
        let followed = state.epochs().filter(|(feed, _)| !state.is_primary(feed));
        for (feed, epoch) in followed {
            let name = label(feed);
            let here = state.feed(feed).map(machine::Feed::revision);
            let announced = replication.heard().announced(feed);
            let announced = announced.filter(|said| said.cursor.epoch.as_ref() == Some(epoch));
            if let (Some(here), Some(said)) = (here, announced) {
                let lag = said.cursor.revision.0.saturating_sub(here.0);
                self.lag.with_label_values(&[&name]).set(whole(lag));
            }
            if let Some(age) = replication.staleness().age(feed) {
                let staleness = self.staleness.with_label_values(&[&name]);
                staleness.set(age.as_secs_f64());
            }
        }
    }

    fn set_regions(&self, state: &State, replication: &Replication) {
        self.streams.reset();
        self.follower_lag.reset();
        self.trouble.reset();
        self.queued.reset();
        for (region, progress) in replication.progress().all() {
            let region = [region.as_str()];
            raise(
                &self.received.with_label_values(&region),
                progress.received_bytes,
            );
            let queued = self.queued.with_label_values(&region);
            queued.set(whole(progress.queued_bytes));
            raise(&self.faults.with_label_values(&region), progress.faults);
            let open = self.streams.with_label_values(&region);
            open.add(i64::from(progress.node.is_some()));
            let troubles = progress.troubles.iter();
            for (feed, _) in troubles.filter(|(_, trouble)| !trouble.is_expected()) {
                self.trouble.with_label_values(&[&label(feed)]).set(1);
            }
        }
        for (region, follower) in replication.followers().all() {
            let region = [region.as_str()];
            raise(&self.sent.with_label_values(&region), follower.sent.bytes);
            let open = self.streams.with_label_values(&region);
            open.add(count(follower.streams));
            let led = follower
                .feeds
                .iter()
                .filter(|(feed, _)| state.is_primary(feed));
            let lags = led.filter_map(|(feed, acknowledged)| {
                let here = state.feed(feed)?.revision().0;
                Some(here.saturating_sub(acknowledged.cursor.revision.0))
            });
            let lag = self.follower_lag.with_label_values(&region);
            lag.set(whole(lags.sum()));
        }
    }

    /// Shows each metric that has labels, for the test that lists them.
    #[cfg(test)]
    pub(super) fn show_all(&self) {
        self.links.with_label_values(&["linked"]).inc();
        self.forwards.with_label_values(&["answered"]).inc();
        self.lag.with_label_values(&["root"]).set(0);
        self.follower_lag.with_label_values(&["eu-west-1"]).set(0);
        self.staleness.with_label_values(&["root"]).set(0.0);
        self.received.with_label_values(&["eu-west-1"]).inc();
        self.queued.with_label_values(&["eu-west-1"]).set(0);
        self.sent.with_label_values(&["eu-west-1"]).inc();
        self.streams.with_label_values(&["eu-west-1"]).set(0);
        self.trouble.with_label_values(&["root"]).set(0);
        self.faults.with_label_values(&["eu-west-1"]).inc();
    }
}

fn single_counters() -> Result<[IntCounter; 2], prometheus::Error> {
    Ok([
        IntCounter::new(
            "strongroom_server_promotions_total",
            "times this node made its region take over another's feeds",
        )?,
        IntCounter::new(
            "strongroom_server_stale_refusals_total",
            "reads refused because the state was older than asked for",
        )?,
    ])
}

fn single_gauges() -> Result<[IntGauge; 2], prometheus::Error> {
    Ok([
        IntGauge::new(
            "strongroom_replication_failed_secrets",
            "secrets of other regions that could not be taken in",
        )?,
        IntGauge::new(
            "strongroom_replication_incomplete_secrets",
            "secrets of other regions that are here but for values on their way",
        )?,
    ])
}

fn session_gauges() -> Result<[IntGauge; 2], prometheus::Error> {
    Ok([
        IntGauge::new(
            "strongroom_server_session_keys",
            "keys of sessions that are here and can be opened",
        )?,
        IntGauge::new(
            "strongroom_server_session_signers",
            "regions whose sessions are taken here: their keys are known",
        )?,
    ])
}

fn label(feed: &FeedId) -> String {
    feed.to_string()
}

fn raise(counter: &IntCounter, to: u64) {
    counter.inc_by(to.saturating_sub(counter.get()));
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
