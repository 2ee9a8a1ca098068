//! How far a call is, and what it ends with.

use super::effect::Effect;
use crate::{
    Client,
    endpoints::{Endpoint, Endpoints},
    error::{Error, Retry},
};

/// How far a call is.
#[derive(Default)]
pub(super) struct Course<'a> {
    /// The nodes that have not answered yet.
    pub(super) asked: Vec<&'a Endpoint>,
    /// The node of each attempt.
    pub(super) tried: Vec<&'a Endpoint>,
    /// What the attempt before said.
    earlier: Option<Error>,
    /// What the last attempt said that may have made a change.
    unknown: Option<Error>,
    /// What a node refused for good while another may still do it.
    pub(super) refused: Option<Error>,
    /// The region that leads what the call is about, if a node said that it is another one.
    primary: Option<String>,
}

/// Why a call was not answered.
pub(super) struct Failed {
    /// What the caller is told.
    pub(super) error: Error,
    /// The region that leads what the call is about, if a node said that it is another one.
    pub(super) primary: Option<String>,
}

impl<'a> Course<'a> {
    pub(super) fn attempts(&self) -> u32 {
        u32::try_from(self.tried.len()).unwrap_or(u32::MAX)
    }

    pub(super) fn begin(&mut self, node: &'a Endpoint) {
        self.tried.push(node);
        self.asked.push(node);
    }

    pub(super) fn ended(&mut self, node: &Endpoint) {
        self.asked.retain(|asked| !asked.is(node));
    }

    pub(super) fn note(&mut self, effect: Effect, error: Error) {
        self.note_primary(&error);
        if effect.may_change() && error.retry() == Retry::Unknown {
            self.unknown = Some(error);
            return;
        }
        if error.is_final() {
            self.refused = Some(error);
            return;
        }
        self.earlier = match self.earlier.take() {
            Some(told) if error.tells_less_than(&told) => Some(told),
            _ => Some(error),
        };
    }

    fn note_primary(&mut self, error: &Error) {
        if let Some(region) = error.primary_region() {
            self.primary = Some(region.to_owned());
        }
    }

    /// What a call ends with whose last attempt failed so.
    pub(super) fn failed(
        mut self,
        client: &Client,
        endpoints: &Endpoints,
        error: Error,
    ) -> Box<Failed> {
        self.note_primary(&error);
        let attempts = self.attempts();
        let Course {
            earlier,
            unknown,
            refused,
            primary,
            ..
        } = self;
        let error = match (unknown, refused) {
            // Another attempt may have done what this one surely did not, or was refused because
            // it has been done, and undone, meanwhile.
            (Some(unknown), _) if error.retry() != Retry::Unknown => unknown,
            (None, Some(refused)) if error.retry() != Retry::Unknown => refused,
            (unknown, _) => client.last(endpoints, error, earlier.or(unknown), attempts),
        };
        Box::new(Failed { error, primary })
    }
}

impl Client {
    /// Adds to the last error what one attempt does not know: how many nodes there are, and what
    /// the attempt before said.
    fn last(
        &self,
        endpoints: &Endpoints,
        error: Error,
        earlier: Option<Error>,
        attempts: u32,
    ) -> Error {
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
                let endpoints = endpoints.count();
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
