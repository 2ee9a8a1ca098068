//! Seal providers: where a region's root key comes from when a node starts (R18).

mod file;

use std::io;
use std::path::PathBuf;

use thiserror::Error;

pub use file::FileProvider;

use crate::error::SealFailed;
use crate::root::RootKey;

/// A keeper of the root key.
pub trait SealProvider: Send + Sync {
    /// The name in configuration and status, such as `file`.
    fn name(&self) -> &'static str;

    /// Gives the root key. May wait for a device, a network or people.
    fn unseal(&self) -> Result<RootKey, ProviderError>;
}

/// Why a seal provider gave no root key.
#[derive(Debug, Error)]
pub enum ProviderError {
    /// There is no root key file.
    #[error("there is no root key file {path}: create one, or correct the path")]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// A root key file is there already; it is never overwritten.
    #[error("{path} exists already: a root key is never overwritten")]
    Exists {
        /// The file in the way.
        path: PathBuf,
    },
    /// Others than the owner may read or change the file.
    #[error("{path} has mode {mode:04o}: others may use it; run chmod 600 on it")]
    OpenToOthers {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The file does not hold a root key.
    #[error("{path} holds no root key: one line with 32 bytes in base64 is expected")]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} the root key file {path}")]
    Io {
        /// What was tried: `read`, `create` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// No random key could be made.
    #[error("no root key could be made")]
    Generate(#[from] SealFailed),
}
