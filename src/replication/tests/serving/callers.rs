//! Who may call (R17), and for how long.

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{Command, Region, Scope, UpdateRegion};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};
use wire::replication::v1;
use wire::replication::v1::follow_request::Message as Said;
use wire::replication::v1::follow_response::Message;
use wire::{Caller, ClientIdentity, PeerIdentity};

use crate::support::copy::start;
use crate::support::following::{Client, Following, STREAM, begin, cause, client, origin};
use crate::support::region::{Served, entry};
use crate::support::{CLUSTER, NORTH, SOUTH, WEST, eventually, home, identity, name, node};

/// Calls every rpc, and gives how each was refused.
async fn refusals(region: &Served, caller: Caller, origin: v1::Origin) -> Vec<Status> {
    let mut client = client(region, caller);
    let mut statuses = streams(&mut client, &origin).await;
    let origin = Some(origin);
    let announce = v1::AnnounceRequest {
        origin: origin.clone(),
        authorities: Vec::new(),
        nodes: Vec::new(),
        signing_key: Bytes::new(),
    };
    let report = v1::ReportRequest {
        origin: origin.clone(),
        replicas: Vec::new(),
    };
    let asked = client.ask(v1::AskRequest { origin }).await.map(drop);
    let announced = client.announce(announce).await.map(drop);
    let reported = client.report(report).await.map(drop);
    let answers = [asked, announced, reported];
    statuses.extend(answers.map(|answer| answer.expect_err("a refusal")));
    statuses
}

/// Calls every rpc that streams.
async fn streams(client: &mut Client, origin: &v1::Origin) -> Vec<Status> {
    let origin = || Some(origin.clone());
    let offer = LinkOffer::generate().expect("an offer");
    let key = || Bytes::copy_from_slice(offer.public_key());
    let (stream, feed) = (Bytes::copy_from_slice(&STREAM), home(NORTH).to_string());
    let open = v1::Open {
        origin: origin(),
        stream: stream.clone(),
        public_key: key(),
        feeds: Vec::new(),
    };
    let open = v1::FollowRequest {
        message: Some(Said::Open(open)),
    };
    let compare = v1::CompareRequest {
        origin: origin(),
        stream: stream.clone(),
        public_key: key(),
        feed: feed.clone(),
        bucket: 0,
    };
    let rows = v1::FetchRowsRequest {
        origin: origin(),
        stream: stream.clone(),
        public_key: key(),
        feed: feed.clone(),
        keys: Vec::new(),
    };
    let snapshot = v1::FetchSnapshotRequest {
        origin: origin(),
        stream,
        public_key: key(),
        feed,
        at: None,
        after: Bytes::new(),
        value_bytes: 0,
    };
    let answers = [
        client.follow(tokio_stream::once(open)).await.map(drop),
        client.compare(tokio_stream::once(compare)).await.map(drop),
        client.fetch_rows(rows).await.map(drop),
        client.fetch_snapshot(snapshot).await.map(drop),
    ];
    let refused = answers.map(|answer| answer.expect_err("a refusal"));
    refused.into()
}

