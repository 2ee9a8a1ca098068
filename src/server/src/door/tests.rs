//! I11 at the door itself: every rpc of the table, by every kind of caller.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tonic::Code;
use tonic::body::Body;
use tonic::service::Routes;
use tower::ServiceExt;
use wire::{Caller, ClientIdentity, PeerIdentity};

use super::{Bounds, Call, Door, Gate, Guests, answer};
use crate::authz::Proven;
use crate::errors::Refusal;
use crate::limits::REGION_CALLS_MAX;
use crate::methods::{CallerClass, METHODS, Method, Port};
use crate::metrics::Metrics;

const CLUSTER: &str = "00112233445566778899aabbccddeeff";
const REGION: &str = "eu-west-1";
const LINKED: &str = "eu-west-2";
const FARTHER: &str = "eu-west-4";

/// A door whose handlers answer `DataLoss`, so that a call that got through is known.
fn door(port: Port, requests_max: usize) -> Routes {
    let reached = || async { tonic::Status::data_loss("reached").into_http::<Body>() };
    let routes = Routes::from(axum::Router::new().fallback(reached));
    door_before(routes, port, requests_max)
}

fn door_before(routes: Routes, port: Port, requests_max: usize) -> Routes {
    let guests = Arc::new(Guests {
        cluster: CLUSTER.to_owned(),
        region: REGION.to_owned(),
        gate: Box::new(Only),
        open: Box::new(|_| Err(Refusal::bad_token())),
        is_member: Box::new(|peer| peer.node == 7),
        is_linked: Box::new(|peer| [LINKED, FARTHER].contains(&&*peer.region)),
    });
    let bounds = Bounds {
        deadline_default: Duration::from_secs(10),
        deadline_max: Duration::from_secs(10),
        requests_max,
    };
    Door::before(port, routes, guests, bounds, Metrics::new().unwrap().calls)
}

/// Lets the client `admin` pass.
struct Only;

#[tonic::async_trait]
impl Gate for Only {
    async fn pass(&self, call: &Call, _: &'static Method) -> Result<(), Refusal> {
        let Some(Proven::Certificate(shown)) = &call.proven else {
            return Err(Refusal::denied());
        };
        match &*shown.client {
            "admin" => Ok(()),
            "early" => Err(Refusal::no_root_feed()),
            _ => Err(Refusal::denied()),
        }
    }
}

async fn call(door: &Routes, path: &str, caller: Option<Caller>) -> Response<Body> {
    let mut request = Request::post(path).body(axum::body::Body::empty()).unwrap();
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    door.clone().oneshot(request).await.unwrap()
}

fn client(cluster: &str, name: &str) -> Option<Caller> {
    let (cluster, name) = (cluster.to_owned(), name.to_owned());
    Some(Caller::Client(ClientIdentity {
        cluster,
        name,
        public_key: [1; 32],
    }))
}

fn node(cluster: &str, region: &str) -> Option<Caller> {
    let (cluster, region) = (cluster.to_owned(), region.to_owned());
    Some(Caller::Peer(PeerIdentity {
        cluster,
        region,
        node: 7,
        public_key: [7; 32],
    }))
}

/// What anybody may reach.
const STRANGERS: &[CallerClass] = &[
    CallerClass::Stranger,
    CallerClass::StrangerWithToken,
    CallerClass::StrangerWithIdentity,
];

