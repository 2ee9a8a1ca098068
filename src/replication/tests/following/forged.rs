//! A primary that means harm: what it sends is refused by name, and the region goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use consensus::Keep;
use machine::{FeedId, Introduction, Scope};
use strongroom_replication::{RegionProgress, Trouble};
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use crate::linked::stands;
use crate::support::copy::start;
use crate::support::fake::Fake;
use crate::support::pipes::Pipes;
use crate::support::region::{Served, entry};
use crate::support::{NORTH, WEST, eventually, home, name};

/// West, whose only other region is a forger's.
async fn forged(script: impl Fn() -> Vec<Message> + Send + Sync + 'static) -> Served {
    counted(script).await.0
}

/// The same, with the number of streams that west has opened.
async fn counted(
    script: impl Fn() -> Vec<Message> + Send + Sync + 'static,
) -> (Served, Arc<AtomicUsize>) {
    let pipes: Arc<Pipes> = Arc::default();
    let fake = Fake {
        script: Arc::new(script),
        ..Fake::new(NORTH)
    };
    let opened = Arc::clone(&fake.opened);
    fake.serve(&pipes);
    pipes.is_told_of.store(true, Ordering::Relaxed);
    let introduction = Introduction {
        regions: vec![entry(NORTH, Scope::Founder), entry(WEST, Scope::Selected)],
        home_exists: false,
    };
    let west = Served::found(&pipes, WEST, Keep::default(), Some(introduction)).await;
    (west, opened)
}

fn changes(feed: &FeedId, header: &'static [u8]) -> Message {
    Message::Changes(v1::Changes {
        feed: feed.to_string(),
        changes: vec![v1::Change {
            header: Bytes::from_static(header),
            body: None,
        }],
    })
}

/// How the last stream ended, or which trouble a feed is in.
async fn outcome(west: &Served, wanted: &str) {
    let told = || {
        let all = west.first().replication.progress().all();
        all.into_iter().next().map(|(_, told)| told)
    };
    eventually(&format!("{wanted} is told"), || {
        told().is_some_and(|told| {
            let mut troubles = told.troubles.values().map(ToString::to_string);
            told.last_end.contains(wanted) || troubles.any(|trouble| trouble.contains(wanted))
        })
    })
    .await;
    // Nothing of it got anywhere.
    assert_eq!(stands(west, &FeedId::Root), start());
    assert_eq!(west.state().counts().withheld, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_that_cannot_be_read_is_told_by_name() {
    let west = forged(|| vec![changes(&FeedId::Root, b"no header")]).await;
    outcome(&west, "cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_that_nobody_asked_for_is_told_by_name() {
    let feed = home(WEST);
    let west = forged(move || vec![changes(&feed, b"")]).await;
    outcome(&west, "was not asked for").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_in_another_regions_name_is_told_by_name() {
    let west = forged(|| {
        let origin = v1::Origin {
            region: WEST.to_owned(),
            ..Fake::new(NORTH).origin()
        };
        vec![Message::Alive(v1::Alive {
            origin: Some(origin),
            ..v1::Alive::default()
        })]
    })
    .await;
    outcome(&west, "another cluster, region or node").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_says_nothing_more_is_left() {
    let west = forged(Vec::new).await;
    outcome(&west, "went silent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_that_is_none_is_given_up_by_name() {
    let west = forged(|| {
        vec![Message::NotServed(v1::NotServed {
            feed: "root".to_owned(),
            reason: v1::NotServedReason::Trimmed.into(),
            primary: String::new(),
        })]
    })
    .await;
    outcome(&west, "cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_without_end_is_refused() {
    let west = forged(|| {
        vec![Message::Changes(v1::Changes {
            feed: "root".to_owned(),
            changes: vec![v1::Change {
                header: vec![0; 6 << 20].into(),
                body: None,
            }],
        })]
    })
    .await;
    outcome(&west, "refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_that_breaks_after_good_changes_is_left_for_a_while() {
    let north = Served::founder(NORTH).await;
    let view = north.state();
    // What north's own log says of its root feed, and then nonsense.
    let good: Vec<v1::Change> = view
        .journal(&FeedId::Root, machine::Revision(0))
        .unwrap()
        .map(|row| v1::Change {
            header: row.header_bytes.clone(),
            body: row
                .body
                .clone()
                .zip(row.blind)
                .map(|(bytes, blind)| v1::RowBody {
                    blind: Bytes::copy_from_slice(&blind.0),
                    bytes,
                    wrapped_dek: Bytes::new(),
                }),
        })
        .collect();
    let count = good.len() as u64;
    let script = move || {
        let feed = FeedId::Root.to_string();
        let good = Message::Changes(v1::Changes {
            feed,
            changes: good.clone(),
        });
        vec![good, changes(&FeedId::Root, b"no header")]
    };
    let (west, opened) = counted(script).await;
    eventually("the good changes are here", || {
        stands(&west, &FeedId::Root).revision.0 == count
    })
    .await;
    let told = || west.first().replication.progress().all().remove(0).1;
    eventually("the trouble is told", || {
        let troubles = told().troubles;
        troubles
            .get(&FeedId::Root)
            .is_some_and(|trouble| matches!(trouble, Trouble::Broken { .. }))
    })
    .await;
    // One stream for each set of feeds: not one after the other for the one that is broken. The
    // last of them is left because it says nothing more.
    eventually("the stream without the feed goes silent", || {
        told().last_end.contains("went silent")
    })
    .await;
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened < 6, "{opened} streams");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_whose_key_does_not_fit_is_ended_and_brings_nothing() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    north.create(100, &[WEST]).await;
    let feed = home(NORTH);
    let view = north.state();
    let sent = view.outgoing(&feed, &start(), &name(WEST));
    let sent: Vec<v1::Change> = sent
        .unwrap()
        .map(|change| v1::Change {
            header: change.header,
            body: match change.body {
                machine::Body::Here(framed) => Some(v1::RowBody {
                    blind: Bytes::copy_from_slice(&framed.blind.0),
                    bytes: framed.bytes,
                    wrapped_dek: Bytes::from_static(b"under another key"),
                }),
                _ => None,
            },
        })
        .collect();
    let of = feed.clone();
    let west = forged(move || {
        vec![Message::Changes(v1::Changes {
            feed: of.to_string(),
            changes: sent.clone(),
        })]
    })
    .await;
    let told = || west.first().replication.progress().all().pop();
    let ended = |told: &RegionProgress| told.last_end.contains("no data key that came opens");
    eventually("the stream is ended", || {
        told().is_some_and(|(_, told)| ended(&told))
    })
    .await;
    assert_eq!(told().map(|(_, told)| told.faults), Some(1));
    assert_eq!(stands(&west, &feed), start());
    assert_eq!(west.state().problems().count(), 0);
}
