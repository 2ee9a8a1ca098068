//! The first start of a node: founds a cluster, or joins one. Afterwards the data directory is its
//! own, and every later start only resumes.

use std::time::Duration;

use consensus::Consensus;
use envelope::StorageKeyring;
use machine::{AccountId, Audit, Found, MACHINE_VERSION, Node, RequestId};
use tokio::time::Instant;
use wire::admin::v1::JoinRequest;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::{Dialer, Expected, PeerIdentity};
use zeroize::Zeroizing;

use super::{Identity, StartError};
use crate::clock;
use crate::directory::DataDir;
use crate::vault::Vault;

/// Time the first start may take to found or join.
const FIRST_DEADLINE: Duration = Duration::from_secs(30);

/// How a node starts.
pub enum Start {
    /// Goes on with its data directory.
    Resume,
    /// Founds a new cluster if the data directory is empty, else goes on.
    Bootstrap {
        /// The client name that may do everything.
        administrator: String,
    },
    /// Joins a region if the data directory is empty, else goes on.
    Join {
        /// Host and port of a member's API listener.
        address: String,
        /// The one-time token.
        token: Zeroizing<String>,
    },
}

impl std::fmt::Debug for Start {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Resume => out.write_str("Resume"),
            Self::Bootstrap { .. } => out.write_str("Bootstrap"),
            Self::Join { address, .. } => write!(out, "Join({address})"),
        }
    }
}

/// Where others reach this node.
#[derive(Clone, Debug)]
pub struct Advertised {
    /// Host and port of the peer listener.
    pub peers: String,
    /// Host and port of the API listener.
    pub api: String,
}

/// Makes sure that a keyring is in the data directory, and gives its sealed bytes.
pub async fn sealed_keyring(
    data: &DataDir,
    start: &Start,
    identity: &Identity,
    root: &envelope::RootKey,
    dialer: &Dialer,
    advertised: &Advertised,
) -> Result<Vec<u8>, StartError> {
    if data.belongs_to(&identity.peer)? {
        if !matches!(start, Start::Resume) {
            tracing::warn!(
                directory = %data.root().display(),
                "the data directory has a node already, --bootstrap and --join are of no effect"
            );
        }
        let path = data.path("keyring");
        return data.keyring()?.ok_or(StartError::NoKeyring { path });
    }
    let opened = |sealed: &[u8]| {
        StorageKeyring::from_sealed_bytes(root, identity.cluster.0, sealed).map(drop)
    };
    let sealed = match start {
        Start::Resume => {
            return Err(StartError::Empty {
                path: data.root().to_owned(),
            });
        }
        // A founding that was cut short left a keyring that already sealed its log.
        Start::Bootstrap { .. } => match data.keyring()? {
            Some(sealed) => sealed,
            None => StorageKeyring::generate(identity.cluster.0)?.to_sealed_bytes(root)?,
        },
        Start::Join { address, token } => {
            // What a founding left has begun a log under its keyring: refused before the region
            // is asked. A joining that was cut short had none, and is told the same keyring again.
            let occupied = || StartError::Occupied {
                path: data.root().to_owned(),
            };
            let kept = data.keyring()?;
            if kept.is_some() && data.path("log").exists() {
                return Err(occupied());
            }
            let ask = |rehearsal| {
                let request = JoinRequest {
                    token: token.trim().to_owned(),
                    peer_address: advertised.peers.clone(),
                    api_address: advertised.api.clone(),
                    machine_version_supported: MACHINE_VERSION.0,
                    rehearsal,
                };
                join(identity, dialer, request, address)
            };
            // Looked at before the node is admitted: one that cannot start must not be a member.
            let sealed = ask(true).await?;
            opened(&sealed)?;
            if kept.is_some_and(|kept| kept != sealed) {
                return Err(occupied());
            }
            ask(false).await?
        }
    };
    // Opened before it is kept: a wrong root key must not spoil the directory.
    opened(&sealed)?;
    data.keep_keyring(&sealed)?;
    if let Start::Join { .. } = start {
        data.claim(&identity.peer)?;
    }
    Ok(sealed)
}

/// What a region is founded with.
pub struct Founding<'a> {
    /// The data directory to claim.
    pub data: &'a DataDir,
    /// The first node.
    pub identity: &'a Identity,
    /// Makes the default key.
    pub vault: &'a Vault,
    /// The default account.
    pub account: &'a str,
    /// Where the first node is reached.
    pub advertised: &'a Advertised,
}

impl Founding<'_> {
    /// Founds the region if this start is to, and it is not founded yet.
    pub async fn found(&self, start: &Start, consensus: &Consensus) -> Result<(), StartError> {
        let Start::Bootstrap { administrator } = start else {
            return Ok(());
        };
        let Self { data, identity, .. } = self;
        if data.belongs_to(&identity.peer)? {
            return Ok(());
        }
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Found(error);
        let account = AccountId::new(self.account).map_err(|error| failed(error.into()))?;
        let found = Found {
            cluster: identity.cluster,
            region: identity.region.clone(),
            account,
            administrator: administrator.clone(),
            default_key: self.vault.make_default_key(clock::now())?,
            node: node(&identity.peer, self.advertised),
            machine_version: MACHINE_VERSION,
        };
        let audit = Audit {
            caller: "bootstrap".to_owned(),
            request_id: RequestId([0; 16]),
        };
        let deadline = Instant::now() + FIRST_DEADLINE;
        let founded = consensus.found(found, audit, deadline).await;
        match founded.map_err(|error| failed(error.into()))?.answer {
            Ok(_) | Err(machine::Rejection::AlreadyFounded) => {}
            Err(rejection) => return Err(failed(rejection.into())),
        }
        data.claim(&identity.peer)?;
        Ok(())
    }
}

fn node(peer: &PeerIdentity, advertised: &Advertised) -> Node {
    Node {
        id: machine::NodeId(peer.node),
        peer_address: advertised.peers.clone(),
        api_address: advertised.api.clone(),
        public_key: machine::Hash(peer.public_key),
    }
}

async fn join(
    identity: &Identity,
    dialer: &Dialer,
    request: JoinRequest,
    address: &str,
) -> Result<Vec<u8>, StartError> {
    let unreachable = |source: Box<dyn std::error::Error + Send + Sync>| StartError::Unreachable {
        address: address.to_owned(),
        source,
    };
    let channel = dialer.channel(address, Expected::Region);
    let channel = channel.map_err(|error| unreachable(error.into()))?;
    let mut request = tonic::Request::new(request);
    request.set_timeout(FIRST_DEADLINE);
    let joined = AdminServiceClient::new(channel).join(request).await;
    let joined = match joined {
        Ok(joined) => joined.into_inner(),
        Err(status) if status.code() == tonic::Code::Unavailable => {
            return Err(unreachable(status.into()));
        }
        Err(status) if status.code() == tonic::Code::Unimplemented => {
            return Err(StartError::NotTheApi {
                address: address.to_owned(),
            });
        }
        Err(status) => {
            return Err(StartError::JoinRefused {
                reason: status.message().to_owned(),
            });
        }
    };
    let peer = &identity.peer;
    if (joined.cluster.as_str(), joined.region.as_str()) != (&*peer.cluster, &*peer.region) {
        return Err(StartError::OtherRegion);
    }
    Ok(joined.sealed_keyring)
}
