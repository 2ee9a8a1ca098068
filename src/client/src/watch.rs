//! A stream of changes that goes on when a node does not.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};
use tokio_stream::Stream;
use tonic::{Response, Status, Streaming};
use wire::Channel;
use wire::admin::v1::{
    TailAuditRequest, TailAuditResponse, WatchRegionsRequest, WatchRegionsResponse,
};
use wire::secrets::v1::{WatchRequest, WatchResponse};

use crate::{
    Client,
    calls::{Effect, admin_service, more_telling, secrets::service, watch_request},
    error::{Error, Retry},
    limits::{AUDIT_SILENCE_MAX, REGIONS_WATCH_SILENCE_MAX, WATCH_QUEUE_MAX, WATCH_SILENCE_MAX},
    retry::{self, Repeated},
    token::Bearer,
};

/// A stream of messages: of [`Client::watch`] the changes of secrets, in order and without gaps.
///
/// When the node stops or the connection breaks, the stream continues on another node after the
/// last message that was taken, for as long as it is polled and it takes to find one. It ends
/// with an error that repeating cannot cure, `PositionLost` for example.
pub struct Watch<M = WatchResponse> {
    messages: mpsc::Receiver<Result<M, Error>>,
}

impl Client {
    /// Watches secrets. Returns when the stream has begun, so that no change after that is
    /// missed; its first message says where.
    pub async fn watch(&self, request: WatchRequest) -> Result<Watch, Error> {
        let region = self.region.clone();
        let bearer = self.shared.bearer.clone();
        let watched = Secrets {
            request,
            bearer,
            region,
        };
        self.follow(watched).await
    }

    /// Watches regions: what `list_regions` answers, when it changes and at least once a second.
    /// After a pause the newest state comes, what was between is not told.
    pub async fn watch_regions(
        &self,
        request: WatchRegionsRequest,
    ) -> Result<Watch<WatchRegionsResponse>, Error> {
        let bearer = self.shared.bearer.clone();
        self.follow(Regions(request, bearer)).await
    }

    /// Streams what a node records, from its last records on. If that node is lost, another one's
    /// follow, from then on: each record says whose it is.
    pub async fn tail_audit(
        &self,
        request: TailAuditRequest,
    ) -> Result<Watch<TailAuditResponse>, Error> {
        self.follow(Records(request)).await
    }

    async fn follow<W: Watched>(&self, watched: W) -> Result<Watch<W::Message>, Error> {
        let (first, stream) = self.begin(&watched).await?;
        let (sender, messages) = mpsc::channel(WATCH_QUEUE_MAX);
        let watcher = Watcher {
            client: self.clone(),
            watched,
            sender,
        };
        tokio::spawn(watcher.run(first, stream));
        Ok(Watch { messages })
    }

    /// Opens a stream and waits for its first message, by the rules of any call that reads.
    async fn begin<W: Watched>(&self, watched: &W) -> Result<Begun<W::Message>, Error> {
        let deadline = self.deadline();
        let (mut attempts, mut told) = (0, None);
        loop {
            attempts += 1;
            let error = match self.open(watched, deadline).await {
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
                    let nodes = self.shared.endpoints.count();
                    return Err(error.counted(tried.min(nodes), nodes));
                }
            }
        }
    }

    /// One attempt at the preferred node, which gets half of the time that is left: it may hang.
    async fn open<W: Watched>(
        &self,
        watched: &W,
        deadline: Instant,
    ) -> Result<Begun<W::Message>, Error> {
        let until = Effect::Reads.attempt_deadline(deadline, false);
        let began = Instant::now();
        let node = self.shared.endpoints.preferred()?;
        let opened = async {
            let mut stream = watched.open(node.channel.clone()).await?.into_inner();
            let first = stream.message().await?;
            let ended = || Status::unavailable("the stream ended before it began");
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

impl<M> Stream for Watch<M> {
    type Item = Result<M, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.messages.poll_recv(cx)
    }
}

impl<M> std::fmt::Debug for Watch<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// What is watched.
trait Watched: Clone + Send + Sync + 'static {
    type Message: Send + 'static;

    /// Silence after which another node is asked.
    const SILENCE_MAX: Duration;

    /// Opens the stream on a node, after the last message that was passed on.
    fn open(
        &self,
        channel: Channel,
    ) -> impl Future<Output = Result<Response<Streaming<Self::Message>>, Status>> + Send;

    /// Takes note of a message that is passed on.
    fn passed(&mut self, message: &Self::Message);
}

