//! The metrics of this node. `docs/metrics.md` lists each; a test compares.

use std::sync::Arc;
use std::time::Instant;

use consensus::{ReadCounts, RowHealth};
use prometheus::{
    Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts,
    Registry, TextEncoder,
};
use tonic::Code;

use crate::methods::METHODS;

pub use self::audit::AuditMetrics;
pub use self::certificates::Certificates;
pub use self::growth::{Growth, Sizes};
pub use self::regions::RegionMetrics;

mod audit;
mod certificates;
mod growth;
mod regions;

/// Bounds of the latency histogram, in seconds.
const LATENCY_BUCKETS: &[f64] = &[
    0.000_25, 0.000_5, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0,
    2.0, 4.0, 8.0,
];

/// Every metric of the node, registered once.
#[derive(Clone)]
pub struct Metrics {
    registry: Registry,
    /// Calls, for the door.
    pub calls: CallMetrics,
    /// Gauges read from the node's parts when the metrics are asked for.
    pub gauges: NodeGauges,
    /// What was found and done about the stored rows, read in the same way.
    pub rows: RowCounters,
    /// Watches open now.
    pub watches: IntGauge,
    /// Secrets purged by this node's proposals.
    pub purged: IntCounter,
    /// First reads of a day recorded by this node's proposals.
    pub accesses: IntCounter,
    /// Tries of background tasks that failed and will be repeated.
    pub task_failures: IntCounterVec,
    /// Linearizable reads, and leases that ended early.
    pub reads: ReadMetrics,
    /// What grows, and the time that work on the store takes.
    pub growth: Growth,
    /// Certificates.
    pub certificates: Certificates,
    /// The traffic between regions.
    pub regions: RegionMetrics,
    /// The audit trail.
    pub audit: AuditMetrics,
}

/// How reads were answered and why leases ended. Taken from the consensus when asked for.
#[derive(Clone)]
pub struct ReadMetrics {
    reads: IntCounterVec,
    closed: IntCounterVec,
}

/// What the node's parts say when asked.
#[derive(Clone)]
pub struct NodeGauges {
    /// 1 on the leader.
    pub leader: IntGauge,
    /// The term.
    pub term: IntGauge,
    /// The last index in the log.
    pub last_log: IntGauge,
    /// The last index known committed.
    pub committed: IntGauge,
    /// The last index applied.
    pub applied: IntGauge,
    /// The last index that the newest snapshot holds.
    pub snapshot: IntGauge,
    /// The last index purged from the log.
    pub purged: IntGauge,
    /// Seconds since a quorum answered; on the leader.
    pub quorum_age: Gauge,
    /// Voters.
    pub voters: IntGauge,
    /// Learners.
    pub learners: IntGauge,
    /// Secrets held.
    pub secrets: IntGauge,
    /// Bytes of the rows on disk.
    pub rows_bytes: IntGauge,
    /// Bytes of the rows' keys and values alone.
    pub rows_live_bytes: IntGauge,
    /// Bytes free on the disk of the data directory.
    pub disk_free_bytes: IntGauge,
    /// 1 while the disk lacks space.
    pub disk_low: IntGauge,
    /// When the certificate of this node expires, in seconds since 1970.
    pub certificate_expiry: IntGauge,
}

