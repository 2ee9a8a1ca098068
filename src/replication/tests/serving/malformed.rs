//! Messages that are none: each is refused as such, nothing is changed, and the next call is
//! served.

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{FeedId, RowKey, Scope};
use tonic::{Code, Status};
use wire::Caller;
use wire::replication::v1;
use wire::replication::v1::follow_request::Message as Said;

use crate::support::copy::start;
use crate::support::following::{Client, Following, STREAM, begin, cause, client, cursor, origin};
use crate::support::region::Served;
use crate::support::{NORTH, WEST, home, identity};

fn key() -> Bytes {
    let offer = LinkOffer::generate().expect("an offer");
    Bytes::copy_from_slice(offer.public_key())
}

fn well_formed() -> v1::Open {
    v1::Open {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: key(),
        feeds: vec![cursor(&home(NORTH), &start())],
    }
}

fn is_invalid(status: &Status, what: &str) {
    assert_eq!(status.code(), Code::InvalidArgument, "{what}: {status:?}");
    let cause = cause(status);
    assert!(cause == "Malformed" || cause == "NoKey", "{what}: {cause}");
}

fn claim(feed: &str, region: &str) -> v1::Claim {
    v1::Claim {
        feed: feed.to_owned(),
        number: 1,
        region: region.to_owned(),
    }
}

/// An opening that asks for feeds.
fn of_feeds(feeds: Vec<v1::FeedCursor>) -> v1::Open {
    v1::Open {
        feeds,
        ..well_formed()
    }
}

/// An opening that asks for one feed from a place that was changed.
fn of(change: impl Fn(&mut v1::FeedCursor)) -> v1::Open {
    let mut at = cursor(&home(NORTH), &start());
    change(&mut at);
    of_feeds(vec![at])
}

/// An opening that claims something.
fn claiming(epochs: Vec<v1::Claim>) -> v1::Open {
    v1::Open {
        origin: Some(v1::Origin {
            epochs,
            ..origin(&identity(WEST, 1), &[])
        }),
        ..well_formed()
    }
}

