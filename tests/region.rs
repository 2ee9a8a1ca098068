//! A region of real processes on loopback: certificates, configurations, bootstrap and joins, all
//! by the command line, as an operator would.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The region's name.
const REGION: &str = "eu-test-1";
/// Time a node has to become ready, or to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// Processes of one region; those still running are killed when it is dropped.
pub struct Region {
    binary: PathBuf,
    folder: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    id: u64,
    api: u16,
    peers: u16,
    operations: u16,
    process: Option<Child>,
}

impl Region {
    /// Founds a region of `count` voters below `folder`.
    ///
    /// # Panics
    ///
    /// When a command fails or a node does not become ready; its log is in `folder`.
    pub fn found(binary: &Path, folder: &Path, count: u64) -> Self {
        let nodes = (1..=count).map(Node::new).collect();
        let mut region = Self {
            binary: binary.into(),
            folder: folder.into(),
            nodes,
        };
        region.run(&["certs", "init", "--dir", "certs", "--region", REGION]);
        region.run(&[
            "certs",
            "issue",
            "client",
            "administrator",
            "--dir",
            "certs",
        ]);
        for id in 1..=count {
            let id = id.to_string();
            let node = ["certs", "issue", "node", &id, "--dir", "certs"];
            region.run(&[&node[..], &["--host", "localhost", "--host", "127.0.0.1"]].concat());
        }
        for at in 0..region.nodes.len() {
            let text = region.nodes[at].configuration();
            let path = region.folder.join(format!("node-{}.toml", at + 1));
            std::fs::write(path, text).expect("the folder can be written to");
        }
        region.start_with(1, &["--bootstrap"]);
        for id in 2..=count {
            region.join(id);
        }
        region
    }

    /// Starts a node that was stopped or killed, and waits until it is ready.
    ///
    /// # Panics
    ///
    /// When it does not become ready.
    pub fn start(&mut self, id: u64) {
        self.start_with(id, &[]);
    }

    /// Kills a node with SIGKILL.
    ///
    /// # Panics
    ///
    /// When it was not running.
    pub fn kill(&mut self, id: u64) {
        let mut process = self.node(id).process.take().expect("the node runs");
        process.kill().expect("it can be killed");
        process.wait().expect("it can be waited for");
    }

    /// Kills all nodes with SIGKILL, one right after the other.
    ///
    /// # Panics
    ///
    /// When one was not running.
    pub fn kill_all(&mut self) {
        let processes = self.nodes.iter_mut().map(|node| node.process.take());
        let mut processes: Vec<Child> = processes.map(|p| p.expect("the node runs")).collect();
        for process in &mut processes {
            process.kill().expect("it can be killed");
        }
        for process in &mut processes {
            process.wait().expect("it can be waited for");
        }
    }

    /// Starts all nodes at once, and waits until each is ready.
    ///
    /// # Panics
    ///
    /// When one does not become ready.
    pub fn start_all(&mut self) {
        for id in 1..=self.nodes.len() as u64 {
            self.spawn(id, &[]);
        }
        for id in 1..=self.nodes.len() as u64 {
            self.wait_until_ready(id);
        }
    }

