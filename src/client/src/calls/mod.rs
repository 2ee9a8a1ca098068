//! One call: its deadline, its attempts, the node of each, and what is learned from the answer.

mod admin;
pub(crate) mod secrets;

use std::time::Duration;

use tokio::time::{Instant, sleep_until, timeout_at};
use tonic::{Request, Response, Status, metadata::MetadataValue};
use wire::Channel;

use crate::{
    Client, Consistency,
    error::{Error, Retry},
    limits::TIMEOUT_MAX,
    position::Before,
    retry::{self, Repeated},
};

const POSITION: &str = "strongroom-position";
const MIN_POSITION: &str = "strongroom-min-position";
const CONSISTENCY: &str = "strongroom-consistency";

/// What a call does to the state of the region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Reads it.
    Reads,
    /// Changes it; sent twice with its token, it changes it once.
    WritesOnce,
    /// Changes it each time it is sent.
    Writes,
    /// Neither; repeating it is harmless.
    Nothing,
}

impl Client {
    /// Sends a call until it is answered, may not be sent again, or its time is over.
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
        let deadline = self.deadline();
        let before = self.shared.positions.before();
        let mut attempts = 0;
        let mut earlier = None;
        let mut unknown = None;
        loop {
            attempts += 1;
            let node = self.shared.endpoints.preferred()?;
            let until = effect.attempt_deadline(deadline);
            let request = self.request(effect, &before, message.clone(), until);
            let answered = timeout_at(until, send(node.channel.clone(), request)).await;
            let error = match answered {
                Ok(Ok(answer)) => return Ok(self.learn(effect, &before, answer)),
                Ok(Err(status)) => Error::of_status(status, &node.address, self.timeout),
                Err(_) => Error::TimedOut {
                    timeout: self.timeout,
                    source: None,
                },
            };
            if error.is_of_the_node() {
                self.shared.endpoints.turn_from(node);
            }
            let pause = retry::pause(&error, effect.repeated(), attempts, retry::chance());
            match pause.map(|pause| Instant::now() + pause) {
                Some(next) if next < deadline => sleep_until(next).await,
                _ => {
                    return Err(match unknown {
                        // An attempt before may have done what the last one surely did not.
                        Some(unknown) if error.retry() == Retry::Safe => unknown,
                        unknown => self.last(error, earlier.or(unknown), attempts),
                    });
                }
            }
            if effect != Effect::Reads && error.retry() == Retry::Unknown {
                unknown = Some(error);
            } else {
                earlier = match earlier {
                    Some(told) if error.tells_less_than(&told) => Some(told),
                    _ => Some(error),
                };
            }
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
        request.set_timeout(until.saturating_duration_since(Instant::now()));
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

    /// Adds to the last error what one attempt does not know: how many nodes there are, and what
    /// the attempt before said.
    fn last(&self, error: Error, earlier: Option<Error>, attempts: u32) -> Error {
        match error {
            Error::TimedOut { timeout, .. } => Error::TimedOut {
                timeout,
                source: earlier.map(Box::new),
            },
            error
                if earlier
                    .as_ref()
                    .is_some_and(|told| error.tells_less_than(told)) =>
            {
                earlier.unwrap_or(error)
            }
            Error::Unreachable {
                endpoint,
                retry,
                source,
                ..
            } => {
                let endpoints = self.shared.endpoints.count();
                let tried = usize::try_from(attempts)
                    .unwrap_or(endpoints)
                    .min(endpoints);
                Error::Unreachable {
                    endpoint,
                    tried,
                    endpoints,
                    retry,
                    source,
                }
            }
            Error::Refused {
                ref reason,
                retry: Retry::No,
                ..
            } if reason == "PositionLost" => {
                // What was seen is gone; asking for it again would fail for ever.
                self.shared.positions.forget();
                error
            }
            error => error,
        }
    }
}

impl Effect {
    fn repeated(self) -> Repeated {
        match self {
            Self::Reads | Self::WritesOnce | Self::Nothing => Repeated::Harmless,
            Self::Writes => Repeated::Twice,
        }
    }

    /// What one attempt gets: half of what is left where another may follow, so that a node that
    /// hangs does not use it all up.
    pub(crate) fn attempt_deadline(self, deadline: Instant) -> Instant {
        let left = deadline.saturating_duration_since(Instant::now());
        match self.repeated() {
            Repeated::Harmless if left > ATTEMPT_MIN => deadline - left / 2,
            Repeated::Harmless | Repeated::Twice => deadline,
        }
    }
}

/// Time below which an attempt is not cut short for the sake of another.
const ATTEMPT_MIN: Duration = Duration::from_secs(2);
