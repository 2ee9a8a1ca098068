//! What a follower reads: its stream, in the order in which things must go out.
//!
//! Signs of life go before changes, whatever waits; nothing goes out once the stream was ended.
//! Each lane holds one message, so that what a slow reader leaves here is one batch and one sign of
//! life.

use futures::stream::unfold;
use tokio::sync::{mpsc, oneshot};
use tonic::Status;
use wire::replication::v1;
use wire::replication::v1::follow_response::Message;

use crate::serve::Rows;

/// Where a stream is filled. It ends without a word when this is dropped.
pub(super) struct Inlet {
    /// The last word: a status, or none for a stream that ends in order.
    pub(super) end: oneshot::Sender<Option<Status>>,
    /// Signs of life, the first of them.
    pub(super) alive: mpsc::Sender<Message>,
    /// Changes, and what is said of feeds that have none.
    pub(super) changes: mpsc::Sender<Message>,
}

/// Makes both ends of a stream that begins with a message.
pub(super) fn outlet(first: Message) -> (Inlet, Rows<v1::FollowResponse>) {
    let (end, ended) = oneshot::channel::<Option<Status>>();
    let (alive, lives) = mpsc::channel(1);
    let (changes, changed) = mpsc::channel(1);
    // There is room: nobody else has the lane yet.
    let _ = alive.try_send(first);
    let lanes = (ended, lives, changed);
    let outlet = unfold(Some(lanes), |lanes| async move {
        let (mut ended, mut lives, mut changed) = lanes?;
        // A lane that is closed has an end on its way.
        let message = tokio::select! {
            biased;
            end = &mut ended => return Some((Err(end.ok()??), None)),
            Some(alive) = lives.recv() => Some(alive),
            Some(changes) = changed.recv() => Some(changes),
        };
        let lanes = (ended, lives, changed);
        Some((Ok(v1::FollowResponse { message }), Some(lanes)))
    });
    let inlet = Inlet {
        end,
        alive,
        changes,
    };
    (inlet, Box::pin(outlet))
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

    async fn next(outlet: &mut Rows<v1::FollowResponse>) -> Message {
        let next = outlet.next().await.unwrap().unwrap();
        next.message.unwrap()
    }

    #[tokio::test]
    async fn a_sign_of_life_goes_before_changes_that_waited_longer() {
        let (inlet, mut outlet) = outlet(opened());
        inlet.changes.try_send(changes()).unwrap();
        assert_eq!(next(&mut outlet).await, opened());
        inlet.alive.try_send(alive(7)).unwrap();
        assert_eq!(next(&mut outlet).await, alive(7));
        assert_eq!(next(&mut outlet).await, changes());
    }

    #[tokio::test]
    async fn nothing_goes_out_after_the_end() {
        let (inlet, mut outlet) = outlet(opened());
        inlet.changes.try_send(changes()).unwrap();
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
