//! A stream of changes that goes on when a node does not.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_stream::Stream;
use tonic::{Request, Streaming};
use wire::secrets::v1::{WatchRequest, WatchResponse};

use crate::{
    Client,
    calls::{Effect, more_telling, secrets::service},
    error::{Error, Retry},
    limits::{WATCH_QUEUE_MAX, WATCH_SILENCE_MAX},
    retry::{self, Repeated},
};

/// The changes of secrets, in order and without gaps.
///
/// When the node stops or the connection breaks, the stream continues on another node after the
/// last message that was taken, for as long as it is polled and it takes to find one. It ends
/// with an error that repeating cannot cure, `PositionLost` for example.
pub struct Watch {
    messages: mpsc::Receiver<Result<WatchResponse, Error>>,
}

impl Client {
    /// Watches secrets. Returns when the stream has begun, so that no change after that is
    /// missed; its first message says where.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Error> {
        let (first, stream) = self.begin(&request).await?;
        let (sender, messages) = mpsc::channel(WATCH_QUEUE_MAX);
        let watcher = Watcher {
            client: self.clone(),
            request,
            sender,
        };
        tokio::spawn(watcher.run(first, stream));
        Ok(Watch { messages })
    }

    /// Opens a stream and waits for its first message, by the rules of any call that reads.
    async fn begin(&self, request: &WatchRequest) -> Result<Begun, Error> {
        let deadline = self.deadline();
        let (mut attempts, mut told) = (0, None);
        loop {
            attempts += 1;
            let error = match self.open(request, deadline).await {
                Ok(begun) => return Ok(begun),
                Err(error) => error,
            };
            let pause = retry::pause(&error, Repeated::Harmless, attempts, retry::chance());
            let error = more_telling(told.take(), error);
            match pause.map(|pause| Instant::now() + pause) {
                Some(next) if next < deadline => {
                    told = Some(error);
                    sleep_until(next).await;
                }
                // Each attempt went to the next node.
                _ => {
                    let tried = usize::try_from(attempts).unwrap_or(usize::MAX);
                    let tried = tried.min(self.shared.endpoints.count());
                    return Err(self.counted(error, tried));
                }
            }
        }
    }

    /// One attempt at the preferred node, which gets half of the time that is left: it may hang.
    async fn open(&self, request: &WatchRequest, deadline: Instant) -> Result<Begun, Error> {
        let until = Effect::Reads.attempt_deadline(deadline, false);
        let began = Instant::now();
        let node = self.shared.endpoints.preferred()?;
        let opened = async {
            let request = Request::new(request.clone());
            let mut stream = service(node.channel.clone())
                .watch(request)
                .await?
                .into_inner();
            let first = stream.message().await?;
            let ended = || tonic::Status::unavailable("the stream ended before it began");
            Ok((first.ok_or_else(ended)?, stream))
        };
        let error = match timeout_at(until, opened).await {
            Ok(Ok(begun)) => return Ok(begun),
            Ok(Err(status)) => Error::of_status(status, &node.address, self.timeout, false),
            Err(_) => Error::timed_out(until.saturating_duration_since(began), false),
        };
        if error.is_of_the_node() {
            self.shared.endpoints.turn_from(node);
        }
        Err(error)
    }
}

impl Stream for Watch {
    type Item = Result<WatchResponse, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(cx)
    }
}

impl std::fmt::Debug for Watch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What keeps a watch going.
struct Watcher {
    client: Client,
    request: WatchRequest,
    sender: mpsc::Sender<Result<WatchResponse, Error>>,
}

impl Watcher {
    async fn run(mut self, first: WatchResponse, stream: Streaming<WatchResponse>) {
        let mut begun = (first, stream);
        loop {
            let (first, stream) = begun;
            let reached = self.relay(first, stream).await;
            let begun_again = match reached {
                Relayed::Abandoned => return,
                Relayed::Broken => self.resume().await,
                Relayed::Refused(error) => Err(error),
            };
            match begun_again {
                Ok(Some(again)) => begun = again,
                Ok(None) => return,
                Err(error) => {
                    let _ = self.sender.send(Err(error)).await;
                    return;
                }
            }
        }
    }

    /// Passes messages on until the stream breaks, is refused, or nobody wants them.
    async fn relay(
        &mut self,
        first: WatchResponse,
        mut stream: Streaming<WatchResponse>,
    ) -> Relayed {
        let mut message = first;
        loop {
            self.request.resume_token.clone_from(&message.resume_token);
            if self.sender.send(Ok(message)).await.is_err() {
                return Relayed::Abandoned;
            }
            let next = tokio::select! {
                () = self.sender.closed() => return Relayed::Abandoned,
                next = timeout(WATCH_SILENCE_MAX, stream.message()) => next,
            };
            message = match next {
                Ok(Ok(Some(next))) => next,
                Ok(Ok(None)) | Err(_) => return Relayed::Broken,
                Ok(Err(status)) => {
                    let error = Error::of_status(status, "", self.client.timeout, false);
                    if error.retry() == Retry::No {
                        return Relayed::Refused(error);
                    }
                    return Relayed::Broken;
                }
            };
        }
    }

    /// Opens the stream again after the last message, on whichever node takes it; `None` when
    /// nobody wants it any more.
    async fn resume(&self) -> Result<Option<Begun>, Error> {
        if let Ok(node) = self.client.shared.endpoints.preferred() {
            self.client.shared.endpoints.turn_from(node);
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let deadline = self.client.deadline();
            let opened = tokio::select! {
                () = self.sender.closed() => return Ok(None),
                opened = self.client.open(&self.request, deadline) => opened,
            };
            match opened {
                Ok(begun) => return Ok(Some(begun)),
                Err(error) if error.retry() == Retry::No => return Err(error),
                Err(error) => tracing::debug!(%error, attempts, "watch not resumed yet"),
            }
            tokio::select! {
                () = self.sender.closed() => return Ok(None),
                () = sleep(retry::backoff(attempts, retry::chance())) => {}
            }
        }
    }
}

/// A stream and its first message.
type Begun = (WatchResponse, Streaming<WatchResponse>);

/// Why a stream ended.
enum Relayed {
    /// Nobody takes messages any more.
    Abandoned,
    /// Another node may continue it.
    Broken,
    /// Nobody will.
    Refused(Error),
}
