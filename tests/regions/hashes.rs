//! Feed hashes: whatever is done to secrets in any region, every node of every region, member or
//! not, has the same hash at the same place; and bytes that go bad below a region are found and put
//! right.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use client::secrets::v1::{
    CreateSecretRequest, DeleteSecretRequest, RemoveRegionsFromReplicationRequest, ReplicaRegion,
    ReplicateSecretToRegionsRequest, RestoreSecretRequest, Tag, TagResourceRequest,
    UntagResourceRequest, UpdateSecretRequest, UpdateSecretVersionStageRequest,
};
use client::{Client, Error, Retry};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use strongroom_tests::shell::until_within;
use walkdir::WalkDir;

use crate::callers::{creation, put, read, seed_and_count, version};
use crate::cluster::{A, ALL, At, B, C, Cluster, NAMES, PATIENCE, SELECTED, Settings, Site};

/// Operations of the short form.
const OPERATIONS: u64 = 5_000;
/// Callers of each region that leads something, each with secrets of its own.
const CALLERS: u64 = 6;
/// Secrets of one caller.
const SECRETS: u64 = 25;

/// Hashes by feed and place.
type Hashes = BTreeMap<(String, u64, u64), Vec<u8>>;

#[test]
#[ignore = "makes thousands of changes"]
fn feed_hashes_are_equal_in_every_region_and_bytes_that_go_bad_are_put_right() {
    let (seed, operations) = seed_and_count(OPERATIONS);
    let third = Site {
        nodes: 1,
        ..SELECTED
    };
    let mut cluster = Cluster::proxied(&[SELECTED, ALL, third], &Settings::default());
    let (hashes, compared) = run_operations(&cluster, seed, operations);
    cluster.wait_until_equal();
    let listed = cluster.listed(B);
    let feeds = listed.regions.iter().flat_map(|region| &region.leads);
    let differing: Vec<_> = feeds
        .filter(|feed| feed.differs || !feed.trouble.is_empty())
        .collect();
    assert!(differing.is_empty(), "{differing:?}");
    let names = whole_names(&cluster);

    for node in 1..=3 {
        let region = &mut cluster.regions[B];
        region.stop(node);
        flip_a_byte(&region.data(node).join("rows"), seed + node);
    }
    let crashes = start_again(&mut cluster);
    cluster.wait_until_equal();
    let client = cluster.client(B);
    for name in &names {
        let read = || cluster.runtime.block_on(read(&client, name)).ok().flatten();
        until_within(PATIENCE, &format!("{name} is read"), read);
    }
    println!(
        "soak: {operations} random operations in two regions, {} places seen, {compared} times \
         seen again in another node or region, all hashes equal; a byte flipped in the rows of \
         each node of one region, found and put right ({crashes} nodes had to be started twice), \
         {} secrets read there afterwards",
        hashes.len(),
        names.len()
    );
}

/// Lets callers of two regions do what they like, and compares hashes all the while.
fn run_operations(cluster: &Cluster, seed: u64, operations: u64) -> (Hashes, u64) {
    let left = Arc::new(AtomicU64::new(operations));
    let is_over = Arc::new(AtomicBool::new(false));
    let callers = [A, B]
        .into_iter()
        .flat_map(|at| (0..CALLERS).map(move |number| (at, number)));
    let callers = callers.map(|(at, number)| {
        let caller = Caller {
            client: cluster.client(at),
            region: at,
            number,
            random: StdRng::seed_from_u64(seed ^ (number << 8 | at as u64)),
            next: 1,
        };
        cluster.runtime.spawn(caller.run(Arc::clone(&left)))
    });
    let callers: Vec<_> = callers.collect();
    let mut hashes = Hashes::new();
    let mut compared = 0;
    std::thread::scope(|threads| {
        let over = Arc::clone(&is_over);
        let comparing = threads.spawn(move || compare(cluster, &over));
        for caller in callers {
            cluster.runtime.block_on(caller).unwrap();
        }
        is_over.store(true, Ordering::SeqCst);
        (hashes, compared) = comparing.join().unwrap();
    });
    (hashes, compared)
}

