//! What the tasks about one region share while this node leads.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use envelope::{LinkBinding, LinkFailed, LinkOffer, SealFailed};
use machine::{FeedId, Node, RegionName};
use tokio::sync::{Notify, watch};
use wire::Channel;
use wire::replication::v1::replication_service_client::ReplicationServiceClient;

use crate::context::Context;
use crate::follow::failed::Failed;
use crate::follow::key::{Doubts, StreamKey};
use crate::follow::notes::Notes;
use crate::follow::touched::Touched;
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
    /// Secrets of which rows may be missing.
    pub(crate) lacking: Touched,
    /// A feed needs a snapshot.
    pub(crate) trimmed: Notify,
    /// Whether the keys of its streams fit, and those of other answers: rows that are asked for
    /// again and again for want of a key must not hide what the streams show, nor the other way.
    pub(crate) doubts: [Arc<Doubts>; 2],
    notes: Mutex<Notes>,
}

/// One half of an agreement on the key of a stream.
pub(crate) struct Offer {
    offer: LinkOffer,
    doubts: Arc<Doubts>,
    binding: LinkBinding,
}

impl Line {
    pub(crate) fn new(region: RegionName) -> Line {
        Line {
            region,
            asked: watch::Sender::default(),
            node: watch::Sender::default(),
            lacking: Touched::default(),
            trimmed: Notify::new(),
            doubts: Default::default(),
            notes: Mutex::default(),
        }
    }

    pub(crate) fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until a stream is open, and answers a client of the node that serves it, with an offer
    /// for the key of what is asked of it.
    pub(crate) async fn exchange(&self, context: &Context) -> Result<(Client, Offer), Failed> {
        let mut node = self.node.subscribe();
        let node = node.wait_for(Option::is_some).await;
        let node = node.map_err(Failed::lost)?.clone();
        let node = node.ok_or_else(|| Failed::lost("there is no stream"))?;
        let [_, doubts] = &self.doubts;
        let offer = Offer::make(context, &self.region, doubts).map_err(Failed::lost)?;
        Ok((client(context, &self.region, &node)?, offer))
    }
}

/// A client of a node of another region.
pub(crate) fn client(
    context: &Context,
    region: &RegionName,
    node: &Node,
) -> Result<Client, Failed> {
    let channel = context.options.regions.channel(region, node);
    let channel = channel.map_err(|error| Failed::Lost(format!("no channel: {error}")))?;
    Ok(ReplicationServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_BYTES_MAX)
        .max_encoding_message_size(MESSAGE_BYTES_MAX))
}

impl Offer {
    /// Makes an offer for a new stream from `region` to this one.
    pub(crate) fn make(
        context: &Context,
        region: &RegionName,
        doubts: &Arc<Doubts>,
    ) -> Result<Offer, LinkFailed> {
        let mut stream = [0; 16];
        getrandom::fill(&mut stream).map_err(SealFailed::Randomness)?;
        let options = &context.options;
        Ok(Offer {
            offer: LinkOffer::generate()?,
            doubts: Arc::clone(doubts),
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
    pub(crate) fn accept(self, encapsulated: &[u8]) -> Result<Arc<StreamKey>, LinkFailed> {
        let link = self.offer.accept(encapsulated, &self.binding)?;
        Ok(Arc::new(StreamKey::new(link, &self.doubts)))
    }
}
