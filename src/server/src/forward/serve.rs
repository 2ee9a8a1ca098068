//! Taking calls that another region hands on, and making them as this region's own.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::Consensus;
use envelope::{CallPart, LinkKey, LinkOffer};
use futures::Stream;
use machine::RegionName;
use prost::Message;
use replication::Replication;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::{Instant, timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Extensions, Request, Response, Status, Streaming};
use wire::replication::v1 as api;
use wire::replication::v1::forward_request::Message as Asked;
use wire::replication::v1::forward_response::Message as Told;
use wire::replication::v1::forward_service_server::ForwardService;
use zeroize::Zeroizing;

use super::{Forwarded, binding};
use crate::authz::{Authz, Certificate, Proven};
use crate::door::{Call, record};
use crate::errors::{Reason, Refusal};
use crate::limits::{FORWARD_OPEN_TIMEOUT, FORWARDS_MAX};
use crate::metrics::Metrics;
use crate::secrets::Secrets;
use crate::trail::{Notes, Recorder};

/// Makes calls for callers of other regions.
#[derive(Clone)]
pub struct Accepting {
    options: Arc<AcceptingOptions>,
    room: Arc<Semaphore>,
}

/// What the service is made with.
pub struct AcceptingOptions {
    /// Makes the calls.
    pub secrets: Secrets,
    /// Knows what tokens are opened by.
    pub consensus: Consensus,
    /// Opens tokens.
    pub authz: Arc<Authz>,
    /// Knows who may call.
    pub replication: Replication,
    /// Whether the operator lets other regions make calls here.
    pub accepts: bool,
    /// Longest time one call may take.
    pub deadline_max: Duration,
    /// Counts calls.
    pub metrics: Metrics,
    /// Records what is decided here of calls that another region answers.
    pub recorder: Arc<Recorder>,
    /// Ends the streams when the node stops.
    pub stop: CancellationToken,
}

/// A call that another region has handed on.
struct Came<'a> {
    from: &'a RegionName,
    /// The full path of the rpc.
    method: &'a str,
    request: [u8; 16],
}

type Answers = Pin<Box<dyn Stream<Item = Result<api::ForwardResponse, Status>> + Send>>;

impl Accepting {
    /// The service over these parts.
    #[must_use]
    pub fn new(options: AcceptingOptions) -> Self {
        Self {
            options: Arc::new(options),
            room: Arc::new(Semaphore::new(FORWARDS_MAX)),
        }
    }

    async fn take(
        self,
        caller: Extensions,
        mut asked: Streaming<api::ForwardRequest>,
        sender: mpsc::Sender<Result<api::ForwardResponse, Status>>,
        _room: OwnedSemaphorePermit,
    ) {
        let stop = self.options.stop.clone();
        let answered = tokio::select! {
            answered = self.answer(&caller, &mut asked, &sender) => answered,
            () = stop.cancelled() => {
                Err(Refusal::new(Reason::OutcomeUnknown, "This node is stopping.").into())
            }
        };
        let outcome = if answered.is_ok() {
            "answered"
        } else {
            "refused"
        };
        let forwards = &self.options.metrics.regions.forwards;
        forwards.with_label_values(&[outcome]).inc();
        let last = answered.map(|answer| response(Told::Answer(answer)));
        // The other region may be gone; then its caller is told that the outcome is unknown.
        let _ = sender.send(last).await;
    }

    async fn answer(
        &self,
        caller: &Extensions,
        asked: &mut Streaming<api::ForwardRequest>,
        sender: &mpsc::Sender<Result<api::ForwardResponse, Status>>,
    ) -> Result<api::SealedAnswer, Status> {
        let Some(Asked::Open(open)) = next(asked).await? else {
            return Err(malformed());
        };
        let AcceptingOptions {
            consensus,
            replication,
            ..
        } = &*self.options;
        let from = replication.check(caller, open.origin.clone())?;
        let stream = (*open.stream).try_into().map_err(|_| malformed())?;
        let offer = LinkOffer::generate().map_err(|_| Refusal::internal())?;
        let view = consensus.local_view();
        let own = view.region().ok_or_else(Refusal::not_founded)?;
        let binding = binding(&view, &from, own, stream)?;
        let offered = api::ForwardOffer {
            origin: Some(replication.origin(&view)),
            public_key: Bytes::copy_from_slice(offer.public_key()),
        };
        drop(view);
        let sent = sender.send(Ok(response(Told::Offer(offered)))).await;
        sent.map_err(|_| malformed())?;
        let Some(Asked::Call(call)) = next(asked).await? else {
            return Err(malformed());
        };
        // It may have been unlinked since it opened the stream.
        replication.check(caller, open.origin)?;
        let key = offer.accept(&call.encapsulated, &binding);
        let key = key.map_err(|_| malformed())?;
        let opened = key.open_call(CallPart::Call, &call.sealed);
        let opened = Bytes::from_owner(opened.map_err(|_| malformed())?);
        let call = api::ForwardedCall::decode(opened).map_err(|_| malformed())?;
        let (notes, request) = (Arc::<Notes>::default(), (*call.request_id).try_into());
        let method = call.method.clone();
        let performed = self.perform(call, Arc::clone(&notes)).await;
        let came = Came {
            from: &from,
            method: &method,
            request: request.unwrap_or_default(),
        };
        let performed = self.recorded(&came, &notes, performed).await;
        sealed(&key, performed)
    }

