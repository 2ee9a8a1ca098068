//! The callers: each overwrites its own secrets in turn, one write at a time.
//!
//! A version id is made of the secret and the number of the write, so that what is read or told
//! says which write it was.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use strongroom_tests::Region;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Request, Status};
use wire::credentials::{CredentialFiles, Credentials};
use wire::dial::{Dialer, Expected};
use wire::secrets::v1::secrets_service_client::SecretsServiceClient;
use wire::secrets::v1::{
    CreateSecretRequest, DeleteSecretRequest, GetSecretValueRequest, PutSecretValueRequest,
    create_secret_request, put_secret_value_request,
};

use crate::pauses::Beat;
use crate::plan::Plan;

/// Callers that share a connection.
const CALLERS_PER_CONNECTION: u64 = 32;
/// Bytes of a value that is to be deleted.
const BALLAST_BYTES: usize = 60_000;
/// Pause after a write that failed.
const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// What one attempt gets.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// All callers, and what they have done.
pub struct Load {
    plan: Plan,
    /// Connections to each node, in the order of `nodes`.
    channels: Vec<Vec<Channel>>,
    /// The place of the node that is called first.
    target: AtomicUsize,
    issued: AtomicU64,
    acknowledged: AtomicU64,
    /// The last acknowledged write of each secret.
    last: Vec<AtomicU64>,
    /// Attempts that failed, by what was answered.
    failures: Mutex<BTreeMap<String, u64>>,
    beat: Arc<Beat>,
}

impl Load {
    /// Connects to the nodes of a region.
    pub fn new(region: &Region, plan: Plan, beat: Arc<Beat>) -> Self {
        let credentials = credentials(region);
        let dialer = Dialer::for_callers(credentials);
        let connections = plan.callers.div_ceil(CALLERS_PER_CONNECTION);
        let connect = |endpoint: &String| {
            let expected = Expected::Server {
                name: "localhost".into(),
            };
            dialer.channel(endpoint, expected).unwrap()
        };
        let endpoints = region.endpoints();
        let to_all = endpoints.iter();
        let channels = to_all.map(|to| (0..connections).map(|_| connect(to)).collect());
        Self {
            plan,
            channels: channels.collect(),
            target: AtomicUsize::new(0),
            issued: AtomicU64::new(0),
            acknowledged: AtomicU64::new(0),
            last: (0..plan.secrets).map(|_| AtomicU64::new(0)).collect(),
            failures: Mutex::default(),
            beat,
        }
    }

    /// Says which node to call first, by its place.
    pub fn aim(&self, place: usize) {
        self.target.store(place, Ordering::Relaxed);
    }

    /// Overwrites acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// The last acknowledged write of a secret.
    pub fn last(&self, secret: u64) -> u64 {
        self.last[usize::try_from(secret).unwrap()].load(Ordering::Acquire)
    }

    /// What was answered to attempts that failed, and how often.
    pub fn failures(&self) -> BTreeMap<String, u64> {
        self.failures.lock().unwrap().clone()
    }

    /// Creates all secrets.
    pub async fn create(self: &Arc<Self>) {
        self.run_callers(|load, caller| async move {
            for secret in load.secrets_of(caller) {
                load.write(caller, secret, 0).await;
            }
        })
        .await;
    }

    /// Creates what is to be deleted.
    pub async fn take_ballast(self: &Arc<Self>) {
        self.run_callers(|load, caller| async move {
            for number in load.ballast_of(caller) {
                let request = CreateSecretRequest {
                    name: format!("ballast/{number}"),
                    client_request_token: token(number, 0),
                    value: Some(create_secret_request::Value::SecretBinary(vec![
                        b'.';
                        BALLAST_BYTES
                    ])),
                    ..Default::default()
                };
                let created = load.stub(caller, 0).create_secret(timed(request)).await;
                created.unwrap();
            }
        })
        .await;
    }

    /// Deletes it.
    pub async fn drop_ballast(self: &Arc<Self>) {
        self.run_callers(|load, caller| async move {
            for number in load.ballast_of(caller) {
                let request = DeleteSecretRequest {
                    secret_id: format!("ballast/{number}"),
                    force_delete_without_recovery: true,
                    ..Default::default()
                };
                let deleted = load.stub(caller, 0).delete_secret(timed(request)).await;
                deleted.unwrap();
            }
        })
        .await;
    }

    fn ballast_of(&self, caller: u64) -> impl Iterator<Item = u64> + use<> {
        let callers = usize::try_from(self.plan.callers).unwrap();
        (caller..self.plan.ballast).step_by(callers)
    }

