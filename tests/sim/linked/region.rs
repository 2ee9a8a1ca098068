//! The regions of the simulation: who their nodes are, and what founds and links them.
//!
//! A host's number is its region's, times ten, and its own: no two nodes of the world share one,
//! and it is the node's id in its region, too.

use bytes::Bytes;
use machine::{
    AccountId, Audit, ClusterId, FeedId, Found, Hash, Introduction, KeyId, KeyState, KeyVersion,
    KmsKey, MACHINE_VERSION, Node, NodeId, Region, RegionName, RequestId, Scope, Stamp,
};
use wire::PeerIdentity;

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
/// By number, from 1: the first founds the cluster.
const NAMES: [&str; 3] = ["eu-north-1", "eu-west-1", "eu-south-1"];
/// Of each region. They have issued no certificate, as the simulation has none: what counts is that
/// no two regions have the same one.
const AUTHORITIES: [&[u8]; 3] = [
    include_bytes!("../../fixtures/linked/authority-eu-north-1.der"),
    include_bytes!("../../fixtures/linked/authority-eu-west-1.der"),
    include_bytes!("../../fixtures/linked/authority-eu-south-1.der"),
];

pub fn name(region: u64) -> RegionName {
    let at = usize::try_from(region - 1).expect("a small number");
    RegionName::new(NAMES[at]).expect("a region")
}

/// The number of a region.
pub fn number(name: &RegionName) -> u64 {
    let at = NAMES.iter().position(|known| *known == name.as_str());
    at.expect("a region of the simulation") as u64 + 1
}

/// What issues the certificates of a region's nodes.
pub fn authority(region: u64) -> Bytes {
    Bytes::from_static(AUTHORITIES[usize::try_from(region - 1).expect("a small number")])
}

pub fn home(region: u64) -> FeedId {
    FeedId::Home(name(region))
}

pub fn host(region: u64, node: u64) -> u64 {
    region * 10 + node
}

/// The region of a host.
pub fn of(host: u64) -> u64 {
    host / 10
}

pub fn key(region: u64) -> KeyId {
    KeyId([u8::try_from(region).expect("a small number"); 16])
}

pub fn account() -> AccountId {
    AccountId::new("000000000001").expect("an account")
}

pub fn public_key(host: u64) -> [u8; 32] {
    [u8::try_from(host).expect("a small number"); 32]
}

pub fn node(host: u64) -> Node {
    Node {
        id: NodeId(host),
        peer_address: format!("host-{host}:7421"),
        api_address: format!("host-{host}:7420"),
        public_key: Hash(public_key(host)),
    }
}

pub fn identity(host: u64) -> PeerIdentity {
    PeerIdentity {
        cluster: CLUSTER.to_string(),
        region: name(of(host)).to_string(),
        node: host,
        public_key: public_key(host),
    }
}

pub fn audit() -> Audit {
    Audit {
        caller: "simulation".to_owned(),
        request_id: RequestId([0; 16]),
    }
}

/// A new region as it presents itself: with its first node.
pub fn entry(region: u64, scope: Scope) -> Region {
    Region {
        name: name(region),
        scope,
        authorities: vec![authority(region)],
        nodes: vec![node(host(region, 1))],
        unlinked: None,
        signing_key: None,
    }
}

pub fn found(region: u64, introduction: Option<Introduction>) -> Found {
    Found {
        cluster: CLUSTER,
        region: name(region),
        account: account(),
        administrator: "simulation".to_owned(),
        default_key: KmsKey {
            id: key(region),
            alias: "alias/aws/secretsmanager".to_owned(),
            state: KeyState::Enabled,
            versions: vec![KeyVersion {
                version: 1,
                wrapped: Bytes::from_static(b"wrapped by a root key that nobody has"),
                created: Stamp(1),
            }],
        },
        node: node(host(region, 1)),
        machine_version: MACHINE_VERSION,
        introduction,
    }
}