    /// Records a call that another region has handed on, and lets what came of it pass.
    async fn recorded(
        &self,
        came: &Came<'_>,
        notes: &Notes,
        performed: Result<Forwarded, Refusal>,
    ) -> Result<Forwarded, Refusal> {
        let (caller, session, subject, _) = notes.seen();
        let told = record::Told {
            caller: &caller,
            session: &session,
            address: None,
            listener: &format!("region/{}", came.from),
            request: came.request,
        };
        let error = performed.as_ref().err().map(|refusal| refusal.reason());
        let outcome = record::outcome(error.map(Reason::name));
        let name = came.method.rsplit('/').next().unwrap_or_default();
        let kept = self
            .options
            .recorder
            .keep(&[told.record(name, &subject, outcome)])
            .await;
        kept.map_err(|_| record::unrecorded(true))?;
        performed
    }

    async fn perform(
        &self,
        mut call: api::ForwardedCall,
        notes: Arc<Notes>,
    ) -> Result<Forwarded, Refusal> {
        let token = Zeroizing::new(std::mem::take(&mut call.session_token));
        let (caller, proven) = self.proven(&call, &token)?;
        let region = call.region.parse();
        let region = region.map_err(|_| Refusal::parameter("The region is none."))?;
        let request: [u8; 16] = (*call.request_id)
            .try_into()
            .map_err(|_| Refusal::parameter("The request id is none."))?;
        let span = Duration::from_millis(call.wait_ms).min(self.options.deadline_max);
        let own = Call {
            deadline: Instant::now() + span,
            request,
            caller,
            proven: Some(proven),
            // It is not handed on again.
            token: None,
            source: None,
            notes,
        };
        let performed =
            self.options
                .secrets
                .perform(&call.method, own, region, call.plain_request.clone());
        let late = || Refusal::new(Reason::RequestTimeout, "The deadline passed.");
        timeout(span, performed).await.map_err(|_| late())?
    }
}

impl Accepting {
    /// What the caller of the other region has proved. Who that is here, and what it may do, is
    /// judged as of any call.
    fn proven(
        &self,
        call: &api::ForwardedCall,
        token: &str,
    ) -> Result<(Arc<str>, Proven), Refusal> {
        if !token.is_empty() {
            let AcceptingOptions {
                authz, consensus, ..
            } = &*self.options;
            let bearer = authz.open(&consensus.local_view(), token)?;
            return Ok((bearer.caller(), Proven::Session(bearer)));
        }
        let client = call.caller.strip_prefix("client/");
        let client = client.ok_or_else(Refusal::denied)?;
        let public_key = (*call.public_key).try_into();
        let shown = Certificate {
            client: client.into(),
            public_key: public_key.map_err(|_| Refusal::denied())?,
        };
        Ok((call.caller.as_str().into(), Proven::Certificate(shown)))
    }
}

#[tonic::async_trait]
impl ForwardService for Accepting {
    type ForwardStream = Answers;

    async fn forward(
        &self,
        request: Request<Streaming<api::ForwardRequest>>,
    ) -> Result<Response<Answers>, Status> {
        if !self.options.accepts {
            return Err(Refusal::denied().into());
        }
        let room = Arc::clone(&self.room).try_acquire_owned();
        let room = room.map_err(|_| Refusal::new(Reason::Throttling, "Rate exceeded"))?;
        let (sender, receiver) = mpsc::channel(2);
        let (_, caller, asked) = request.into_parts();
        tokio::spawn(self.clone().take(caller, asked, sender, room));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn next(asked: &mut Streaming<api::ForwardRequest>) -> Result<Option<Asked>, Status> {
    let late = || Refusal::new(Reason::ServiceUnavailable, "Nothing came in time.");
    let message = timeout(FORWARD_OPEN_TIMEOUT, asked.message()).await;
    let message = message.map_err(|_| late())??;
    Ok(message.and_then(|message| message.message))
}

fn response(message: Told) -> api::ForwardResponse {
    api::ForwardResponse {
        message: Some(message),
    }
}

fn sealed(
    key: &LinkKey,
    performed: Result<Forwarded, Refusal>,
) -> Result<api::SealedAnswer, Status> {
    let answer = match performed {
        Ok(forwarded) => api::ForwardedAnswer {
            plain_reply: forwarded.reply,
            position: forwarded.position.encode(),
            refusal: None,
        },
        Err(refusal) => {
            let status = Status::from(refusal);
            api::ForwardedAnswer {
                refusal: Some(api::ForwardedRefusal {
                    code: status.code().into(),
                    message: status.message().to_owned(),
                    details: Bytes::copy_from_slice(status.details()),
                }),
                ..api::ForwardedAnswer::default()
            }
        }
    };
    let plain = Zeroizing::new(answer.encode_to_vec());
    let sealed = key.seal_call(CallPart::Answer, &plain).map_err(|error| {
        tracing::error!(%error, "an answer could not be sealed");
        Status::from(Refusal::new(
            Reason::OutcomeUnknown,
            "The answer could not be sealed.",
        ))
    })?;
    Ok(api::SealedAnswer {
        sealed: sealed.into(),
    })
}

/// A message that is none of this exchange. Nothing was done.
fn malformed() -> Status {
    Refusal::new(
        Reason::Serialization,
        "The message is not one of a forwarded call.",
    )
    .into()
}
