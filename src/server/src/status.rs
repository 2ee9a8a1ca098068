//! How this node is: for probes, metrics and GetStatus.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use consensus::{Consensus, Role, Status};
use machine::Stamp;
use replication::Replication;
use wire::{Credentials, Places};

use crate::accesses::Accesses;
use crate::certificates::issuer_of;
use crate::clock;
use crate::metrics::{Metrics, Sizes};
use crate::space::DiskSpace;
use crate::trail::Recorder;

/// Why a node takes no calls.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NotReady {
    /// It belongs to no region yet.
    NotInitialised,
    /// Its region was linked and does not have the root feed yet.
    NoRootFeed,
    /// No quorum has answered this leader lately, or no leader was heard here.
    NoQuorum,
    /// It is no member of its region any more.
    Removed,
    /// Too little free space on the disk, or on that of the audit trail.
    DiskLow,
    /// It was told to stop.
    Stopping,
}

impl NotReady {
    /// One word for a probe.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NotInitialised => "not-initialised",
            Self::NoRootFeed => "waits-for-root-feed",
            Self::NoQuorum => "no-quorum",
            Self::Removed => "removed",
            Self::DiskLow => "disk-low",
            Self::Stopping => "stopping",
        }
    }
}

/// The node's parts, asked for their state.
pub struct NodeStatus {
    /// The consensus.
    pub consensus: Consensus,
    /// The certificate.
    pub credentials: Arc<Credentials>,
    /// The rows.
    pub rows: Arc<dyn store::Rows>,
    /// The log.
    pub log: Arc<store::Wal>,
    /// The snapshot files.
    pub snapshots: store::SnapshotDir,
    /// Directories of damaged rows that were found at the start, or set aside then.
    pub quarantined: u64,
    /// The reads to record.
    pub accesses: Arc<Accesses>,
    /// The connections of each listener.
    pub places: Vec<(&'static str, Places)>,
    /// The metrics.
    pub metrics: Metrics,
    /// The traffic between regions.
    pub replication: Replication,
    /// Where calls are recorded.
    pub recorder: Arc<Recorder>,
    /// The disk of the data directory.
    pub space: Arc<DiskSpace>,
    /// Silence of the quorum, or of the leader, after which a node is not ready.
    pub quorum_silence_max: Duration,
    /// When the process started.
    pub started: Stamp,
    /// Set once, when the node stops.
    pub stopping: AtomicBool,
    /// Two scrapes at once must not both add to a counter what is new.
    pub measuring: Mutex<()>,
}

impl NodeStatus {
    /// Whether the node can serve calls.
    ///
    /// # Errors
    /// The first reason why it cannot.
    pub fn check(&self) -> Result<(), NotReady> {
        if self.stopping.load(Ordering::Acquire) {
            return Err(NotReady::Stopping);
        }
        if self.consensus.local_view().cluster().is_none() {
            return Err(NotReady::NotInitialised);
        }
        let status = self.consensus.status();
        let is_member =
            status.voters.contains(&status.node) || status.learners.contains(&status.node);
        if status.removed || !is_member {
            return Err(NotReady::Removed);
        }
        // Before the quorum: a log that waits for space may be why none is heard.
        if self.space.is_lacking() {
            return Err(NotReady::DiskLow);
        }
        if status.leader.is_none() || silence(&status) > self.quorum_silence_max {
            return Err(NotReady::NoQuorum);
        }
        // Last: while it waits, it is whole otherwise.
        if self.consensus.local_view().administrator().is_none() {
            return Err(NotReady::NoRootFeed);
        }
        Ok(())
    }

    /// Sets the gauges to what is true now.
    pub fn measure(&self) {
        let _one = self
            .measuring
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let status = self.consensus.status();
        self.metrics.reads.raise(&self.consensus.read_counts());
        let gauges = &self.metrics.gauges;
        let index = |index: Option<machine::LogIndex>| index.map_or(0, |index| whole(index.0));
        let is_leader = status.role == Role::Leader;
        gauges.leader.set(i64::from(is_leader));
        gauges.term.set(whole(status.term));
        gauges.last_log.set(index(status.last_log));
        gauges.committed.set(index(status.committed));
        gauges.applied.set(index(status.applied));
        gauges.snapshot.set(index(status.snapshot));
        gauges.purged.set(index(status.purged));
        let age = match silence(&status) {
            _ if !is_leader => 0.0,
            Duration::MAX => f64::INFINITY,
            age => age.as_secs_f64(),
        };
        gauges.quorum_age.set(age);
        gauges.voters.set(count(status.voters.len()));
        gauges.learners.set(count(status.learners.len()));
        gauges
            .secrets
            .set(whole(self.consensus.local_view().counts().secrets));
        let space = self.rows.space().unwrap_or_default();
        gauges.rows_bytes.set(whole(space.disk_bytes));
        gauges.rows_live_bytes.set(whole(space.live_bytes));
        self.metrics.rows.advance(self.consensus.row_health());
        self.measure_growth(space.rows);
        let (held, room) = (self.recorder.held(), self.recorder.room());
        self.metrics.audit.advance(&held, room);
        self.measure_regions();
        gauges
            .disk_free_bytes
            .set(whole(self.space.free_bytes().unwrap_or(0)));
        gauges.disk_low.set(i64::from(self.space.is_lacking()));
        gauges
            .certificate_expiry
            .set(whole(self.certificate_expires().0 / 1000));
    }

    fn measure_regions(&self) {
        let view = self.consensus.local_view();
        self.metrics.regions.set(&view, &self.replication);
    }

    fn measure_growth(&self, rows: u64) {
        let growth = &self.metrics.growth;
        let files = self.snapshots.list().unwrap_or_default();
        growth.set(&Sizes {
            held: self.consensus.held(),
            log: self.log.held(),
            counts: self.consensus.local_view().counts(),
            rows,
            quarantined: self.quarantined,
            snapshots_bytes: files.iter().map(store::SnapshotFile::size_bytes).sum(),
            accesses_waiting: self.accesses.waiting() as u64,
        });
        for (listener, places) in &self.places {
            growth.set_connections(listener, places.taken());
        }
        growth.advance(&self.consensus);
    }

    /// When this node's certificate expires.
    #[must_use]
    pub fn certificate_expires(&self) -> Stamp {
        stamp(self.credentials.expires())
    }

    /// SHA-256 of the public key of the region's issuer that signed it; empty if none did.
    #[must_use]
    pub fn certificate_issuer(&self) -> Vec<u8> {
        let view = self.consensus.local_view();
        let issuer = view
            .issuers()
            .and_then(|known| issuer_of(known, &self.credentials));
        issuer.map_or_else(Vec::new, |key| key.0.to_vec())
    }
}

/// The time since this node, if it leads, had an answer of a quorum, else since it heard a leader;
/// the longest there is if it never did.
fn silence(status: &Status) -> Duration {
    let heard = match status.role {
        Role::Leader if status.voters == [status.node] => Some(Duration::ZERO),
        Role::Leader => status.last_quorum_ack_age,
        _ => status.leader_silence,
    };
    heard.unwrap_or(Duration::MAX)
}

/// Now, as the start of the process.
pub fn started() -> Stamp {
    clock::now()
}

fn stamp(time: SystemTime) -> Stamp {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    Stamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn count(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
