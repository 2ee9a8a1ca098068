//! A primary region that is lost with all its nodes: another is promoted, and its report is held
//! against what the callers know.
//!
//! Everything up to the place where the new primary stood is there. What the lost one had announced
//! beyond it is missing, and counted exactly. What else is lost is younger than the report says.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use client::admin::v1::{PromoteRegionRequest, PromoteRegionResponse, PromotedFeed};
use machine::{FeedId, RegionName};
use rand::rngs::StdRng;
use rand::seq::IteratorRandom;
use rand::{RngExt, SeedableRng};
use strongroom_tests::gaps::Times;
use strongroom_tests::shell::until_within;

use crate::callers::{Number, create, create_all, put, read_all, seed_and_count};
use crate::cluster::{A, ALL, B, Cluster, NAMES, PATIENCE, SELECTED, Settings, number};
use crate::ledger::{Acknowledged, Ledger};

/// Trials of the short form, and secrets of each.
const TRIALS: u64 = 5;
const SECRETS: usize = 2_000;
/// Of the long form, so many trials have so many.
const LARGE_TRIALS: u64 = 20;
const LARGE_SECRETS: usize = 100_000;
/// Secrets that are read although nobody wrote to them.
const OTHERS: usize = 200;
/// What is written to until the first write is accepted.
const PROBE: &str = "loss/probe";

/// Characters of a value on a slow road, and the bytes a second that pass there: what is announced
/// is then far ahead of what arrives.
const WIDE: usize = 16 << 10;
const SLOW: u64 = 512 << 10;

/// Time after which nothing of a region that was killed is under way any more.
const UNDER_WAY: Duration = Duration::from_millis(200);

/// How the region is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    /// Its nodes are killed; what they have sent arrives.
    Killed,
    /// The road is cut first.
    CutOff,
    /// The road is too slow for what is written, and the nodes are killed.
    Slow,
}

impl Loss {
    const ALL: [Self; 3] = [Self::Slow, Self::CutOff, Self::Killed];
}

/// What the trials came to.
#[derive(Default)]
struct Sum {
    acknowledged: usize,
    /// Lost writes among the changes that were announced, and those that are younger.
    counted: u64,
    younger: u64,
    without_loss: u64,
    missing: u64,
    took: Times,
    entry: Times,
}

#[test]
#[ignore = "kills a region again and again"]
fn a_promotion_counts_what_was_announced_and_is_missing_and_the_rest_of_the_loss_is_younger() {
    let (seed, trials) = seed_and_count(TRIALS);
    let mut random = StdRng::seed_from_u64(seed);
    let large = if trials > TRIALS {
        LARGE_TRIALS.min(trials / 2)
    } else {
        0
    };
    let mut sum = Sum::default();
    for (trials, secrets) in [(trials - large, SECRETS), (large, LARGE_SECRETS)] {
        if trials > 0 {
            try_losses(trials, secrets, &mut random, &mut sum);
        }
    }
    let is_long = large > 0;
    // On a machine so busy that a slow road is fast enough, few trials may lose nothing.
    let is_tried = sum.missing > 0 && sum.counted > 0 && sum.younger > 0;
    assert!(is_tried || !is_long, "both kinds of loss have happened");
    let bounds: &[(f64, f64)] = if is_long {
        &[(0.5, 500.0), (0.99, 1_000.0)]
    } else {
        &[]
    };
    println!(
        "soak: {trials} promotions ({large} with {LARGE_SECRETS} secrets, the others with \
         {SECRETS}), {} acknowledged writes; {} changes announced and missing, counted exactly, \
         with {} of these writes; {} lost that are younger than the reports say; {} promotions \
         without loss; from the command to the first accepted write {}; to the entry {}",
        sum.acknowledged,
        sum.missing,
        sum.counted,
        sum.younger,
        sum.without_loss,
        sum.took.line(bounds),
        sum.entry.line(&[]),
    );
}

