//! A feed as it stands.

use std::time::Duration;

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{
    ActivateSnapshot, Command, FeedId, Ordinal, RowKey, Scope, Seen, StageRows, StagedRow,
    TrimFeed, UnshareSecret,
};
use tokio::time::Instant;
use tonic::Status;
use wire::Caller;
use wire::replication::v1;

use crate::support::copy::{hash, staged, start};
use crate::support::following::{STREAM, cause, client, cursor, origin};
use crate::support::kit::Kingdom;
use crate::support::region::Served;
use crate::support::{NORTH, WEST, eventually, home, identity, name, soon};

/// What came.
#[derive(Default)]
struct Fetched {
    at: Option<v1::FeedCursor>,
    resumed: bool,
    rows: Vec<v1::Row>,
    feed_hash: Bytes,
}

impl Fetched {
    fn bodies(&self) -> usize {
        self.rows.iter().filter(|row| row.body.is_some()).count()
    }

    fn keys(&self) -> Vec<RowKey> {
        let rows = self.rows.iter();
        rows.map(|row| RowKey::decode(&row.key).expect("a key"))
            .collect()
    }
}

fn request(feed: &FeedId, value_bytes: u64) -> v1::FetchSnapshotRequest {
    let offer = LinkOffer::generate().expect("an offer");
    v1::FetchSnapshotRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: Bytes::copy_from_slice(offer.public_key()),
        feed: feed.to_string(),
        at: None,
        after: Bytes::new(),
        value_bytes,
    }
}

async fn fetch(region: &Served, request: v1::FetchSnapshotRequest) -> Result<Fetched, Status> {
    let mut client = client(region, Caller::Peer(identity(WEST, 1)));
    let mut responses = client.fetch_snapshot(request).await?.into_inner();
    let mut fetched = Fetched::default();
    while let Some(response) = responses.message().await? {
        assert!(fetched.feed_hash.is_empty(), "the hash is in the last");
        if fetched.at.is_none() {
            fetched.at = Some(response.at.expect("a place in the first"));
            fetched.resumed = response.resumed;
            assert!(!response.encapsulated.is_empty());
        }
        fetched.rows.extend(response.rows);
        fetched.feed_hash = response.feed_hash;
    }
    assert!(!fetched.feed_hash.is_empty(), "it was broken off");
    Ok(fetched)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_makes_the_feed_anew() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let mut shared = Vec::new();
    for number in 0..40 {
        let with: &[&str] = if number % 2 == 0 { &[WEST] } else { &[] };
        shared.push((north.create(10_000, with).await, !with.is_empty()));
    }
    let feed = home(NORTH);
    let revision = north.state().feed(&feed).expect("a feed").revision();
    let trim = TrimFeed {
        feed: feed.clone(),
        upto: revision,
    };
    north.done(Command::TrimFeed(trim)).await;
    let fetched = fetch(&north, request(&feed, u64::MAX))
        .await
        .expect("a snapshot");
    assert!(fetched.keys().is_sorted(), "in the order of the keys");
    let mut west = Kingdom::linked(WEST, Scope::Selected);
    let (_, at) = place(&fetched);
    let rows: Vec<StagedRow> = fetched
        .rows
        .iter()
        .map(|row| staged(&feed, row.clone()))
        .collect();
    let count = rows.len() as u64;
    let stage = StageRows {
        feed: feed.clone(),
        at: at.clone(),
        first: 0,
        rows,
    };
    west.apply(Command::StageRows(stage)).expect("staged");
    let activate = ActivateSnapshot {
        feed: feed.clone(),
        at,
        feed_hash: hash(&fetched.feed_hash),
        rows: count,
    };
    west.apply(Command::ActivateSnapshot(activate))
        .expect("activated");
    let here = west.state.feed(&feed).expect("a feed");
    assert_eq!(
        here.hash(),
        north.state().feed(&feed).expect("a feed").hash()
    );
    for (uid, is_shared) in shared {
        assert_eq!(west.state.secret(&uid).is_some(), is_shared);
    }
}