#[tokio::test]
async fn each_kind_of_caller_reaches_its_own_rpcs_and_no_others() {
    use CallerClass::{
        Client, ClientOrMember, LinkedRegion, Peer, PeerWithToken, Stranger, StrangerWithIdentity,
        StrangerWithToken,
    };
    let other_cluster = CLUSTER.replace('0', "1");
    let callers: [(Option<Caller>, &[CallerClass]); 10] = [
        (None, STRANGERS),
        (Some(Caller::Anonymous), STRANGERS),
        (client(CLUSTER, "somebody"), STRANGERS),
        (client(&other_cluster, "admin"), STRANGERS),
        (node(&other_cluster, REGION), STRANGERS),
        (node(&other_cluster, LINKED), STRANGERS),
        (node(CLUSTER, "eu-west-3"), STRANGERS),
        (
            client(CLUSTER, "admin"),
            &[
                Stranger,
                StrangerWithToken,
                StrangerWithIdentity,
                Client,
                ClientOrMember,
            ],
        ),
        (
            node(CLUSTER, REGION),
            &[
                Stranger,
                StrangerWithToken,
                StrangerWithIdentity,
                ClientOrMember,
                Peer,
                PeerWithToken,
            ],
        ),
        (
            node(CLUSTER, LINKED),
            &[
                Stranger,
                StrangerWithToken,
                StrangerWithIdentity,
                LinkedRegion,
            ],
        ),
    ];
    let doors = [
        (Port::Api, door(Port::Api, 8)),
        (Port::Peers, door(Port::Peers, 8)),
    ];
    for (caller, classes) in callers {
        for method in METHODS {
            for (port, door) in &doors {
                let code = answer::code(&call(door, method.path, caller.clone()).await);
                let may = classes.contains(&method.caller);
                let expected = match (method.port == *port, may) {
                    (false, _) => Code::Unimplemented,
                    (true, true) => Code::DataLoss,
                    (true, false) if matches!(caller, None | Some(Caller::Anonymous)) => {
                        Code::Unauthenticated
                    }
                    (true, false) => Code::PermissionDenied,
                };
                assert_eq!(code, expected, "{} {caller:?} {port:?}", method.path);
            }
        }
    }
}

#[tokio::test]
async fn what_the_table_does_not_list_is_not_served_to_anybody() {
    for port in [Port::Api, Port::Peers] {
        let door = door(port, 8);
        for path in [
            "/",
            "/x",
            "/strongroom.secrets.v1.SecretsService/",
            "/grpc.health.v1.Health",
        ] {
            for caller in [client(CLUSTER, "admin"), node(CLUSTER, REGION), None] {
                let code = answer::code(&call(&door, path, caller).await);
                assert_eq!(code, Code::Unimplemented, "{path}");
            }
        }
    }
}