    /// Ends a node with SIGTERM; true when it ended cleanly.
    ///
    /// # Panics
    ///
    /// When it was not running, or does not end.
    pub fn stop(&mut self, id: u64) -> bool {
        let mut process = self.node(id).process.take().expect("the node runs");
        let told = Command::new("kill")
            .args(["-TERM", &process.id().to_string()])
            .status();
        assert!(
            told.is_ok_and(|status| status.success()),
            "kill -TERM failed"
        );
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = process.try_wait().expect("it can be waited for") {
                return status.success();
            }
            assert!(Instant::now() < deadline, "node {id} does not end");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// The command line, as the administrator of this region.
    pub fn command(&self) -> Command {
        let [cert, key] = Self::certificate(&self.folder, "client-administrator");
        let mut command = Command::new(&self.binary);
        command
            .current_dir(&self.folder)
            .env("STRONGROOM_ENDPOINTS", self.endpoints().join(","))
            .env("STRONGROOM_CA", self.folder.join("certs/root.pem"))
            .env("STRONGROOM_CERT", cert)
            .env("STRONGROOM_KEY", key);
        command
    }

    /// The API addresses of all nodes.
    pub fn endpoints(&self) -> Vec<String> {
        self.nodes
            .iter()
            .map(|node| format!("127.0.0.1:{}", node.api))
            .collect()
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

    fn join(&mut self, id: u64) {
        let token = format!("token-{id}");
        self.run(&["node", "token", "create", "--output-file", &token]);
        let first = self.endpoints()[0].clone();
        self.start_with(id, &["--join", &first, "--token-file", &token]);
        self.run(&["node", "promote", &id.to_string()]);
    }

    fn start_with(&mut self, id: u64, arguments: &[&str]) {
        self.spawn(id, arguments);
        self.wait_until_ready(id);
    }

    fn spawn(&mut self, id: u64, arguments: &[&str]) {
        let path = self.folder.join(format!("node-{id}.log"));
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(path);
        let config = format!("node-{id}.toml");
        let mut command = self.command();
        command
            .args(["server", "--config", &config])
            .args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::null());
        command.stderr(log.expect("the folder can be written to"));
        let process = command.spawn().expect("the binary can be run");
        self.node(id).process = Some(process);
    }

    fn wait_until_ready(&mut self, id: u64) {
        let deadline = Instant::now() + PATIENCE;
        let log = self.folder.join(format!("node-{id}.log"));
        let node = self.node(id);
        while !node.is_ready() {
            let ended = node.process.as_mut().map(Child::try_wait);
            let runs = matches!(ended, Some(Ok(None))) && Instant::now() < deadline;
            let said = || std::fs::read_to_string(&log).unwrap_or_default();
            assert!(
                runs,
                "node {id} does not become ready ({ended:?}):\n{}",
                said()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn run(&self, arguments: &[&str]) {
        let output = self
            .command()
            .args(arguments)
            .output()
            .expect("the binary can be run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "strongroom {arguments:?}: {said}");
    }

    fn node(&mut self, id: u64) -> &mut Node {
        self.nodes
            .iter_mut()
            .find(|node| node.id == id)
            .expect("the region has the node")
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        for process in self
            .nodes
            .iter_mut()
            .filter_map(|node| node.process.as_mut())
        {
            // It may have ended already.
            drop(process.kill());
            drop(process.wait());
        }
    }
}

impl Node {
    fn new(id: u64) -> Self {
        let [api, peers, operations] = free_ports();
        Self {
            id,
            api,
            peers,
            operations,
            process: None,
        }
    }

    /// Only what differs from the defaults.
    fn configuration(&self) -> String {
        let Self {
            id,
            api,
            peers,
            operations,
            ..
        } = self;
        format!(
            "node.data = \"node-{id}\"\n\
             api.listen = \"127.0.0.1:{api}\"\n\
             peers.listen = \"127.0.0.1:{peers}\"\n\
             operations.listen = \"127.0.0.1:{operations}\"\n\
             tls.certificate = \"certs/{REGION}/node-{id}.pem\"\n\
             tls.key = \"certs/{REGION}/node-{id}-key.pem\"\n\
             tls.authority = \"certs/root.pem\"\n\
             seal.root_key = \"root.key\"\n"
        )
    }

    fn is_ready(&self) -> bool {
        let address = SocketAddr::from(([127, 0, 0, 1], self.operations));
        let Ok(mut stream) = TcpStream::connect(address) else {
            return false;
        };
        let request = "GET /ready HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        let mut answer = String::new();
        let asked = stream.write_all(request.as_bytes());
        asked.is_ok()
            && stream.read_to_string(&mut answer).is_ok()
            && answer.starts_with("HTTP/1.1 200")
    }
}

/// Ports that were free a moment ago.
fn free_ports() -> [u16; 3] {
    let bound = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a port is free"));
    bound.map(|listener| listener.local_addr().expect("it is bound").port())
}
