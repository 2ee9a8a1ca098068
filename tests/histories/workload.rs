//! Clients that call few secrets one call at a time, and note when each began and how it ended.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use client::secrets::v1::{
    CreateSecretRequest, DeleteSecretRequest, GetSecretValueRequest, PutSecretValueRequest,
    RestoreSecretRequest, UpdateSecretRequest, UpdateSecretVersionStageRequest,
    create_secret_request, get_secret_value_response, put_secret_value_request,
    update_secret_request,
};
use client::{Client, Error, Options, Retry};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::Region;
use strongroom_tests::shell::PATIENCE;

use crate::check::{Call, Moment, Operation, Outcome, Verdict, judge};

/// Secrets that all clients share.
pub const SECRETS: usize = 3;
/// What a call gets before its outcome is unknown.
const CALL_TIME: Duration = Duration::from_secs(1);
/// The pause between the calls of one client: a secret takes a hundred new versions a day.
const PAUSE: Duration = Duration::from_millis(25);
/// What the checker gets for one secret; it needs milliseconds.
const CHECK_TIME: Duration = Duration::from_secs(20);

/// What was called on one secret, and when.
#[derive(Default)]
pub struct Record {
    pub operations: Vec<Operation>,
    /// Microseconds of CLOCK_MONOTONIC since the begin of the history, in their order.
    pub moments: Vec<(u128, Moment)>,
}

/// What all clients share.
pub struct Shared {
    pub records: [Mutex<Record>; SECRETS],
    pub over: AtomicBool,
    next: AtomicU64,
    began: Instant,
    history: u64,
}

impl Shared {
    /// An empty history.
    pub fn new(history: u64) -> Arc<Self> {
        Arc::new(Self {
            records: Default::default(),
            over: AtomicBool::new(false),
            next: AtomicU64::new(1),
            began: Instant::now(),
            history,
        })
    }

    /// The secrets whose history is not linearizable, or could not be judged in time.
    pub fn refused(&self) -> Vec<(usize, Verdict)> {
        let verdict = |record: &Record| {
            let moments: Vec<_> = record.moments.iter().map(|(_, moment)| *moment).collect();
            judge(&record.operations, &moments, CHECK_TIME)
        };
        let secrets = self.records.iter().enumerate();
        secrets
            .map(|(at, record)| (at, verdict(&record.lock().unwrap())))
            .filter(|(_, verdict)| *verdict != Verdict::Linearizable)
            .collect()
    }

    /// How many calls there were, and how many of them without an outcome.
    pub fn count(&self) -> (usize, usize) {
        let mut count = (0, 0);
        for record in &self.records {
            let record = record.lock().unwrap();
            let unknown = |operation: &&Operation| operation.outcome == Outcome::Unknown;
            count.0 += record.operations.len();
            count.1 += record.operations.iter().filter(unknown).count();
        }
        count
    }

    /// The whole history, for a file.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (at, record) in self.records.iter().enumerate() {
            let record = record.lock().unwrap();
            for (time, moment) in &record.moments {
                let line = match moment {
                    Moment::Begins(id) => format!("begins {:?}", record.operations[*id].call),
                    Moment::Ends(id) => format!("ends {:?}", record.operations[*id]),
                };
                text += &format!("secret {at}, {time} us, {moment:?}: {line}\n");
            }
        }
        text
    }

    fn name(&self, secret: usize) -> String {
        format!("history/{}/{secret}", self.history)
    }

    fn begin(&self, secret: usize, call: Call) -> usize {
        let mut record = self.records[secret].lock().unwrap();
        let id = record.operations.len();
        record.operations.push(Operation {
            call,
            outcome: Outcome::Unknown,
        });
        let time = self.began.elapsed().as_micros();
        record.moments.push((time, Moment::Begins(id)));
        id
    }

    /// Notes the end of a call; one that surely did nothing is an answer of nobody, and has none.
    fn end(&self, secret: usize, id: usize, outcome: Option<Outcome>) {
        let mut record = self.records[secret].lock().unwrap();
        let Some(outcome) = outcome else {
            record
                .moments
                .retain(|(_, moment)| *moment != Moment::Begins(id));
            return;
        };
        record.operations[id].outcome = outcome;
        let time = self.began.elapsed().as_micros();
        record.moments.push((time, Moment::Ends(id)));
    }
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It only reads: a node that cannot write must not keep it from asking again at once.
    Reads,
    /// Everything.
    Writes,
}

impl Part {
    /// The parts of the clients of one node.
    pub const CLIENTS: [Self; 3] = [Self::Reads, Self::Writes, Self::Writes];
}

