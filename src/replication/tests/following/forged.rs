//! A primary that means harm: what it sends is refused by name, and the region goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use consensus::Keep;
use machine::{FeedId, Introduction, Scope};
use tokio_stream::StreamExt as _;
use tonic::{Request, Response, Status, Streaming};
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;
use wire::replication::v1::replication_service_server::{
    ReplicationService, ReplicationServiceServer,
};

use crate::linked::stands;
use crate::support::pipes::Pipes;
use crate::support::region::{Served, entry};
use crate::support::{CLUSTER, NORTH, WEST, address, eventually};

type Answers<T> = tokio_stream::Iter<std::vec::IntoIter<Result<T, Status>>>;
type Sent =
    std::pin::Pin<Box<dyn tokio_stream::Stream<Item = Result<v1::FollowResponse, Status>> + Send>>;

/// Sends what a test made up, whatever it is asked.
struct Forger {
    opened: Arc<AtomicUsize>,
    script: Arc<dyn Fn() -> Vec<Message> + Send + Sync>,
}

fn origin() -> Option<v1::Origin> {
    Some(v1::Origin {
        cluster: Bytes::copy_from_slice(&CLUSTER.0),
        region: NORTH.to_owned(),
        node: 1,
        epochs: Vec::new(),
    })
}

#[tonic::async_trait]
impl ReplicationService for Forger {
    type FollowStream = Sent;

    async fn follow(
        &self,
        request: Request<Streaming<v1::FollowRequest>>,
    ) -> Result<Response<Sent>, Status> {
        self.opened.fetch_add(1, Ordering::SeqCst);
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|first| first.message);
        let Some(v1::follow_request::Message::Open(open)) = first else {
            return Err(Status::invalid_argument("not opened"));
        };
        let binding = envelope::LinkBinding {
            cluster: CLUSTER.0,
            from: NORTH.to_owned(),
            to: WEST.to_owned(),
            stream: open.stream.as_ref().try_into().unwrap(),
        };
        let (_, encapsulated) = envelope::LinkKey::encapsulate(&open.public_key, &binding).unwrap();
        let opened = Message::Opened(v1::Opened {
            origin: origin(),
            encapsulated: encapsulated.into(),
            leader: 1,
        });
        let script = std::iter::once(opened).chain((self.script)());
        let messages: Vec<_> = script
            .map(|message| {
                Ok(v1::FollowResponse {
                    message: Some(message),
                })
            })
            .collect();
        // It then says no more, and does not hang up.
        let sent = tokio_stream::iter(messages).chain(tokio_stream::pending());
        Ok(Response::new(Box::pin(sent)))
    }

    type FetchRowsStream = Answers<v1::FetchRowsResponse>;

    async fn fetch_rows(
        &self,
        _: Request<v1::FetchRowsRequest>,
    ) -> Result<Response<Self::FetchRowsStream>, Status> {
        Err(Status::unimplemented("not forged"))
    }

    type FetchSnapshotStream = Answers<v1::FetchSnapshotResponse>;

    async fn fetch_snapshot(
        &self,
        _: Request<v1::FetchSnapshotRequest>,
    ) -> Result<Response<Self::FetchSnapshotStream>, Status> {
        let response = v1::FetchSnapshotResponse {
            encapsulated: Bytes::from_static(b"no key"),
            ..v1::FetchSnapshotResponse::default()
        };
        Ok(Response::new(tokio_stream::iter(vec![Ok(response)])))
    }

    type CompareStream = Answers<v1::CompareResponse>;

    async fn compare(
        &self,
        _: Request<Streaming<v1::CompareRequest>>,
    ) -> Result<Response<Self::CompareStream>, Status> {
        Err(Status::unimplemented("not forged"))
    }

    async fn ask(&self, _: Request<v1::AskRequest>) -> Result<Response<v1::AskResponse>, Status> {
        Err(Status::unimplemented("not forged"))
    }

    async fn announce(
        &self,
        _: Request<v1::AnnounceRequest>,
    ) -> Result<Response<v1::AnnounceResponse>, Status> {
        Err(Status::unimplemented("not forged"))
    }

    async fn report(
        &self,
        _: Request<v1::ReportRequest>,
    ) -> Result<Response<v1::ReportResponse>, Status> {
        Err(Status::unimplemented("not forged"))
    }
}

/// West, whose only other region is a forger's.
async fn forged(script: impl Fn() -> Vec<Message> + Send + Sync + 'static) -> Served {
    counted(script).await.0
}

