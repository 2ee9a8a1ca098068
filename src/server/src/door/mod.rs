//! The door: every request passes here before any handler, and is refused unless the method table
//! lists it and its caller may make it.
//!
//! Invariants: an rpc that is not in the table is not served; no handler runs for a caller of
//! another class; every failure that leaves carries `ErrorInfo`.

mod answer;
mod bearer;
mod deadline;
mod places;
pub mod record;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Request, Response};
use machine::{Audit, RequestId};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::service::Routes;
use tower::Service;
use wire::{Caller, PeerIdentity};

use self::places::Places;
use self::record::Came;
use crate::authz::{Bearer, Certificate, Proven, TokenText};
use crate::errors::{Reason, Refusal};
use crate::limits::{
    LINK_DEADLINE, LINK_REQUESTS_MAX, LOGIN_REQUESTS_MAX, REGION_CALLS_MAX, SOURCE_LOGINS_MAX,
    STRANGER_DEADLINE, STRANGER_REQUESTS_MAX,
};
use crate::methods::{CallerClass, Method, MethodTable, Port, Span};
use crate::metrics::CallMetrics;
use crate::trail::{Notes, Recorder};

/// What is kept of a caller's deadline for the way of the answer.
const ANSWER_TIME: Duration = Duration::from_millis(20);

/// One call as the handlers see it: who, from where, until when, under which id.
#[derive(Clone, Debug)]
pub struct Call {
    /// When the caller stops waiting.
    pub deadline: Instant,
    /// Random: its record has it, and the audit fields of what it writes.
    pub request: [u8; 16],
    /// The identity of the caller, as audit fields show it.
    pub caller: Arc<str>,
    /// What a client has proved, by its certificate or a token; none of a node, or a stranger.
    pub proven: Option<Proven>,
    /// The token of a session that makes it.
    pub token: Option<TokenText>,
    /// The address it comes from; none where there is no connection, as in tests.
    pub source: Option<IpAddr>,
    /// What is noted of it for its record.
    pub notes: Arc<Notes>,
}

impl Call {
    /// What an entry that is made for it says of it (R15).
    pub fn audit(&self) -> Audit {
        Audit {
            caller: self.caller.to_string(),
            request_id: RequestId(self.request),
        }
    }
}

/// Says whether a client may make a call, where that is not for the handler to say.
#[tonic::async_trait]
pub trait Gate: Send + Sync {
    /// Lets a client's call pass.
    ///
    /// # Errors
    /// Why it may not be made; and while nothing is known here of clients.
    async fn pass(&self, call: &Call, method: &'static Method) -> Result<(), Refusal>;
}

/// Opens a token.
type Opens = dyn Fn(&str) -> Result<Arc<Bearer>, Refusal> + Send + Sync;

/// Who calls, what a client has proved, and by which token.
type Admitted = (Arc<str>, Option<Proven>, Option<TokenText>);

/// Whom the door lets in.
pub struct Guests {
    /// This node's cluster, in hexadecimal.
    pub cluster: String,
    /// This node's region.
    pub region: String,
    /// Says what clients may do.
    pub gate: Box<dyn Gate>,
    /// Opens the token of a session.
    pub open: Box<Opens>,
    /// Says whether a node is a member, with the key that is pinned for it.
    pub is_member: Box<dyn Fn(&PeerIdentity) -> bool + Send + Sync>,
    /// Says whether a node is one of a linked region, with the key that is pinned for it.
    pub is_linked: Box<dyn Fn(&PeerIdentity) -> bool + Send + Sync>,
}

/// Time and room for calls.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Deadline of a call that names none.
    pub deadline_default: Duration,
    /// Longest deadline of a call.
    pub deadline_max: Duration,
    /// Calls worked on at once.
    pub requests_max: usize,
}

struct Inner {
    port: Port,
    table: MethodTable,
    guests: Arc<Guests>,
    bounds: Bounds,
    room: Semaphore,
    /// A stranger's calls have their own, or they could take it all from those who have a right.
    room_for_strangers: Semaphore,
    /// And those who would be linked theirs, or strangers could keep them out.
    room_for_links: Semaphore,
    /// And those who would log in theirs.
    room_for_logins: Semaphore,
    /// Of which each source has some.
    logins: Places,
    /// And each linked region: a call takes memory before its service sees it.
    rooms_for_regions: Mutex<BTreeMap<String, Arc<Semaphore>>>,
    metrics: CallMetrics,
    recorder: Arc<Recorder>,
}

/// The services of one listener behind their door.
#[derive(Clone)]
pub struct Door {
    routes: Routes,
    inner: Arc<Inner>,
}

