//! How late a replica region is: the time from a write's acknowledgement in the primary region to
//! the moment a watcher in the replica region is told of it, beside the round trip between both.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::secrets::v1::{WatchRequest, WatchResponse, watch_response};
use client::{Client, Consistency, Watch};
use strongroom_tests::gaps::Times;
use strongroom_tests::shell::until_within;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{interval_at, sleep};
use tokio_stream::StreamExt;

use crate::callers::{Number, create_all, put, read, seed_and_count, version};
use crate::cluster::{A, ALL, B, Cluster, ONE_WAY, PATIENCE, SELECTED, Settings};

/// Writes of the short form, and how many of them a second: little enough for a debug build.
const WRITES: u64 = 600;
const RATE: u64 = 60;
/// Writes a second of the long form.
const RATE_LONG: u64 = 500;
/// Secrets, written in turn.
const SECRETS: usize = 250;
/// What a replica region may be late beyond the round trip.
const MARGIN: Duration = Duration::from_millis(20);
/// Round trips that are measured before and after.
const PINGS: u32 = 100;
/// Writes of a hundred that must be acknowledged, and at least so much of the rate.
const ACKNOWLEDGED_MIN: usize = 99;
/// Packets of a million that a bad road loses.
const LOSS: u32 = 5_000;

/// What was sent and acknowledged of each secret, and when it was seen elsewhere.
struct Ledger {
    names: Vec<String>,
    /// Writes to one secret are made one after the other.
    turns: Vec<tokio::sync::Mutex<()>>,
    sent: Vec<AtomicU64>,
    acknowledged: Mutex<BTreeMap<(usize, Number), Instant>>,
    seen: Mutex<Vec<Vec<(Number, Instant)>>>,
    wrong: Mutex<Vec<String>>,
    /// What a reader in the other region was answered.
    reads: AtomicU64,
}

#[test]
#[ignore = "measures time on machines of their own, which only root can make"]
fn a_replica_region_shows_what_was_acknowledged_one_round_trip_later_and_nothing_earlier() {
    let (seed, count) = seed_and_count(WRITES);
    let is_long = count > WRITES;
    let rate = if is_long { RATE_LONG } else { RATE };
    let mut cluster = Cluster::on_hosts(&[SELECTED, ALL], &Settings::default(), seed);
    let ledger = Arc::new(Ledger::new());
    let client = cluster.client(A);
    cluster.runtime.block_on(create_all(&client, &ledger.names));
    cluster.wait_until_equal();

    let round_trip = round_trip(&cluster);
    let bound = is_long.then(|| round_trip + MARGIN);
    let plain = measure(&cluster, &ledger, count, rate, bound);
    use_bbr(&mut cluster);
    for (from, to) in [(A, B), (B, A)] {
        cluster.roads().lose(from, to, LOSS);
    }
    let lossy = measure(&cluster, &ledger, count / 2, rate, None);
    println!(
        "soak: {count} writes at {rate}/s, seen in the other region after their acknowledgement: \
         {plain}; round trip {:.1} ms; with {} % of the packets lost each way: {lossy}; \
         nothing seen that was not sent",
        round_trip.as_secs_f64() * 1e3,
        f64::from(LOSS) / 1e4
    );
}