fn try_losses(trials: u64, secrets: usize, random: &mut StdRng, sum: &mut Sum) {
    let mut cluster = Cluster::proxied(&[SELECTED, ALL], &Settings::default());
    let names: Vec<String> = (0..secrets)
        .map(|secret| format!("loss/{secret}"))
        .collect();
    let client = cluster.client(A);
    cluster.runtime.block_on(async {
        create_all(&client, &names).await;
        create(&client, PROBE).await.unwrap();
    });
    cluster.wait_until_equal();
    cluster.freeze();
    for trial in 1..=trials {
        cluster.thaw();
        cluster.wait_until_equal();
        // Before that it has nothing to report.
        until_within(PATIENCE, "the lost region has answered", || {
            cluster.followed(B, NAMES[A])?.1.staleness
        });
        let kind = Loss::ALL[usize::try_from(trial).unwrap() % Loss::ALL.len()];
        let width = if matches!(kind, Loss::Slow) { WIDE } else { 1 };
        let ledger = Ledger::new(home(), names.clone(), width);
        print!("trial {trial} with {secrets} secrets, {kind:?}: ");
        let feed = lose(&mut cluster, &ledger, kind, random, sum);
        if trial % 20 == 3 {
            look_back(&mut cluster, &feed, &ledger);
        }
        cluster.cut(A, B, false);
        cluster.network().throttle(number(A), number(B), 0);
    }
}

/// Loses the primary region under load, promotes the other one, and judges its report.
fn lose(
    cluster: &mut Cluster,
    ledger: &Arc<Ledger>,
    kind: Loss,
    random: &mut StdRng,
    sum: &mut Sum,
) -> PromotedFeed {
    let mut callers = cluster.runtime.block_on(async {
        let client = cluster.client(A);
        ledger.start(&[client], random)
    });
    let mut goal = random.random_range(50..200);
    if matches!(kind, Loss::Slow) {
        cluster.network().throttle(number(A), number(B), SLOW);
        // More than is under way at most, so that the rest waits where it is announced.
        goal += 300;
    }
    until_within(PATIENCE, "enough writes", || {
        (ledger.count() >= goal).then_some(())
    });
    let mut pause = |most| std::thread::sleep(Duration::from_micros(random.random_range(0..most)));
    match kind {
        Loss::Killed => pause(100_000),
        Loss::CutOff => {
            cluster.cut(A, B, true);
            pause(300_000);
        }
        Loss::Slow => {
            pause(300_000);
            cluster.cut(A, B, true);
        }
    }
    cluster.regions[A].kill_all();
    let killed = Instant::now();
    ledger.stop();
    callers.abort_all();
    // Whoever decides takes a while, or none.
    pause(600_000);
    let is_silent = killed.elapsed() > UNDER_WAY;
    let (_, told) = cluster.followed(B, NAMES[A]).unwrap();
    let announced = told.announced.unwrap().revision;

    let promoted = promote(cluster);
    cluster
        .runtime
        .block_on(async { while callers.join_next().await.is_some() {} });
    assert!(promoted.report.left.is_empty(), "{:?}", promoted.report);
    let feeds: Vec<&str> = promoted
        .report
        .feeds
        .iter()
        .map(|feed| feed.feed.as_str())
        .collect();
    assert_eq!(feeds, ["root", NAMES[A]]);
    let feed = promoted.report.feeds[1].clone();
    assert_eq!(feed.withheld_secrets, 0, "it receives everything");
    // What it announced is known before the promotion too, but for what was still under way.
    let missing = announced.saturating_sub(stood(&feed));
    let is_exact = feed.missing_changes == missing;
    let is_later = !is_silent && feed.missing_changes > missing;
    assert!(is_exact || is_later, "{announced} was announced: {feed:?}");
    sum.took.add(promoted.took, String::new);
    let entry = promoted.report.took.unwrap();
    sum.entry.add(entry.try_into().unwrap(), String::new);
    judge(cluster, ledger, &feed, &promoted, random, sum);
    feed
}

/// What came of a promotion.
struct Promoted {
    report: PromoteRegionResponse,
    /// Before the command.
    began: Instant,
    /// Until a write was accepted.
    took: Duration,
}

