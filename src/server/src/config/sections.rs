use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use super::size::Size;
use crate::limits::AUDIT_KEPT_MAX;

/// Where the node keeps what it must not lose, and what it may run on.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSection {
    /// Data directory; made with mode 0700 when missing.
    pub data: PathBuf,
    /// Starts on a processor without AES-NI and CLMUL, 10 to 27 times slower.
    pub software_aes: bool,
}

/// The listener for callers: gRPC over TLS, client certificate optional.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Host and port that callers reach this node by; empty takes the listener's address.
    pub advertise: String,
    /// Connections held open at once; more are closed at accept.
    pub connections_max: usize,
    /// Requests worked on at once; more are answered `ThrottlingException`.
    pub requests_max: usize,
    /// Time a connection has to finish its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

/// The listener for the other nodes of the region: mutual TLS only.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeersSection {
    /// Address to listen on; port 0 takes any free one.
    pub listen: SocketAddr,
    /// Host and port that peers reach this node by; empty takes the listener's address.
    pub advertise: String,
    /// Connections held open at once.
    pub connections_max: usize,
    /// Time a connection has to finish its TLS handshake.
    #[serde(with = "humantime_serde")]
    pub handshake_timeout: Duration,
}

/// The plain HTTP listener for probes and metrics.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct OperationsSection {
    /// Address to listen on; metrics are served on loopback addresses only.
    pub listen: SocketAddr,
}

/// The certificate that names this node, and whom it trusts.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsSection {
    /// Certificate chain of this node, PEM, leaf first.
    pub certificate: PathBuf,
    /// Private key of this node, PEM.
    pub key: PathBuf,
    /// Certificates of the authorities that callers and peers must come from, PEM.
    pub authority: PathBuf,
    /// How often the files are looked at for a change.
    #[serde(with = "humantime_serde")]
    pub reload_interval: Duration,
    /// How long a certificate lives that this node, when it leads, renews.
    #[serde(with = "humantime_serde")]
    pub certificate_lifetime: Duration,
}

/// What a new cluster is founded with; read at the bootstrap only.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ClusterSection {
    /// The account secrets belong to, 12 digits.
    pub account: String,
}

/// How the node keeps the log, the rows and the snapshots.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StorageSection {
    /// Size at which a log segment is closed and the next one is begun.
    pub log_segment_size: Size,
    /// Memory for the page cache of the rows.
    pub row_cache_size: Size,
    /// Memory for sealed values; the rest are read from the rows.
    pub value_memory_size: Size,
    /// Log entries between two snapshots, more while they are few bytes next to the last snapshot.
    pub snapshot_entries: u64,
    /// Log entries kept behind a snapshot.
    pub log_entries_kept: u64,
    /// Time in which every stored row is checked once; zero turns the check off.
    #[serde(with = "humantime_serde")]
    pub scrub_interval: Duration,
    /// Free space below which the node is not ready, hands leadership over and takes no new writes.
    pub disk_free_min: Size,
}

/// The beat of the Raft group; the same on every node of a region.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ConsensusSection {
    /// Pause between two heartbeats of the leader.
    #[serde(with = "humantime_serde")]
    pub heartbeat: Duration,
    /// Shortest silence after which a follower stands for election.
    #[serde(with = "humantime_serde")]
    pub election_timeout_min: Duration,
    /// Longest silence after which a follower stands for election.
    #[serde(with = "humantime_serde")]
    pub election_timeout_max: Duration,
    /// How reads are made linearizable.
    pub reads: ReadsName,
}

/// The ways reads are made linearizable.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadsName {
    /// By a lease of the leader: no round for most reads. Relies on clocks that do not stop.
    Lease,
    /// By a round to a majority for each batch of reads.
    ReadIndex,
}

/// Where the root key comes from.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SealSection {
    /// The seal provider.
    pub provider: SealProviderName,
    /// File with the root key, mode 0600, the same on every node of a region.
    pub root_key: PathBuf,
}

/// The seal providers this release knows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SealProviderName {
    /// The root key stands in a file: protects against theft of the data volume only.
    File,
}

/// What this region does for others, and they for it.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RegionsSection {
    /// Hands a write to what another region leads on to that region, instead of refusing it with
    /// where to go. The other region must accept that.
    pub forward_writes: bool,
    /// Takes writes that nodes of linked regions hand on for their callers. Whoever has the key of
    /// such a node can then write here as any caller.
    pub accept_forwarded: bool,
}

