//! What somebody can do who has the certificate and key of a node: call the peer ports of linked
//! regions as that node, and answer in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use strongroom_tests::Region;
use wire::replication::v1::Origin;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;
use wire::{Channel, CredentialFiles, Credentials, Dialer, Expected, PeerIdentity};

use crate::cluster::Cluster;

/// Largest message of another region.
const MESSAGE_BYTES_MAX: usize = 8 << 20;

/// A node's credentials, which trust the issuers of all other regions of the cluster.
pub fn credentials(cluster: &Cluster, at: usize, node: u64) -> Arc<Credentials> {
    let own = of_node(&cluster.regions[at], node);
    let others = cluster
        .regions
        .iter()
        .filter(|region| region.name() != cluster.regions[at].name());
    let linked: BTreeMap<_, _> = others
        .map(|region| {
            (
                region.name().to_owned(),
                of_node(region, region.nodes()[0]).issuers(),
            )
        })
        .collect();
    assert_eq!(own.authorities().set(linked), []);
    own
}

fn of_node(region: &Region, node: u64) -> Arc<Credentials> {
    let [cert, key] = region.credentials(&format!("node-{node}"));
    let [_, issuer] = region.authorities();
    let files = CredentialFiles {
        cert,
        key,
        ca: vec![issuer],
    };
    Credentials::load(files).unwrap()
}

/// Whose credentials these are.
pub fn identity(credentials: &Credentials) -> PeerIdentity {
    credentials.identity().peer().unwrap().clone()
}

/// Calls a node of another region, past whatever stands before it. Must be called in a runtime.
pub fn dial(
    cluster: &Cluster,
    own: &Arc<Credentials>,
    to: usize,
    node: u64,
) -> ReplicationServiceClient<Channel> {
    let wanted = identity(&of_node(&cluster.regions[to], node));
    let address = format!("127.0.0.1:{}", cluster.regions[to].peer_port(node));
    let dialer = Dialer::for_peers(Arc::clone(own));
    let channel = dialer.channel(&address, Expected::Linked(wanted)).unwrap();
    ReplicationServiceClient::new(channel).max_decoding_message_size(MESSAGE_BYTES_MAX)
}

/// Who sends a message, with nothing said of epochs.
pub fn origin(credentials: &Credentials) -> Origin {
    let PeerIdentity {
        cluster,
        region,
        node,
        ..
    } = identity(credentials);
    Origin {
        cluster: cluster_id(&cluster).to_vec().into(),
        region,
        node,
        epochs: Vec::new(),
    }
}

/// The bytes of a cluster's id.
pub fn cluster_id(hexadecimal: &str) -> [u8; 16] {
    let digits = |at: usize| u8::from_str_radix(&hexadecimal[2 * at..2 * at + 2], 16).unwrap();
    std::array::from_fn(digits)
}
