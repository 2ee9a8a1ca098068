//! What a region has of a secret that is not shared with it: commitments, and nothing that opens or
//! names it. Its disks, the memory of its nodes, what passed between the regions and everything
//! that the key of one of its nodes can ask for are searched.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};

use bytes::Bytes;
use client::secrets::v1::{CreateSecretRequest, ReplicaRegion, Tag, create_secret_request};
use envelope::{EncryptionContext, Kek, LinkBinding, LinkOffer};
use machine::Header;
use prost::Message as _;
use strongroom_tests::Region;
use strongroom_tests::shell::until_within;
use tokio_stream::StreamExt;
use walkdir::WalkDir;
use wire::Credentials;
use wire::replication::v1::follow_request::Message as Said;
use wire::replication::v1::follow_response::Message;
use wire::replication::v1::{
    Changes, FeedCursor, FetchRowsRequest, FetchSnapshotRequest, FollowRequest, Open, Row,
};

use crate::callers::{creation, get, read, version};
use crate::cluster::{A, B, Cluster, NAMES, PATIENCE, SELECTED, Settings, Site};
use crate::peers::{cluster_id, credentials, dial, identity, origin};

/// What stands in a secret that stays at home, and nowhere else.
const HIDDEN: Canaries = Canaries([
    "canary-name-51c8aa",
    "canary-value-6f1d2c",
    "canary-description-e07d13",
    "canary-tag-key-2f6b90",
    "canary-tag-value-c4a8d7",
]);
/// What stands in one that is shared.
const SHARED: Canaries = Canaries([
    "parrot-name-51c8aa",
    "parrot-value-6f1d2c",
    "parrot-description-e07d13",
    "parrot-tag-key-2f6b90",
    "parrot-tag-value-c4a8d7",
]);
/// The feed between regions.
const FEED: &str = "home/eu-north-1";
const STREAM: [u8; 16] = [3; 16];

