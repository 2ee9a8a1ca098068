//! What a region is told that would be linked.

use machine::{
    AccountId, Hash, Introduction, MACHINE_VERSION, MachineVersion, Node, NodeId, Region, Scope,
};
use wire::admin::v1::{LinkResponse, LinkedNode, LinkedRegion, RegionScope};

use super::{Identity, StartError};

/// What a new region is founded with.
pub struct Linked {
    /// The default account.
    pub account: AccountId,
    /// The rules in force.
    pub machine_version: MachineVersion,
    /// The regions.
    pub introduction: Introduction,
}

impl Linked {
    /// Takes an answer, which came from whom the token names and is checked all the same.
    pub fn of(told: LinkResponse, identity: &Identity) -> Result<Self, StartError> {
        if told.cluster != identity.peer.cluster {
            return Err(StartError::OtherCluster);
        }
        let unusable = || StartError::LinkRefused {
            reason: "its answer cannot be used".to_owned(),
        };
        let machine_version = MachineVersion(told.machine_version);
        if machine_version > MACHINE_VERSION {
            return Err(StartError::NewerRules {
                theirs: machine_version.0,
                ours: MACHINE_VERSION.0,
            });
        }
        let account = AccountId::new(&told.account).map_err(|_| unusable())?;
        let regions = told.regions.into_iter();
        let regions = regions.map(region).collect::<Option<Vec<_>>>();
        let regions = regions.ok_or_else(unusable)?;
        let is_there = regions.iter().any(|region| region.name == identity.region);
        if !is_there {
            return Err(unusable());
        }
        Ok(Self {
            account,
            machine_version,
            introduction: Introduction {
                regions,
                home_exists: told.home_exists,
            },
        })
    }
}

fn region(told: LinkedRegion) -> Option<Region> {
    let scope = match told.scope() {
        RegionScope::Unspecified => Scope::Founder,
        RegionScope::Selected => Scope::Selected,
        RegionScope::All => Scope::All,
    };
    Some(Region {
        name: told.name.parse().ok()?,
        scope,
        authorities: told.authorities.into_iter().map(Into::into).collect(),
        nodes: told
            .nodes
            .into_iter()
            .map(node)
            .collect::<Option<Vec<_>>>()?,
        unlinked: None,
        signing_key: None,
    })
}

fn node(told: LinkedNode) -> Option<Node> {
    let key: [u8; 32] = told.public_key_sha256.as_slice().try_into().ok()?;
    Some(Node {
        id: NodeId(told.id),
        peer_address: told.peer_address,
        api_address: told.api_address,
        public_key: Hash(key),
    })
}
