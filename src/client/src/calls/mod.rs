//! One call: its deadline, its attempts, the node of each, and what is learned from the answer.

mod admin;
pub(crate) mod secrets;

use std::time::Duration;

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status, metadata::MetadataValue};
use wire::Channel;

use crate::{
    Client, Consistency,
    endpoints::Endpoint,
    error::{Error, Retry},
    limits::{ANSWER_TIME, ATTEMPTS_MAX, TIMEOUT_MAX},
    position::Before,
    retry::{self, Repeated},
};

const POSITION: &str = "strongroom-position";
const MIN_POSITION: &str = "strongroom-min-position";
const CONSISTENCY: &str = "strongroom-consistency";

/// How far a call is.
#[derive(Default)]
struct Course<'a> {
    /// The nodes that have not answered yet.
    asked: Vec<&'a Endpoint>,
    /// The node of each attempt.
    tried: Vec<&'a Endpoint>,
    /// What the attempt before said.
    earlier: Option<Error>,
    /// What the last attempt said that may have made a change.
    unknown: Option<Error>,
    /// What a node refused for good while another may still do it.
    refused: Option<Error>,
}

/// What a call does to the state of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads it.
    Reads,
    /// Changes it; sent twice with its token, it changes it once.
    WritesOnce,
    /// Makes a secret: once, as long as that is there. An attempt that comes late, after it was
    /// made by another one and deleted for good, would make it again.
    Creates,
    /// Changes it each time it is sent.
    Writes,
    /// Neither; repeating it is harmless.
    Nothing,
}

impl Client {
    /// Sends a call until it is answered, may not be sent again, or its time is over.
    ///
    /// A call that is harmless to repeat is sent to another node as well when the one it was sent
    /// to is silent for long: the host may be gone without a word, and no time-out of a transport
    /// is as short as an election. The first answer counts, the other attempts are taken back; but
    /// a write is refused only once no other attempt may have made it.
    pub(crate) async fn call<Q, A, F, S>(
        &self,
        effect: Effect,
        message: Q,
        send: F,
    ) -> Result<A, Error>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> S,
        S: Future<Output = Result<Response<A>, Status>>,
    {
        let (began, deadline) = (Instant::now(), self.deadline());
        let before = self.shared.positions.before();
        let mut course = Course::default();
        let mut under_way = FuturesUnordered::new();
        let mut next = Some(Instant::now());
        let mut is_doubt = false;
        loop {
            tokio::select! {
                biased;
                Some((node, answered)) = under_way.next(), if !under_way.is_empty() => {
                    course.ended(node);
                    let error: Error = match answered {
                        Ok(answer) => {
                            course.asked.iter().for_each(|silent| self.turn_from(silent));
                            self.shared.counts.answered();
                            return Ok(self.learn(effect, &before, answer));
                        }
                        Err(error) => error,
                    };
                    if error.is_of_the_node() {
                        self.turn_from(node);
                    }
                    let chance = retry::chance();
                    let pause = retry::pause(&error, effect.repeated(), course.attempts(), chance);
                    let again = pause.map(|pause| Instant::now() + pause);
                    next = again.filter(|at| *at < deadline && course.refused.is_none());
                    is_doubt = false;
                    let ends = error.is_final() && !effect.is_once();
                    if next.is_none() && (ends || under_way.is_empty()) {
                        return Err(self.failed(effect, error, course, began.elapsed()));
                    }
                    course.note(effect, error);
                }
                () = sleep_until(next.unwrap_or(deadline)), if next.is_some() => {
                    next = None;
                    let endpoints = &self.shared.endpoints;
                    let Some(node) = endpoints.next(&course.asked, &course.tried)? else {
                        continue;
                    };
                    if is_doubt && !self.shared.counts.may_double() {
                        continue;
                    }
                    self.shared.counts.sent(course.attempts(), is_doubt);
                    course.begin(node);
                    let is_last = course.attempts() == ATTEMPTS_MAX;
                    let until = effect.attempt_deadline(deadline, is_last);
                    let request = self.request(effect, &before, message.clone(), until);
                    let sent = send(node.channel.clone(), request);
                    under_way.push(self.attempt(effect, node, until, sent));
                    if effect.may_double() && !is_last {
                        next = Some(Instant::now() + retry::doubt(course.attempts()));
                        is_doubt = true;
                    }
                }
            }
        }
    }