/// Name, value, description, key and value of a tag.
struct Canaries([&'static str; 5]);

#[test]
#[ignore = "searches the memory of processes, which only root may"]
fn a_region_outside_the_replica_set_holds_nothing_that_opens_or_names_a_secret() {
    let settings = Settings {
        is_recorded: true,
        log_level: "debug",
        ..Settings::default()
    };
    let cluster = Cluster::proxied(&[SELECTED, SELECTED], &settings);
    let client = cluster.client(A);
    cluster.runtime.block_on(async {
        client.create_secret(HIDDEN.creation(&[])).await.unwrap();
        client
            .create_secret(SHARED.creation(&[NAMES[B]]))
            .await
            .unwrap();
    });
    cluster.wait_until_equal();
    let other = cluster.client(B);
    until_within(PATIENCE, "the shared one is there", || {
        let found = cluster.runtime.block_on(get(&other, SHARED.0[0]));
        found.ok().filter(|found| found == SHARED.0[1])
    });
    cluster.regions[B].call(&["node", "snapshot"]).done();
    assert_eq!(
        HIDDEN.found_in(&cluster.network().taken()),
        None,
        "between nodes"
    );
    search_files(&cluster.regions[B]);
    search_memory(&cluster);
    // Only now: the question has its name.
    let hidden = cluster.runtime.block_on(read(&other, HIDDEN.0[0])).unwrap();
    assert_eq!(hidden, None, "it is not found where it is not shared");
    let asked = cluster.runtime.block_on(ask_for_everything(&cluster));
    println!(
        "what a node's key can ask for: {} messages, {} bytes, {} rows without a body, {} with one",
        asked.messages, asked.bytes, asked.bare, asked.bodies
    );
}

#[test]
#[ignore = "founds regions"]
fn a_recorded_stream_does_not_open_with_the_later_keys_of_either_region() {
    let one = Site {
        nodes: 1,
        ..SELECTED
    };
    let cluster = Cluster::proxied(&[one, one], &Settings::default());
    let client = cluster.client(A);
    let shared = cluster
        .runtime
        .block_on(client.create_secret(SHARED.creation(&[NAMES[B]])));
    shared.unwrap();
    let own = credentials(&cluster, B, 1);
    let record = || cluster.runtime.block_on(record(&cluster, &own));
    let (recorded, later, latest) = (record(), record(), record());
    // An offer is good for one try, so each of these has one of its own.
    let fresh = LinkOffer::generate().unwrap();
    assert!(
        !recorded.opens(fresh, &recorded.encapsulated),
        "a later key of the follower"
    );
    let opens = recorded.opens(later.offer(), &recorded.encapsulated);
    assert!(
        !opens,
        "a key of the follower's that was used for another stream"
    );
    let opens = recorded.opens(latest.offer(), &latest.encapsulated);
    assert!(
        !opens,
        "the key that both have agreed upon for a later stream"
    );
    let opens = recorded.opens(recorded.offer(), &recorded.encapsulated);
    assert!(opens, "its own key opens what came on it");
}

impl Canaries {
    fn creation(&self, regions: &[&str]) -> CreateSecretRequest {
        let [name, value, description, tag_key, tag_value] = self.0;
        CreateSecretRequest {
            description: description.into(),
            value: Some(create_secret_request::Value::SecretString(value.into())),
            tags: vec![Tag {
                key: tag_key.into(),
                value: tag_value.into(),
            }],
            add_replica_regions: regions
                .iter()
                .map(|region| ReplicaRegion {
                    region: (*region).into(),
                    kms_key_id: None,
                })
                .collect(),
            ..creation(name)
        }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut canaries = self.0.into_iter();
        canaries.find(|canary| memchr::memmem::find(bytes, canary.as_bytes()).is_some())
    }
}

/// Searches everything that the nodes of a region wrote: rows, log, snapshots, logs.
fn search_files(region: &Region) {
    let mut searched = 0;
    for file in WalkDir::new(region.folder())
        .into_iter()
        .map(Result::unwrap)
    {
        if file.file_type().is_file() {
            let bytes = std::fs::read(file.path()).unwrap();
            searched += bytes.len();
            let found = HIDDEN.found_in(&bytes).or(SHARED.found_in(&bytes));
            assert_eq!(found, None, "in {}", file.path().display());
        }
    }
    assert!(searched > 100_000, "the nodes wrote {searched} bytes");
    for node in region.nodes() {
        let metrics = region.metrics(node);
        assert_eq!(HIDDEN.found_in(metrics.as_bytes()), None, "in the metrics");
    }
}

/// Searches the memory of the nodes of both regions.
fn search_memory(cluster: &Cluster) {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for (at, region) in cluster.regions.iter().enumerate() {
        for id in region.process_ids() {
            found[at].extend(names_in_memory(id));
        }
    }
    println!("in memory: {found:?}");
    assert!(found[A].contains(HIDDEN.0[0]), "the search finds");
    assert!(
        found[B].contains(SHARED.0[0]),
        "the search finds in the other region too"
    );
    let hidden = HIDDEN.0.iter().filter(|canary| found[B].contains(**canary));
    assert_eq!(hidden.count(), 0, "{:?}", found[B]);
}

/// The canaries that stand in the memory of a process.
fn names_in_memory(id: u32) -> BTreeSet<&'static str> {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem")).unwrap();
    let mut found = BTreeSet::new();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What was given back meanwhile cannot be read.
        let _ = memory.by_ref().take(to - from).read_to_end(&mut bytes);
        let all = HIDDEN.0.into_iter().chain(SHARED.0);
        found
            .extend(all.filter(|canary| memchr::memmem::find(&bytes, canary.as_bytes()).is_some()));
    }
    found
}

/// What came of asking for everything.
#[derive(Default)]
struct Asked {
    messages: usize,
    bytes: usize,
    bare: usize,
    bodies: usize,
    rows: BTreeSet<Bytes>,
}

impl Asked {
    fn note(&mut self, message: &impl prost::Message) {
        let bytes = message.encode_to_vec();
        assert_eq!(HIDDEN.found_in(&bytes), None, "in what was answered");
        self.messages += 1;
        self.bytes += bytes.len();
    }

    fn note_rows(&mut self, rows: &[Row]) {
        for row in rows {
            self.rows.insert(row.key.clone());
            match &row.body {
                Some(_) => self.bodies += 1,
                None => self.bare += 1,
            }
        }
    }
}

/// Asks the primary for everything that a node of the other region can, as that node.
async fn ask_for_everything(cluster: &Cluster) -> Asked {
    let own = credentials(cluster, B, 1);
    let mut asked = Asked::default();
    let mut is_shared_found = false;
    for changes in follow(cluster, &own).await.1 {
        is_shared_found |= SHARED.found_in(&changes.encode_to_vec()).is_some();
        asked.note(&changes);
    }
    assert!(
        is_shared_found,
        "the shared one comes with its name, so the search finds"
    );
    let offer = LinkOffer::generate().unwrap();
    let mut primary = dial(cluster, &own, A, 1);
    let snapshot = FetchSnapshotRequest {
        origin: Some(origin(&own)),
        stream: Bytes::copy_from_slice(&[4; 16]),
        public_key: Bytes::copy_from_slice(offer.public_key()),
        feed: FEED.into(),
        value_bytes: 1 << 20,
        ..FetchSnapshotRequest::default()
    };
    let mut rows = primary.fetch_snapshot(snapshot).await.unwrap().into_inner();
    while let Some(message) = rows.next().await {
        let message = message.unwrap();
        asked.note(&message);
        asked.note_rows(&message.rows);
    }
    assert!(
        asked.bare > 0 && asked.bodies > 0,
        "some rows are withheld, others not"
    );
    let by_key = FetchRowsRequest {
        origin: Some(origin(&own)),
        stream: Bytes::copy_from_slice(&[5; 16]),
        public_key: Bytes::copy_from_slice(offer.public_key()),
        feed: FEED.into(),
        keys: asked.rows.iter().cloned().collect(),
    };
    let mut rows = primary.fetch_rows(by_key).await.unwrap().into_inner();
    while let Some(message) = rows.next().await {
        let message = message.unwrap();
        asked.note(&message);
        let withheld = message.rows.iter().filter(|row| row.body.is_none());
        assert_eq!(
            withheld.count(),
            0,
            "what a caller may not have is left out"
        );
    }
    asked
}

