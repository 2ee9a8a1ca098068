//! Several regions that promote themselves over the same lost one at once, without hearing of each
//! other: the higher ballot wins on contact, the lower one stays readable and is told so, and a
//! region that promoted nothing follows the winner.

use std::time::Duration;

use client::admin::v1::{PromoteRegionRequest, PromoteRegionResponse};
use client::{Client, Consistency};
use machine::{FeedId, Position, RegionName};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::shell::until_within;

use crate::callers::{create_all, persist, put, put_at, read, seed_and_count};
use crate::cluster::{A, ALL, B, C, Cluster, NAMES, PATIENCE, SELECTED, Settings, Site};

/// Double promotions of the short form.
const ROUNDS: u64 = 2;
/// The region that promotes nothing.
const D: usize = 3;
/// Secrets, and one that is written to in every region.
const SECRETS: usize = 50;

#[test]
#[ignore = "founds four regions"]
fn of_two_promotions_at_once_the_higher_ballot_wins_and_the_other_is_told_so() {
    let (seed, rounds) = seed_and_count(ROUNDS);
    let mut random = StdRng::seed_from_u64(seed);
    let one = |site| Site { nodes: 1, ..site };
    let sites = [one(SELECTED), ALL, ALL, one(ALL)];
    let mut cluster = Cluster::proxied(&sites, &Settings::default());
    let names: Vec<String> = (0..SECRETS).map(name).collect();
    cluster
        .runtime
        .block_on(create_all(&cluster.client(A), &names));
    cluster.wait_until_equal();
    cluster.freeze();
    let mut orphans = 0;
    for round in 1..=rounds {
        cluster.thaw();
        cluster.wait_until_equal();
        orphans += promote_twice(&mut cluster, round, &mut random);
    }
    println!(
        "soak: {rounds} double promotions: the higher ballot won each time, the lower region was \
         told so and could be read, the third followed the winner; {orphans} writes that the lower \
         one had acknowledged are its orphans"
    );
}

fn promote_twice(cluster: &mut Cluster, round: u64, random: &mut StdRng) -> usize {
    cluster.regions[A].kill_all();
    cluster.cut(B, C, true);
    cluster.cut(C, D, true);
    let (first, second) = (cluster.client(B), cluster.client(C));
    let apart = Duration::from_micros(random.random_range(0..50_000));
    cluster.runtime.block_on(async {
        tokio::join!(promote(&first), async {
            tokio::time::sleep(apart).await;
            promote(&second).await
        })
    });
    let won = write(cluster, B, 10);
    let lost = write(cluster, C, 20);
    assert!(won.epoch > lost.epoch, "{won:?} and {lost:?}");
    assert_eq!(
        won.epoch.number, lost.epoch.number,
        "neither has heard of the other"
    );
    let acknowledged = 1;

    cluster.cut(B, C, false);
    cluster.cut(C, D, false);
    let losing = cluster.client(C);
    until_within(
        PATIENCE,
        "the lower one refuses, and names the other",
        || {
            let refused = cluster.runtime.block_on(put(&losing, &name(1), 30 + round));
            let refused = refused.err()?;
            (refused.primary_region() == Some(NAMES[B])).then_some(())
        },
    );
    check_loser(cluster, &losing);
    cluster.wait_until_equal_in(&[B, D]);
    let third = cluster.client(D);
    let name = name(0);
    let found = cluster
        .runtime
        .block_on(persist("a read", || read(&third, &name)));
    assert_eq!(found, Some(10), "the third follows the winner");
    acknowledged
}

/// The lower one can be read, and says by whom it was overtaken.
fn check_loser(cluster: &Cluster, losing: &Client) {
    let eventual = losing.clone().with_consistency(Consistency::Eventual);
    let found = cluster.runtime.block_on(read(&eventual, &name(0))).unwrap();
    assert_eq!(found, Some(20), "it shows what it has");
    until_within(PATIENCE, "it is told who has won", || {
        let (_, feed) = cluster.followed(C, NAMES[A])?;
        let is_told = feed.fenced_by_region.as_deref() == Some(NAMES[B]);
        is_told.then(|| assert_eq!(feed.fenced_by_epoch, Some(2), "{feed:?}"))
    });
}

/// Stores a number in the lost region's feed, and gives where that is.
fn write(cluster: &Cluster, at: usize, number: u64) -> Position {
    let client = cluster.client(at);
    let home = FeedId::Home(RegionName::new(NAMES[A]).unwrap());
    let name = name(0);
    let write = || put_at(&client, &home, &name, number);
    cluster.runtime.block_on(persist("a write", write))
}

async fn promote(client: &Client) -> PromoteRegionResponse {
    let request = PromoteRegionRequest {
        lost: NAMES[A].into(),
        force: false,
    };
    let report = client.promote_region(request).await.unwrap();
    assert_eq!(report.feeds.len(), 2, "root and home: {report:?}");
    report
}

fn name(secret: usize) -> String {
    format!("thirds/{secret}")
}
