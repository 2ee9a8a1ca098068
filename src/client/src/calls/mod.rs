//! One call: its deadline, its attempts, the node of each, and what is learned from the answer.

mod access;
mod admin;
mod course;
mod effect;
mod led;
pub(crate) mod secrets;
mod way;

use futures::{StreamExt, stream::FuturesUnordered};
use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status};
use wire::Channel;

use self::{
    course::{Course, Failed},
    way::{Shows, Way},
};
use crate::{
    Client, Consistency,
    endpoints::Endpoint,
    error::Error,
    limits::{ATTEMPTS_MAX, TIMEOUT_MAX},
    position::{Before, Reading},
    retry,
    shown::Shown,
};

pub(crate) use self::{
    admin::service as admin_service, course::more_telling, effect::Effect, way::watch_request,
};

impl Client {
    /// Sends a call to the region until it is answered, may not be sent again, or its time is over.
    /// A read that has to cover several positions of other regions is sent for each of them.
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
        let before = self.shared.positions.before();
        let Reading { eventual, tokens } = match effect {
            Effect::Reads => before.reading(self.consistency == Consistency::Eventual),
            _ => Reading::default(),
        };
        let mut tokens = tokens.into_iter();
        let mut way = self.way(effect, self.deadline());
        way.shows = Shows {
            eventual,
            token: tokens.next(),
            max_staleness: self.max_staleness,
        };
        loop {
            let sent = self.send(&way, message.clone(), &send).await;
            let answer = sent.map_err(|failed| failed.error)?;
            way.shows.token = match tokens.next() {
                Some(token) => Some(token),
                None => return Ok(self.learn(effect, &before, answer)),
            };
        }
    }

    /// The way to the nodes of the region.
    fn way(&self, effect: Effect, deadline: Instant) -> Way<'_> {
        Way {
            effect,
            endpoints: &self.shared.endpoints,
            deadline,
            bearer: self.shared.bearer.as_ref(),
            region: self.region.as_deref(),
            shows: Shows::default(),
        }
    }

    /// Sends a call on one way until it is answered, may not be sent again, or its time is over.
    ///
    /// A call that is harmless to repeat is sent to another node as well when the one it was sent
    /// to is silent for long: the host may be gone without a word, and no time-out of a transport
    /// is as short as an election. The first answer counts, the other attempts are taken back; but
    /// a write is refused only once no other attempt may have made it.
    async fn send<Q, A, F, S>(
        &self,
        way: &Way<'_>,
        message: Q,
        send: &F,
    ) -> Result<Response<A>, Box<Failed>>
    where
        Q: Clone,
        F: Fn(Channel, Request<Q>) -> S,
        S: Future<Output = Result<Response<A>, Status>>,
    {
        let (effect, endpoints) = (way.effect, way.endpoints);
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
                            course.asked.iter().for_each(|silent| endpoints.turn_from(silent));
                            self.shared.counts.answered();
                            return Ok(answer);
                        }
                        Err(error) => error,
                    };
                    if error.is_of_the_node() {
                        endpoints.turn_from(node);
                    }
                    let chance = retry::chance();
                    let pause = retry::pause(&error, effect.repeated(), course.attempts(), chance);
                    let again = pause.map(|pause| Instant::now() + pause);
                    next = again.filter(|at| *at < way.deadline && course.refused.is_none());
                    is_doubt = false;
                    let ends = error.is_final() && !effect.is_once();
                    if next.is_none() && (ends || under_way.is_empty()) {
                        return Err(course.failed(self, way, error));
                    }
                    course.note(effect, error);
                }
                () = sleep_until(next.unwrap_or(way.deadline)), if next.is_some() => {
                    next = None;
                    let Some(node) = endpoints.next(&course.asked, &course.tried) else {
                        continue;
                    };
                    if is_doubt && !self.shared.counts.may_double() {
                        continue;
                    }
                    self.shared.counts.sent(course.attempts(), is_doubt);
                    course.begin(node);
                    let is_last = course.attempts() == ATTEMPTS_MAX;
                    let until = effect.attempt_deadline(way.deadline, is_last);
                    let sent = send(node.channel.clone(), way.request(message.clone(), until));
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

    /// When a call that begins now has to end.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout.min(TIMEOUT_MAX)
    }

    /// Takes note of where the state is that an answer of the region was made from.
    fn learn<A>(&self, effect: Effect, before: &Before, answer: Response<A>) -> A {
        let shown = Shown::of(answer.metadata());
        match (effect, &shown.position) {
            (Effect::Reads, Some(token)) => self.shared.positions.read(before, token),
            (effect, Some(token)) if effect.is_of_secrets() => {
                self.shared.positions.saw(before, token);
            }
            _ => {}
        }
        self.show(shown);
        answer.into_inner()
    }

    fn show(&self, shown: Shown) {
        if let Some(last) = &self.last_shown {
            last.set(shown);
        }
    }
}
