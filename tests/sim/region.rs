//! The region of the simulation: who its nodes are, and what founds it.

use machine::{
    AccountId, Audit, ClusterId, FeedId, Found, Hash, KeyId, KeyState, KeyVersion, KmsKey,
    MACHINE_VERSION, Node, NodeId, RegionName, RequestId, Stamp, Uid,
};
use wire::PeerIdentity;

pub const CLUSTER: ClusterId = ClusterId([7; 16]);
pub const REGION: &str = "eu-north-1";
pub const KEY: KeyId = KeyId([2; 16]);

pub fn account() -> AccountId {
    AccountId::new("000000000001").expect("an account")
}

pub fn name() -> RegionName {
    RegionName::new(REGION).expect("a region")
}

/// A uid that the region gives out.
pub fn uid(number: u8) -> Uid {
    FeedId::Home(name()).uid_of([number; 16])
}

pub fn public_key(node: u64) -> [u8; 32] {
    [u8::try_from(node).expect("a small id"); 32]
}

pub fn member(node: u64) -> Node {
    Node {
        id: NodeId(node),
        peer_address: format!("node-{node}:7421"),
        api_address: format!("node-{node}:7420"),
        public_key: Hash(public_key(node)),
    }
}

pub fn identity(node: u64) -> PeerIdentity {
    PeerIdentity {
        cluster: CLUSTER.to_string(),
        region: REGION.to_owned(),
        node,
        public_key: public_key(node),
    }
}

pub fn audit() -> Audit {
    Audit {
        caller: "simulation".to_owned(),
        request_id: RequestId([0; 16]),
    }
}

pub fn found() -> Found {
    Found {
        cluster: CLUSTER,
        region: name(),
        account: account(),
        administrator: "simulation".to_owned(),
        default_key: KmsKey {
            id: KEY,
            alias: "alias/aws/secretsmanager".to_owned(),
            state: KeyState::Enabled,
            versions: vec![KeyVersion {
                version: 1,
                wrapped: b"wrapped by a root key that nobody has".as_slice().into(),
                created: Stamp(1),
            }],
        },
        node: member(1),
        machine_version: MACHINE_VERSION,
        introduction: None,
    }
}
