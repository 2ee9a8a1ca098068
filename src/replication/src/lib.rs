//! Feeds between regions: serving those led here, following those led elsewhere, taking over.
//!
//! What a region is sent is decided by the machine, on a view of what is committed here; what comes
//! from a region is proposed like any other command, and the machine judges it. This crate only
//! carries: it trusts no message further than the caller's own region (R17), and holds no key
//! longer than a stream. See R1, R22, R23, R25, R27, R28 and R32 of the protocol.

mod codec;
mod context;
mod error;
mod follow;
mod followers;
mod heard;
mod issuers;
#[cfg(test)]
mod kit;
mod limits;
mod messages;
mod options;
mod promote;
mod serve;
mod work;

use std::sync::Arc;

use machine::{Region, RegionName, State};
use tokio::time::Instant;
use tonic::{Extensions, Status};
use wire::replication::v1;
use wire::replication::v1::replication_service_server::ReplicationServiceServer;

use crate::context::Context;
use crate::follow::Following;
use crate::serve::Door;

pub use crate::codec::Malformed;
pub use crate::follow::{Progress, RegionProgress, Staleness, Trouble};
pub use crate::followers::{Acknowledged, Follower, Followers};
pub use crate::heard::{Announced, Heard};
pub use crate::issuers::issuers_of_others;
pub use crate::messages::{MessageKind, reread};
pub use crate::options::{DialFailed, Keys, Options, Own, Regions, TakeFailed};
pub use crate::promote::{Further, PromoteError, PromoteReport, PromotedFeed};
pub use crate::serve::{Sent, Service};

/// This node's part in the traffic between regions. Clones are handles of the same node.
#[derive(Clone)]
pub struct Replication {
    context: Arc<Context>,
    following: Arc<Following>,
    door: Arc<Door>,
}

impl Replication {
    /// Takes what the server has. Nothing runs until [`Replication::start`].
    pub fn new(options: Options) -> Replication {
        let context = Arc::new(Context::new(options));
        Replication {
            following: Arc::new(Following::new(&context)),
            door: Arc::new(Door::new(&context)),
            context,
        }
    }

    /// Starts the tasks of this node. Must be called once, within a runtime; they end with
    /// `Options::stop`.
    pub fn start(&self) {
        serve::start(&self.context);
        self.following.start();
    }

    /// The service that nodes of other regions call; serve it on the peer listener only.
    pub fn service(&self) -> ReplicationServiceServer<Service> {
        let service = Service::new(&self.context, &self.door);
        ReplicationServiceServer::new(service)
            .max_decoding_message_size(limits::REQUEST_BYTES_MAX)
            .max_encoding_message_size(limits::MESSAGE_BYTES_MAX)
    }

    /// How far the regions that follow this one are, as they told this node.
    pub fn followers(&self) -> &Followers {
        &self.context.followers
    }

    /// How following goes on this node; it follows while it leads.
    pub fn progress(&self) -> &Progress {
        &self.following.progress
    }

    /// How old the followed feeds are, as this node knows.
    pub fn staleness(&self) -> &Arc<Staleness> {
        &self.context.options.staleness
    }

    /// What this node heard of the primaries it follows.
    pub fn heard(&self) -> &Heard {
        &self.context.heard
    }

    /// Gives what a message to a node of another region says of who sends it (R28).
    pub fn origin(&self, state: &State) -> v1::Origin {
        self.context.origin(state)
    }

    /// Hears the ballots that a node of another region answered with.
    pub fn hear(&self, state: &State, origin: v1::Origin) {
        // One that cannot be read says nothing.
        if let Ok(claims) = codec::from_claims(origin.epochs) {
            self.context.options.epochs.hear(state, &claims);
        }
    }

    /// Checks that a message is from whoever calls, and that the directory has that node of
    /// another region; hears its ballots. Gives the region.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn check(
        &self,
        caller: &Extensions,
        origin: Option<v1::Origin>,
    ) -> Result<RegionName, Status> {
        Ok(self.door.check(caller, origin)?.region)
    }

    /// Gives what the directory should say of this region; none if it says so, or names no such
    /// region. Its scope keeps the one there is.
    pub fn own_entry(&self, state: &State) -> Option<Region> {
        follow::wanted(state, self.context.options.own.authorities())
    }

    /// Takes over the feeds of a lost region (R27): asks all linked regions, and proposes the next
    /// ballots. On any node; the one that leads knows best what the lost region announced.
    ///
    /// # Errors
    /// [`PromoteError`] says whether anything can have been written.
    pub async fn promote(
        &self,
        lost: &RegionName,
        force: bool,
        audit: machine::Audit,
        deadline: Instant,
    ) -> Result<PromoteReport, PromoteError> {
        promote::promote(&self.context, lost, force, audit, deadline).await
    }
}