/// How callers are known.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AccessSection {
    /// How old what this region knows of the root feed may be for it to take sessions that other
    /// regions opened: as late as that may it hear that one was revoked.
    #[serde(with = "humantime_serde")]
    pub identity_staleness_max: Duration,
    /// How often the keys of issuers are fetched whose providers have none of their own.
    #[serde(with = "humantime_serde")]
    pub issuer_keys_interval: Duration,
    /// Fetches the keys of issuers without TLS, too, where their URL is one of this machine.
    pub plain_issuers: bool,
}

impl Default for AccessSection {
    fn default() -> Self {
        Self {
            identity_staleness_max: Duration::from_secs(60 * 60),
            issuer_keys_interval: Duration::from_secs(60 * 60),
            plain_issuers: false,
        }
    }
}

/// Rules of the secrets themselves.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SecretsSection {
    /// Age below which an unlabelled version is never pruned.
    #[serde(with = "humantime_serde")]
    pub young_version_protection: Duration,
    /// Pause between two looks for secrets whose recovery window has passed.
    #[serde(with = "humantime_serde")]
    pub purge_interval: Duration,
    /// Longest wait before first reads of the day are recorded.
    #[serde(with = "humantime_serde")]
    pub access_record_interval: Duration,
}

impl Default for SecretsSection {
    fn default() -> Self {
        Self {
            young_version_protection: Duration::from_secs(24 * 60 * 60),
            purge_interval: Duration::from_secs(10),
            access_record_interval: Duration::from_millis(500),
        }
    }
}

/// How the audit trail is kept.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuditSection {
    /// Directory of the records; empty takes `audit` in the data directory.
    pub directory: PathBuf,
    /// When records are made durable.
    pub sync: SyncName,
    /// Size of a file; the next one of this size is set aside ahead.
    pub file_size: Size,
    /// How long records are kept.
    #[serde(with = "humantime_serde")]
    pub keep: Duration,
    /// What all files may take; older ones go earlier then.
    pub keep_size: Size,
    /// Free space below which the node is not ready and hands leadership over.
    pub free_min: Size,
}

/// When records are made durable.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncName {
    /// Together, within 100 ms: a power cut may take the last ones, a crash of the process none.
    Interval,
    /// Each before its call is answered.
    Each,
}

impl Default for AuditSection {
    fn default() -> Self {
        Self {
            directory: PathBuf::new(),
            sync: SyncName::Interval,
            file_size: Size::of_mebibytes(64),
            // A year and a month, as they are written.
            keep: Duration::from_secs(31_557_600 + 2_630_016),
            keep_size: Size::of_mebibytes(16 << 10),
            free_min: Size::of_mebibytes(256),
        }
    }
}

impl AuditSection {
    /// Where the records of a node are.
    #[must_use]
    pub fn path(&self, data: &Path) -> PathBuf {
        match self.directory.as_os_str().is_empty() {
            true => data.join("audit"),
            false => self.directory.clone(),
        }
    }

    /// Checks what types cannot say.
    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |option, reason: String| Err(ConfigError::Value { option, reason });
        let (least, most) = (audit::FILE_BYTES_MIN, audit::FILE_BYTES_MAX);
        let file_bytes = self.file_size.bytes();
        if !(least..=most).contains(&file_bytes) {
            let bounds = (Size::of_bytes(least), Size::of_bytes(most));
            let reason = format!("it must be from {} to {}", bounds.0, bounds.1);
            return refuse("audit.file_size", reason);
        }
        let files = audit::FILES_KEPT_MIN;
        if self.keep_size.bytes() < file_bytes * files {
            return refuse("audit.keep_size", format!("it must hold {files} files"));
        }
        if self.keep > AUDIT_KEPT_MAX {
            return refuse("audit.keep", "it must be at most 20 years".to_owned());
        }
        Ok(())
    }
}

/// Bounds an operator may move.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSection {
    /// Deadline of a call that names none.
    #[serde(with = "humantime_serde")]
    pub deadline_default: Duration,
    /// Longest deadline a call may name; a longer one is cut.
    #[serde(with = "humantime_serde")]
    pub deadline_max: Duration,
    /// Watches open at once on this node.
    pub watches_max: usize,
    /// Time that calls under way have to end once the node was told to stop.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

/// What is logged, and how.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct LogSection {
    /// Filter in the syntax of `tracing`: a level, or targets with levels.
    pub level: String,
    /// Shape of a line.
    pub format: LogFormat,
}

/// The shape of a log line.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// Text for people.
    Text,
}
