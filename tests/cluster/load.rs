//! Callers that write and read all the time with the client's defaults, each with a client of its
//! own, and a ledger of what they may rely on.
//!
//! A value is the number of its write, so what is read tells which write won. A read must show at
//! least what was acknowledged when it began; that is checked all the time. A call that fails is
//! noted, and a write is sent again with its token.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::secrets::v1::{
    CreateSecretRequest, GetSecretValueRequest, PutSecretValueRequest, create_secret_request,
    get_secret_value_response, put_secret_value_request,
};
use client::{CallCounts, Client, Error, Options};
use strongroom_tests::Region;
use strongroom_tests::gaps::longest_gap;
use tokio::task::JoinSet;

/// Callers that write.
const WRITERS: usize = 6;
/// Callers that read.
const READERS: usize = 3;
/// Secrets of one writer: each is written seldom enough that its old versions may go.
const SECRETS: usize = 4;
/// What a caller waits between two calls.
const PAUSE: Duration = Duration::from_millis(5);

/// What one secret must hold.
#[derive(Default)]
struct Entry {
    acknowledged: AtomicU64,
    sent: AtomicU64,
}

/// A write that was acknowledged.
#[derive(Clone, Copy)]
struct Accepted {
    writer: usize,
    began: Instant,
    ended: Instant,
}

/// What was acknowledged, and when.
pub struct Ledger {
    entries: Vec<Entry>,
    accepted: Mutex<Vec<Accepted>>,
    writes: AtomicU64,
    failed: Mutex<Vec<String>>,
    stale: Mutex<Vec<String>>,
}

impl Ledger {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            entries: (0..WRITERS * SECRETS).map(|_| Entry::default()).collect(),
            accepted: Mutex::default(),
            writes: AtomicU64::default(),
            failed: Mutex::default(),
            stale: Mutex::default(),
        })
    }

    /// Forgets when writes were acknowledged so far.
    pub fn forget_times(&self) {
        self.accepted.lock().unwrap().clear();
    }

    /// Whether every writer had a write acknowledged that began after this.
    pub fn all_wrote_since(&self, since: Instant) -> bool {
        let accepted = self.accepted.lock().unwrap();
        let wrote = |writer| {
            let mut own = accepted.iter().filter(|write| write.writer == writer);
            own.any(|write| write.began > since)
        };
        (0..WRITERS).all(wrote)
    }

    /// The longest time without an acknowledged write, from the last one before this on.
    pub fn gap(&self, since: Instant) -> (Instant, Instant) {
        let accepted = self.accepted.lock().unwrap();
        let ends: Vec<Instant> = accepted.iter().map(|write| write.ended).collect();
        longest_gap(&ends, since).expect("writes on both sides")
    }

    /// How long the slowest write took of those acknowledged after this.
    pub fn slowest_write(&self, since: Instant) -> Duration {
        let accepted = self.accepted.lock().unwrap();
        let later = accepted.iter().filter(|write| write.ended > since);
        let took = later.map(|write| write.ended - write.began);
        took.max().unwrap_or_default()
    }

    /// All acknowledged writes.
    pub fn writes(&self) -> u64 {
        self.writes.load(Ordering::SeqCst)
    }

    /// What calls failed with.
    pub fn failed(&self) -> Vec<String> {
        self.failed.lock().unwrap().clone()
    }

    /// Reads every secret, and fails when one does not hold what it must. A client of one node may
    /// be left without an answer, where that is said.
    pub async fn verify(&self, client: &Client, may_fail: bool) {
        for secret in 0..self.entries.len() {
            let read = self.read(client, secret).await;
            assert!(may_fail || read.is_ok(), "{}: {read:?}", name(secret));
        }
        let stale = self.stale.lock().unwrap();
        assert!(stale.is_empty(), "{stale:#?}");
    }

    async fn read(&self, client: &Client, secret: usize) -> Result<(), Error> {
        let entry = &self.entries[secret];
        let least = entry.acknowledged.load(Ordering::SeqCst);
        if least == 0 {
            return Ok(());
        }
        let found = value(client, &name(secret)).await?;
        let most = entry.sent.load(Ordering::SeqCst);
        if !(least..=most).contains(&found) {
            let line = format!("{}: {found}, not {least} to {most}", name(secret));
            self.stale.lock().unwrap().push(line);
        }
        Ok(())
    }

    fn fail(&self, what: &str, error: &Error) {
        let line = format!("{what}: {error:?}");
        println!("failed: {line}");
        self.failed.lock().unwrap().push(line);
    }

    async fn write(&self, client: &Client, writer: usize, secret: usize, stop: &AtomicBool) {
        let entry = &self.entries[secret];
        let number = entry.sent.fetch_add(1, Ordering::SeqCst) + 1;
        let began = Instant::now();
        while let Err(error) = send(client, name(secret), number).await {
            self.fail("write", &error);
            if stop.load(Ordering::SeqCst) {
                return;
            }
        }
        let ended = Instant::now();
        entry.acknowledged.store(number, Ordering::SeqCst);
        self.writes.fetch_add(1, Ordering::SeqCst);
        let accepted = Accepted {
            writer,
            began,
            ended,
        };
        self.accepted.lock().unwrap().push(accepted);
    }
}

