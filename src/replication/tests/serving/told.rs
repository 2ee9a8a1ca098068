//! What is asked and said in one call.

use std::time::Duration;

use bytes::Bytes;
use machine::{Epoch, FeedId, MACHINE_VERSION, ReplicaState, Scope};
use tokio::time::Instant;
use tonic::{Code, Status};
use wire::Caller;
use wire::replication::v1;

use crate::support::following::{cause, client, cursor, origin};
use crate::support::region::Served;
use crate::support::{NORTH, SOUTH, WEST, authority, home, identity, name};

async fn ask(region: &Served) -> Result<v1::AskResponse, Status> {
    let request = v1::AskRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
    };
    let mut client = client(region, Caller::Peer(identity(WEST, 1)));
    Ok(client.ask(request).await?.into_inner())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_says_where_it_stands_and_what_it_leads() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.create(10, &[]).await;
    let said = ask(&north).await.expect("an answer");
    let mut leads = said.leads.clone();
    leads.sort();
    assert_eq!(leads, [home(NORTH).to_string(), "root".to_owned()]);
    let state = north.state();
    for feed in [FeedId::Root, home(NORTH)] {
        let at = cursor(&feed, &state.feed(&feed).expect("a feed").cursor());
        assert!(said.feeds.contains(&at));
    }
    assert_eq!((said.leader, said.machine_version), (1, MACHINE_VERSION.0));
    let origin = said.origin.expect("an origin");
    assert_eq!((origin.region.as_str(), origin.node), (NORTH, 1));
    let taken = Epoch {
        number: 2,
        region: name(WEST),
    };
    north.first().epochs.hear(&state, &[(home(NORTH), taken)]);
    assert_eq!(ask(&north).await.expect("an answer").leads, ["root"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_quorum_a_region_leads_nothing() {
    let mut north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.join().await;
    assert_eq!(ask(&north).await.expect("an answer").leads.len(), 2);
    north.lose_quorum().await;
    let began = Instant::now();
    let said = ask(&north).await.expect("an answer");
    assert!(said.leads.is_empty());
    assert_eq!(said.feeds.len(), 2, "where it stands it says all the same");
    // What is above 300 ms is left to a machine that is busy.
    let waited = began.elapsed();
    assert!(waited < Duration::from_secs(2), "{waited:?}");
}

fn report(uid: Bytes, state: v1::ReplicaState) -> v1::ReportRequest {
    v1::ReportRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        replicas: vec![v1::ReplicaReport {
            uid,
            state: state.into(),
            message: "no key of that name".to_owned(),
            access_day: 20_000,
        }],
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_reports_its_own_copies_only() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::Selected).await;
    north.link(SOUTH, Scope::Selected).await;
    let uid = north.create(10, &[WEST, SOUTH]).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let bytes = Bytes::copy_from_slice(&uid.0);
    let failed = report(bytes, v1::ReplicaState::Failed);
    client.report(failed).await.expect("taken in");
    let status = |region: &str| north.state().replica_status(&uid, &name(region)).cloned();
    let west = status(WEST).expect("a status");
    assert_eq!(west.state, ReplicaState::Failed);
    assert_eq!(
        (west.message.as_str(), west.access_day),
        ("no key of that name", 20_000)
    );
    assert_eq!(
        status(SOUTH).expect("a status").state,
        ReplicaState::InProgress
    );
    let unknown = report(Bytes::from_static(&[1; 16]), v1::ReplicaState::InSync);
    client.report(unknown).await.expect("passed over");
}

fn announce(authorities: Vec<Bytes>, ids: &[u64]) -> v1::AnnounceRequest {
    let nodes = ids.iter().map(|id| v1::Node {
        id: *id,
        peer_address: format!("new-{id}:7421"),
        api_address: format!("new-{id}:7420"),
        public_key: Bytes::copy_from_slice(&[40 + u8::try_from(*id).expect("small"); 32]),
    });
    v1::AnnounceRequest {
        origin: Some(origin(&identity(WEST, 1), &[])),
        authorities,
        nodes: nodes.collect(),
        signing_key: Bytes::new(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_announces_itself_and_keeps_its_scope() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let cluster = crate::support::CLUSTER.to_string();
    let der = authority(&cluster, WEST);
    client
        .announce(announce(vec![der.clone()], &[2, 1]))
        .await
        .expect("taken in");
    let state = north.state();
    let west = state.linked(&name(WEST)).expect("a region");
    assert_eq!((west.scope, &west.authorities), (Scope::All, &vec![der]));
    let ids: Vec<u64> = west.nodes.iter().map(|node| node.id.0).collect();
    assert_eq!(ids, [1, 2]);
    let again = client.announce(announce(Vec::new(), &[1])).await;
    let status = again.map(drop).expect_err("its node has another key now");
    assert_eq!(cause(&status), "KeyNotPinned");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_tells_by_which_key_it_signs_and_keeps_the_one_it_told() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let der = authority(&crate::support::CLUSTER.to_string(), WEST);
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    // Of these nodes one calls again: its key stays what it was.
    let node = known_node(&north);
    let told = |key: &'static [u8]| v1::AnnounceRequest {
        nodes: vec![node.clone()],
        signing_key: Bytes::from_static(key),
        ..announce(vec![der.clone()], &[])
    };
    let held = || {
        let state = north.state();
        state.linked(&name(WEST)).and_then(|west| west.signing_key)
    };
    for (key, expected) in [
        (&[][..], None),
        (&[7; 32], Some([7; 32])),
        (&[], Some([7; 32])),
        (&[8; 32], Some([8; 32])),
    ] {
        client.announce(told(key)).await.expect("taken in");
        assert_eq!(held(), expected.map(machine::VerifyingKey));
    }
}

/// The node of the other region, as the directory has it.
fn known_node(north: &Served) -> v1::Node {
    let state = north.state();
    let west = state.linked(&name(WEST)).expect("a region");
    let node = west.nodes.first().expect("a node");
    v1::Node {
        id: node.id.0,
        peer_address: node.peer_address.clone(),
        api_address: node.api_address.clone(),
        public_key: Bytes::copy_from_slice(&node.public_key.0),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_announcement_must_leave_a_way_to_the_region() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    let mut client = client(&north, Caller::Peer(identity(WEST, 1)));
    let cluster = crate::support::CLUSTER.to_string();
    let (own, others) = (authority(&cluster, WEST), authority(&cluster, SOUTH));
    for (authorities, ids) in [(Vec::new(), &[1][..]), (vec![own], &[][..])] {
        let status = client.announce(announce(authorities, ids)).await;
        let status = status.map(drop).expect_err("a refusal");
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(cause(&status), "Rejected");
    }
    let forged = client.announce(announce(vec![others], &[1])).await;
    assert_eq!(
        cause(&forged.map(drop).expect_err("a refusal")),
        "Malformed"
    );
}

/// An authority of somebody else's, which does not say for which region it issues.
fn foreign() -> Bytes {
    let own = authority(&crate::support::CLUSTER.to_string(), SOUTH);
    let named = b"strongroom://";
    let at = own.windows(named.len()).position(|part| part == named);
    let mut der = own.to_vec();
    let letter = at.map(|at| at + 3).and_then(|at| der.get_mut(at));
    *letter.expect("a name") = b'a';
    der.into()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_is_no_second_regions() {
    let north = Served::founder(NORTH).await;
    north.link(WEST, Scope::All).await;
    north.link(SOUTH, Scope::All).await;
    let der = foreign();
    let mut south = client(&north, Caller::Peer(identity(SOUTH, 1)));
    let first = v1::AnnounceRequest {
        origin: Some(origin(&identity(SOUTH, 1), &[])),
        ..announce(vec![der.clone()], &[1])
    };
    south.announce(first).await.expect("taken in");
    let mut west = client(&north, Caller::Peer(identity(WEST, 1)));
    let second = west.announce(announce(vec![der], &[1])).await;
    let status = second.map(drop).expect_err("a refusal");
    assert_eq!(cause(&status), "Malformed");
}
