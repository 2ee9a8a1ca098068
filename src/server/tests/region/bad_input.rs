//! I12: bad input of any kind gets a typed error, and the node goes on.

use http::Request;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service, ServiceExt};
use wire::secrets::v1 as api;

use super::harness::{REGION, Region, SecretsClient, refusal};
use super::requests::{
    create, delete, describe, get, put, read, stage, tag, untag, update, versions,
};

/// A small generator, so that a failing seed can be run again.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn text(&mut self) -> String {
        let lengths = [
            0, 1, 2, 31, 32, 33, 64, 65, 256, 257, 512, 513, 2048, 2049, 5000,
        ];
        let length = lengths[self.next() as usize % lengths.len()];
        let alphabets = [
            "a",
            "aB1-_/",
            "é😀",
            "arn:aws:secretsmanager:",
            "\u{0}\n",
            "!*%",
        ];
        let alphabet: Vec<char> = alphabets[self.next() as usize % alphabets.len()]
            .chars()
            .collect();
        (0..length)
            .map(|_| alphabet[self.next() as usize % alphabet.len()])
            .collect()
    }

    fn number(&mut self) -> i64 {
        let numbers = [i64::MIN, -1, 0, 1, 7, 30, 31, 4096, 4097, i64::MAX];
        numbers[self.next() as usize % numbers.len()]
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn random_requests_get_typed_answers_and_the_node_lives() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client
        .create_secret(create("alive", 1, "yes"))
        .await
        .unwrap();
    let seed = 0x5eed_0001_u64;
    println!("seed {seed:#x}");
    let mut random = Random(seed);
    for round in 0..150 {
        let id = match random.next() % 3 {
            0 => "alive".to_owned(),
            _ => random.text(),
        };
        let mut outcomes = writes(&mut client, &mut random, &id, round).await;
        outcomes.extend(reads(&mut client, &mut random, &id).await);
        for outcome in outcomes.into_iter().filter(Result::is_err) {
            let (reason, code, message) = refusal(outcome);
            assert!(
                code != Code::Internal && code != Code::Unknown,
                "{reason} {message}"
            );
        }
    }
    assert!(read(&mut client, "alive").await.is_ok());
    region.stop().await;
}

async fn writes(
    client: &mut SecretsClient,
    random: &mut Random,
    id: &str,
    round: u32,
) -> Vec<Result<(), Status>> {
    let text = random.text();
    let created = api::CreateSecretRequest {
        client_request_token: random.text(),
        description: text.clone(),
        ..create(id, 1, &text)
    };
    let stored = api::PutSecretValueRequest {
        version_stages: vec![random.text(); 3],
        ..put(id, round + 100, &text)
    };
    let updated = api::UpdateSecretRequest {
        description: Some(random.text()),
        kms_key_id: Some(text.clone()),
        ..update(id)
    };
    let deleted = api::DeleteSecretRequest {
        recovery_window_in_days: Some(random.number() | 32),
        ..delete(id)
    };
    let tags = [(text.as_str(), text.as_str())];
    let staged = stage(id, &text, None, Some(1));
    vec![
        client.create_secret(created).await.map(drop),
        client.put_secret_value(stored).await.map(drop),
        client.update_secret(updated).await.map(drop),
        client.update_secret_version_stage(staged).await.map(drop),
        client.delete_secret(deleted).await.map(drop),
        client.tag_resource(tag(id, &tags)).await.map(drop),
        client
            .untag_resource(untag(id, &[text.as_str()]))
            .await
            .map(drop),
    ]
}

