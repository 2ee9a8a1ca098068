//! `kill -9` of all nodes under load, again and again: no answered call is without its record.
//!
//! The ledger is kept here, by the process that is not killed. A write is known by its token, which
//! is the version that its record names, and a read by the name of the missing secret it asks for.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::admin::v1::SearchAuditRequest;
use client::secrets::v1::{
    CreateSecretRequest, GetSecretValueRequest, PutSecretValueRequest, create_secret_request,
    put_secret_value_request,
};
use client::{Client, Options};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::{Region, shell};

/// Rounds, unless `STRONGROOM_COUNT` says otherwise.
const ROUNDS: usize = 15;
/// Callers at once.
const CALLERS: usize = 8;
/// The most answered calls before a kill.
const CALLS_MAX: usize = 200;

/// How far a round is, and what was answered in it: versions written, names asked for.
#[derive(Default)]
struct Round {
    answered: Mutex<BTreeSet<String>>,
    count: AtomicUsize,
    killed: AtomicBool,
}

#[test]
#[ignore = "long"]
fn killing_all_nodes_under_load_leaves_no_answered_call_without_its_record() {
    let rounds = number("STRONGROOM_COUNT").map_or(ROUNDS, |rounds| rounds as usize);
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_201);
    println!("seed {seed}, {rounds} rounds; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let mut random = StdRng::seed_from_u64(seed);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut region = Region::founded();
    let (mut answered, mut unanswered) = (0, 0);
    for round in 1..=rounds {
        let goal = random.random_range(1..=CALLS_MAX);
        let told = runtime.block_on(load_and_kill(&mut region, round, goal));
        region.start_all();
        let recorded = runtime.block_on(recorded(&region));
        let lost: Vec<_> = told.difference(&recorded).collect();
        assert!(
            lost.is_empty(),
            "round {round}: answered and not recorded: {lost:?}"
        );
        let of_round = recorded.iter().filter(|name| is_of(name, round)).count();
        let more = of_round.saturating_sub(told.len());
        println!(
            "round {round}: {} answered, {more} more recorded",
            told.len()
        );
        answered += told.len();
        unanswered += more;
    }
    println!(
        "soak: {rounds} kills, {answered} answered calls, 0 without a record, {unanswered} \
         recorded and not answered"
    );
}

/// Lets all callers call until `goal` calls were answered, then kills every node.
async fn load_and_kill(region: &mut Region, number: usize, goal: usize) -> BTreeSet<String> {
    let round = Arc::new(Round::default());
    let client = client(region, region.endpoints());
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| tokio::spawn(call(client.clone(), number, caller, round.clone())))
        .collect();
    shell::until("enough calls", || {
        (round.count.load(Ordering::Acquire) >= goal).then_some(())
    });
    region.kill_all();
    round.killed.store(true, Ordering::Release);
    for caller in callers {
        caller.await.unwrap();
    }
    round.answered.lock().unwrap().clone()
}

/// Writes and reads in turn until the kill.
async fn call(client: Client, round: usize, caller: usize, told: Arc<Round>) {
    let secret = format!("audit/{caller}");
    let made = CreateSecretRequest {
        name: secret.clone(),
        value: Some(create_secret_request::Value::SecretString("x".into())),
        client_request_token: format!("{:0>32}", format!("made-{caller}")),
        ..CreateSecretRequest::default()
    };
    // It is there already in a later round.
    let _ = client.create_secret(made).await;
    for number in 1.. {
        let name = format!("{:0>32}", format!("call-{round}-{caller}-{number}"));
        let is_answered = match number % 2 {
            0 => {
                let request = PutSecretValueRequest {
                    secret_id: secret.clone(),
                    client_request_token: name.clone(),
                    value: Some(put_secret_value_request::Value::SecretString(name.clone())),
                    ..PutSecretValueRequest::default()
                };
                client.put_secret_value(request).await.is_ok()
            }
            _ => {
                let request = GetSecretValueRequest {
                    secret_id: name.clone(),
                    ..GetSecretValueRequest::default()
                };
                let answer = client.get_secret_value(request).await;
                let reason = answer.err().map(|error| error.reason().to_owned());
                reason.as_deref() == Some("ResourceNotFoundException")
            }
        };
        if is_answered {
            told.answered.lock().unwrap().insert(name);
            told.count.fetch_add(1, Ordering::Release);
        }
        if told.killed.load(Ordering::Acquire) {
            return;
        }
    }
}

/// The calls of which any node has a record.
async fn recorded(region: &Region) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for node in region.nodes() {
        let client = client(region, vec![region.api(node)]);
        for (method, result) in [
            ("PutSecretValue", "allowed"),
            ("GetSecretValue", "ResourceNotFoundException"),
        ] {
            let mut request = SearchAuditRequest {
                method: method.to_owned(),
                result: result.to_owned(),
                max_results: Some(1000),
                ..SearchAuditRequest::default()
            };
            loop {
                let page = client.search_audit(request.clone()).await.unwrap();
                assert_eq!((page.unreadable, page.unopened), (0, 0));
                for record in page.records {
                    found.insert(match method {
                        "PutSecretValue" => record.version_id,
                        _ => asked_for(&record.resource).to_owned(),
                    });
                }
                if page.next_token.is_empty() {
                    break;
                }
                request.next_token = page.next_token;
            }
        }
    }
    found
}

/// The name in the ARN that a secret would have that is not there.
fn asked_for(arn: &str) -> &str {
    let name = arn.rsplit(':').next().unwrap();
    name.rsplit_once('-').map_or(name, |(name, _)| name)
}

fn is_of(name: &str, round: usize) -> bool {
    name.contains(&format!("call-{round}-"))
}

fn client(region: &Region, endpoints: Vec<String>) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    let mut options = Options::new(endpoints, ca, cert, key);
    // A node that was killed does not answer; there is no use in waiting long for it.
    options.timeout = Duration::from_secs(5);
    Client::connect(options).unwrap()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}