async fn all_refuse(region: &Served, caller: Caller, origin: v1::Origin, why: &str) {
    for status in refusals(region, caller, origin).await {
        assert_eq!(status.code(), Code::PermissionDenied, "{why}: {status:?}");
        assert_eq!(cause(&status), why);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_pinned_nodes_of_linked_regions_are_answered() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    let west = identity(WEST, 1);
    let own = origin(&west, &[]);
    let peer = |identity: &PeerIdentity| Caller::Peer(identity.clone());

    all_refuse(&north, Caller::Anonymous, own.clone(), "NotANode").await;
    let administrator = Caller::Client(ClientIdentity {
        cluster: CLUSTER.to_string(),
        name: "admin".to_owned(),
        public_key: [0; 32],
    });
    all_refuse(&north, administrator, own.clone(), "NotANode").await;
    let elsewhere = PeerIdentity {
        cluster: "0".repeat(32),
        ..west.clone()
    };
    all_refuse(&north, peer(&elsewhere), own.clone(), "OtherCluster").await;
    let member = identity(NORTH, 1);
    all_refuse(&north, peer(&member), origin(&member, &[]), "OwnRegion").await;
    let stranger = identity(SOUTH, 1);
    all_refuse(&north, peer(&stranger), origin(&stranger, &[]), "NotLinked").await;
    let unknown = identity(WEST, 2);
    all_refuse(&north, peer(&unknown), origin(&unknown, &[]), "NodeUnknown").await;
    let forged = PeerIdentity {
        public_key: [9; 32],
        ..west.clone()
    };
    all_refuse(&north, peer(&forged), own, "KeyNotPinned").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_speaks_for_another_one() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    north.link(SOUTH, Scope::Selected).await;
    let west = identity(WEST, 1);
    let caller = Caller::Peer(west.clone());
    let own = origin(&west, &[]);
    let forged = [
        origin(&identity(SOUTH, 1), &[]),
        origin(&identity(WEST, 2), &[]),
        v1::Origin {
            cluster: Bytes::from_static(&[0; 16]),
            ..own.clone()
        },
        v1::Origin {
            cluster: Bytes::new(),
            ..own
        },
    ];
    for origin in forged {
        all_refuse(&north, caller.clone(), origin, "OtherSender").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_unlinked_is_cut_at_once() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    for _ in 0..40 {
        north.create(30_000, &[]).await;
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
    // The reader takes nothing, so that most of the changes have yet to be sent.
    north.unlink(WEST).await;
    let mut changes = 0;
    let status = loop {
        match west.next().await {
            Ok(Message::Changes(sent)) => changes += sent.changes.len(),
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(status.code(), Code::PermissionDenied);
    assert_eq!(cause(&status), "NotLinked");
    assert!(
        (changes as u64) < all / 2,
        "{changes} of {all} changes came"
    );
    let again = Following::open(&north, identity(WEST, 1), &feeds).await;
    assert_eq!(cause(&again.map(drop).expect_err("a refusal")), "NotLinked");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_left_the_directory_is_cut_at_once() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut west = Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("a stream");
    let region = Region {
        nodes: vec![node(WEST, 2)],
        ..entry(WEST, Scope::Founder)
    };
    north
        .done(Command::UpdateRegion(UpdateRegion { region }))
        .await;
    let (_, status) = west.end().await;
    assert_eq!(cause(&status), "NodeUnknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_region_has_eight_streams_and_no_more() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.link(SOUTH, Scope::All).await;
    let mut streams = Vec::new();
    for _ in 0..8 {
        streams.push(
            Following::open(&north, identity(WEST, 1), &[])
                .await
                .expect("a stream"),
        );
    }
    let ninth = Following::open(&north, identity(WEST, 1), &[]).await;
    let status = ninth.map(drop).expect_err("a refusal");
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(cause(&status), "Busy");
    Following::open(&north, identity(SOUTH, 1), &[])
        .await
        .expect("another region's");
    let followers = north.first().replication.followers();
    let open = || followers.of(&name(WEST)).map_or(0, |west| west.streams);
    assert_eq!(open(), 8);
    streams.clear();
    eventually("the streams end", || open() == 0).await;
    Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_says_nothing_first_is_ended() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let (_silent, asked) = tokio::sync::mpsc::channel::<v1::FollowRequest>(1);
    let follows = client.follow(ReceiverStream::new(asked)).await;
    assert_eq!(cause(&follows.map(drop).expect_err("a refusal")), "Silent");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_when_the_node_stops() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut west = Following::open(&north, identity(WEST, 1), &[])
        .await
        .expect("a stream");
    north.first().stop.cancel();
    let (_, status) = west.end().await;
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(cause(&status), "Stopping");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_opening_on_one_stream_is_none() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let west = identity(WEST, 1);
    let mut stream = Following::open(&north, west.clone(), &[])
        .await
        .expect("a stream");
    stream.say(Said::Open(v1::Open::default())).await;
    let (_, status) = stream.end().await;
    assert_eq!(status.code(), Code::InvalidArgument);
    let first = Said::Acknowledge(v1::Acknowledge::default());
    let status = begin(&north, &west, first)
        .await
        .map(drop)
        .expect_err("a refusal");
    assert_eq!(cause(&status), "Malformed");
}
