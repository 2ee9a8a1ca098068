//! The record of a call, written before its answer leaves (R15).
//!
//! Not recorded one by one are health checks, which anybody may make as often as they like and
//! which tell no more than `/ready`; what the nodes of a region ask each other all the time (see
//! the method table); and a flood of refusals of strangers, which is counted instead
//! (`trail/strangers.rs`).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use audit::{Kind, Outcome, Position, Record};
use http::{Request, Response};
use tonic::body::Body;
use tonic::{Code, Status};
use tonic_types::StatusExt;
use wire::{Caller, TcpConnectInfo};

use super::{Inner, answer};
use crate::clock;
use crate::errors::{Reason, Refusal};
use crate::methods::{Audited, CallerClass, Method, Port};
use crate::trail::{Item, Notes, Subject};

/// The method of a call that the table does not list.
const UNLISTED: &str = "Unlisted";
/// The method of an item that was read for a batch.
const ITEM: &str = "GetSecretValue";

/// A call as it came, whatever becomes of it.
pub struct Came {
    /// The address it came from.
    pub address: Option<IpAddr>,
    /// Random: its id.
    pub request: [u8; 16],
    /// What is noted of it.
    pub notes: Arc<Notes>,
    /// Whose certificate was shown.
    caller: String,
    of: Of,
    path: String,
}

/// Who makes a call, as far as records differ by that.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    Client,
    Node,
    /// Nobody showed a certificate.
    Stranger,
}

impl Came {
    /// A call that has just come.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn of<B>(request: &Request<B>) -> Result<Self, getrandom::Error> {
        let mut id = [0; 16];
        getrandom::fill(&mut id)?;
        let source = request.extensions().get::<TcpConnectInfo>();
        let address = source.and_then(TcpConnectInfo::remote_addr);
        let (caller, of) = match request.extensions().get::<Caller>() {
            None | Some(Caller::Anonymous) => ("stranger".to_owned(), Of::Stranger),
            Some(Caller::Client(client)) => (format!("client/{}", client.name), Of::Client),
            Some(Caller::Peer(peer)) => {
                let (region, node) = (&peer.region, peer.node);
                (format!("region/{region}/node/{node}"), Of::Node)
            }
        };
        Ok(Self {
            address: address.map(|address| address.ip()),
            request: id,
            notes: Arc::default(),
            caller,
            of,
            path: request.uri().path().to_owned(),
        })
    }

    /// Whether a call of this method is recorded, and whether as one of many. Whoever is known here
    /// is no stranger, by whatever it proved that.
    fn recorded_as(
        &self,
        method: Option<&Method>,
        port: Port,
        is_known: bool,
        is_ok: bool,
    ) -> Option<Many> {
        let Some(method) = method else {
            return Some(Many::Bounded);
        };
        let is_asked_for = match method.audited {
            Audited::Always => true,
            Audited::OfClients => self.of != Of::Node,
            Audited::Never => false,
        };
        let is_open = method.caller == CallerClass::Stranger;
        // A certificate that stands for nobody, or for nobody any more, is no better than none.
        let is_anybodys = !is_known || port == Port::Peers;
        match (is_asked_for, is_ok) {
            (false, _) if is_open => None,
            (false, true) => None,
            (false, false) => Some(Many::Bounded),
            (true, false) if is_anybodys => Some(Many::Bounded),
            (true, _) => Some(Many::No),
        }
    }
}

/// Whether there may be any number of such calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Many {
    No,
    /// So only some are recorded one by one.
    Bounded,
}

