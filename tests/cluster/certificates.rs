//! Certificates that live for a minute, under load: nodes renew theirs, the issuer is replaced, and
//! callers with the client's defaults see no error. Who is revoked is cut off.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

mod load;

use std::sync::Arc;
use std::time::{Duration, Instant};

use client::certs::{self, Existing, Layout, NodeSpec, Validity};
use client::secrets::v1::WatchRequest;
use client::{Client, Options};
use serde_json::Value as Json;
use strongroom_tests::shell::until;
use strongroom_tests::{REGION, Region};
use tokio::runtime::Runtime;
use tokio_stream::StreamExt as _;

use load::{Ledger, Load, connect};

/// How long a certificate lives.
const LIFETIME: Duration = Duration::from_secs(60);
/// How long the short form watches renewals, in seconds: longer than the first certificates live.
const SECONDS: u64 = 75;
/// Within what time who is revoked must be cut off.
const CUT_MAX: Duration = Duration::from_secs(10);
/// The client that is revoked.
const WATCHER: &str = "watcher";

#[test]
#[ignore = "lets certificates expire for two minutes"]
fn certificates_of_a_minute_their_issuer_and_revoked_clients_are_replaced_and_cut_under_load() {
    let seconds = std::env::var("STRONGROOM_COUNT").ok();
    let seconds = seconds.map_or(SECONDS, |count| count.parse().unwrap());
    let region = region();
    let certificates = region.path("certs");
    let of_region = ["--region", REGION, "--dir", &certificates];
    region
        .call(&[&["certs", "install-issuer"][..], &of_region].concat())
        .done();
    (1..=3).for_each(|node| shorten(&region, node));
    let runtime = Runtime::new().unwrap();
    let ledger = Ledger::new();
    let load = runtime.block_on(async { Load::start(&region, &ledger) });

    wait_for_writes(&ledger, Instant::now());
    ledger.forget_times();
    wait_for_writes(&ledger, Instant::now());
    let start = Instant::now();
    let end = start + Duration::from_secs(seconds);
    wait_until("the certificates of the beginning are over", end);
    let renewals: Vec<u64> = (1..=3).map(|node| renewals(&region, node)).collect();
    assert!(renewals.iter().all(|renewed| *renewed > 0), "{renewals:?}");
    no_call_failed(&ledger, "while certificates were renewed");

    let began = Instant::now();
    replace_issuer(&region, &of_region);
    let replaced = began.elapsed();
    // They go on with connections of the certificates before, and connect anew with the others.
    wait_for_writes(&ledger, Instant::now());
    no_call_failed(&ledger, "while the issuer was replaced");

    let cut = revoke(&region, &runtime, &of_region);
    wait_for_writes(&ledger, Instant::now());
    let (from, to) = ledger.gap(start);
    let slowest = ledger.slowest_write(start);
    let counts = runtime.block_on(load.stop());
    let client = runtime.block_on(async { connect(&region, region.endpoints()) });
    runtime.block_on(ledger.verify(&client, false));
    let failed = ledger.failed();
    println!(
        "soak: certificates of {} s for {seconds} s under load, {renewals:?} renewals of the \
         nodes, {} of {} calls failed, {} were repeated; {} acknowledged writes; the issuer \
         replaced in {:.1} s; a revoked client was cut off after {:.1} s; longest time without an \
         acknowledged write {:?}, slowest write {slowest:?}",
        LIFETIME.as_secs(),
        failed.len(),
        counts.calls,
        counts.repeated,
        ledger.writes(),
        replaced.as_secs_f64(),
        cut.as_secs_f64(),
        to - from,
    );
    assert!(failed.is_empty(), "{failed:#?}");
}

/// Three voters that renew for a minute.
fn region() -> Region {
    let mut region = Region::prepared();
    for node in 1..=3 {
        let path = region.config_path(node);
        let config = std::fs::read_to_string(&path).unwrap();
        let lines = "[tls]\ncertificate_lifetime = \"60s\"\nreload_interval = \"200ms\"";
        std::fs::write(&path, config.replace("[tls]", lines)).unwrap();
    }
    region.grow(3);
    region
}

