//! Following: this region keeps up with the feeds that others lead.
//!
//! The node that leads the region follows, and only while it leads: one stream to each linked
//! region. What comes is judged by the machine, as an entry of this region's own log (R22). What is
//! decided here is in plain state machines without I/O (`plan`, `route`, `session`, `lane`,
//! `pulse`, `needs`, `reports`, …); the tasks around them carry messages and proposals.

mod announce;
mod backoff;
mod closed;
mod copies;
mod doubts;
mod failed;
mod fill;
mod forget;
mod import;
pub(crate) mod incoming;
mod kept;
mod key;
mod lane;
mod line;
mod mend;
mod needs;
mod notes;
mod plan;
mod progress;
mod pulse;
mod region;
mod reports;
mod rewrap;
mod route;
mod session;
mod snapshot;
mod staleness;
mod stream;
mod supervisor;
#[cfg(test)]
mod tests;
mod touched;
mod trouble;
mod verdict;
mod wraps;

use std::sync::Arc;
use std::time::Duration;

use consensus::{Committed, Unavailable, View};
use machine::{Command, FeedId, LogIndex, State};
use tokio::time::Instant;

use crate::context::Context;
use crate::follow::doubts::Doubts;
use crate::follow::touched::Touched;
use crate::limits::PROPOSE_TIMEOUT;

pub(crate) use announce::wanted;

pub use progress::{Progress, RegionProgress};
pub use staleness::Staleness;
pub use trouble::Trouble;

/// What all tasks of following share on one node.
pub(crate) struct Following {
    pub(crate) context: Arc<Context>,
    pub(crate) progress: Progress,
    /// Copies that something was done to.
    pub(crate) touched: Touched,
    doubts: Doubts,
}

impl Following {
    pub(crate) fn new(context: &Arc<Context>) -> Following {
        Following {
            context: Arc::clone(context),
            progress: Progress::default(),
            touched: Touched::default(),
            doubts: Doubts::default(),
        }
    }

    /// Starts the tasks of this node; they end with `Options::stop`.
    pub(crate) fn start(self: &Arc<Self>) {
        tokio::spawn(supervisor::run(Arc::clone(self)));
        tokio::spawn(announce::run(Arc::clone(self)));
    }

    /// The time since boot.
    fn now(&self) -> Duration {
        self.staleness().now()
    }

    fn staleness(&self) -> &Staleness {
        &self.context.options.staleness
    }

    /// What this node has applied.
    fn view(&self) -> View {
        self.context.options.consensus.local_view()
    }

    /// What the quorum has.
    async fn read(&self) -> Result<View, Unavailable> {
        let consensus = &self.context.options.consensus;
        consensus.read(Instant::now() + PROPOSE_TIMEOUT).await
    }

    /// What this node has applied once it has applied an entry.
    async fn view_at(&self, index: LogIndex) -> Result<View, Unavailable> {
        let consensus = &self.context.options.consensus;
        consensus
            .view_at(index, Instant::now() + PROPOSE_TIMEOUT)
            .await
    }

    async fn propose(
        &self,
        task: &'static str,
        command: Command,
    ) -> Result<Committed, Unavailable> {
        self.context.propose_as_task(task, command).await
    }
}

/// Whether a feed is one that this region follows: another one is primary of it.
fn is_led_elsewhere(state: &State, feed: &FeedId) -> bool {
    state.primary_of(feed).is_some() && !state.is_primary(feed)
}
