//! Regions in one process: nodes over pipes, and callers who say they are whom a test wants.
#![allow(dead_code)]

pub mod copy;
pub mod fake;
pub mod following;
#[path = "../../src/kit.rs"]
pub mod kit;
pub mod pipes;
pub mod region;

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use tokio::time::Instant;
use wire::PeerIdentity;

pub use self::kit::{CLUSTER, NORTH, SOUTH, WEST, address, home, name, node};

/// Long enough for anything that happens at all.
pub const PATIENCE: Duration = Duration::from_secs(20);
pub fn soon() -> Instant {
    Instant::now() + PATIENCE
}

/// Whom a node of a region proves to be.
pub fn identity(region: &str, id: u64) -> PeerIdentity {
    PeerIdentity {
        cluster: CLUSTER.to_string(),
        region: region.to_owned(),
        node: id,
        public_key: node(region, id).public_key.0,
    }
}

/// The certificate that issues those of a region's nodes.
pub fn authority(cluster: &str, region: &str) -> Bytes {
    let directory = tempfile::tempdir().expect("a directory");
    let layout = wire::certs::Layout::new(directory.path());
    wire::certs::init(&layout, Some(cluster), region).expect("authorities");
    let pem = std::fs::read_to_string(layout.issuer(region).cert).expect("a certificate");
    let begun = pem
        .split("-----BEGIN CERTIFICATE-----")
        .nth(1)
        .expect("a beginning");
    let body = begun.split("-----END").next().expect("an end");
    let text: String = body.split_whitespace().collect();
    STANDARD.decode(text).expect("base64").into()
}

/// Waits until `true`, or fails the test.
pub async fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = soon();
    while !holds() {
        assert!(Instant::now() < deadline, "never happened: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
