//! Writes that are handed on to the region that leads what they are about, for callers of this one:
//! both regions must be configured for it.
//!
//! ```text
//! this region                                   the one that leads
//! ForwardOpen ───────────────────────────────►  makes a key pair for this call
//!             ◄─────────────────────────────── ForwardOffer
//! SealedCall  ───────────────────────────────►  opens it, makes the call as its own, seals
//!             ◄─────────────────────────────── SealedAnswer
//! ```
//!
//! Invariants: a request leaves this node only under a key that both nodes have agreed upon for it
//! alone, inside of TLS to a node whose key the directory pins. A call that was handed on is not
//! handed on again. Once the sealed call is sent, a broken stream leaves its outcome unknown.

mod serve;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use consensus::Consensus;
use envelope::{CallPart, LinkBinding, LinkKey};
use machine::{Node, RegionName, State, Token};
use prost::Message;
use replication::{Regions, Replication};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, timeout_at};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use wire::replication::v1 as api;
use wire::replication::v1::forward_request::Message as Asked;
use wire::replication::v1::forward_response::Message as Told;
use wire::replication::v1::forward_service_client::ForwardServiceClient;
use zeroize::{Zeroize, Zeroizing};

pub use self::serve::{Accepting, AcceptingOptions};
use crate::authz::{Proven, TokenText};
use crate::door::Call;
use crate::errors::{Reason, Refusal};
use crate::limits::{FORWARD_BYTES_MAX, FORWARD_REFUSAL_BYTES_MAX, FORWARDS_MAX};

/// Hands calls on.
pub struct Forwarder {
    consensus: Consensus,
    replication: Replication,
    regions: Arc<dyn Regions>,
    room: Semaphore,
}

/// A call as it came, kept to be handed on.
pub struct Kept {
    /// Who makes it, until when, under which id.
    pub call: Call,
    /// The full path of the rpc.
    pub method: &'static str,
    /// The region it belongs to.
    pub region: RegionName,
    /// The encoded request.
    pub request: Zeroizing<Vec<u8>>,
}

/// What came of it.
pub struct Forwarded {
    /// The encoded reply.
    pub reply: Bytes,
    /// The positions after it.
    pub position: Token,
}

/// A stream that is open to a node, which has offered a key.
struct Line {
    sender: mpsc::Sender<api::ForwardRequest>,
    answers: Streaming<api::ForwardResponse>,
    key: LinkKey,
    encapsulated: Vec<u8>,
}

impl Forwarder {
    /// Hands calls on as this node.
    #[must_use]
    pub fn new(consensus: Consensus, replication: Replication, regions: Arc<dyn Regions>) -> Self {
        Self {
            consensus,
            replication,
            regions,
            room: Semaphore::new(FORWARDS_MAX),
        }
    }

    /// Hands a call on to a region.
    ///
    /// # Errors
    /// What the other region refused it with; `ServiceUnavailable` if none of its nodes took it,
    /// `OutcomeUnknown` if one took it and did not answer.
    pub async fn forward(&self, to: &RegionName, kept: &Kept) -> Result<Forwarded, Status> {
        let _room = self
            .room
            .try_acquire()
            .map_err(|_| Refusal::new(Reason::Throttling, "Rate exceeded"))?;
        let deadline = kept.call.deadline;
        let mut line = self.line(to, deadline).await?;
        let sealed = self.sealed(&line.key, kept)?;
        let message = Asked::Call(api::SealedCall {
            encapsulated: std::mem::take(&mut line.encapsulated).into(),
            sealed: sealed.into(),
        });
        let unknown = || -> Status {
            let lost = "The region that leads this was lost while it worked on it.";
            Refusal::new(Reason::OutcomeUnknown, lost)
                .with_primary(to)
                .into()
        };
        line.sender
            .send(request(message))
            .await
            .map_err(|_| unknown())?;
        let answered = timeout_at(deadline, line.answers.message()).await;
        let answer = match answered {
            Ok(Ok(Some(api::ForwardResponse {
                message: Some(Told::Answer(answer)),
            }))) => answer,
            // It says itself what became of the call.
            Ok(Err(status)) if !status.details().is_empty() => {
                return Err(
                    told(status.code(), status.message(), status.details()).unwrap_or_else(unknown)
                );
            }
            _ => return Err(unknown()),
        };
        let opened = line.key.open_call(CallPart::Answer, &answer.sealed);
        let opened = Bytes::from_owner(opened.map_err(|_| unknown())?);
        let answer = api::ForwardedAnswer::decode(opened).map_err(|_| unknown())?;
        read(&answer).unwrap_or_else(|| Err(unknown()))
    }

    /// A stream to the first node of a region that takes one.
    async fn line(&self, to: &RegionName, deadline: Instant) -> Result<Line, Status> {
        let view = self.consensus.local_view();
        let nodes: Vec<Node> = view
            .linked(to)
            .map_or_else(Vec::new, |region| region.nodes.clone());
        drop(view);
        let mut refused = None;
        for node in &nodes {
            match timeout_at(deadline, self.open(to, node)).await {
                Ok(Ok(line)) => return Ok(line),
                Ok(Err(status)) => {
                    tracing::debug!(%status, region = %to, node = node.id.0, "call not taken");
                    refused = Some(status);
                }
                Err(_late) => break,
            }
        }
        match refused {
            Some(status) if status.code() == Code::PermissionDenied => {
                let accepts_none = format!("Region {to} accepts no calls of other regions.");
                Err(Refusal::parameter(accepts_none)
                    .with_primary(to)
                    .with_addresses(&self.consensus.local_view())
                    .into())
            }
            Some(_) | None => {
                let unreached = format!("No node of region {to} takes the call.");
                Err(Refusal::new(Reason::ServiceUnavailable, unreached).into())
            }
        }
    }

