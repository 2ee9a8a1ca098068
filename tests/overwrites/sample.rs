//! What each node takes of the machine, looked at again and again from outside.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use std::os::unix::fs::MetadataExt;

use strongroom_tests::Region;

/// What a node may take to answer for its metrics: one that is stopped never does.
const PATIENCE: Duration = Duration::from_millis(500);
const PAGE_BYTES: u64 = 4_096;
const BLOCK_BYTES: u64 = 512;

/// One look at one node.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    /// When, in seconds since the first.
    pub seconds: f64,
    /// Memory in use.
    pub rss_bytes: u64,
    /// Open files, sockets included.
    pub files: u64,
    /// What the log takes on disk.
    pub log_bytes: u64,
    /// What the rows take.
    pub rows_bytes: u64,
    /// What the snapshots take.
    pub snapshots_bytes: u64,
    /// What the rows hold, by the node's own word; the last one if it did not answer.
    pub live_bytes: u64,
    /// Whether it leads.
    pub leads: bool,
    /// The last index applied.
    pub applied: u64,
    /// The metrics it told, by name and labels.
    pub metrics: BTreeMap<String, f64>,
}

/// A node, from outside.
#[derive(Clone)]
pub struct Node {
    /// Its id.
    pub id: u64,
    process: PathBuf,
    data: PathBuf,
    operations: SocketAddr,
}

impl Sample {
    /// All on disk.
    pub fn disk_bytes(&self) -> u64 {
        self.log_bytes + self.rows_bytes + self.snapshots_bytes
    }

    /// How much more is on disk than is alive.
    pub fn disk_ratio(&self) -> f64 {
        self.disk_bytes() as f64 / self.live_bytes.max(1) as f64
    }

    /// A metric, or 0.
    pub fn metric(&self, name: &str) -> f64 {
        self.metrics.get(name).copied().unwrap_or_default()
    }
}

impl Node {
    /// All nodes of a region; they must go on as the processes that they are now.
    pub fn all(region: &mut Region) -> Vec<Self> {
        let ids = region.nodes();
        let of = |id| Self {
            id,
            process: format!("/proc/{}", region.process(id).id()).into(),
            data: region.data(id),
            operations: region.operations(id).parse().unwrap(),
        };
        ids.into_iter().map(of).collect()
    }

    /// Looks. What it does not answer is as it was `before`.
    pub fn look(&self, since: Instant, before: Option<&Sample>) -> Sample {
        let statm = std::fs::read_to_string(self.process.join("statm")).unwrap();
        let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
        let files = std::fs::read_dir(self.process.join("fd")).unwrap().count();
        let mut sample = Sample {
            seconds: since.elapsed().as_secs_f64(),
            rss_bytes: pages * PAGE_BYTES,
            files: files as u64,
            log_bytes: taken(&self.data.join("log")),
            rows_bytes: taken(&self.data.join("rows")),
            snapshots_bytes: taken(&self.data.join("snapshots")),
            ..before.cloned().unwrap_or_default()
        };
        if let Some(text) = self.metrics() {
            sample.metrics = parse(&text);
            sample.live_bytes = sample.metric("strongroom_store_rows_live_bytes") as u64;
            sample.leads = sample.metric("strongroom_consensus_leader") > 0.0;
            sample.applied = sample.metric("strongroom_consensus_applied_index") as u64;
        } else {
            sample.leads = false;
        }
        sample
    }

    fn metrics(&self) -> Option<String> {
        let mut stream = TcpStream::connect_timeout(&self.operations, PATIENCE).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(answer)
    }
}

/// Whether metrics say of two nodes that the second has applied nearly all that the first has.
pub fn has_caught_up(leader: &Sample, follower: &Sample) -> bool {
    follower.applied + 1_000 > leader.applied
}

/// The blocks of all files below a folder. Files come and go meanwhile.
fn taken(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let of = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(about) if about.is_dir() => taken(&entry.path()),
        Ok(about) => about.blocks() * BLOCK_BYTES,
        Err(_) => 0,
    };
    entries.flatten().map(of).sum()
}

fn parse(text: &str) -> BTreeMap<String, f64> {
    let lines = text.lines().filter(|line| line.starts_with("strongroom_"));
    let number = |line: &str| {
        let (name, number) = line.rsplit_once(' ')?;
        Some((name.to_owned(), number.parse().ok()?))
    };
    lines.filter_map(number).collect()
}
