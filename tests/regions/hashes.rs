//! Feed hashes: whatever is done to secrets in any region, every node of every region, member or
//! not, has the same hash at the same place; and bytes that go bad below a region are found and put
//! right.

use std::collections::{BTreeMap, BTreeSet};
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

/// Times that a byte is flipped on each node, at most, until one is where rows are.
const FLIPS_MAX: u64 = 8;
/// Places of each feed that is written to that more than one region must have been seen at.
const SHARED_PLACES_MIN: usize = 10;

/// The hash by feed and place, and the regions that were seen there.
type Hashes = BTreeMap<(String, u64, u64), (Vec<u8>, BTreeSet<usize>)>;

/// Operations that changed something, by their names.
type Done = BTreeMap<&'static str, u64>;

#[test]
#[ignore = "makes thousands of changes"]
fn feed_hashes_are_equal_in_every_region_and_bytes_that_go_bad_are_put_right() {
    let (seed, operations) = seed_and_count(OPERATIONS);
    let third = Site {
        nodes: 1,
        ..SELECTED
    };
    let mut cluster = Cluster::proxied(&[SELECTED, ALL, third], &Settings::default());
    let (hashes, done) = run_operations(&cluster, seed, operations);
    cluster.wait_until_equal();
    check_troubles(&cluster);
    let shared = [A, B].map(|led| seen_in_several(&hashes, NAMES[led]));
    let is_compared = shared.iter().all(|places| *places >= SHARED_PLACES_MIN);
    assert!(
        is_compared,
        "{shared:?} places were seen in several regions"
    );
    assert_eq!(
        done.len(),
        10,
        "some operation was always refused: {done:?}"
    );
    let names = whole_names(&cluster);
    assert!(!names.is_empty(), "no secret is there");

    let (flips, crashes) = flip_until_found(&mut cluster, &names, seed);
    println!(
        "soak: {operations} random operations in two regions, of which {} changed something, {} \
         places seen, {shared:?} of both home feeds in several regions, all hashes equal; a byte \
         flipped in the rows of each node of one region {flips} times until it was found, and put \
         right ({crashes} nodes had to be started twice), {} secrets read there afterwards",
        done.values().sum::<u64>(),
        hashes.len(),
        names.len()
    );
}

/// No region has found that a feed differs from its primary's at a checkpoint, nor put it right.
fn check_troubles(cluster: &Cluster) {
    for at in [A, B, C] {
        let listed = cluster.listed(at);
        let feeds: Vec<_> = listed.regions.iter().flat_map(|one| &one.leads).collect();
        assert_eq!(
            feeds.len(),
            4,
            "the root feed and three home feeds: {feeds:?}"
        );
        let mut feeds = feeds.iter();
        let differing = feeds.find(|feed| feed.differs || !feed.trouble.is_empty());
        assert_eq!(differing, None, "in {}", NAMES[at]);
        for node in cluster.regions[at].nodes() {
            let log = cluster.regions[at].log(node);
            assert!(!log.contains(MENDED), "node {node} of {}", NAMES[at]);
        }
    }
}

/// How many places of a feed more than one region was seen at.
fn seen_in_several(hashes: &Hashes, feed: &str) -> usize {
    let of_feed = hashes.iter().filter(|((of, ..), _)| of == feed);
    of_feed
        .filter(|(_, (_, regions))| regions.len() > 1)
        .count()
}

/// Flips a byte in the rows of each node of a region until a node says that it has found one, and
/// reads everything each time. Tells how often that was, and how many nodes ended by it.
fn flip_until_found(cluster: &mut Cluster, names: &[String], seed: u64) -> (u64, u64) {
    let mut crashes = 0;
    for flips in 1..=FLIPS_MAX {
        for node in 1..=3 {
            let region = &mut cluster.regions[B];
            region.stop(node);
            flip_a_byte(&region.data(node).join("rows"), seed + 3 * flips + node);
        }
        let ended = start_again(cluster);
        crashes += ended;
        cluster.wait_until_equal();
        let client = cluster.client(B);
        for name in names {
            let read = || cluster.runtime.block_on(read(&client, name)).ok().flatten();
            until_within(PATIENCE, &format!("{name} is read"), read);
        }
        let region = &cluster.regions[B];
        let mut logs = region.nodes().into_iter().map(|node| region.log(node));
        if ended > 0 || logs.any(|log| FOUND.iter().any(|found| log.contains(found))) {
            return (flips, crashes);
        }
    }
    panic!("a byte was flipped {FLIPS_MAX} times on each node, and none was found");
}

/// What a node logs that has put rows of a feed right.
const MENDED: &str = "rows that differed were put right";
/// What a node logs that has found damage below its rows.
const FOUND: [&str; 2] = ["a stored row is bad", "the rows are damaged"];

/// Lets callers of two regions do what they like, and compares hashes all the while.
fn run_operations(cluster: &Cluster, seed: u64, operations: u64) -> (Hashes, Done) {
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
    let (mut hashes, mut done) = (Hashes::new(), Done::new());
    std::thread::scope(|threads| {
        let over = Arc::clone(&is_over);
        let comparing = threads.spawn(move || compare(cluster, &over));
        for caller in callers {
            for (operation, count) in cluster.runtime.block_on(caller).unwrap() {
                *done.entry(operation).or_default() += count;
            }
        }
        is_over.store(true, Ordering::SeqCst);
        hashes = comparing.join().unwrap();
    });
    (hashes, done)
}

