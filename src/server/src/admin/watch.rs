//! WatchRegions: what ListRegions answers, each second and when a region begins to lead a feed.
//!
//! It goes on without a quorum, with what this node knows: who looks at it then needs it most.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::Stream;
use machine::{Epoch, FeedId, Revision, State};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::{Instant, sleep_until};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Response, Status};
use wire::admin::v1 as api;

use super::Admin;
use super::member::{Member, until};
use crate::errors::{Reason, Refusal};
use crate::limits::{REGION_WATCH_INTERVAL, WATCH_PATIENCE};

/// The messages of one stream.
pub(super) type Messages =
    Pin<Box<dyn Stream<Item = Result<api::WatchRegionsResponse, Status>> + Send>>;

/// Shortest pause between two messages.
const PAUSE: Duration = Duration::from_millis(100);

impl Admin {
    pub(super) fn watch_regions(&self) -> Result<Response<Messages>, Refusal> {
        let room = Arc::clone(&self.watches).try_acquire_owned();
        let room = room.map_err(|_| Refusal::new(Reason::Throttling, "Rate exceeded"))?;
        let (sender, receiver) = mpsc::channel(1);
        tokio::spawn(self.clone().tell_regions(sender, room));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }

    async fn tell_regions(
        self,
        sender: mpsc::Sender<Result<api::WatchRegionsResponse, Status>>,
        _room: OwnedSemaphorePermit,
    ) {
        let mut applied = self.consensus.applied();
        let mut leader: Option<(machine::NodeId, Member)> = None;
        loop {
            let at = Instant::now();
            // No view: that would keep every value it shows on disk for as long as a reader takes.
            let seen = shape(&self.consensus.local_view());
            let regions = Some(self.regions_of_leader(&mut leader, at).await);
            let message = api::WatchRegionsResponse { regions };
            let told = sender.send_timeout(Ok(message), WATCH_PATIENCE).await;
            if told.is_err() {
                return;
            }
            sleep_until(at + PAUSE).await;
            loop {
                tokio::select! {
                    () = sender.closed() => return,
                    () = self.stop.cancelled() => {
                        let stopped = "This node is stopping.";
                        let stopped = Refusal::new(Reason::ServiceUnavailable, stopped);
                        // The reader may be gone; then nobody is left to tell.
                        let _ = sender.send_timeout(Err(stopped.into()), WATCH_PATIENCE).await;
                        return;
                    }
                    () = sleep_until(at + REGION_WATCH_INTERVAL) => break,
                    changed = applied.changed() => {
                        let is_new = shape(&self.consensus.local_view()) != seen;
                        if changed.is_err() || is_new {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// As the leader knows the regions, or this node if that does not answer.
    async fn regions_of_leader(
        &self,
        known: &mut Option<(machine::NodeId, Member)>,
        now: Instant,
    ) -> api::ListRegionsResponse {
        let status = self.consensus.status();
        let leader = status.leader.filter(|leader| *leader != status.node);
        if known.as_ref().map(|(node, _)| *node) != leader {
            let member = self.other_leader(false).ok().flatten();
            *known = leader.zip(member);
        }
        if let Some((_, member)) = known {
            let request = until(now + REGION_WATCH_INTERVAL, api::ListRegionsRequest {});
            match member.list_regions(request).await {
                Ok(listed) => return listed.into_inner(),
                Err(status) => tracing::debug!(%status, "the leader did not list the regions"),
            }
        }
        self.regions(&self.consensus.local_view())
    }
}

/// What a reader is told of at once: the directory, and who leads which feed.
fn shape(state: &State) -> (Revision, Vec<(FeedId, Epoch)>) {
    let root = state.feed(&FeedId::Root).map(machine::Feed::revision);
    let epochs = state.epochs();
    let epochs = epochs.map(|(feed, epoch)| (feed.clone(), epoch.clone()));
    (root.unwrap_or_default(), epochs.collect())
}