impl Metrics {
    /// Registers every metric.
    ///
    /// # Errors
    /// When two have one name.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let calls = CallMetrics::new(&registry)?;
        let gauges = NodeGauges::new(&registry)?;
        let rows = RowCounters::new(&registry)?;
        let watches = IntGauge::new("strongroom_server_watches", "watches open now")?;
        let purged = IntCounter::new(
            "strongroom_server_purges_total",
            "secrets purged by this node's proposals",
        )?;
        let accesses = IntCounter::new(
            "strongroom_server_accesses_recorded_total",
            "first reads of a day recorded by this node's proposals",
        )?;
        let task_failures = IntCounterVec::new(
            Opts::new(
                "strongroom_server_task_failures_total",
                "tries of a background task that failed and will be repeated",
            ),
            &["task"],
        )?;
        let reads = ReadMetrics::new(&registry)?;
        let growth = Growth::new(&registry)?;
        let certificates = Certificates::new(&registry)?;
        let regions = RegionMetrics::new(&registry)?;
        let audit = AuditMetrics::new(&registry)?;
        let build = IntGauge::with_opts(
            Opts::new("strongroom_build_info", "1, with the release as label")
                .const_label("release", env!("CARGO_PKG_VERSION")),
        )?;
        build.set(1);
        registry.register(Box::new(watches.clone()))?;
        registry.register(Box::new(purged.clone()))?;
        registry.register(Box::new(accesses.clone()))?;
        registry.register(Box::new(task_failures.clone()))?;
        registry.register(Box::new(build))?;
        Ok(Self {
            registry,
            calls,
            gauges,
            rows,
            watches,
            purged,
            accesses,
            task_failures,
            reads,
            growth,
            certificates,
            regions,
            audit,
        })
    }

    /// All metrics in the text format of prometheus.
    ///
    /// # Errors
    /// When a metric cannot be written out.
    pub fn text(&self) -> Result<String, prometheus::Error> {
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl ReadMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let reads = IntCounterVec::new(
            Opts::new(
                "strongroom_consensus_reads_total",
                "linearizable reads this node answered as leader, by lease or barrier",
            ),
            &["by"],
        )?;
        let closed = IntCounterVec::new(
            Opts::new(
                "strongroom_consensus_leases_closed_total",
                "leases of this leader that ended before their time, by reason",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(reads.clone()))?;
        registry.register(Box::new(closed.clone()))?;
        Ok(Self { reads, closed })
    }

    /// Raises the counters to what the consensus has counted.
    pub fn raise(&self, counts: &ReadCounts) {
        let raise = |counter: IntCounter, to: u64| counter.inc_by(to.saturating_sub(counter.get()));
        raise(self.reads.with_label_values(&["lease"]), counts.lease);
        raise(self.reads.with_label_values(&["barrier"]), counts.barrier);
        let closed = [
            ("membership", counts.closed_by_membership),
            ("transfer", counts.closed_by_transfer),
            ("leadership", counts.closed_by_leadership),
        ];
        for (reason, count) in closed {
            raise(self.closed.with_label_values(&[reason]), count);
        }
    }
}

impl NodeGauges {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let whole = |name: &str, help: &str| -> Result<IntGauge, prometheus::Error> {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            Ok(gauge)
        };
        let quorum_age = Gauge::new(
            "strongroom_consensus_quorum_age_seconds",
            "time since a quorum last answered, +Inf if none did; on the leader, else 0",
        )?;
        registry.register(Box::new(quorum_age.clone()))?;
        Ok(Self {
            leader: whole("strongroom_consensus_leader", "1 on the leader, else 0")?,
            term: whole("strongroom_consensus_term", "the current term")?,
            last_log: whole(
                "strongroom_consensus_last_log_index",
                "the last index in the log",
            )?,
            committed: whole(
                "strongroom_consensus_committed_index",
                "the last index committed",
            )?,
            applied: whole(
                "strongroom_consensus_applied_index",
                "the last index applied",
            )?,
            snapshot: whole(
                "strongroom_consensus_snapshot_index",
                "the last index that the newest snapshot holds",
            )?,
            purged: whole(
                "strongroom_consensus_purged_index",
                "the last index purged from the log",
            )?,
            quorum_age,
            voters: whole("strongroom_consensus_voters", "voters of the region")?,
            learners: whole("strongroom_consensus_learners", "learners of the region")?,
            secrets: whole(
                "strongroom_machine_secrets",
                "secrets held, scheduled ones included",
            )?,
            rows_bytes: whole("strongroom_store_rows_bytes", "size of the rows on disk")?,
            rows_live_bytes: whole(
                "strongroom_store_rows_live_bytes",
                "size of the rows' keys and values alone",
            )?,
            disk_free_bytes: whole(
                "strongroom_store_disk_free_bytes",
                "free space on the disk of the data directory",
            )?,
            disk_low: whole(
                "strongroom_store_disk_low",
                "1 while the disk lacks space and the node is not ready for it, else 0",
            )?,
            certificate_expiry: whole(
                "strongroom_server_certificate_expiry_seconds",
                "when the certificate of this node expires, in seconds since 1970",
            )?,
        })
    }
}

/// What was found and done about the stored rows since the start.
#[derive(Clone)]
pub struct RowCounters {
    scrubbed: IntCounter,
    damaged: IntCounter,
    repaired: IntCounter,
    unrepaired: IntCounter,
    renewed: IntCounter,
}

