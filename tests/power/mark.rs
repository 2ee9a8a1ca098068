//! What the workload reports, at its place among the recorded calls.

use serde::{Deserialize, Serialize};

/// A step of the workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    Vote {
        term: u64,
    },
    Append {
        first: u64,
        count: u64,
        term: u64,
    },
    Truncate {
        last: u64,
    },
    Purge {
        upto: u64,
    },
    /// The rows are written up to a log index; durable only after a checkpoint.
    Rows {
        applied: u64,
    },
    Checkpoint {
        applied: u64,
    },
    Snapshot {
        applied: u64,
    },
    /// The leader has records that this node will only get in a snapshot.
    Ahead {
        first: u64,
        count: u64,
        term: u64,
    },
    /// All rows are replaced by those of a snapshot.
    Replace {
        applied: u64,
    },
    /// The rows are built anew beside the old ones, and swapped in; a batch is written meanwhile.
    Renew,
}

/// A step begins, or is acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mark {
    Begins(Step),
    Done(Step),
}

impl Mark {
    /// The mark as one line.
    pub fn to_line(&self) -> String {
        serde_json::to_string(self).unwrap()
    }

    /// Reads one line.
    pub fn from_line(line: &str) -> Mark {
        serde_json::from_str(line).unwrap()
    }
}