/// The callers, until they are stopped.
pub struct Load {
    clients: Vec<Client>,
    callers: JoinSet<()>,
    stop: Arc<AtomicBool>,
}

impl Load {
    /// Lets them begin; each at a node that chance chooses.
    pub fn start(region: &Region, ledger: &Arc<Ledger>) -> Self {
        let mut load = Self {
            clients: Vec::new(),
            callers: JoinSet::new(),
            stop: Arc::default(),
        };
        for writer in 0..WRITERS {
            let (client, ledger, stop) = load.caller(region, ledger);
            load.callers.spawn(async move {
                for turn in (0..SECRETS).cycle() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let secret = writer * SECRETS + turn;
                    ledger.write(&client, writer, secret, &stop).await;
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        for reader in 0..READERS {
            let (client, ledger, stop) = load.caller(region, ledger);
            load.callers.spawn(async move {
                for secret in (0..WRITERS * SECRETS).cycle().skip(reader * SECRETS) {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    if let Err(error) = ledger.read(&client, secret).await {
                        ledger.fail("read", &error);
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            });
        }
        load
    }

    /// Stops them, and tells how often they had to call.
    pub async fn stop(mut self) -> CallCounts {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.callers.join_next().await {
            ended.unwrap();
        }
        self.counts()
    }

    /// How often they have called so far.
    pub fn counts(&self) -> CallCounts {
        let mut all = CallCounts::default();
        for counts in self.clients.iter().map(Client::call_counts) {
            all.calls += counts.calls;
            all.repeated += counts.repeated;
            all.doubled += counts.doubled;
        }
        all
    }

    fn caller(
        &mut self,
        region: &Region,
        ledger: &Arc<Ledger>,
    ) -> (Client, Arc<Ledger>, Arc<AtomicBool>) {
        let client = connect(region, region.endpoints());
        self.clients.push(client.clone());
        (client, Arc::clone(ledger), Arc::clone(&self.stop))
    }
}

/// A client with all defaults.
pub fn connect(region: &Region, endpoints: Vec<String>) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    Client::connect(Options::new(endpoints, ca, cert, key)).unwrap()
}

fn name(secret: usize) -> String {
    format!("load/{secret}")
}

/// One write; the first one creates the secret.
async fn send(client: &Client, name: String, number: u64) -> Result<(), Error> {
    let client_request_token = format!("{:0>32}", format!("{name}-{number}"));
    let value = number.to_string();
    if number == 1 {
        let request = CreateSecretRequest {
            name,
            client_request_token,
            value: Some(create_secret_request::Value::SecretString(value)),
            ..CreateSecretRequest::default()
        };
        client.create_secret(request).await.map(drop)
    } else {
        let request = PutSecretValueRequest {
            secret_id: name,
            client_request_token,
            value: Some(put_secret_value_request::Value::SecretString(value)),
            ..PutSecretValueRequest::default()
        };
        client.put_secret_value(request).await.map(drop)
    }
}

async fn value(client: &Client, name: &str) -> Result<u64, Error> {
    let request = GetSecretValueRequest {
        secret_id: name.into(),
        ..Default::default()
    };
    let answer = client.get_secret_value(request).await?;
    match &answer.value {
        Some(get_secret_value_response::Value::SecretString(number)) => Ok(number.parse().unwrap()),
        other => panic!("{name}: {other:?}"),
    }
}