/// An opening with something else for a stream's name and a key.
fn with(stream: &'static [u8], public_key: Bytes) -> v1::Open {
    v1::Open {
        stream: Bytes::from_static(stream),
        public_key,
        ..well_formed()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_opening_that_is_none_is_refused() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let before = north.state().node_hash();
    let at = cursor(&home(NORTH), &start());
    let nobody = v1::Open {
        origin: None,
        ..well_formed()
    };
    let cases = [
        ("no origin", nobody),
        ("no stream", with(&[], key())),
        ("a long stream", with(&[0; 17], key())),
        ("no key", with(&STREAM, Bytes::new())),
        ("a short key", with(&STREAM, key().slice(1..))),
        ("too many feeds", of_feeds(vec![at; 66])),
        ("no feed", of(|at| at.feed.clear())),
        (
            "another kind",
            of(|at| "guest/eu-west-1".clone_into(&mut at.feed)),
        ),
        ("no region", of(|at| "home/..".clone_into(&mut at.feed))),
        (
            "a short chain",
            of(|at| at.chain = Bytes::from_static(&[0; 31])),
        ),
        ("a revision without epoch", of(|at| at.revision = 1)),
        ("an epoch without region", of(|at| at.epoch = 1)),
        (
            "an epoch of none",
            of(|at| "?".clone_into(&mut at.epoch_region)),
        ),
        ("too many claims", claiming(vec![claim("root", WEST); 66])),
        ("a claim to nothing", claiming(vec![claim("", WEST)])),
        ("a claim of nobody", claiming(vec![claim("root", "")])),
    ];
    for (what, open) in cases {
        let begun = begin(&north, &identity(WEST, 1), Said::Open(open)).await;
        is_invalid(&begun.map(drop).expect_err(what), what);
    }
    assert_eq!(north.state().node_hash(), before);
    let feeds = [(home(NORTH), start())];
    Following::open(&north, identity(WEST, 1), &feeds)
        .await
        .expect("the next is served");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_acknowledgement_that_is_none_ends_the_stream() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let own = Some(origin(&identity(WEST, 1), &[]));
    let said = |number, feeds| v1::Acknowledge {
        origin: own.clone(),
        number,
        feeds,
    };
    let short = v1::FeedCursor {
        chain: Bytes::new(),
        ..cursor(&FeedId::Root, &start())
    };
    let cases = [
        (
            "no origin",
            v1::Acknowledge {
                origin: None,
                ..said(1, vec![])
            },
        ),
        ("no number", said(0, vec![])),
        (
            "too many feeds",
            said(1, vec![cursor(&FeedId::Root, &start()); 66]),
        ),
        ("a short chain", said(1, vec![short])),
    ];
    for (what, acknowledge) in cases {
        let mut west = Following::open(&north, identity(WEST, 1), &[])
            .await
            .expect("a stream");
        west.say(Said::Acknowledge(acknowledge)).await;
        let (_, status) = west.end().await;
        is_invalid(&status, what);
    }
    let mut west = Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("a stream");
    west.acknowledge(5, &[]).await;
    west.acknowledge(5, &[]).await;
    let (_, status) = west.end().await;
    is_invalid(&status, "a number twice");
    let mut west = Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("a stream");
    let forged = v1::Acknowledge {
        origin: Some(origin(&identity(NORTH, 1), &[])),
        ..said(1, vec![])
    };
    west.say(Said::Acknowledge(forged)).await;
    let (_, status) = west.end().await;
    assert_eq!(cause(&status), "OtherSender");
}

async fn fetch(client: &mut Client, request: v1::FetchRowsRequest) -> Result<(), Status> {
    client.fetch_rows(request).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_are_asked_for_properly_or_not_at_all() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let rows = || v1::FetchRowsRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: key(),
        feed: home(NORTH).to_string(),
        keys: Vec::new(),
    };
    let local = Bytes::from(RowKey::Machine.encode());
    type Spoil<'a> = &'a dyn Fn(&mut v1::FetchRowsRequest);
    let cases: [(&str, Spoil<'_>); 6] = [
        ("no feed", &|asked| asked.feed.clear()),
        ("no key of a row", &|asked| asked.keys = vec![Bytes::new()]),
        ("a local row", &|asked| asked.keys = vec![local.clone()]),
        ("too many keys", &|asked| {
            asked.keys = vec![local.clone(); 1_001];
        }),
        ("no stream", &|asked| asked.stream.clear()),
        ("no public key", &|asked| asked.public_key.clear()),
    ];
    for (what, spoil) in cases {
        let mut asked = rows();
        spoil(&mut asked);
        is_invalid(&fetch(&mut client, asked).await.expect_err(what), what);
    }
    let unknown = v1::FetchRowsRequest {
        feed: home(WEST).to_string(),
        ..rows()
    };
    let status = fetch(&mut client, unknown).await.expect_err("not led here");
    assert_eq!(cause(&status), "NotPrimary");
}

#[tokio::test(flavor = "multi_thread")]
async fn snapshots_are_asked_for_properly_or_not_at_all() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let snapshot = || v1::FetchSnapshotRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key: key(),
        feed: home(NORTH).to_string(),
        at: None,
        after: Bytes::new(),
        value_bytes: 0,
    };
    let other = Some(cursor(&FeedId::Root, &start()));
    let odd = Bytes::from_static(&[0x48, 1]);
    let cases = [
        (
            "no feed",
            v1::FetchSnapshotRequest {
                feed: "root/".to_owned(),
                ..snapshot()
            },
        ),
        (
            "after no key",
            v1::FetchSnapshotRequest {
                after: odd,
                ..snapshot()
            },
        ),
        (
            "at another feed's place",
            v1::FetchSnapshotRequest {
                at: other,
                ..snapshot()
            },
        ),
    ];
    for (what, request) in cases {
        let fetched = client.fetch_snapshot(request).await.map(drop);
        is_invalid(&fetched.expect_err(what), what);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_regions_say_of_their_copies_is_bounded() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let before = north.state().node_hash();
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let own = Some(origin(&identity(WEST, 1), &[]));
    let report = |replicas| v1::ReportRequest {
        origin: own.clone(),
        replicas,
    };
    let sound = v1::ReplicaReport {
        uid: Bytes::from_static(&[1; 16]),
        state: v1::ReplicaState::InSync.into(),
        message: String::new(),
        access_day: 0,
    };
    let cases = [
        (
            "a short uid",
            vec![v1::ReplicaReport {
                uid: Bytes::new(),
                ..sound.clone()
            }],
        ),
        (
            "no state",
            vec![v1::ReplicaReport {
                state: 0,
                ..sound.clone()
            }],
        ),
        (
            "another state",
            vec![v1::ReplicaReport {
                state: 77,
                ..sound.clone()
            }],
        ),
        ("too many", vec![sound; 1_001]),
    ];
    for (what, replicas) in cases {
        let status = client
            .report(report(replicas))
            .await
            .map(drop)
            .expect_err(what);
        is_invalid(&status, what);
    }
    assert_eq!(north.state().node_hash(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_regions_say_of_themselves_is_bounded() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let before = north.state().node_hash();
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let own = Some(origin(&identity(WEST, 1), &[]));
    let node = v1::Node {
        id: 1,
        peer_address: "h:1".to_owned(),
        api_address: "h:2".to_owned(),
        public_key: Bytes::from_static(&[1; 32]),
    };
    let announce = |authorities, nodes| v1::AnnounceRequest {
        origin: own.clone(),
        authorities,
        nodes,
        signing_key: Bytes::new(),
    };
    let unsigned = v1::AnnounceRequest {
        signing_key: Bytes::from_static(&[1; 31]),
        ..announce(vec![], vec![node.clone()])
    };
    let junk = Bytes::from_static(b"no certificate");
    let short = v1::Node {
        public_key: Bytes::new(),
        ..node.clone()
    };
    let cases = [
        (
            "no certificate",
            announce(vec![junk.clone()], vec![node.clone()]),
        ),
        (
            "too many certificates",
            announce(vec![junk; 5], vec![node.clone()]),
        ),
        ("a node of no key", announce(vec![], vec![short])),
        ("too many nodes", announce(vec![], vec![node; 17])),
        ("a key of 31 bytes", unsigned),
    ];
    for (what, request) in cases {
        let status = client.announce(request).await.map(drop).expect_err(what);
        is_invalid(&status, what);
    }
    assert_eq!(north.state().node_hash(), before);
}