    /// Waits for the answer of one node, until its time is over.
    async fn attempt<'a, A>(
        &self,
        effect: Effect,
        node: &'a Endpoint,
        until: Instant,
        sent: impl Future<Output = Result<Response<A>, Status>>,
    ) -> (&'a Endpoint, Result<Response<A>, Error>) {
        let (time, may_be_done) = (self.timeout, effect.may_change());
        let answered = match timeout_at(until, sent).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(status)) => Err(Error::of_status(status, &node.address, time, may_be_done)),
            Err(_) => Err(Error::timed_out(time, may_be_done)),
        };
        (node, answered)
    }

    fn turn_from(&self, node: &Endpoint) {
        self.shared.endpoints.turn_from(node);
    }

    /// What a call ends with whose last attempt failed so, after this time.
    fn failed(&self, effect: Effect, error: Error, course: Course<'_>, waited: Duration) -> Error {
        let tried = course.nodes_tried();
        let Course {
            earlier,
            unknown,
            refused,
            ..
        } = course;
        let is_doubt = error.retry() == Retry::Unknown;
        let (error, other) = match (unknown, refused) {
            // Another attempt may have done what this one surely did not, or was refused because
            // it has been done, and undone, meanwhile.
            (Some(unknown), _) if !is_doubt => (unknown, Some(more_telling(earlier, error))),
            (None, Some(refused)) if !is_doubt => (refused, None),
            (unknown, _) => match earlier.or(unknown) {
                Some(told) if effect.is_told_by(&told, &error) => (told, Some(error)),
                other => (error, other),
            },
        };
        let other = other.map(|other| self.counted(other, tried));
        let error = self.counted(error, tried);
        if error.is_final() && error.reason() == "PositionLost" {
            // What was seen is gone; asking for it again would fail for ever.
            self.shared.positions.forget();
        }
        match error {
            Error::TimedOut { may_be_done, .. } => Error::TimedOut {
                timeout: waited.min(self.timeout),
                may_be_done,
                source: other
                    .filter(|other| !matches!(other, Error::TimedOut { .. }))
                    .map(Box::new),
            },
            error => error,
        }
    }

    /// When a call that begins now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(TIMEOUT_MAX)
    }

    fn request<Q>(
        &self,
        effect: Effect,
        before: &Before,
        message: Q,
        until: Instant,
    ) -> Request<Q> {
        let mut request = Request::new(message);
        let left = until.saturating_duration_since(Instant::now());
        // Or the node would say why it cannot answer when nobody listens any more: the connection
        // may have to be made first.
        request.set_timeout(left - ANSWER_TIME.min(left / 10));
        let eventual = self.consistency == Consistency::Eventual && !before.is_several();
        if effect == Effect::Reads && eventual {
            let metadata = request.metadata_mut();
            metadata.insert(CONSISTENCY, MetadataValue::from_static("eventual"));
            if let Some(Ok(token)) = before.one().map(str::parse) {
                metadata.insert(MIN_POSITION, token);
            }
        }
        request
    }

    fn learn<A>(&self, effect: Effect, before: &Before, answer: Response<A>) -> A {
        let token = answer
            .metadata()
            .get(POSITION)
            .and_then(|token| token.to_str().ok());
        if let (true, Some(token)) = (effect != Effect::Nothing, token) {
            self.shared.positions.saw(before, token);
        }
        answer.into_inner()
    }

    /// Adds to an error what one attempt does not know: how many nodes there are, and were tried.
    pub(crate) fn counted(&self, error: Error, tried: usize) -> Error {
        match error {
            Error::Unreachable {
                endpoint,
                retry,
                source,
                ..
            } => Error::Unreachable {
                endpoint,
                tried,
                endpoints: self.shared.endpoints.count(),
                retry,
                source,
            },
            error => error,
        }
    }
}

/// The one of two errors that tells more; the later one if both tell as much.
pub(crate) fn more_telling(earlier: Option<Error>, error: Error) -> Error {
    match earlier {
        Some(told) if error.tells_less_than(&told) => told,
        _ => error,
    }
}

impl<'a> Course<'a> {
    fn attempts(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    /// How many different nodes were asked.
    fn nodes_tried(&self) -> usize {
        let before = |at: usize| self.tried.iter().take(at);
        let is_first = |(at, node): &(usize, &&Endpoint)| !before(*at).any(|other| other.is(node));
        self.tried.iter().enumerate().filter(is_first).count()
    }

    fn begin(&mut self, node: &'a Endpoint) {
        self.tried.push(node);
        self.asked.push(node);
    }

    fn ended(&mut self, node: &Endpoint) {
        self.asked.retain(|asked| !asked.is(node));
    }

    fn note(&mut self, effect: Effect, error: Error) {
        if effect.may_change() && error.retry() == Retry::Unknown {
            self.unknown = Some(more_telling(self.unknown.take(), error));
            return;
        }
        if error.is_final() {
            self.refused = Some(error);
            return;
        }
        self.earlier = Some(more_telling(self.earlier.take(), error));
    }
}

impl Effect {
    fn repeated(self) -> Repeated {
        match self {
            Self::Reads | Self::WritesOnce | Self::Creates | Self::Nothing => Repeated::Harmless,
            Self::Writes => Repeated::Twice,
        }
    }

    /// Whether two attempts may be under way at a time.
    fn may_double(self) -> bool {
        self.repeated() == Repeated::Harmless && self != Self::Creates
    }

    /// Whether its token makes it one change.
    fn is_once(self) -> bool {
        matches!(self, Self::WritesOnce | Self::Creates)
    }

    fn may_change(self) -> bool {
        matches!(self, Self::WritesOnce | Self::Creates | Self::Writes)
    }

    /// Whether what an earlier attempt said is the better answer to a call than its last error. No
    /// certain word hides that a change may have been made, unless the last error is no word at
    /// all.
    fn is_told_by(self, earlier: &Error, last: &Error) -> bool {
        let unknown = |error: &Error| error.retry() == Retry::Unknown;
        let hides_doubt = self.may_change() && unknown(last) && !unknown(earlier);
        last.is_lost_alert(earlier) || (!hides_doubt && last.tells_less_than(earlier))
    }

    /// What one attempt gets: half of what is left where another may follow, so that a node that
    /// hangs does not use it all up.
    pub(crate) fn attempt_deadline(self, deadline: Instant, is_last: bool) -> Instant {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.repeated() {
            Repeated::Harmless if left > ATTEMPT_MIN && !is_last => deadline - left / 2,
            Repeated::Harmless | Repeated::Twice => deadline,
        }
    }
}

/// Time below which an attempt is not cut short for the sake of another.
const ATTEMPT_MIN: Duration = Duration::from_secs(2);
