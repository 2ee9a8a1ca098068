//! What goes wrong while clients call: chosen by a seed, one fault at a time.

use std::time::{Duration, Instant};

use rand::RngExt;
use rand::rngs::StdRng;
use strongroom_tests::shell::until;
use strongroom_tests::{Order, Region};

use crate::stage::Stage;

/// Errors that a disk answers.
const EIO: i64 = 5;
const ENOSPC: i64 = 28;
const EROFS: i64 = 30;
/// Rates of two clocks that differ by more, in millionths, are beyond what leases allow.
const RATE_MAX: i64 = 47_000;

/// A fault, and how it heals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// SIGKILL of a node, and its restart.
    Kill,
    /// SIGSTOP of a node, then SIGCONT.
    Pause,
    /// A node gets nothing from the others; they get what it sends.
    Deaf,
    /// The others get nothing from a node; it gets what they send.
    Unheard,
    /// A node and the others get nothing from each other.
    Split,
    /// Two nodes get nothing from each other; the third talks to both.
    Torn,
    /// A planned transfer.
    Transfer,
    /// SIGTERM and restart of one node after the other.
    Roll,
    /// The syncs of a node take long.
    SlowDisk,
    /// The wall clock of a node is set to another time, and back.
    Jump,
    /// The clocks of all nodes run at different rates until the end of the history.
    Rates,
    /// A node loses its disk; another takes its place under a new id.
    Replace,
    /// A node is away until the log that it needs is purged.
    Overtake,
    /// A sync fails: the node must stop, and is started again.
    SyncError,
    /// A node's disk has no space left, for new bytes or for any.
    Full,
    /// A node's disk can only be read: the node must stop, and does not start until it can write.
    ReadOnly,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::Kill,
        Self::Pause,
        Self::Deaf,
        Self::Unheard,
        Self::Split,
        Self::Torn,
        Self::Transfer,
        Self::Roll,
        Self::SlowDisk,
        Self::Jump,
        Self::Rates,
        Self::Replace,
        Self::Overtake,
        Self::SyncError,
        Self::Full,
        Self::ReadOnly,
    ];

    /// The faults of a history by its seed: two in turn, so that eight seeds in a row have all, and
    /// one by chance, in any order.
    pub fn of(seed: u64, random: &mut StdRng) -> Vec<Self> {
        let kinds = Self::ALL.len() as u64;
        let turn = |at: u64| Self::ALL[usize::try_from((seed % kinds * 2 + at) % kinds).unwrap()];
        let mut faults = vec![turn(0), turn(1)];
        faults.insert(random.random_range(0..=2), *pick(random, &Self::ALL));
        if random.random() {
            faults.reverse();
        }
        faults
    }

    /// Makes it, keeps it for a while, and heals it.
    pub fn happen(self, stage: &mut Stage, random: &mut StdRng) {
        let region = &mut stage.region;
        let leader = region.leader();
        let any = *pick(random, &region.nodes());
        let node = if random.random_bool(0.6) { leader } else { any };
        let time = Duration::from_millis(random.random_range(200..1_500));
        match self {
            Self::Kill => {
                region.kill(node);
                keep(time);
                region.start(node, &[]);
            }
            Self::Pause => {
                region.process(node).signal("STOP");
                keep(time);
                region.process(node).signal("CONT");
            }
            Self::Deaf => cut(region, &to(region, node), time),
            Self::Unheard => cut(region, &turned(&to(region, node)), time),
            Self::Split => {
                let to = to(region, node);
                cut(region, &[turned(&to), to].concat(), time);
            }
            Self::Torn => {
                let pair = to(region, node).swap_remove(0);
                cut(region, &[pair, (pair.1, pair.0)], time);
            }
            Self::Transfer => transfer(region),
            Self::Roll => roll(region),
            Self::SlowDisk => {
                let delay = random.random_range(10_000..300_000);
                order(region, node, (Order::SyncDelay, delay), time);
            }
            Self::Jump => {
                let distance = random.random_range(1_500..20_000);
                let ahead = if random.random() { distance } else { -distance };
                order(region, node, (Order::WallClock, ahead), time);
            }
            Self::Rates => {
                for node in region.nodes() {
                    let rate = random.random_range(-RATE_MAX..=RATE_MAX);
                    region.order(node, Order::ClockRate, rate);
                }
            }
            Self::Replace => replace(stage, node),
            Self::Overtake => overtake(stage, node),
            Self::SyncError => sync_error(region, node),
            Self::Full => {
                let kinds = [Order::SpaceError, Order::ChangeError];
                order(region, node, (*pick(random, &kinds), ENOSPC), time);
                revive(region, node);
            }
            Self::ReadOnly => read_only(region, node),
        }
    }
}

