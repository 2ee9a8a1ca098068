//! A follower's end of a stream, as a test holds it.

use bytes::Bytes;
use envelope::LinkOffer;
use machine::{Cursor, Epoch, FeedId};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use tonic_types::StatusExt as _;
use wire::replication::v1;
use wire::replication::v1::follow_request::Message as Said;
use wire::replication::v1::follow_response::Message;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;
use wire::{Caller, Channel, PeerIdentity};

use super::region::Served;
use super::{CLUSTER, PATIENCE, soon};

pub type Client = ReplicationServiceClient<Channel>;

pub const STREAM: [u8; 16] = [3; 16];

/// One stream.
pub struct Following {
    pub who: PeerIdentity,
    pub opened: v1::Opened,
    pub offer: LinkOffer,
    requests: mpsc::Sender<v1::FollowRequest>,
    responses: Streaming<v1::FollowResponse>,
}

impl Following {
    /// Opens a stream to the first node of a region.
    pub async fn open(
        region: &Served,
        who: PeerIdentity,
        feeds: &[(FeedId, Cursor)],
    ) -> Result<Following, Status> {
        let offer = LinkOffer::generate().expect("an offer");
        let open = v1::Open {
            origin: Some(origin(&who, &[])),
            stream: Bytes::copy_from_slice(&STREAM),
            public_key: Bytes::copy_from_slice(offer.public_key()),
            feeds: cursors(feeds),
        };
        let (requests, mut responses) = begin(region, &who, Said::Open(open)).await?;
        match said(&mut responses).await? {
            Message::Opened(opened) => Ok(Following {
                who,
                opened,
                offer,
                requests,
                responses,
            }),
            other => panic!("the first message is {other:?}"),
        }
    }

    /// The next message of any kind.
    pub async fn next(&mut self) -> Result<Message, Status> {
        said(&mut self.responses).await
    }

    /// The next message that is no sign of life.
    pub async fn news(&mut self) -> Result<Message, Status> {
        let deadline = soon();
        loop {
            match self.next().await? {
                Message::Alive(_) if tokio::time::Instant::now() < deadline => {}
                message => return Ok(message),
            }
        }
    }

    /// The next changes.
    pub async fn changes(&mut self) -> v1::Changes {
        match self.news().await.expect("a message") {
            Message::Changes(changes) => changes,
            other => panic!("not changes: {other:?}"),
        }
    }

    /// What is said of a feed that is not served; changes before it are passed over.
    pub async fn not_served(&mut self) -> v1::NotServed {
        loop {
            match self.news().await.expect("a message") {
                Message::NotServed(not_served) => return not_served,
                Message::Changes(_) => {}
                other => panic!("it is served: {other:?}"),
            }
        }
    }

    /// The next sign of life; changes before it are passed over.
    pub async fn alive(&mut self) -> v1::Alive {
        loop {
            if let Message::Alive(alive) = self.next().await.expect("a message") {
                return alive;
            }
        }
    }

    /// The sign of life that answers a number.
    pub async fn answered(&mut self, number: u64) -> v1::Alive {
        loop {
            let alive = self.alive().await;
            if alive.number == number {
                return alive;
            }
        }
    }

    /// Waits for the end of the stream, and gives what was passed over before it.
    pub async fn end(&mut self) -> (usize, Status) {
        let mut passed = 0;
        loop {
            match self.next().await {
                Ok(_) => passed += 1,
                Err(status) => return (passed, status),
            }
        }
    }

    pub async fn acknowledge(&mut self, number: u64, feeds: &[(FeedId, Cursor)]) {
        self.claim(number, feeds, &[]).await;
    }

    pub async fn claim(
        &mut self,
        number: u64,
        feeds: &[(FeedId, Cursor)],
        claims: &[(FeedId, Epoch)],
    ) {
        let acknowledge = v1::Acknowledge {
            origin: Some(origin(&self.who, claims)),
            number,
            feeds: cursors(feeds),
        };
        self.say(Said::Acknowledge(acknowledge)).await;
    }

    pub async fn say(&mut self, message: Said) {
        let request = v1::FollowRequest {
            message: Some(message),
        };
        // A stream that was ended is seen by reading it.
        let _ = self.requests.send(request).await;
    }
}

/// Opens a stream with any first message.
pub async fn begin(
    region: &Served,
    who: &PeerIdentity,
    first: Said,
) -> Result<
    (
        mpsc::Sender<v1::FollowRequest>,
        Streaming<v1::FollowResponse>,
    ),
    Status,
> {
    let (requests, asked) = mpsc::channel(64);
    let first = v1::FollowRequest {
        message: Some(first),
    };
    requests.send(first).await.expect("room");
    let mut client = client(region, Caller::Peer(who.clone()));
    let following = client.follow(ReceiverStream::new(asked));
    let responses = tokio::time::timeout(PATIENCE, following);
    let responses = responses.await.expect("an answer in time")?;
    Ok((requests, responses.into_inner()))
}

async fn said(responses: &mut Streaming<v1::FollowResponse>) -> Result<Message, Status> {
    let message = tokio::time::timeout(PATIENCE, responses.message());
    match message.await.expect("a message in time")? {
        Some(response) => Ok(response.message.expect("something")),
        None => Err(Status::ok("ended in order")),
    }
}

pub fn client(region: &Served, caller: Caller) -> Client {
    ReplicationServiceClient::new(region.channel(caller)).max_decoding_message_size(8 << 20)
}

/// Who says something.
pub fn origin(who: &PeerIdentity, claims: &[(FeedId, Epoch)]) -> v1::Origin {
    let claims = claims.iter().map(|(feed, epoch)| v1::Claim {
        feed: feed.to_string(),
        number: epoch.number,
        region: epoch.region.to_string(),
    });
    v1::Origin {
        cluster: Bytes::copy_from_slice(&CLUSTER.0),
        region: who.region.clone(),
        node: who.node,
        epochs: claims.collect(),
    }
}

pub fn cursor(feed: &FeedId, cursor: &Cursor) -> v1::FeedCursor {
    let epoch = cursor.epoch.as_ref();
    v1::FeedCursor {
        feed: feed.to_string(),
        epoch: epoch.map_or(0, |epoch| epoch.number),
        epoch_region: epoch.map_or_else(String::new, |epoch| epoch.region.to_string()),
        revision: cursor.revision.0,
        chain: Bytes::copy_from_slice(&cursor.chain.0),
    }
}

fn cursors(feeds: &[(FeedId, Cursor)]) -> Vec<v1::FeedCursor> {
    let feeds = feeds.iter();
    feeds.map(|(feed, at)| cursor(feed, at)).collect()
}

/// The word for a program in a refusal.
pub fn cause(status: &Status) -> String {
    let info = status.get_details_error_info();
    let info = info.unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(info.domain, "strongroom");
    info.metadata.get("cause").expect("a cause").clone()
}
