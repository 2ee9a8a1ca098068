//! Secrets that are shared with a region which has their commitments already: each body is moved
//! once, as it was sealed, and only its data key is wrapped anew.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use client::Client;
use client::secrets::v1::{
    CreateSecretRequest, GetSecretValueRequest, ReplicaRegion, ReplicateSecretToRegionsRequest,
    ReplicationState, create_secret_request, get_secret_value_response,
};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::JoinSet;

use crate::callers::{creation, describe, persist, seed_and_count};
use crate::cluster::{A, B, Cluster, NAMES, PATIENCE, SELECTED, Settings};

/// Secrets of the short form.
const SECRETS: u64 = 300;
/// Bytes of a value: so much more than what is said about it that few could go twice unseen.
const VALUE: usize = 8 << 10;
/// Bytes that may go beside each body: header, metadata twice, wrapped keys, TLS.
const BESIDE: u64 = 3 << 10;
/// Callers at once.
const CALLERS: usize = 16;

/// Secrets by their numbers, with random values that no compression makes smaller.
struct Shared {
    values: Vec<Vec<u8>>,
}

#[test]
#[ignore = "moves many secrets"]
fn a_region_that_is_added_to_many_secrets_gets_each_body_once_and_reads_it() {
    let (seed, count) = seed_and_count(SECRETS);
    let mut random = StdRng::seed_from_u64(seed);
    let values = (0..count).map(|_| (0..VALUE).map(|_| random.random()).collect());
    let shared = Arc::new(Shared {
        values: values.collect(),
    });
    let cluster = Cluster::proxied(&[SELECTED, SELECTED], &Settings::default());
    let (primary, replica) = (cluster.client(A), cluster.client(B));
    let run = |call| cluster.runtime.block_on(for_each(&shared, &primary, call));
    run(Step::Create);
    cluster.wait_until_equal();
    let headers = cluster.crossed(A, B);
    assert!(
        headers < count * BESIDE,
        "without a member no body goes: {headers} bytes"
    );

    let began = Instant::now();
    run(Step::Share);
    let asked = began.elapsed();
    run(Step::WaitUntilInSync);
    let took = began.elapsed();
    cluster.wait_until_equal();
    let moved = cluster.crossed(A, B) - headers;
    let bodies = count * VALUE as u64;
    assert!(moved >= bodies, "{moved} bytes went, of {bodies}");
    assert!(
        moved < bodies + count * BESIDE,
        "bodies went more than once: {moved} of {bodies}"
    );
    cluster
        .runtime
        .block_on(for_each(&shared, &replica, Step::Read));

    // Naming a region again moves nothing but what is said of it.
    let before = cluster.crossed(A, B);
    run(Step::Share);
    cluster.wait_until_equal();
    let again = cluster.crossed(A, B) - before;
    assert!(again < count * BESIDE, "bodies went again: {again}");
    println!(
        "soak: a region added to {count} secrets of {VALUE} bytes: asked for in {asked:.1?}, all \
         in sync after {took:.1?}; {:.2} bytes went for each byte of value, {} bytes for each \
         secret beside; naming it again {} bytes for each secret",
        moved as f64 / bodies as f64,
        (moved - bodies) / count,
        again / count
    );
}

/// What is done to each secret.
#[derive(Clone, Copy)]
enum Step {
    Create,
    Share,
    WaitUntilInSync,
    Read,
}

async fn for_each(shared: &Arc<Shared>, client: &Client, step: Step) {
    let next = Arc::new(AtomicUsize::new(0));
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (shared, client, next) = (Arc::clone(shared), client.clone(), Arc::clone(&next));
        callers.spawn(async move {
            loop {
                let secret = next.fetch_add(1, Ordering::Relaxed);
                let Some(value) = shared.values.get(secret) else {
                    return;
                };
                step.make(&client, &format!("shared/{secret}"), value).await;
            }
        });
    }
    callers.join_all().await;
}

impl Step {
    async fn make(self, client: &Client, name: &str, value: &[u8]) {
        match self {
            Self::Create => create(client, name, value).await,
            Self::Share => share(client, name).await,
            Self::WaitUntilInSync => wait_until_in_sync(client, name).await,
            Self::Read => assert_eq!(read(client, name).await, value, "{name}"),
        }
    }
}

async fn create(client: &Client, name: &str, value: &[u8]) {
    let request = || CreateSecretRequest {
        value: Some(create_secret_request::Value::SecretBinary(value.to_vec())),
        ..creation(name)
    };
    persist(name, || client.create_secret(request())).await;
}

async fn share(client: &Client, name: &str) {
    let request = || ReplicateSecretToRegionsRequest {
        secret_id: name.into(),
        add_replica_regions: vec![ReplicaRegion {
            region: NAMES[B].into(),
            kms_key_id: None,
        }],
        force_overwrite_replica_secret: false,
    };
    persist(name, || client.replicate_secret_to_regions(request())).await;
}

async fn wait_until_in_sync(client: &Client, name: &str) {
    let late = tokio::time::Instant::now() + 10 * PATIENCE;
    loop {
        let described = persist(name, || describe(client, name)).await;
        let status = described.replication_status.first().expect("a replica");
        if status.status() == ReplicationState::InSync {
            return;
        }
        let is_late = tokio::time::Instant::now() > late;
        assert!(
            !is_late && status.status() == ReplicationState::InProgress,
            "{status:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn read(client: &Client, name: &str) -> Vec<u8> {
    let request = || GetSecretValueRequest {
        secret_id: name.into(),
        ..GetSecretValueRequest::default()
    };
    let answer = persist(name, || client.get_secret_value(request())).await;
    match &answer.value {
        Some(get_secret_value_response::Value::SecretBinary(bytes)) => bytes.to_vec(),
        other => panic!("{name}: {other:?}"),
    }
}
