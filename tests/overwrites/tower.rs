//! A thread that looks at all nodes at a steady pace, and what it has seen.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::load::Load;
use crate::sample::{Node, Sample, has_caught_up};

/// Time between two lines that tell how far the run is.
const TOLD_EVERY: Duration = Duration::from_secs(30);

/// What was seen of each node, in the order of their ids.
pub struct Tower {
    start: Instant,
    nodes: Vec<Node>,
    seen: Mutex<Vec<Vec<Sample>>>,
    is_over: AtomicBool,
}

impl Tower {
    /// Looks once at each, and then again and again on a thread of its own.
    pub fn build(nodes: Vec<Node>, load: Arc<Load>, interval: Duration) -> Arc<Self> {
        let start = Instant::now();
        let first = nodes.iter().map(|node| vec![node.look(start, None)]);
        let tower = Arc::new(Self {
            start,
            seen: Mutex::new(first.collect()),
            nodes,
            is_over: AtomicBool::new(false),
        });
        let looking = Arc::clone(&tower);
        std::thread::spawn(move || looking.run(&load, start, interval));
        tower
    }

    fn run(&self, load: &Load, start: Instant, interval: Duration) {
        let (mut told, mut before) = (start, 0);
        while !self.is_over.load(Ordering::Acquire) {
            for (at, node) in self.nodes.iter().enumerate() {
                let last = self.seen.lock().unwrap()[at].last().cloned();
                let sample = node.look(start, last.as_ref());
                if sample.leads {
                    load.aim(at);
                }
                self.seen.lock().unwrap()[at].push(sample);
            }
            if told.elapsed() >= TOLD_EVERY {
                let now = load.acknowledged();
                let rate = (now - before) as f64 / told.elapsed().as_secs_f64();
                println!(
                    "{:.0} s: {now} overwrites, {rate:.0}/s{}",
                    start.elapsed().as_secs_f64(),
                    self.line()
                );
                (told, before) = (Instant::now(), now);
            }
            std::thread::park_timeout(interval);
        }
    }

    fn line(&self) -> String {
        let mut line = String::new();
        for (node, sample) in self.nodes.iter().zip(self.latest()) {
            let mib = |bytes: u64| bytes >> 20;
            write!(
                line,
                "; {}{}: rss {} files {} disk {} (log {} rows {} snapshots {}) live {}",
                node.id,
                if sample.leads { " leads" } else { "" },
                mib(sample.rss_bytes),
                sample.files,
                mib(sample.disk_bytes()),
                mib(sample.log_bytes),
                mib(sample.rows_bytes),
                mib(sample.snapshots_bytes),
                mib(sample.live_bytes),
            )
            .unwrap();
        }
        line
    }

    /// The last look at each node.
    pub fn latest(&self) -> Vec<Sample> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .map(|samples| samples.last().unwrap().clone())
            .collect()
    }

    /// Who leads, if one said so.
    pub fn leader(&self) -> Option<u64> {
        let latest = self.latest();
        let mut nodes = self.nodes.iter().zip(latest);
        nodes
            .find(|(_, sample)| sample.leads)
            .map(|(node, _)| node.id)
    }

    /// Whether a node has applied nearly all that any has.
    pub fn has_caught_up(&self, node: u64) -> bool {
        let latest = self.latest();
        let at = self
            .nodes
            .iter()
            .position(|other| other.id == node)
            .unwrap();
        latest
            .iter()
            .all(|sample| has_caught_up(sample, &latest[at]))
    }

    /// Ends, and answers all that was seen until a moment.
    pub fn end(&self, until: Instant) -> Vec<Vec<Sample>> {
        self.is_over.store(true, Ordering::Release);
        let mut seen = self.seen.lock().unwrap().clone();
        let last = until.duration_since(self.start).as_secs_f64();
        for samples in &mut seen {
            samples.retain(|sample| sample.seconds <= last);
        }
        seen
    }
}
