//! Certificates of a cluster, in one directory:
//!
//! ```text
//! root.pem  root-key.pem            the offline root; move its key away
//! eu-west-1/issuer.pem  -key.pem    issues for one region, and for no authority below it
//! eu-west-1/node-1.pem  -key.pem    a node; the file holds the issuer's certificate too
//! eu-west-1/client-admin.pem  …     a client; likewise
//! ```
//!
//! Callers trust `root.pem`. The nodes of a region trust `issuer.pem` of their region and, of each
//! linked region, the issuers that it told when it was linked. The issuer of one region cannot make
//! a peer of another, not even where nodes trust `root.pem`.
//!
//! Keys are ECDSA P-256, written with mode 0600. Nothing is overwritten unless it is asked for. No
//! certificate is valid for longer than the one that signed it.

mod issue;
mod renewal;
mod status;
mod write;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use issue::{add_region, init, issue_client, issue_node};
pub use renewal::{IssuerFiles, RenewalError, Signer, pem_of, read_issuer};
pub(crate) use status::instant;
pub use status::{CertificateStatus, Holder, status};
pub(crate) use write::replace_certificate as replace;

use crate::{clock, credentials::CredentialsError};

/// A certificate file and its key file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    /// The certificate, PEM.
    pub cert: PathBuf,
    /// The private key, PEM, mode 0600.
    pub key: PathBuf,
}

/// Where the files of a cluster's certificates are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layout {
    directory: PathBuf,
}

/// From when to when a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// The first instant.
    pub from: SystemTime,
    /// The last instant.
    pub until: SystemTime,
}

/// What to do about files that are there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Existing {
    /// Fail and touch nothing.
    #[default]
    Refuse,
    /// Keep the key, which must be there, and replace the certificate. This is how a node is
    /// renewed, because the members have pinned its key.
    Renew,
    /// Replace both.
    Replace,
}

/// What a node's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeSpec {
    /// The region.
    pub region: String,
    /// The node id, not zero.
    pub node: u64,
    /// DNS names and IP addresses under which callers reach the node.
    pub names: Vec<String>,
    /// How long it is valid.
    pub validity: Validity,
}

/// What a client's certificate says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientSpec {
    /// The region whose issuer signs.
    pub region: String,
    /// The client's name.
    pub name: String,
    /// How long it is valid.
    pub validity: Validity,
}

/// Why certificates were not made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertsError {
    /// A file is there already.
    #[error("{path} exists; nothing was changed")]
    Exists {
        /// The file.
        path: PathBuf,
    },
    /// A file cannot be written.
    #[error("cannot write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A file cannot be read or is not what it should be.
    #[error("cannot use what is there")]
    Read(#[from] CredentialsError),
    /// A key file cannot be used.
    #[error("cannot use the key in {path}")]
    Key {
        /// The file.
        path: PathBuf,
        /// Why.
        source: rcgen::Error,
    },
    /// An authority's certificate is not one that this program made.
    #[error("{path} is not an authority of a strongroom cluster; make one with `certs init`")]
    NotAnAuthority {
        /// The file.
        path: PathBuf,
    },
    /// An authority's certificate has ended: nobody would accept what it signs.
    #[error("the authority {path} has expired; make another one")]
    Expired {
        /// The file.
        path: PathBuf,
    },
    /// A word does not have its form.
    #[error("{value:?} is not a {what}")]
    Invalid {
        /// What it should be.
        what: &'static str,
        /// What it is.
        value: String,
    },
    /// Signing failed.
    #[error("cannot make the certificate")]
    Sign(#[from] rcgen::Error),
}

impl Layout {
    /// The layout of a directory.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The root authority.
    pub fn root(&self) -> Pair {
        Pair::named(&self.directory, "root")
    }

    /// The issuer of a region.
    pub fn issuer(&self, region: &str) -> Pair {
        Pair::named(&self.directory.join(region), "issuer")
    }

    /// A node.
    pub fn node(&self, region: &str, node: u64) -> Pair {
        Pair::named(&self.directory.join(region), &format!("node-{node}"))
    }

    /// A client.
    pub fn client(&self, region: &str, name: &str) -> Pair {
        Pair::named(&self.directory.join(region), &format!("client-{name}"))
    }
}

impl Pair {
    fn named(directory: &Path, name: &str) -> Self {
        Self {
            cert: directory.join(format!("{name}.pem")),
            key: directory.join(format!("{name}-key.pem")),
        }
    }
}

impl Validity {
    /// The same, but not beyond the end of the authority that signs: until then at most it is
    /// accepted.
    pub(crate) fn within(self, authority_until: SystemTime) -> Self {
        Self {
            until: self.until.min(authority_until),
            ..self
        }
    }

    /// From five minutes ago, for clocks that are behind, for a number of days.
    pub fn days(days: u32) -> Self {
        let now = clock::now();
        let until = now.checked_add(DAY.saturating_mul(days)).unwrap_or(now);
        Self {
            from: now.checked_sub(CLOCKS_APART).unwrap_or(now),
            until,
        }
    }

    /// What a root gets: ten years.
    pub fn of_root() -> Self {
        Self::days(3_650)
    }

    /// What an issuer gets: five years.
    pub fn of_issuer() -> Self {
        Self::days(1_825)
    }

    /// What a node or client gets unless told: one year.
    pub fn of_leaf() -> Self {
        Self::days(365)
    }
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const CLOCKS_APART: Duration = Duration::from_secs(5 * 60);