impl Door {
    /// The services of this port with a door before them.
    pub fn before(
        port: Port,
        routes: Routes,
        guests: Arc<Guests>,
        bounds: Bounds,
        metrics: CallMetrics,
        recorder: Arc<Recorder>,
    ) -> Routes {
        let inner = Inner {
            port,
            table: MethodTable::default(),
            guests,
            bounds,
            room: Semaphore::new(bounds.requests_max),
            room_for_strangers: Semaphore::new(STRANGER_REQUESTS_MAX),
            room_for_links: Semaphore::new(LINK_REQUESTS_MAX),
            room_for_logins: Semaphore::new(LOGIN_REQUESTS_MAX),
            logins: Places::of_each(SOURCE_LOGINS_MAX),
            rooms_for_regions: Mutex::default(),
            metrics,
            recorder,
        };
        let door = Self {
            routes: routes.prepare(),
            inner: Arc::new(inner),
        };
        Routes::from(axum::Router::new().fallback_service(door))
    }
}

impl Service<Request<axum::body::Body>> for Door {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<axum::body::Body>) -> Self::Future {
        let Self { routes, inner } = self.clone();
        Box::pin(async move { Ok(inner.answer(routes, request).await) })
    }
}

impl Inner {
    async fn answer(
        &self,
        routes: Routes,
        mut request: Request<axum::body::Body>,
    ) -> Response<Body> {
        let Ok(came) = Came::of(&request) else {
            return answer::refused(Refusal::internal());
        };
        let Some((place, method)) = self.table.find(self.port, request.uri().path()) else {
            let refusal = Refusal::new(Reason::UnknownOperation, "This operation is not served.");
            return self.recorded(came, None, answer::refused(refusal)).await;
        };
        let timer = self.metrics.begin(place);
        let response = match self.admit(method, &mut request, &came) {
            Err(refusal) => answer::refused(refusal),
            Ok(call) => self.serve(method, call, routes, request).await,
        };
        let response = self.recorded(came, Some(method), response).await;
        timer.end(answer::code(&response));
        response
    }

    /// Checks the caller against the table and leaves a `Call` for the handler.
    fn admit<B>(
        &self,
        method: &'static Method,
        request: &mut Request<B>,
        came: &Came,
    ) -> Result<Call, Refusal> {
        let admitted = self.admitted(method, request);
        let (caller, proven, token) = admitted.inspect_err(|refusal| noted(method, refusal))?;
        let header = request
            .headers()
            .get("grpc-timeout")
            .and_then(|value| value.to_str().ok());
        let asked = header.and_then(deadline::grpc_timeout);
        // A little early, so that the caller still hears why.
        let asked = asked.map(|span| span - (span / 10).min(ANSWER_TIME));
        let longest = match method.caller {
            CallerClass::Stranger => STRANGER_DEADLINE.min(self.bounds.deadline_max),
            CallerClass::StrangerWithToken | CallerClass::StrangerWithIdentity => {
                LINK_DEADLINE.min(self.bounds.deadline_max)
            }
            _ => self.bounds.deadline_max,
        };
        let span = asked.unwrap_or(self.bounds.deadline_default).min(longest);
        let deadline = Instant::now() + span;
        let call = Call {
            deadline,
            request: came.request,
            caller,
            proven,
            token,
            source: came.address,
            notes: Arc::clone(&came.notes),
        };
        request.extensions_mut().insert(call.clone());
        Ok(call)
    }

    /// Who calls: a client that brings a token is whom that stands for, whatever its certificate.
    fn admitted<B>(&self, method: &Method, request: &mut Request<B>) -> Result<Admitted, Refusal> {
        if let CallerClass::Client | CallerClass::ClientOrMember = method.caller
            && let Some(token) = bearer::take(request)?
        {
            let bearer = (self.guests.open)(&token)?;
            let (caller, token) = (bearer.caller(), TokenText(Arc::new(token)));
            return Ok((caller, Some(Proven::Session(bearer)), Some(token)));
        }
        let (caller, proven) = self.caller(method, request.extensions().get::<Caller>())?;
        Ok((caller, proven, None))
    }

    /// Who calls, as audit fields show it, and what a client has proved.
    fn caller(
        &self,
        method: &Method,
        caller: Option<&Caller>,
    ) -> Result<(Arc<str>, Option<Proven>), Refusal> {
        let guests = &self.guests;
        let is_peer =
            |cluster: &str, region: &str| cluster == guests.cluster && region == guests.region;
        match (method.caller, caller) {
            (
                CallerClass::Stranger
                | CallerClass::StrangerWithToken
                | CallerClass::StrangerWithIdentity,
                _,
            ) => Ok(("stranger".into(), None)),
            (_, None | Some(Caller::Anonymous)) => Err(Refusal::new(
                Reason::MissingAuthentication,
                "A client certificate or the token of a session is required.",
            )),
            (CallerClass::Client | CallerClass::ClientOrMember, Some(Caller::Client(client)))
                if client.cluster == guests.cluster =>
            {
                let shown = Certificate {
                    client: client.name.as_str().into(),
                    public_key: client.public_key,
                };
                let proven = Proven::Certificate(shown);
                Ok((format!("client/{}", client.name).into(), Some(proven)))
            }
            (
                CallerClass::Peer
                | CallerClass::PeerWithToken
                | CallerClass::Member
                | CallerClass::ClientOrMember,
                Some(Caller::Peer(peer)),
            ) if is_peer(&peer.cluster, &peer.region) => {
                let pinned = [CallerClass::ClientOrMember, CallerClass::Member];
                let must_be_pinned = pinned.contains(&method.caller);
                if must_be_pinned && !(guests.is_member)(peer) {
                    return Err(Refusal::denied());
                }
                Ok((format!("node/{}", peer.node).into(), None))
            }
            (CallerClass::LinkedRegion, Some(Caller::Peer(peer)))
                if peer.cluster == guests.cluster && peer.region != guests.region =>
            {
                let caller = format!("region/{}/node/{}", peer.region, peer.node);
                match (guests.is_linked)(peer) {
                    true => Ok((caller.into(), None)),
                    false => Err(Refusal::denied()),
                }
            }
            _ => Err(Refusal::denied()),
        }
    }

