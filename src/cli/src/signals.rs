//! The signals a node answers to.

use std::io;

use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// What the operating system, or the operator, asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM or SIGINT: end cleanly.
    Stop,
    /// SIGHUP: read the certificates again.
    Reload,
}

/// The signals that arrive from now on.
pub struct Signals {
    terminate: Stream,
    interrupt: Stream,
    hang_up: Stream,
}

impl Signals {
    /// Begins to listen, in place of what these signals do otherwise.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one. Loses none when it is cancelled.
    pub async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hang_up.recv() => Signal::Reload,
        }
    }

    /// Waits until the process shall end; a reload is nothing to wait for.
    pub async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}
