//! What a follower reads: its stream, in the order in which things must go out.
//!
//! Signs of life go before changes, whatever waits; nothing goes out once the stream was ended.
//! Each lane holds one message, so that what a slow reader leaves here is one batch and one sign of
//! life.

use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{FutureExt as _, Stream};
use tokio::sync::{mpsc, oneshot};
use tonic::Status;
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

/// The stream of one follower.
pub struct Outlet {
    first: Option<Message>,
    end: oneshot::Receiver<Option<Status>>,
    alive: mpsc::Receiver<Message>,
    changes: mpsc::Receiver<Message>,
    has_ended: bool,
}

/// Where a stream is filled. It ends without a word when this is dropped.
pub(super) struct Inlet {
    /// The last word: a status, or none for a stream that ends in order.
    pub(super) end: oneshot::Sender<Option<Status>>,
    /// Signs of life.
    pub(super) alive: mpsc::Sender<Message>,
    /// Changes, and what is said of feeds that have none.
    pub(super) changes: mpsc::Sender<Message>,
}

/// Makes both ends of a stream that begins with a message.
pub(super) fn outlet(first: Message) -> (Inlet, Outlet) {
    let (end, ended) = oneshot::channel();
    let (alive, lives) = mpsc::channel(1);
    let (changes, changed) = mpsc::channel(1);
    let inlet = Inlet {
        end,
        alive,
        changes,
    };
    let outlet = Outlet {
        first: Some(first),
        end: ended,
        alive: lives,
        changes: changed,
        has_ended: false,
    };
    (inlet, outlet)
}

impl Stream for Outlet {
    type Item = Result<v1::FollowResponse, Status>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if let Poll::Ready(end) = self.end.poll_unpin(cx) {
            self.has_ended = true;
            let status = end.unwrap_or_default();
            return Poll::Ready(status.map(Err));
        }
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(said(first))));
        }
        if let Poll::Ready(Some(alive)) = self.alive.poll_recv(cx) {
            return Poll::Ready(Some(Ok(said(alive))));
        }
        if let Poll::Ready(Some(changes)) = self.changes.poll_recv(cx) {
            return Poll::Ready(Some(Ok(said(changes))));
        }
        // A lane that is closed has an end on its way.
        Poll::Pending
    }
}

fn said(message: Message) -> v1::FollowResponse {
    v1::FollowResponse {
        message: Some(message),
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt as _;

    use super::*;

    fn opened() -> Message {
        Message::Opened(v1::Opened::default())
    }

    fn alive(number: u64) -> Message {
        Message::Alive(v1::Alive {
            number,
            ..v1::Alive::default()
        })
    }

    fn changes() -> Message {
        Message::Changes(v1::Changes::default())
    }

    async fn next(outlet: &mut Outlet) -> Message {
        let next = outlet.next().await.unwrap().unwrap();
        next.message.unwrap()
    }

    #[tokio::test]
    async fn a_sign_of_life_goes_before_changes_that_waited_longer() {
        let (inlet, mut outlet) = outlet(opened());
        inlet.changes.try_send(changes()).unwrap();
        inlet.alive.try_send(alive(7)).unwrap();
        assert_eq!(next(&mut outlet).await, opened());
        assert_eq!(next(&mut outlet).await, alive(7));
        assert_eq!(next(&mut outlet).await, changes());
    }

    #[tokio::test]
    async fn nothing_goes_out_after_the_end() {
        let (inlet, mut outlet) = outlet(opened());
        inlet.changes.try_send(changes()).unwrap();
        inlet.alive.try_send(alive(7)).unwrap();
        inlet
            .end
            .send(Some(Status::permission_denied("gone")))
            .unwrap();
        let last = outlet.next().await.unwrap().unwrap_err();
        assert_eq!(last.message(), "gone");
        assert!(outlet.next().await.is_none());
    }

    #[tokio::test]
    async fn a_stream_nobody_fills_any_more_ends() {
        let (inlet, mut outlet) = outlet(opened());
        drop(inlet);
        assert!(outlet.next().await.is_none());
    }
}