/// The secrets of a region.
#[derive(Clone)]
struct Secrets {
    request: WatchRequest,
    bearer: Option<Bearer>,
    region: Option<std::sync::Arc<str>>,
}

impl Watched for Secrets {
    type Message = WatchResponse;

    const SILENCE_MAX: Duration = WATCH_SILENCE_MAX;

    async fn open(&self, channel: Channel) -> Result<Response<Streaming<WatchResponse>>, Status> {
        let (bearer, region) = (self.bearer.as_ref(), self.region.as_deref());
        let request = watch_request(self.request.clone(), bearer, region);
        service(channel).watch(request).await
    }

    fn passed(&mut self, message: &WatchResponse) {
        self.request.resume_token.clone_from(&message.resume_token);
    }
}

/// The regions.
#[derive(Clone)]
struct Regions(WatchRegionsRequest, Option<Bearer>);

impl Watched for Regions {
    type Message = WatchRegionsResponse;

    const SILENCE_MAX: Duration = REGIONS_WATCH_SILENCE_MAX;

    async fn open(
        &self,
        channel: Channel,
    ) -> Result<Response<Streaming<WatchRegionsResponse>>, Status> {
        let request = watch_request(self.0, self.1.as_ref(), None);
        admin_service(channel).watch_regions(request).await
    }

    fn passed(&mut self, _: &WatchRegionsResponse) {}
}

/// What a node records.
#[derive(Clone)]
struct Records(TailAuditRequest);

impl Watched for Records {
    type Message = TailAuditResponse;

    const SILENCE_MAX: Duration = AUDIT_SILENCE_MAX;

    async fn open(
        &self,
        channel: Channel,
    ) -> Result<Response<Streaming<TailAuditResponse>>, Status> {
        admin_service(channel).tail_audit(self.0).await
    }

    fn passed(&mut self, _: &TailAuditResponse) {
        // What another node has recorded before is not what goes on.
        self.0.last = 0;
    }
}

/// What keeps a watch going.
struct Watcher<W: Watched> {
    client: Client,
    watched: W,
    sender: mpsc::Sender<Result<W::Message, Error>>,
}

impl<W: Watched> Watcher<W> {
    async fn run(mut self, first: W::Message, stream: Streaming<W::Message>) {
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
    async fn relay(&mut self, first: W::Message, mut stream: Streaming<W::Message>) -> Relayed {
        let mut message = first;
        loop {
            self.watched.passed(&message);
            if self.sender.send(Ok(message)).await.is_err() {
                return Relayed::Abandoned;
            }
            let next = tokio::select! {
                () = self.sender.closed() => return Relayed::Abandoned,
                next = timeout(W::SILENCE_MAX, stream.message()) => next,
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
    async fn resume(&self) -> Result<Option<Begun<W::Message>>, Error> {
        if let Ok(node) = self.client.shared.endpoints.preferred() {
            self.client.shared.endpoints.turn_from(node);
        }
        let mut attempts = 0;
        loop {
            attempts += 1;
            let deadline = self.client.deadline();
            let opened = tokio::select! {
                () = self.sender.closed() => return Ok(None),
                opened = self.client.open(&self.watched, deadline) => opened,
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
type Begun<M> = (M, Streaming<M>);

/// Why a stream ended.
enum Relayed {
    /// Nobody takes messages any more.
    Abandoned,
    /// Another node may continue it.
    Broken,
    /// Nobody will.
    Refused(Error),
}
