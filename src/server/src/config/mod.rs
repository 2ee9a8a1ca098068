//! Configuration: defaults, then one TOML file, then the environment.
//!
//! An unknown key is an error that names the key and where it stands. A variable of the
//! environment is `STRONGROOM_<SECTION>__<OPTION>`, with two underscores between section and
//! option: container platforms set `STRONGROOM_PORT` and its like on their own, and those have one.

mod sections;
mod size;
mod variables;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use figment::providers::{Env, Serialized};
use figment::value::{Dict, Map};
use figment::{Figment, Metadata, Profile, Provider};
use serde::{Deserialize, Serialize};

pub use self::sections::{
    AccessSection, ApiSection, AuditSection, ClusterSection, ConsensusSection, LimitsSection,
    LogFormat, LogSection, NodeSection, OperationsSection, PeersSection, ReadsName, RegionsSection,
    SealProviderName, SealSection, SecretsSection, StorageSection, SyncName, TlsSection,
};
pub use self::size::{Size, SizeError};
use self::variables::Variables;
use crate::limits::{CERTIFICATE_LIFETIME_MIN, COUNT_MAX, DURATION_MAX};

/// Everything an operator can set. `deploy/config/strongroom.toml` explains each option.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The data directory and the machine.
    pub node: NodeSection,
    /// The listener for callers.
    pub api: ApiSection,
    /// The listener for peers.
    pub peers: PeersSection,
    /// The listener for probes and metrics.
    pub operations: OperationsSection,
    /// Certificates.
    pub tls: TlsSection,
    /// What a new cluster is founded with.
    pub cluster: ClusterSection,
    /// Log, rows and snapshots.
    pub storage: StorageSection,
    /// Raft.
    pub consensus: ConsensusSection,
    /// The root key.
    pub seal: SealSection,
    /// Other regions.
    pub regions: RegionsSection,
    /// How callers are known.
    pub access: AccessSection,
    /// Rules of secrets.
    pub secrets: SecretsSection,
    /// The audit trail.
    pub audit: AuditSection,
    /// Bounds.
    pub limits: LimitsSection,
    /// Logs.
    pub log: LogSection,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeSection {
                data: "/var/lib/strongroom".into(),
                software_aes: false,
            },
            api: ApiSection {
                listen: SocketAddr::from(([0, 0, 0, 0], 7420)),
                advertise: String::new(),
                connections_max: 4096,
                requests_max: 1024,
                handshake_timeout: Duration::from_secs(5),
            },
            peers: PeersSection {
                listen: SocketAddr::from(([0, 0, 0, 0], 7421)),
                advertise: String::new(),
                connections_max: 256,
                handshake_timeout: Duration::from_secs(5),
            },
            operations: OperationsSection {
                listen: SocketAddr::from(([127, 0, 0, 1], 9420)),
            },
            tls: TlsSection {
                certificate: "/etc/strongroom/node.pem".into(),
                key: "/etc/strongroom/node.key".into(),
                authority: "/etc/strongroom/ca.pem".into(),
                reload_interval: Duration::from_secs(10),
                // Three months, as configuration files say it.
                certificate_lifetime: Duration::from_secs(3 * 2_630_016),
            },
            cluster: ClusterSection {
                account: "000000000000".into(),
            },
            storage: StorageSection {
                log_segment_size: Size::of_mebibytes(64),
                row_cache_size: Size::of_mebibytes(256),
                value_memory_size: Size::of_mebibytes(256),
                snapshot_entries: 20_000,
                log_entries_kept: 2_000,
                scrub_interval: Duration::from_secs(24 * 60 * 60),
                disk_free_min: Size::of_mebibytes(512),
            },
            consensus: ConsensusSection {
                heartbeat: Duration::from_millis(50),
                election_timeout_min: Duration::from_millis(150),
                election_timeout_max: Duration::from_millis(200),
                reads: ReadsName::Lease,
            },
            seal: SealSection {
                provider: SealProviderName::File,
                root_key: "/etc/strongroom/root.key".into(),
            },
            regions: RegionsSection::default(),
            access: AccessSection::default(),
            secrets: SecretsSection::default(),
            audit: AuditSection::default(),
            limits: LimitsSection {
                deadline_default: Duration::from_secs(10),
                deadline_max: Duration::from_secs(60),
                watches_max: 256,
                shutdown_timeout: Duration::from_secs(10),
            },
            log: LogSection {
                level: "info,openraft=off".into(),
                format: LogFormat::Json,
            },
        }
    }
}

/// Says why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error(
        "cannot read the configuration file {}: check the path and its permissions",
        path.display()
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("the configuration file {} is not valid TOML: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and what was expected.
        reason: String,
    },
    /// A key is unknown, or a value is of the wrong type.
    #[error("the configuration is not valid: {reason}")]
    Option {
        /// The key, what is wrong with it, and the file or variable it came from.
        reason: String,
    },
    /// Two options do not go together, or a value is out of its bounds.
    #[error("the option {option} is not valid: {reason}")]
    Value {
        /// Section and option.
        option: &'static str,
        /// What is asked of it.
        reason: String,
    },
}

impl Config {
    /// Reads the defaults, the file if one is named, and the environment of the process.
    ///
    /// # Errors
    /// When the file cannot be read, or anything in it or in the environment is not an option.
    pub fn load(file: Option<&Path>) -> Result<Self, ConfigError> {
        let mut layers = Figment::from(Serialized::defaults(Self::default()));
        if let Some(path) = file {
            layers = layers.merge(TomlFile::read(path)?);
        }
        let variables = Env::prefixed("STRONGROOM_").filter(|name| name.as_str().contains("__"));
        Self::extract(&layers.merge(Variables::of(&variables.split("__"))))
    }