fn place(fetched: &Fetched) -> (FeedId, machine::Cursor) {
    let at = fetched.at.as_ref().expect("a place");
    let cursor = machine::Cursor {
        epoch: Some(machine::Epoch {
            number: at.epoch,
            region: name(&at.epoch_region),
        }),
        revision: machine::Revision(at.revision),
        chain: hash(&at.chain),
    };
    (at.feed.parse().expect("a feed"), cursor)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_bytes_of_values_come_than_were_asked_for() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..10 {
        north.create(1_000, &[]).await;
    }
    let feed = home(NORTH);
    let all = fetch(&north, request(&feed, u64::MAX))
        .await
        .expect("a snapshot");
    assert_eq!(all.bodies(), all.rows.len());
    let none = fetch(&north, request(&feed, 0)).await.expect("a snapshot");
    assert_eq!((none.keys(), &none.feed_hash), (all.keys(), &all.feed_hash));
    assert_eq!(none.bodies(), all.rows.len() - 10, "all but the values");
    let some = fetch(&north, request(&feed, 5_000))
        .await
        .expect("a snapshot");
    let values: usize = some
        .rows
        .iter()
        .filter(|row| matches!(RowKey::decode(&row.key), Ok(RowKey::Version(..))))
        .filter_map(|row| Some(row.body.as_ref()?.bytes.len()))
        .sum();
    assert!(
        (3_000..=5_000).contains(&values),
        "{values} bytes of values"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_goes_on_only_if_the_feed_has_not_moved() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..10 {
        north.create(10, &[]).await;
    }
    let feed = home(NORTH);
    let all = fetch(&north, request(&feed, u64::MAX))
        .await
        .expect("a snapshot");
    let middle = all.rows[all.rows.len() / 2].key.clone();
    let rest = v1::FetchSnapshotRequest {
        at: all.at.clone(),
        after: middle,
        ..request(&feed, u64::MAX)
    };
    let resumed = fetch(&north, rest.clone()).await.expect("the rest");
    assert!(resumed.resumed);
    assert_eq!(resumed.keys(), all.keys()[all.rows.len() / 2 + 1..]);
    north.create(10, &[]).await;
    let anew = fetch(&north, rest).await.expect("another");
    assert!(!anew.resumed);
    assert!(anew.rows.len() > all.rows.len());
    let before = v1::FetchSnapshotRequest {
        at: Some(cursor(&feed, &start())),
        after: RowKey::Tombstone(feed.uid_of([255; 16])).encode().into(),
        ..request(&feed, u64::MAX)
    };
    assert!(!fetch(&north, before).await.expect("a snapshot").resumed);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_breaks_off_when_its_reader_is_unlinked() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..40 {
        north.create(60_000, &[]).await;
    }
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let asked = client.fetch_snapshot(request(&home(NORTH), u64::MAX)).await;
    let mut responses = asked.expect("a snapshot").into_inner();
    responses.message().await.expect("the first");
    north.unlink(WEST).await;
    let mut values = 0;
    let status = loop {
        match responses.message().await {
            Ok(Some(response)) => {
                let keys = response.rows.iter().map(|row| RowKey::decode(&row.key));
                values += keys
                    .filter(|key| matches!(key, Ok(RowKey::Version(_, Ordinal(1)))))
                    .count();
            }
            Ok(None) => panic!("it came to its end"),
            Err(status) => break status,
        }
    };
    assert_eq!(cause(&status), "NotLinked");
    // Three messages of nine may be on their way.
    assert!(values <= 27, "{values} of 40 values came");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unshared_during_a_snapshot_is_not_sent_any_more() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let mut uids = Vec::new();
    for _ in 0..40 {
        uids.push(north.create(60_000, &[WEST]).await);
    }
    uids.sort();
    let last = *uids.last().expect("a secret");
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let asked = client.fetch_snapshot(request(&home(NORTH), u64::MAX)).await;
    let mut responses = asked.expect("a snapshot").into_inner();
    let mut rows = responses
        .message()
        .await
        .expect("the first")
        .expect("one")
        .rows;
    let unshare = UnshareSecret {
        uid: last,
        regions: vec![name(WEST)],
        seen: Seen::default(),
    };
    north.done(Command::UnshareSecret(unshare)).await;
    while let Some(response) = responses.message().await.expect("a part") {
        rows.extend(response.rows);
    }
    let withheld = rows.iter().filter(|row| row.body.is_none());
    let withheld: Vec<_> = withheld
        .map(|row| RowKey::decode(&row.key).expect("a key"))
        .collect();
    assert!(withheld.contains(&RowKey::Version(last, Ordinal(1))));
    assert!(withheld.iter().all(|key| key.uid() == last), "{withheld:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_takes_nothing_holds_up_no_deletion() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut uids = Vec::new();
    for _ in 0..40 {
        uids.push(north.create(60_000, &[]).await);
    }
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let asked = client.fetch_snapshot(request(&home(NORTH), u64::MAX)).await;
    let _unread = asked.expect("a snapshot");
    // It comes to wait for its reader while they are deleted.
    for uid in uids.into_iter().take(10) {
        north.delete(uid).await;
        eventually("its value is gone", || north.keeps_nothing()).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_waits_for_no_reader() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..40 {
        north.create(60_000, &[]).await;
    }
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let mut unread = Vec::new();
    let busy = loop {
        let asked = client.fetch_snapshot(request(&home(NORTH), u64::MAX)).await;
        match asked {
            Ok(responses) => unread.push(responses),
            Err(status) => break status,
        }
    };
    assert_eq!(cause(&busy), "Busy");
    north.first().stop.cancel();
    let deadline = soon();
    while client
        .fetch_snapshot(request(&home(NORTH), u64::MAX))
        .await
        .is_err()
    {
        assert!(Instant::now() < deadline, "those that nobody reads go on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
