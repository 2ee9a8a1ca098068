//! Watches of the secrets that are overwritten: told in order, resumed without a gap, and at the
//! end everything was told.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use client::secrets::v1::watch_response::Item;
use client::secrets::v1::{ListSecretsRequest, SecretChange, VersionStages, WatchRequest};
use client::{Client, Options};
use strongroom_tests::Region;
use tokio_stream::StreamExt;

use crate::load::{Load, name, number_of, secret_of};

/// Changes after which a watch is ended and opened again by its last token, on another node.
const RESUMED_AFTER: u64 = 20_000;
/// Secrets of a watch that names them.
const NAMED: u64 = 20;
/// Longest a watch may take, after the last write, to tell it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks whether the load is over.
const POLL: Duration = Duration::from_millis(100);

/// What all watches have told.
#[derive(Default)]
pub struct Told {
    /// Changes.
    pub changes: AtomicU64,
    /// Watches opened again by a token.
    pub resumed: AtomicU64,
    /// Times that a place was lost, and the secrets were listed.
    pub listed: AtomicU64,
    /// Set after the last write.
    pub is_last: AtomicBool,
}

/// One watch.
pub struct Watcher {
    clients: Vec<Client>,
    /// What is watched; nothing is everything.
    only: Vec<String>,
    /// How many secrets these are.
    secrets: u64,
    /// The last write told of each secret.
    told: BTreeMap<u64, u64>,
    token: String,
    all: Arc<Told>,
    load: Arc<Load>,
    resumed_after: u64,
}

impl Watcher {
    /// One watch of everything and two of a few secrets, each begun at another node.
    pub fn several(region: &Region, load: &Arc<Load>, secrets: u64, all: &Arc<Told>) -> Vec<Self> {
        let endpoints = region.endpoints();
        let named = NAMED.min(secrets);
        let kinds = [(secrets, false), (named, true), (named, true)];
        let watchers = kinds
            .into_iter()
            .enumerate()
            .map(|(at, (count, is_named))| {
                let clients = (0..endpoints.len()).map(|first| {
                    let mut endpoints = endpoints.clone();
                    let turns = (at + first) % endpoints.len();
                    endpoints.rotate_left(turns);
                    connect(region, endpoints)
                });
                Self {
                    clients: clients.collect(),
                    only: (0..count).filter(|_| is_named).map(name).collect(),
                    secrets: count,
                    told: BTreeMap::new(),
                    token: String::new(),
                    all: Arc::clone(all),
                    load: Arc::clone(load),
                    resumed_after: RESUMED_AFTER.min(secrets * 50),
                }
            });
        watchers.collect()
    }

    /// Watches until the last write of each secret was told.
    pub async fn run(mut self) {
        for turn in 0.. {
            let client = self.clients[turn % self.clients.len()].clone();
            let request = WatchRequest {
                resume_token: self.token.clone(),
                secret_ids: self.only.clone(),
            };
            let opened = client.watch(request).await;
            let ended = match opened {
                Ok(watch) => {
                    // From now on nothing is missed: what was before is in the list.
                    if self.token.is_empty() {
                        self.list(&client).await;
                    } else {
                        self.all.resumed.fetch_add(1, Ordering::Relaxed);
                    }
                    self.follow(watch).await
                }
                Err(error) => Err(error),
            };
            match ended {
                Ok(true) => return,
                Ok(false) => {}
                Err(error) if error.reason() == "PositionLost" => self.token.clear(),
                Err(error) => panic!("a watch ended: {error}"),
            }
        }
    }

    /// Takes messages; `true` when all is told, `false` when the watch is to be opened again.
    async fn follow(&mut self, mut watch: client::Watch) -> Result<bool, client::Error> {
        let (mut taken, mut since) = (0, BTreeMap::new());
        let mut last = Instant::now();
        loop {
            let is_last = self.all.is_last.load(Ordering::Acquire);
            if is_last && self.is_done() {
                return Ok(true);
            }
            if !is_last {
                last = Instant::now();
            }
            assert!(last.elapsed() < PATIENCE, "{}", self.missing());
            let Ok(next) = tokio::time::timeout(POLL, watch.next()).await else {
                continue;
            };
            let Some(message) = next.transpose()? else {
                return Ok(false);
            };
            self.token = message.resume_token;
            if let Some(Item::Change(change)) = message.item {
                self.take(&change, &mut since);
                taken += 1;
            }
            if taken >= self.resumed_after && !is_last {
                return Ok(false);
            }
        }
    }

    /// Takes a change; `since` is what this stream has told: a new one may tell a state again.
    fn take(&mut self, change: &SecretChange, since: &mut BTreeMap<u64, u64>) {
        let Some(secret) = secret_of(&change.name) else {
            return;
        };
        let number = current(&change.version_ids_to_stages);
        let before = since.insert(secret, number);
        assert!(
            before <= Some(number),
            "{} went back from {before:?} to {number}",
            change.name
        );
        let known = self.told.entry(secret).or_default();
        *known = number.max(*known);
        self.all.changes.fetch_add(1, Ordering::Relaxed);
    }

    async fn list(&mut self, client: &Client) {
        self.all.listed.fetch_add(1, Ordering::Relaxed);
        let mut request = ListSecretsRequest {
            max_results: Some(100),
            ..Default::default()
        };
        loop {
            let page = client.list_secrets(request.clone()).await.unwrap();
            for listed in page.secret_list {
                let Some(secret) = secret_of(&listed.name) else {
                    continue;
                };
                if secret < self.secrets {
                    self.told
                        .insert(secret, current(&listed.secret_versions_to_stages));
                }
            }
            request.next_token = page.next_token;
            if request.next_token.is_empty() {
                return;
            }
        }
    }

    fn is_done(&self) -> bool {
        self.behind().next().is_none()
    }

    /// The secrets whose last write was not told.
    fn behind(&self) -> impl Iterator<Item = u64> {
        let told = |secret: &u64| self.told.get(secret).copied().unwrap_or_default();
        (0..self.secrets).filter(move |secret| told(secret) < self.load.last(*secret))
    }

    fn missing(&self) -> String {
        let missing: Vec<u64> = self.behind().collect();
        format!("a watch did not tell the last writes of {missing:?} in {PATIENCE:?}")
    }
}

/// The write that is current; the one before it must be the previous one.
fn current(stages: &BTreeMap<String, VersionStages>) -> u64 {
    let of = |label: &str| {
        let has = |stages: &VersionStages| stages.stages.iter().any(|stage| stage == label);
        let found = stages.iter().find(|(_, stages)| has(stages));
        found.map(|(version, _)| number_of(version))
    };
    let current = of("AWSCURRENT").unwrap();
    assert_eq!(
        of("AWSPREVIOUS"),
        current.checked_sub(1),
        "labels move together"
    );
    current
}

fn connect(region: &Region, endpoints: Vec<String>) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    Client::connect(Options::new(endpoints, ca, cert, key)).unwrap()
}
