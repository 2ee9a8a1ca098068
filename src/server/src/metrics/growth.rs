//! What grows and shrinks with a node's work: each has a cap, and its line in `docs/limits.md`.

use std::fs;
use std::path::Path;

use consensus::{Consensus, Held, Work};
use machine::Counts;
use prometheus::{CounterVec, GaugeVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry};
use store::LogHeld;

/// Where the kernel tells of this process.
const PROCESS: &str = "/proc/self";
const PAGE_BYTES: u64 = 4_096;

/// What the parts of a node say of their size.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sizes {
    /// Queues and lists of the consensus.
    pub held: Held,
    /// The log.
    pub log: LogHeld,
    /// The state.
    pub counts: Counts,
    /// Rows on disk.
    pub rows: u64,
    /// Directories of damaged rows kept for a later look.
    pub quarantined: u64,
    /// All snapshot files.
    pub snapshots_bytes: u64,
    /// First reads that wait to be recorded.
    pub accesses_waiting: u64,
}

type Gauge = (&'static str, &'static str, fn(&Sizes) -> u64);

/// Every gauge, and where its number is.
const GAUGES: [Gauge; 20] = [
    (
        "strongroom_consensus_proposals_in_flight",
        "writes proposed here and not yet answered",
        |sizes| sizes.held.proposals,
    ),
    (
        "strongroom_consensus_reads_waiting",
        "reads that wait for a barrier",
        |sizes| sizes.held.reads_waiting,
    ),
    (
        "strongroom_consensus_backlog_bytes",
        "rows that are applied and not yet written",
        |sizes| sizes.held.backlog_bytes,
    ),
    (
        "strongroom_consensus_deferred_values",
        "deleted values kept in the rows for readers of older states",
        |sizes| sizes.held.deferred_values,
    ),
    (
        "strongroom_consensus_resident_values",
        "values listed as in memory, those that are gone since included",
        |sizes| sizes.held.resident_values,
    ),
    (
        "strongroom_consensus_repairs_waiting",
        "good copies of bad rows that wait to be written",
        |sizes| sizes.held.repairs_waiting,
    ),
    (
        "strongroom_consensus_tail_bytes",
        "newest entries kept in memory for replication and apply",
        |sizes| sizes.held.tail_bytes,
    ),
    (
        "strongroom_store_log_bytes",
        "size of the log's segments on disk",
        |sizes| sizes.log.disk_bytes,
    ),
    (
        "strongroom_store_log_entries",
        "entries in the log",
        |sizes| sizes.log.entries,
    ),
    (
        "strongroom_store_log_cache_bytes",
        "records of the log kept in memory for readers",
        |sizes| sizes.log.cached_bytes,
    ),
    (
        "strongroom_store_log_queue_bytes",
        "records that wait for the log's flush thread",
        |sizes| sizes.log.queued_bytes,
    ),
    ("strongroom_store_rows_held", "rows on disk", |sizes| {
        sizes.rows
    }),
    (
        "strongroom_store_rows_quarantined",
        "directories of damaged rows kept for a later look",
        |sizes| sizes.quarantined,
    ),
    (
        "strongroom_store_snapshots_bytes",
        "size of the snapshot files",
        |sizes| sizes.snapshots_bytes,
    ),
    (
        "strongroom_machine_versions_held",
        "versions of all secrets",
        |sizes| sizes.counts.versions,
    ),
    (
        "strongroom_machine_value_memory_bytes",
        "sealed values in memory",
        |sizes| sizes.counts.resident_value_bytes,
    ),
    (
        "strongroom_machine_journal_bytes",
        "journals of all feeds",
        |sizes| sizes.counts.journal_bytes,
    ),
    (
        "strongroom_machine_tombstones_held",
        "purged secrets whose uid is spent",
        |sizes| sizes.counts.tombstones,
    ),
    (
        "strongroom_server_accesses_waiting",
        "first reads of a day that wait to be recorded",
        |sizes| sizes.accesses_waiting,
    ),
    (
        "strongroom_server_memory_bytes",
        "memory of this process (RSS)",
        |_| memory_bytes(),
    ),
];