/// Asks all nodes again and again. Gives what was seen, and how often a place was seen again.
fn compare(cluster: &Cluster, is_over: &AtomicBool) -> (Hashes, u64) {
    let nodes = cluster.regions.iter().enumerate();
    let nodes = nodes.flat_map(|(at, region)| region.nodes().into_iter().map(move |n| (at, n)));
    let clients: Vec<Client> = nodes
        .map(|(at, node)| cluster.client_of(at, node))
        .collect();
    let (mut hashes, mut compared) = (Hashes::new(), 0);
    while !is_over.load(Ordering::SeqCst) {
        for client in &clients {
            for (feed, at) in cluster.places(client) {
                let At {
                    epoch,
                    revision,
                    hash,
                    ..
                } = at;
                let place = (feed, epoch, revision);
                let known = hashes.entry(place.clone()).or_insert_with(|| hash.clone());
                assert_eq!(*known, hash, "{place:?} differs");
                compared += 1;
            }
        }
    }
    let again = compared - hashes.len() as u64;
    (hashes, again)
}

/// Somebody who does what chance says to secrets of his own.
struct Caller {
    client: Client,
    region: usize,
    number: u64,
    random: StdRng,
    /// The number of the next write.
    next: u64,
}

impl Caller {
    async fn run(mut self, left: Arc<AtomicU64>) {
        loop {
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
            if before.is_err() {
                return;
            }
            let secret = self.random.random_range(0..SECRETS);
            let name = format!("{}/{}/{secret}", NAMES[self.region], self.number);
            if let Err(error) = self.operate(&name).await {
                let is_of_rules = error.reason().ends_with("Exception");
                let is_right = is_of_rules || error.retry() != Retry::No;
                assert!(is_right, "{name}: {error:?}");
            }
        }
    }

    /// Most of what is done changes something; what does not is refused by the rules.
    async fn operate(&mut self, name: &str) -> Result<(), Error> {
        let client = self.client.clone();
        let id = || name.to_owned();
        self.next += 1;
        match self.random.random_range(0..100) {
            0..20 => client.create_secret(self.creation(name)).await.map(drop),
            20..55 => put(&client, name, self.next).await,
            55..63 => client.update_secret(self.update(name)).await.map(drop),
            63..70 => client.tag_resource(self.tags(name)).await.map(drop),
            70..74 => {
                let request = UntagResourceRequest {
                    secret_id: id(),
                    tag_keys: vec![format!("key-{}", self.random.random_range(0..4))],
                };
                client.untag_resource(request).await.map(drop)
            }
            74..80 => client
                .update_secret_version_stage(self.label(name))
                .await
                .map(drop),
            80..88 => client
                .replicate_secret_to_regions(self.share(name))
                .await
                .map(drop),
            88..93 => {
                let request = RemoveRegionsFromReplicationRequest {
                    secret_id: id(),
                    remove_replica_regions: vec![self.other().into()],
                };
                client
                    .remove_regions_from_replication(request)
                    .await
                    .map(drop)
            }
            93..97 => {
                let is_forced = self.random.random_bool(0.5);
                let request = DeleteSecretRequest {
                    secret_id: id(),
                    recovery_window_in_days: (!is_forced).then_some(7),
                    force_delete_without_recovery: is_forced,
                };
                client.delete_secret(request).await.map(drop)
            }
            _ => {
                let request = RestoreSecretRequest { secret_id: id() };
                client.restore_secret(request).await.map(drop)
            }
        }
    }