impl RowCounters {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        Ok(Self {
            scrubbed: counter(
                "strongroom_store_rows_scrubbed_total",
                "rows checked by the scrub",
            )?,
            damaged: counter(
                "strongroom_store_rows_damaged_total",
                "reads of a row that was missing, damaged or another one",
            )?,
            repaired: counter(
                "strongroom_store_rows_repaired_total",
                "bad rows written again from memory or from a peer's copy",
            )?,
            unrepaired: counter(
                "strongroom_store_rows_unrepaired_total",
                "reads of a bad row of which no peer had a good copy",
            )?,
            renewed: counter(
                "strongroom_store_rows_renewals_total",
                "times the rows were rebuilt to give back dead space",
            )?,
        })
    }

    /// Takes over what the node has counted by now.
    pub fn advance(&self, health: RowHealth) {
        let counters = [
            (&self.scrubbed, health.scrubbed),
            (&self.damaged, health.damaged),
            (&self.repaired, health.repaired),
            (&self.unrepaired, health.unrepaired),
            (&self.renewed, health.renewed),
        ];
        for (counter, now) in counters {
            counter.inc_by(now.saturating_sub(counter.get()));
        }
    }
}

/// Counts and times calls; every method's series is made once, so a call looks none up.
#[derive(Clone)]
pub struct CallMetrics {
    methods: Arc<[MethodMetrics]>,
    in_flight: IntGauge,
}

struct MethodMetrics {
    name: &'static str,
    answered: IntCounter,
    failed: IntCounterVec,
    seconds: Histogram,
}

/// A call under way.
pub struct CallTimer<'a> {
    metrics: &'a CallMetrics,
    place: usize,
    began: Instant,
}

impl CallMetrics {
    fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let requests = IntCounterVec::new(
            Opts::new(
                "strongroom_server_requests_total",
                "calls answered, by method and code",
            ),
            &["method", "code"],
        )?;
        let seconds = HistogramVec::new(
            HistogramOpts::new(
                "strongroom_server_request_seconds",
                "time from the door to the head of the answer, by method",
            )
            .buckets(LATENCY_BUCKETS.to_vec()),
            &["method"],
        )?;
        let in_flight = IntGauge::new(
            "strongroom_server_requests_in_flight",
            "calls being worked on",
        )?;
        let series = |path: &'static str| {
            let name = path.trim_start_matches('/');
            MethodMetrics {
                name,
                answered: requests.with_label_values(&[name, "Ok"]),
                failed: requests.clone(),
                seconds: seconds.with_label_values(&[name]),
            }
        };
        let methods = METHODS.iter().map(|method| series(method.path)).collect();
        registry.register(Box::new(requests))?;
        registry.register(Box::new(seconds))?;
        registry.register(Box::new(in_flight.clone()))?;
        Ok(Self { methods, in_flight })
    }

    /// Begins to time a call of the method at this place of the table.
    #[must_use]
    pub fn begin(&self, place: usize) -> CallTimer<'_> {
        self.in_flight.inc();
        CallTimer {
            metrics: self,
            place,
            began: Instant::now(),
        }
    }
}

impl CallTimer<'_> {
    /// Counts the call with the code of its answer.
    pub fn end(self, code: Code) {
        let Some(method) = self.metrics.methods.get(self.place) else {
            return;
        };
        method.seconds.observe(self.began.elapsed().as_secs_f64());
        if code == Code::Ok {
            method.answered.inc();
        } else {
            method
                .failed
                .with_label_values(&[method.name, &format!("{code:?}")])
                .inc();
        }
    }
}

impl Drop for CallTimer<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Metrics;

    const CATALOGUE: &str = include_str!("../../../docs/metrics.md");

    #[test]
    fn every_metric_is_in_the_catalogue_and_the_catalogue_names_no_other() {
        let metrics = Metrics::new().unwrap();
        metrics.task_failures.with_label_values(&["purge"]).inc();
        metrics.reads.raise(&consensus::ReadCounts::default());
        metrics.growth.show_all();
        metrics.regions.show_all();
        let present: BTreeSet<String> = metrics
            .registry
            .gather()
            .iter()
            .map(|family| family.name().to_owned())
            .collect();
        let listed: BTreeSet<String> = CATALOGUE
            .lines()
            .filter_map(|line| {
                line.strip_prefix("| `")?
                    .split('`')
                    .next()
                    .map(str::to_owned)
            })
            .collect();
        assert_eq!(present, listed);
    }
}