/// Puts a certificate of a node in place that ends in a minute.
fn shorten(region: &Region, node: u64) {
    let spec = NodeSpec {
        region: REGION.to_owned(),
        node,
        names: vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
        validity: Validity::lasting(LIFETIME),
    };
    let layout = Layout::new(region.path("certs"));
    certs::issue_node(&layout, &spec, Existing::Renew).unwrap();
}

/// How often a node has renewed, by its metrics.
fn renewals(region: &Region, node: u64) -> u64 {
    let metrics = region.metrics(node);
    let name = "strongroom_server_certificate_renewals_total{result=\"renewed\"} ";
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix(name));
    count.unwrap().parse().unwrap()
}

/// Replaces the issuer, gives the administrator a certificate of the new one, and retires the one
/// before.
fn replace_issuer(region: &Region, of_region: &[&str]) {
    let rotate = [&["certs", "rotate-ca"][..], of_region].concat();
    region.call(&rotate).done();
    until("every node has a certificate of the new issuer", || {
        let status = region.call(&["certs", "status", "--live", "-o", "json"]);
        let status = (status.code == Some(0)).then(|| status.json())?;
        let all = status["certificates"].as_array()?;
        let mut nodes = all.iter().filter(|of| of["of"] != "issuer");
        nodes
            .all(|node| node["state"] == "renewed by itself")
            .then_some(())
    });
    let client = ["certs", "issue", "client", "administrator", "--renew"];
    region.call(&[&client[..], of_region].concat()).done();
    region
        .call(&[&rotate[..], &["--finish", "--yes"]].concat())
        .done();
    let status = region.call(&["certs", "status", "--live", "-o", "json"]);
    let status: Json = status.done().json();
    assert_eq!(status["retired"].as_array().unwrap().len(), 1, "{status}");
}

/// Takes a client that watches its certificate's credential, and tells after what time it knows.
fn revoke(region: &Region, runtime: &Runtime, of_region: &[&str]) -> Duration {
    let client = ["certs", "issue", "client", WATCHER];
    region.call(&[&client[..], of_region].concat()).done();
    region.call(&["user", "create", WATCHER]).done();
    let user = format!("user/{WATCHER}");
    let bind = ["credential", "bind", &user, "--subject", WATCHER];
    region.call(&bind).done();
    // It is kept, and its connection with it: nobody but a node ends that.
    let watcher = watcher(region, runtime);
    let mut watch = until("the watcher is known", || {
        let watch = watcher.watch(WatchRequest::default());
        runtime.block_on(watch).ok()
    });
    let began = Instant::now();
    region.call(&["user", "disable", WATCHER]).done();
    let ended = async { while let Some(Ok(_)) = watch.next().await {} };
    let ended = runtime.block_on(async { tokio::time::timeout(CUT_MAX, ended).await });
    ended.expect("the revoked client is cut off");
    let said = "connections ended whose callers have lost their right";
    until("a node says that it ended the connection", || {
        let mut nodes = region.nodes().into_iter();
        nodes
            .any(|node| region.log(node).contains(said))
            .then_some(())
    });
    began.elapsed()
}

fn watcher(region: &Region, runtime: &Runtime) -> Client {
    let [cert, key] = region.credentials(&format!("client-{WATCHER}"));
    let [ca, _] = region.authorities();
    let options = Options::new(region.endpoints(), ca, cert, key);
    runtime
        .block_on(async { Client::connect(options) })
        .unwrap()
}

fn no_call_failed(ledger: &Ledger, when: &str) {
    let failed = ledger.failed();
    assert!(failed.is_empty(), "{when}: {failed:#?}");
}

fn wait_for_writes(ledger: &Arc<Ledger>, since: Instant) {
    until("every caller's write is acknowledged", || {
        ledger.all_wrote_since(since).then_some(())
    });
}

/// Waits for a time that is longer than conditions take.
fn wait_until(what: &str, end: Instant) {
    while Instant::now() < end {
        let step = end.min(Instant::now() + Duration::from_secs(5));
        until(what, || (Instant::now() >= step).then_some(()));
    }
}