/// Writes at a rate while watchers and readers look on in the other region, and tells how late what
/// was acknowledged was seen there.
fn measure(
    cluster: &Cluster,
    ledger: &Arc<Ledger>,
    count: u64,
    rate: u64,
    bound: Option<Duration>,
) -> String {
    ledger.forget();
    let nodes = cluster.regions[B].nodes();
    let watcher = watch(cluster, ledger, nodes[0]);
    let reader = look_on(cluster, ledger, nodes[1]);
    let client = cluster.client(A);
    let began = Instant::now();
    cluster
        .runtime
        .block_on(write(&client, ledger, count, rate));
    let took = began.elapsed().as_secs_f64();
    until_within(PATIENCE, "everything acknowledged is seen", || {
        ledger.is_all_seen().then_some(())
    });
    watcher.abort();
    reader.abort();
    let wrong = ledger.wrong.lock().unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let read = ledger.reads.load(Ordering::SeqCst);
    assert!(read > 0, "nobody could look on");
    let acknowledged = ledger.acknowledged.lock().unwrap().len();
    let count = usize::try_from(count).unwrap();
    assert!(
        acknowledged * 100 >= count * ACKNOWLEDGED_MIN,
        "{acknowledged} of {count} writes were acknowledged"
    );
    let reached = acknowledged as f64 / took;
    // What is said of a rate is of no other one.
    let least = rate as f64 * ACKNOWLEDGED_MIN as f64 / 100.0;
    let missed = if reached < least && bound.is_some() {
        ", MISSED"
    } else {
        ""
    };
    let at = format!("({acknowledged} acknowledged at {reached:.0}/s{missed}, {read} reads)");
    let ms = |bound: Duration| bound.as_secs_f64() * 1e3;
    let bounds: Vec<(f64, f64)> = bound.map(|bound| (0.99, ms(bound))).into_iter().collect();
    format!("{} {at}", ledger.lags().line(&bounds))
}

/// Starts all nodes again, with the congestion control that gets along with lost packets.
fn use_bbr(cluster: &mut Cluster) {
    for at in [A, B] {
        for node in cluster.regions[at].nodes() {
            cluster.regions[at].hosts().control(node, "bbr");
        }
        cluster.regions[at].kill_all();
    }
    cluster.start_all();
    cluster.wait_until_equal();
}

/// The median round trip of a byte between a node of each region.
fn round_trip(cluster: &Cluster) -> Duration {
    let (from, to) = (cluster.regions[A].hosts(), cluster.regions[B].hosts());
    let mut trips = cluster.roads().round_trips((from, 1), (to, 1), PINGS);
    trips.sort_unstable();
    println!("round trips from {:?} to {:?}", trips[0], trips.last());
    let is_long = trips[0] * 100 >= 2 * ONE_WAY * 95;
    assert!(is_long, "the road is as long as it is said to be");
    trips[trips.len() / 2]
}

/// Writes at a rate, whatever the answers take.
async fn write(client: &Client, ledger: &Arc<Ledger>, count: u64, rate: u64) {
    let mut calls = JoinSet::new();
    let start = tokio::time::Instant::now();
    let mut ticks = interval_at(start, Duration::from_secs(1) / u32::try_from(rate).unwrap());
    for at in 0..count {
        ticks.tick().await;
        let secret = usize::try_from(at).unwrap() % SECRETS;
        let (client, ledger) = (client.clone(), Arc::clone(ledger));
        calls.spawn(async move {
            let _turn = ledger.turns[secret].lock().await;
            let number = ledger.sent[secret].fetch_add(1, Ordering::SeqCst) + 1;
            // One that fails is sent, and not acknowledged.
            if put(&client, &ledger.names[secret], number).await.is_ok() {
                let at = Instant::now();
                let mut acknowledged = ledger.acknowledged.lock().unwrap();
                acknowledged.insert((secret, number), at);
            }
        });
    }
    while let Some(ended) = calls.join_next().await {
        ended.unwrap();
    }
}

/// Notes what a watcher on a node of the other region is told.
fn watch(cluster: &Cluster, ledger: &Arc<Ledger>, node: u64) -> JoinHandle<()> {
    let client = cluster.client_of(B, node);
    let watch = cluster.runtime.block_on(async {
        let mut watch = client.watch(WatchRequest::default()).await.unwrap();
        // It has begun.
        watch.next().await.unwrap().unwrap();
        watch
    });
    let ledger = Arc::clone(ledger);
    cluster.runtime.spawn(note_all(watch, ledger))
}

