//! Signs of life.

use std::time::Duration;

use machine::{Cursor, FeedId, Hash, Revision, Scope};
use tokio::time::Instant;
use wire::replication::v1::follow_response::Message;

use crate::support::copy::start;
use crate::support::following::{Following, cursor};
use crate::support::region::{Served, value};
use crate::support::{NORTH, WEST, eventually, home, identity, name, soon};

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_gives_signs_of_life_with_positions_and_leader() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.create(10, &[]).await;
    let at = north.state().feed(&home(NORTH)).expect("a feed").cursor();
    let feeds = [(home(NORTH), at.clone())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    assert_eq!(west.opened.leader, 1);
    for _ in 0..5 {
        let alive = west.alive().await;
        assert_eq!((alive.number, alive.leader), (0, 1));
        assert_eq!(alive.feeds, [cursor(&home(NORTH), &at)]);
        let claims = alive.origin.expect("an origin").epochs;
        let claims: Vec<_> = claims
            .iter()
            .map(|claim| (&*claim.feed, claim.number))
            .collect();
        assert_eq!(claims, [("root", 1), (&*home(NORTH).to_string(), 1)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_of_life_are_not_starved_by_changes() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..120 {
        north.create(60_000, &[]).await;
    }
    let all = north
        .state()
        .feed(&home(NORTH))
        .expect("a feed")
        .revision()
        .0;
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let (mut sent, mut batches) = (0, 0);
    let mut heard = Instant::now();
    while sent < all {
        match west.next().await.expect("a message") {
            Message::Alive(_) => {
                heard = Instant::now();
                batches = 0;
            }
            Message::Changes(changes) => {
                sent += changes.changes.len() as u64;
                batches += 1;
            }
            other => panic!("{other:?}"),
        }
        // One batch may be on its way before it, and one in each window.
        assert!(
            batches <= 8,
            "{batches} batches, {:?} without a sign of life",
            heard.elapsed()
        );
        tokio::time::sleep(Duration::from_millis(40)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_nobody_reads_holds_up_no_deletion() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut uids = Vec::new();
    for _ in 0..40 {
        uids.push(north.create(60_000, &[]).await);
    }
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    // Changes fill the way, and signs of life wait before it.
    let mut number = 0;
    for uid in uids.into_iter().take(10) {
        north.delete(uid).await;
        let deadline = soon();
        while !north.keeps_nothing() {
            assert!(Instant::now() < deadline, "its value is kept");
            number += 1;
            west.acknowledge(number, &[]).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_is_answered_with_positions_of_after_it_was_sent() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let uid = north.create(10, &[]).await;
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    for number in 1..=20_u8 {
        north.put(uid, value(number + 1, 10)).await;
        let written = north
            .state()
            .feed(&home(NORTH))
            .expect("a feed")
            .revision()
            .0;
        west.acknowledge(u64::from(number), &[]).await;
        let alive = west.answered(u64::from(number)).await;
        assert!(
            alive.feeds[0].revision >= written,
            "answer {number} is too old"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_number_is_answered_without_a_quorum() {
    let mut north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.join().await;
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    west.acknowledge(1, &[]).await;
    west.answered(1).await;
    north.lose_quorum().await;
    let (mut leader, mut number) = (1, 1);
    let deadline = soon();
    while leader != 0 {
        assert!(Instant::now() < deadline, "it goes on naming a leader");
        number += 1;
        west.acknowledge(number, &[]).await;
        leader = west.alive().await.leader;
    }
    number += 1;
    west.acknowledge(number, &[]).await;
    for _ in 0..10 {
        let alive = west.alive().await;
        assert!(
            alive.number < number,
            "{} was answered without a quorum",
            alive.number
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn followers_are_known_by_what_they_truly_have() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.create(10, &[]).await;
    let at = north.state().feed(&home(NORTH)).expect("a feed").cursor();
    let feeds = [(home(NORTH), start())];
    let mut west = Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("a stream");
    let followers = north.first().replication.followers();
    let has = |feed: &FeedId| {
        let west = followers.of(&name(WEST))?;
        west.feeds.get(feed).map(|said| said.cursor.clone())
    };
    west.acknowledge(1, &[(home(NORTH), at.clone())]).await;
    eventually("the place is known", || {
        has(&home(NORTH)) == Some(at.clone())
    })
    .await;
    let beyond = Cursor {
        revision: Revision(at.revision.0 + 10),
        ..at.clone()
    };
    let of_root = Cursor {
        chain: Hash::ZERO,
        ..north.state().feed(&FeedId::Root).expect("a feed").cursor()
    };
    west.acknowledge(2, &[(home(NORTH), beyond), (FeedId::Root, of_root)])
        .await;
    west.answered(2).await;
    assert_eq!(
        has(&home(NORTH)),
        Some(at),
        "nobody has what was never written"
    );
    assert_eq!(has(&FeedId::Root), None, "it is not served on this stream");
    let heard = followers.of(&name(WEST)).expect("a follower").last_heard;
    assert!(heard.is_some());
}
