//! How regions are made: their kinds, certificates and configurations.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use super::{REGION, Region};
use crate::binary;
use crate::faults::Faults;
use crate::hosts::Hosts;
use crate::shell::{Environment, command, run};
use crate::tap::{Network, Place};

/// Less memory and disk than the defaults: a test holds little.
pub const SMALL_STORAGE: &str = r#"
            [storage]
            row_cache_size = "16 MiB"
            log_segment_size = "4 MiB"
            disk_free_min = "16 MiB"

            [audit]
            file_size = "1 MiB"
            keep_size = "64 MiB"
            free_min = "8 MiB"
"#;

/// With the lines that say how long work on the store took.
const TIMED_LOG: &str =
    "info,openraft=off,strongroom_consensus::upkeep=debug,strongroom_store=debug";

/// So little log that a node which was away needs a snapshot, and segments end often.
const STRAINED_STORAGE: &str = r#"
            [storage]
            row_cache_size = "16 MiB"
            log_segment_size = "256 KiB"
            snapshot_entries = 400
            log_entries_kept = 50
            disk_free_min = "16 MiB"

            [audit]
            file_size = "1 MiB"
            keep_size = "64 MiB"
            free_min = "8 MiB"
"#;

/// What a region of a cluster is made with.
pub struct Plan {
    /// Where its configurations, logs and data directories are.
    pub folder: PathBuf,
    /// Where the cluster's certificates are, or will be.
    pub certs: PathBuf,
    /// Its name.
    pub name: &'static str,
    /// Its number in the network, from 1.
    pub number: u8,
    /// What stands before the peer ports of its nodes.
    pub network: Option<Network>,
    /// The machines of its nodes.
    pub hosts: Option<Hosts>,
    /// Sections of the configuration.
    pub storage: &'static str,
    /// What the nodes log.
    pub log_level: &'static str,
}

impl Region {
    /// Founds a region of `count` voters below `folder`, and waits until they answer.
    ///
    /// # Panics
    ///
    /// When a command fails or a node does not become ready; its log is in `folder`.
    pub fn found(binary: &Path, folder: &Path, count: u64) -> Self {
        let mut region = Self::empty(binary, folder);
        region.prepare(count);
        region.grow(count);
        region
    }

    /// As `found`, but with the default configuration where the others take less memory and disk.
    pub fn found_full_size(binary: &Path, folder: &Path, count: u64) -> Self {
        let mut region = Self::empty(binary, folder);
        region.storage = "";
        region.prepare(count);
        region.grow(count);
        region
    }