/// A gauge, and where its number is.
#[derive(Clone)]
struct SizeGauge {
    gauge: IntGauge,
    of: fn(&Sizes) -> u64,
}

/// Gauges of sizes, and the time that work on the store takes.
#[derive(Clone)]
pub struct Growth {
    sizes: Vec<SizeGauge>,
    files: IntGauge,
    connections: IntGaugeVec,
    upkeep: IntCounterVec,
    upkeep_seconds: CounterVec,
    upkeep_longest: GaugeVec,
}

impl Growth {
    pub(super) fn new(registry: &Registry) -> Result<Self, prometheus::Error> {
        let mut sizes = Vec::new();
        for (name, help, of) in GAUGES {
            let gauge = IntGauge::new(name, help)?;
            registry.register(Box::new(gauge.clone()))?;
            sizes.push(SizeGauge { gauge, of });
        }
        let files = IntGauge::new(
            "strongroom_server_open_files",
            "files and sockets that this process has open",
        )?;
        let connections = IntGaugeVec::new(
            Opts::new(
                "strongroom_server_connections_open",
                "connections that a listener holds",
            ),
            &["listener"],
        )?;
        let upkeep = IntCounterVec::new(
            Opts::new(
                "strongroom_store_upkeep_total",
                "times that work on the store was done, by kind",
            ),
            &["work"],
        )?;
        let upkeep_seconds = CounterVec::new(
            Opts::new(
                "strongroom_store_upkeep_seconds_total",
                "time that work on the store took, by kind",
            ),
            &["work"],
        )?;
        let upkeep_longest = GaugeVec::new(
            Opts::new(
                "strongroom_store_upkeep_longest_seconds",
                "the longest that work on the store took since the start, by kind",
            ),
            &["work"],
        )?;
        registry.register(Box::new(files.clone()))?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(upkeep.clone()))?;
        registry.register(Box::new(upkeep_seconds.clone()))?;
        registry.register(Box::new(upkeep_longest.clone()))?;
        Ok(Self {
            sizes,
            files,
            connections,
            upkeep,
            upkeep_seconds,
            upkeep_longest,
        })
    }

    /// Sets the gauges of sizes.
    pub fn set(&self, sizes: &Sizes) {
        for SizeGauge { gauge, of } in &self.sizes {
            gauge.set(whole(of(sizes)));
        }
        self.files.set(whole(open_files()));
    }

    /// Sets how many connections a listener holds.
    pub fn set_connections(&self, listener: &str, count: usize) {
        let gauge = self.connections.with_label_values(&[listener]);
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Takes over what the consensus has counted of its work on the store.
    pub fn advance(&self, consensus: &Consensus) {
        for work in Work::ALL {
            let (spent, labels) = (consensus.spent(work), [work.name()]);
            let count = self.upkeep.with_label_values(&labels);
            count.inc_by(spent.count.saturating_sub(count.get()));
            let seconds = self.upkeep_seconds.with_label_values(&labels);
            seconds.inc_by((spent.total.as_secs_f64() - seconds.get()).max(0.0));
            let longest = self.upkeep_longest.with_label_values(&labels);
            longest.set(spent.longest.as_secs_f64());
        }
    }

    #[cfg(test)]
    pub(super) fn show_all(&self) {
        self.set_connections("api", 0);
        for work in Work::ALL.map(Work::name) {
            self.upkeep.with_label_values(&[work]);
            self.upkeep_seconds.with_label_values(&[work]);
            self.upkeep_longest.with_label_values(&[work]);
        }
    }
}

/// 0 where the kernel does not say.
fn memory_bytes() -> u64 {
    let statm = fs::read_to_string(Path::new(PROCESS).join("statm")).unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: u64| pages.saturating_mul(PAGE_BYTES))
}

fn open_files() -> u64 {
    let open = fs::read_dir(Path::new(PROCESS).join("fd"));
    open.map_or(0, |open| open.count() as u64)
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
