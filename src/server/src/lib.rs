//! The Strongroom node: configuration, method table, handlers, background tasks, metrics.

mod accesses;
mod admin;
mod attempts;
mod authz;
mod certificates;
mod cipher;
mod clock;
pub mod config;
mod danger;
mod directory;
mod door;
mod errors;
mod fence;
mod forward;
mod freshness;
mod health;
mod holding;
mod identities;
mod issuers;
mod keys;
mod limits;
mod link_token;
mod methods;
mod metrics;
mod node;
mod operations;
mod process;
mod random_password;
mod regions;
mod secrets;
mod sessions;
mod space;
mod staleness;
mod status;
mod tasks;
mod times;
mod trail;
mod vault;

pub use self::config::{Config, ConfigError};
pub use self::danger::{Broken, Danger};
pub use self::directory::{DataDir, DataError};
pub use self::link_token::LinkToken;
pub use self::node::{Addresses, Node, Start, StartError};
pub use self::status::NotReady;
pub use audit::{Break as AuditBreak, ReadError as AuditReadError, verify as verify_audit};
pub use envelope::ProviderError as RootKeyError;

/// Makes a region's root key in a new file with mode 0600, durable on return.
///
/// # Errors
/// When the file exists, or the system refuses.
pub fn create_root_key(file: &std::path::Path) -> Result<(), RootKeyError> {
    envelope::FileProvider::create(file).map(drop)
}
