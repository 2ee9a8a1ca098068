//! R9: who lost a right reads nothing that was written after that, through whichever node.

use std::net::SocketAddr;
use std::sync::Arc;

use consensus::SystemClock;
use strongroom_server::{Broken, Danger, Node, Start};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tonic::Code;
use wire::access::v1::update_principal_request::Change;
use zeroize::Zeroizing;

use super::canary::metrics;
use super::harness::{Region, SecretsClient, eventually};
use super::principals::{change, inline, known, policy};
use super::requests::{create, put, read};

/// A road to one port, which can be cut: what is under way then comes when it is whole again.
struct Road {
    address: SocketAddr,
    leads_to: watch::Sender<Option<SocketAddr>>,
    is_whole: watch::Sender<bool>,
}

impl Road {
    /// One that leads nowhere before it is told where to.
    async fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let road = Self {
            address: listener.local_addr().unwrap(),
            leads_to: watch::Sender::new(None),
            is_whole: watch::Sender::new(true),
        };
        let (leads_to, is_whole) = (road.leads_to.subscribe(), road.is_whole.subscribe());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(carry(stream, leads_to.clone(), is_whole.clone()));
            }
        });
        road
    }
}

/// Carries a connection until either side ends it.
async fn carry(
    near: TcpStream,
    mut leads_to: watch::Receiver<Option<SocketAddr>>,
    is_whole: watch::Receiver<bool>,
) {
    let Ok(to) = leads_to.wait_for(Option::is_some).await.map(|to| *to) else {
        return;
    };
    let Ok(far) = TcpStream::connect(to.unwrap()).await else {
        return;
    };
    let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
    tokio::join!(
        copy(near_in, far_out, is_whole.clone()),
        copy(far_in, near_out, is_whole)
    );
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_whole: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut bytes).await {
        let is_there = is_whole.wait_for(|is_whole| *is_whole).await.is_ok();
        if !is_there || to.write_all(&bytes[..count]).await.is_err() {
            return;
        }
    }
}

/// How often a node was asked how far the log is committed.
fn asked(address: SocketAddr) -> u64 {
    let told = metrics(address);
    let counts = told.lines().filter_map(|line| {
        let (what, count) = line.rsplit_once(' ')?;
        let is_it =
            what.starts_with("strongroom_server_requests_total") && what.contains("/ReadIndex\"");
        is_it.then(|| count.parse::<u64>().unwrap())
    });
    counts.sum()
}

/// Lets a user read a secret through a follower that hears nothing, after the user was turned off
/// and the secret was written again: what came of the read once the follower hears again.
async fn read_after_revocation(danger: Danger) -> Result<String, Code> {
    let mut region = Region::start(2).await;
    let road = Road::new().await;
    let token = Zeroizing::new(region.join_token().await);
    let address = region.address();
    let mut config = region.files.config(3);
    config.peers.advertise = road.address.to_string();
    let join = Start::Join { address, token };
    let third = Node::start_broken(config, join, Arc::new(SystemClock), danger).await;
    let third = third.unwrap();
    road.leads_to.send_replace(Some(third.addresses().peers));
    let api = third.addresses().api;
    region.nodes.push(third);
    region.until_ready(3).await;
    let mut admin = region.access();
    let alice = known(&mut admin, "alice").await;
    let everything = policy("Allow", "secretsmanager:GetSecretValue", "*");
    change(&mut admin, &alice, inline("all", &everything))
        .await
        .unwrap();
    let mut root = region.secrets(0);
    root.create_secret(create("s", 1, "before")).await.unwrap();
    let pair = region.files.layout.client(super::harness::REGION, "alice");
    if !pair.cert.exists() {
        region.files.client("alice");
    }
    let mut reader = SecretsClient::new(region.files.channel(api, &pair));
    assert_eq!(read(&mut reader, "s").await.unwrap(), "before");
    road.is_whole.send_replace(false);
    change(&mut admin, &alice, Change::Enabled(false))
        .await
        .unwrap();
    root.put_secret_value(put("s", 2, "after")).await.unwrap();
    let operations: Vec<_> = region
        .nodes
        .iter()
        .map(|node| node.addresses().operations)
        .collect();
    let all_asked = || {
        operations
            .iter()
            .map(|address| asked(*address))
            .sum::<u64>()
    };
    let before = all_asked();
    let reading = tokio::spawn(async move { read(&mut reader, "s").await });
    eventually("the follower asks how far it must be", async || {
        all_asked() > before
    })
    .await;
    road.is_whole.send_replace(true);
    let outcome = reading.await.unwrap();
    region.stop().await;
    outcome.map_err(|status| status.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_turned_off_before_a_write_does_not_read_it_through_a_follower_that_lags() {
    assert_eq!(
        read_after_revocation(Danger::NONE).await,
        Err(Code::PermissionDenied)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_authorizes_before_the_barrier_is_caught() {
    let broken = Danger::of(Broken::AuthorizesBeforeBarrier);
    assert_eq!(read_after_revocation(broken).await, Ok("after".to_owned()));
}
