//! The first start of a node: founds a cluster, or a region of one, or joins a region. Afterwards
//! the data directory is its own, and every later start only resumes.

use std::time::Duration;

use consensus::Consensus;
use envelope::StorageKeyring;
use machine::{
    AccountId, Audit, Found, Introduction, MACHINE_VERSION, MachineVersion, Node, RequestId,
};
use tokio::time::Instant;
use wire::admin::v1::admin_service_client::AdminServiceClient;
use wire::admin::v1::{JoinRequest, LinkRequest};
use wire::{Dialer, Expected, PeerIdentity};
use zeroize::Zeroizing;

use super::linked::Linked;
use super::{Identity, StartError};
use crate::clock;
use crate::directory::DataDir;
use crate::link_token::LinkToken;
use crate::vault::Vault;

/// Time the first start may take to found or join.
const FIRST_DEADLINE: Duration = Duration::from_secs(30);
/// Time a log that is there may take to be applied.
const FOUNDED_WAIT: Duration = Duration::from_secs(10);

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
    /// Founds a region of its own that is linked to others, if the data directory is empty, else
    /// goes on.
    Link {
        /// Host and port of the API listener of a node of another region.
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
            Self::Link { address, .. } => write!(out, "Link({address})"),
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
                "the data directory has a node already, with which this goes on: --bootstrap, \
                 --join, --link and a token are of no effect"
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
        Start::Bootstrap { .. } | Start::Link { .. } => match data.keyring()? {
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
    /// Calls the region that is to link this one.
    pub dialer: &'a Dialer,
}

impl Founding<'_> {
    /// Founds the region if this start is to, and it is not founded yet.
    pub async fn found(&self, start: &Start, consensus: &Consensus) -> Result<(), StartError> {
        let Self { data, identity, .. } = self;
        if data.belongs_to(&identity.peer)? {
            return Ok(());
        }
        let failed = |error: Box<dyn std::error::Error + Send + Sync>| StartError::Found(error);
        let (caller, found) = match start {
            Start::Resume | Start::Join { .. } => return Ok(()),
            Start::Bootstrap { administrator } => {
                let account = AccountId::new(self.account);
                let account = account.map_err(|error| failed(error.into()))?;
                let administrator = administrator.clone();
                let found = Found {
                    administrator,
                    ..self.found_with(account, MACHINE_VERSION, None)?
                };
                ("bootstrap", found)
            }
            // What was founded before the directory was claimed needs nobody's leave any more.
            Start::Link { .. } if self.was_founded(consensus).await => {
                data.claim(&identity.peer)?;
                return Ok(());
            }
            Start::Link { address, token } => {
                let linked = self.link(address, token).await?;
                let introduction = Some(linked.introduction);
                let (account, version) = (linked.account, linked.machine_version);
                ("link", self.found_with(account, version, introduction)?)
            }
        };
        let audit = Audit {
            caller: caller.to_owned(),
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

    fn found_with(
        &self,
        account: AccountId,
        machine_version: MachineVersion,
        introduction: Option<Introduction>,
    ) -> Result<Found, StartError> {
        let identity = self.identity;
        Ok(Found {
            cluster: identity.cluster,
            region: identity.region.clone(),
            account,
            // Of a linked region the root feed will say.
            administrator: String::new(),
            default_key: self.vault.make_default_key(clock::now())?,
            node: node(&identity.peer, self.advertised),
            machine_version,
            introduction,
        })
    }

    /// Whether a start that was cut short has founded the region: its log is applied by then.
    async fn was_founded(&self, consensus: &Consensus) -> bool {
        if consensus.status().last_log.is_none() {
            return false;
        }
        let mut applied = consensus.applied();
        let founded = applied.wait_for(|_| consensus.is_founded());
        let founded = tokio::time::timeout(FOUNDED_WAIT, founded).await;
        matches!(founded, Ok(Ok(_)))
    }

    /// Asks to be linked. The address is answered by whom the token says, or by nobody.
    async fn link(&self, address: &str, token: &str) -> Result<Linked, StartError> {
        let token = token.trim();
        let parsed = LinkToken::parse(token).ok_or(StartError::NotALinkToken)?;
        let unreachable =
            |source: Box<dyn std::error::Error + Send + Sync>| StartError::UnreachableToLink {
                address: address.to_owned(),
                source,
            };
        let expected = Expected::Issuer {
            cluster: self.identity.peer.cluster.clone(),
            issuer_key: parsed.issuer_key,
        };
        let channel = self.dialer.channel(address, expected);
        let channel = channel.map_err(|error| unreachable(error.into()))?;
        let credentials = self.dialer.credentials();
        let issuers = credentials.issuers().into_iter();
        let certificate = credentials.chain().into_iter().next();
        let mut request = tonic::Request::new(LinkRequest {
            token: token.to_owned(),
            region: self.identity.peer.region.clone(),
            authorities: issuers.map(|der| der.to_vec()).collect(),
            certificate: certificate.map_or_else(Vec::new, |der| der.to_vec()),
            peer_address: self.advertised.peers.clone(),
            api_address: self.advertised.api.clone(),
            machine_version_supported: MACHINE_VERSION.0,
        });
        request.set_timeout(FIRST_DEADLINE);
        match AdminServiceClient::new(channel).link(request).await {
            Ok(linked) => Linked::of(linked.into_inner(), self.identity),
            Err(status) if status.code() == tonic::Code::Unavailable => {
                Err(unreachable(status.into()))
            }
            Err(status) => Err(StartError::LinkRefused {
                reason: status.message().to_owned(),
            }),
        }
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
