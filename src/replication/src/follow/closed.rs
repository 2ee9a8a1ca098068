//! How a stream ended.

use thiserror::Error;

use crate::follow::failed::Failed;
use crate::follow::pulse::Dead;
use crate::follow::route::End;
use crate::follow::session::StreamFault;

/// Why a stream ended.
#[derive(Debug, Error)]
pub(crate) enum Closed {
    /// It is to be opened anew: for other feeds, from another place, or with a new key.
    #[error("it is opened anew")]
    Renewed,
    /// Its node is dead, or leads no more.
    #[error(transparent)]
    Dead(#[from] Dead),
    /// The directory does not name its node any more, or with another key.
    #[error("the node is not in the region directory any more")]
    Removed,
    /// The node could not be asked, or refused, or broke it off.
    #[error(transparent)]
    Lost(#[from] Failed),
    /// The node ended it without a reason.
    #[error("the node ended it")]
    Ended,
    /// A message was none, or no use can be made of any.
    #[error("the node is faulty: {0}")]
    Fault(#[from] StreamFault),
}

impl Closed {
    /// What follows for the next stream.
    pub(crate) fn end(&self) -> End {
        match self {
            Closed::Renewed => End::Renewed,
            Closed::Dead(Dead::Elsewhere(leader)) => End::Elsewhere(*leader),
            Closed::Fault(_) => End::Faulty,
            _ => End::Lost,
        }
    }
}
