//! Certificates, keys and configuration of development regions.

use std::path::PathBuf;
use std::time::Duration;

use client::Options;
use client::certs::{
    self, CertsError, ClientSpec, Existing, IssuerFiles, Layout, NodeSpec, Validity,
};
use server::Config;
use server::config::Size;

use super::directory::{Directory, DirectoryError, Home, Record, RegionRecord};
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
    /// The folder of a region could not be made.
    #[error(transparent)]
    Folder(#[from] DirectoryError),
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

/// Makes everything new regions need: certificates of one cluster, and a root key for each.
pub fn make(directory: &Directory, record: &Record) -> Result<(), CredentialsError> {
    let layout = Layout::new(directory.certificates());
    for (at, region) in record.regions.iter().enumerate() {
        let name = region.name.as_str();
        match at {
            0 => {
                certs::init(&layout, None, name)?;
                let spec = ClientSpec {
                    region: name.into(),
                    name: ADMINISTRATOR.into(),
                    validity: Validity::of_root(),
                };
                certs::issue_client(&layout, &spec, Existing::Refuse)?;
            }
            _ => drop(certs::add_region(&layout, name, Existing::Refuse)?),
        }
        for node in 1..=NODES {
            let spec = NodeSpec {
                region: name.into(),
                node,
                names: HOSTS.map(str::to_owned).to_vec(),
                validity: Validity::of_root(),
            };
            certs::issue_node(&layout, &spec, Existing::Refuse)?;
        }
        let home = directory.home(record, name);
        home.make()?;
        server::create_root_key(&home.root_key())?;
    }
    Ok(())
}

/// The issuer of a region, as its files have it.
pub fn issuer(directory: &Directory, region: &str) -> Result<IssuerFiles, CertsError> {
    certs::read_issuer(&Layout::new(directory.certificates()), region)
}

/// The files that a caller needs. Every region takes the administrator's certificate: all of them
/// trust the root.
pub fn paths(directory: &Directory, record: &Record) -> Paths {
    let layout = Layout::new(directory.certificates());
    let founder = record.region(None).map_or("", |region| &region.name);
    let administrator = layout.client(founder, ADMINISTRATOR);
    Paths {
        ca: layout.root().cert,
        cert: administrator.cert,
        key: administrator.key,
    }
}

/// How to connect to a region as administrator.
pub fn administrator(
    directory: &Directory,
    record: &Record,
    region: &RegionRecord,
    timeout: Duration,
) -> Options {
    let paths = paths(directory, record);
    Options {
        endpoints: endpoints(region),
        ca: paths.ca,
        cert: paths.cert,
        key: paths.key,
        server_name: None,
        timeout,
    }
}

/// The API addresses of a region's nodes.
pub fn endpoints(region: &RegionRecord) -> Vec<String> {
    let nodes = region.nodes.iter();
    nodes.map(|node| node.api_address().to_string()).collect()
}

/// The configuration of one node: as on a real machine, but small and on loopback.
pub fn config(
    directory: &Directory,
    home: &Home,
    region: &str,
    node: u64,
    ports: NodePorts,
) -> Config {
    let layout = Layout::new(directory.certificates());
    let pair = layout.node(region, node);
    let mut config = Config::default();
    config.node.data = home.node(node);
    config.api.listen = ports.api_address();
    config.peers.listen = ports.peer_address();
    config.operations.listen = ports.operations_address();
    config.tls.certificate = pair.cert;
    config.tls.key = pair.key;
    config.tls.authority = layout.root().cert;
    config.seal.root_key = home.root_key();
    config.storage.row_cache_size = Size::of_mebibytes(16);
    config.storage.log_segment_size = Size::of_mebibytes(8);
    config.storage.disk_free_min = Size::of_mebibytes(64);
    config.audit.file_size = Size::of_mebibytes(4);
    config.audit.keep_size = Size::of_mebibytes(64);
    config.audit.free_min = Size::of_mebibytes(32);
    config
}
