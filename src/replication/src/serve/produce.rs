//! Streams of rows: made piece by piece where it may block, no faster than they are read, and for
//! no longer than their caller is known.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::View;
use machine::FeedId;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

use crate::codec;
use crate::context::Context;
use crate::error::Refused;
use crate::limits::READER_PATIENCE;
use crate::serve::door::Caller;
use crate::serve::packer::Packer;
use crate::serve::{Rows, Sent};

/// Where the pieces of one stream go.
pub(super) struct Producer<T> {
    context: Arc<Context>,
    caller: Caller,
    feed: FeedId,
    packer: Packer,
    sender: mpsc::Sender<Result<T, Status>>,
    _place: OwnedSemaphorePermit,
}

/// Room for one piece.
pub(super) struct Room<'p, T> {
    producer: &'p Producer<T>,
    permit: mpsc::Permit<'p, Result<T, Status>>,
}

/// What a caller asks for rows of a feed with.
pub(super) struct Asked<'a> {
    pub(super) feed: &'a str,
    pub(super) stream: &'a [u8],
    pub(super) public_key: &'a [u8],
}

/// Why a stream ends before its time.
pub(super) enum Ended {
    /// Nobody reads it any more.
    Unread,
    /// The caller is told why.
    Refused(Refused),
}

impl<T: Send + 'static> Producer<T> {
    /// Makes a stream of rows of a feed that is led here, and where it is filled; also gives what
    /// the caller's private key makes the stream's key of.
    pub(super) fn open(
        context: &Arc<Context>,
        caller: Caller,
        place: OwnedSemaphorePermit,
        asked: &Asked<'_>,
    ) -> Result<(Producer<T>, Bytes, Rows<T>), Refused> {
        let feed = codec::from_feed(asked.feed)?;
        context.leads(&context.options.consensus.local_view(), &feed)?;
        let Asked {
            stream, public_key, ..
        } = asked;
        let (packer, encapsulated) = Packer::agree(context, &caller.region, stream, public_key)?;
        let (sender, receiver) = mpsc::channel(1);
        let producer = Producer {
            context: Arc::clone(context),
            caller,
            feed,
            packer,
            sender,
            _place: place,
        };
        let rows = Box::pin(ReceiverStream::new(receiver));
        Ok((producer, encapsulated, rows))
    }

    /// What is applied here now.
    pub(super) fn view(&self) -> View {
        self.context.options.consensus.local_view()
    }

    /// What makes rows ready for the caller's region.
    pub(super) fn packer(&self) -> &Packer {
        &self.packer
    }

    /// The feed whose rows are sent.
    pub(super) fn feed(&self) -> &FeedId {
        &self.feed
    }

    /// Waits until there is room for a piece, which is made only then: a slow reader gets what is
    /// right when it reads, and nothing is kept for it meanwhile.
    pub(super) async fn room(&self) -> Result<Room<'_, T>, Ended> {
        let permit = timeout(READER_PATIENCE, self.sender.reserve()).await;
        let permit = permit.map_err(|_late| Refused::Silent)?;
        let permit = permit.map_err(|_gone| Ended::Unread)?;
        Ok(Room {
            producer: self,
            permit,
        })
    }

    /// Says why the stream ends.
    async fn end(&self, refused: Refused) {
        if let Ok(Ok(room)) = timeout(READER_PATIENCE, self.sender.reserve()).await {
            room.send(Err(refused.into()));
        }
    }
}

impl<T> Room<'_, T> {
    /// Sends a piece: the caller must still be known, and the feed still be led from here.
    pub(super) fn send(self, piece: T, rows_bytes: usize) -> Result<(), Ended> {
        let Producer {
            context,
            caller,
            feed,
            ..
        } = self.producer;
        let view = context.options.consensus.local_view();
        caller.stands(&view)?;
        context.leads(&view, feed)?;
        self.permit.send(Ok(piece));
        let sent = Sent {
            changes: 0,
            bytes: rows_bytes as u64,
        };
        context.followers.sent(&caller.region, sent);
        Ok(())
    }
}

/// Fills a stream in the background, on a thread where it may block. It ends when `fill` is done,
/// when the caller is gone, when the node stops, or after `time_max`.
pub(super) fn produce<T, Fill, Filling>(producer: Producer<T>, time_max: Duration, fill: Fill)
where
    T: Send + 'static,
    Fill: FnOnce(Arc<Producer<T>>) -> Filling + Send + 'static,
    Filling: Future<Output = Result<(), Ended>> + Send + 'static,
{
    let producer = Arc::new(producer);
    let filling = async move {
        let stop = &producer.context.options.stop;
        let ended = tokio::select! {
            () = stop.cancelled() => Err(Refused::Stopping.into()),
            () = producer.sender.closed() => Ok(()),
            () = tokio::time::sleep(time_max) => Err(Refused::Expired.into()),
            ended = fill(Arc::clone(&producer)) => ended,
        };
        if let Err(Ended::Refused(refused)) = ended {
            let (region, node) = (&producer.caller.region, producer.caller.node);
            tracing::info!(%region, node, %refused, "ended a stream of rows");
            // A node that stops waits for no reader.
            tokio::select! {
                biased;
                () = producer.end(refused) => {}
                () = stop.cancelled() => {}
            }
        }
    };
    let runtime = Handle::current();
    // As `work::run`, for work that also waits.
    if runtime.runtime_flavor() == RuntimeFlavor::CurrentThread {
        tokio::spawn(filling);
    } else {
        tokio::task::spawn_blocking(move || runtime.block_on(filling));
    }
}

impl<E: Into<Refused>> From<E> for Ended {
    fn from(error: E) -> Ended {
        Ended::Refused(error.into())
    }
}
