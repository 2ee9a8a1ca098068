//! A stream that is not the primary's, from somebody who has the key of the primary's node: it is
//! refused with a named error, nothing of it is taken in, and the other feeds go on.

use client::secrets::v1::{CreateSecretRequest, Tag};
use strongroom_tests::shell::until_within;

use crate::callers::{create, creation, seed_and_count};
use crate::cluster::{A, ALL, At, B, C, Cluster, NAMES, PATIENCE, SELECTED, Settings, Site};
use crate::relay::{Forgery, Relay};

/// Forgeries of each kind, in the short form.
const ROUNDS: u64 = 1;

#[test]
#[ignore = "forges streams for half a minute"]
fn a_forged_stream_is_refused_by_name_changes_nothing_and_stops_no_other_feed() {
    let (_, rounds) = seed_and_count(ROUNDS);
    let one = |site| Site { nodes: 1, ..site };
    let mut cluster = Cluster::proxied(&[one(SELECTED), ALL, one(ALL)], &Settings::default());
    let relay = Relay::before(&cluster, A, 1);
    cluster
        .network()
        .divert(cluster.regions[A].place(1), relay.port);
    // Streams that stand already go on past the relay.
    restart(&mut cluster, C);
    move_leader(&cluster);
    let mut refused = Vec::new();
    for round in 0..rounds {
        for forgery in Forgery::ALL {
            let reason = forge(&cluster, &relay, forgery, round);
            println!("{forgery:?} in round {round}: {reason}");
            refused.push(reason);
            // Another leader has no grudge against the primary.
            move_leader(&cluster);
            cluster.wait_until_equal();
        }
    }
    println!(
        "soak: {} forged streams refused by name, 0 changed anything, the other feeds went on",
        refused.len()
    );
}

/// Forges a stream, and gives the reason for which it was refused.
fn forge(cluster: &Cluster, relay: &Relay, forgery: Forgery, round: u64) -> String {
    let name = |of: &str| format!("forged/{forgery:?}/{round}/{of}");
    let feed = NAMES[A];
    let noted = cluster.regions[B]
        .nodes()
        .into_iter()
        .map(|node| cluster.regions[B].log(node).len());
    let noted: Vec<usize> = noted.collect();
    relay.forge(Some((forgery, FEED)));
    cluster.runtime.block_on(async {
        // A row of metadata and one of a value: several changes in one message.
        let request = CreateSecretRequest {
            tags: vec![Tag {
                key: "forged".into(),
                value: "yes".into(),
            }],
            ..creation(&name("a"))
        };
        cluster.client(A).create_secret(request).await.unwrap();
    });
    let reason = until_within(PATIENCE, &format!("{forgery:?} is refused"), || {
        told(cluster).or_else(|| logged(cluster, &noted))
    });
    let is_named = names(forgery).iter().any(|name| reason.contains(name));
    assert!(is_named, "{forgery:?}: {reason}");
    // Other feeds go on meanwhile, and this one stands where it stood, with the same hash.
    let stands = place(cluster, B, feed);
    let there = place(cluster, A, feed);
    // What is said twice is true the first time, and so is what comes before another cluster's sign
    // of life: it may have been taken in.
    let is_late = matches!(forgery, Forgery::Replayed | Forgery::OtherCluster);
    let is_true = |at: &At| is_late && *at == there;
    assert!(
        stands.revision < there.revision || is_true(&stands),
        "{forgery:?}: {stands:?} is not before {there:?}"
    );
    cluster.runtime.block_on(async {
        create(&cluster.client(C), &name("c")).await.unwrap();
    });
    let of_third = place(cluster, C, NAMES[C]);
    until_within(PATIENCE, "the other feed goes on", || {
        // A checkpoint may have followed.
        (place(cluster, B, NAMES[C]).revision >= of_third.revision).then_some(())
    });
    let still = place(cluster, B, feed);
    assert!(still == stands || is_true(&still), "{forgery:?}: {still:?}");
    relay.forge(None);
    reason
}

/// The name of the first region's home feed between regions.
const FEED: &str = "home/eu-north-1";

/// What a refusal says.
fn names(forgery: Forgery) -> &'static [&'static str] {
    match forgery {
        Forgery::Body | Forgery::Truncated | Forgery::Header => &["commits to"],
        Forgery::Replayed | Forgery::Reordered | Forgery::LeftOut => {
            &["missing, repeated or out of order"]
        }
        Forgery::OtherFeed => &["another feed", "missing, repeated or out of order"],
        Forgery::OtherCluster => &["another cluster"],
    }
}

/// What the region says of a feed that is not followed.
fn told(cluster: &Cluster) -> Option<String> {
    let regions = cluster.listed(B).regions.into_iter();
    let mut troubles = regions
        .flat_map(|region| region.leads)
        .map(|feed| feed.trouble);
    troubles.find(|trouble| !trouble.is_empty())
}

/// What a node has logged since then of a stream that was ended.
fn logged(cluster: &Cluster, since: &[usize]) -> Option<String> {
    let nodes = cluster.regions[B].nodes().into_iter().zip(since);
    let mut logs = nodes.map(|(node, since)| cluster.regions[B].log(node).split_off(*since));
    logs.find_map(|log| {
        let mut lines = log.lines();
        lines
            .find(|line| line.contains("a stream was ended"))
            .map(str::to_owned)
    })
}

fn place(cluster: &Cluster, at: usize, feed: &str) -> At {
    let client = cluster.client(at);
    until_within(PATIENCE, "a region tells its places", || {
        cluster.places(&client).get(feed).cloned()
    })
}

fn move_leader(cluster: &Cluster) {
    let region = &cluster.regions[B];
    let to = region.follower().to_string();
    region.call(&["node", "transfer-leader", &to]).done();
}

fn restart(cluster: &mut Cluster, at: usize) {
    cluster.regions[at].stop(1);
    cluster.regions[at].start_all();
}