/// Follows the primary's home feed from its beginning, as a node of the other region.
async fn follow(cluster: &Cluster, own: &Credentials) -> (Opening, Vec<Changes>) {
    let offer = LinkOffer::generate().unwrap();
    let public_key = Bytes::copy_from_slice(offer.public_key());
    let open = Open {
        origin: Some(origin(own)),
        stream: Bytes::copy_from_slice(&STREAM),
        public_key,
        feeds: vec![FeedCursor {
            feed: FEED.into(),
            chain: Bytes::from_static(&[0; 32]),
            ..FeedCursor::default()
        }],
    };
    let (sender, requests) = tokio::sync::mpsc::channel(4);
    let message = Some(Said::Open(open));
    sender.send(FollowRequest { message }).await.unwrap();
    let own = credentials(cluster, B, 1);
    let mut primary = dial(cluster, &own, A, 1);
    let requests = tokio_stream::wrappers::ReceiverStream::new(requests);
    let mut messages = primary.follow(requests).await.unwrap().into_inner();
    let (mut opened, mut all, mut last) = (None, Vec::new(), 0);
    loop {
        match messages.next().await.unwrap().unwrap().message.unwrap() {
            Message::Opened(message) => opened = Some(message),
            Message::Changes(changes) => {
                last += changes.changes.len() as u64;
                all.push(changes);
            }
            Message::Alive(alive) => {
                let mut feeds = alive.feeds.iter();
                let end = feeds
                    .find(|feed| feed.feed == FEED)
                    .map_or(0, |feed| feed.revision);
                if last > 0 && last >= end {
                    let encapsulated = opened.unwrap().encapsulated;
                    return (
                        Opening {
                            offer,
                            encapsulated,
                        },
                        all,
                    );
                }
            }
            other @ Message::NotServed(_) => panic!("{other:?}"),
        }
    }
}

/// What a follower has of an opened stream.
struct Opening {
    offer: LinkOffer,
    encapsulated: Bytes,
}

/// A stream as somebody recorded it, and what the follower knew.
struct Recorded {
    offer: std::cell::Cell<Option<LinkOffer>>,
    encapsulated: Bytes,
    binding: LinkBinding,
    /// The first data key that came, and what it belongs to.
    wrapped: Bytes,
    uid: [u8; 16],
}

async fn record(cluster: &Cluster, own: &Credentials) -> Recorded {
    let (opening, all) = follow(cluster, own).await;
    let changes = all.iter().flat_map(|changes| &changes.changes);
    let mut with_keys = changes.filter_map(|change| {
        let body = change.body.as_ref()?;
        (!body.wrapped_dek.is_empty()).then(|| (change.header.clone(), body.wrapped_dek.clone()))
    });
    let (header, wrapped) = with_keys.next().expect("a data key");
    Recorded {
        offer: std::cell::Cell::new(Some(opening.offer)),
        encapsulated: opening.encapsulated,
        binding: LinkBinding {
            cluster: cluster_id(&identity(own).cluster),
            from: NAMES[A].into(),
            to: NAMES[B].into(),
            stream: STREAM,
        },
        wrapped,
        uid: Header::decode(header).unwrap().uid.0,
    }
}

impl Recorded {
    /// The follower's half of the agreement. It is good for one try.
    fn offer(&self) -> LinkOffer {
        self.offer.take().expect("an offer is good for one try")
    }

    /// Whether a data key of the recording opens with what comes of these.
    fn opens(&self, offer: LinkOffer, encapsulated: &[u8]) -> bool {
        let context = EncryptionContext {
            cluster: self.binding.cluster,
            uid: self.uid,
            version_id: &version(1),
        };
        let kek = Kek::generate([9; 16], 1).unwrap();
        let key = offer.accept(encapsulated, &self.binding).unwrap();
        key.rewrap_in(&kek, &context, NAMES[B], &self.wrapped)
            .is_ok()
    }
}