/// Calls one node until the history is over.
pub async fn run(shared: Arc<Shared>, client: Client, part: Part, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut seen = [[0; 2]; SECRETS];
    while !shared.over.load(Ordering::Acquire) {
        let secret = random.random_range(0..SECRETS);
        let call = choose(&mut random, part, &shared.next, seen[secret]);
        let id = shared.begin(secret, call);
        let outcome = send(&client, &shared.name(secret), call).await;
        shared.end(secret, id, outcome);
        match (call, outcome) {
            (Call::Get, Some(Outcome::Value(value))) => seen[secret][0] = value,
            (Call::GetPrevious, Some(Outcome::Value(value))) => seen[secret][1] = value,
            _ => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Reads every secret, as part of the history; by now an answer is due, at once or, on a busy
/// machine, soon.
pub async fn read_all(shared: &Shared, client: &Client) {
    for secret in 0..SECRETS {
        let late = Instant::now() + PATIENCE;
        loop {
            let id = shared.begin(secret, Call::Get);
            let outcome = send(client, &shared.name(secret), Call::Get).await;
            shared.end(secret, id, outcome);
            if !matches!(outcome, None | Some(Outcome::Unknown)) {
                break;
            }
            println!("not yet: {outcome:?}");
            assert!(Instant::now() < late, "a healed region does not answer");
        }
    }
}

/// Creates secrets that nobody else calls. Whether all are does not matter.
pub async fn write_more(shared: &Shared, client: &Client) {
    for _ in 0..50 {
        let value = shared.next.fetch_add(1, Ordering::Relaxed);
        let name = format!("history/{}/more/{value}", shared.history);
        let _ = send(client, &name, Call::Create(value)).await;
    }
}

fn choose(random: &mut StdRng, part: Part, next: &AtomicU64, seen: [u64; 2]) -> Call {
    let fresh = || next.fetch_add(1, Ordering::Relaxed);
    let choices = match part {
        Part::Reads => 0..50,
        Part::Writes => 30..120,
    };
    match random.random_range(choices) {
        0..40 => Call::Get,
        40..50 => Call::GetPrevious,
        50..80 => Call::Put(fresh()),
        80..95 => Call::Update(fresh()),
        95..108 if seen[0] != 0 && seen[1] != 0 && seen[0] != seen[1] => {
            Call::Move(seen[0], seen[1])
        }
        108..112 => Call::Delete,
        112..117 => Call::Restore,
        _ => Call::Create(fresh()),
    }
}

/// Makes one call. `None` when it surely did nothing.
async fn send(client: &Client, name: &str, call: Call) -> Option<Outcome> {
    let secret_id = name.to_owned();
    let sent = match call {
        Call::Get => return read(client, secret_id, "AWSCURRENT").await,
        Call::GetPrevious => return read(client, secret_id, "AWSPREVIOUS").await,
        Call::Create(value) => {
            let request = CreateSecretRequest {
                name: secret_id,
                client_request_token: version(value),
                value: Some(create_secret_request::Value::SecretString(
                    value.to_string(),
                )),
                ..Default::default()
            };
            client.create_secret(request).await.map(drop)
        }
        Call::Put(value) => {
            let request = PutSecretValueRequest {
                secret_id,
                client_request_token: version(value),
                value: Some(put_secret_value_request::Value::SecretString(
                    value.to_string(),
                )),
                ..Default::default()
            };
            client.put_secret_value(request).await.map(drop)
        }
        Call::Update(value) => {
            let request = UpdateSecretRequest {
                secret_id,
                client_request_token: version(value),
                value: Some(update_secret_request::Value::SecretString(
                    value.to_string(),
                )),
                ..Default::default()
            };
            client.update_secret(request).await.map(drop)
        }
        Call::Move(from, to) => {
            let request = UpdateSecretVersionStageRequest {
                secret_id,
                version_stage: "AWSCURRENT".into(),
                remove_from_version_id: Some(version(from)),
                move_to_version_id: Some(version(to)),
            };
            client.update_secret_version_stage(request).await.map(drop)
        }
        Call::Delete => {
            let request = DeleteSecretRequest {
                secret_id,
                recovery_window_in_days: Some(7),
                ..Default::default()
            };
            client.delete_secret(request).await.map(drop)
        }
        Call::Restore => {
            let request = RestoreSecretRequest { secret_id };
            client.restore_secret(request).await.map(drop)
        }
    };
    sent.map_or_else(|error| failed(&error), |()| Some(Outcome::Done))
}

async fn read(client: &Client, secret_id: String, stage: &str) -> Option<Outcome> {
    let request = GetSecretValueRequest {
        secret_id,
        version_stage: Some(stage.into()),
        ..Default::default()
    };
    match client.get_secret_value(request).await {
        Ok(answer) => match &answer.value {
            Some(get_secret_value_response::Value::SecretString(value)) => {
                Some(Outcome::Value(value.parse().unwrap()))
            }
            other => panic!("a value of nobody: {other:?}"),
        },
        Err(error) => failed(&error),
    }
}

fn failed(error: &Error) -> Option<Outcome> {
    match error.reason() {
        "ResourceNotFoundException" => Some(Outcome::Missing),
        "ResourceExistsException" => Some(Outcome::Exists),
        "InvalidRequestException" => Some(Outcome::Marked),
        "InvalidParameterException" => Some(Outcome::Elsewhere),
        "LimitExceededException" => None,
        _ if error.retry() == Retry::Safe => None,
        _ if error.retry() == Retry::Unknown => Some(Outcome::Unknown),
        _ => panic!("not an error of this work: {error:?}"),
    }
}

/// The version of a value: a ClientRequestToken of 32 digits.
fn version(value: u64) -> String {
    format!("{value:032}")
}

/// A client of one node: what it says is what that node says.
pub fn client(region: &Region, node: u64) -> Client {
    let [cert, key] = Region::certificate(region.folder(), "client-administrator");
    let ca = region.folder().join("certs/root.pem");
    let mut options = Options::new(vec![region.api(node)], ca, cert, key);
    options.timeout = CALL_TIME;
    Client::connect(options).unwrap()
}
