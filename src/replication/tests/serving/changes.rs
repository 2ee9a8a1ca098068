//! What is sent to whom, and in what order.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::Keep;
use machine::{
    Command, Cursor, Epoch, FeedId, Hash, Ordinal, Replica, Revision, Scope, Seen, ShareSecret,
    TrimFeed, UnshareSecret,
};
use tokio::time::{Instant, sleep};
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use crate::support::copy::start;
use crate::support::following::Following;
use crate::support::kit::Kingdom;
use crate::support::region::{MARK, Served, value, version_id};
use crate::support::{NORTH, SOUTH, WEST, home, identity, name, soon};

/// Follows feeds from their beginning, and takes in all there is.
async fn copied(region: &Served, who: &str, scope: Scope, feeds: &[FeedId]) -> Kingdom {
    let mut copy = Kingdom::linked(who, scope);
    let from: Vec<_> = feeds.iter().map(|feed| (feed.clone(), start())).collect();
    let mut stream = Following::open(region, identity(who, 1), &from)
        .await
        .expect("a stream");
    let ends: Vec<Cursor> = feeds
        .iter()
        .map(|feed| region.state().feed(feed).expect("a feed").cursor())
        .collect();
    while feeds
        .iter()
        .zip(&ends)
        .any(|(feed, end)| copy.stands(feed) != *end)
    {
        let changes = stream.changes().await;
        copy.import(changes).expect("taken in");
    }
    copy
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_has_bodies_of_what_is_shared_with_it_and_headers_of_the_rest() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    north.link(SOUTH, Scope::All).await;
    let shared = north.create(100, &[WEST]).await;
    let kept = north.create(100, &[]).await;
    let feeds = [FeedId::Root, home(NORTH)];
    let west = copied(&north, WEST, Scope::Selected, &feeds).await;
    assert!(west.state.secret(&shared).is_some());
    assert!(west.state.secret(&kept).is_none());
    let south = copied(&north, SOUTH, Scope::All, &feeds).await;
    assert!(south.state.secret(&shared).is_some() && south.state.secret(&kept).is_some());
    for feed in &feeds {
        let hash = north.state().feed(feed).expect("a feed").hash();
        assert_eq!(west.state.feed(feed).expect("a feed").hash(), hash);
        assert_eq!(south.state.feed(feed).expect("a feed").hash(), hash);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_sent_to_members_then_and_now_only() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let (before, after) = (
        north.create(100, &[WEST]).await,
        north.create(100, &[]).await,
    );
    north
        .done(Command::UnshareSecret(UnshareSecret {
            uid: before,
            regions: vec![name(WEST)],
            seen: Seen::default(),
        }))
        .await;
    north
        .done(Command::ShareSecret(ShareSecret {
            uid: after,
            replicas: vec![Replica {
                region: name(WEST),
                kms_key: None,
                force: false,
            }],
            seen: Seen::default(),
        }))
        .await;
    let west = copied(&north, WEST, Scope::Selected, &[FeedId::Root, home(NORTH)]).await;
    assert!(
        west.state.secret(&before).is_none(),
        "it was unshared since"
    );
    let lacking: Vec<_> = west.state.lacking(after).collect();
    assert_eq!(
        lacking.len(),
        1,
        "its value was written before it was shared"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_keys_go_out_under_the_streams_key_or_not_at_all() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let uid = north.create(100, &[]).await;
    north.put(uid, value(99, 100)).await;
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let all = north
        .state()
        .feed(&home(NORTH))
        .expect("a feed")
        .revision()
        .0;
    let (mut sent, mut wrapped) = (0, Vec::new());
    while sent < all {
        let changes = west.changes().await.changes;
        sent += changes.len() as u64;
        let bodies = changes.into_iter().filter_map(|change| change.body);
        wrapped.extend(bodies.map(|body| body.wrapped_dek));
    }
    // Of the version whose key does not open there is none, as of rows that are no versions.
    wrapped.retain(|wrapped| !wrapped.is_empty());
    assert_eq!(wrapped, [Bytes::from([MARK, &[1; 48]].concat())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_left_memory_are_sent_all_the_same() {
    let keep = Keep {
        value_memory_bytes: 0,
        ..Keep::default()
    };
    let north = Served::found(&Arc::default(), NORTH, keep, None).await;
    north.link(WEST, Scope::All).await;
    let uid = north.create(100, &[]).await;
    // Values leave memory with an entry after they were written to the rows.
    let deadline = soon();
    while north.state().is_resident(&uid, Ordinal(1)) {
        assert!(Instant::now() < deadline, "the value stays in memory");
        sleep(Duration::from_millis(50)).await;
        north.create(10, &[]).await;
    }
    let west = copied(&north, WEST, Scope::All, &[home(NORTH)]).await;
    assert!(!west.state.is_incomplete(&uid));
    let value = west.state.value(&uid, &version_id(1));
    let Some(machine::Value::Here(value)) = value else {
        panic!("{value:?}");
    };
    assert_eq!(value, crate::support::region::value(1, 100).sealed);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_stream_is_open_follows() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut copy = Kingdom::linked(WEST, Scope::All);
    let now = north.state().feed(&home(NORTH)).expect("a feed").cursor();
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    while copy.stands(&home(NORTH)) != now {
        copy.import(west.changes().await).expect("taken in");
    }
    for _ in 0..3 {
        let uid = north.create(100, &[]).await;
        while copy.state.secret(&uid).is_none() {
            copy.import(west.changes().await).expect("taken in");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_feed_starves_another() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..60 {
        north.create(30_000, &[]).await;
    }
    let feeds = [(home(NORTH), start()), (FeedId::Root, start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let first: BTreeSet<String> = [west.changes().await, west.changes().await]
        .into_iter()
        .map(|sent| sent.feed)
        .collect();
    assert_eq!(first.len(), 2, "both feeds are in the first two batches");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_no_larger_than_its_bounds() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..30 {
        north.create(60_000, &[]).await;
    }
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let all = north
        .state()
        .feed(&home(NORTH))
        .expect("a feed")
        .revision()
        .0;
    let mut sent = 0;
    while sent < all {
        let changes = west.changes().await.changes;
        sent += changes.len() as u64;
        let bytes: usize = changes.iter().map(prost::Message::encoded_len).sum();
        assert!(
            bytes <= (128 << 10) + (70 << 10),
            "{bytes} bytes in a batch"
        );
        assert!(changes.len() <= 1_000);
    }
    let told = north
        .first()
        .replication
        .followers()
        .of(&name(WEST))
        .expect("a follower");
    assert_eq!(told.sent.changes, all);
    assert!(told.sent.bytes > 30 * 60_000);
}

/// What is answered to one who stands at a place of a feed.
async fn refused_at(region: &Served, feed: FeedId, at: Cursor) -> (v1::NotServedReason, String) {
    let from = [(feed.clone(), at)];
    let mut west = Following::open(region, identity(WEST, 1), &from)
        .await
        .expect("a stream");
    let told = west.not_served().await;
    assert_eq!(told.feed, feed.to_string());
    let alive = west.alive().await;
    assert!(
        alive.feeds.is_empty(),
        "a feed that is not served has no position"
    );
    (told.reason(), told.primary)
}

#[tokio::test(flavor = "multi_thread")]
async fn feeds_that_cannot_be_served_are_told_with_the_reason() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..5 {
        north.create(10, &[]).await;
    }
    let at = north.state().feed(&home(NORTH)).expect("a feed").cursor();
    let (reason, primary) = refused_at(&north, home(SOUTH), start()).await;
    assert_eq!(
        (reason, primary.as_str()),
        (v1::NotServedReason::NotPrimary, "")
    );

    let other = Cursor {
        chain: Hash([1; 32]),
        ..at.clone()
    };
    let (reason, primary) = refused_at(&north, home(NORTH), other).await;
    assert_eq!(
        (reason, primary.as_str()),
        (v1::NotServedReason::Diverged, NORTH)
    );
    let elsewhere = Cursor {
        epoch: Some(Epoch {
            number: 1,
            region: name(WEST),
        }),
        ..at.clone()
    };
    let (reason, _) = refused_at(&north, home(NORTH), elsewhere).await;
    assert_eq!(reason, v1::NotServedReason::Diverged);

    let beyond = Cursor {
        revision: Revision(at.revision.0 + 1),
        ..at.clone()
    };
    let (reason, _) = refused_at(&north, home(NORTH), beyond).await;
    assert_eq!(reason, v1::NotServedReason::Behind);

    let trim = TrimFeed {
        feed: home(NORTH),
        upto: Revision(3),
    };
    north.done(Command::TrimFeed(trim)).await;
    let (reason, _) = refused_at(&north, home(NORTH), start()).await;
    assert_eq!(reason, v1::NotServedReason::Trimmed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_behind_does_not_call_its_follower_ahead() {
    let mut north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.join().await;
    let ahead = Cursor {
        revision: Revision(1_000),
        ..north.state().feed(&home(NORTH)).expect("a feed").cursor()
    };
    // Without a quorum nobody can know that the region has not got as far.
    north.lose_quorum().await;
    let feeds = [(home(NORTH), ahead)];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    for _ in 0..20 {
        let told = west.next().await.expect("a message");
        assert!(matches!(told, Message::Alive(_)), "told {told:?}");
    }
}
