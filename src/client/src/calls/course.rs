//! How far a call is, and what it ends with.

use std::time::Duration;

use tokio::time::Instant;

use super::{effect::Effect, way::Way};
use crate::{
    Client,
    endpoints::Endpoint,
    error::{Error, Retry},
    limits::TIMEOUT_MAX,
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
            self.unknown = Some(more_telling(self.unknown.take(), error));
            return;
        }
        if error.is_final() {
            self.refused = Some(error);
            return;
        }
        self.earlier = Some(more_telling(self.earlier.take(), error));
    }

    fn note_primary(&mut self, error: &Error) {
        if let Some(region) = error.primary_region() {
            self.primary = Some(region.to_owned());
        }
    }

    /// How many different nodes were asked.
    fn nodes_tried(&self) -> usize {
        let before = |at: usize| self.tried.iter().take(at);
        let is_first = |(at, node): &(usize, &&Endpoint)| !before(*at).any(|other| other.is(node));
        self.tried.iter().enumerate().filter(is_first).count()
    }

    /// What a call ends with whose last attempt failed so.
    pub(super) fn failed(mut self, client: &Client, way: &Way<'_>, error: Error) -> Box<Failed> {
        self.note_primary(&error);
        let (tried, nodes) = (self.nodes_tried(), way.endpoints.count());
        let Course {
            earlier,
            unknown,
            refused,
            primary,
            ..
        } = self;
        let is_doubt = error.retry() == Retry::Unknown;
        let (error, other) = match (unknown, refused) {
            // Another attempt may have done what this one surely did not, or was refused because
            // it has been done, and undone, meanwhile.
            (Some(unknown), _) if !is_doubt => (unknown, Some(more_telling(earlier, error))),
            (None, Some(refused)) if !is_doubt => (refused, None),
            (unknown, _) => match earlier.or(unknown) {
                Some(told) if way.effect.is_told_by(&told, &error) => (told, Some(error)),
                other => (error, other),
            },
        };
        let other = other.map(|other| other.counted(tried, nodes));
        let error = match error.counted(tried, nodes) {
            Error::TimedOut { may_be_done, .. } => Error::TimedOut {
                timeout: client.waited(way.deadline),
                may_be_done,
                source: other
                    .filter(|other| !matches!(other, Error::TimedOut { .. }))
                    .map(Box::new),
            },
            error => error,
        };
        if error.is_final() && error.reason() == "PositionLost" {
            // What was seen is gone; asking for it again would fail for ever.
            client.shared.positions.forget();
        }
        Box::new(Failed { error, primary })
    }
}

impl Client {
    /// How long a call has waited that has to end then.
    fn waited(&self, deadline: Instant) -> Duration {
        let left = deadline.saturating_duration_since(Instant::now());
        self.timeout.min(TIMEOUT_MAX).saturating_sub(left)
    }
}

/// The one of two errors that tells more; the later one if both tell as much.
pub(crate) fn more_telling(earlier: Option<Error>, error: Error) -> Error {
    match earlier {
        Some(told) if error.tells_less_than(&told) => told,
        _ => error,
    }
}