/// The same, with the number of streams that west has opened.
async fn counted(
    script: impl Fn() -> Vec<Message> + Send + Sync + 'static,
) -> (Served, Arc<AtomicUsize>) {
    let opened: Arc<AtomicUsize> = Arc::default();
    let pipes: Arc<Pipes> = Arc::default();
    let forger = Forger {
        opened: Arc::clone(&opened),
        script: Arc::new(script),
    };
    let incoming = pipes
        .listen(&address(NORTH, 1))
        .map(Ok::<_, std::io::Error>);
    let serving = tonic::transport::Server::builder()
        .add_service(ReplicationServiceServer::new(forger))
        .serve_with_incoming(incoming);
    tokio::spawn(serving);
    pipes.is_told_of.store(true, Ordering::Relaxed);
    let introduction = Introduction {
        regions: vec![entry(NORTH, Scope::Founder), entry(WEST, Scope::Selected)],
        home_exists: false,
    };
    let west = Served::found(&pipes, WEST, Keep::default(), Some(introduction)).await;
    (west, opened)
}

fn changes(feed: &FeedId, header: &'static [u8]) -> Message {
    Message::Changes(v1::Changes {
        feed: feed.to_string(),
        changes: vec![v1::Change {
            header: Bytes::from_static(header),
            body: None,
        }],
    })
}

/// How the last stream ended, or which trouble a feed is in.
async fn outcome(west: &Served, wanted: &str) {
    let told = || {
        let all = west.first().replication.progress().all();
        all.into_iter().next().map(|(_, told)| told)
    };
    eventually(&format!("{wanted} is told"), || {
        told().is_some_and(|told| {
            let mut troubles = told.troubles.values().map(ToString::to_string);
            told.last_end.contains(wanted) || troubles.any(|trouble| trouble.contains(wanted))
        })
    })
    .await;
    // Nothing of it got anywhere.
    assert_eq!(stands(west, &FeedId::Root), crate::support::copy::start());
    assert_eq!(west.state().counts().withheld, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_change_that_cannot_be_read_is_told_by_name() {
    let west = forged(|| vec![changes(&FeedId::Root, b"no header")]).await;
    outcome(&west, "cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_that_nobody_asked_for_is_told_by_name() {
    let feed = crate::support::home(WEST);
    let west = forged(move || vec![changes(&feed, b"")]).await;
    outcome(&west, "was not asked for").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_in_another_regions_name_is_told_by_name() {
    let west = forged(|| {
        let origin = v1::Origin {
            region: WEST.to_owned(),
            ..origin().unwrap()
        };
        vec![Message::Alive(v1::Alive {
            origin: Some(origin),
            ..v1::Alive::default()
        })]
    })
    .await;
    outcome(&west, "another cluster, region or node").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_node_that_says_nothing_more_is_left() {
    let west = forged(Vec::new).await;
    outcome(&west, "went silent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_snapshot_that_is_none_is_given_up_by_name() {
    let west = forged(|| {
        vec![Message::NotServed(v1::NotServed {
            feed: "root".to_owned(),
            reason: v1::NotServedReason::Trimmed.into(),
            primary: String::new(),
        })]
    })
    .await;
    outcome(&west, "cannot be read").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_message_without_end_is_refused() {
    let west = forged(|| {
        vec![Message::Changes(v1::Changes {
            feed: "root".to_owned(),
            changes: vec![v1::Change {
                header: vec![0; 6 << 20].into(),
                body: None,
            }],
        })]
    })
    .await;
    outcome(&west, "refused").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_feed_that_breaks_after_good_changes_is_left_for_a_while() {
    let north = Served::founder(NORTH).await;
    let view = north.state();
    // What north's own log says of its root feed, and then nonsense.
    let good: Vec<v1::Change> = view
        .journal(&FeedId::Root, machine::Revision(0))
        .unwrap()
        .map(|row| v1::Change {
            header: row.header_bytes.clone(),
            body: row
                .body
                .clone()
                .zip(row.blind)
                .map(|(bytes, blind)| v1::RowBody {
                    blind: Bytes::copy_from_slice(&blind.0),
                    bytes,
                    wrapped_dek: Bytes::new(),
                }),
        })
        .collect();
    let count = good.len() as u64;
    let script = move || {
        let feed = FeedId::Root.to_string();
        let good = Message::Changes(v1::Changes {
            feed,
            changes: good.clone(),
        });
        vec![good, changes(&FeedId::Root, b"no header")]
    };
    let (west, opened) = counted(script).await;
    eventually("the good changes are here", || {
        stands(&west, &FeedId::Root).revision.0 == count
    })
    .await;
    // One stream for each set of feeds: not one after the other for the one that is broken.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let opened = opened.load(Ordering::SeqCst);
    assert!(opened < 6, "{opened} streams");
    let (_, told) = west.first().replication.progress().all().remove(0);
    assert_eq!(told.troubles[&FeedId::Root].as_str(), "broken");
}