/// Promotes the second region, while a caller of it tries to write.
fn promote(cluster: &Cluster) -> Promoted {
    let (command, caller) = (cluster.client(B), cluster.client(B));
    cluster.runtime.block_on(async {
        let began = Instant::now();
        let writes = tokio::spawn(async move {
            let number = AtomicU64::new(1);
            loop {
                let next = number.fetch_add(1, Ordering::Relaxed) + 1;
                if put(&caller, PROBE, next).await.is_ok() {
                    return began.elapsed();
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
        let request = PromoteRegionRequest {
            lost: NAMES[A].into(),
            force: false,
        };
        let report = command.promote_region(request).await.unwrap();
        Promoted {
            report,
            began,
            took: writes.await.unwrap(),
        }
    })
}

/// Holds what is there against what the callers know.
fn judge(
    cluster: &Cluster,
    ledger: &Ledger,
    feed: &PromotedFeed,
    promoted: &Promoted,
    random: &mut StdRng,
    sum: &mut Sum,
) {
    let mut secrets: Vec<usize> = ledger.last_acknowledged().keys().copied().collect();
    secrets.extend((0..ledger.names.len()).sample(random, OTHERS));
    let found = read(cluster, B, ledger, &secrets);
    for (secret, found) in secrets.iter().zip(&found) {
        assert!(*found <= ledger.sent(*secret), "{}", ledger.names[*secret]);
    }
    let found: BTreeMap<usize, Number> = secrets.into_iter().zip(found).collect();
    let announced = stood(feed) + feed.missing_changes;
    // What is not counted is younger than this, by the report, which is of the moment of the entry.
    let entered: Duration = promoted.report.took.unwrap().try_into().unwrap();
    let entered = promoted.began + entered;
    let oldest = entered.checked_sub(unheard(feed)).unwrap();
    let (mut counted, mut younger) = (0, 0);
    let acknowledged = ledger.acknowledged();
    for write in acknowledged
        .iter()
        .filter(|write| found[&write.secret] < write.number)
    {
        assert!(
            write.position.revision.0 > stood(feed),
            "{write:?} is lost, of {feed:?}"
        );
        if write.position.revision.0 <= announced {
            counted += 1;
            continue;
        }
        younger += 1;
        let age = oldest.saturating_duration_since(write.ended);
        assert_eq!(age, Duration::ZERO, "{write:?} is older than {feed:?} says");
    }
    assert!(counted <= feed.missing_changes, "{feed:?}");
    println!(
        "{} acknowledged, stood at {}, {} changes missing with {counted} writes, {younger} younger \
         ones lost, unheard for {:?}; first accepted write after {:?}",
        acknowledged.len(),
        stood(feed),
        feed.missing_changes,
        unheard(feed),
        promoted.took
    );
    sum.acknowledged += acknowledged.len();
    sum.counted += counted;
    sum.younger += younger;
    sum.missing += feed.missing_changes;
    sum.without_loss += u64::from(counted + younger == 0);
}

fn read(cluster: &Cluster, at: usize, ledger: &Ledger, secrets: &[usize]) -> Vec<Number> {
    let client: Client = cluster.client(at);
    let names: Vec<String> = secrets.iter().map(|of| ledger.names[*of].clone()).collect();
    cluster.runtime.block_on(read_all(&client, &names))
}

/// Starts the lost region where nobody hears it: it has everything that was announced and
/// acknowledged, so that what is counted as missing was there.
fn look_back(cluster: &mut Cluster, feed: &PromotedFeed, ledger: &Ledger) {
    cluster.cut(A, B, true);
    cluster.regions[A].start_all();
    let places = cluster.places(&cluster.client(A));
    let found = places[NAMES[A]].revision;
    let announced = stood(feed) + feed.missing_changes;
    let acknowledged = ledger.acknowledged();
    let revisions = acknowledged
        .iter()
        .map(|Acknowledged { position, .. }| position.revision.0);
    let last = revisions.max().unwrap_or_default();
    assert!(
        found >= announced && found >= last,
        "{found}, {announced}, {last}"
    );
    let written = ledger.last_acknowledged();
    let secrets: Vec<usize> = written.keys().copied().collect();
    let there = read(cluster, A, ledger, &secrets);
    for ((secret, acknowledged), there) in written.into_iter().zip(there) {
        let is_right = (acknowledged..=ledger.sent(secret)).contains(&there);
        assert!(is_right, "{secret} is {there}, of {acknowledged}");
    }
}

/// Where the new primary stood.
fn stood(feed: &PromotedFeed) -> u64 {
    feed.last.as_ref().unwrap().revision
}

/// From when on the report does not know what the lost region acknowledged.
fn unheard(feed: &PromotedFeed) -> Duration {
    feed.unheard.expect("it has answered").try_into().unwrap()
}

/// The home feed of the region that is lost.
fn home() -> FeedId {
    FeedId::Home(RegionName::new(NAMES[A]).unwrap())
}