async fn note_all(mut watch: Watch, ledger: Arc<Ledger>) {
    while let Some(message) = watch.next().await {
        let at = Instant::now();
        let WatchResponse { item, .. } = message.unwrap();
        let Some(watch_response::Item::Change(change)) = item else {
            continue;
        };
        let mut versions = change.version_ids_to_stages.iter();
        let is_current = |stages: &[String]| stages.iter().any(|stage| stage == "AWSCURRENT");
        let current = versions.find(|(_, stages)| is_current(&stages.stages));
        let number: Number = current.unwrap().0.parse().unwrap();
        ledger.see(&change.name, number, at);
    }
}

/// Reads from a node of the other region all the time.
fn look_on(cluster: &Cluster, ledger: &Arc<Ledger>, node: u64) -> JoinHandle<()> {
    let client = cluster.client_of(B, node);
    let client = client.with_consistency(Consistency::Eventual);
    let ledger = Arc::clone(ledger);
    cluster.runtime.spawn(async move {
        let mut seen = [0; SECRETS];
        for secret in (0..SECRETS).cycle() {
            if let Ok(Some(found)) = read(&client, &ledger.names[secret]).await {
                ledger.reads.fetch_add(1, Ordering::SeqCst);
                let sent = ledger.sent[secret].load(Ordering::SeqCst);
                if found > sent || found < seen[secret] {
                    let line =
                        format!("secret {secret}: {found} after {}, of {sent}", seen[secret]);
                    ledger.wrong.lock().unwrap().push(line);
                }
                seen[secret] = found;
            }
            sleep(Duration::from_millis(5)).await;
        }
    })
}

impl Ledger {
    fn new() -> Self {
        Self {
            names: (0..SECRETS).map(|secret| format!("lag/{secret}")).collect(),
            turns: (0..SECRETS)
                .map(|_| tokio::sync::Mutex::default())
                .collect(),
            sent: (0..SECRETS).map(|_| AtomicU64::new(1)).collect(),
            acknowledged: Mutex::default(),
            seen: Mutex::new(vec![Vec::new(); SECRETS]),
            wrong: Mutex::default(),
            reads: AtomicU64::new(0),
        }
    }

    fn forget(&self) {
        self.reads.store(0, Ordering::SeqCst);
        self.acknowledged.lock().unwrap().clear();
        self.seen.lock().unwrap().iter_mut().for_each(Vec::clear);
    }

    fn see(&self, name: &str, number: Number, at: Instant) {
        let secret: usize = name.trim_start_matches("lag/").parse().unwrap();
        let sent = self.sent[secret].load(Ordering::SeqCst);
        if number > sent {
            let line = format!("{name}: {number} ({}) of {sent}", version(number));
            self.wrong.lock().unwrap().push(line);
        }
        self.seen.lock().unwrap()[secret].push((number, at));
    }

    /// When a write or a later one to the same secret was first seen.
    fn first_seen(seen: &[(Number, Instant)], number: Number) -> Option<Instant> {
        let later = seen.iter().filter(|(found, _)| *found >= number);
        later.map(|(_, at)| *at).min()
    }

    fn is_all_seen(&self) -> bool {
        let (acknowledged, seen) = (self.acknowledged.lock().unwrap(), self.seen.lock().unwrap());
        let mut writes = acknowledged.keys();
        writes.all(|(secret, number)| Self::first_seen(&seen[*secret], *number).is_some())
    }

    fn lags(&self) -> Times {
        let (acknowledged, seen) = (self.acknowledged.lock().unwrap(), self.seen.lock().unwrap());
        let mut times = Times::new();
        for ((secret, number), at) in acknowledged.iter() {
            let first = Self::first_seen(&seen[*secret], *number).unwrap();
            // The watcher may be told before the writer, who is a process away too.
            times.add(first.saturating_duration_since(*at), String::new);
        }
        times
    }
}