    /// A failure as callers read it. Peers read the status as their own service made it, with the
    /// mark that nothing was written.
    fn dressed(&self, response: Response<Body>) -> Response<Body> {
        match self.port {
            Port::Api => answer::with_details(response),
            Port::Peers => response,
        }
    }

    async fn serve(
        &self,
        method: &'static Method,
        call: Call,
        mut routes: Routes,
        request: Request<axum::body::Body>,
    ) -> Response<Body> {
        let full = || answer::refused(Refusal::new(Reason::Throttling, "Rate exceeded"));
        if method.span == Span::Stream {
            let room = self.room_for_region(method, request.extensions().get());
            let Ok(_room) = room.map(Semaphore::try_acquire_owned).transpose() else {
                return full();
            };
            if let Err(refusal) = self.pass(&call, method).await {
                return answer::refused(refusal);
            }
            let Ok(response) = routes.call(request).await;
            return self.dressed(response);
        }
        let room = match method.caller {
            CallerClass::Stranger => &self.room_for_strangers,
            CallerClass::StrangerWithToken => &self.room_for_links,
            CallerClass::StrangerWithIdentity => &self.room_for_logins,
            _ => &self.room,
        };
        let is_login = method.caller == CallerClass::StrangerWithIdentity;
        let place = is_login.then(|| self.logins.take(call.source));
        if matches!(place, Some(None)) {
            return full();
        }
        let Ok(_room) = room.try_acquire() else {
            return full();
        };
        let answer = async {
            match self.pass(&call, method).await {
                Ok(()) => routes
                    .call(request)
                    .await
                    .map(|response| self.dressed(response)),
                Err(refusal) => Ok(answer::refused(refusal)),
            }
        };
        match tokio::time::timeout_at(call.deadline, answer).await {
            Ok(Ok(response)) => response,
            Err(_) if method.writes => answer::refused(Refusal::new(
                Reason::RequestTimeout,
                "The deadline passed; a change may have been made.",
            )),
            Err(_) => answer::refused(Refusal::new(Reason::RequestTimeout, "The deadline passed.")),
        }
    }

    /// Lets a client's call pass to its handler.
    async fn pass(&self, call: &Call, method: &'static Method) -> Result<(), Refusal> {
        if call.proven.is_none() {
            return Ok(());
        }
        let passed = self.guests.gate.pass(call, method).await;
        passed.inspect_err(|refusal| noted(method, refusal))
    }

    /// Where a call of a linked region takes its place; none for other calls.
    fn room_for_region(&self, method: &Method, caller: Option<&Caller>) -> Option<Arc<Semaphore>> {
        let (CallerClass::LinkedRegion, Some(Caller::Peer(peer))) = (method.caller, caller) else {
            return None;
        };
        let rooms = self.rooms_for_regions.lock();
        let mut rooms = rooms.unwrap_or_else(PoisonError::into_inner);
        let room = rooms.entry(peer.region.clone());
        Some(Arc::clone(room.or_insert_with(|| {
            Arc::new(Semaphore::new(REGION_CALLS_MAX))
        })))
    }
}

/// Notes a refusal in the log.
fn noted(method: &Method, refusal: &Refusal) {
    let (method, reason) = (method.name(), refusal.reason());
    match reason {
        // Anybody can make these: they must not fill a disk with lines.
        Reason::MissingAuthentication | Reason::UnrecognizedClient => {
            tracing::debug!(method, "anonymous call refused");
        }
        _ => tracing::warn!(method, reason = reason.name(), "call refused"),
    }
}

/// The call the door left in a request.
///
/// # Errors
/// When the request did not come through a door: a fault of the composition, so it fails closed.
pub fn call_of<T>(request: &tonic::Request<T>) -> Result<Call, Status> {
    request
        .extensions()
        .get::<Call>()
        .cloned()
        .ok_or_else(|| Refusal::denied().into())
}

#[cfg(test)]
mod recorded;
#[cfg(test)]
mod tests;
