//! What a region has of a secret that is not shared with it: commitments, and nothing that opens or
//! names it. Its disks, the memory of its nodes, what passed between the regions and everything
//! that the key of one of its nodes can ask for are searched.

use std::collections::BTreeSet;
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

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
use crate::cluster::{A, ALL, B, C, Cluster, NAMES, PATIENCE, SELECTED, Settings, Site};
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
    // The third receives everything: what it gets tells what the second must not have.
    let third = Site { nodes: 1, ..ALL };
    let mut cluster = Cluster::proxied(&[SELECTED, SELECTED, third], &settings);
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
    let own = credentials(&cluster, C, 1);
    let (_, all) = cluster.runtime.block_on(follow(&cluster, &own));
    let [hidden, shared] = [&HIDDEN, &SHARED].map(|canaries| canaries.known(&all));
    for (at, sealed) in [(A, &hidden.sealed), (B, &shared.sealed)] {
        let is_found = search_memory_for(&cluster.regions[at], sealed);
        assert!(is_found, "the search finds sealed values in region {at}");
    }
    search_memory(&cluster, &hidden);
    // Files are sealed. What they hold is in the memory of nodes that have just read them.
    let region = &mut cluster.regions[B];
    region
        .nodes()
        .into_iter()
        .for_each(|node| region.stop(node));
    region.start_all();
    cluster.wait_until_equal();
    search_memory(&cluster, &hidden);
    // Only now: the question has its name.
    let found = cluster.runtime.block_on(read(&other, HIDDEN.0[0])).unwrap();
    assert_eq!(found, None, "it is not found where it is not shared");
    let asked = ask_for_everything(&cluster, hidden.uid);
    let asked = cluster.runtime.block_on(asked);
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

    /// What a feed with all bodies has of the secret they stand in.
    fn known(&self, all: &[Changes]) -> Known {
        let changes = all.iter().flat_map(|changes| &changes.changes);
        let bodies = changes.filter_map(|change| {
            let uid = Header::decode(change.header.clone()).unwrap().uid.0;
            Some((uid, &change.body.as_ref()?.bytes))
        });
        let bodies: Vec<_> = bodies.collect();
        let mut named = bodies
            .iter()
            .filter(|(_, body)| self.found_in(body).is_some());
        let uid = named.next().expect("a row that names it").0;
        let mut values = bodies
            .iter()
            .filter(|(of, body)| *of == uid && self.found_in(body).is_none());
        let value = values.next().expect("its value").1;
        // Behind a nonce of 12 bytes, and what says that it is one.
        let sealed = value.slice(16..32).to_vec();
        let distinct: BTreeSet<u8> = sealed.iter().copied().collect();
        assert!(distinct.len() > 10, "{sealed:?} could be anywhere");
        Known { uid, sealed }
    }

    fn found_in(&self, bytes: &[u8]) -> Option<&'static str> {
        let mut canaries = self.0.into_iter();
        canaries.find(|canary| memchr::memmem::find(bytes, canary.as_bytes()).is_some())
    }
}

/// What stands for a secret where none of its names do.
struct Known {
    uid: [u8; 16],
    /// A piece of its value as it was sealed.
    sealed: Vec<u8>,
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
fn search_memory(cluster: &Cluster, hidden: &Known) {
    let mut found = [BTreeSet::new(), BTreeSet::new()];
    for (at, region) in cluster.regions[..=B].iter().enumerate() {
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
    let names = HIDDEN.0.iter().filter(|canary| found[B].contains(**canary));
    assert_eq!(names.count(), 0, "{:?}", found[B]);
    let is_found = search_memory_for(&cluster.regions[B], &hidden.sealed);
    assert!(!is_found, "its value is there, sealed");
}

/// Whether bytes stand in the memory of a region's nodes.
fn search_memory_for(region: &Region, needle: &[u8]) -> bool {
    region.process_ids().into_iter().any(|id| {
        let mut found = false;
        read_memory(id, |bytes| {
            found |= memchr::memmem::find(bytes, needle).is_some()
        });
        found
    })
}

/// The canaries that stand in the memory of a process.
fn names_in_memory(id: u32) -> BTreeSet<&'static str> {
    let mut found = BTreeSet::new();
    read_memory(id, |bytes| {
        let all = HIDDEN.0.into_iter().chain(SHARED.0);
        found.extend(all.filter(|canary| memchr::memmem::find(bytes, canary.as_bytes()).is_some()));
    });
    found
}

/// Shows all memory that a process can write to.
fn read_memory(id: u32, mut show: impl FnMut(&[u8])) {
    let maps = std::fs::read_to_string(format!("/proc/{id}/maps")).unwrap();
    let mut memory = std::fs::File::open(format!("/proc/{id}/mem")).unwrap();
    for line in maps.lines().filter(|line| line.contains(" rw")) {
        let (range, _) = line.split_once(' ').unwrap();
        let (from, to) = range.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = Vec::new();
        memory.seek(SeekFrom::Start(from)).unwrap();
        // What was given back meanwhile cannot be read.
        let _ = memory.by_ref().take(to - from).read_to_end(&mut bytes);
        show(&bytes);
    }
}

/// What came of asking for everything.
#[derive(Default)]
struct Asked {
    messages: usize,
    bytes: usize,
    bare: usize,
    bodies: usize,
    /// Headers and rows of the secret that is not shared.
    hidden: usize,
    rows: BTreeSet<Bytes>,
}

impl Asked {
    fn note(&mut self, message: &impl prost::Message) {
        let bytes = message.encode_to_vec();
        assert_eq!(HIDDEN.found_in(&bytes), None, "in what was answered");
        self.messages += 1;
        self.bytes += bytes.len();
    }

    fn note_changes(&mut self, changes: &Changes, hidden: [u8; 16]) {
        for change in &changes.changes {
            let is_hidden = Header::decode(change.header.clone()).unwrap().uid.0 == hidden;
            assert!(!is_hidden || change.body.is_none(), "a body: {change:?}");
            self.hidden += usize::from(is_hidden);
        }
    }

    fn note_rows(&mut self, rows: &[Row], hidden: [u8; 16]) {
        for row in rows {
            let is_hidden = memchr::memmem::find(&row.key, &hidden).is_some();
            assert!(!is_hidden || row.body.is_none(), "a body: {row:?}");
            self.hidden += usize::from(is_hidden);
            self.rows.insert(row.key.clone());
            match &row.body {
                Some(_) => self.bodies += 1,
                None => self.bare += 1,
            }
        }
    }
}

/// Asks the primary for everything that a node of the other region can, as that node.
async fn ask_for_everything(cluster: &Cluster, hidden: [u8; 16]) -> Asked {
    let own = credentials(cluster, B, 1);
    let mut asked = Asked::default();
    let mut is_shared_found = false;
    for changes in follow(cluster, &own).await.1 {
        is_shared_found |= SHARED.found_in(&changes.encode_to_vec()).is_some();
        asked.note(&changes);
        asked.note_changes(&changes, hidden);
    }
    assert!(
        asked.hidden >= 2,
        "headers of the row and of its value came"
    );
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
        asked.note_rows(&message.rows, hidden);
    }
    assert!(asked.hidden >= 4, "and their rows came without bodies");
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

/// Follows the primary's home feed from its beginning, as a node of another region.
async fn follow(cluster: &Cluster, own: &Arc<Credentials>) -> (Opening, Vec<Changes>) {
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
    let mut primary = dial(cluster, own, A, 1);
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

async fn record(cluster: &Cluster, own: &Arc<Credentials>) -> Recorded {
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