    /// Founds a region of three voters in a folder that goes with it.
    pub fn founded() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::found(binary(), folder.path(), 3);
        region.temporary = Some(folder);
        region
    }

    /// As `founded`, but what passes between the nodes is recorded, and they log at `level`.
    pub fn tapped(level: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::empty(binary(), folder.path());
        region.temporary = Some(folder);
        region.network = Some(Network::new(true));
        region.log_level = level;
        region.prepare(3);
        region.grow(3);
        region
    }

    /// As `founded`, with this way to read, on machines and a network that can be given faults.
    /// The folder stays when the test fails.
    pub fn strained(reads: &'static str) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::empty(binary(), folder.path());
        region.network = Some(Network::new(false));
        region.faults = Some(Faults::new(folder.path()));
        region.temporary = Some(folder);
        region.log_level = "info,openraft=off";
        region.storage = STRAINED_STORAGE;
        region.reads = reads;
        region.prepare(3);
        region.grow(3);
        region
    }

    /// As `founded`, with each node on a machine of its own. Needs root.
    pub fn on_hosts() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::empty(binary(), folder.path());
        region.temporary = Some(folder);
        region.hosts = Some(Hosts::new());
        region.prepare(3);
        region.grow(3);
        region
    }

    /// As `founded`, with storage and protection of young versions as given, on machines that can
    /// be given faults. The nodes log how long work on their stores takes.
    pub fn laden(storage: &'static str, protection: Duration) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::empty(binary(), folder.path());
        region.faults = Some(Faults::new(folder.path()));
        region.temporary = Some(folder);
        region.log_level = TIMED_LOG;
        region.storage = storage;
        region.protection = format!("{}ms", protection.as_millis());
        region.prepare(3);
        region.grow(3);
        region
    }

    /// Certificates, root key and configuration of nodes 1 to 3; nothing runs.
    pub fn prepared() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut region = Self::empty(binary(), folder.path());
        region.temporary = Some(folder);
        region.prepare(3);
        region
    }

    /// One region of several: certificates, root key and configuration of `count` nodes; nothing
    /// runs. The first one makes the cluster's root.
    pub fn of_cluster(plan: Plan, count: u64) -> Self {
        std::fs::create_dir_all(&plan.folder).unwrap();
        let mut region = Self::empty(binary(), &plan.folder);
        // Who dials is known by its source, which the faults' library gives it.
        region.faults = plan.network.as_ref().map(|_| Faults::new(&plan.folder));
        region.name = plan.name;
        region.number = plan.number;
        region.certs = plan.certs;
        region.network = plan.network;
        region.hosts = plan.hosts;
        region.storage = plan.storage;
        region.log_level = plan.log_level;
        region.prepare(count);
        region
    }

    fn empty(binary: &Path, folder: &Path) -> Self {
        Self {
            binary: binary.into(),
            folder: folder.into(),
            certs: folder.join("certs"),
            name: REGION,
            number: 0,
            temporary: None,
            ports: BTreeMap::new(),
            nodes: BTreeMap::new(),
            network: None,
            hosts: None,
            faults: None,
            log_level: "info",
            storage: SMALL_STORAGE,
            reads: "lease",
            protection: "1s".into(),
        }
    }

    /// Founds the cluster with the first node, and lets the others join.
    pub fn grow(&mut self, count: u64) {
        self.start(1, &["--bootstrap"]);
        self.wait_for(1);
        (2..=count).for_each(|node| self.join(node));
    }

    fn prepare(&mut self, count: u64) {
        let certs = self.certs.display().to_string();
        let of_region = ["--dir", &certs, "--region", self.name];
        if self.certs.join("root.pem").exists() {
            self.offline(&["certs", "add-region", self.name, "--dir", &certs]);
        } else {
            self.offline(&[&["certs", "init"][..], &of_region].concat());
        }
        let client = ["certs", "issue", "client", "administrator"];
        self.offline(&[&client[..], &of_region].concat());
        self.offline(&["seal", "init", &self.path("root.key")]);
        (1..=count).for_each(|node| self.configure(node));
    }

    /// Makes certificate and configuration of one more node.
    pub fn configure(&mut self, node: u64) {
        let id = node.to_string();
        let certs = self.certs.display().to_string();
        let issue = [
            "certs", "issue", "node", &id, "--dir", &certs, "--region", self.name,
        ];
        if let Some(hosts) = &mut self.hosts {
            hosts.add(node);
        }
        let host = self.host(node);
        self.offline(&[&issue[..], &["--host", &host, "--host", "localhost"]].concat());
        let ports = free_ports();
        self.ports.insert(node, ports);
        if let Some(network) = &self.network {
            network.add(self.place(node), ports[1]);
        }
        std::fs::write(self.config_path(node), self.config(node)).unwrap();
    }

    /// A node's place in the network.
    pub fn place(&self, node: u64) -> Place {
        Place {
            region: self.number,
            node,
        }
    }

    fn config(&self, node: u64) -> String {
        let [api, peers, operations] = self.ports[&node];
        let host = self.host(node);
        let certs = self.certs.join(self.name).display().to_string();
        let data = self.data(node).display().to_string();
        let root_key = self.path("root.key");
        let (level, storage, reads) = (self.log_level, self.storage, self.reads);
        let protection = &self.protection;
        let network = self.network.as_ref();
        let advertise = network.map_or_else(String::new, |network| {
            network.address(self.place(node)).to_string()
        });
        format!(
            r#"
            [node]
            data = "{data}"
            [api]
            listen = "{host}:{api}"
            [peers]
            listen = "{host}:{peers}"
            advertise = "{advertise}"
            [operations]
            listen = "{host}:{operations}"
            [tls]
            certificate = "{certs}/node-{node}.pem"
            key = "{certs}/node-{node}-key.pem"
            authority = "{certs}/issuer.pem"
            {storage}
            [consensus]
            reads = "{reads}"
            [seal]
            root_key = "{root_key}"
            [secrets]
            young_version_protection = "{protection}"
            [log]
            level = "{level}"
            "#
        )
    }

    #[track_caller]
    fn offline(&self, arguments: &[&str]) {
        run(
            &mut command(&self.binary, &Environment::new(), arguments),
            None,
        )
        .done();
    }
}

/// Three ports that nobody listens on now. They lie below those that the operating system gives to
/// outgoing connections, so that none of these takes one before its node does.
fn free_ports() -> [u16; 3] {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = (std::process::id() % 2_000) as u16;
    [(); 3].map(|()| {
        loop {
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let port = 10_000 + (first * 10 + number) % 20_000;
            if TcpListener::bind(("127.0.0.1", port)).is_ok() {
                break port;
            }
        }
    })
}
