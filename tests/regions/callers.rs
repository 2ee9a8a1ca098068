//! What callers do: they write numbers, so that what is read tells which write it shows.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use client::secrets::v1::{
    BatchGetSecretValueRequest, CreateSecretRequest, DescribeSecretRequest, DescribeSecretResponse,
    GetSecretValueRequest, PutSecretValueRequest, create_secret_request, get_secret_value_response,
    put_secret_value_request, secret_value_entry,
};
use client::{Client, Error};
use machine::{FeedId, Position, Token};
use tokio::task::JoinSet;

/// Callers that make many secrets at once.
const MAKERS: usize = 24;

/// The number of a write that stores a value; 1 is the creation.
pub type Number = u64;

/// Makes a secret whose value is 1.
pub async fn create(client: &Client, name: &str) -> Result<(), Error> {
    client.create_secret(creation(name)).await.map(drop)
}

/// Asks for a secret whose value is 1.
pub fn creation(name: &str) -> CreateSecretRequest {
    CreateSecretRequest {
        name: name.into(),
        client_request_token: version(1),
        value: Some(create_secret_request::Value::SecretString("1".into())),
        ..CreateSecretRequest::default()
    }
}

/// Stores a number.
pub async fn put(client: &Client, name: &str, number: Number) -> Result<(), Error> {
    client
        .put_secret_value(storing(name, number, 1))
        .await
        .map(drop)
}

/// Stores a number, and gives where its region's home feed was then.
pub async fn put_at(
    client: &Client,
    home: &FeedId,
    name: &str,
    number: Number,
) -> Result<Position, Error> {
    put_wide(client, home, name, number, 1).await
}

/// Likewise, with zeros before it that make it so many characters.
pub async fn put_wide(
    client: &Client,
    home: &FeedId,
    name: &str,
    number: Number,
    width: usize,
) -> Result<Position, Error> {
    let (client, last) = client.clone().showing();
    client
        .put_secret_value(storing(name, number, width))
        .await?;
    let shown = last.shown().expect("an answer shows a state");
    let token = shown.position.expect("an answer has a position");
    Ok(position_of(&token, home).expect("a write has a position in its feed"))
}

/// The place in a feed that a token names.
pub fn position_of(token: &str, feed: &FeedId) -> Option<Position> {
    let token = Token::decode(token).unwrap();
    token
        .positions
        .into_iter()
        .find(|position| position.feed == *feed)
}

fn storing(name: &str, number: Number, width: usize) -> PutSecretValueRequest {
    PutSecretValueRequest {
        secret_id: name.into(),
        client_request_token: version(number),
        value: Some(put_secret_value_request::Value::SecretString(format!(
            "{number:0>width$}"
        ))),
        ..PutSecretValueRequest::default()
    }
}

/// Reads a text.
pub async fn get(client: &Client, name: &str) -> Result<String, Error> {
    let request = GetSecretValueRequest {
        secret_id: name.into(),
        ..GetSecretValueRequest::default()
    };
    let answer = client.get_secret_value(request).await?;
    match &answer.value {
        Some(get_secret_value_response::Value::SecretString(text)) => Ok(text.clone()),
        other => panic!("{name}: {other:?}"),
    }
}

/// Reads a number; none if there is no such secret.
pub async fn read(client: &Client, name: &str) -> Result<Option<Number>, Error> {
    match get(client, name).await {
        Ok(text) => Ok(Some(text.parse().unwrap())),
        Err(error) if error.reason() == "ResourceNotFoundException" => Ok(None),
        Err(error) => Err(error),
    }
}

/// Reads many numbers, in their order. Each must be there.
pub async fn read_all(client: &Client, names: &[String]) -> Vec<Number> {
    let mut numbers = Vec::with_capacity(names.len());
    for some in names.chunks(20) {
        let request = BatchGetSecretValueRequest {
            secret_id_list: some.to_vec(),
            ..BatchGetSecretValueRequest::default()
        };
        let answer = client.batch_get_secret_value(request).await.unwrap();
        assert!(answer.errors.is_empty(), "{:?}", answer.errors);
        for name in some {
            let mut values = answer.secret_values.iter();
            let entry = values.find(|entry| entry.name == *name).unwrap();
            match &entry.value {
                Some(secret_value_entry::Value::SecretString(text)) => {
                    numbers.push(text.parse().unwrap());
                }
                other => panic!("{name}: {other:?}"),
            }
        }
    }
    numbers
}

/// Makes many secrets at once, until all are there.
pub async fn create_all(client: &Client, names: &[String]) {
    let names: Arc<[String]> = names.into();
    let next = Arc::new(AtomicUsize::new(0));
    let mut makers = JoinSet::new();
    for _ in 0..MAKERS {
        let (client, names, next) = (client.clone(), Arc::clone(&names), Arc::clone(&next));
        makers.spawn(async move {
            while let Some(name) = names.get(next.fetch_add(1, Ordering::Relaxed)) {
                persist(name, || create(&client, name)).await;
            }
        });
    }
    while let Some(made) = makers.join_next().await {
        made.unwrap();
    }
}

/// Makes a call until it succeeds: a leader may move on a busy machine.
pub async fn persist<T, F>(what: &str, mut call: impl FnMut() -> F) -> T
where
    F: Future<Output = Result<T, Error>>,
{
    let deadline = tokio::time::Instant::now() + crate::cluster::PATIENCE;
    loop {
        match call().await {
            Ok(answer) => return answer,
            Err(error) => {
                let is_late = tokio::time::Instant::now() > deadline;
                assert!(!is_late, "{what}: {error:?}");
                assert_ne!(error.retry(), client::Retry::No, "{what}: {error:?}");
            }
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Describes a secret.
pub async fn describe(client: &Client, name: &str) -> Result<DescribeSecretResponse, Error> {
    let request = DescribeSecretRequest {
        secret_id: name.into(),
    };
    client.describe_secret(request).await
}

/// The version of a number: a ClientRequestToken of 32 digits.
pub fn version(number: Number) -> String {
    format!("{number:032}")
}

/// What an environment variable says of a number.
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap())
}

/// The seed of a random test, and how often it is done; printed, so that it can be repeated.
pub fn seed_and_count(count: u64) -> (u64, u64) {
    let count = self::number("STRONGROOM_COUNT").unwrap_or(count);
    let seed = self::number("STRONGROOM_SEED").unwrap_or(20_261_130);
    println!("seed {seed}, count {count}; STRONGROOM_SEED and STRONGROOM_COUNT choose others");
    (seed, count)
}