    fn creation(&mut self, name: &str) -> CreateSecretRequest {
        let is_shared = self.random.random_bool(0.3);
        let region = self.other().to_owned();
        let shared = is_shared.then_some(ReplicaRegion {
            region,
            kms_key_id: None,
        });
        CreateSecretRequest {
            add_replica_regions: shared.into_iter().collect(),
            ..creation(name)
        }
    }

    fn update(&mut self, name: &str) -> UpdateSecretRequest {
        UpdateSecretRequest {
            secret_id: name.into(),
            description: Some(format!(
                "description {}",
                self.random.random_range(0..1_000)
            )),
            ..UpdateSecretRequest::default()
        }
    }

    fn tags(&mut self, name: &str) -> TagResourceRequest {
        let tag = Tag {
            key: format!("key-{}", self.random.random_range(0..4)),
            value: self.random.random_range(0..1_000).to_string(),
        };
        TagResourceRequest {
            secret_id: name.into(),
            tags: vec![tag],
        }
    }

    /// Puts a label of the caller's own on a version.
    fn label(&mut self, name: &str) -> UpdateSecretVersionStageRequest {
        UpdateSecretVersionStageRequest {
            secret_id: name.into(),
            version_stage: "MINE".into(),
            remove_from_version_id: None,
            move_to_version_id: Some(version(1)),
        }
    }

    fn share(&mut self, name: &str) -> ReplicateSecretToRegionsRequest {
        ReplicateSecretToRegionsRequest {
            secret_id: name.into(),
            add_replica_regions: vec![ReplicaRegion {
                region: self.other().into(),
                kms_key_id: None,
            }],
            force_overwrite_replica_secret: false,
        }
    }

    /// Another region.
    fn other(&mut self) -> &'static str {
        let others: Vec<usize> = [A, B, C]
            .into_iter()
            .filter(|at| *at != self.region)
            .collect();
        NAMES[others[self.random.random_range(0..others.len())]]
    }
}

/// Secrets of the first region that can be read in it.
fn whole_names(cluster: &Cluster) -> Vec<String> {
    let client = cluster.client(A);
    let names = (0..CALLERS).flat_map(|caller| {
        (0..SECRETS).map(move |secret| format!("{}/{caller}/{secret}", NAMES[A]))
    });
    let can_be_read =
        |name: &String| matches!(cluster.runtime.block_on(read(&client, name)), Ok(Some(_)));
    names.filter(can_be_read).collect()
}

/// Starts the nodes of a region whose rows are damaged, as whoever watches over them would: a node
/// that ends when it meets the damage sets its rows aside the next time.
fn start_again(cluster: &mut Cluster) -> u64 {
    let region = &mut cluster.regions[B];
    let mut crashes = 0;
    (1..=3).for_each(|node| region.start(node, &[]));
    for node in 1..=3 {
        until_within(PATIENCE, "a damaged node is ready", || {
            if !region.process(node).runs() {
                crashes += 1;
                assert!(
                    crashes <= 3,
                    "it ends again and again: {}",
                    region.log(node)
                );
                region.start(node, &[]);
            }
            let ready = region.try_probe(node, "/ready");
            ready.ok()?.starts_with("HTTP/1.1 200").then_some(())
        });
    }
    crashes
}

/// Changes one byte of the file that holds the rows.
fn flip_a_byte(rows: &std::path::Path, seed: u64) {
    let files = WalkDir::new(rows).into_iter().map(Result::unwrap);
    let files = files.filter(|entry| entry.file_type().is_file());
    let largest = files
        .max_by_key(|file| file.metadata().unwrap().len())
        .unwrap();
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(largest.path())
        .unwrap();
    let mut bytes = vec![0; usize::try_from(file.metadata().unwrap().len()).unwrap()];
    file.read_exact_at(&mut bytes, 0).unwrap();
    // Space that was never written to has nothing that could go bad.
    let written: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
    let mut random = StdRng::seed_from_u64(seed);
    let at = written[random.random_range(0..written.len())];
    file.write_all_at(&[!bytes[at]], at as u64).unwrap();
}