    /// Reads the defaults and a configuration given as text; the environment is not looked at.
    ///
    /// # Errors
    /// When the text is not TOML or holds anything that is not an option.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        let file = TomlFile::parse(Path::new("(text)"), text)?;
        Self::extract(&Figment::from(Serialized::defaults(Self::default())).merge(file))
    }

    fn extract(layers: &Figment) -> Result<Self, ConfigError> {
        let config: Self = layers.extract().map_err(|error| ConfigError::Option {
            reason: error.to_string().replace("default.", ""),
        })?;
        config.validate()?;
        Ok(config)
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// The first option that is out of its bounds.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |option, reason: &str| {
            Err(ConfigError::Value {
                option,
                reason: reason.to_owned(),
            })
        };
        self.validate_durations()?;
        let timing = &self.consensus;
        if timing.heartbeat.is_zero() || timing.heartbeat * 2 > timing.election_timeout_min {
            return refuse(
                "consensus.heartbeat",
                "it must be at most half of election_timeout_min",
            );
        }
        if timing.election_timeout_max <= timing.election_timeout_min {
            return refuse(
                "consensus.election_timeout_max",
                "it must be longer than election_timeout_min",
            );
        }
        if self.limits.deadline_default > self.limits.deadline_max {
            return refuse(
                "limits.deadline_default",
                "it must not be longer than deadline_max",
            );
        }
        let account = &self.cluster.account;
        if account.len() != 12 || !account.bytes().all(|byte| byte.is_ascii_digit()) {
            return refuse("cluster.account", "an account is 12 digits");
        }
        if self.storage.snapshot_entries == 0 {
            return refuse("storage.snapshot_entries", "it must be at least 1");
        }
        self.audit.validate()?;
        let nonzero = [
            ("api.connections_max", self.api.connections_max),
            ("api.requests_max", self.api.requests_max),
            ("peers.connections_max", self.peers.connections_max),
            ("limits.watches_max", self.limits.watches_max),
        ];
        for (option, number) in nonzero {
            if !(1..=COUNT_MAX).contains(&number) {
                return refuse(option, "it must be at least 1 and at most a million");
            }
        }
        Ok(())
    }

    /// Checks every duration by itself, before any is counted with.
    fn validate_durations(&self) -> Result<(), ConfigError> {
        let (timing, secrets, limits) = (&self.consensus, &self.secrets, &self.limits);
        let access = &self.access;
        let may_be_nothing = [
            (
                "secrets.young_version_protection",
                secrets.young_version_protection,
            ),
            ("limits.shutdown_timeout", limits.shutdown_timeout),
        ];
        let intervals = [
            ("consensus.heartbeat", timing.heartbeat),
            (
                "consensus.election_timeout_min",
                timing.election_timeout_min,
            ),
            (
                "consensus.election_timeout_max",
                timing.election_timeout_max,
            ),
            ("limits.deadline_default", limits.deadline_default),
            ("limits.deadline_max", limits.deadline_max),
            ("tls.reload_interval", self.tls.reload_interval),
            (
                "access.identity_staleness_max",
                access.identity_staleness_max,
            ),
            ("access.issuer_keys_interval", access.issuer_keys_interval),
            ("tls.certificate_lifetime", self.tls.certificate_lifetime),
            ("secrets.purge_interval", secrets.purge_interval),
            (
                "secrets.access_record_interval",
                secrets.access_record_interval,
            ),
            ("api.handshake_timeout", self.api.handshake_timeout),
            ("peers.handshake_timeout", self.peers.handshake_timeout),
        ];
        let refuse = |option, reason: &str| {
            Err(ConfigError::Value {
                option,
                reason: reason.to_owned(),
            })
        };
        if self.tls.certificate_lifetime < CERTIFICATE_LIFETIME_MIN {
            return refuse(
                "tls.certificate_lifetime",
                "it must be at least half a minute",
            );
        }
        let mut all = intervals.iter().chain(&may_be_nothing);
        match intervals.iter().find(|(_, interval)| interval.is_zero()) {
            Some((option, _)) => refuse(option, "it must be longer than nothing"),
            None => match all.find(|(_, duration)| *duration > DURATION_MAX) {
                Some((option, _)) => refuse(option, "it must not be longer than a year"),
                None => Ok(()),
            },
        }
    }

    /// The configuration as TOML, every option written out.
    ///
    /// # Errors
    /// When a path is not UTF-8.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }
}

/// A TOML file as a layer that errors can name.
struct TomlFile {
    path: PathBuf,
    table: toml::Table,
}

impl TomlFile {
    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(path, &text)
    }

    fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let table = text
            .parse()
            .map_err(|error: toml::de::Error| ConfigError::Syntax {
                path: path.to_owned(),
                reason: one_line(text, &error),
            })?;
        Ok(Self {
            path: path.to_owned(),
            table,
        })
    }
}

/// What is wrong with a text and where, in one line.
fn one_line(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.unwrap_or_default().split('\n').count();
    format!("{} in line {line}", error.message().replace('\n', ", "))
}

impl Provider for TomlFile {
    fn metadata(&self) -> Metadata {
        Metadata::from("the file", self.path.as_path())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let dict = Serialized::defaults(&self.table).data()?;
        let table = dict.into_values().next().unwrap_or_default();
        Ok(BTreeMap::from([(Profile::Default, table)]))
    }
}

#[cfg(test)]
mod tests;
