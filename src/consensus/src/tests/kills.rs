//! Kills of leaders, and how long nobody's write is accepted then.
//!
//! Whole nodes on real disks are written to and read from all the time, each by callers of its
//! own. The leader is killed as a process would be: its tasks end where they are and its
//! connections break. What is measured is the longest time between two accepted writes, from the
//! last one before the kill on.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use machine::{Command, Seen, Tag, TagResource, Uid};
use strongroom_tests::gaps::{longest_gap, second_around};
use strongroom_tests::stalls::Watcher;

use super::drive::Drive;
use super::node::Settings;
use super::region::{Region, propose};
use super::{Random, eventually, soon};
use crate::{Consensus, Reads};

const NODES: u64 = 3;
/// Writers at each node, and as many readers: enough to notice when writes are accepted, and few
/// enough to leave the processors to the nodes.
const WRITERS: u64 = 2;
/// What a caller waits between two calls.
const PAUSE: Duration = Duration::from_millis(2);
/// Writes accepted under the next leader before the failover is over.
const WRITES_AFTER: usize = 10;

/// One kill.
pub(super) struct Kill {
    /// The longest time between two accepted writes around it.
    pub(super) gap: Duration,
    /// What happened in the second that held it.
    pub(super) stalls: String,
}

/// A region whose leaders are killed.
pub(super) struct Stage {
    region: Region,
    drives: BTreeMap<u64, Drive>,
    writers: Vec<Arc<Writer>>,
    accepted: Arc<Mutex<Vec<Instant>>>,
    scheduling: Watcher,
    random: Random,
}

/// One caller, with a secret of its own. A tag of it holds the number of the last write.
struct Writer {
    node: u64,
    uid: Uid,
    sent: AtomicU64,
    accepted: AtomicU64,
}

impl Stage {
    pub(super) async fn with(reads: Reads) -> Stage {
        let settings = Settings {
            reads,
            ..Settings::default()
        };
        let drives: BTreeMap<_, _> = (1..=NODES).map(|node| (node, Drive::new(node))).collect();
        let mut region = Region::on(drives[&1].mount(), 1, settings).await;
        for node in 2..=NODES {
            region.join(drives[&node].mount()).await;
            region.promote(node).await;
        }
        let mut writers = Vec::new();
        for number in 0..NODES * WRITERS {
            let node = number % NODES + 1;
            let uid = region.write(node).await.expect("written");
            writers.push(Arc::new(Writer {
                node,
                uid,
                sent: AtomicU64::new(0),
                accepted: AtomicU64::new(0),
            }));
        }
        let stage = Stage {
            region,
            drives,
            writers,
            accepted: Arc::default(),
            scheduling: Watcher::of_scheduling(),
            random: Random::new(),
        };
        (1..=NODES).for_each(|node| stage.call(node));
        stage
    }

    /// Lets the callers of a node write and read until it is killed.
    fn call(&self, node: u64) {
        let running = self.region.node(node);
        for writer in self.writers.iter().filter(|writer| writer.node == node) {
            let (writer, accepted) = (Arc::clone(writer), Arc::clone(&self.accepted));
            drop(running.run(|consensus| writer.write(consensus, accepted)));
            drop(running.run(|consensus| async move {
                loop {
                    let _ = consensus.read(soon()).await;
                    tokio::time::sleep(PAUSE).await;
                }
            }));
        }
    }

    /// Kills the leader, waits until another accepts writes, and starts the killed node again.
    pub(super) async fn kill(&mut self) -> Kill {
        let leader = self.region.leader().await;
        // Anywhere between two heartbeats.
        let beats = Duration::from_micros(self.random.below(100_000));
        tokio::time::sleep(beats).await;
        self.accepted.lock().unwrap().clear();
        self.wait_for_writes_since(Instant::now()).await;
        let running = self.region.nodes.remove(&leader).expect("the leader");
        let killed = Instant::now();
        let disk = running.crash();
        self.region.leader().await;
        self.wait_for_writes_since(Instant::now()).await;
        let gap = longest_gap(&self.accepted.lock().unwrap(), killed).expect("writes");
        let stalls = self.stalls(gap);
        self.drives[&leader].unmount(disk).await;
        self.region.start(self.drives[&leader].mount()).await;
        self.check_ledger().await;
        self.call(leader);
        self.wait_until_caught_up(leader).await;
        // A node that has just started keeps out of elections for a while.
        tokio::time::sleep(crate::limits::LEASE_MAX).await;
        Kill {
            gap: gap.1 - gap.0,
            stalls,
        }
    }

    async fn wait_for_writes_since(&self, since: Instant) {
        eventually("writes are accepted", || {
            let accepted = self.accepted.lock().unwrap();
            accepted.iter().filter(|at| **at > since).count() >= WRITES_AFTER
        })
        .await;
    }

    /// The longest sync of each node and the latest waking in the second around a gap.
    fn stalls(&self, gap: (Instant, Instant)) -> String {
        let (from, to) = second_around(gap);
        let syncs = self.drives.iter().map(|(node, drive)| {
            let longest = drive.syncs.longest_ms(from, to);
            format!("node {node} {longest:.1} ms")
        });
        let syncs = syncs.collect::<Vec<_>>().join(", ");
        let overslept = self.scheduling.stalls().longest_ms(from, to);
        format!("longest syncs of that second: {syncs}; a thread woke {overslept:.1} ms late")
    }

    async fn wait_until_caught_up(&self, node: u64) {
        let index = self.region.nodes.values();
        let index = index.map(|node| node.consensus.local_view().index()).max();
        let consensus = &self.region.node(node).consensus;
        eventually("the killed node has caught up", || {
            Some(consensus.local_view().index()) >= index
        })
        .await;
    }

    /// Every accepted write is there, and nothing that was never sent.
    async fn check_ledger(&self) {
        for writer in &self.writers {
            let accepted = writer.accepted.load(Ordering::SeqCst);
            let via = self.region.leader().await;
            let uid = writer.uid;
            let view = self.region.node(via);
            let view = view.run(move |consensus| async move { consensus.read(soon()).await });
            let view = view.await.expect("a view");
            let sent = writer.sent.load(Ordering::SeqCst);
            let secret = view.secret(&uid).expect("the secret");
            let found = secret.tags.first();
            let found = found.map_or(0, |tag| tag.value.parse().expect("a number"));
            assert!(
                (accepted..=sent).contains(&found),
                "{found} is there, {accepted} were accepted, {sent} sent"
            );
        }
    }
}

impl Writer {
    async fn write(self: Arc<Writer>, consensus: Consensus, noted: Arc<Mutex<Vec<Instant>>>) {
        loop {
            let number = self.sent.fetch_add(1, Ordering::SeqCst) + 1;
            let command = Command::TagResource(TagResource {
                uid: self.uid,
                tags: vec![Tag {
                    key: "number".to_owned(),
                    value: number.to_string(),
                }],
                seen: Seen::default(),
            });
            // What was on its way to a lost leader has no outcome.
            if let Ok(committed) = propose(consensus.clone(), command, soon()).await {
                committed.answer.expect("accepted");
                self.accepted.store(number, Ordering::SeqCst);
                noted.lock().unwrap().push(Instant::now());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