    /// Overwrites until there are enough.
    pub async fn overwrite(self: &Arc<Self>) {
        let begun = Instant::now();
        self.run_callers(|load, caller| async move {
            let own: Vec<u64> = load.secrets_of(caller).collect();
            for secret in own.iter().cycle() {
                let number = load.issued.fetch_add(1, Ordering::Relaxed);
                if number >= load.plan.count {
                    return;
                }
                // Its turn; after a pause all turns that are past are taken at once.
                let turn = Duration::from_secs_f64(number as f64 / load.plan.rate);
                tokio::time::sleep_until(begun + turn).await;
                let number = load.last(*secret) + 1;
                load.write(caller, *secret, number).await;
                load.beat.now();
                load.last[*secret as usize].store(number, Ordering::Release);
                load.acknowledged.fetch_add(1, Ordering::Relaxed);
            }
        })
        .await;
    }

    /// Reads every secret from one node, by its place: it must be what was acknowledged last.
    pub async fn verify(self: &Arc<Self>, place: usize) {
        self.run_callers(move |load, caller| async move {
            for secret in load.secrets_of(caller) {
                let request = GetSecretValueRequest {
                    secret_id: name(secret),
                    ..Default::default()
                };
                let mut stub = load.stub(caller, place);
                let answer = stub.get_secret_value(timed(request)).await.unwrap();
                let version = answer.into_inner().version_id.clone();
                assert_eq!(version, token(secret, load.last(secret)));
            }
        })
        .await;
    }

    fn secrets_of(&self, caller: u64) -> impl Iterator<Item = u64> + use<> {
        let callers = usize::try_from(self.plan.callers).unwrap();
        (caller..self.plan.secrets).step_by(callers)
    }

    async fn run_callers<F>(self: &Arc<Self>, run: impl Fn(Arc<Self>, u64) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let callers = 0..self.plan.callers;
        let tasks: Vec<_> = callers
            .map(|caller| tokio::spawn(run(Arc::clone(self), caller)))
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
    }

    /// Writes, again and again with one token, until it is acknowledged.
    async fn write(&self, caller: u64, secret: u64, number: u64) {
        for attempt in 0.. {
            let place = self.target.load(Ordering::Relaxed) + attempt;
            let stub = self.stub(caller, place % self.channels.len());
            let Err(status) = self.attempt(stub, secret, number).await else {
                return;
            };
            let why = format!("{:?}: {}", status.code(), status.message());
            *self.failures.lock().unwrap().entry(why).or_default() += 1;
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }

    async fn attempt(
        &self,
        mut stub: SecretsServiceClient<Channel>,
        secret: u64,
        number: u64,
    ) -> Result<(), Status> {
        let client_request_token = token(secret, number);
        let mut value = client_request_token.clone().into_bytes();
        value.resize(self.plan.value_bytes, b'.');
        if number == 0 {
            let request = CreateSecretRequest {
                name: name(secret),
                client_request_token,
                value: Some(create_secret_request::Value::SecretBinary(value)),
                ..Default::default()
            };
            return stub.create_secret(timed(request)).await.map(drop);
        }
        let request = PutSecretValueRequest {
            secret_id: name(secret),
            client_request_token,
            value: Some(put_secret_value_request::Value::SecretBinary(value)),
            ..Default::default()
        };
        stub.put_secret_value(timed(request)).await.map(drop)
    }

    fn stub(&self, caller: u64, place: usize) -> SecretsServiceClient<Channel> {
        let channels = &self.channels[place];
        let at = usize::try_from(caller).unwrap() % channels.len();
        SecretsServiceClient::new(channels[at].clone())
    }
}

/// The name of a secret.
pub fn name(secret: u64) -> String {
    format!("overwrites/{secret:06}")
}

/// The secret of a name.
pub fn secret_of(name: &str) -> Option<u64> {
    name.strip_prefix("overwrites/")?.parse().ok()
}

/// The number of a write, by the version it made.
pub fn number_of(version: &str) -> u64 {
    version.split_once('-').unwrap().1.parse().unwrap()
}

/// The ClientRequestToken of a write, and so the id of its version.
fn token(secret: u64, number: u64) -> String {
    format!("{secret:012}-{number:019}")
}

fn timed<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(CALL_TIMEOUT);
    request
}

fn credentials(region: &Region) -> Arc<Credentials> {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let files = CredentialFiles {
        cert,
        key,
        ca: vec![region.folder().join("certs/root.pem")],
    };
    Credentials::load(files).unwrap()
}
