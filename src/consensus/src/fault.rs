//! Faults: this node can no longer keep a promise, and its process must stop.

use std::sync::Arc;

use tokio::sync::watch;

/// Why this node must stop. A node that comes back is safer than one half alive.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The log could not be written or read. An fsync is never retried: what the kernel dropped is
    /// gone.
    #[error("the log failed: {action}")]
    Log {
        /// What was being done.
        action: &'static str,
        /// The store's words.
        #[source]
        source: store::Fault,
    },
    /// The rows could not be written or read.
    #[error("the rows failed: {action}")]
    Rows {
        /// What was being done.
        action: &'static str,
        /// The store's words.
        #[source]
        source: store::Fault,
    },
    /// A snapshot could not be written, read or installed.
    #[error("a snapshot failed: {action}")]
    Snapshot {
        /// What was being done.
        action: &'static str,
        /// The store's words.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The log holds a command this version does not know. It is never skipped (R13): start a
    /// version that knows it.
    #[error("the entry at index {index} cannot be applied by this version")]
    UnknownCommand {
        /// Its place in the log.
        index: u64,
        /// The machine's words.
        #[source]
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The consensus core stopped by itself.
    #[error("the consensus core stopped: {reason}")]
    Core {
        /// openraft's words.
        reason: String,
    },
}

/// Raises the first fault; later ones are consequences. Whoever ends the process says why, in the
/// one line that an operator is to see.
#[derive(Clone, Debug)]
pub(crate) struct Faults(watch::Sender<Option<Fault>>);

impl Faults {
    pub(crate) fn new() -> Faults {
        Faults(watch::Sender::new(None))
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<Fault>> {
        self.0.subscribe()
    }

    /// Records the fault and gives back the error openraft stops with.
    pub(crate) fn raise(&self, fault: Fault) -> std::io::Error {
        tracing::debug!(%fault, "fault, this node must stop");
        let error = std::io::Error::other(fault.to_string());
        self.0.send_if_modified(|current| {
            let first = current.is_none();
            if first {
                *current = Some(fault);
            }
            first
        });
        error
    }
}
