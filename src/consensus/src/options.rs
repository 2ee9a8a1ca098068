//! How a node takes part in consensus.

use std::time::Duration;

use machine::{ClusterId, NodeId, RegionName};
use openraft::{Config, SnapshotPolicy};

use crate::limits::{
    APPEND_ENTRIES_MAX, LOG_KEPT_ENTRIES, SNAPSHOT_ENTRIES_DEFAULT, VALUE_MEMORY_BYTES_DEFAULT,
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
    /// How reads are made linearizable. Only tests change it.
    #[cfg(test)]
    pub danger_reads: DangerReads,
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
    /// Entries between two snapshots.
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

/// Which barrier reads use, so that a test can show what the other one does.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DangerReads {
    /// Our own (R8).
    #[default]
    Barrier,
    /// openraft's read index, measured stale after a pause of the leader.
    OpenraftReadIndex,
}

impl Options {
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