async fn reads(
    client: &mut SecretsClient,
    random: &mut Random,
    id: &str,
) -> Vec<Result<(), Status>> {
    let text = random.text();
    let number = i32::try_from(random.number()).ok();
    let read = api::GetSecretValueRequest {
        version_id: Some(text.clone()),
        version_stage: Some(random.text()),
        ..get(id)
    };
    let listed_versions = api::ListSecretVersionIdsRequest {
        max_results: number,
        next_token: random.text(),
        ..versions(id)
    };
    let listed = api::ListSecretsRequest {
        max_results: number,
        next_token: random.text(),
        filters: vec![api::Filter {
            key: number.unwrap_or(7),
            values: vec![text.clone()],
        }],
        sort_by: number.unwrap_or(3),
        sort_order: number.unwrap_or(1),
        ..Default::default()
    };
    let batch = api::BatchGetSecretValueRequest {
        secret_id_list: vec![text.clone(); 3],
        ..Default::default()
    };
    let password = api::GetRandomPasswordRequest {
        password_length: Some(random.number()),
        exclude_characters: text.clone(),
        ..Default::default()
    };
    let watched = api::WatchRequest {
        resume_token: text.clone() + "x",
        secret_ids: vec![id.to_owned()],
    };
    vec![
        client.get_secret_value(read).await.map(drop),
        client.describe_secret(describe(id)).await.map(drop),
        client
            .list_secret_version_ids(listed_versions)
            .await
            .map(drop),
        client.list_secrets(listed).await.map(drop),
        client.batch_get_secret_value(batch).await.map(drop),
        client.get_random_password(password).await.map(drop),
        client.watch(watched).await.map(drop),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_are_no_message_are_refused_by_name() {
    let region = Region::start(1).await;
    let pair = region.files.layout.client(REGION, super::harness::ADMIN);
    let mut channel = region.files.channel(region.nodes[0].addresses().api, &pair);
    let framed = |message: &[u8]| {
        let mut frame = vec![0];
        frame.extend_from_slice(&u32::try_from(message.len()).unwrap().to_be_bytes());
        frame.extend_from_slice(message);
        frame
    };
    let bodies: Vec<(&str, Vec<u8>, Code)> = vec![
        // Field 1 is text, and these two bytes are not UTF-8.
        (
            "not utf-8",
            framed(&[0x0a, 2, 0xff, 0xfe]),
            Code::InvalidArgument,
        ),
        ("cut off", framed(&[0x0a, 200, 1]), Code::InvalidArgument),
        ("wrong wire type", framed(&[0x08, 1]), Code::InvalidArgument),
        (
            "too large",
            framed(&vec![0x0a; 300 * 1024]),
            Code::InvalidArgument,
        ),
        (
            "a lie about its length",
            vec![0, 0xff, 0xff, 0xff, 0xff, 1],
            Code::InvalidArgument,
        ),
        (
            "no compression we know",
            vec![9, 0, 0, 0, 0],
            Code::InvalidArgument,
        ),
    ];
    for (what, body, expected) in bodies {
        let request = Request::post("/strongroom.secrets.v1.SecretsService/CreateSecret")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::new(axum::body::Body::from(body)))
            .unwrap();
        let response = channel.ready().await.unwrap().call(request).await.unwrap();
        let code = Code::from_bytes(response.headers()["grpc-status"].as_bytes());
        assert_eq!(code, expected, "{what}");
        assert!(
            response.headers().contains_key("grpc-status-details-bin"),
            "{what}"
        );
    }
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_at_most_64_kibibytes_and_at_least_one_byte() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client
        .create_secret(create("max", 1, &"x".repeat(65_536)))
        .await
        .unwrap();
    for value in ["x".repeat(65_537), String::new(), "x".repeat(200_000)] {
        let (reason, code, message) = refusal(client.create_secret(create("no", 2, &value)).await);
        assert_eq!(
            (reason.as_str(), code),
            ("ValidationException", Code::InvalidArgument)
        );
        assert!(
            message.contains("secretString") && message.len() < 300,
            "{message}"
        );
    }
    let (reason, ..) = refusal(
        client
            .create_secret(create("no", 2, &"x".repeat(400_000)))
            .await,
    );
    assert_eq!(reason, "InvalidParameterException");
    region.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn unusable_metadata_is_refused() {
    let region = Region::start(1).await;
    let mut client = region.secrets(0);
    client.create_secret(create("s", 1, "x")).await.unwrap();
    for (key, value) in [
        ("strongroom-consistency", "perhaps"),
        ("strongroom-min-position", "not a token"),
        ("strongroom-min-position", "AAAA"),
    ] {
        let mut request = tonic::Request::new(get("s"));
        request.metadata_mut().insert(key, value.parse().unwrap());
        let (reason, ..) = refusal(client.get_secret_value(request).await);
        assert_eq!(reason, "InvalidParameterException", "{key}: {value}");
    }
    region.stop().await;
}
