//! A region of `strongroom server` processes on loopback, made with the commands an operator uses.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::binary;
use crate::faults::{Faults, Order};
use crate::hosts::Hosts;
use crate::process::Process;
use crate::shell::{Environment, Finished, PATIENCE, command, run, until};
use crate::tap::Network;

/// The region's name.
pub const REGION: &str = "test-local-1";

/// Nodes by id, each with its own configuration, certificates and data directory below one folder.
pub struct Region {
    binary: PathBuf,
    folder: PathBuf,
    temporary: Option<tempfile::TempDir>,
    ports: BTreeMap<u64, [u16; 3]>,
    nodes: BTreeMap<u64, Process>,
    network: Option<Network>,
    hosts: Option<Hosts>,
    faults: Option<Faults>,
    log_level: &'static str,
    storage: &'static str,
    reads: &'static str,
    protection: String,
}

/// Less memory and disk than the defaults: a test holds little.
const SMALL_STORAGE: &str = r#"
            [storage]
            row_cache_size = "16 MiB"
            log_segment_size = "4 MiB"
            disk_free_min = "16 MiB"
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
"#;

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

    fn empty(binary: &Path, folder: &Path) -> Self {
        Self {
            binary: binary.into(),
            folder: folder.into(),
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

    fn grow(&mut self, count: u64) {
        self.start(1, &["--bootstrap"]);
        self.wait_for(1);
        (2..=count).for_each(|node| self.join(node));
    }

    fn prepare(&mut self, count: u64) {
        let certs = self.path("certs");
        self.offline(&["certs", "init", "--dir", &certs, "--region", REGION]);
        let client = ["certs", "issue", "client", "administrator", "--dir", &certs];
        self.offline(&[&client[..], &["--region", REGION]].concat());
        self.offline(&["seal", "init", &self.path("root.key")]);
        (1..=count).for_each(|node| self.configure(node));
    }

    /// Makes certificate and configuration of one more node.
    pub fn configure(&mut self, node: u64) {
        let id = node.to_string();
        let certs = self.path("certs");
        let issue = [
            "certs", "issue", "node", &id, "--dir", &certs, "--region", REGION,
        ];
        if let Some(hosts) = &mut self.hosts {
            hosts.add(node);
        }
        let host = self.host(node);
        self.offline(&[&issue[..], &["--host", &host, "--host", "localhost"]].concat());
        let ports = free_ports();
        self.ports.insert(node, ports);
        if let Some(network) = &mut self.network {
            network.add(node, ports[1]);
        }
        std::fs::write(self.config_path(node), self.config(node)).unwrap();
    }

    fn config(&self, node: u64) -> String {
        let [api, peers, operations] = self.ports[&node];
        let host = self.host(node);
        let certs = self.path(&format!("certs/{REGION}"));
        let data = self.data(node).display().to_string();
        let root_key = self.path("root.key");
        let (level, storage, reads) = (self.log_level, self.storage, self.reads);
        let protection = &self.protection;
        let network = self.network.as_ref();
        let advertise =
            network.map_or_else(String::new, |network| network.address(node).to_string());
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

    /// Starts a node and does not wait for it.
    pub fn start(&mut self, node: u64, more: &[&str]) {
        let config = self.config_path(node).display().to_string();
        let arguments = [&["server", "--config", &config][..], more].concat();
        let log = |name: &str| PathBuf::from(self.path(&format!("node-{node}.{name}")));
        let faults = self.faults.as_ref();
        let environment = faults.map(|faults| faults.environment(node, &self.data(node)));
        let mut command = command(&self.binary, &environment.unwrap_or_default(), &arguments);
        if let Some(hosts) = &self.hosts {
            command = hosts.on(node, &command);
        }
        let process = Process::start(&mut command, &log("out"), &log("log"));
        self.nodes.insert(node, process);
    }

    /// Lets a configured node join by a token and become a voter.
    pub fn join(&mut self, node: u64) {
        let token = self.token(&format!("token-{node}"));
        let via = self.endpoints().swap_remove(0);
        self.start(node, &["--join", &via, "--token-file", &token]);
        self.wait_for(node);
        self.promote(node);
    }

    /// Makes a join token, and returns its file.
    pub fn token(&self, name: &str) -> String {
        let file = self.path(name);
        self.call(&["node", "token", "create", "--output-file", &file])
            .done();
        file
    }

    /// Makes a learner a voter, as soon as it has caught up.
    pub fn promote(&self, node: u64) {
        let id = node.to_string();
        until("a learner becomes a voter", || {
            let promoted = self.call(&["node", "promote", &id]);
            let again = promoted.code != Some(0);
            if again {
                println!("not yet: {}", promoted.errors.trim_end());
            }
            (!again).then_some(())
        });
    }

    /// Starts all nodes that do not run, and waits until they answer.
    pub fn start_all(&mut self) {
        let missing: Vec<u64> = self
            .ports
            .keys()
            .filter(|node| !self.nodes.contains_key(node))
            .copied()
            .collect();
        missing.iter().for_each(|node| self.start(*node, &[]));
        missing.iter().for_each(|node| self.wait_for(*node));
    }

    /// Ends a node with SIGTERM; it must exit with 0.
    #[track_caller]
    pub fn stop(&mut self, node: u64) {
        let process = self.nodes.remove(&node).unwrap();
        assert_eq!(
            process.terminate().code(),
            Some(0),
            "node {node}: {}",
            self.log(node)
        );
    }

    /// Takes a node that has ended, and will not come back, off the list.
    pub fn forget(&mut self, node: u64) {
        self.nodes.remove(&node);
        self.ports.remove(&node);
    }

    /// Kills all nodes at once, as a power cut would.
    pub fn kill_all(&mut self) {
        // Each is dead before the next line: the survivors of a moment cannot commit alone.
        self.nodes.values_mut().for_each(Process::kill);
        self.nodes.clear();
    }

    /// Kills one node with SIGKILL.
    pub fn kill(&mut self, node: u64) {
        self.nodes.remove(&node).unwrap().kill();
    }

    /// Waits until a node has ended by itself, and answers how.
    #[track_caller]
    pub fn ended(&mut self, node: u64) -> ExitStatus {
        let status = self.process(node).ended();
        self.nodes.remove(&node);
        status
    }

    /// The process of a node.
    pub fn process(&mut self, node: u64) -> &mut Process {
        self.nodes.get_mut(&node).unwrap()
    }

    /// The processor time that all nodes together have used.
    pub fn processor_time(&self) -> Duration {
        self.nodes.values().map(Process::processor_time).sum()
    }

    /// Waits until a node answers a linearizable read.
    #[track_caller]
    pub fn wait_for(&mut self, node: u64) {
        let api = self.api(node);
        until(&format!("node {node} answers"), || {
            let runs = self.nodes.get_mut(&node).is_some_and(Process::runs);
            assert!(runs, "node {node} ended: {}", self.log(node));
            let list = ["node", "list", "--endpoint", &api, "--timeout", "3"];
            (self.call(&list).code == Some(0)).then_some(())
        });
    }

    /// The leader, as soon as there is one that runs.
    pub fn leader(&self) -> u64 {
        until("there is a leader", || {
            let nodes = self.call(&["node", "list", "-o", "json"]);
            if nodes.code != Some(0) {
                return None;
            }
            let nodes = nodes.json();
            let mut nodes = nodes["nodes"].as_array().unwrap().iter();
            let leader = nodes.find(|node| node["leader"] == true)?["id"].as_u64()?;
            self.nodes.contains_key(&leader).then_some(leader)
        })
    }

    /// A voter that runs and does not lead.
    pub fn follower(&self) -> u64 {
        let leader = self.leader();
        *self.nodes.keys().find(|node| **node != leader).unwrap()
    }

    /// What a node says of itself.
    pub fn status(&self, node: u64) -> Json {
        let api = self.api(node);
        self.call(&["node", "status", "-o", "json", "--endpoint", &api])
            .done()
            .json()
    }

    /// Waits until the running nodes have the same hash at the same index.
    pub fn wait_for_equal_hashes(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen: Vec<(Json, Json)> = self
                .nodes
                .keys()
                .map(|node| self.index_and_hash(*node))
                .collect();
            if seen.windows(2).all(|pair| pair[0] == pair[1]) {
                return;
            }
            assert!(
                Instant::now() < deadline,
                "indexes and hashes differ: {seen:#?}"
            );
        }
    }

    fn index_and_hash(&self, node: u64) -> (Json, Json) {
        let node = &self.status(node)["node"];
        (node["applied_index"].clone(), node["node_hash"].clone())
    }

    /// Runs the binary as administrator, against all nodes that run.
    #[track_caller]
    pub fn call(&self, arguments: &[&str]) -> Finished {
        run(
            &mut command(&self.binary, &self.environment(), arguments),
            None,
        )
    }

    /// The environment of the administrator.
    pub fn environment(&self) -> Environment {
        let [cert, key] = Self::certificate(&self.folder, "client-administrator");
        vec![
            ("STRONGROOM_ENDPOINTS".into(), self.endpoints().join(",")),
            ("STRONGROOM_CA".into(), self.path("certs/root.pem")),
            ("STRONGROOM_CERT".into(), cert.display().to_string()),
            ("STRONGROOM_KEY".into(), key.display().to_string()),
        ]
    }

    /// The files of a certificate that `certs issue` made: `node-1`, `client-administrator`.
    pub fn certificate(folder: &Path, name: &str) -> [PathBuf; 2] {
        let certs = folder.join("certs").join(REGION);
        [
            certs.join(format!("{name}.pem")),
            certs.join(format!("{name}-key.pem")),
        ]
    }

    /// The folder with certificates, configurations, logs and data directories.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The address of a node's machine.
    fn host(&self, node: u64) -> String {
        let hosts = self.hosts.as_ref();
        hosts.map_or("127.0.0.1".into(), |hosts| hosts.address(node).to_string())
    }

    /// The machines of a region that is `on_hosts`.
    pub fn hosts(&self) -> &Hosts {
        self.hosts.as_ref().unwrap()
    }

    /// A node's API address.
    pub fn api(&self, node: u64) -> String {
        format!("{}:{}", self.host(node), self.ports[&node][0])
    }

    /// A node's operations address.
    pub fn operations(&self, node: u64) -> String {
        format!("{}:{}", self.host(node), self.ports[&node][2])
    }

    /// What a node's operations port answers to a question for its metrics.
    #[track_caller]
    pub fn metrics(&self, node: u64) -> String {
        let answer = self.probe(node, "/metrics");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        answer
    }

    /// What a node's operations port answers, with the status line before it.
    #[track_caller]
    pub fn probe(&self, node: u64, path: &str) -> String {
        let mut stream = TcpStream::connect(self.operations(node)).unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// The nodes that run.
    pub fn nodes(&self) -> Vec<u64> {
        self.nodes.keys().copied().collect()
    }

    /// What passed between the nodes so far, if they were founded `tapped`.
    pub fn captured(&self) -> Vec<u8> {
        self.network.as_ref().map_or_else(Vec::new, Network::taken)
    }

    /// Holds back what one node sends to another, on every connection between them, or lets it
    /// pass. Needs a `strained` region.
    pub fn cut(&self, from: u64, to: u64, is_cut: bool) {
        self.network.as_ref().unwrap().cut(from, to, is_cut);
    }

    /// Orders a fault of a node's machine; zero ends it. Needs a `strained` region.
    pub fn order(&self, node: u64, order: Order, value: i64) {
        self.faults.as_ref().unwrap().order(node, order, value);
    }

    /// A node's data directory.
    pub fn data(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}"))
    }

    /// What a node logged.
    pub fn log(&self, node: u64) -> String {
        std::fs::read_to_string(self.path(&format!("node-{node}.log"))).unwrap_or_default()
    }

    /// A path in the region's directory.
    pub fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// A node's configuration file.
    pub fn config_path(&self, node: u64) -> PathBuf {
        self.folder.join(format!("node-{node}.toml"))
    }

    /// The API addresses of the nodes that run.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes.keys().map(|node| self.api(*node)).collect()
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

impl Drop for Region {
    fn drop(&mut self) {
        let failed = std::thread::panicking();
        if let Some(folder) = self.temporary.take_if(|_| failed) {
            println!(
                "the folder of the region is kept: {}",
                folder.keep().display()
            );
        }
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
