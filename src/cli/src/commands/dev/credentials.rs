//! Certificates, keys and configuration of a development region.

use std::path::PathBuf;
use std::time::Duration;

use client::Options;
use client::certs::{self, CertsError, ClientSpec, Existing, Layout, NodeSpec, Validity};
use server::Config;
use server::config::Size;

use super::REGION;
use super::directory::{Directory, Record};
use super::ports::{NODES, NodePorts};

/// The client that may do everything.
pub const ADMINISTRATOR: &str = "administrator";

/// Names and addresses under which the nodes are reached.
const HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Why certificates or keys could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The certificates could not be made.
    #[error("cannot make the certificates")]
    Certificates(#[from] CertsError),
    /// The root key could not be made.
    #[error("cannot make the root key")]
    RootKey(#[from] server::RootKeyError),
}

/// The files that a caller needs.
pub struct Paths {
    /// The certificates to trust.
    pub ca: PathBuf,
    /// The administrator's certificate.
    pub cert: PathBuf,
    /// The administrator's key.
    pub key: PathBuf,
}

/// Makes everything a new region needs.
pub fn make(directory: &Directory) -> Result<(), CredentialsError> {
    let layout = Layout::new(directory.certificates());
    certs::init(&layout, None, REGION)?;
    for node in 1..=NODES {
        let spec = NodeSpec {
            region: REGION.into(),
            node,
            names: HOSTS.map(str::to_owned).to_vec(),
            validity: Validity::of_root(),
        };
        certs::issue_node(&layout, &spec, Existing::Refuse)?;
    }
    let spec = ClientSpec {
        region: REGION.into(),
        name: ADMINISTRATOR.into(),
        validity: Validity::of_root(),
    };
    certs::issue_client(&layout, &spec, Existing::Refuse)?;
    Ok(server::create_root_key(&directory.root_key())?)
}

/// The files that a caller needs.
pub fn paths(directory: &Directory) -> Paths {
    let layout = Layout::new(directory.certificates());
    let administrator = layout.client(REGION, ADMINISTRATOR);
    Paths {
        ca: layout.root().cert,
        cert: administrator.cert,
        key: administrator.key,
    }
}

/// How to connect as administrator.
pub fn administrator(directory: &Directory, record: &Record, timeout: Duration) -> Options {
    let paths = paths(directory);
    Options {
        endpoints: record
            .nodes
            .iter()
            .map(|node| node.api_address().to_string())
            .collect(),
        ca: paths.ca,
        cert: paths.cert,
        key: paths.key,
        server_name: None,
        timeout,
    }
}

/// The configuration of one node: as on a real machine, but small and on loopback.
pub fn config(directory: &Directory, node: u64, ports: NodePorts) -> Config {
    let layout = Layout::new(directory.certificates());
    let pair = layout.node(REGION, node);
    let mut config = Config::default();
    config.node.data = directory.node(node);
    config.api.listen = ports.api_address();
    config.peers.listen = ports.peer_address();
    config.operations.listen = ports.operations_address();
    config.tls.certificate = pair.cert;
    config.tls.key = pair.key;
    config.tls.authority = layout.issuer(REGION).cert;
    config.seal.root_key = directory.root_key();
    config.storage.row_cache_size = Size::of_mebibytes(16);
    config.storage.log_segment_size = Size::of_mebibytes(8);
    config.storage.disk_free_min = Size::of_mebibytes(64);
    config
}
