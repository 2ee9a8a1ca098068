//! A primary region that is cut off from the others, but not from its callers, while another is
//! promoted over it: it goes on in its old epoch, and from the moment it hears of the new one it
//! answers no write and no linearizable read of what it led.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::admin::v1::PromoteRegionRequest;
use client::{Client, Consistency};
use machine::{Epoch, FeedId, Position, RegionName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::gaps::Times;
use strongroom_tests::shell::until_within;
use tokio::task::JoinSet;

use crate::callers::{create_all, put_at, read, seed_and_count};
use crate::cluster::{A, ALL, B, Cluster, NAMES, PATIENCE, SELECTED, Settings};

/// Rounds of the short form.
const ROUNDS: u64 = 2;
/// Callers of each node, half of them read.
const CALLERS: usize = 4;
/// What a caller waits between two calls.
const PAUSE: Duration = Duration::from_millis(5);

/// One call of a caller.
#[derive(Clone, Debug)]
struct Call {
    region: usize,
    node: u64,
    is_write: bool,
    began: Instant,
    ended: Instant,
    /// Of a write, where it is; of a refusal, the region that leads, if it says so.
    outcome: Result<Option<Position>, Option<String>>,
}

/// What all callers did.
#[derive(Default)]
struct Record {
    calls: Mutex<Vec<Call>>,
    stop: AtomicBool,
}

#[test]
#[ignore = "takes regions apart again and again"]
fn a_primary_that_was_promoted_over_answers_nothing_from_the_moment_it_hears_of_it() {
    let (seed, rounds) = seed_and_count(ROUNDS);
    let mut random = StdRng::seed_from_u64(seed);
    let mut cluster = Cluster::proxied(&[SELECTED, ALL], &Settings::default());
    let client = cluster.client(A);
    let names: Vec<String> = (0..CALLERS * 6).map(name).collect();
    cluster.runtime.block_on(create_all(&client, &names));
    cluster.wait_until_equal();
    cluster.freeze();
    let (mut late, mut sum) = (Times::new(), [0; 4]);
    for round in 1..=rounds {
        cluster.thaw();
        cluster.wait_until_equal();
        let record = Arc::new(Record::default());
        let restored = take_over(&cluster, &record, &mut random);
        let found = judge(&record, restored, &mut late);
        println!("round {round}: {found:?}");
        sum.iter_mut()
            .zip(found)
            .for_each(|(sum, found)| *sum += found);
        ask_the_fenced(&cluster);
    }
    println!(
        "soak: {rounds} primaries promoted over while cut off; {} writes acknowledged by them in \
         their epoch, {} by the new ones in theirs; after the link was back {} calls were answered \
         and {} refused, none answered by a node that had refused; from the link to the last \
         answer {}",
        sum[0],
        sum[1],
        sum[2],
        sum[3],
        late.line(&[])
    );
}

/// Cuts the primary off, promotes the other region, and lets the first hear of it. Tells when the
/// link was restored.
fn take_over(cluster: &Cluster, record: &Arc<Record>, random: &mut StdRng) -> Instant {
    let callers = start(cluster, record, A);
    wait_for_calls(cluster, record, A, true, Instant::now());
    cluster.cut(A, B, true);
    let command = cluster.client(B);
    let request = PromoteRegionRequest {
        lost: NAMES[A].into(),
        force: false,
    };
    cluster
        .runtime
        .block_on(command.promote_region(request))
        .unwrap();
    let promoted = Instant::now();
    let others = start(cluster, record, B);
    // Uninformed, it goes on: that is the truth of two sites.
    wait_for_calls(cluster, record, A, true, promoted);
    wait_for_calls(cluster, record, B, true, promoted);
    std::thread::sleep(Duration::from_micros(random.random_range(0..300_000)));
    let restored = Instant::now();
    cluster.cut(A, B, false);
    wait_for_calls(cluster, record, A, false, restored);
    // What might still be answered wrongly has its time.
    let refused = Instant::now();
    wait_for_calls(cluster, record, A, false, refused + Duration::from_secs(1));
    record.stop.store(true, Ordering::SeqCst);
    for callers in [callers, others] {
        cluster.runtime.block_on(callers.join_all());
    }
    restored
}

/// Lets callers of every node of a region begin.
fn start(cluster: &Cluster, record: &Arc<Record>, region: usize) -> JoinSet<()> {
    let mut callers = JoinSet::new();
    let _within = cluster.runtime.enter();
    for node in cluster.regions[region].nodes() {
        let client = cluster
            .client_of(region, node)
            .with_timeout(Duration::from_secs(3));
        for caller in 0..CALLERS {
            let secret = (region * 3 + usize::try_from(node).unwrap() - 1) * CALLERS + caller;
            let call = Call {
                region,
                node,
                is_write: caller % 2 == 0,
                began: Instant::now(),
                ended: Instant::now(),
                outcome: Ok(None),
            };
            callers.spawn(run(client.clone(), Arc::clone(record), call, secret));
        }
    }
    callers
}

async fn run(client: Client, record: Arc<Record>, like: Call, secret: usize) {
    let (home, name) = (home(), name(secret));
    let mut number = 1;
    while !record.stop.load(Ordering::SeqCst) {
        let began = Instant::now();
        let outcome = if like.is_write {
            number += 1;
            put_at(&client, &home, &name, number).await.map(Some)
        } else {
            read(&client, &name).await.map(|_| None)
        };
        let outcome = outcome.map_err(|error| error.primary_region().map(str::to_owned));
        let call = Call {
            began,
            ended: Instant::now(),
            outcome,
            ..like.clone()
        };
        record.calls.lock().unwrap().push(call);
        tokio::time::sleep(PAUSE).await;
    }
}

/// Waits until every node of a region has answered, or refused, reads and writes begun since then.
fn wait_for_calls(
    cluster: &Cluster,
    record: &Record,
    region: usize,
    is_answered: bool,
    since: Instant,
) {
    let nodes = cluster.regions[region].nodes();
    let what = if is_answered { "answers" } else { "refusals" };
    until_within(PATIENCE, &format!("{what} of region {region}"), || {
        let calls = record.calls.lock().unwrap();
        let has = |node: u64, is_write: bool| {
            calls.iter().any(|call| {
                (call.region, call.node, call.is_write) == (region, node, is_write)
                    && call.began > since
                    && call.outcome.is_ok() == is_answered
                    && (is_answered || is_fenced(call))
            })
        };
        let all = nodes
            .iter()
            .all(|node| has(*node, true) && has(*node, false));
        all.then_some(())
    });
}

/// Whether a call was refused because another region leads.
fn is_fenced(call: &Call) -> bool {
    call.outcome
        .as_ref()
        .is_err_and(|primary| primary.as_deref() == Some(NAMES[B]))
}

/// Checks what the callers saw. Counts writes acknowledged by the old primary after the promotion
/// began to matter, by the new one, and what was answered and refused after the link was back.
fn judge(record: &Record, restored: Instant, late: &mut Times) -> [usize; 4] {
    let calls = record.calls.lock().unwrap();
    let of = |region: usize| calls.iter().filter(move |call| call.region == region);
    let written = |region: usize| of(region).filter_map(|call| call.outcome.clone().ok().flatten());
    let mut epochs: BTreeMap<Epoch, usize> = BTreeMap::new();
    for region in [A, B] {
        for position in written(region) {
            let by = epochs.entry(position.epoch.clone()).or_insert(region);
            assert_eq!(
                *by, region,
                "two regions acknowledged in {}",
                position.epoch
            );
            assert_eq!(position.epoch.region.to_string(), NAMES[region]);
        }
    }
    let heard = first_refusals(&calls);
    for call in of(A) {
        let is_late = heard
            .get(&call.node)
            .is_some_and(|heard| call.began > *heard);
        assert!(
            !is_late || call.outcome.is_err(),
            "answered after it had heard: {call:?}"
        );
    }
    let later = || of(A).filter(|call| call.began > restored);
    let answered = later().filter(|call| call.outcome.is_ok());
    let last = answered.clone().map(|call| call.ended - restored).max();
    late.add(last.unwrap_or_default(), String::new);
    let answered = answered.count();
    [
        written(A).count(),
        written(B).count(),
        answered,
        later().count() - answered,
    ]
}

/// When each node of the old primary had first refused a call because another region leads.
fn first_refusals(calls: &[Call]) -> BTreeMap<u64, Instant> {
    let mut heard: BTreeMap<u64, Instant> = BTreeMap::new();
    for call in calls
        .iter()
        .filter(|call| call.region == A && is_fenced(call))
    {
        let first = heard.entry(call.node).or_insert(call.ended);
        *first = call.ended.min(*first);
    }
    heard
}

/// The fenced region shows what it has to whoever asks for no more, and says who has taken over.
fn ask_the_fenced(cluster: &Cluster) {
    let client = cluster.client(A).with_consistency(Consistency::Eventual);
    let found = cluster.runtime.block_on(read(&client, &name(0))).unwrap();
    assert!(found.is_some(), "what it has can be read");
    until_within(PATIENCE, "the fenced region says who leads", || {
        let (_, feed) = cluster.followed(A, NAMES[A])?;
        let is_told =
            feed.fenced_by_region.as_deref() == Some(NAMES[B]) || feed.primary == NAMES[B];
        is_told.then_some(())
    });
}

fn name(secret: usize) -> String {
    format!("fenced/{secret}")
}

fn home() -> FeedId {
    FeedId::Home(RegionName::new(NAMES[A]).unwrap())
}
