//! How a stream ended.

use std::fmt;

use tonic::Status;

use crate::follow::pulse::Dead;
use crate::follow::route::End;
use crate::follow::session::StreamFault;
use crate::options::DialFailed;

/// Why a stream ended.
#[derive(Debug)]
pub(crate) enum Closed {
    /// It is to be opened anew, for other feeds or from another place.
    Renewed,
    /// Its node is dead, or leads no more.
    Dead(Dead),
    /// The directory does not name its node any more, or with another key.
    Removed,
    /// There is no channel to the node.
    NotDialled(DialFailed),
    /// It did not open in time.
    Late,
    /// The node refused it, or ended it with a reason.
    Refused(Status),
    /// The node ended it without a reason.
    Ended,
    /// A message was none.
    Fault(StreamFault),
    /// No key could be made for it here.
    NoKey(String),
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

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Closed::Renewed => f.write_str("it is opened anew for other feeds"),
            Closed::Dead(Dead::Silent) => f.write_str("the node went silent"),
            Closed::Dead(Dead::NoQuorum) => f.write_str("the node knows no leader with a quorum"),
            Closed::Dead(Dead::Elsewhere(node)) => write!(f, "node {node} leads"),
            Closed::Removed => f.write_str("the node is not in the region directory any more"),
            Closed::NotDialled(error) => write!(f, "the node cannot be dialled: {error}"),
            Closed::Late => f.write_str("the node did not answer in time"),
            Closed::Refused(status) => {
                write!(
                    f,
                    "the node refused: {:?}: {}",
                    status.code(),
                    status.message()
                )
            }
            Closed::Ended => f.write_str("the node ended it"),
            Closed::Fault(fault) => write!(f, "the node is faulty: {fault}"),
            Closed::NoKey(reason) => write!(f, "there is no key for the stream: {reason}"),
        }
    }
}
