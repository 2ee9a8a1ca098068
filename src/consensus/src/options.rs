//! How a node takes part in consensus.

use std::sync::Arc;
use std::time::Duration;

use machine::{ClusterId, NodeId, RegionName};
use openraft::{Config, SnapshotPolicy};

use crate::danger::Danger;
use crate::epochs::Epochs;
use crate::freshness::Ages;
use crate::limits::{
    APPEND_ENTRIES_MAX, LEASE_MAX, LOG_KEPT_ENTRIES, SNAPSHOT_ENTRIES_DEFAULT,
    VALUE_MEMORY_BYTES_DEFAULT,
};

/// Who this node is, and its settings.
#[derive(Debug, Clone)]
pub struct Options {
    /// This node.
    pub node: NodeId,
    /// The cluster, part of every message.
    pub cluster: ClusterId,
    /// The region, part of every message.
    pub region: RegionName,
    /// The beat of the region; the same on every node.
    pub timing: Timing,
    /// What this node keeps.
    pub keep: Keep,
    /// Time in which every stored row is checked once; zero turns the scrub off.
    pub scrub_interval: Duration,
    /// How reads are made linearizable.
    pub reads: Reads,
    /// The ballots that this node hears of, shared with whatever else hears or answers.
    pub epochs: Arc<Epochs>,
    /// How old the feeds are that are followed here; [`crate::NoAges`] where none is.
    pub ages: Arc<dyn Ages>,
    /// What a broken build leaves out; [`Danger::NONE`] outside of tests.
    pub danger: Danger,
}

/// The beat of a region.
///
/// Measured with the defaults: median 386 ms from a killed leader to the next write, worst 430 ms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// Time between two heartbeats.
    pub heartbeat: Duration,
    /// Shortest silence after which a follower asks for votes.
    pub election_min: Duration,
    /// Longest such silence.
    pub election_max: Duration,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            heartbeat: Duration::from_millis(50),
            election_min: Duration::from_millis(150),
            election_max: Duration::from_millis(200),
        }
    }
}

/// What a node keeps in memory and on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// Bytes of sealed values in memory; the rest are read from the rows.
    pub value_memory_bytes: u64,
    /// Entries between two snapshots, and of a node's turn to write a large one.
    pub snapshot_entries: u64,
    /// Entries kept in the log behind a snapshot.
    pub log_entries: u64,
}

impl Default for Keep {
    fn default() -> Keep {
        Keep {
            value_memory_bytes: VALUE_MEMORY_BYTES_DEFAULT,
            snapshot_entries: SNAPSHOT_ENTRIES_DEFAULT,
            log_entries: LOG_KEPT_ENTRIES,
        }
    }
}

/// How reads are made linearizable (R8).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reads {
    /// By promises of a majority not to vote for a while; renewed behind the reads.
    #[default]
    Lease,
    /// By a round to a majority for each batch of reads. Relies on no clock.
    ReadIndex,
}

impl Timing {
    /// How long voters promise their leader no other vote. It ends before a follower that heard
    /// its leader's last heartbeat would stand for election, so it delays none.
    pub(crate) fn lease(&self) -> Duration {
        let lease = self.election_min.saturating_sub(self.heartbeat);
        lease.min(LEASE_MAX)
    }
}

impl Options {
    pub(crate) fn lease(&self) -> Duration {
        match self.reads {
            Reads::Lease => self.timing.lease(),
            Reads::ReadIndex => Duration::ZERO,
        }
    }

    pub(crate) fn config(&self) -> Result<Config, openraft::ConfigError> {
        let config = Config {
            cluster_name: self.region.to_string(),
            heartbeat_interval: millis(self.timing.heartbeat),
            election_timeout_min: millis(self.timing.election_min),
            election_timeout_max: millis(self.timing.election_max),
            enable_pre_vote: Some(true),
            // A leader that comes back in its own term knows an older commit index than it has
            // acknowledged: its barrier would pass and answer stale reads (R8).
            enable_leader_restore: Some(false),
            max_payload_entries: APPEND_ENTRIES_MAX,
            snapshot_policy: SnapshotPolicy::LogsSinceLast(self.keep.snapshot_entries),
            max_in_snapshot_log_to_keep: self.keep.log_entries,
            // A follower further behind than this is sent a snapshot.
            replication_lag_threshold: self.keep.snapshot_entries + self.keep.log_entries,
            ..Config::default()
        };
        config.validate()
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
