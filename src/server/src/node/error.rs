use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use store::Fault;

use crate::config::ConfigError;
use crate::directory::DataError;

/// Why a node did not start: one sentence and its cure; the cause is the source.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration is not valid.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The data directory cannot be used.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The directory is empty and nothing was said about how to begin.
    #[error(
        "the data directory {} is empty: start once with --bootstrap to found a new cluster, \
         with --join and a token to join a region, or with --link and a token to found one that \
         is linked to others", path.display()
    )]
    Empty {
        /// The directory.
        path: PathBuf,
    },
    /// The processor lacks AES-NI or CLMUL.
    #[error(
        "this processor lacks AES-NI or CLMUL, so every call would be 10 to 27 times slower: \
         use another machine, or set node.software_aes"
    )]
    SlowCpu,
    /// The kernel did not turn core dumps off.
    #[error("core dumps could not be turned off: check the limits this process runs under")]
    CoreDumps(#[source] io::Error),
    /// The certificate, the key or the authorities cannot be used.
    #[error("the certificate cannot be used: check [tls], or run `strongroom certs status`")]
    Certificate(#[from] wire::CredentialsError),
    /// The certificate is a client's.
    #[error(
        "the certificate {} is not a node's: issue one with `strongroom certs issue node`",
        path.display()
    )]
    NotANode {
        /// The certificate.
        path: PathBuf,
    },
    /// The names in the certificate are not as they should be.
    #[error("the certificate names an unusable {what}: issue a new one")]
    Name {
        /// Cluster or region.
        what: &'static str,
    },
    /// The root key could not be had.
    #[error("the root key could not be read: check [seal]")]
    RootKey(#[from] envelope::ProviderError),
    /// The keyring belongs to another root key, or is damaged.
    #[error("the keyring does not open: the root key must be the same on every node of the region")]
    Keyring(#[from] envelope::KeyringError),
    /// A node that joins brings no keyring: what is there may have sealed what lies beside it.
    #[error(
        "the data directory {} has a keyring already but is no member's: finish what was begun \
         there with --bootstrap, or join with an empty directory", path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// The keyring file is gone.
    #[error(
        "the keyring file {} is missing: restore it, or rejoin with an empty directory",
        path.display()
    )]
    NoKeyring {
        /// The file.
        path: PathBuf,
    },
    /// No random bytes.
    #[error("the operating system gave no random bytes: try again")]
    Seal(#[from] envelope::SealFailed),
    /// The disk is full. Nothing is damaged by it.
    #[error(
        "the disk of the data directory is full: free some space and start again, and leave the \
         directory as it is: nothing in it is lost"
    )]
    NoSpace(#[source] store::Fault),
    /// The log cannot be used.
    #[error("the log could not be opened: if it is damaged, empty the directory and rejoin")]
    Log(#[source] store::LogError),
    /// The rows cannot be used.
    #[error("the rows could not be opened: check the disk and the directory's owner")]
    Rows(#[source] store::RowsError),
    /// The snapshots cannot be used.
    #[error("the snapshots could not be opened: check the disk and the directory's owner")]
    Snapshots(#[source] store::SnapshotError),
    /// The audit trail cannot be used.
    #[error("the audit trail could not be opened: see the cause, and [audit]")]
    Audit(#[from] audit::OpenError),
    /// The consensus did not start.
    #[error("the node could not take part in its region: see the cause")]
    Consensus(#[source] consensus::OpenError),
    /// The listener for callers or peers could not be had.
    #[error("the address cannot be listened on: stop what has it, or change [{section}] listen")]
    Listen {
        /// The section of the configuration.
        section: &'static str,
        /// Why.
        source: wire::ListenError,
    },
    /// The operations listener could not be had.
    #[error("cannot listen on {address}: stop what has it, or change [operations] listen")]
    Operations {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// A listener on all addresses tells peers nothing.
    #[error("set {option}: this node listens on all addresses, and others need one to reach it")]
    Advertise {
        /// The option.
        option: &'static str,
    },
    /// The region could not be founded.
    #[error("the region could not be founded: empty the data directory and try again")]
    Found(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The member could not be reached to join.
    #[error("cannot reach {address} to join: name the API address of a member that is up")]
    Unreachable {
        /// The address.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The member refused.
    #[error("the region refused this node: {reason}")]
    JoinRefused {
        /// What the member said.
        reason: String,
    },
    /// What answered is a node, but not where it serves callers.
    #[error("{address} is not where a member takes joins: name its API address, not its peers'")]
    NotTheApi {
        /// The address.
        address: String,
    },
    /// The text is no link token.
    #[error("the link token is not one: give all of what `strongroom region link create` showed")]
    NotALinkToken,
    /// The other region could not be reached, or is not whom the token names.
    #[error(
        "cannot reach {address} to be linked, or it is not a node of the region that made the \
         token: name the API address of a node of that region"
    )]
    UnreachableToLink {
        /// The address.
        address: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The other region refused.
    #[error("the region was not linked: {reason}")]
    LinkRefused {
        /// What the other region said.
        reason: String,
    },
    /// The other region is of another cluster.
    #[error("the other region belongs to another cluster: check the address and the certificate")]
    OtherCluster,
    /// The cluster's rules are newer than this build.
    #[error(
        "the cluster runs by rules of version {theirs} and this release knows {ours}: start a \
         newer release"
    )]
    NewerRules {
        /// The version in force.
        theirs: u32,
        /// The newest this build knows.
        ours: u32,
    },
    /// The member answered for another cluster or region.
    #[error(
        "the member belongs to another cluster or region: check the address and the certificate"
    )]
    OtherRegion,
    /// Two metrics have one name, or a service could not be described: a fault of this build.
    #[error("this build is faulty: {0}")]
    Build(String),
}

impl From<store::LogError> for StartError {
    fn from(error: store::LogError) -> Self {
        match error {
            store::LogError::Fault(fault @ Fault::NoSpace { .. }) => Self::NoSpace(fault),
            error => Self::Log(error),
        }
    }
}

impl From<store::RowsError> for StartError {
    fn from(error: store::RowsError) -> Self {
        match error {
            store::RowsError::Fault(fault @ Fault::NoSpace { .. }) => Self::NoSpace(fault),
            error => Self::Rows(error),
        }
    }
}

impl From<store::SnapshotError> for StartError {
    fn from(error: store::SnapshotError) -> Self {
        match error {
            store::SnapshotError::Fault(fault @ Fault::NoSpace { .. }) => Self::NoSpace(fault),
            error => Self::Snapshots(error),
        }
    }
}

impl From<consensus::OpenError> for StartError {
    fn from(error: consensus::OpenError) -> Self {
        match error {
            consensus::OpenError::Store {
                source: source @ Fault::NoSpace { .. },
            } => Self::NoSpace(source),
            error => Self::Consensus(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_never_called_damage() {
        let full = || Fault::NoSpace {
            action: "prepare",
            path: "log/1".into(),
        };
        for error in [
            StartError::from(store::LogError::Fault(full())),
            StartError::from(store::RowsError::Fault(full())),
            StartError::from(store::SnapshotError::Fault(full())),
            StartError::from(consensus::OpenError::Store { source: full() }),
        ] {
            assert!(matches!(error, StartError::NoSpace(_)), "{error}");
            let told = error.to_string();
            assert!(told.contains("free some space"), "{told}");
            assert!(!told.contains("rejoin"), "{told}");
        }
        let closed = StartError::from(store::LogError::Fault(Fault::Closed));
        assert!(matches!(closed, StartError::Log(_)));
    }
}