impl Inner {
    /// Records a call and lets its answer pass; or answers that it could not be recorded.
    pub(super) async fn recorded(
        &self,
        came: Came,
        method: Option<&'static Method>,
        response: Response<Body>,
    ) -> Response<Body> {
        let error = error(&response);
        let (caller, session, mut call, items) = came.notes.seen();
        let many = came.recorded_as(method, self.port, !caller.is_empty(), error.is_none());
        let left_out = match many {
            None => return response,
            Some(Many::No) => 0,
            Some(Many::Bounded) => match self.recorder.strangers().take(Instant::now()) {
                Some(left_out) => left_out,
                None => return response,
            },
        };
        if left_out > 0 {
            call.denied = format!("{left_out} more such calls before it were not recorded");
        }
        if method.is_none() {
            came.path.clone_into(&mut call.resource);
        }
        let told = Told {
            caller: if caller.is_empty() {
                &came.caller
            } else {
                &caller
            },
            session: if caller.is_empty() { "" } else { &session },
            address: came.address,
            listener: listener(self.port),
            request: came.request,
        };
        let items = items.iter().map(|item| told.item(item));
        let outcome = outcome(error.as_deref());
        let name = method.map_or(UNLISTED, Method::name);
        let records: Vec<Record<'_>> = items.chain([told.record(name, &call, outcome)]).collect();
        match self.recorder.keep(&records).await {
            Ok(()) => response,
            Err(fault) => {
                let fault = &fault as &dyn std::error::Error;
                tracing::error!(method = name, fault, "a call could not be recorded");
                answer::refused(unrecorded(method.is_some_and(|method| method.writes)))
            }
        }
    }
}

/// What all records of one call say alike.
pub struct Told<'a> {
    /// Who called.
    pub caller: &'a str,
    /// By what it proved that.
    pub session: &'a str,
    /// The address it came from.
    pub address: Option<IpAddr>,
    /// The way it came.
    pub listener: &'a str,
    /// Its id.
    pub request: [u8; 16],
}

impl<'a> Told<'a> {
    /// The record of the call itself.
    pub fn record(
        &'a self,
        method: &'a str,
        subject: &'a Subject,
        outcome: Outcome<'a>,
    ) -> Record<'a> {
        let position = subject.position.as_ref();
        Record {
            time: clock::precise(),
            kind: Kind::Call,
            caller: self.caller,
            session: self.session,
            address: self.address,
            listener: self.listener,
            method,
            resource: &subject.resource,
            version: &subject.version,
            stage: &subject.stage,
            outcome,
            statement: subject.statement(outcome != Outcome::Allowed),
            request: self.request,
            position: position.map(|position| Position {
                feed: &subject.feed,
                epoch: position.epoch.number,
                epoch_region: position.epoch.region.as_str(),
                revision: position.revision.0,
            }),
        }
    }

    /// The record of one of the things it is subject.
    pub fn item(&'a self, item: &'a Item) -> Record<'a> {
        self.record(ITEM, &item.subject, outcome(item.error))
    }
}

/// What an error of this name is in a record; none is no error.
pub fn outcome(error: Option<&str>) -> Outcome<'_> {
    match error {
        None => Outcome::Allowed,
        Some(name) if name == Reason::AccessDenied.name() => Outcome::Denied,
        Some(name) => Outcome::Failed(name),
    }
}

/// What is answered when the record of a call could not be kept.
pub fn unrecorded(writes: bool) -> Refusal {
    let (reason, words) = match writes {
        true => (
            Reason::OutcomeUnknown,
            "This node cannot record calls; a change may have been made.",
        ),
        false => (Reason::ServiceUnavailable, "This node cannot record calls."),
    };
    Refusal::new(reason, words)
}

fn listener(port: Port) -> &'static str {
    match port {
        Port::Api => "api",
        Port::Peers => "peers",
    }
}

/// The name of the error that a response is; none of an answer.
fn error(response: &Response<Body>) -> Option<String> {
    if answer::code(response) == Code::Ok {
        return None;
    }
    let status = Status::from_header_map(response.headers())?;
    let named = status.get_error_details();
    let named = named.error_info().map(|info| info.reason.clone());
    Some(named.unwrap_or_else(|| match status.code() {
        Code::PermissionDenied => Reason::AccessDenied.name().to_owned(),
        code => format!("{code:?}"),
    }))
}
