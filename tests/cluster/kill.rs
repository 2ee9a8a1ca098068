//! `kill -9` of all nodes under load, again and again: no acknowledged write is lost.
//!
//! The ledger is kept here, by the process that is not killed. A value is the number of its write,
//! so what is read tells which write won. A write without an answer is repeated with its token
//! until the kill; the ledger then allows both values, and nothing else.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "what a test takes for granted"
)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use client::secrets::v1::{
    CreateSecretRequest, GetSecretValueRequest, PutSecretValueRequest, create_secret_request,
    get_secret_value_response, put_secret_value_request,
};
use client::{Client, Options};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::{Region, shell};

/// Rounds, unless `STRONGROOM_COUNT` says otherwise.
const ROUNDS: usize = 15;
/// Writers at once, each with a secret of its own.
const WRITERS: usize = 12;
/// The most acknowledged writes before a kill.
const WRITES_MAX: usize = 150;

/// What one writer knows of its secret.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// The last write that was acknowledged; 0 is none.
    acknowledged: u64,
    /// The last write that was sent.
    sent: u64,
}

/// How far a round is.
#[derive(Default)]
struct Round {
    acknowledged: AtomicUsize,
    killed: AtomicBool,
}

/// What must be there.
type Ledger = Arc<Mutex<BTreeMap<String, Entry>>>;

#[test]
#[ignore = "long"]
fn killing_all_nodes_under_load_loses_no_acknowledged_write() {
    let rounds = number("STRONGROOM_COUNT").map_or(ROUNDS, |rounds| rounds as usize);
    let seed = number("STRONGROOM_SEED").unwrap_or(20_261_123);
    println!("seed {seed}, {rounds} rounds; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    let mut random = StdRng::seed_from_u64(seed);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let ledger = Ledger::default();
    let mut region = Region::founded();
    let mut written = 0;
    for round in 1..=rounds {
        let goal = random.random_range(1..=WRITES_MAX);
        written += runtime.block_on(load_and_kill(&mut region, &ledger, goal));
        region.start_all();
        let unknown = runtime.block_on(verify(&region, &ledger));
        println!("round {round}: killed after {goal} writes, {unknown} of them had no answer");
    }
    region.wait_for_equal_hashes();
    let secrets = ledger.lock().unwrap().len();
    println!("soak: {rounds} kills, {written} acknowledged writes to {secrets} secrets, 0 lost");
}

/// Lets all writers write until `goal` writes were acknowledged, then kills every node.
async fn load_and_kill(region: &mut Region, ledger: &Ledger, goal: usize) -> usize {
    let round = Arc::new(Round::default());
    let client = client(region);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let name = format!("kill/{writer}");
            let write = write(client.clone(), name, ledger.clone(), round.clone());
            tokio::spawn(write)
        })
        .collect();
    shell::until("enough writes", || {
        (round.acknowledged.load(Ordering::Acquire) >= goal).then_some(())
    });
    region.kill_all();
    round.killed.store(true, Ordering::Release);
    for writer in writers {
        writer.await.unwrap();
    }
    round.acknowledged.load(Ordering::Acquire)
}

/// Writes until the kill.
async fn write(client: Client, name: String, ledger: Ledger, round: Arc<Round>) {
    loop {
        let number = {
            let mut ledger = ledger.lock().unwrap();
            let entry = ledger.entry(name.clone()).or_default();
            entry.sent += 1;
            entry.sent
        };
        // A leader may move by itself on a busy machine: the same write again, by its token.
        while !send(&client, &name, number).await {
            if round.killed.load(Ordering::Acquire) {
                return;
            }
        }
        ledger.lock().unwrap().get_mut(&name).unwrap().acknowledged = number;
        round.acknowledged.fetch_add(1, Ordering::Release);
    }
}

/// Whether a write was acknowledged. The first one creates the secret.
async fn send(client: &Client, name: &str, number: u64) -> bool {
    let client_request_token = format!("{:0>32}", format!("{name}-{number}"));
    let value = number.to_string();
    if number == 1 {
        let request = CreateSecretRequest {
            name: name.into(),
            client_request_token,
            value: Some(create_secret_request::Value::SecretString(value)),
            ..CreateSecretRequest::default()
        };
        client.create_secret(request).await.is_ok()
    } else {
        let request = PutSecretValueRequest {
            secret_id: name.into(),
            client_request_token,
            value: Some(put_secret_value_request::Value::SecretString(value)),
            ..PutSecretValueRequest::default()
        };
        client.put_secret_value(request).await.is_ok()
    }
}

/// Reads every secret from every node and compares it with the ledger. Returns how many writes
/// without an answer there were.
async fn verify(region: &Region, ledger: &Ledger) -> usize {
    let entries = ledger.lock().unwrap().clone();
    let mut unknown = 0;
    for (name, entry) in entries {
        unknown += usize::from(entry.acknowledged != entry.sent);
        let found = read(&client(region), &name).await;
        assert!(
            (entry.acknowledged..=entry.sent).contains(&found),
            "{name} is {found}, but {entry:?} was acknowledged and sent"
        );
        // What won is the truth from now on; a secret that was never made is made again.
        let settled = Entry {
            acknowledged: found,
            sent: found,
        };
        ledger.lock().unwrap().insert(name, settled);
    }
    unknown
}

/// The number of the write that a secret holds; 0 if there is no such secret.
async fn read(client: &Client, name: &str) -> u64 {
    let request = GetSecretValueRequest {
        secret_id: name.into(),
        ..Default::default()
    };
    let answer = match client.get_secret_value(request).await {
        Ok(answer) => answer,
        Err(error) if error.reason() == "ResourceNotFoundException" => return 0,
        Err(error) => panic!("{name}: {error}"),
    };
    match &answer.value {
        Some(get_secret_value_response::Value::SecretString(number)) => number.parse().unwrap(),
        other => panic!("{name}: {other:?}"),
    }
}

fn client(region: &Region) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    let mut options = Options::new(region.endpoints(), ca, cert, key);
    // A node that was killed does not answer; there is no use in waiting long for it.
    options.timeout = Duration::from_secs(5);
    Client::connect(options).unwrap()
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable)
        .ok()
        .map(|text| text.parse().unwrap())
}
