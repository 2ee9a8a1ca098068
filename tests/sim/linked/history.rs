//! What clients asked of which region, and were answered, in the order they saw it.

use std::time::Duration;

use machine::{Epoch, FeedId, Position, Token, Uid};

use crate::ops::What;
use crate::service::Seen;

/// One operation on one secret.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "some of it is for whoever reads a violation")]
pub struct Operation {
    pub region: u64,
    pub host: u64,
    pub feed: FeedId,
    pub uid: Uid,
    /// When it was asked, on one clock that all clients share, and in the time of the world.
    pub asked: u64,
    pub asked_at: Duration,
    pub kind: Kind,
    /// None while nobody knows what came of it: it may take effect at any time, or never.
    pub answered: Option<Answered>,
}

#[derive(Debug, Clone)]
pub enum Kind {
    /// Writes; the number is that of the version it adds, which no other write has.
    Write { what: What, number: Option<u64> },
    /// Reads, with the positions that the client has seen.
    Read { token: Option<Token> },
}

#[derive(Debug, Clone)]
pub struct Answered {
    pub moment: u64,
    pub at: Duration,
    pub answer: Answer,
}

#[derive(Debug, Clone)]
pub enum Answer {
    /// It was written there; with a higher ballot that was heard of by then.
    Written(Position, Option<Epoch>),
    Saw(Seen),
    /// A position of the client was said to be lost; where the feed stood.
    Lost(Position, Position),
}

impl Operation {
    /// The position of a write that was acknowledged.
    pub fn written(&self) -> Option<&Position> {
        match self.answered.as_ref().map(|answered| &answered.answer) {
            Some(Answer::Written(position, _)) => Some(position),
            _ => None,
        }
    }

    /// Whether it may be a write that had nothing to do.
    pub fn is_idle(&self) -> bool {
        let Kind::Write { what, .. } = &self.kind else {
            return false;
        };
        !matches!(what, What::Put | What::Tag | What::Purge)
    }

    /// What a read showed.
    pub fn seen(&self) -> Option<&Seen> {
        match self.answered.as_ref().map(|answered| &answered.answer) {
            Some(Answer::Saw(seen)) => Some(seen),
            _ => None,
        }
    }
}