#[tokio::test]
async fn every_refusal_carries_its_reason() {
    let door = door(Port::Api, 8);
    let get = "/strongroom.secrets.v1.SecretsService/GetSecretValue";
    let status = "/strongroom.admin.v1.AdminService/GetStatus";
    for (path, caller) in [
        ("/x", None),
        (get, None),
        (status, client(CLUSTER, "somebody")),
    ] {
        let response = call(&door, path, caller).await;
        assert!(
            response.headers().contains_key("grpc-status-details-bin"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_node_that_knows_no_administrator_yet_refuses_nobody_for_good() {
    let door = door(Port::Api, 8);
    let get = "/strongroom.admin.v1.AdminService/ListNodes";
    let early = answer::code(&call(&door, get, client(CLUSTER, "early")).await);
    assert_eq!(early, Code::Unavailable);
    let stranger = answer::code(&call(&door, get, client("other", "early")).await);
    assert_eq!(stranger, Code::PermissionDenied);
}

#[tokio::test]
async fn a_call_above_the_bound_is_told_to_wait() {
    let door = door(Port::Api, 0);
    let get = "/strongroom.secrets.v1.SecretsService/GetSecretValue";
    let response = call(&door, get, client(CLUSTER, "admin")).await;
    assert_eq!(answer::code(&response), Code::ResourceExhausted);
}

#[tokio::test]
async fn strangers_that_would_be_linked_keep_no_probe_out_and_probes_not_them() {
    let pending = || async { std::future::pending::<Response<Body>>().await };
    let (health, link) = (
        "/grpc.health.v1.Health/Check",
        "/strongroom.admin.v1.AdminService/Link",
    );
    let reached = || async { tonic::Status::data_loss("reached").into_http::<Body>() };
    for (blocked, free) in [(health, link), (link, health)] {
        let routes = axum::Router::new()
            .route(blocked, axum::routing::post(pending))
            .fallback(reached);
        let door = door_before(Routes::from(routes), Port::Api, 4);
        let strangers: Vec<_> = (0..100)
            .map(|_| {
                let door = door.clone();
                tokio::spawn(async move { call(&door, blocked, None).await })
            })
            .collect();
        tokio::task::yield_now().await;
        let code = answer::code(&call(&door, free, None).await);
        assert_eq!(code, Code::DataLoss, "{free}");
        strangers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

#[tokio::test]
async fn strangers_that_never_end_their_calls_keep_nobody_out() {
    let pending = || async { std::future::pending::<Response<Body>>().await };
    let get = "/strongroom.secrets.v1.SecretsService/GetSecretValue";
    let reached = || async { tonic::Status::data_loss("reached").into_http::<Body>() };
    let routes = axum::Router::new()
        .route("/grpc.health.v1.Health/Check", axum::routing::post(pending))
        .fallback(reached);
    let door = door_before(Routes::from(routes), Port::Api, 4);
    let strangers: Vec<_> = (0..100)
        .map(|_| {
            let door = door.clone();
            tokio::spawn(async move { call(&door, "/grpc.health.v1.Health/Check", None).await })
        })
        .collect();
    tokio::task::yield_now().await;
    let response = call(&door, get, client(CLUSTER, "admin")).await;
    assert_eq!(answer::code(&response), Code::DataLoss);
    let ended = async {
        for stranger in strangers {
            stranger.await.unwrap();
        }
    };
    let soon = 3 * crate::limits::STRANGER_DEADLINE;
    tokio::time::timeout(soon, ended).await.unwrap();
}

#[tokio::test]
async fn a_linked_region_that_never_ends_its_calls_keeps_nobody_but_itself_out() {
    let pending = || async { std::future::pending::<Response<Body>>().await };
    let reached = || async { tonic::Status::data_loss("reached").into_http::<Body>() };
    let (report, ask, vote) = (
        "/strongroom.replication.v1.ReplicationService/Report",
        "/strongroom.replication.v1.ReplicationService/Ask",
        "/strongroom.raft.v1.RaftService/Vote",
    );
    let routes = axum::Router::new()
        .route(report, axum::routing::post(pending))
        .fallback(reached);
    let door = door_before(Routes::from(routes), Port::Peers, 4);
    let calls: Vec<_> = (0..REGION_CALLS_MAX)
        .map(|_| {
            let door = door.clone();
            tokio::spawn(async move { call(&door, report, node(CLUSTER, LINKED)).await })
        })
        .collect();
    tokio::task::yield_now().await;
    for (path, region, expected) in [
        (ask, LINKED, Code::ResourceExhausted),
        (ask, FARTHER, Code::DataLoss),
        (vote, REGION, Code::DataLoss),
    ] {
        let code = answer::code(&call(&door, path, node(CLUSTER, region)).await);
        assert_eq!(code, expected, "{path} {region}");
    }
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    for call in calls {
        assert!(call.await.is_err(), "it was pending");
    }
    let code = answer::code(&call(&door, ask, node(CLUSTER, LINKED)).await);
    assert_eq!(code, Code::DataLoss, "its places are free again");
}

#[tokio::test]
async fn a_peer_reads_what_its_peer_said_with_its_marks() {
    let refused = || async {
        let mut status = tonic::Status::resource_exhausted("full");
        let mark = tonic::metadata::MetadataValue::from_static("1");
        status.metadata_mut().insert("strongroom-not-written", mark);
        status.into_http::<Body>()
    };
    let routes = Routes::from(axum::Router::new().fallback(refused));
    let door = door_before(routes, Port::Peers, 8);
    let forward = "/strongroom.raft.v1.RaftService/Forward";
    let response = call(&door, forward, node(CLUSTER, REGION)).await;
    assert_eq!(answer::code(&response), Code::ResourceExhausted);
    assert!(response.headers().contains_key("strongroom-not-written"));
}
