//! What the tasks about one region share while this node leads.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use envelope::{LinkBinding, LinkFailed, LinkKey, LinkOffer};
use machine::{FeedId, Node, RegionName};
use tokio::sync::{Notify, watch};
use wire::Channel;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;

use crate::context::Context;
use crate::follow::notes::Notes;
use crate::limits::MESSAGE_BYTES_MAX;

/// A client of another region's nodes.
pub(crate) type Client = ReplicationServiceClient<Channel>;

/// One region that is followed.
pub(crate) struct Line {
    pub(crate) region: RegionName,
    /// The feeds it is to be asked for.
    pub(crate) asked: watch::Sender<BTreeSet<FeedId>>,
    /// The node that serves its stream; none while there is no stream.
    pub(crate) node: watch::Sender<Option<Node>>,
    /// Something came that may lack rows.
    pub(crate) lacking: Notify,
    /// A feed needs a snapshot.
    pub(crate) trimmed: Notify,
    /// Counts the streams that were not opened merely to ask for other feeds: whoever is at the
    /// other end may know nothing of what was told before.
    pub(crate) begun: AtomicU64,
    notes: Mutex<Notes>,
}

/// One half of an agreement on the key of a stream.
pub(crate) struct Offer {
    offer: LinkOffer,
    binding: LinkBinding,
}

/// Why a stream has no key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoKey {
    #[error("the system gives no random bytes")]
    Randomness,
    #[error(transparent)]
    Link(#[from] LinkFailed),
}

impl Line {
    pub(crate) fn new(region: RegionName) -> Line {
        Line {
            region,
            asked: watch::Sender::default(),
            node: watch::Sender::default(),
            lacking: Notify::new(),
            trimmed: Notify::new(),
            begun: AtomicU64::new(0),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes that a stream is open.
    pub(crate) fn opened(&self, node: Node, is_first: bool) {
        self.node.send_replace(Some(node));
        if is_first {
            self.begun.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Waits until a stream is open, and answers a client of the node that serves it.
    pub(crate) async fn client(&self, context: &Context) -> Option<Client> {
        let mut node = self.node.subscribe();
        let node = node.wait_for(Option::is_some).await.ok()?.clone()?;
        let channel = context.options.regions.channel(&self.region, &node);
        channel.ok().map(client)
    }
}

pub(crate) fn client(channel: Channel) -> Client {
    ReplicationServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX)
}

impl Offer {
    /// Makes an offer for a new stream from `region` to this one.
    pub(crate) fn make(context: &Context, region: &RegionName) -> Result<Offer, NoKey> {
        let mut stream = [0; 16];
        getrandom::fill(&mut stream).map_err(|_error| NoKey::Randomness)?;
        let options = &context.options;
        Ok(Offer {
            offer: LinkOffer::generate()?,
            binding: LinkBinding {
                cluster: options.cluster.0,
                from: region.to_string(),
                to: options.region.to_string(),
                stream,
            },
        })
    }

    /// What names the stream.
    pub(crate) fn stream(&self) -> Bytes {
        Bytes::copy_from_slice(&self.binding.stream)
    }

    /// What the other end makes the key with.
    pub(crate) fn public_key(&self) -> Bytes {
        Bytes::copy_from_slice(self.offer.public_key())
    }

    /// Takes the other end's half.
    pub(crate) fn accept(self, encapsulated: &[u8]) -> Result<LinkKey, NoKey> {
        Ok(self.offer.accept(encapsulated, &self.binding)?)
    }
}