/// What the others send to a node.
fn to(region: &Region, node: u64) -> Vec<(u64, u64)> {
    let mut others = region.nodes();
    others.retain(|other| *other != node);
    others.into_iter().map(|other| (other, node)).collect()
}

fn turned(ways: &[(u64, u64)]) -> Vec<(u64, u64)> {
    ways.iter().map(|(from, to)| (*to, *from)).collect()
}

fn cut(region: &Region, ways: &[(u64, u64)], time: Duration) {
    ways.iter()
        .for_each(|(from, to)| region.cut(*from, *to, true));
    keep(time);
    ways.iter()
        .for_each(|(from, to)| region.cut(*from, *to, false));
}

fn order(region: &Region, node: u64, (order, value): (Order, i64), time: Duration) {
    region.order(node, order, value);
    keep(time);
    region.order(node, order, 0);
}

/// It may be refused while a node catches up; that is no fault then.
fn transfer(region: &Region) {
    let to = region.follower().to_string();
    let transfer = ["node", "transfer-leader", &to, "--timeout", "2"];
    println!("transfer to {to}: {:?}", region.call(&transfer).code);
}

fn roll(region: &mut Region) {
    for node in region.nodes() {
        region.stop(node);
        region.start(node, &[]);
        region.wait_for(node);
    }
}

/// Starts a node again if its fault ended it.
fn revive(region: &mut Region, node: u64) {
    if !region.process(node).runs() {
        let status = region.ended(node);
        assert_ne!(status.code(), Some(0), "node {node} ended as if told to");
        region.start(node, &[]);
    }
}

fn replace(stage: &mut Stage, node: u64) {
    let region = &mut stage.region;
    region.kill(node);
    std::fs::remove_dir_all(region.data(node)).unwrap();
    region.forget(node);
    let removed = ["node", "remove", &node.to_string(), "--yes"];
    until("a lost node is removed", || {
        (region.call(&removed).code == Some(0)).then_some(())
    });
    stage.nodes += 1;
    let new = stage.nodes;
    region.configure(new);
    region.join(new);
    stage.call(new);
}

fn overtake(stage: &mut Stage, node: u64) {
    let index = |region: &Region, node, what| region.status(node)["node"][what].as_u64();
    stage.region.wait_for(node);
    let last = index(&stage.region, node, "last_log_index").unwrap();
    stage.region.kill(node);
    until("the log is purged past a node that is away", || {
        stage.write_more();
        let leader = stage.region.leader();
        let api = stage.region.api(leader);
        stage.region.call(&["node", "snapshot", "--endpoint", &api]);
        (index(&stage.region, leader, "purged_index") > Some(last)).then_some(())
    });
    stage.region.start(node, &[]);
    stage.region.wait_for(node);
    let purged = index(&stage.region, node, "purged_index");
    assert!(purged > Some(last), "node {node} took no snapshot");
}

fn sync_error(region: &mut Region, node: u64) {
    let logged = region.log(node).len();
    region.order(node, Order::SyncError, EIO);
    must_stop(region, node, logged, EIO);
    region.order(node, Order::SyncError, 0);
    region.start(node, &[]);
}

fn read_only(region: &mut Region, node: u64) {
    let logged = region.log(node).len();
    region.order(node, Order::ChangeError, EROFS);
    must_stop(region, node, logged, EROFS);
    region.start(node, &[]);
    let status = region.ended(node);
    assert!(status.code().is_some_and(|code| code != 0), "{status}");
    region.order(node, Order::ChangeError, 0);
    region.start(node, &[]);
}

/// A node that can no longer keep a promise ends, and says so in one line. sled may have its own.
fn must_stop(region: &mut Region, node: u64, logged: usize, error: i64) {
    let status = region.ended(node);
    assert_ne!(status.code(), Some(0), "node {node} ended as if told to");
    let log = region.log(node);
    let errors: Vec<&str> = log[logged..]
        .lines()
        .filter(|line| line.contains(r#""level":"ERROR""#))
        .filter(|line| line.contains(r#""target":"strongroom"#))
        .collect();
    assert_eq!(errors.len(), 1, "node {node}: {errors:#?}");
    let line: serde_json::Value = serde_json::from_str(errors[0]).unwrap();
    let cause = line["cause"].as_str().unwrap();
    // The log says it one way, sled the other.
    let said = [format!("(os error {error})"), format!("code: {error},")];
    assert!(said.iter().any(|said| cause.contains(said)), "{line}");
}

/// Lets a state of the network last: the time itself is the fault.
pub fn keep(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// One of them.
pub fn pick<'a, T>(random: &mut StdRng, all: &'a [T]) -> &'a T {
    &all[random.random_range(0..all.len())]
}