/// Asks all nodes again and again. Gives what was seen.
fn compare(cluster: &Cluster, is_over: &AtomicBool) -> Hashes {
    let nodes = cluster.regions.iter().enumerate();
    let nodes = nodes.flat_map(|(at, region)| region.nodes().into_iter().map(move |n| (at, n)));
    let clients: Vec<(usize, Client)> = nodes
        .map(|(at, node)| (at, cluster.client_of(at, node)))
        .collect();
    let mut hashes = Hashes::new();
    while !is_over.load(Ordering::SeqCst) {
        for (region, client) in &clients {
            for (feed, at) in cluster.places(client) {
                let At {
                    epoch,
                    revision,
                    hash,
                    ..
                } = at;
                let place = (feed, epoch, revision);
                let first = || (hash.clone(), BTreeSet::new());
                let (known, regions) = hashes.entry(place.clone()).or_insert_with(first);
                assert_eq!(*known, hash, "{place:?} differs");
                regions.insert(*region);
            }
        }
    }
    hashes
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
    async fn run(mut self, left: Arc<AtomicU64>) -> Done {
        let mut done = Done::new();
        loop {
            let before = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
            if before.is_err() {
                return done;
            }
            let secret = self.random.random_range(0..SECRETS);
            let name = format!("{}/{}/{secret}", NAMES[self.region], self.number);
            match self.operate(&name).await {
                Ok(operation) => *done.entry(operation).or_default() += 1,
                Err(error) => {
                    let is_of_rules = error.reason().ends_with("Exception");
                    let is_right = is_of_rules || error.retry() != Retry::No;
                    assert!(is_right, "{name}: {error:?}");
                }
            }
        }
    }

    /// Most of what is done changes something; what does not is refused by the rules. Gives the
    /// name of what was done.
    async fn operate(&mut self, name: &str) -> Result<&'static str, Error> {
        let client = self.client.clone();
        let id = || name.to_owned();
        self.next += 1;
        let done = match self.random.random_range(0..100) {
            0..20 => {
                client.create_secret(self.creation(name)).await?;
                "create"
            }
            20..55 => {
                put(&client, name, self.next).await?;
                "put"
            }
            55..63 => {
                client.update_secret(self.update(name)).await?;
                "update"
            }
            63..70 => {
                client.tag_resource(self.tags(name)).await?;
                "tag"
            }
            70..74 => {
                let request = UntagResourceRequest {
                    secret_id: id(),
                    tag_keys: vec![format!("key-{}", self.random.random_range(0..4))],
                };
                client.untag_resource(request).await?;
                "untag"
            }
            74..80 => {
                let request = self.label(name);
                client.update_secret_version_stage(request).await?;
                "stage"
            }
            80..93 => return self.replicate(name).await,
            93..97 => {
                let is_forced = self.random.random_bool(0.5);
                let request = DeleteSecretRequest {
                    secret_id: id(),
                    recovery_window_in_days: (!is_forced).then_some(7),
                    force_delete_without_recovery: is_forced,
                };
                client.delete_secret(request).await?;
                "delete"
            }
            _ => {
                let request = RestoreSecretRequest { secret_id: id() };
                client.restore_secret(request).await?;
                "restore"
            }
        };
        Ok(done)
    }

    /// Shares a secret, or takes it back.
    async fn replicate(&mut self, name: &str) -> Result<&'static str, Error> {
        let client = self.client.clone();
        if self.random.random_bool(0.6) {
            let request = self.share(name);
            client.replicate_secret_to_regions(request).await?;
            return Ok("share");
        }
        let request = RemoveRegionsFromReplicationRequest {
            secret_id: name.to_owned(),
            remove_replica_regions: vec![self.other().into()],
        };
        client.remove_regions_from_replication(request).await?;
        Ok("unshare")
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
/// that ends when it meets the damage, twice at most, sets its rows aside the next time. Tells how
/// often that was.
fn start_again(cluster: &mut Cluster) -> u64 {
    let region = &mut cluster.regions[B];
    let mut crashes = BTreeMap::from([(1, 0), (2, 0), (3, 0)]);
    crashes.keys().for_each(|node| region.start(*node, &[]));
    // None is ready before most run.
    until_within(PATIENCE, "all damaged nodes are ready", || {
        for (node, crashes) in &mut crashes {
            if !region.process(*node).runs() {
                *crashes += 1;
                let log = || region.log(*node);
                assert!(*crashes <= 2, "it ends again and again: {}", log());
                region.start(*node, &[]);
            }
        }
        let is_ready = |node: &u64| {
            let ready = region.try_probe(*node, "/ready");
            ready.is_ok_and(|ready| ready.starts_with("HTTP/1.1 200"))
        };
        crashes.keys().all(is_ready).then_some(())
    });
    crashes.values().sum()
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
