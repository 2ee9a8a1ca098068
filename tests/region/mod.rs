//! A region of `strongroom server` processes on loopback, made with the commands an operator uses.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::faults::{Faults, Order};
use crate::hosts::Hosts;
use crate::process::Process;
use crate::shell::{Environment, Finished, PATIENCE, command, run, until};
use crate::tap::Network;

pub use setup::{Plan, SMALL_STORAGE};

mod setup;

/// The name of a region that is alone.
pub const REGION: &str = "test-local-1";

/// Nodes by id, each with its own configuration, certificates and data directory below one folder.
pub struct Region {
    binary: PathBuf,
    folder: PathBuf,
    certs: PathBuf,
    name: &'static str,
    number: u8,
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

impl Region {
    /// Starts a node and does not wait for it.
    pub fn start(&mut self, node: u64, more: &[&str]) {
        let config = self.config_path(node).display().to_string();
        let arguments = [&["server", "--config", &config][..], more].concat();
        let log = |name: &str| PathBuf::from(self.path(&format!("node-{node}.{name}")));
        let faults = self.faults.as_ref();
        let environment =
            faults.map(|faults| faults.environment(self.place(node), &self.data(node)));
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
        let start = ["--join", &via, "--token-file", &token];
        self.start(node, &start);
        until("a node joins", || {
            // On a busy machine its connection may break; it may show the same token again.
            if !self.process(node).runs() {
                if !self.log(node).ends_with("transport error\n") {
                    return Some(());
                }
                self.start(node, &start);
            }
            let is_member = self.call(&["node", "list", "-o", "json"]);
            let nodes = (is_member.code == Some(0)).then(|| is_member.json())?;
            let mut nodes = nodes["nodes"].as_array()?.iter();
            nodes.find(|member| member["id"] == node).map(drop)
        });
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

    /// Kills all nodes at once and takes their data away, as a site that is lost.
    pub fn wipe(&mut self) {
        self.kill_all();
        for node in self.ports.keys() {
            std::fs::remove_dir_all(self.data(*node)).unwrap();
        }
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

    /// The numbers of the processes of the nodes that run.
    pub fn process_ids(&self) -> Vec<u32> {
        self.nodes.values().map(Process::id).collect()
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
        let [cert, key] = self.credentials("client-administrator");
        let ca = self.certs.join("root.pem").display().to_string();
        vec![
            ("STRONGROOM_ENDPOINTS".into(), self.endpoints().join(",")),
            ("STRONGROOM_CA".into(), ca),
            ("STRONGROOM_CERT".into(), cert.display().to_string()),
            ("STRONGROOM_KEY".into(), key.display().to_string()),
        ]
    }

    /// The files of a certificate that `certs issue` made: `node-1`, `client-administrator`.
    pub fn certificate(folder: &Path, name: &str) -> [PathBuf; 2] {
        pair(&folder.join("certs").join(REGION), name)
    }

    /// The files of a certificate of this region.
    pub fn credentials(&self, name: &str) -> [PathBuf; 2] {
        pair(&self.certs.join(self.name), name)
    }

    /// The certificates of the cluster's root and of this region's issuer.
    pub fn authorities(&self) -> [PathBuf; 2] {
        [
            self.certs.join("root.pem"),
            self.certs.join(self.name).join("issuer.pem"),
        ]
    }

    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
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

    /// A node's port for peers.
    pub fn peer_port(&self, node: u64) -> u16 {
        self.ports[&node][1]
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
        self.try_probe(node, path).unwrap()
    }

    /// Likewise of a node that may not be there yet.
    pub fn try_probe(&self, node: u64, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(self.operations(node))?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
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
        let network = self.network.as_ref().unwrap();
        network.cut(self.place(from), self.place(to), is_cut);
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

fn pair(certs: &Path, name: &str) -> [PathBuf; 2] {
    [
        certs.join(format!("{name}.pem")),
        certs.join(format!("{name}-key.pem")),
    ]
}
