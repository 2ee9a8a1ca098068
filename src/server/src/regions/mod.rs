//! What the traffic between regions needs of this node: channels to the nodes of others, what this
//! region tells of itself, and whom it believes.

mod directory;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use consensus::Consensus;
use machine::{MachineVersion, Node, Problem, ProblemKind, RegionName, Secret, State, Uid};
use replication::{DialFailed, Own, Regions};
use wire::{Channel, Credentials, Dialer, Expected, PeerIdentity};

pub use self::directory::Directory;

/// Dials nodes of other regions over mutual TLS, with the keys that the directory pins.
pub struct TlsRegions {
    /// The cluster of both.
    pub cluster: String,
    /// Dials as this node.
    pub dialer: Dialer,
}

impl Regions for TlsRegions {
    fn channel(&self, region: &RegionName, node: &Node) -> Result<Channel, DialFailed> {
        let expected = Expected::Linked(PeerIdentity {
            cluster: self.cluster.clone(),
            region: region.to_string(),
            node: node.id.0,
            public_key: node.public_key.0,
        });
        Ok(self.dialer.channel(&node.peer_address, expected)?)
    }
}

/// Whether a node is one that the directory names, with its key, of a region that is linked.
pub fn is_linked(state: &State, peer: &PeerIdentity) -> bool {
    let region = RegionName::new(&peer.region).ok();
    let region = region.and_then(|region| state.linked(&region));
    let mut nodes = region.into_iter().flat_map(|region| &region.nodes);
    nodes.any(|node| node.id.0 == peer.node && node.public_key.0 == peer.public_key)
}

/// Counts the secrets of other regions that could not be taken in. One that came because every
/// secret does, and whose name another one has, is there: it is read by its ARN.
pub fn failed_secrets(state: &State) -> usize {
    // What is wrong with a feed as a whole stands under its uid.
    let feeds: BTreeSet<Uid> = state.epochs().map(|(feed, _)| feed.uid()).collect();
    let is_replica = |secret: &Secret| {
        let own = state.region();
        own.is_some_and(|own| secret.replica(own).is_some())
    };
    let is_failed = |uid: &Uid, problem: &Problem| {
        let secret = state
            .secret(uid)
            .filter(|_| problem.kind == ProblemKind::NameTaken);
        secret.is_none_or(|secret| is_replica(secret))
    };
    let problems = state.problems().filter(|(uid, _)| !feeds.contains(uid));
    problems
        .filter(|(uid, problem)| is_failed(uid, problem))
        .count()
}

/// What this region tells of itself.
pub struct OwnRegion {
    /// Its certificates.
    pub credentials: Arc<Credentials>,
    /// Its state.
    pub consensus: Consensus,
}

impl Own for OwnRegion {
    fn authorities(&self) -> Vec<Bytes> {
        let issuers = self.credentials.issuers().into_iter();
        let issuers = issuers.take(machine::limits::AUTHORITIES_MAX);
        issuers.map(|der| Bytes::from(der.to_vec())).collect()
    }

    fn machine_version(&self) -> MachineVersion {
        // The rules in force are those that every node runs.
        let version = self.consensus.local_view().machine_version();
        version.unwrap_or(MachineVersion(0))
    }
}