    async fn open(&self, to: &RegionName, node: &Node) -> Result<Line, Status> {
        let channel = self.regions.channel(to, node);
        let channel = channel.map_err(|error| Status::unavailable(error.to_string()))?;
        let mut client = ForwardServiceClient::new(channel)
            .max_decoding_message_size(FORWARD_BYTES_MAX)
            .max_encoding_message_size(FORWARD_BYTES_MAX);
        let mut stream = [0; 16];
        getrandom::fill(&mut stream).map_err(|_| Refusal::internal())?;
        let view = self.consensus.local_view();
        let open = Asked::Open(api::ForwardOpen {
            origin: Some(self.replication.origin(&view)),
            stream: stream.to_vec().into(),
        });
        let own = view.region().ok_or_else(Refusal::not_founded)?;
        let binding = binding(&view, own, to, stream)?;
        drop(view);
        let (sender, receiver) = mpsc::channel(2);
        // There is room for both messages.
        let _ = sender.send(request(open)).await;
        let answers = client.forward(ReceiverStream::new(receiver)).await?;
        let mut answers = answers.into_inner();
        let offer = match answers.message().await? {
            Some(api::ForwardResponse {
                message: Some(Told::Offer(offer)),
            }) => offer,
            _ => return Err(Status::unavailable("no key was offered")),
        };
        if let Some(origin) = offer.origin {
            let view = self.consensus.local_view();
            self.replication.hear(&view, origin);
        }
        let made = LinkKey::encapsulate(&offer.public_key, &binding);
        let (key, encapsulated) = made.map_err(|error| Status::unavailable(error.to_string()))?;
        Ok(Line {
            sender,
            answers,
            key,
            encapsulated,
        })
    }

    fn sealed(&self, key: &LinkKey, kept: &Kept) -> Result<Vec<u8>, Refusal> {
        let left = kept.call.deadline.saturating_duration_since(Instant::now());
        let proven = kept.call.proven.as_ref().ok_or_else(Refusal::denied)?;
        // The other region opens the token itself: this one could not make a session up.
        let (public_key, session_token) = match (proven, &kept.call.token) {
            (Proven::Certificate(shown), _) => (shown.public_key.to_vec(), String::new()),
            (Proven::Session(_), Some(TokenText(token))) => (Vec::new(), token.to_string()),
            (Proven::Session(_), None) => return Err(Refusal::denied()),
        };
        let mut call = api::ForwardedCall {
            caller: kept.call.caller.to_string(),
            public_key: public_key.into(),
            session_token,
            request_id: kept.call.request.to_vec().into(),
            method: kept.method.to_owned(),
            region: kept.region.to_string(),
            wait_ms: millis(left),
            plain_request: Bytes::from_owner(Zeroizing::new(kept.request.to_vec())),
        };
        let plain = Zeroizing::new(call.encode_to_vec());
        call.session_token.zeroize();
        key.seal_call(CallPart::Call, &plain).map_err(|error| {
            tracing::error!(%error, "a call could not be sealed");
            Refusal::internal()
        })
    }
}

/// What the key of a stream between two regions is bound to.
///
/// # Errors
/// This region is not founded.
fn binding(
    state: &State,
    from: &RegionName,
    to: &RegionName,
    stream: [u8; 16],
) -> Result<LinkBinding, Refusal> {
    let cluster = state.cluster().ok_or_else(Refusal::not_founded)?;
    Ok(LinkBinding {
        cluster: cluster.0,
        from: from.to_string(),
        to: to.to_string(),
        stream,
    })
}

fn request(message: Asked) -> api::ForwardRequest {
    api::ForwardRequest {
        message: Some(message),
    }
}

/// What an answer says; none of one that says nothing.
fn read(answer: &api::ForwardedAnswer) -> Option<Result<Forwarded, Status>> {
    if let Some(refusal) = &answer.refusal {
        let code = Code::from_i32(refusal.code);
        return told(code, &refusal.message, &refusal.details).map(Err);
    }
    // A position that is none says nothing; the call was made all the same.
    let position = Token::decode(&answer.position).unwrap_or_default();
    Some(Ok(Forwarded {
        reply: answer.plain_reply.clone(),
        position,
    }))
}

/// Another region's refusal as the caller is told it: its code, words and details, and nothing else
/// that came with them. None of what is no refusal, or too long for the head of an answer.
fn told(code: Code, words: &str, details: &[u8]) -> Option<Status> {
    let is_one = code != Code::Ok && words.len() + details.len() <= FORWARD_REFUSAL_BYTES_MAX;
    is_one.then(|| Status::with_details(code, words, Bytes::copy_from_slice(details)))
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use tonic::Code;
    use wire::replication::v1::{ForwardedAnswer, ForwardedRefusal};

    use super::{FORWARD_REFUSAL_BYTES_MAX, read};

    fn refused(code: Code, words: usize) -> ForwardedAnswer {
        let refusal = ForwardedRefusal {
            code: code.into(),
            message: "x".repeat(words),
            details: vec![1; 10].into(),
        };
        ForwardedAnswer {
            refusal: Some(refusal),
            ..ForwardedAnswer::default()
        }
    }

    #[test]
    fn a_refusal_of_another_region_is_one_and_fits_an_answer_or_says_nothing() {
        let room = FORWARD_REFUSAL_BYTES_MAX - 10;
        let told = read(&refused(Code::NotFound, room)).unwrap();
        assert_eq!(told.err().unwrap().code(), Code::NotFound);
        assert!(read(&refused(Code::NotFound, room + 1)).is_none());
        assert!(read(&refused(Code::Ok, 1)).is_none());
    }
}
